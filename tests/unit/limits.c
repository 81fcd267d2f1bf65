#include "worker/limits.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define HELD (64 * MIB)

static void hold(int flags)
{
    char *memory = mmap(NULL, HELD, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        _exit(1);
    }
    memset(memory, 1, HELD);
}

static void say_ready(int fd)
{
    (void)!write(fd, "r", 1);
}

static _Noreturn void wait_for_end(void)
{
    for (;;) {
        (void)pause();
    }
}

/* A child with a group of its own; returns once `count` processes have said that they are ready. */
static pid_t start(void (*life)(int ready), int count)
{
    int fds[2];
    char byte;
    cr_assert(eq(int, pipe(fds), 0));
    const pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        life(fds[1]);
        wait_for_end();
    }
    (void)setpgid(pid, pid);
    for (int i = 0; i < count; i++) {
        cr_assert(eq(int, (int)read(fds[0], &byte, 1), 1));
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void hold_alone(int ready)
{
    hold(MAP_PRIVATE);
    say_ready(ready);
}

static void hold_in_descendants(int ready)
{
    if (fork() == 0) {
        if (fork() == 0) {
            hold_alone(ready);
            wait_for_end();
        }
        hold_alone(ready);
        wait_for_end();
    }
    say_ready(ready);
}

static void hold_before_fork(int ready)
{
    hold(MAP_PRIVATE);
    if (fork() == 0) {
        say_ready(ready);
        wait_for_end();
    }
    say_ready(ready);
}

static void hold_shared(int ready)
{
    hold(MAP_SHARED);
    say_ready(ready);
}

Test(limits, what_a_process_has_touched_counts, .timeout = 20)
{
    const pid_t pid = start(hold_alone, 1);
    cr_expect(ge(u64, limits_own(pid), HELD));
    cr_expect(lt(u64, limits_own(pid), HELD + 32 * MIB));
    cr_expect(lt(u64, limits_resident(pid), limits_own(pid) + MIB));
    cr_expect(lt(u64, limits_held(pid, MIB), limits_own(pid) + MIB));
    end(pid);
}

Test(limits, children_and_grandchildren_count, .timeout = 20)
{
    const pid_t pid = start(hold_in_descendants, 3);
    cr_expect(lt(u64, limits_own(pid), HELD));
    cr_expect(ge(u64, limits_resident(pid), 2 * HELD));
    cr_expect(ge(u64, limits_held(pid, HELD), 2 * HELD));
    cr_expect(lt(u64, limits_held(pid, HELD), 3 * HELD));
    end(pid);
}

Test(limits, a_fork_does_not_double_what_is_held, .timeout = 20)
{
    const pid_t pid = start(hold_before_fork, 2);
    cr_expect(ge(u64, limits_resident(pid), 2 * HELD));
    cr_expect(ge(u64, limits_held(pid, HELD), HELD));
    cr_expect(lt(u64, limits_held(pid, HELD), HELD + 32 * MIB));
    end(pid);
}

Test(limits, shared_memory_does_not_count, .timeout = 20)
{
    const pid_t pid = start(hold_shared, 1);
    cr_expect(lt(u64, limits_resident(pid), HELD));
    end(pid);
}

Test(limits, a_process_that_has_ended_holds_nothing, .timeout = 20)
{
    const pid_t pid = start(hold_alone, 1);
    end(pid);
    cr_expect(eq(u64, limits_resident(pid), 0));
}
