#include "master/log_index.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "master/file.h"
#include "master/log_reader.h"
#include "master/run_log.h"
#include "shared/buffer.h"
#include "shared/pack.h"

#define FORMAT_VERSION 1
#define DIGEST_SIZE sizeof(XXH128_canonical_t)
enum { PAIRS = 5, FRAME_ITEMS = 4, SPAN_ITEMS = 2 };

/* So much of the log's end is hashed to know it again. The last record's checksum is in it, or the
 * end of a frame that it covers. */
#define LOG_END_SIZE_MAX ((size_t)4096)

/* ---- Gathering ------------------------------------------------------------------------------ */

/* An index in the making: arrays in buffers, spans in the order of the log. */
struct builder {
    struct buffer frames;
    struct buffer spans;
    struct log_index *index;
};

static struct log_index_frame *frames_of(const struct builder *builder)
{
    return (struct log_index_frame *)(void *)builder->frames.data;
}

static struct log_index_span *spans_of(const struct builder *builder)
{
    return (struct log_index_span *)(void *)builder->spans.data;
}

static size_t frame_count(const struct builder *builder)
{
    return builder->frames.size / sizeof(struct log_index_frame);
}

static size_t span_count(const struct builder *builder)
{
    return builder->spans.size / sizeof(struct log_index_span);
}

static MUST_CHECK enum status builder_create(struct builder *builder, struct error *err)
{
    *builder = (struct builder){.index = calloc(1, sizeof(*builder->index))};
    return builder->index != NULL
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "log index: %s", status_text(STATUS_NO_MEMORY));
}

static void builder_free(struct builder *builder)
{
    buffer_free(&builder->frames);
    buffer_free(&builder->spans);
    log_index_destroy(builder->index);
}

static MUST_CHECK enum status add_frame(struct builder *builder, struct log_index_frame frame)
{
    return buffer_append(&builder->frames, &frame, sizeof(frame));
}

/* Instances of the newest frame, behind those that it has already; joined to them where they are
 * the next ones. */
static MUST_CHECK enum status add_span(struct builder *builder, uint64_t start, uint64_t count,
                                       uint64_t *position)
{
    const uint64_t frame = frame_count(builder) - 1;
    const struct log_index_span span = {start, count, *position, frame};
    *position += count;
    if (builder->spans.size > 0) {
        struct log_index_span *last = &spans_of(builder)[span_count(builder) - 1];
        if (last->frame == frame && last->start + last->count == start) {
            last->count += count;
            return STATUS_OK;
        }
    }
    return buffer_append(&builder->spans, &span, sizeof(span));
}

static MUST_CHECK enum status add_batch(struct builder *builder, const struct report_batch *batch)
{
    enum status status = STATUS_OK;
    uint64_t position = 0;
    uint64_t bit = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        if (batch->success_bits == NULL) {
            status = add_span(builder, span->start, span->count, &position);
        }
        for (uint64_t j = 0; j < span->count && batch->success_bits != NULL; j++, bit++) {
            if (status == STATUS_OK && report_batch_succeeded(batch, bit)) {
                status = add_span(builder, span->start + j, 1, &position);
            }
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    return status;
}

/* ---- Ordering ------------------------------------------------------------------------------- */

static int compare_spans(const void *left, const void *right, void *context)
{
    const struct log_index_span *a = left;
    const struct log_index_span *b = right;
    const struct log_index_frame *frames = context;
    const uint64_t map_a = frames[a->frame].map;
    const uint64_t map_b = frames[b->frame].map;
    if (map_a != map_b) {
        return map_a < map_b ? -1 : 1;
    }
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/* No instance succeeds twice; should a log say so, the output that stands first is taken, so that a
 * look-up has one answer. */
static size_t cut_overlaps(struct log_index_span *spans, size_t count,
                           const struct log_index_frame *frames)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct log_index_span span = spans[i];
        if (kept > 0 && frames[spans[kept - 1].frame].map == frames[span.frame].map) {
            const uint64_t next = spans[kept - 1].start + spans[kept - 1].count;
            const uint64_t cut = next > span.start ? next - span.start : 0;
            if (cut >= span.count) {
                continue;
            }
            span.start += cut;
            span.position += cut;
            span.count -= cut;
        }
        spans[kept++] = span;
    }
    return kept;
}

