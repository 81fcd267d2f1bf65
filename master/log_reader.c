#include "master/log_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/run_log.h"
#include "shared/arena.h"
#include "shared/buffer.h"

#define READ_SIZE ((size_t)1 << 20)
#define READ_SIZE_OF_HEADS ((size_t)64 << 10)

struct log_reader {
    int file;
    char *path;
    uint64_t good_size;   /* the next record begins here */
    struct buffer buffer; /* bytes of the file from buffer_start */
    uint64_t buffer_start;
    size_t read_size;
    bool is_of_heads;
    struct arena arena; /* of the present record */
};

static enum status set_io_error(const struct log_reader *reader, struct error *err,
                                const char *what)
{
    return error_set(err, STATUS_IO, "%s: %s: %s", reader->path, what, strerror(errno));
}

enum status log_reader_open(const char *run_dir, struct log_reader **reader_out, struct error *err)
{
    enum status status = STATUS_NO_MEMORY;
    struct log_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return error_set(err, status, "%s: %s", run_dir, status_text(status));
    }
    reader->file = -1;
    reader->read_size = READ_SIZE;
    if (asprintf(&reader->path, "%s/" RUN_LOG_NAME, run_dir) < 0) {
        reader->path = NULL;
        status = error_set(err, status, "%s: %s", run_dir, status_text(status));
        goto fail;
    }
    reader->file = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (reader->file < 0) {
        status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        status = error_set(err, status, "%s: %s", reader->path, strerror(errno));
        goto fail;
    }
    *reader_out = reader;
    return STATUS_OK;

fail:
    log_reader_close(reader);
    return status;
}

void log_reader_skip_frames(struct log_reader *reader)
{
    reader->is_of_heads = true;
    reader->read_size = READ_SIZE_OF_HEADS;
}

void log_reader_close(struct log_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->file >= 0) {
        (void)close(reader->file);
    }
    buffer_free(&reader->buffer);
    arena_free(&reader->arena);
    free(reader->path);
    free(reader);
}

/* Bytes of the next record that are in the buffer. */
static size_t size_at_hand(const struct log_reader *reader)
{
    const uint64_t passed = reader->good_size - reader->buffer_start;
    return passed < reader->buffer.size ? reader->buffer.size - (size_t)passed : 0;
}

static void drop_read_records(struct log_reader *reader)
{
    const size_t left = size_at_hand(reader);
    if (left > 0) {
        memmove(reader->buffer.data, reader->buffer.data + (reader->buffer.size - left), left);
    }
    reader->buffer.size = left;
    reader->buffer_start = reader->good_size;
}

/* Have at least `needed` bytes of the next record at hand. What is needed was said by the file
 * itself and is not believed: where the file does not hold it, only the start of it is read. */
static MUST_CHECK enum status read_ahead(struct log_reader *reader, uint64_t needed,
                                         struct error *err)
{
    struct stat info;
    if (fstat(reader->file, &info) != 0) {
        return set_io_error(reader, err, "stat");
    }
    drop_read_records(reader);
    const uint64_t file_size = (uint64_t)info.st_size;
    uint64_t end = reader->good_size + reader->read_size;
    if (needed > reader->read_size && reader->good_size + needed <= file_size) {
        end = reader->good_size + needed;
    }
    end = end < file_size ? end : file_size;
    uint64_t at = reader->buffer_start + reader->buffer.size;
    if (end <= at) {
        return STATUS_OK;
    }
    const enum status status = buffer_reserve(&reader->buffer, (size_t)(end - at));
    if (status != STATUS_OK) {
        return error_set(err, status, "%s: %s", reader->path, status_text(status));
    }
    while (at < end) {
        const ssize_t count = pread(reader->file, reader->buffer.data + reader->buffer.size,
                                    (size_t)(end - at), (off_t)at);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return set_io_error(reader, err, "read");
        }
        if (count == 0) {
            break; /* it became shorter under our eyes */
        }
        reader->buffer.size += (size_t)count;
        at += (uint64_t)count;
    }
    return STATUS_OK;
}

/* What is torn may be on its way: the next call reads it anew. */
static enum status look_again(struct log_reader *reader, const struct error *reason,
                              struct error *err)
{
    reader->buffer.size = 0;
    reader->buffer_start = reader->good_size;
    return error_set(err, STATUS_INVALID, "%s: record at byte %" PRIu64 ": %s", reader->path,
                     reader->good_size, reason->text);
}

/* Frames that the file does not hold are a torn end, as elsewhere. */
static MUST_CHECK enum status decode_head(const struct log_reader *reader, const uint8_t *data,
                                          size_t size, struct arena *arena,
                                          struct record *record_out, uint64_t *used_out,
                                          struct error *err)
{
    struct stat info;
    size_t head_size = 0;
    uint64_t frames_size = 0;
    const enum status status =
        record_decode_head(data, size, arena, record_out, &head_size, &frames_size, err);
    *used_out = head_size;
    if (status != STATUS_OK) {
        return status;
    }
    *used_out += frames_size;
    if (fstat(reader->file, &info) != 0 || reader->good_size + *used_out > (uint64_t)info.st_size) {
        return error_set(err, STATUS_INVALID, "cut off within its outputs");
    }
    return STATUS_OK;
}

static MUST_CHECK enum status decode(struct log_reader *reader, const uint8_t *data, size_t size,
                                     struct record *record_out, uint64_t *used_out,
                                     struct error *err)
{
    size_t used = 0;
    arena_reset(&reader->arena);
    if (reader->is_of_heads) {
        return decode_head(reader, data, size, &reader->arena, record_out, used_out, err);
    }
    const enum status status = record_decode(data, size, &reader->arena, record_out, &used, err);
    *used_out = used;
    return status;
}

enum status log_reader_next(struct log_reader *reader, struct record *record_out,
                            uint64_t *offset_out, struct error *err)
{
    for (;;) {
        struct error reason = {0};
        uint64_t used = 0;
        const size_t at_hand = size_at_hand(reader);
        const uint8_t *data =
            at_hand > 0 ? reader->buffer.data + reader->buffer.size - at_hand : (const uint8_t *)"";
        enum status status = decode(reader, data, at_hand, record_out, &used, &reason);
        if (status == STATUS_OK) {
            *offset_out = reader->good_size;
            reader->good_size += used;
            return STATUS_OK;
        }
        if (status != STATUS_LIMIT) {
            return status == STATUS_INVALID
                       ? look_again(reader, &reason, err)
                       : error_set(err, status, "%s: %s", reader->path, status_text(status));
        }
        status = read_ahead(reader, used, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (size_at_hand(reader) == 0) {
            return STATUS_NOT_FOUND;
        }
        if (size_at_hand(reader) < used) {
            return look_again(reader, &reason, err);
        }
    }
}

uint64_t log_reader_good_size(const struct log_reader *reader)
{
    return reader->good_size;
}

uint64_t log_reader_frame_offset(const struct log_reader *reader, const uint8_t *frame)
{
    assert(frame >= reader->buffer.data && frame < reader->buffer.data + reader->buffer.size);
    return reader->buffer_start + (uint64_t)(frame - reader->buffer.data);
}
