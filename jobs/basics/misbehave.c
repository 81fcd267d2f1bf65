/* misbehave.c - a task that does what no task should, to show what it costs: its own attempt. */
#include "misbehave.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "print.h"

#define LEAK_STEP ((size_t)64 << 20)
#define LEAK_STEPS 4
#define LEAK_ON_STEPS 32
#define LEAK_ON_PAUSE_US 50000

static void crash(void)
{
    volatile int *nowhere = NULL;
    *nowhere = 1; /* NOLINT(clang-analyzer-core.NullDereference): this is what it is for */
}

static void leak(void)
{
    for (int i = 0; i < LEAK_STEPS; i++) {
        char *memory = malloc(LEAK_STEP);
        if (memory != NULL) {
            memset(memory, 1, LEAK_STEP);
        }
    }
}

/* 2 GiB in time: somebody may stop it. */
static void leak_on(void)
{
    for (int i = 0; i < LEAK_ON_STEPS; i++) {
        char *memory = malloc(LEAK_STEP);
        if (memory != NULL) {
            memset(memory, 1, LEAK_STEP);
        }
        (void)usleep(LEAK_ON_PAUSE_US);
    }
}

static void flood(void)
{
    for (int i = 0; i < 20000; i++) {
        (void)printf("a line that nobody reads\n");
        (void)fprintf(stderr, "another one\n");
    }
    (void)fflush(stdout);
}

/* The child returns from the function, as if it were the attempt, before its parent does. */
static void return_twice(void)
{
    const pid_t child = fork();
    if (child > 0) {
        (void)waitpid(child, NULL, 0);
    }
}

/* Children of the same group, and of a session of their own, that outlive the attempt. */
static void leave_children(void)
{
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            if (i == 1) {
                (void)setsid();
            }
            (void)sleep(600);
            _exit(0);
        }
    }
}

static void hang(void)
{
    for (;;) {
        (void)pause();
    }
}

static void hang_against_signals(void)
{
    (void)signal(SIGTERM, SIG_IGN);
    hang();
}

static void close_descriptors(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        (void)close(fd);
    }
}

/* Files that it shares with others, and the counters by which these wake each other. */
static void cut_and_fill_descriptors(void)
{
    const uint64_t much = UINT64_MAX - 1;
    for (int fd = 0; fd < 1024; fd++) {
        struct stat about;
        if (fstat(fd, &about) == 0) {
            (void)!ftruncate(fd, 0);
            (void)!write(fd, &much, S_ISREG(about.st_mode) ? 0 : sizeof(much));
        }
    }
}

static void write_over_stack(void)
{
    volatile size_t size = 4096; /* volatile: no compiler shall see what this does */
    char here[16];
    memset(here, 1, size);
}

/* All memory that is shared with another process, as /proc tells. */
static void write_over_shared_memory(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        uintptr_t start;
        uintptr_t end;
        char access[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, access) == 3 &&
            strcmp(access, "rw-s") == 0) {
            const size_t size = end - start < ((size_t)1 << 20) ? end - start : (size_t)1 << 20;
            memset((void *)start, 0xa5, size);
        }
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
}

static void leave_normally(void)
{
    exit(0);
}

static void leave_with_3(void)
{
    _exit(3);
}

static void kill_itself(void)
{
    (void)raise(SIGKILL);
}

static void kill_parent(void)
{
    (void)kill(getppid(), SIGTERM);
}

static const struct {
    const char *name;
    void (*act)(void);
} ways[] = {
    {"crash", crash},
    {"abort", abort},
    {"exit", leave_normally},
    {"exit-3", leave_with_3},
    {"kill", kill_itself},
    {"kill-parent", kill_parent},
    {"hang", hang},
    {"hang-on", hang_against_signals},
    {"leak", leak},
    {"leak-on", leak_on},
    {"flood", flood},
    {"children", leave_children},
    {"return-twice", return_twice},
    {"close", close_descriptors},
    {"cut", cut_and_fill_descriptors},
    {"stack", write_over_stack},
    {"shared", write_over_shared_memory},
};

static void print(mf_context *ctx, const mf_value *input)
{
    const mf_value *way = mf_field(input, "print");
    const mf_value *text = mf_field(input, "text");
    if (mf_is_null(way) || mf_is_null(text)) {
        return;
    }
    if (strcmp(mf_str(way), "log") == 0) {
        mf_log(ctx, "%s", mf_str(text));
    } else {
        print_text(mf_str(way), mf_str(text));
    }
}

mf_status misbehave(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const mf_value *how = mf_field(input, "how");
    const mf_value *until = mf_field(input, "until");
    const bool is_over = !mf_is_null(until) && mf_attempt(ctx) >= (uint64_t)mf_int(until);
    print(ctx, input);
    if (how != NULL && !is_over && strcmp(mf_str(how), "fail") == 0) {
        return mf_fail(ctx, "failed as asked");
    }
    for (size_t i = 0; how != NULL && !is_over && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(ways[i].name, mf_str(how)) == 0) {
            ways[i].act();
        }
    }
    mf_put_int(output, mf_int(mf_field(input, "value")));
    return MF_OK;
}
