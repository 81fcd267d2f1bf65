/* wire_support.h - a message of each kind, and how the tests encode and decode one. */
#ifndef UNIT_WIRE_SUPPORT_H
#define UNIT_WIRE_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/wire.h"

/* ---- One message of each kind ---------------------------------------------------------------- */

static const struct span spans[] = {
    {.start = 0, .count = 3},
    {.start = 7, .count = 1, .attempt = 2},
    {.start = UINT64_C(1) << 40, .count = UINT64_C(1) << 33, .attempt = UINT64_MAX},
};
static const struct span grown[] = {
    {.start = 0, .count = 3},
    {.start = 7, .count = 1, .attempt = 2, .growth = 1},
    {.start = 8, .count = 2, .attempt = UINT64_MAX, .growth = UINT64_MAX},
};
static const struct span few[] = {{.start = 0, .count = 3}, {.start = 7, .count = 6, .attempt = 2}};
static const uint8_t bits[] = {0xfd, 0x00}; /* of 9 instances, 1 and 8 failed */
static const uint8_t bytes[] = {0, 1, 2, 3, 4};
static const uint8_t times[] = {1, 2, 3, 4, 5, 6, 7, 8, 0x80, 1}; /* 9 durations, 164 us */

static const struct report_batch batches[] = {
    {.spans = spans,
     .span_count = 3,
     .instance_count = 4 + (UINT64_C(1) << 33),
     .success_count = 4 + (UINT64_C(1) << 33),
     .frame = bytes,
     .frame_size = 5,
     .slot = UINT32_MAX,
     .started_us = 11,
     .elapsed_us = UINT64_MAX,
     .reads_place = true},
    {.spans = few,
     .span_count = 2,
     .instance_count = 9,
     .success_count = 7,
     .success_bits = bits,
     .elapsed_us = 164,
     .held_us = 17,
     .times = times,
     .times_size = sizeof(times),
     .frame = bytes,
     .frame_size = 1,
     .partial_count = 3},
};

static const struct report_failure failures[] = {
    {.index = 1,
     .class = FAILURE_ERROR,
     .is_permanent = true,
     .text = "no\0t ended",
     .text_size = 10},
    {.index = 12,
     .attempt = 2,
     .class = FAILURE_ABORTED,
     .is_unkept = true,
     .text = "",
     .text_size = 0},
};

static const struct wire_running running[] = {
    {.index = 5, .attempt = 0, .elapsed_us = 100},
    {.index = UINT64_MAX, .attempt = 3, .elapsed_us = 0},
};

static const struct wire_beat beats[] = {
    {.map = 1, .finished = 77, .running = running, .running_count = 2},
    {.map = UINT64_MAX, .running = running, .running_count = 1},
};

/* Each field another value. */
#define OPTIONS                                                                                    \
    {                                                                                              \
        .retries = 1, .system_retries = 2, .retry_delay_ns = 3, .timeout_ns = 4, .mem = 5,         \
        .mem_growth = 1.5, .speculate = true, .cpus = 6, .gpus = 7, .concurrency = 8,              \
        .delay_ns = 9, .grace_ns = 15, .time_limit_ns = 16, .lost_after_ns = 17, .unit_size = 10,  \
        .seed = UINT64_MAX, .output_size_max = 12, .policy = POLICY_ENOUGH,                        \
        .capture = MAP_CAPTURE_DISCARD, .criterion = {                                             \
            .kind = CRITERION_MIN_RATIO,                                                           \
            .ratio = "0.07",                                                                       \
            .count = 14                                                                            \
        }                                                                                          \
    }
static const struct wire_metric metrics[] = {
    {.lease = 3, .index = INT64_MAX, .attempt = 2, .step = -7, .value = 0.25},
    {.lease = 3,
     .index = 0,
     .attempt = UINT64_MAX,
     .step = INT64_MAX,
     .value = -INFINITY,
     .is_hint = true}};

#define A_MAP                                                                                      \
    {                                                                                              \
        .number = 3, .task = "square", .size = INT64_MAX, .options = OPTIONS,                      \
        .formula = {.kind = FORMULA_RANGE,                                                         \
                    .start = INT64_MIN,                                                            \
                    .step = -3,                                                                    \
                    .count = 15,                                                                   \
                    .is_float = true},                                                             \
        .key_base = bytes, .key_base_size = 3, .metric = "val/acc", .needs_report = true,          \
        .reducer = "top_k(3, é)", .is_ordered = true                                               \
    }