/* Order the spans and move everything out of the builder. */
static struct log_index *builder_finish(struct builder *builder)
{
    struct log_index *index = builder->index;
    struct log_index_frame *frames = frames_of(builder);
    struct log_index_span *spans = spans_of(builder);
    const size_t count = span_count(builder);
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++) {
        is_sorted = compare_spans(&spans[i - 1], &spans[i], frames) < 0;
    }
    if (!is_sorted) {
        qsort_r(spans, count, sizeof(*spans), compare_spans, frames);
    }
    index->frames = frames;
    index->frame_count = frame_count(builder);
    index->spans = spans;
    index->span_count = cut_overlaps(spans, count, frames);
    *builder = (struct builder){0};
    return index;
}

const struct log_index_span *log_index_map(const struct log_index *index, uint64_t map,
                                           size_t *count_out)
{
    size_t bounds[2]; /* of spans of maps below this one, and up to this one */
    for (unsigned i = 0; i < 2; i++) {
        size_t low = 0;
        size_t high = index->span_count;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            const uint64_t found = index->frames[index->spans[middle].frame].map;
            if (i == 0 ? found < map : found <= map) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        bounds[i] = low;
    }
    *count_out = bounds[1] - bounds[0];
    return *count_out > 0 ? &index->spans[bounds[0]] : NULL;
}

void log_index_destroy(struct log_index *index)
{
    if (index == NULL) {
        return;
    }
    free(index->frames);
    free(index->spans);
    free(index->torn);
    free(index);
}

/* ---- From the log --------------------------------------------------------------------------- */

static MUST_CHECK enum status add_record(struct builder *builder, const struct log_reader *reader,
                                         const struct record *record)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < record->report.batch_count && status == STATUS_OK; i++) {
        const struct report_batch *batch = &record->report.batches[i];
        if (batch->frame_size == 0) {
            continue;
        }
        status = add_frame(builder, (struct log_index_frame){
                                        .map = record->map,
                                        .offset = log_reader_frame_offset(reader, batch->frame),
                                        .size = batch->frame_size});
        if (status == STATUS_OK) {
            status = add_batch(builder, batch);
        }
    }
    return status;
}

static MUST_CHECK enum status add_log(struct builder *builder, struct log_reader *reader,
                                      struct error *err)
{
    struct record record;
    uint64_t offset = 0;
    struct error torn;
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        status = log_reader_next(reader, &record, &offset, &torn);
        if (status == STATUS_OK) {
            status = add_record(builder, reader, &record);
            (void)error_set(&torn, status, "log index: %s", status_text(status));
        }
    }
    builder->index->log_size = log_reader_good_size(reader);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_INVALID) {
        return error_set(err, status, "%s", torn.text);
    }
    builder->index->torn = strdup(torn.text);
    return builder->index->torn != NULL ? STATUS_OK
                                        : error_set(err, STATUS_NO_MEMORY, "out of memory");
}

static MUST_CHECK enum status scan(const char *run_dir, struct builder *builder, struct error *err)
{
    struct log_reader *reader = NULL;
    enum status status = log_reader_open(run_dir, &reader, err);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = add_log(builder, reader, err);
    }
    log_reader_close(reader);
    return status;
}

enum status log_index_open(const char *run_dir, struct log_index **index_out, struct error *err)
{
    struct builder builder;
    enum status status = builder_create(&builder, err);
    if (status == STATUS_OK) {
        status = scan(run_dir, &builder, err);
    }
    if (status != STATUS_OK) {
        builder_free(&builder);
        return status;
    }
    *index_out = builder_finish(&builder);
    return STATUS_OK;
}

