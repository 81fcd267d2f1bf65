#include "master/log_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/log_support.h"

#define PATIENCE 2000 /* tries of 5 ms */

static void nap(void)
{
    (void)usleep(5000);
}

static int make_file(uint64_t size)
{
    folder_create();
    const int file = open(in_folder("file"), O_RDWR | O_CREAT, 0600);
    cr_assert(file >= 0 && ftruncate(file, (off_t)size) == 0);
    return file;
}

static bool becomes_done(struct log_sync *sync, uint64_t size)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (log_sync_is_done(sync, size)) {
            return true;
        }
        nap();
    }
    return false;
}

static struct log_sync *create(int file, enum sync_mode mode)
{
    struct log_sync *sync = NULL;
    OK(log_sync_create(file, 100, mode, &sync, NULL));
    return sync;
}

Test(log_sync, what_was_there_before_is_done)
{
    const int file = make_file(100);
    struct log_sync *sync = create(file, SYNC_INTERVAL);
    cr_expect(log_sync_is_done(sync, 100));
    cr_expect(not(log_sync_is_done(sync, 101)));
    log_sync_destroy(sync);
    log_sync_destroy(NULL);
    folder_remove();
}

Test(log_sync, by_interval_and_always_it_comes_by_itself)
{
    static const enum sync_mode modes[] = {SYNC_INTERVAL, SYNC_ALWAYS};
    for (size_t i = 0; i < 2; i++) {
        const int file = make_file(300);
        struct log_sync *sync = create(file, modes[i]);
        struct error err;
        log_sync_written(sync, 200);
        cr_expect(becomes_done(sync, 200));
        log_sync_written(sync, 300);
        cr_expect(becomes_done(sync, 300));
        cr_expect(not(log_sync_failure(sync, &err)));
        log_sync_destroy(sync);
        folder_remove();
    }
}

Test(log_sync, by_none_it_comes_when_asked_for)
{
    const int file = make_file(300);
    struct log_sync *sync = create(file, SYNC_NONE);
    log_sync_written(sync, 200);
    for (int i = 0; i < 20; i++) {
        nap();
    }
    cr_expect(not(log_sync_is_done(sync, 200)));
    log_sync_hurry(sync);
    cr_expect(becomes_done(sync, 200));
    log_sync_destroy(sync);
    folder_remove();
}

/* A pipe can be synced by nobody; then the same descriptor becomes a file. */
Test(log_sync, a_failure_is_told_until_a_sync_succeeds_and_the_bytes_stay)
{
    struct error err = {0};
    int pipe_ends[2];
    cr_assert(eq(int, pipe(pipe_ends), 0));
    const int file = make_file(0);
    char bytes[201];
    memset(bytes, 'x', sizeof(bytes));
    cr_assert(eq(sz, (size_t)write(file, bytes, 200), 200));
    struct log_sync *sync = create(pipe_ends[1], SYNC_ALWAYS);
    log_sync_written(sync, 200);
    for (int i = 0; i < PATIENCE && !log_sync_failure(sync, &err); i++) {
        nap();
    }
    cr_expect(log_sync_failure(sync, &err));
    cr_expect(ne(ptr, strstr(err.text, "sync: "), NULL), "%s", err.text);
    cr_expect(not(log_sync_is_done(sync, 200)));
    cr_assert(ne(int, dup2(file, pipe_ends[1]), -1));
    cr_expect(becomes_done(sync, 200));
    cr_expect(not(log_sync_failure(sync, &err)));
    log_sync_destroy(sync);
    char found[201] = {0};
    cr_expect(eq(sz, (size_t)pread(file, found, sizeof(found), 0), 200));
    cr_expect(memcmp(found, bytes, 200) == 0);
    folder_remove();
}