static const struct wire_message messages[] = {
    {.kind = WIRE_START,
     .as.start = {.version = WIRE_VERSION,
                  .program = "0.1.0",
                  .job_path = "/jobs/é.so",
                  .job_digest = {1, 2, 3, 0, 255},
                  .options = OPTIONS,
                  .run_dir = "/run",
                  .launch_dir = "/",
                  .report_interval_us = 100000,
                  .slots = 16,
                  .has_gpus_per_rank = true,
                  .gpus_per_rank = 4,
                  .is_isolated = true,
                  .keeps_workdirs = true,
                  .ship_token = "0123",
                  .files_to = "s3://bucket/é",
                  .files_tag = "0a1b2c3d",
                  .remote = bytes,
                  .remote_size = 2,
                  .has_map = true,
                  .map = A_MAP}},
    {.kind = WIRE_READY,
     .as.ready = {.version = WIRE_VERSION,
                  .program = "0.1.0",
                  .host = "node-1",
                  .process = 4711,
                  .offered = {.cpus = 64, .mem = UINT64_MAX, .gpus = 8},
                  .slots = 32,
                  .refusal = ""}},
    {.kind = WIRE_UNIT,
     .as.unit = {.map = 1,
                 .lease = 2,
                 .spans = grown,
                 .span_count = 3,
                 .inputs = bytes,
                 .inputs_size = 5,
                 .packed_size = 5000,
                 .skip = 11}},
    {.kind = WIRE_REPORT,
     .as.report = {.map = 6,
                   .lease = 9,
                   .batches = batches,
                   .batch_count = 2,
                   .failures = failures,
                   .failure_count = 2}},
    {.kind = WIRE_BEAT, .as.beats = {.beats = beats, .count = 2}},
    {.kind = WIRE_RECALL, .as.recall = {.map = 4, .lease = 10, .count = 1000}},
    {.kind = WIRE_RETURNED,
     .as.returned = {.map = 5, .lease = 10, .spans = spans, .span_count = 3}},
    {.kind = WIRE_CANCEL, .as.cancel = {.map = 8, .run_on_us = 10000000, .grace_us = UINT64_MAX}},
    {.kind = WIRE_STOP, .as.stop = {.is_clean = true}},
    {.kind = WIRE_BYE, .as.bye = {.reason = "no zygote"}},
    {.kind = WIRE_END, .as.end = {.map = 9, .lease = 10, .index = 12345, .is_stop = true}},
    {.kind = WIRE_PULSE, .as.pulse = {.quiet_us = 600}},
    {.kind = WIRE_REJOIN, .as.rejoin = {.life = 7}},
    {.kind = WIRE_FETCH, .as.fetch = {.offset = UINT64_C(1) << 33}},
    {.kind = WIRE_LIBRARY, .as.library = {.offset = 3, .total_size = 8, .bytes = bytes, .size = 5}},
    {.kind = WIRE_MAP, .as.map = A_MAP},
    {.kind = WIRE_DROP, .as.drop = {.map = 11}},
    {.kind = WIRE_METRICS, .as.metrics = {.map = 12, .reports = metrics, .count = 2}},
};
#define MESSAGE_COUNT (sizeof(messages) / sizeof(*messages))

static inline struct buffer encoded(const struct wire_message *message)
{
    struct buffer buffer = {0};
    cr_assert(eq(int, wire_encode(message, &buffer), STATUS_OK));
    return buffer;
}

/* Decode a copy that ends where the message does, so that a sanitizer sees what reads on. */
static inline enum status decode(const uint8_t *data, size_t size, struct arena *arena,
                                 struct wire_message *message_out, struct error *err)
{
    uint8_t *copy = malloc(size + (size == 0 ? 1 : 0));
    memcpy(copy, data, size);
    const enum status status = wire_decode(copy, size, arena, message_out, err);
    if (status == STATUS_OK) {
        /* Views are as good as the bytes: everything that they name can be read. */
        struct buffer again = {0};
        cr_assert(eq(int, wire_encode(message_out, &again), STATUS_OK));
        buffer_free(&again);
    }
    free(copy);
    return status;
}

static inline enum status decode_only(const struct buffer *buffer)
{
    struct arena arena = {0};
    struct wire_message message;
    struct error err;
    const enum status status = decode(buffer->data, buffer->size, &arena, &message, &err);
    arena_free(&arena);
    return status;
}

static inline void expect_text(const char *text, const char *expected)
{
    cr_expect(eq(int, strcmp(text, expected), 0), "%s, not %s", text, expected);
}

#endif