/* ---- The file ------------------------------------------------------------------------------- */

static XXH128_canonical_t digest_of(const void *data, size_t size)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
    return canonical;
}

/* Read the end of a log of that size; false where it has another size, or can't be read. */
static bool digest_log_end(const char *run_dir, uint64_t log_size, XXH128_canonical_t *digest_out)
{
    char *path = NULL;
    if (asprintf(&path, "%s/" RUN_LOG_NAME, run_dir) < 0) {
        return false;
    }
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (file < 0) {
        return false;
    }
    struct stat info;
    uint8_t bytes[LOG_END_SIZE_MAX];
    const size_t size = log_size < sizeof(bytes) ? (size_t)log_size : sizeof(bytes);
    const bool is_read = fstat(file, &info) == 0 && (uint64_t)info.st_size == log_size &&
                         pread(file, bytes, size, (off_t)(log_size - size)) == (ssize_t)size;
    (void)close(file);
    if (is_read) {
        *digest_out = digest_of(bytes, size);
    }
    return is_read;
}

static void pack_frame(struct pack *out, const struct builder *builder, size_t frame, size_t *at)
{
    const struct log_index_frame *entry = &frames_of(builder)[frame];
    const struct log_index_span *spans = spans_of(builder);
    size_t end = *at;
    while (end < span_count(builder) && spans[end].frame == frame) {
        end++;
    }
    pack_array(out, FRAME_ITEMS);
    pack_int(out, (int64_t)entry->map);
    pack_uint(out, entry->offset);
    pack_uint(out, entry->size);
    pack_array(out, end - *at);
    for (; *at < end; (*at)++) {
        pack_array(out, SPAN_ITEMS);
        pack_uint(out, spans[*at].start);
        pack_uint(out, spans[*at].count);
    }
}

/* The checksum is over all bytes before its own. */
static MUST_CHECK enum status encode(const struct builder *builder,
                                     const XXH128_canonical_t *log_end, struct buffer *buffer)
{
    static const uint8_t no_checksum[DIGEST_SIZE];
    struct pack out;
    pack_start(&out, buffer);
    pack_map(&out, PAIRS);
    pack_text(&out, "format");
    pack_uint(&out, FORMAT_VERSION);
    pack_text(&out, "log_size");
    pack_uint(&out, builder->index->log_size);
    pack_text(&out, "log_end");
    pack_bytes(&out, log_end, DIGEST_SIZE);
    pack_text(&out, "frames");
    pack_array(&out, frame_count(builder));
    size_t at = 0;
    for (size_t i = 0; i < frame_count(builder); i++) {
        pack_frame(&out, builder, i, &at);
    }
    pack_text(&out, "checksum");
    pack_bytes(&out, no_checksum, DIGEST_SIZE);
    const enum status status = pack_finish(&out);
    if (status == STATUS_OK) {
        const size_t end = buffer->size - DIGEST_SIZE;
        const XXH128_canonical_t checksum = digest_of(buffer->data, end);
        memcpy(buffer->data + end, &checksum, DIGEST_SIZE);
    }
    return status;
}

enum status log_index_write(const char *run_dir, struct error *err)
{
    struct builder builder;
    struct buffer bytes = {0};
    XXH128_canonical_t log_end;
    enum status status = builder_create(&builder, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = scan(run_dir, &builder, err);
    if (status != STATUS_OK) {
        goto done;
    }
    if (!digest_log_end(run_dir, builder.index->log_size, &log_end)) {
        status = error_set(err, STATUS_INVALID, "%s: the log is torn, or still grows", run_dir);
        goto done;
    }
    status = encode(&builder, &log_end, &bytes);
    if (status != STATUS_OK) {
        (void)error_set(err, status, "%s: log index: %s", run_dir, status_text(status));
        goto done;
    }
    status = file_replace(run_dir, LOG_INDEX_NAME, bytes.data, bytes.size, err);

done:
    builder_free(&builder);
    buffer_free(&bytes);
    return status;
}
