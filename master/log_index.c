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
#include "master/frame_list.h"
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

/* An index in the making. */
struct builder {
    struct frame_list list;
    struct log_index *index;
};

static MUST_CHECK enum status builder_create(struct builder *builder, struct error *err)
{
    *builder = (struct builder){.index = calloc(1, sizeof(*builder->index))};
    return builder->index != NULL
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "log index: %s", status_text(STATUS_NO_MEMORY));
}

static void builder_free(struct builder *builder)
{
    frame_list_free(&builder->list);
    log_index_destroy(builder->index);
}

/* Order the spans and move everything out of the builder. */
static struct log_index *builder_finish(struct builder *builder)
{
    struct log_index *index = builder->index;
    struct frame_list *list = &builder->list;
    frame_list_sort(list);
    index->frames = frame_list_frames(list);
    index->frame_count = frame_list_frame_count(list);
    index->spans = frame_list_spans(list);
    index->span_count = frame_list_span_count(list);
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
        status = frame_list_add(
            &builder->list,
            (struct log_index_frame){.map = record->map,
                                     .offset = log_reader_frame_offset(reader, batch->frame),
                                     .size = batch->frame_size,
                                     .is_partial = batch->partial_count > 0});
        if (status == STATUS_OK) {
            status = frame_list_add_batch(&builder->list, batch);
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

/* Frames that hold outputs; partial values are nobody's output. */
static size_t count_outputs(const struct builder *builder)
{
    const struct log_index_frame *frames = frame_list_frames(&builder->list);
    size_t count = 0;
    for (size_t i = 0; i < frame_list_frame_count(&builder->list); i++) {
        count += frames[i].is_partial ? 0 : 1;
    }
    return count;
}

static void pack_frame(struct pack *out, const struct builder *builder, size_t frame, size_t *at)
{
    const struct log_index_frame *entry = &frame_list_frames(&builder->list)[frame];
    const struct log_index_span *spans = frame_list_spans(&builder->list);
    size_t end = *at;
    while (end < frame_list_span_count(&builder->list) && spans[end].frame == frame) {
        end++;
    }
    if (entry->is_partial) {
        *at = end;
        return;
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
    pack_array(&out, count_outputs(builder));
    size_t at = 0;
    for (size_t i = 0; i < frame_list_frame_count(&builder->list); i++) {
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
