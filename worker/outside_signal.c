#include "worker/outside_signal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "shared/clock.h"

#define LATELY_US 2000000

static const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

static pid_t zygote;
static _Atomic uint64_t came_us; /* 0: none has come */

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_pid == zygote || info->si_pid == getpid()) {
        (void)signal(number, SIG_DFL);
        (void)raise(number); /* delivered when this returns */
        return;
    }
    atomic_store(&came_us, clock_us());
}

void outside_signal_open(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = on_signal;
    (void)sigemptyset(&action.sa_mask);
    zygote = getppid();
    if (getenv("SLURM_JOB_ID") == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction present;
        if (sigaction(signals[i], NULL, &present) == 0 && present.sa_handler == SIG_DFL) {
            (void)sigaction(signals[i], &action, NULL);
        }
    }
}

bool outside_signal_came(void)
{
    const uint64_t at_us = atomic_load(&came_us);
    return at_us != 0 && clock_us() - at_us < LATELY_US;
}
