#include "master/cache_stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/log.h"

#define TEXT_SIZE 512
#define ID_SIZE 128
#define LOOK_MS 200
/* After a take-over: a second newcomer that did the same at the same moment has written by then. */
#define SETTLE_MS 300

struct cache_stamp {
    uint32_t renew_ms;
    int lock; /* the file of users */
    char id[ID_SIZE];
    char host[HOST_NAME_MAX + 1];
    uint64_t count; /* of renewals */
    char path[PATH_MAX];
    char new_path[PATH_MAX];
    atomic_bool is_held;
    pthread_t thread;
    bool is_renewing; /* the thread runs */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_to_end;
};

static enum status io_error(const char *path, struct error *err)
{
    return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
}

static void pause_ms(uint32_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

/* ---- Who we are -------------------------------------------------------------------------------
 */

static void drop_blanks(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\n') {
            *at = '\0';
            return;
        }
        *at = *at == ' ' ? '_' : *at;
    }
}

static void identify(struct cache_stamp *stamp)
{
    char boot[64] = "unknown";
    char space[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        (void)!fgets(boot, sizeof(boot), file);
        (void)fclose(file);
    }
    const ssize_t size = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);
    space[size > 0 ? size : 0] = '\0';
    drop_blanks(boot);
    (void)snprintf(stamp->id, sizeof(stamp->id), "%s", boot);
    const size_t used = strlen(stamp->id);
    (void)snprintf(stamp->id + used, sizeof(stamp->id) - used, "/%s", space);
    if (gethostname(stamp->host, sizeof(stamp->host)) != 0) {
        (void)snprintf(stamp->host, sizeof(stamp->host), "unknown");
    }
    stamp->host[HOST_NAME_MAX] = '\0';
    drop_blanks(stamp->host);
}

/* ---- The file ---------------------------------------------------------------------------------
 */

/* "" where it is empty or not there, which is_there tells apart. */
static enum status read_stamp(const char *path, char text_out[TEXT_SIZE], bool *is_there_out,
                              struct error *err)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *is_there_out = file >= 0;
    text_out[0] = '\0';
    if (file < 0) {
        return errno == ENOENT ? STATUS_OK : io_error(path, err);
    }
    const ssize_t size = read(file, text_out, TEXT_SIZE - 1);
    text_out[size > 0 ? size : 0] = '\0';
    const enum status status = size >= 0 ? STATUS_OK : io_error(path, err);
    (void)close(file);
    return status;
}

static bool is_ours(const struct cache_stamp *stamp, const char *text)
{
    const char *blank = strchr(text, ' ');
    const size_t size = blank != NULL ? (size_t)(blank - text) : 0;
    return size > 0 && strlen(stamp->id) == size && memcmp(stamp->id, text, size) == 0;
}

static int stamp_text(struct cache_stamp *stamp, char text_out[TEXT_SIZE])
{
    return snprintf(text_out, TEXT_SIZE, "%s %s %ld %" PRIu64 "\n", stamp->id, stamp->host,
                    (long)getpid(), ++stamp->count);
}

static bool write_text(int file, const char *text, int size)
{
    const bool is_written = write(file, text, (size_t)size) == size;
    return close(file) == 0 && is_written;
}

/* EXISTS where somebody else was first. */
static enum status create_stamp(struct cache_stamp *stamp, struct error *err)
{
    char text[TEXT_SIZE];
    const int size = stamp_text(stamp, text);
    const int file = open(stamp->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST) {
        return STATUS_EXISTS;
    }
    return file >= 0 && write_text(file, text, size) ? STATUS_OK : io_error(stamp->path, err);
}

/* As a whole, so that nobody reads half of one. */
static enum status replace_stamp(struct cache_stamp *stamp, struct error *err)
{
    char text[TEXT_SIZE];
    const int size = stamp_text(stamp, text);
    const int file = open(stamp->new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || !write_text(file, text, size) || rename(stamp->new_path, stamp->path) != 0) {
        return io_error(stamp->new_path, err);
    }
    return STATUS_OK;
}

