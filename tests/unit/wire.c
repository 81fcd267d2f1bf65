#include "shared/wire.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/pack.h"
#include "shared/seed.h"

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
     .frame = bytes,
     .frame_size = 1},
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
#define A_MAP                                                                                      \
    {                                                                                              \
        .number = 3, .task = "square", .size = INT64_MAX, .options = OPTIONS,                      \
        .formula = {.kind = FORMULA_RANGE,                                                         \
                    .start = INT64_MIN,                                                            \
                    .step = -3,                                                                    \
                    .count = 15,                                                                   \
                    .is_float = true},                                                             \
        .key_base = bytes, .key_base_size = 3                                                      \
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
    {.kind = WIRE_END, .as.end = {.map = 9, .lease = 10, .index = 12345}},
    {.kind = WIRE_PULSE, .as.pulse = {.quiet_us = 600}},
    {.kind = WIRE_REJOIN, .as.rejoin = {.life = 7}},
    {.kind = WIRE_FETCH, .as.fetch = {.offset = UINT64_C(1) << 33}},
    {.kind = WIRE_LIBRARY, .as.library = {.offset = 3, .total_size = 8, .bytes = bytes, .size = 5}},
    {.kind = WIRE_MAP, .as.map = A_MAP},
    {.kind = WIRE_DROP, .as.drop = {.map = 11}},
};
#define MESSAGE_COUNT (sizeof(messages) / sizeof(*messages))

static struct buffer encoded(const struct wire_message *message)
{
    struct buffer buffer = {0};
    cr_assert(eq(int, wire_encode(message, &buffer), STATUS_OK));
    return buffer;
}

/* Decode a copy that ends where the message does, so that a sanitizer sees what reads on. */
static enum status decode(const uint8_t *data, size_t size, struct arena *arena,
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

static enum status decode_only(const struct buffer *buffer)
{
    struct arena arena = {0};
    struct wire_message message;
    struct error err;
    const enum status status = decode(buffer->data, buffer->size, &arena, &message, &err);
    arena_free(&arena);
    return status;
}

/* ---- Round trips ----------------------------------------------------------------------------- */

Test(wire, every_kind_of_message_survives_a_round_trip)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        struct arena arena = {0};
        struct wire_message message;
        struct error err = {""};
        struct buffer buffer = encoded(&messages[i]);
        cr_assert(eq(int, wire_decode(buffer.data, buffer.size, &arena, &message, &err), STATUS_OK),
                  "%s", err.text);
        cr_assert(eq(int, message.kind, messages[i].kind));
        struct buffer again = encoded(&message);
        cr_assert(eq(sz, again.size, buffer.size));
        cr_expect(eq(int, memcmp(again.data, buffer.data, buffer.size), 0));
        buffer_free(&again);
        buffer_free(&buffer);
        arena_free(&arena);
    }
}

/* A message that was decoded, and what it lies in. */
struct decoded {
    struct buffer buffer;
    struct arena arena;
    struct wire_message message;
};

static struct decoded decoded(enum wire_kind kind)
{
    struct decoded d = {.buffer = encoded(&messages[kind - 1])};
    cr_assert(eq(int, messages[kind - 1].kind, kind));
    cr_assert(
        eq(int, wire_decode(d.buffer.data, d.buffer.size, &d.arena, &d.message, NULL), STATUS_OK));
    return d;
}

static void decoded_free(struct decoded *d)
{
    buffer_free(&d->buffer);
    arena_free(&d->arena);
}

#define EXPECT_FIELD(tag, a, b, field) cr_expect(eq(tag, (a)->field, (b)->field))

static void expect_text(const char *text, const char *expected)
{
    cr_expect(eq(int, strcmp(text, expected), 0), "%s, not %s", text, expected);
}

