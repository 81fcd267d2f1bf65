/* log_support.h - what the tests of the run log share: a run directory of the test's own, and
 * records of made-up reports whose outputs are integers.
 *
 * Each Criterion test is a process of its own, so that one folder a process is one a test. */
#ifndef TESTS_UNIT_LOG_SUPPORT_H
#define TESTS_UNIT_LOG_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/file.h"
#include "master/record.h"
#include "master/run_log.h"
#include "shared/buffer.h"
#include "shared/lz4_frame.h"
#include "shared/pack.h"

#define UNUSED __attribute__((unused))
#define STATUS_IS(expected, call) cr_assert(eq(int, (call), (expected)))
#define OK(call) STATUS_IS(STATUS_OK, call)

static char folder[64]; /* the run directory; absolute */

UNUSED static void folder_create(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/mapfleet-log-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(folder), NULL));
}

UNUSED static void folder_remove(void)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert(eq(int, system(command), 0));
}

UNUSED static const char *in_folder(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

UNUSED static void read_log(struct buffer *out)
{
    buffer_clear(out);
    OK(file_read(in_folder(RUN_LOG_NAME), out, NULL));
}

UNUSED static void write_log(const void *data, size_t size)
{
    OK(file_replace(folder, RUN_LOG_NAME, data, size, NULL));
}

/* The output of an instance: its index and the attempt that made it, in one number. */
UNUSED static uint64_t output_of(uint64_t index, uint64_t attempt)
{
    return 1000 * attempt + index;
}

/* A batch over spans whose i-th instance succeeded where bit i of `bits` is set; NULL: all. The
 * frame goes to `frame`. */
UNUSED static struct report_batch make_batch(const struct span *spans, size_t span_count,
                                             const uint8_t *bits, struct buffer *frame)
{
    struct report_batch batch = {.spans = spans,
                                 .span_count = span_count,
                                 .instance_count = span_list_count(spans, span_count),
                                 .success_bits = bits,
                                 .slot = 3,
                                 .started_us = 1000,
                                 .elapsed_us = 2000000};
    struct buffer packed = {0};
    struct pack out;
    uint64_t bit = 0;
    pack_start(&out, &packed);
    for (size_t i = 0; i < span_count; i++) {
        for (uint64_t j = 0; j < spans[i].count; j++, bit++) {
            if (report_batch_succeeded(&batch, bit)) {
                pack_uint(&out, output_of(spans[i].start + j, spans[i].attempt));
                batch.success_count++;
            }
        }
    }
    OK(pack_finish(&out));
    buffer_clear(frame);
    if (batch.success_count > 0) {
        OK(lz4_frame_compress(packed.data, packed.size, frame));
        batch.frame = frame->data;
        batch.frame_size = frame->size;
    }
    buffer_free(&packed);
    return batch;
}

UNUSED static struct report_failure make_failure(uint64_t index, uint64_t attempt,
                                                 enum failure_class class, const char *text)
{
    return (struct report_failure){.index = index,
                                   .attempt = attempt,
                                   .class = class,
                                   .text = text,
                                   .text_size = strlen(text)};
}

UNUSED static struct record make_report(const struct report_batch *batches, size_t batch_count)
{
    return (struct record){.kind = RECORD_REPORT,
                           .rank = 2,
                           .time_ms = 1700000000000,
                           .report = {.lease = 77, .batches = batches, .batch_count = batch_count}};
}

/* Append outputs of a range that no attempt of it made. */
UNUSED static void append_cached(struct run_log *log, uint64_t start, uint64_t count)
{
    struct buffer frame = {0};
    const struct span span = {.start = start, .count = count};
    const struct report_batch batch = make_batch(&span, 1, NULL, &frame);
    struct record record = make_report(&batch, 1);
    record.kind = RECORD_CACHED;
    OK(run_log_append(log, &record, NULL));
    buffer_free(&frame);
}

/* Append a failure for good that an instance shares with one that ran. */
UNUSED static void append_shared_failure(struct run_log *log, uint64_t index, const char *text)
{
    struct report_failure failure = make_failure(index, 0, FAILURE_ERROR, text);
    const struct record_outcome outcome = {
        .is_final = true, .state = INSTANCE_FAILED, .task_failures = 1, .attempts_max = 2};
    struct record record = make_report(NULL, 0);
    failure.is_permanent = true;
    record.kind = RECORD_CACHED;
    record.report.failures = &failure;
    record.report.failure_count = 1;
    record.outcomes = &outcome;
    OK(run_log_append(log, &record, NULL));
}

/* Append a record with one batch to a log. */
UNUSED static void append_batch(struct run_log *log, uint64_t map, const struct span *spans,
                                size_t span_count, const uint8_t *bits)
{
    struct buffer frame = {0};
    const struct report_batch batch = make_batch(spans, span_count, bits, &frame);
    struct record record = make_report(&batch, 1);
    record.map = map;
    OK(run_log_append(log, &record, NULL));
    buffer_free(&frame);
}

#endif
