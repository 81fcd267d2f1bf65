#include "master/run_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "master/run_stamp.h"
#include "shared/log.h"

#define XFS_MAGIC 0x58465342 /* missing from linux/magic.h */
#define WATCH_EVERY_MS 250
#define SETTLE_MS 300
/* A renewal older than this no longer proves that the stamp is ours. */
#define FRESH_MS 10000
#define LEAVE_S_MAX 5

struct run_lock {
    int file;
    char *path;
    struct run_stamp stamp;
    bool is_local; /* no other host can have the folder */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_leaving; /* under the mutex */
    atomic_bool is_lost;
    _Atomic uint64_t checked_ms; /* when the stamp was last seen to be ours */
};

static uint64_t boot_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleep_ms(uint64_t ms)
{
    const struct timespec pause = {.tv_sec = (time_t)(ms / 1000),
                                   .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* ---- The file ------------------------------------------------------------------------------- */

/* Of the open file, not of the process: closing another descriptor of it gives nothing free. */
static enum run_stamp_lock lock_file(int file)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(file, F_OFD_SETLK, &whole) == 0) {
        return RUN_STAMP_LOCK_TAKEN;
    }
    return errno == EAGAIN || errno == EACCES ? RUN_STAMP_LOCK_OTHERS : RUN_STAMP_LOCK_UNKNOWN;
}

static bool is_local(int file)
{
    struct statfs about;
    if (fstatfs(file, &about) != 0) {
        return false;
    }
    const uint32_t type = (uint32_t)about.f_type;
    return type == EXT4_SUPER_MAGIC || type == XFS_MAGIC || type == BTRFS_SUPER_MAGIC ||
           type == TMPFS_MAGIC || type == OVERLAYFS_SUPER_MAGIC;
}

/* Opened each time: what other hosts write is sure to be seen then, also over NFS. False where the
 * file can't be read. */
