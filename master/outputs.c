#include "master/outputs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/log_index.h"
#include "master/run_log.h"
#include "shared/buffer.h"
#include "shared/lz4_frame.h"
#include "shared/value.h"

/* Enough for the frames that take turns where retries stand between first attempts. */
#define DECODED_COUNT 8

/* A frame's content is as large as one batch of a rank was: it fitted in memory once. */
#define CONTENT_SIZE_MAX (SIZE_MAX / 2)

struct decoded {
    const struct log_index_frame *frame; /* NULL: free */
    struct buffer bytes;
    uint64_t position; /* the output that starts at `offset` */
    size_t offset;
    uint64_t used_at; /* by the clock of struct outputs */
};

struct outputs {
    struct log_index *index;
    const struct log_index_span *spans; /* of the map; into the index */
    size_t span_count;
    size_t span_at; /* where the last look-up ended */
    uint64_t size;
    char *path; /* of the log */
    int file;   /* -1 where there is none, and so no spans */
    struct buffer compressed;
    struct decoded decoded[DECODED_COUNT];
    uint64_t clock;
};

static MUST_CHECK enum status open_log(struct outputs *outputs, const char *run_dir,
                                       struct error *err)
{
    outputs->file = -1;
    if (asprintf(&outputs->path, "%s/" RUN_LOG_NAME, run_dir) < 0) {
        outputs->path = NULL;
        return error_set(err, STATUS_NO_MEMORY, "%s: out of memory", run_dir);
    }
    outputs->file = open(outputs->path, O_RDONLY | O_CLOEXEC);
    if (outputs->file < 0 && errno != ENOENT) {
        return error_set(err, STATUS_IO, "%s: %s", outputs->path, strerror(errno));
    }
    return STATUS_OK;
}

enum status outputs_open(const char *run_dir, uint64_t map, uint64_t size,
                         struct outputs **outputs_out, struct error *err)
{
    struct outputs *outputs = calloc(1, sizeof(*outputs));
    if (outputs == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "%s: out of memory", run_dir);
    }
    outputs->size = size;
    enum status status = open_log(outputs, run_dir, err);
    if (status == STATUS_OK) {
        status = log_index_open(run_dir, &outputs->index, err);
    }
    if (status != STATUS_OK) {
        outputs_close(outputs);
        return status;
    }
    if (outputs->file >= 0) {
        outputs->spans = log_index_map(outputs->index, map, &outputs->span_count);
    }
    *outputs_out = outputs;
    return STATUS_OK;
}

void outputs_close(struct outputs *outputs)
{
    if (outputs == NULL) {
        return;
    }
    for (size_t i = 0; i < DECODED_COUNT; i++) {
        buffer_free(&outputs->decoded[i].bytes);
    }
    if (outputs->file >= 0) {
        (void)close(outputs->file);
    }
    buffer_free(&outputs->compressed);
    log_index_destroy(outputs->index);
    free(outputs->path);
    free(outputs);
}

uint64_t outputs_count(const struct outputs *outputs)
{
    uint64_t count = 0;
    for (size_t i = 0; i < outputs->span_count; i++) {
        count += outputs->index->frames[outputs->spans[i].frame].is_partial
                     ? 0
                     : outputs->spans[i].count;
    }
    return count;
}

bool outputs_are_reduced(const struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->span_count; i++) {
        if (outputs->index->frames[outputs->spans[i].frame].is_partial) {
            return true;
        }
    }
    return false;
}

const char *outputs_torn(const struct outputs *outputs)
{
    return outputs->index->torn;
}

/* ---- Which span ----------------------------------------------------------------------------- */

static bool is_before(const struct outputs *outputs, size_t at, uint64_t index)
{
    return at < outputs->span_count && outputs->spans[at].start + outputs->spans[at].count <= index;
}

/* The first span that does not end before `index`: mostly the one of the last look-up, or the one
 * behind it. */