/* ---- Renewing ---------------------------------------------------------------------------------
 */

/* The stamp may be gone for a moment, or for good where somebody has cleared the folder. */
static void renew(struct cache_stamp *stamp)
{
    char text[TEXT_SIZE];
    bool is_there;
    struct error err;
    if (read_stamp(stamp->path, text, &is_there, &err) != STATUS_OK ||
        (is_there && !is_ours(stamp, text)) || replace_stamp(stamp, &err) != STATUS_OK) {
        atomic_store(&stamp->is_held, false);
    }
}

static void *renew_forever(void *context)
{
    struct cache_stamp *stamp = context;
    (void)pthread_mutex_lock(&stamp->mutex);
    while (!stamp->is_to_end && atomic_load(&stamp->is_held)) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += stamp->renew_ms / 1000;
        until.tv_nsec += (long)(stamp->renew_ms % 1000) * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&stamp->changed, &stamp->mutex, &until) == ETIMEDOUT) {
            renew(stamp);
        }
    }
    (void)pthread_mutex_unlock(&stamp->mutex);
    return NULL;
}

static enum status start_renewing(struct cache_stamp *stamp, struct error *err)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0 ||
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(&stamp->changed, &attributes) != 0) {
        return error_set(err, STATUS_NO_MEMORY, "%s: no memory", stamp->path);
    }
    (void)pthread_condattr_destroy(&attributes);
    atomic_store(&stamp->is_held, true);
    if (pthread_create(&stamp->thread, NULL, renew_forever, stamp) != 0) {
        (void)pthread_cond_destroy(&stamp->changed);
        return error_set(err, STATUS_NO_MEMORY, "%s: no thread to renew it", stamp->path);
    }
    stamp->is_renewing = true;
    return STATUS_OK;
}

/* ---- Taking -----------------------------------------------------------------------------------
 */

static enum status refuse(const char *text, const struct cache_stamp_options *options,
                          struct error *err)
{
    char host[HOST_NAME_MAX + 1] = "another host";
    long process = 0;
    (void)sscanf(text, "%*s %64s %ld", host, &process);
    return error_set(err, STATUS_EXISTS,
                     "%s is in use on host %s (process %ld), and only one host at a time may use "
                     "a store",
                     options->dir, host, process);
}

/* Watch another host's stamp. OK: it is stale, or gone. */
static enum status watch(struct cache_stamp *stamp, const struct cache_stamp_options *options,
                         const char *first, struct error *err)
{
    const uint64_t until_us = clock_us() + (uint64_t)options->stale_ms * 1000;
    while (clock_us() < until_us) {
        char text[TEXT_SIZE];
        bool is_there;
        const enum status status = read_stamp(stamp->path, text, &is_there, err);
        if (status != STATUS_OK || !is_there) {
            return status;
        }
        if (strcmp(text, first) != 0) {
            return refuse(text, options, err);
        }
        if (options->is_cancelled != NULL && atomic_load(options->is_cancelled)) {
            return refuse(text, options, err);
        }
        pause_ms(LOOK_MS);
    }
    return STATUS_OK;
}

static enum status take_over(struct cache_stamp *stamp, const struct cache_stamp_options *options,
                             const char *stale, struct error *err)
{
    char text[TEXT_SIZE];
    bool is_there;
    enum status status = read_stamp(stamp->path, text, &is_there, err);
    if (status == STATUS_OK && is_there && strcmp(text, stale) != 0) {
        return refuse(text, options, err);
    }
    if (status == STATUS_OK) {
        status = replace_stamp(stamp, err);
    }
    if (status == STATUS_OK) {
        pause_ms(SETTLE_MS);
        status = read_stamp(stamp->path, text, &is_there, err);
    }
    return status == STATUS_OK && !is_ours(stamp, text) ? refuse(text, options, err) : status;
}