static bool read_stamp(const struct run_lock *lock, char text_out[RUN_STAMP_SIZE], size_t *size_out)
{
    const int file = open(lock->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    const ssize_t size = pread(file, text_out, RUN_STAMP_SIZE, 0);
    const int reason = errno;
    (void)close(file);
    errno = reason;
    *size_out = size > 0 ? (size_t)size : 0;
    return size >= 0;
}

static bool write_stamp(const struct run_lock *lock)
{
    char text[RUN_STAMP_SIZE];
    run_stamp_encode(&lock->stamp, text);
    return pwrite(lock->file, text, sizeof(text), 0) == (ssize_t)sizeof(text) &&
           (lock->is_local || fdatasync(lock->file) == 0);
}

/* ---- Taking --------------------------------------------------------------------------------- */

static enum run_stamp_verdict judge(struct run_lock *lock, enum run_stamp_lock file_lock,
                                    const char *text, size_t size, struct run_stamp_facts *facts)
{
    *facts = (struct run_stamp_facts){
        .lock = file_lock, .is_local = lock->is_local, .ours = lock->stamp};
    facts->is_readable = run_stamp_decode(text, size, &facts->theirs);
    facts->is_empty = size == 0 || (facts->is_readable && *facts->theirs.token == '\0');
    run_stamp_look_at_process(facts);
    return run_stamp_judge(facts);
}

/* Does the stamp stay as it is for so long that nobody can be renewing it? */
static bool is_stale(const struct run_lock *lock, const char *before, size_t size_before)
{
    char text[RUN_STAMP_SIZE];
    size_t size = 0;
    struct run_stamp stamp;
    const uint64_t until_ms = boot_ms() + RUN_LOCK_STALE_MS;
    log_info("%s: the one that had this run cannot be asked: watching for %d s whether it works",
             lock->path, RUN_LOCK_STALE_MS / 1000);
    while (boot_ms() < until_ms) {
        sleep_ms(WATCH_EVERY_MS);
        if (read_stamp(lock, text, &size) &&
            (size != size_before || memcmp(text, before, size) != 0)) {
            return run_stamp_decode(text, size, &stamp) && *stamp.token == '\0'; /* given free */
        }
    }
    return true;
}

static enum status refuse(const struct run_lock *lock, const struct run_stamp_facts *facts,
                          struct error *err)
{
    if (facts->is_readable) {
        return error_set(err, STATUS_EXISTS, "%s: process %" PRIu64 " on %s is at work in this run",
                         lock->path, facts->theirs.process, facts->theirs.host);
    }
    return error_set(err, STATUS_EXISTS, "%s: another process is at work in this run", lock->path);
}

/* Where fcntl() decides nothing, of two newcomers the one whose stamp stands last has the run. */
static MUST_CHECK enum status put_stamp(struct run_lock *lock, enum run_stamp_lock file_lock,
                                        struct error *err)
{
    char text[RUN_STAMP_SIZE];
    size_t size = 0;
    struct run_stamp_facts facts = {.is_readable = false};
    if (!write_stamp(lock)) {
        const int reason = errno;
        return error_set(err, status_of_write(reason), "%s: write: %s", lock->path,
                         strerror(reason));
    }
    if (file_lock == RUN_STAMP_LOCK_TAKEN) {
        return STATUS_OK;
    }
    sleep_ms(SETTLE_MS);
    facts.is_readable =
        read_stamp(lock, text, &size) && run_stamp_decode(text, size, &facts.theirs);
    return facts.is_readable && strcmp(facts.theirs.token, lock->stamp.token) == 0
               ? STATUS_OK
               : refuse(lock, &facts, err);
}

static MUST_CHECK enum status take(struct run_lock *lock, struct error *err)
{
    char text[RUN_STAMP_SIZE];
    size_t size = 0;
    struct run_stamp_facts facts;
    lock->is_local = is_local(lock->file);
    const enum run_stamp_lock file_lock = lock_file(lock->file);
    if (!read_stamp(lock, text, &size)) {
        return error_set(err, STATUS_IO, "%s: read: %s", lock->path, strerror(errno));
    }
    run_stamp_make(&lock->stamp);
    const enum run_stamp_verdict verdict = judge(lock, file_lock, text, size, &facts);
    if (verdict == RUN_STAMP_TAKEN || (verdict == RUN_STAMP_WATCH && !is_stale(lock, text, size))) {
        return refuse(lock, &facts, err);
    }
    const enum status status = put_stamp(lock, file_lock, err);
    if (status == STATUS_UNWRITABLE && size == 0 && file_lock == RUN_STAMP_LOCK_TAKEN) {
        (void)unlink(lock->path); /* there was none before */
    }
    return status;
}

/* ---- Renewing ------------------------------------------------------------------------------- */

/* Is the stamp in the file ours? What can't be read is not known to be another's. */
static void check(struct run_lock *lock)
{
    char text[RUN_STAMP_SIZE];
    size_t size = 0;
    struct run_stamp found;
    const uint64_t now_ms = boot_ms();
    if (!read_stamp(lock, text, &size)) {
        return;
    }
    if (!run_stamp_decode(text, size, &found) || strcmp(found.token, lock->stamp.token) != 0) {
        atomic_store(&lock->is_lost, true);
        return;
    }
    atomic_store(&lock->checked_ms, now_ms);
}

static struct timespec renewal_time(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += RUN_LOCK_RENEW_MS / 1000;
    return time;
}

static void *run(void *context)
{
    struct run_lock *lock = context;
    struct timespec due = renewal_time();
    (void)pthread_mutex_lock(&lock->mutex);
    while (!lock->is_leaving && !atomic_load(&lock->is_lost)) {
        if (pthread_cond_timedwait(&lock->changed, &lock->mutex, &due) == ETIMEDOUT) {
            (void)pthread_mutex_unlock(&lock->mutex);
            check(lock);
            if (!atomic_load(&lock->is_lost)) {
                lock->stamp.renewed++;
                (void)!write_stamp(lock);
            }
            due = renewal_time();
            (void)pthread_mutex_lock(&lock->mutex);
        }
    }
    (void)pthread_mutex_unlock(&lock->mutex);
    return NULL;
}

static int start_thread(struct run_lock *lock)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = pthread_create(&lock->thread, NULL, run, lock);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

bool run_lock_is_held(struct run_lock *lock)
{
    if (!atomic_load(&lock->is_lost) && boot_ms() - atomic_load(&lock->checked_ms) > FRESH_MS) {
        check(lock);
    }
    return !atomic_load(&lock->is_lost);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void destroy(struct run_lock *lock)
{
    if (lock->file >= 0) {
        (void)close(lock->file);
    }
    (void)pthread_cond_destroy(&lock->changed);
    (void)pthread_mutex_destroy(&lock->mutex);
    free(lock->path);
    free(lock);
}

static struct run_lock *create(const char *run_dir)
{
    struct run_lock *lock = calloc(1, sizeof(*lock));
    pthread_condattr_t attributes;
    if (lock == NULL || asprintf(&lock->path, "%s/" RUN_LOCK_NAME, run_dir) < 0) {
        free(lock);
        return NULL;
    }
    (void)pthread_mutex_init(&lock->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&lock->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    lock->file = -1;
    return lock;
}

static enum status set_open_error(const struct run_lock *lock, struct error *err)
{
    const int reason = errno;
    return error_set(err, status_of_write(reason), "%s: %s", lock->path, strerror(reason));
}

enum status run_lock_take(const char *run_dir, struct run_lock **lock_out, struct error *err)
{
    struct run_lock *lock = create(run_dir);
    if (lock == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "%s: out of memory", run_dir);
    }
    lock->file = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    enum status status = lock->file >= 0 ? take(lock, err) : set_open_error(lock, err);
    if (status == STATUS_OK) {
        atomic_store(&lock->checked_ms, boot_ms());
        const int result = start_thread(lock);
        if (result != 0) {
            status = error_set(err, STATUS_NO_MEMORY, "no thread to renew %s: %s", lock->path,
                               strerror(result));
        }
    }
    if (status != STATUS_OK) {
        destroy(lock);
        return status;
    }
    *lock_out = lock;
    return STATUS_OK;
}

void run_lock_release(struct run_lock *lock)
{
    struct timespec until;
    if (lock == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&lock->mutex);
    lock->is_leaving = true;
    (void)pthread_cond_broadcast(&lock->changed);
    (void)pthread_mutex_unlock(&lock->mutex);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LEAVE_S_MAX;
    if (pthread_timedjoin_np(lock->thread, NULL, &until) != 0) {
        (void)pthread_detach(lock->thread); /* a disk that does not answer: it uses all this */
        return;
    }
    check(lock);
    if (!atomic_load(&lock->is_lost)) {
        lock->stamp.token[0] = '\0'; /* in place: a full disk has no room for another file */
        (void)!write_stamp(lock);
    }
    destroy(lock);
}