static size_t find_span(const struct outputs *outputs, uint64_t index)
{
    size_t at = outputs->span_at;
    if (at == 0 || is_before(outputs, at - 1, index)) {
        if (is_before(outputs, at, index)) {
            at++;
        }
        if (!is_before(outputs, at, index)) {
            return at;
        }
    }
    size_t low = 0;
    size_t high = outputs->span_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (is_before(outputs, middle, index)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- Frames --------------------------------------------------------------------------------- */

static MUST_CHECK enum status read_frame(struct outputs *outputs,
                                         const struct log_index_frame *frame, struct error *err)
{
    struct buffer *bytes = &outputs->compressed;
    buffer_clear(bytes);
    const enum status status = buffer_reserve(bytes, (size_t)frame->size);
    if (status != STATUS_OK) {
        return error_set(err, status, "%s: %s", outputs->path, status_text(status));
    }
    while (bytes->size < frame->size) {
        const ssize_t count =
            pread(outputs->file, bytes->data + bytes->size, (size_t)frame->size - bytes->size,
                  (off_t)(frame->offset + bytes->size));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return error_set(err, STATUS_IO, "%s: read: %s", outputs->path,
                             count == 0 ? "the file became shorter" : strerror(errno));
        }
        bytes->size += (size_t)count;
    }
    return STATUS_OK;
}

static enum status set_bad_frame(const struct outputs *outputs, const struct log_index_frame *frame,
                                 enum status status, struct error *err)
{
    return error_set(err, status, "%s: outputs at byte %" PRIu64 ": %s", outputs->path,
                     frame->offset, status_text(status));
}

/* The frame's content, decoded now or a little while ago. */
static MUST_CHECK enum status take_frame(struct outputs *outputs,
                                         const struct log_index_frame *frame,
                                         struct decoded **decoded_out, struct error *err)
{
    struct decoded *oldest = &outputs->decoded[0];
    for (size_t i = 0; i < DECODED_COUNT; i++) {
        struct decoded *decoded = &outputs->decoded[i];
        if (decoded->frame == frame) {
            *decoded_out = decoded;
            return STATUS_OK;
        }
        if (decoded->used_at < oldest->used_at) {
            oldest = decoded;
        }
    }
    enum status status = read_frame(outputs, frame, err);
    if (status != STATUS_OK) {
        return status;
    }
    oldest->frame = NULL;
    oldest->position = 0;
    oldest->offset = 0;
    buffer_clear(&oldest->bytes);
    status = lz4_frame_decompress(outputs->compressed.data, outputs->compressed.size,
                                  CONTENT_SIZE_MAX, &oldest->bytes);
    if (status != STATUS_OK) {
        return set_bad_frame(outputs, frame, status, err);
    }
    oldest->frame = frame;
    *decoded_out = oldest;
    return STATUS_OK;
}

/* Step to an output of the frame, from the one that was read last where it stands before it. */
static MUST_CHECK enum status seek(struct decoded *decoded, uint64_t position,
                                   const uint8_t **data_out, size_t *size_out)
{
    if (position < decoded->position) {
        decoded->position = 0;
        decoded->offset = 0;
    }
    for (;;) {
        const uint8_t *data = decoded->bytes.data + decoded->offset;
        const size_t left = decoded->bytes.size - decoded->offset;
        size_t size = 0;
        if (left == 0 || value_skip(data, left, &size) != STATUS_OK) {
            return STATUS_INVALID;
        }
        if (decoded->position == position) {
            *data_out = data;
            *size_out = size;
            return STATUS_OK;
        }
        decoded->offset += size;
        decoded->position++;
    }
}

enum status outputs_get(struct outputs *outputs, uint64_t index, const uint8_t **data_out,
                        size_t *size_out, struct error *err)
{
    assert(index < outputs->size);
    *data_out = NULL;
    *size_out = 0;
    outputs->span_at = find_span(outputs, index);
    if (outputs->span_at == outputs->span_count || index < outputs->spans[outputs->span_at].start) {
        return STATUS_OK;
    }
    const struct log_index_span *span = &outputs->spans[outputs->span_at];
    const struct log_index_frame *frame = &outputs->index->frames[span->frame];
    struct decoded *decoded = NULL;
    if (frame->is_partial) {
        return STATUS_OK;
    }
    enum status status = take_frame(outputs, frame, &decoded, err);
    if (status != STATUS_OK) {
        return status;
    }
    decoded->used_at = ++outputs->clock;
    status = seek(decoded, span->position + (index - span->start), data_out, size_out);
    return status == STATUS_OK ? STATUS_OK : set_bad_frame(outputs, frame, status, err);
}
