#include "master/log_sync.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COPY_SIZE ((size_t)256 << 10)
#define LEAVE_S_MAX 5

struct log_sync {
    int file;
    enum sync_mode mode;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Under the mutex: */
    uint64_t written;
    uint64_t synced;
    bool is_hurried;
    bool is_leaving;
    bool has_failed;
    struct error reason;
};

/* ---- The thread ----------------------------------------------------------------------------- */

static struct timespec time_in(uint64_t ms)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    const uint64_t ns = (uint64_t)time.tv_nsec + ms % 1000 * 1000000;
    time.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    time.tv_nsec = (long)(ns % 1000000000);
    return time;
}

/* Wait until something is to be synced. With the mutex held. */
static void await_work(struct log_sync *sync)
{
    while (!sync->is_leaving && !sync->is_hurried &&
           (sync->written == sync->synced || sync->mode == SYNC_NONE)) {
        (void)pthread_cond_wait(&sync->changed, &sync->mutex);
    }
    const bool is_waiting = sync->mode == SYNC_INTERVAL || sync->has_failed;
    const struct timespec due = time_in(LOG_SYNC_INTERVAL_MS);
    int result = 0;
    while (is_waiting && result == 0 && !sync->is_leaving &&
           (sync->has_failed || !sync->is_hurried)) {
        result = pthread_cond_timedwait(&sync->changed, &sync->mutex, &due);
    }
}

/* The same bytes over themselves, so that they are to be saved again. */
static bool write_again(int file, uint64_t from, uint64_t to)
{
    uint8_t *bytes = malloc(COPY_SIZE);
    bool is_good = bytes != NULL;
    while (is_good && from < to) {
        const size_t size = to - from < COPY_SIZE ? (size_t)(to - from) : COPY_SIZE;
        is_good = pread(file, bytes, size, (off_t)from) == (ssize_t)size &&
                  pwrite(file, bytes, size, (off_t)from) == (ssize_t)size;
        from += size;
    }
    free(bytes);
    return is_good;
}

static void *run(void *context)
{
    struct log_sync *sync = context;
    (void)pthread_mutex_lock(&sync->mutex);
    for (;;) {
        await_work(sync);
        const bool is_last = sync->is_leaving;
        if (is_last &&
            (sync->mode == SYNC_NONE || sync->has_failed || sync->written == sync->synced)) {
            break;
        }
        const uint64_t from = sync->synced;
        const uint64_t to = sync->written;
        const bool is_again = sync->has_failed;
        sync->is_hurried = false;
        (void)pthread_mutex_unlock(&sync->mutex);
        const bool is_good =
            (!is_again || write_again(sync->file, from, to)) && fdatasync(sync->file) == 0;
        const int reason = errno;
        (void)pthread_mutex_lock(&sync->mutex);
        sync->has_failed = !is_good;
        if (is_good) {
            sync->synced = to;
        } else {
            sync->is_hurried = true; /* also where the mode would not ask for it again */
            (void)error_set(&sync->reason, STATUS_IO, "sync: %s", strerror(reason));
        }
        if (is_last) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&sync->mutex);
    return NULL;
}

/* Signals are for the threads that know what to do with them. */
static int start_thread(struct log_sync *sync)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = pthread_create(&sync->thread, NULL, run, sync);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

/* ---- Life ----------------------------------------------------------------------------------- */

enum status log_sync_create(int file, uint64_t size, enum sync_mode mode,
                            struct log_sync **sync_out, struct error *err)
{
    struct log_sync *sync = calloc(1, sizeof(*sync));
    if (sync == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to sync the log with");
    }
    pthread_condattr_t attributes;
    sync->file = file;
    sync->mode = mode;
    sync->written = size;
    sync->synced = size;
    (void)pthread_mutex_init(&sync->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&sync->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    const int result = start_thread(sync);
    if (result != 0) {
        free(sync);
        return error_set(err, STATUS_NO_MEMORY, "no thread to sync the log with: %s",
                         strerror(result));
    }
    *sync_out = sync;
    return STATUS_OK;
}

void log_sync_destroy(struct log_sync *sync)
{
    struct timespec until;
    if (sync == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&sync->mutex);
    sync->is_leaving = true;
    (void)pthread_cond_broadcast(&sync->changed);
    (void)pthread_mutex_unlock(&sync->mutex);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LEAVE_S_MAX;
    if (pthread_timedjoin_np(sync->thread, NULL, &until) != 0) {
        (void)pthread_detach(sync->thread); /* it still uses what we would free */
        return;
    }
    (void)pthread_cond_destroy(&sync->changed);
    (void)pthread_mutex_destroy(&sync->mutex);
    free(sync);
}

/* ---- The loop's side ------------------------------------------------------------------------ */

void log_sync_written(struct log_sync *sync, uint64_t size)
{
    (void)pthread_mutex_lock(&sync->mutex);
    const bool is_first = sync->written == sync->synced && size > sync->written;
    sync->written = size;
    if (is_first) {
        (void)pthread_cond_broadcast(&sync->changed);
    }
    (void)pthread_mutex_unlock(&sync->mutex);
}

void log_sync_hurry(struct log_sync *sync)
{
    (void)pthread_mutex_lock(&sync->mutex);
    if (sync->synced < sync->written && !sync->is_hurried) {
        sync->is_hurried = true;
        (void)pthread_cond_broadcast(&sync->changed);
    }
    (void)pthread_mutex_unlock(&sync->mutex);
}

bool log_sync_is_done(struct log_sync *sync, uint64_t size)
{
    (void)pthread_mutex_lock(&sync->mutex);
    const bool is_done = sync->synced >= size;
    (void)pthread_mutex_unlock(&sync->mutex);
    return is_done;
}

bool log_sync_failure(struct log_sync *sync, struct error *reason_out)
{
    (void)pthread_mutex_lock(&sync->mutex);
    const bool has_failed = sync->has_failed;
    if (has_failed) {
        *reason_out = sync->reason;
    }
    (void)pthread_mutex_unlock(&sync->mutex);
    return has_failed;
}
