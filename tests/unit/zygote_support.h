/* zygote_support.h - what the tests of the zygote share: to fork one, and to see who is still
 * there.
 */
#ifndef TESTS_UNIT_ZYGOTE_SUPPORT_H
#define TESTS_UNIT_ZYGOTE_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"
#include "worker/zygote.h"

#define UNUSED __attribute__((unused))

#define EVENT_WAIT_MS 10000
#define GONE_WAIT_MS 5000
#define FORK_COUNT 200

/* What the processes tell the test: a page that all of them share. */
struct board {
    _Atomic pid_t pids[4];
    _Atomic int numbers[4];
};

UNUSED static struct board *board_create(void)
{
    struct board *board =
        mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert(ne(ptr, board, MAP_FAILED));
    return board;
}

/* Succeeds on "ok", never returns on "hang", fails on the rest. */
UNUSED static enum status prepare(void *context, const void *request, size_t size,
                                  struct error *err)
{
    struct board *board = context;
    if (board != NULL) {
        board->pids[0] = getpid();
    }
    if (size == 4 && memcmp(request, "hang", 4) == 0) {
        pause();
    }
    if (size == 2 && memcmp(request, "ok", 2) == 0) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_NOT_FOUND, "%zu bytes, last %u", size,
                     size > 0 ? ((const unsigned char *)request)[size - 1] : 0u);
}

UNUSED static struct zygote *create(int (*run)(void *, uint32_t, const int *, size_t),
                                    void *context)
{
    struct zygote *zygote = NULL;
    struct error err = {.text = ""};
    const struct zygote_duties duties = {.prepare = prepare, .run = run, .context = context};
    cr_assert(eq(int, zygote_create(&duties, &zygote, &err), STATUS_OK), "%s", err.text);
    return zygote;
}

UNUSED static struct zygote_event next_event(struct zygote *zygote)
{
    struct zygote_event event;
    struct error err = {.text = ""};
    bool is_event = false;
    struct pollfd fd = {.fd = zygote_descriptor(zygote), .events = POLLIN};
    while (!is_event) {
        cr_assert(eq(int, poll(&fd, 1, EVENT_WAIT_MS), 1), "no event");
        cr_assert(eq(int, zygote_take_event(zygote, &event, &is_event, &err), STATUS_OK), "%s",
                  err.text);
    }
    return event;
}

UNUSED static pid_t fork_one(struct zygote *zygote, uint64_t id, const int *fds, size_t fd_count)
{
    cr_assert(eq(int, zygote_fork(zygote, id, 0, fds, fd_count, NULL), STATUS_OK));
    struct zygote_event event = next_event(zygote);
    cr_assert(eq(int, event.kind, ZYGOTE_FORKED));
    cr_assert(eq(int, event.status, STATUS_OK), "%s", event.error.text);
    cr_assert(eq(u64, event.executor, id));
    return event.pid;
}

UNUSED static struct zygote_event ended(struct zygote *zygote, uint64_t id, pid_t pid)
{
    struct zygote_event event = next_event(zygote);
    cr_assert(eq(int, event.kind, ZYGOTE_ENDED));
    cr_assert(eq(u64, event.executor, id));
    cr_assert(eq(int, event.pid, pid));
    return event;
}

UNUSED static bool exited_with(int wait_status, int code)
{
    return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == code;
}

UNUSED static bool killed_by(int wait_status, int number)
{
    return WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == number;
}

/* A process that has ended, and that nobody has reaped yet, is gone. */
UNUSED static bool is_gone(pid_t pid)
{
    char path[64];
    char line[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return true;
    }
    const bool is_read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    const char *name_end = strrchr(line, ')');
    return !is_read || name_end == NULL || name_end[2] == 'Z' || name_end[2] == 'X';
}

UNUSED static uint64_t gone_after_ms(pid_t pid)
{
    cr_assert(gt(int, pid, 1));
    const uint64_t begin_us = clock_us();
    while (!is_gone(pid) && clock_us() - begin_us < GONE_WAIT_MS * 1000ull) {
        usleep(500);
    }
    cr_assert(is_gone(pid), "process %d lives", (int)pid);
    return (clock_us() - begin_us) / 1000;
}

UNUSED static void wait_for_pid(_Atomic pid_t *pid)
{
    for (int i = 0; i < 5000 && *pid == 0; i++) {
        usleep(1000);
    }
    cr_assert(ne(int, *pid, 0));
}

UNUSED static int count_fds_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    cr_assert(ne(ptr, folder, NULL));
    int count = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

UNUSED static int count_fds(void)
{
    return count_fds_of(getpid()) - 1; /* its own */
}

UNUSED static pid_t parent_of(pid_t pid)
{
    char path[64];
    char line[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(ne(ptr, fgets(line, sizeof(line), file), NULL));
    fclose(file);
    return (pid_t)strtol(strrchr(line, ')') + 4, NULL, 10);
}

UNUSED static int run_pause(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)context, (void)fds, (void)fd_count;
    for (;;) {
        pause();
    }
    return 0;
}

UNUSED static int run_nothing(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    (void)context, (void)fds, (void)fd_count;
    return 0;
}

#endif