Test(wire, start_keeps_every_option)
{
    struct decoded d = decoded(WIRE_START);
    const struct map_options *a = &d.message.as.start.map.options;
    const struct map_options *b = &messages[0].as.start.map.options;
    EXPECT_FIELD(u64, a, b, retries);
    EXPECT_FIELD(u64, a, b, system_retries);
    EXPECT_FIELD(u64, a, b, retry_delay_ns);
    EXPECT_FIELD(u64, a, b, timeout_ns);
    EXPECT_FIELD(u64, a, b, mem);
    cr_expect(a->mem_growth >= 1.5 && a->mem_growth <= 1.5);
    EXPECT_FIELD(u64, a, b, cpus);
    EXPECT_FIELD(u64, a, b, gpus);
    EXPECT_FIELD(u64, a, b, concurrency);
    EXPECT_FIELD(u64, a, b, delay_ns);
    EXPECT_FIELD(u64, a, b, grace_ns);
    EXPECT_FIELD(u64, a, b, time_limit_ns);
    EXPECT_FIELD(u64, a, b, lost_after_ns);
    EXPECT_FIELD(u64, a, b, unit_size);
    EXPECT_FIELD(u64, a, b, seed);
    EXPECT_FIELD(u64, a, b, output_size_max);
    EXPECT_FIELD(int, a, b, policy);
    EXPECT_FIELD(int, a, b, capture);
    EXPECT_FIELD(int, a, b, criterion.kind);
    EXPECT_FIELD(u64, a, b, criterion.count);
    expect_text(a->criterion.ratio, "0.07");
    decoded_free(&d);
}

Test(wire, start_keeps_job_map_formula_and_folders)
{
    struct decoded d = decoded(WIRE_START);
    const struct wire_start *a = &d.message.as.start;
    const struct wire_start *b = &messages[0].as.start;
    EXPECT_FIELD(u64, a, b, version);
    expect_text(a->program, b->program);
    expect_text(a->job_path, b->job_path);
    cr_expect(eq(int, memcmp(a->job_digest, b->job_digest, WIRE_DIGEST_SIZE), 0));
    expect_text(a->run_dir, b->run_dir);
    expect_text(a->launch_dir, b->launch_dir);
    EXPECT_FIELD(u64, a, b, report_interval_us);
    EXPECT_FIELD(u64, a, b, slots);
    EXPECT_FIELD(int, a, b, is_isolated);
    EXPECT_FIELD(int, a, b, keeps_workdirs);
    cr_expect(a->has_gpus_per_rank);
    EXPECT_FIELD(u64, a, b, gpus_per_rank);
    cr_expect(a->has_map);
    expect_text(a->files_to, b->files_to);
    expect_text(a->files_tag, b->files_tag);
    cr_assert(eq(sz, a->remote_size, b->remote_size));
    cr_expect(eq(int, memcmp(a->remote, b->remote, a->remote_size), 0));
    expect_text(a->ship_token, b->ship_token);
    decoded_free(&d);
}

static void expect_map(const struct wire_map *a, const struct wire_map *b)
{
    EXPECT_FIELD(u64, a, b, number);
    expect_text(a->task, b->task);
    EXPECT_FIELD(u64, a, b, size);
    EXPECT_FIELD(u64, a, b, options.mem);
    EXPECT_FIELD(int, a, b, formula.kind);
    EXPECT_FIELD(i64, a, b, formula.start);
    EXPECT_FIELD(i64, a, b, formula.step);
    EXPECT_FIELD(u64, a, b, formula.count);
    EXPECT_FIELD(int, a, b, formula.is_float);
    cr_assert(eq(sz, a->key_base_size, b->key_base_size));
    cr_expect(eq(int, memcmp(a->key_base, b->key_base, a->key_base_size), 0));
}

Test(wire, a_map_is_the_same_within_start_and_by_itself)
{
    struct decoded start = decoded(WIRE_START);
    struct decoded map = decoded(WIRE_MAP);
    expect_map(&start.message.as.start.map, &messages[0].as.start.map);
    expect_map(&map.message.as.map, &messages[0].as.start.map);
    decoded_free(&start);
    decoded_free(&map);
}

Test(wire, a_run_of_several_maps_starts_without_one)
{
    struct arena arena = {0};
    struct wire_message message = messages[0];
    message.as.start.has_map = false;
    struct buffer buffer = encoded(&message);
    cr_assert(eq(int, wire_decode(buffer.data, buffer.size, &arena, &message, NULL), STATUS_OK));
    cr_expect(not(message.as.start.has_map));
    expect_text(message.as.start.launch_dir, "/");
    buffer_free(&buffer);
    arena_free(&arena);
}

