#include "shared/process_watch.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that does nothing until it is killed. */
static pid_t sleeper(void)
{
    const pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    while (pid == 0) {
        (void)pause();
    }
    return pid;
}

static bool is_readable(const struct process_watch *watch, int wait_ms)
{
    struct pollfd fd = {.fd = process_watch_descriptor(watch), .events = POLLIN};
    return poll(&fd, 1, wait_ms) == 1;
}

Test(process_watch, each_that_was_killed_is_told_of_once_though_nobody_has_waited_for_it)
{
    struct process_watch *watch;
    const pid_t pids[] = {sleeper(), sleeper(), sleeper()};
    uint32_t id = 0;
    cr_assert(eq(int, process_watch_create(&watch, NULL), STATUS_OK));
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(process_watch_add(watch, pids[i], 10 + i));
    }
    cr_expect(not(is_readable(watch, 0)));
    cr_expect(not(process_watch_take(watch, &id)));
    (void)kill(pids[1], SIGKILL);
    cr_assert(is_readable(watch, 10000));
    cr_assert(process_watch_take(watch, &id));
    cr_expect(eq(u32, id, 11));
    cr_expect(not(process_watch_take(watch, &id)));
    (void)kill(pids[0], SIGKILL);
    (void)kill(pids[2], SIGKILL);
    (void)waitpid(pids[0], NULL, 0);
    (void)waitpid(pids[1], NULL, 0);
    (void)waitpid(pids[2], NULL, 0);
    uint32_t sum = 0;
    while (process_watch_take(watch, &id)) {
        sum += id;
    }
    cr_expect(eq(u32, sum, 22));
    process_watch_destroy(watch);
}

Test(process_watch, one_that_is_stopped_has_not_ended)
{
    struct process_watch *watch;
    const pid_t pid = sleeper();
    uint32_t id;
    int status;
    cr_assert(eq(int, process_watch_create(&watch, NULL), STATUS_OK));
    cr_assert(process_watch_add(watch, pid, 1));
    (void)kill(pid, SIGSTOP);
    (void)waitpid(pid, &status, WUNTRACED);
    const bool is_stopped = WIFSTOPPED(status);
    cr_assert(is_stopped);
    cr_expect(not(process_watch_take(watch, &id)));
    (void)kill(pid, SIGKILL);
    cr_expect(is_readable(watch, 10000));
    process_watch_destroy(watch);
    (void)waitpid(pid, NULL, 0);
}

Test(process_watch, one_that_is_gone_before_is_not_told_of)
{
    struct process_watch *watch;
    const pid_t pid = sleeper();
    uint32_t id;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    cr_assert(eq(int, process_watch_create(&watch, NULL), STATUS_OK));
    cr_expect(not(process_watch_add(watch, pid, 1)));
    cr_expect(not(process_watch_take(watch, &id)));
    process_watch_destroy(watch);
    process_watch_destroy(NULL);
}