static enum status take(struct cache_stamp *stamp, const struct cache_stamp_options *options,
                        struct error *err)
{
    char text[TEXT_SIZE];
    bool is_there;
    enum status status = create_stamp(stamp, err);
    if (status != STATUS_EXISTS) {
        return status;
    }
    status = read_stamp(stamp->path, text, &is_there, err);
    if (status != STATUS_OK || is_ours(stamp, text)) {
        return status;
    }
    log_info("cache: %s was last used on another host: waiting to see whether it still is",
             options->dir);
    status = watch(stamp, options, text, err);
    return status == STATUS_OK ? take_over(stamp, options, text, err) : status;
}

static enum status lock_users(struct cache_stamp *stamp, const char *dir, struct error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/" CACHE_STAMP_LOCK_NAME, dir) >= (int)sizeof(path)) {
        return error_set(err, STATUS_LIMIT, "%s: the path is too long", dir);
    }
    stamp->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (stamp->lock < 0) {
        return io_error(path, err);
    }
    while (flock(stamp->lock, LOCK_SH) != 0) {
        if (errno != EINTR) {
            return io_error(path, err);
        }
    }
    return STATUS_OK;
}

enum status cache_stamp_take(const struct cache_stamp_options *options,
                             struct cache_stamp **stamp_out, struct error *err)
{
    struct cache_stamp *stamp = calloc(1, sizeof(*stamp));
    if (stamp == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "%s: no memory", options->dir);
    }
    stamp->lock = -1;
    stamp->renew_ms = options->renew_ms;
    (void)pthread_mutex_init(&stamp->mutex, NULL);
    identify(stamp);
    enum status status = STATUS_OK;
    const int size =
        snprintf(stamp->path, sizeof(stamp->path), "%s/" CACHE_STAMP_NAME, options->dir);
    const int new_size = snprintf(stamp->new_path, sizeof(stamp->new_path),
                                  "%s/" CACHE_STAMP_NAME ".%ld", options->dir, (long)getpid());
    if (size >= (int)sizeof(stamp->path) || new_size >= (int)sizeof(stamp->new_path)) {
        status = error_set(err, STATUS_LIMIT, "%s: the path is too long", options->dir);
    }
    if (status == STATUS_OK) {
        status = lock_users(stamp, options->dir, err);
    }
    if (status == STATUS_OK) {
        status = take(stamp, options, err);
    }
    if (status == STATUS_OK) {
        status = start_renewing(stamp, err);
    }
    if (status != STATUS_OK) {
        cache_stamp_release(stamp);
        return status;
    }
    *stamp_out = stamp;
    return STATUS_OK;
}

static void stop_renewing(struct cache_stamp *stamp)
{
    (void)pthread_mutex_lock(&stamp->mutex);
    stamp->is_to_end = true;
    (void)pthread_cond_signal(&stamp->changed);
    (void)pthread_mutex_unlock(&stamp->mutex);
    (void)pthread_join(stamp->thread, NULL);
    (void)pthread_cond_destroy(&stamp->changed);
}

void cache_stamp_release(struct cache_stamp *stamp)
{
    char text[TEXT_SIZE];
    bool is_there;
    struct error err;
    if (stamp == NULL) {
        return;
    }
    if (stamp->is_renewing) {
        stop_renewing(stamp);
    }
    if (stamp->lock >= 0) {
        if (flock(stamp->lock, LOCK_EX | LOCK_NB) == 0 &&
            read_stamp(stamp->path, text, &is_there, &err) == STATUS_OK && is_ours(stamp, text)) {
            (void)unlink(stamp->path);
        }
        (void)close(stamp->lock);
    }
    (void)pthread_mutex_destroy(&stamp->mutex);
    free(stamp);
}

bool cache_stamp_is_held(const struct cache_stamp *stamp)
{
    return atomic_load(&stamp->is_held);
}

bool cache_stamp_make_exclusive(struct cache_stamp *stamp)
{
    if (flock(stamp->lock, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    (void)flock(stamp->lock, LOCK_SH); /* the failed attempt may have given ours up */
    return false;
}