Test(wire, what_is_said_of_a_lease_or_an_attempt_names_its_map)
{
    static const enum wire_kind kinds[] = {WIRE_UNIT,     WIRE_REPORT, WIRE_RECALL,
                                           WIRE_RETURNED, WIRE_END,    WIRE_DROP};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct decoded d = decoded(kinds[i]);
        const uint64_t maps[] = {
            [WIRE_UNIT] = d.message.as.unit.map,         [WIRE_REPORT] = d.message.as.report.map,
            [WIRE_RECALL] = d.message.as.recall.map,     [WIRE_END] = d.message.as.end.map,
            [WIRE_RETURNED] = d.message.as.returned.map, [WIRE_DROP] = d.message.as.drop.map};
        static const uint64_t expected[] = {[WIRE_UNIT] = 1, [WIRE_REPORT] = 6,   [WIRE_RECALL] = 4,
                                            [WIRE_END] = 9,  [WIRE_RETURNED] = 5, [WIRE_DROP] = 11};
        cr_expect(eq(u64, maps[kinds[i]], expected[kinds[i]]));
        decoded_free(&d);
    }
}

Test(wire, an_order_to_end_attempts_is_of_one_map_or_of_all)
{
    struct arena arena = {0};
    struct wire_message message = {.kind = WIRE_CANCEL,
                                   .as.cancel = {.is_for_all = true, .run_on_us = 3}};
    struct buffer buffer = encoded(&message);
    cr_assert(eq(int, wire_decode(buffer.data, buffer.size, &arena, &message, NULL), STATUS_OK));
    cr_expect(message.as.cancel.is_for_all);
    cr_expect(eq(u64, message.as.cancel.run_on_us, 3));
    buffer_free(&buffer);
    arena_free(&arena);
    struct decoded d = decoded(WIRE_CANCEL);
    cr_expect(not(d.message.as.cancel.is_for_all));
    cr_expect(eq(u64, d.message.as.cancel.map, 8));
    decoded_free(&d);
}

Test(wire, a_beat_names_each_map_once_and_in_order)
{
    struct decoded d = decoded(WIRE_BEAT);
    const struct wire_beats *found = &d.message.as.beats;
    cr_assert(eq(sz, found->count, 2));
    for (size_t i = 0; i < 2; i++) {
        EXPECT_FIELD(u64, &found->beats[i], &beats[i], map);
        EXPECT_FIELD(u64, &found->beats[i], &beats[i], finished);
        EXPECT_FIELD(sz, &found->beats[i], &beats[i], running_count);
        EXPECT_FIELD(u64, &found->beats[i], &beats[i], running[0].index);
    }
    decoded_free(&d);
    const struct wire_beat twice[] = {beats[0], beats[0]};
    const struct wire_message wrong = {.kind = WIRE_BEAT, .as.beats = {.beats = twice, .count = 2}};
    struct buffer buffer = encoded(&wrong);
    cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
    buffer_free(&buffer);
}

static void expect_spans(const struct span *a, size_t count, const struct span *b)
{
    for (size_t i = 0; i < count; i++) {
        EXPECT_FIELD(u64, &a[i], &b[i], start);
        EXPECT_FIELD(u64, &a[i], &b[i], count);
        EXPECT_FIELD(u64, &a[i], &b[i], attempt);
        EXPECT_FIELD(u64, &a[i], &b[i], growth);
    }
}

Test(wire, ready_keeps_what_a_rank_offers)
{
    struct decoded d = decoded(WIRE_READY);
    const struct wire_ready *a = &d.message.as.ready;
    cr_expect(eq(u64, a->offered.cpus, 64));
    cr_expect(eq(u64, a->offered.mem, UINT64_MAX));
    cr_expect(eq(u64, a->offered.gpus, 8));
    cr_expect(eq(u64, a->slots, 32));
    expect_text(a->host, "node-1");
    decoded_free(&d);
}

