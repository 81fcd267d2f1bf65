/* bad_start.c - a job whose mf_job does what $BAD_START says before it registers its task; with
 * $BAD_START_RANK, on that rank alone. */
#include <mapfleet.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static mf_status echo(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, input);
    return MF_OK;
}

/* Handlers, a mask, and nothing for SIGCHLD. */
static void change_signals(void)
{
    sigset_t all;
    for (int number = 1; number < SIGRTMAX; number++) {
        (void)signal(number, SIG_IGN);
    }
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Text on both, and more of it than a pipe holds. */
static void print(void)
{
    (void)printf("on standard output\n");
    (void)fprintf(stderr, "on standard error\n");
    for (int i = 0; i < 20000; i++) {
        (void)printf("line %d\n", i);
    }
}

static void leave_children(void)
{
    if (fork() == 0) {
        (void)pause();
        _exit(0);
    }
    abort();
}

static void become_sleep(void)
{
    static char name[] = "sleep";
    static char time[] = "1000";
    char *const arguments[] = {name, time, NULL};
    (void)execvp(name, arguments);
}

/* Whatever descriptors there are: one of them is how the process is spoken with. */
static void scribble(void)
{
    static const char noise[4096] = "noise";
    for (int fd = 3; fd < 64; fd++) {
        (void)!write(fd, noise, sizeof(noise));
    }
}

static void misbehave(const char *how)
{
    if (strcmp(how, "crash") == 0) {
        (void)raise(SIGSEGV);
    } else if (strcmp(how, "exit") == 0) {
        exit(3);
    } else if (strcmp(how, "exit-0") == 0) {
        exit(0);
    } else if (strcmp(how, "hang") == 0) {
        (void)pause();
    } else if (strcmp(how, "stop") == 0) {
        (void)raise(SIGSTOP);
    } else if (strcmp(how, "print") == 0) {
        print();
    } else if (strcmp(how, "signals") == 0) {
        change_signals();
    } else if (strcmp(how, "children") == 0) {
        leave_children();
    } else if (strcmp(how, "exec") == 0) {
        become_sleep();
    } else if (strcmp(how, "scribble") == 0) {
        scribble();
    } else if (strcmp(how, "close") == 0) {
        (void)close_range(0, 1000, 0);
    }
}

void mf_job(mf_registry *job)
{
    const char *how = getenv("BAD_START");
    const char *where = getenv("BAD_START_RANK");
    const char *rank = getenv("TEST_RANK");
    if (how != NULL && (where == NULL || (rank != NULL && strcmp(where, rank) == 0))) {
        misbehave(how);
    }
    mf_register_task(job, &(mf_task){.name = "echo", .fn = echo, .input = "int", .output = "int"});
}
