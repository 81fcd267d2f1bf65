#include "master/run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/file.h"
#include "shared/buffer.h"

#define GATHER_SIZE_MAX ((size_t)1 << 20)
/* Frames of at least so many bytes are written from where they lie. */
#define DIRECT_SIZE_MIN ((uint64_t)64 << 10)
/* The kernel keeps what is written in pages as large as each call allows. Large ones come from
 * memory that nobody has touched yet, which on virtual machines takes five times as long as the
 * copy; smaller ones are those that were used last. */
#define WRITE_SIZE_MAX ((size_t)256 << 10)

struct run_log {
    int file;
    char *path;
    char *run_dir;
    uint64_t written;         /* bytes of the file that are whole records */
    struct buffer gathered;   /* goes behind them */
    bool is_stuck;            /* the last flush failed */
    bool is_directory_synced; /* does the file's name outlive a power cut? */
};

static enum status set_io_error(const struct run_log *log, struct error *err, const char *what)
{
    return error_set(err, STATUS_IO, "%s: %s: %s", log->path, what, strerror(errno));
}

static enum status open_log(const char *run_dir, int flags, struct run_log **log_out,
                            struct error *err)
{
    enum status status = STATUS_NO_MEMORY;
    struct run_log *log = calloc(1, sizeof(*log));
    if (log == NULL) {
        (void)error_set(err, status, "%s: %s", run_dir, status_text(status));
        return STATUS_NO_MEMORY;
    }
    log->file = -1;
    log->run_dir = strdup(run_dir);
    if (log->run_dir == NULL || asprintf(&log->path, "%s/" RUN_LOG_NAME, run_dir) < 0) {
        log->path = NULL;
        (void)error_set(err, status, "%s: %s", run_dir, status_text(status));
        goto fail;
    }
    log->file = open(log->path, flags | O_CLOEXEC, 0666);
    if (log->file < 0) {
        status = errno == EEXIST ? STATUS_EXISTS : errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        (void)error_set(err, status, "%s: %s", log->path, strerror(errno));
        goto fail;
    }
    *log_out = log;
    return STATUS_OK;

fail:
    run_log_close(log);
    return status;
}

enum status run_log_create(const char *run_dir, struct run_log **log_out, struct error *err)
{
    return open_log(run_dir, O_RDWR | O_CREAT | O_EXCL, log_out, err);
}

/* A log that is shorter than what was read of it a moment ago is not the same log. */
static MUST_CHECK enum status cut_tail(struct run_log *log, uint64_t good_size, struct error *err)
{
    struct stat info;
    if (fstat(log->file, &info) != 0) {
        return set_io_error(log, err, "stat");
    }
    if ((uint64_t)info.st_size < good_size) {
        return error_set(err, STATUS_INVALID, "%s: has %lld bytes, expected at least %" PRIu64,
                         log->path, (long long)info.st_size, good_size);
    }
    if (ftruncate(log->file, (off_t)good_size) != 0) {
        return set_io_error(log, err, "truncate");
    }
    log->written = good_size;
    return STATUS_OK;
}

enum status run_log_append_to(const char *run_dir, uint64_t good_size, struct run_log **log_out,
                              struct error *err)
{
    struct run_log *log = NULL;
    enum status status = open_log(run_dir, O_RDWR, &log, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = cut_tail(log, good_size, err);
    if (status != STATUS_OK) {
        run_log_close(log);
        return status;
    }
    *log_out = log;
    return STATUS_OK;
}

/* Write bytes to where they belong in the file. */
static enum status write_at(struct run_log *log, const uint8_t *bytes, size_t size, uint64_t offset,
                            struct error *err)
{
    for (size_t done = 0; done < size;) {
        const size_t left = size - done;
        const ssize_t count =
            pwrite(log->file, bytes + done, left < WRITE_SIZE_MAX ? left : WRITE_SIZE_MAX,
                   (off_t)(offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            errno = count == 0 ? ENOSPC : errno;
            return set_io_error(log, err, "write");
        }
        done += (size_t)count;
    }
    return STATUS_OK;
}

/* Frames go out behind what gathered, from where they lie. */
static enum status write_frames(struct run_log *log, const struct report *report, struct error *err)
{
    uint64_t offset = log->written + log->gathered.size;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < report->batch_count && status == STATUS_OK; i++) {
        const struct report_batch *batch = &report->batches[i];
        status = write_at(log, batch->frame, batch->frame_size, offset, err);
        offset += batch->frame_size;
    }
    return status;
}

/* Everything that gathered goes out behind the good part of the file, and then the frames of the
 * last record, where `report` names them. Until all of it is there nothing of it counts: a failure
 * in the middle (a full disk) leaves `written` and what gathered as they are, so that no record is
 * ever written twice or behind a torn one. The cut is a courtesy to whoever reads the file in the
 * meantime. */
static enum status write_out(struct run_log *log, const struct report *report, uint64_t frames_size,
                             struct error *err)
{
    enum status status = write_at(log, log->gathered.data, log->gathered.size, log->written, err);
    if (status == STATUS_OK && report != NULL) {
        status = write_frames(log, report, err);
    }
    if (status != STATUS_OK) {
        (void)!ftruncate(log->file, (off_t)log->written);
        log->is_stuck = true;
        return status;
    }
    log->written += log->gathered.size + frames_size;
    log->is_stuck = false;
    buffer_clear(&log->gathered);
    return STATUS_OK;
}

enum status run_log_flush(struct run_log *log, struct error *err)
{
    return write_out(log, NULL, 0, err);
}

/* Frames that cannot be written now gather behind their record's head. */
enum status run_log_append(struct run_log *log, const struct record *record, struct error *err)
{
    const size_t before = log->gathered.size;
    const uint64_t frames_size = record_frames_size(record);
    enum status status = record_encode_head(record, &log->gathered);
    if (status == STATUS_OK && frames_size >= DIRECT_SIZE_MIN && !log->is_stuck &&
        write_out(log, &record->report, frames_size, NULL) == STATUS_OK) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = record_append_frames(record, &log->gathered);
    }
    if (status != STATUS_OK) {
        log->gathered.size = before;
        return error_set(err, status, "%s: record: %s", log->path, status_text(status));
    }
    if (log->gathered.size >= GATHER_SIZE_MAX && !log->is_stuck) {
        (void)!run_log_flush(log, NULL); /* the next one says why, if it still fails */
    }
    return STATUS_OK;
}

enum status run_log_sync(struct run_log *log, struct error *err)
{
    enum status status = run_log_flush(log, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (fdatasync(log->file) != 0) {
        return set_io_error(log, err, "sync");
    }
    if (!log->is_directory_synced) {
        status = file_sync_directory(log->run_dir, err);
        log->is_directory_synced = status == STATUS_OK;
    }
    return status;
}

uint64_t run_log_size(const struct run_log *log)
{
    return log->written + log->gathered.size;
}

uint64_t run_log_written(const struct run_log *log)
{
    return log->written;
}

int run_log_descriptor(const struct run_log *log)
{
    return log->file;
}

void run_log_close(struct run_log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->file >= 0) {
        (void)close(log->file);
    }
    buffer_free(&log->gathered);
    free(log->run_dir);
    free(log->path);
    free(log);
}