Test(wire, a_report_keeps_its_batches)
{
    struct decoded d = decoded(WIRE_REPORT);
    const struct report *report = &d.message.as.report;
    cr_expect(eq(u64, report->lease, 9));
    cr_assert(eq(sz, report->batch_count, 2));
    for (size_t i = 0; i < 2; i++) {
        const struct report_batch *a = &report->batches[i];
        const struct report_batch *b = &batches[i];
        cr_assert(eq(sz, a->span_count, b->span_count));
        expect_spans(a->spans, a->span_count, b->spans);
        EXPECT_FIELD(u64, a, b, instance_count);
        EXPECT_FIELD(u64, a, b, success_count);
        cr_assert(eq(int, a->success_bits == NULL, b->success_bits == NULL));
        cr_assert(eq(sz, a->frame_size, b->frame_size));
        cr_expect(eq(int, memcmp(a->frame, b->frame, a->frame_size), 0));
        EXPECT_FIELD(u32, a, b, slot);
        EXPECT_FIELD(u64, a, b, started_us);
        EXPECT_FIELD(u64, a, b, elapsed_us);
        EXPECT_FIELD(int, a, b, reads_place);
    }
    cr_expect(eq(int, memcmp(report->batches[1].success_bits, bits, 2), 0));
    decoded_free(&d);
}

Test(wire, a_report_keeps_its_failures)
{
    struct decoded d = decoded(WIRE_REPORT);
    const struct report *report = &d.message.as.report;
    cr_assert(eq(sz, report->failure_count, 2));
    for (size_t i = 0; i < 2; i++) {
        const struct report_failure *a = &report->failures[i];
        const struct report_failure *b = &failures[i];
        EXPECT_FIELD(u64, a, b, index);
        EXPECT_FIELD(u64, a, b, attempt);
        EXPECT_FIELD(int, a, b, class);
        EXPECT_FIELD(int, a, b, is_permanent);
        EXPECT_FIELD(int, a, b, is_unkept);
        cr_assert(eq(sz, a->text_size, b->text_size));
        cr_expect(eq(int, memcmp(a->text, b->text, a->text_size), 0));
    }
    decoded_free(&d);
}

Test(wire, a_unit_whose_inputs_are_appended_reads_like_any_other)
{
    static const struct wire_unit unit = {.map = 1, .lease = 2, .spans = grown, .span_count = 3};
    struct buffer out = {0};
    struct wire_unit_mark mark;
    struct arena arena = {0};
    struct wire_message message;
    struct error err = {""};
    cr_assert(eq(int, wire_unit_begin(&unit, &mark, &out), STATUS_OK));
    cr_assert(eq(int, buffer_append(&out, bytes, 5), STATUS_OK));
    cr_assert(eq(int, wire_unit_end(&mark, 5000, 11, &out), STATUS_OK));
    cr_assert(eq(int, wire_decode(out.data, out.size, &arena, &message, &err), STATUS_OK), "%s",
              err.text);
    cr_assert(eq(int, message.kind, WIRE_UNIT));
    cr_expect(eq(u64, message.as.unit.map, 1));
    cr_expect(eq(u64, message.as.unit.lease, 2));
    expect_spans(message.as.unit.spans, message.as.unit.span_count, grown);
    cr_expect(eq(u64, message.as.unit.packed_size, 5000));
    cr_expect(eq(u64, message.as.unit.skip, 11));
    cr_assert(eq(sz, message.as.unit.inputs_size, 5));
    cr_expect(eq(int, memcmp(message.as.unit.inputs, bytes, 5), 0));
    arena_free(&arena);
    buffer_free(&out);
}

