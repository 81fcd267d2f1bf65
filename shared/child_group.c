#include "shared/child_group.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static _Atomic int child_group;
static _Atomic bool is_ending;
static bool is_open;
static struct sigaction action_before;

/* As if this handler were not there. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if ((action_before.sa_flags & SA_SIGINFO) != 0) {
        action_before.sa_sigaction(number, info, context);
    } else if (action_before.sa_handler == SIG_DFL) {
        (void)signal(number, SIG_DFL);
        (void)raise(number); /* delivered when this returns */
    } else if (action_before.sa_handler != SIG_IGN) {
        action_before.sa_handler(number);
    }
}

/* Those who end attempts are above this process, or the process itself. */
static void on_term(int number, siginfo_t *info, void *context)
{
    const int reason = errno;
    const int group = atomic_load(&child_group);
    const bool is_ours = info->si_pid == getppid() || info->si_pid == getpid();
    if (group != 0 && is_ours) {
        atomic_store(&is_ending, true);
        (void)kill(-group, SIGTERM);
    } else {
        pass_on(number, info, context);
    }
    errno = reason;
}

void child_group_open(void)
{
    is_open = true;
}

void child_group_set(int group)
{
    static bool is_handled;
    if (!is_open) {
        return;
    }
    if (group != 0) {
        atomic_store(&is_ending, false);
    }
    atomic_store(&child_group, group);
    if (!is_handled) {
        struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
        action.sa_sigaction = on_term;
        (void)sigemptyset(&action.sa_mask);
        is_handled = sigaction(SIGTERM, &action, &action_before) == 0;
    }
}

bool child_group_is_ending(void)
{
    return atomic_load(&is_ending);
}
