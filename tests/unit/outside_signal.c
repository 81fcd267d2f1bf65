#include "worker/outside_signal.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

/* What becomes of a process that does this after outside_signal_open(), as from waitpid().
 * `signaller` sends it SIGTERM as neither it nor its parent. */
static void signal_from_outside(void)
{
    const pid_t parent = getpid();
    const pid_t signaller = fork();
    if (signaller == 0) {
        (void)kill(parent, SIGTERM);
        _exit(0);
    }
    (void)waitpid(signaller, NULL, 0);
}

enum { EXIT_CAME = 3, EXIT_NONE = 4, EXIT_OWN = 5 };

static _Noreturn void leave(int number)
{
    (void)number;
    _exit(EXIT_OWN);
}

static int end_of(void (*act)(void))
{
    int ended = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        outside_signal_open();
        act();
        _exit(outside_signal_came() ? EXIT_CAME : EXIT_NONE);
    }
    cr_assert(waitpid(pid, &ended, 0) == pid);
    return ended;
}

static void raise_it(void)
{
    (void)raise(SIGTERM);
}

static void wait_for_parent(void)
{
    (void)sleep(20);
}

static void do_nothing(void)
{
}

static void in_job(void)
{
    (void)setenv("SLURM_JOB_ID", "1", 1);
}

static void outside_of_jobs(void)
{
    (void)unsetenv("SLURM_JOB_ID");
}

/* ---- Tests ---------------------------------------------------------------------------------- */

Test(outside_signal, one_that_everybody_gets_is_left_to_the_rank, .init = in_job)
{
    const int ended = end_of(signal_from_outside);
    cr_assert(ne(int, WIFEXITED(ended), 0));
    cr_expect(eq(int, WEXITSTATUS(ended), EXIT_CAME));
}

Test(outside_signal, without_one_none_has_come, .init = in_job)
{
    cr_expect(eq(int, WEXITSTATUS(end_of(do_nothing)), EXIT_NONE));
}

Test(outside_signal, ones_own_ends_the_process, .init = in_job)
{
    const int ended = end_of(raise_it);
    cr_assert(ne(int, WIFSIGNALED(ended), 0));
    cr_expect(eq(int, WTERMSIG(ended), SIGTERM));
}

Test(outside_signal, the_zygotes_ends_the_process, .init = in_job)
{
    int ended = 0;
    int ready[2];
    char byte;
    cr_assert(pipe(ready) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        outside_signal_open();
        (void)!write(ready[1], "", 1);
        wait_for_parent();
        _exit(EXIT_NONE);
    }
    cr_assert(read(ready[0], &byte, 1) == 1);
    (void)kill(pid, SIGTERM);
    cr_assert(waitpid(pid, &ended, 0) == pid);
    cr_assert(ne(int, WIFSIGNALED(ended), 0));
    cr_expect(eq(int, WTERMSIG(ended), SIGTERM));
}

Test(outside_signal, a_handler_of_the_jobs_own_stays, .init = in_job)
{
    (void)signal(SIGTERM, leave);
    cr_expect(eq(int, WEXITSTATUS(end_of(signal_from_outside)), EXIT_OWN));
}

Test(outside_signal, outside_of_slurm_a_signal_is_a_signal, .init = outside_of_jobs)
{
    const int ended = end_of(signal_from_outside);
    cr_assert(ne(int, WIFSIGNALED(ended), 0));
    cr_expect(eq(int, WTERMSIG(ended), SIGTERM));
}