Test(wire, units_answers_and_beats_keep_what_they_name)
{
    struct decoded unit = decoded(WIRE_UNIT);
    cr_expect(eq(u64, unit.message.as.unit.map, 1));
    cr_expect(eq(u64, unit.message.as.unit.lease, 2));
    cr_assert(eq(sz, unit.message.as.unit.span_count, 3));
    expect_spans(unit.message.as.unit.spans, 3, grown);
    cr_expect(eq(u64, unit.message.as.unit.packed_size, 5000));
    cr_expect(eq(u64, unit.message.as.unit.skip, 11));
    cr_assert(eq(sz, unit.message.as.unit.inputs_size, 5));
    cr_expect(eq(int, memcmp(unit.message.as.unit.inputs, bytes, 5), 0));
    struct decoded returned = decoded(WIRE_RETURNED);
    cr_expect(eq(u64, returned.message.as.returned.lease, 10));
    cr_assert(eq(sz, returned.message.as.returned.span_count, 3));
    expect_spans(returned.message.as.returned.spans, 3, spans);
    struct decoded beat = decoded(WIRE_BEAT);
    cr_assert(eq(sz, beat.message.as.beats.beats[0].running_count, 2));
    cr_expect(eq(u64, beat.message.as.beats.beats[0].running[1].index, UINT64_MAX));
    cr_expect(eq(u64, beat.message.as.beats.beats[0].running[0].elapsed_us, 100));
    struct decoded stop = decoded(WIRE_STOP);
    cr_expect(stop.message.as.stop.is_clean);
    struct decoded bye = decoded(WIRE_BYE);
    expect_text(bye.message.as.bye.reason, "no zygote");
    struct decoded pulse = decoded(WIRE_PULSE);
    cr_expect(eq(u64, pulse.message.as.pulse.quiet_us, 600));
    struct decoded rejoin = decoded(WIRE_REJOIN);
    cr_expect(eq(u64, rejoin.message.as.rejoin.life, 7));
    decoded_free(&stop);
    decoded_free(&bye);
    decoded_free(&pulse);
    decoded_free(&rejoin);
    struct decoded cancel = decoded(WIRE_CANCEL);
    cr_expect(eq(u64, cancel.message.as.cancel.run_on_us, 10000000));
    cr_expect(eq(u64, cancel.message.as.cancel.grace_us, UINT64_MAX));
    decoded_free(&cancel);
    decoded_free(&unit);
    decoded_free(&returned);
    decoded_free(&beat);
}

Test(wire, the_longest_lists_and_empty_ones_survive)
{
    struct span *many = calloc(70000, sizeof(*many));
    for (size_t i = 0; i < 70000; i++) {
        many[i] = (struct span){.start = 2 * i, .count = 1};
    }
    for (size_t count = 0; count <= 70000; count = count == 0 ? 15 : count + 69985) {
        const struct wire_message message = {.kind = WIRE_RETURNED,
                                             .as.returned = {.spans = many, .span_count = count}};
        struct buffer buffer = encoded(&message);
        struct arena arena = {0};
        struct wire_message out;
        cr_assert(eq(int, wire_decode(buffer.data, buffer.size, &arena, &out, NULL), STATUS_OK));
        cr_assert(eq(sz, out.as.returned.span_count, count));
        cr_expect(count == 0 || out.as.returned.spans[count - 1].start == 2 * (count - 1));
        buffer_free(&buffer);
        arena_free(&arena);
    }
    free(many);
}

Test(wire, encoding_appends)
{
    struct buffer buffer = {0};
    cr_assert(eq(int, buffer_append(&buffer, "abc", 3), STATUS_OK));
    cr_assert(eq(int, wire_encode(&messages[5], &buffer), STATUS_OK));
    cr_expect(eq(int, memcmp(buffer.data, "abc", 3), 0));
    struct buffer alone = encoded(&messages[5]);
    cr_assert(eq(sz, buffer.size, alone.size + 3));
    cr_expect(eq(int, memcmp(buffer.data + 3, alone.data, alone.size), 0));
    buffer_free(&alone);
    buffer_free(&buffer);
}

Test(wire, a_report_in_parts_is_the_same_message)
{
    struct wire_report_parts parts = {.map = 6, .lease = 9};
    struct buffer out = {0};
    struct buffer whole = encoded(&messages[3]);
    for (unsigned round = 0; round < 2; round++) { /* it starts again with none */
        struct arena arena = {0};
        struct wire_message message;
        cr_assert(eq(int, wire_report_add(&parts, &batches[0], NULL, 0), STATUS_OK));
        cr_assert(eq(int, wire_report_add(&parts, &batches[1], failures, 2), STATUS_OK));
        cr_assert(eq(int, wire_report_finish(&parts, &out), STATUS_OK));
        cr_assert(eq(int, wire_decode(out.data, out.size, &arena, &message, NULL), STATUS_OK));
        struct buffer again = encoded(&message); /* the number of batches at its shortest */
        cr_assert(eq(sz, again.size, whole.size));
        cr_expect(eq(int, memcmp(again.data, whole.data, whole.size), 0));
        buffer_free(&again);
        buffer_free(&out);
        arena_free(&arena);
        cr_expect(eq(sz, parts.batch_count, 0));
        cr_expect(eq(sz, parts.failure_count, 0));
    }
    wire_report_free(&parts);
    buffer_free(&whole);
}

