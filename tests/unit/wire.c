#include "shared/wire.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/wire_support.h"

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
    expect_text(a->reducer, b->reducer);
    EXPECT_FIELD(int, a, b, is_ordered);
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
        EXPECT_FIELD(u64, a, b, held_us);
        EXPECT_FIELD(sz, a, b, times_size);
        cr_expect(a->times_size == 0 || memcmp(a->times, b->times, a->times_size) == 0);
        EXPECT_FIELD(int, a, b, reads_place);
        EXPECT_FIELD(u64, a, b, partial_count);
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