/* ---- What is refused ------------------------------------------------------------------------- */

Test(wire, a_message_that_is_cut_anywhere_is_refused)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        struct buffer buffer = encoded(&messages[i]);
        for (size_t size = 0; size < buffer.size; size++) {
            struct arena arena = {0};
            struct wire_message message;
            struct error err = {""};
            cr_assert(eq(int, decode(buffer.data, size, &arena, &message, &err), STATUS_PROTOCOL));
            cr_assert(gt(sz, strlen(err.text), 0));
            arena_free(&arena);
        }
        buffer_free(&buffer);
    }
}

Test(wire, a_message_with_a_byte_too_many_is_refused)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        struct buffer buffer = encoded(&messages[i]);
        cr_assert(eq(int, buffer_append_byte(&buffer, 0), STATUS_OK));
        cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

/* What must hold of every report that was let through, for those who read it. */
static void expect_sound(const struct report *report)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        cr_assert(span_list_is_valid(batch->spans, batch->span_count, UINT64_MAX));
        cr_assert(eq(u64, span_list_count(batch->spans, batch->span_count), batch->instance_count));
        cr_assert(le(u64, batch->success_count, batch->instance_count));
        cr_assert(eq(int, batch->frame == NULL, batch->success_count == 0));
        missing += batch->instance_count - batch->success_count;
    }
    cr_assert(eq(u64, report->failure_count, missing));
    for (size_t i = 0; i < report->failure_count; i++) {
        cr_assert(lt(int, (int)report->failures[i].class, FAILURE_CLASS_COUNT));
    }
}

/* Method: each byte of each message takes each other value. What is not refused must be sound. */
Test(wire, no_corrupt_byte_does_harm)
{
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        struct buffer buffer = encoded(&messages[i]);
        for (size_t at = 0; at < buffer.size; at++) {
            const uint8_t byte = buffer.data[at];
            for (unsigned change = 1; change < 256; change++) {
                struct arena arena = {0};
                struct wire_message message;
                buffer.data[at] = (uint8_t)(byte ^ change);
                if (decode(buffer.data, buffer.size, &arena, &message, NULL) == STATUS_OK &&
                    message.kind == WIRE_REPORT) {
                    expect_sound(&message.as.report);
                }
                arena_free(&arena);
            }
            buffer.data[at] = byte;
        }
        buffer_free(&buffer);
    }
}

Test(wire, no_random_bytes_do_harm)
{
    uint64_t random = 1;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t data[64];
        for (size_t i = 0; i < sizeof(data); i += sizeof(random)) {
            random = seed_mix(random);
            memcpy(&data[i], &random, sizeof(random));
        }
        data[0] = (uint8_t)(0x90 | data[0] % 16);
        data[1] = (uint8_t)(data[1] % 12);
        struct arena arena = {0};
        struct wire_message message;
        (void)decode(data, data[63] % 64, &arena, &message, NULL);
        arena_free(&arena);
    }
}

Test(wire, an_unknown_kind_is_refused)
{
    static const uint8_t kinds[] = {0, WIRE_REJOIN + 1, 0x7f, 0xff, 0xc0};
    for (size_t i = 0; i < sizeof(kinds); i++) {
        struct buffer buffer = {0};
        const uint8_t data[] = {0x91, kinds[i]};
        cr_assert(eq(int, buffer_append(&buffer, data, 2), STATUS_OK));
        cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

/* Bytes past its end, an offset past it, and none where there are more. */
Test(wire, a_part_of_a_library_that_cannot_be_is_refused)
{
    static const struct wire_library parts[] = {
        {.offset = 4, .total_size = 8, .bytes = bytes, .size = 5},
        {.offset = 9, .total_size = 8, .bytes = bytes, .size = 0},
        {.offset = UINT64_MAX, .total_size = 8, .bytes = bytes, .size = 5},
        {.offset = 3, .total_size = 8, .bytes = bytes, .size = 0},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const struct wire_message message = {.kind = WIRE_LIBRARY, .as.library = parts[i]};
        struct buffer buffer = encoded(&message);
        cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

/* Method: also one whose items behind the version are nothing that this program knows. */
Test(wire, a_start_of_another_version_is_refused_as_such)
{
    static const uint8_t versions[] = {0, WIRE_VERSION + 1, 100};
    for (size_t i = 0; i < sizeof(versions); i++) {
        struct wire_message start = messages[0];
        struct error err;
        struct arena arena = {0};
        struct wire_message message;
        start.as.start.version = versions[i];
        struct buffer buffer = encoded(&start);
        cr_expect(
            eq(int, wire_decode(buffer.data, buffer.size, &arena, &message, &err), STATUS_LIMIT));
        cr_expect(ne(ptr, strstr(err.text, "version"), NULL));
        const uint8_t other[] = {0x93, WIRE_START, versions[i], 0xc0};
        cr_expect(eq(int, wire_decode(other, sizeof(other), &arena, &message, &err), STATUS_LIMIT));
        buffer_free(&buffer);
        arena_free(&arena);
    }
}

/* Method: also one with more items behind the host, which this program does not know. */
Test(wire, a_ready_of_another_version_says_whose)
{
    struct pack pack;
    for (unsigned more = 0; more < 2; more++) {
        struct buffer buffer = {0};
        struct arena arena = {0};
        struct wire_message message;
        pack_start(&pack, &buffer);
        pack_array(&pack, 4 + more);
        pack_uint(&pack, WIRE_READY);
        pack_uint(&pack, WIRE_VERSION + 1);
        pack_text(&pack, "9.1.0");
        pack_text(&pack, "node-1");
        for (unsigned i = 0; i < more; i++) {
            pack_nil(&pack);
        }
        cr_assert(eq(int, pack_finish(&pack), STATUS_OK));
        cr_assert(
            eq(int, wire_decode(buffer.data, buffer.size, &arena, &message, NULL), STATUS_OK));
        cr_expect(eq(u64, message.as.ready.version, WIRE_VERSION + 1));
        expect_text(message.as.ready.program, "9.1.0");
        expect_text(message.as.ready.host, "node-1");
        expect_text(message.as.ready.refusal, "");
        buffer_free(&buffer);
        arena_free(&arena);
    }
}

static void expect_refused(const struct wire_message *message)
{
    struct buffer buffer = encoded(message);
    cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
    buffer_free(&buffer);
}

Test(wire, spans_that_are_not_sorted_and_apart_are_refused)
{
    static const struct span wrong[][2] = {
        {{.start = 5, .count = 1}, {.start = 4, .count = 1}},
        {{.start = 5, .count = 2}, {.start = 6, .count = 1}},
        {{.start = 5, .count = 1}, {.start = 5, .count = 1}},
        {{.start = 5, .count = 0}, {.start = 6, .count = 1}},
        {{.start = 5, .count = UINT64_MAX}, {.start = 6, .count = 1}},
        {{.start = 5, .count = 1}, {.start = UINT64_MAX, .count = 1}},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        expect_refused(&(struct wire_message){.kind = WIRE_RETURNED,
                                              .as.returned = {.spans = wrong[i], .span_count = 2}});
        expect_refused(&(struct wire_message){.kind = WIRE_UNIT,
                                              .as.unit = {.spans = wrong[i], .span_count = 2}});
    }
}

Test(wire, texts_with_a_nul_inside_or_of_enormous_length_are_refused)
{
    struct buffer buffer = encoded(&messages[1]);
    uint8_t *host = memmem(buffer.data, buffer.size, "node-1", 6);
    host[2] = '\0';
    cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
    buffer_free(&buffer);

    char *text = malloc(1 << 17);
    memset(text, 'x', (1 << 17) - 1);
    text[(1 << 17) - 1] = '\0';
    struct wire_message ready = messages[1];
    ready.as.ready.refusal = text;
    expect_refused(&ready);
    free(text);
}

Test(wire, options_that_no_program_of_ours_sends_are_refused)
{
    struct wire_message start = messages[0];
    start.as.start.options.policy = (enum map_policy)(POLICY_ENOUGH + 1);
    expect_refused(&start);
    start = messages[0];
    start.as.start.options.criterion.kind = (enum criterion_kind)(CRITERION_MAX_FAILURES + 1);
    expect_refused(&start);
    start = messages[0];
    start.as.start.map.formula.kind = (enum formula_kind)(FORMULA_GRID + 1);
    expect_refused(&start);
}

/* A report of one batch, as it is. */
static struct wire_message report_of(const struct report_batch *batch,
                                     const struct report_failure *batch_failures, size_t count)
{
    return (struct wire_message){.kind = WIRE_REPORT,
                                 .as.report = {.batches = batch,
                                               .batch_count = 1,
                                               .failures = batch_failures,
                                               .failure_count = count}};
}

Test(wire, a_report_must_have_one_failure_for_each_instance_without_success)
{
    const struct report_failure more[] = {failures[0], failures[1], failures[1]};
    for (size_t count = 0; count <= 3; count++) {
        const struct wire_message report = report_of(&batches[1], more, count);
        struct buffer buffer = encoded(&report);
        cr_expect(eq(int, decode_only(&buffer), count == 2 ? STATUS_OK : STATUS_PROTOCOL));
        buffer_free(&buffer);
    }
}

Test(wire, a_report_must_have_outputs_exactly_where_something_succeeded)
{
    static const uint8_t none[] = {0, 0};
    struct report_failure all[9];
    struct report_batch batch = batches[0];
    batch.frame_size = 0;
    const struct wire_message without = report_of(&batch, NULL, 0);
    expect_refused(&without);

    batch = batches[1];
    batch.success_bits = none;
    for (size_t i = 0; i < 9; i++) {
        all[i] = failures[1];
    }
    const struct wire_message with = report_of(&batch, all, 9);
    expect_refused(&with);
}

Test(wire, a_failure_of_an_unknown_class_is_refused)
{
    struct report_failure unknown[] = {failures[0], failures[1]};
    unknown[1].class = (enum failure_class)FAILURE_CLASS_COUNT;
    const struct wire_message report = report_of(&batches[1], unknown, 2);
    expect_refused(&report);
}

Test(wire, only_an_attempt_that_was_ended_may_have_found_no_room_for_its_files)
{
    struct report_failure odd[] = {failures[0], failures[1]};
    odd[0].is_unkept = true;
    const struct wire_message report = report_of(&batches[1], odd, 2);
    expect_refused(&report);
}

/* Bytes of a report of one batch [[0, instances, 0]], with so many bytes of success bits. */
static struct buffer report_with_bits(uint64_t instances, size_t bits_size)
{
    static const uint8_t zeros[16] = {0};
    struct buffer buffer = {0};
    struct pack pack;
    pack_start(&pack, &buffer);
    pack_array(&pack, 5);
    pack_uint(&pack, WIRE_REPORT);
    pack_uint(&pack, 1);
    pack_uint(&pack, 1);
    pack_array(&pack, 1);
    pack_array(&pack, 7);
    pack_spans(&pack, &(struct span){.count = instances}, 1);
    pack_bytes(&pack, zeros, bits_size);
    pack_uint(&pack, 0);
    pack_uint(&pack, 0);
    pack_uint(&pack, 0);
    pack_bool(&pack, false);
    pack_bytes(&pack, NULL, 0);
    pack_array(&pack, 0);
    cr_assert(eq(int, pack_finish(&pack), STATUS_OK));
    return buffer;
}

/* Goal: nobody reads bits that are not there. The bytes that 2^64 - 1 instances need are 2^61,
 * which no sum of 64 bits may turn into none. */
Test(wire, success_bits_of_another_size_than_their_instances_are_refused)
{
    static const uint64_t counts[] = {1,
                                      7,
                                      8,
                                      9,
                                      16,
                                      17,
                                      UINT64_C(1) << 32,
                                      INT64_MAX,
                                      UINT64_MAX - 8,
                                      UINT64_MAX - 7,
                                      UINT64_MAX - 6,
                                      UINT64_MAX - 1,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        for (size_t size = 0; size <= 4; size++) {
            struct buffer buffer = report_with_bits(counts[i], size);
            cr_expect(eq(int, decode_only(&buffer), STATUS_PROTOCOL));
            buffer_free(&buffer);
        }
    }
}
