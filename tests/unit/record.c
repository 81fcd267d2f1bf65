#include "master/record.h"

#include <xxhash.h>

#include "tests/unit/log_support.h"

static const struct span spans[] = {{.start = 10, .count = 4, .attempt = 0},
                                    {.start = 20, .count = 5, .attempt = 2}};
static const uint8_t bits[] = {0x5b, 0x01}; /* 0, 1, 3, 4, 6, 8 of 9 */
static const uint8_t no_bits[] = {0, 0};
static const uint8_t times[] = {1, 2, 3, 4, 5, 6, 7, 8, 0x80, 1}; /* of 9 attempts */

/* What a full record needs to live. */
struct fixture {
    struct buffer frames[3];
    struct report_batch batches[3];
    struct report_failure failures[3];
    struct record_outcome outcomes[3];
    struct record record;
    struct buffer bytes;
    struct arena arena;
};

/* A batch in which some succeeded, one with all, one with none, and failures of three outcomes. */
static void fixture_create(struct fixture *f)
{
    *f = (struct fixture){0};
    f->batches[0] = make_batch(spans, 2, bits, &f->frames[0]);
    f->batches[0].held_us = 3;
    f->batches[0].times = times;
    f->batches[0].times_size = sizeof(times);
    f->batches[1] = make_batch(spans, 1, NULL, &f->frames[1]);
    f->batches[2] = make_batch(spans, 2, no_bits, &f->frames[2]);
    f->failures[0] = make_failure(12, 0, FAILURE_EXIT, "status 1");
    f->failures[1] = make_failure(20, 2, FAILURE_TIMEOUT, "");
    f->failures[1].is_permanent = true;
    f->failures[2] = make_failure(23, 2, FAILURE_LOST, "not \xff UTF-8");
    f->outcomes[0] =
        (struct record_outcome){.state = INSTANCE_ABORTED, .task_failures = 1, .attempts_max = 3};
    f->outcomes[1] = (struct record_outcome){.is_final = true,
                                             .state = INSTANCE_TIMED_OUT,
                                             .task_failures = 2,
                                             .system_failures = 1,
                                             .attempts_max = UINT64_MAX};
    f->outcomes[2] = (struct record_outcome){
        .is_final = true, .state = INSTANCE_FAILED, .system_failures = 4, .attempts_max = 5};
    f->record = make_report(f->batches, 3);
    f->record.map = 5;
    f->record.report.failures = f->failures;
    f->record.report.failure_count = 3;
    f->record.outcomes = f->outcomes;
    OK(record_encode(&f->record, &f->bytes));
}

static void fixture_destroy(struct fixture *f)
{
    for (size_t i = 0; i < 3; i++) {
        buffer_free(&f->frames[i]);
    }
    buffer_free(&f->bytes);
    arena_free(&f->arena);
}

static enum status decode(struct fixture *f, const uint8_t *data, size_t size,
                          struct record *record_out, size_t *used_out)
{
    struct error err;
    arena_reset(&f->arena);
    return record_decode(data, size, &f->arena, record_out, used_out, &err);
}

static void expect_same_batch(const struct report_batch *a, const struct report_batch *b)
{
    cr_assert(eq(sz, a->span_count, b->span_count));
    for (size_t i = 0; i < a->span_count; i++) {
        cr_expect(eq(u64, a->spans[i].start, b->spans[i].start));
        cr_expect(eq(u64, a->spans[i].count, b->spans[i].count));
        cr_expect(eq(u64, a->spans[i].attempt, b->spans[i].attempt));
    }
    cr_expect(eq(u64, a->instance_count, b->instance_count));
    cr_expect(eq(u64, a->success_count, b->success_count));
    cr_assert(eq(int, a->success_bits == NULL, b->success_bits == NULL));
    for (uint64_t i = 0; i < a->instance_count; i++) {
        cr_expect(eq(int, report_batch_succeeded(a, i), report_batch_succeeded(b, i)));
    }
    cr_assert(eq(sz, a->frame_size, b->frame_size));
    cr_expect(a->frame_size == 0 || memcmp(a->frame, b->frame, a->frame_size) == 0);
    cr_expect(eq(u32, a->slot, b->slot));
    cr_expect(eq(u64, a->started_us, b->started_us));
    cr_expect(eq(u64, a->elapsed_us, b->elapsed_us));
    cr_expect(eq(u64, a->partial_count, b->partial_count));
    cr_expect(eq(u64, a->held_us, b->held_us));
    cr_assert(eq(sz, a->times_size, b->times_size));
    cr_expect(a->times_size == 0 || memcmp(a->times, b->times, a->times_size) == 0);
}

static void expect_same_failure(const struct report_failure *a, const struct report_failure *b)
{
    cr_expect(eq(u64, a->index, b->index));
    cr_expect(eq(u64, a->attempt, b->attempt));
    cr_expect(eq(int, a->class, b->class));
    cr_expect(eq(int, a->is_permanent, b->is_permanent));
    cr_assert(eq(sz, a->text_size, b->text_size));
    cr_expect(memcmp(a->text, b->text, a->text_size) == 0);
}

static void expect_same_outcome(const struct record_outcome *a, const struct record_outcome *b)
{
    cr_expect(eq(int, a->is_final, b->is_final));
    cr_expect(eq(int, a->state, b->state));
    cr_expect(eq(u64, a->task_failures, b->task_failures));
    cr_expect(eq(u64, a->system_failures, b->system_failures));
    cr_expect(eq(u64, a->attempts_max, b->attempts_max));
}

Test(record, a_report_comes_back_whole)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
    cr_expect(eq(sz, used, f.bytes.size));
    cr_expect(eq(int, back.kind, RECORD_REPORT));
    cr_expect(eq(u64, back.map, 5));
    cr_expect(eq(u32, back.rank, 2));
    cr_expect(eq(u64, back.time_ms, f.record.time_ms));
    cr_expect(eq(u64, back.report.lease, 77));
    cr_assert(eq(sz, back.report.batch_count, 3));
    cr_assert(eq(sz, back.report.failure_count, 3));
    for (size_t i = 0; i < 3; i++) {
        expect_same_batch(&back.report.batches[i], &f.batches[i]);
        expect_same_failure(&back.report.failures[i], &f.failures[i]);
        expect_same_outcome(&back.outcomes[i], &f.outcomes[i]);
    }
    fixture_destroy(&f);
}

Test(record, starts_and_ends_come_back)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    const struct record records[] = {
        {.kind = RECORD_START, .map = UINT64_MAX, .revives_failed = true, .time_ms = 1},
        {.kind = RECORD_START, .rank = UINT32_MAX},
        {.kind = RECORD_END, .exit_status = 75}};
    for (size_t i = 0; i < 3; i++) {
        buffer_clear(&f.bytes);
        OK(record_encode(&records[i], &f.bytes));
        OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
        cr_expect(eq(sz, used, f.bytes.size));
        cr_expect(eq(int, back.kind, records[i].kind));
        cr_expect(eq(u64, back.map, records[i].map));
        cr_expect(eq(u32, back.rank, records[i].rank));
        cr_expect(eq(u64, back.time_ms, records[i].time_ms));
        cr_expect(eq(int, back.revives_failed, records[i].revives_failed));
        cr_expect(eq(int, back.exit_status, records[i].exit_status));
        cr_expect(eq(sz, back.report.batch_count, 0));
    }
    fixture_destroy(&f);
}

Test(record, the_loss_of_a_rank_comes_back_with_how_it_was_lost)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    static const char why[] = "node-2: silent for 10 s";
    fixture_create(&f);
    const struct record record = {
        .kind = RECORD_LOST, .rank = 7, .time_ms = 3, .why = why, .why_size = strlen(why)};
    buffer_clear(&f.bytes);
    OK(record_encode(&record, &f.bytes));
    OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
    cr_expect(eq(sz, used, f.bytes.size));
    cr_expect(eq(int, back.kind, RECORD_LOST));
    cr_expect(eq(u32, back.rank, 7));
    cr_expect(eq(u64, back.time_ms, 3));
    cr_assert(eq(sz, back.why_size, strlen(why)));
    cr_expect(eq(int, memcmp(back.why, why, strlen(why)), 0));
    cr_expect(eq(sz, back.report.batch_count, 0));
    fixture_destroy(&f);
}

Test(record, reports_and_stops_of_trials_come_back)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    static const struct record_metric metrics[] = {
        {.lease = 3, .index = INT64_MAX - 1, .attempt = 1, .number = 9, .step = -2, .value = 0.5},
        {.lease = 4, .index = 0, .number = UINT64_MAX, .step = INT64_MIN, .value = -INFINITY}};
    static const struct record_stop stops[] = {
        {.index = 7, .attempt = 2, .bracket = 27, .value = NAN, .threshold = 1e-300}};
    const struct record record = {.kind = RECORD_METRICS,
                                  .rank = 2,
                                  .metrics = metrics,
                                  .metric_count = 2,
                                  .stops = stops,
                                  .stop_count = 1};
    fixture_create(&f);
    buffer_clear(&f.bytes);
    OK(record_encode(&record, &f.bytes));
    OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
    cr_expect(eq(int, back.kind, RECORD_METRICS));
    cr_assert(eq(sz, back.metric_count, 2));
    for (size_t i = 0; i < 2; i++) {
        cr_expect(eq(u64, back.metrics[i].lease, metrics[i].lease));
        cr_expect(eq(u64, back.metrics[i].index, metrics[i].index));
        cr_expect(eq(u64, back.metrics[i].attempt, metrics[i].attempt));
        cr_expect(eq(u64, back.metrics[i].number, metrics[i].number));
        cr_expect(eq(i64, back.metrics[i].step, metrics[i].step));
        cr_expect(eq(dbl, back.metrics[i].value, metrics[i].value));
    }
    cr_assert(eq(sz, back.stop_count, 1));
    cr_expect(eq(u64, back.stops[0].index, 7));
    cr_expect(eq(u64, back.stops[0].attempt, 2));
    cr_expect(eq(u64, back.stops[0].bracket, 27));
    cr_expect(isnan(back.stops[0].value));
    cr_expect(eq(dbl, back.stops[0].threshold, 1e-300));
    for (size_t cut = 0; cut < f.bytes.size; cut++) {
        cr_expect(not(eq(int, decode(&f, f.bytes.data, cut, &back, &used), STATUS_OK)));
    }
    fixture_destroy(&f);
}

Test(record, ranks_come_back_with_slots_and_hosts)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    static const struct record_rank ranks[] = {
        {.rank = 1, .slots = 64, .host = "node-1", .host_size = 6},
        {.rank = UINT32_MAX, .slots = 1, .host = "", .host_size = 0}};
    fixture_create(&f);
    const struct record record = {
        .kind = RECORD_RANKS, .time_ms = 4, .ranks = ranks, .rank_count = 2};
    buffer_clear(&f.bytes);
    OK(record_encode(&record, &f.bytes));
    OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
    cr_expect(eq(sz, used, f.bytes.size));
    cr_expect(eq(int, back.kind, RECORD_RANKS));
    cr_assert(eq(sz, back.rank_count, 2));
    for (size_t i = 0; i < 2; i++) {
        cr_expect(eq(u32, back.ranks[i].rank, ranks[i].rank));
        cr_expect(eq(u32, back.ranks[i].slots, ranks[i].slots));
        cr_assert(eq(sz, back.ranks[i].host_size, ranks[i].host_size));
        cr_expect(memcmp(back.ranks[i].host, ranks[i].host, ranks[i].host_size) == 0);
    }
    fixture_destroy(&f);
}

/* Durations that add up to more than the batch took are none. */
Test(record, durations_that_do_not_fit_their_batch_are_refused)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    f.batches[0].times_size--;
    buffer_clear(&f.bytes);
    OK(record_encode(&f.record, &f.bytes));
    cr_expect(eq(int, decode(&f, f.bytes.data, f.bytes.size, &back, &used), STATUS_INVALID));
    f.batches[0].times_size++;
    f.batches[0].elapsed_us = 1;
    buffer_clear(&f.bytes);
    OK(record_encode(&f.record, &f.bytes));
    cr_expect(eq(int, decode(&f, f.bytes.data, f.bytes.size, &back, &used), STATUS_INVALID));
    fixture_destroy(&f);
}

/* The batch with all, and the failure that is final and no timeout. */
static struct record make_cached(const struct fixture *f)
{
    struct record record = make_report(&f->batches[1], 1);
    record.kind = RECORD_CACHED;
    record.report.failures = &f->failures[2];
    record.report.failure_count = 1;
    record.outcomes = &f->outcomes[2];
    return record;
}

Test(record, what_was_cached_comes_back_as_a_report_does)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    const struct record record = make_cached(&f);
    buffer_clear(&f.bytes);
    OK(record_encode(&record, &f.bytes));
    OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
    cr_expect(eq(sz, used, f.bytes.size));
    cr_expect(eq(int, back.kind, RECORD_CACHED));
    cr_assert(eq(sz, back.report.batch_count, 1));
    expect_same_batch(&back.report.batches[0], &f.batches[1]);
    cr_assert(eq(sz, back.report.failure_count, 1));
    expect_same_failure(&back.report.failures[0], &f.failures[2]);
    expect_same_outcome(&back.outcomes[0], &f.outcomes[2]);
    fixture_destroy(&f);
}

Test(record, of_a_cached_one_all_have_outputs_and_failures_are_final)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    for (size_t i = 0; i < 3; i++) {
        struct record record = make_cached(&f);
        record.report.batches = i == 0 ? &f.batches[0] : record.report.batches;
        record.outcomes = i == 1 ? &f.outcomes[0] : i == 2 ? &f.outcomes[1] : record.outcomes;
        buffer_clear(&f.bytes);
        OK(record_encode(&record, &f.bytes));
        STATUS_IS(STATUS_INVALID, decode(&f, f.bytes.data, f.bytes.size, &back, &used));
    }
    fixture_destroy(&f);
}

/* 10, 11, 13, 20, 22, 24 have succeeded, in five runs. */
Test(record, partial_values_come_back_as_many_as_they_are)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    const uint64_t counts[] = {0, 1, 5};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        f.batches[0].partial_count = counts[i];
        buffer_clear(&f.bytes);
        OK(record_encode(&f.record, &f.bytes));
        OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
        cr_assert(eq(sz, back.report.batch_count, 3));
        for (size_t k = 0; k < 3; k++) {
            expect_same_batch(&back.report.batches[k], &f.batches[k]);
        }
    }
    fixture_destroy(&f);
}

Test(record, of_a_map_that_is_reduced_its_reducer_comes_back)
{
    const char *const reducers[] = {"", "top_k(3, score)"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct record back;
        size_t used = 0;
        fixture_create(&f);
        const struct record record = {.kind = RECORD_MAP,
                                      .map = 3,
                                      .task = "square",
                                      .task_size = 6,
                                      .output_type = "int",
                                      .output_type_size = 3,
                                      .map_size = 10,
                                      .minimum = 9,
                                      .reducer = reducers[i],
                                      .reducer_size = strlen(reducers[i])};
        buffer_clear(&f.bytes);
        OK(record_encode(&record, &f.bytes));
        OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
        cr_expect(eq(u64, back.minimum, 9));
        cr_assert(eq(sz, back.reducer_size, strlen(reducers[i])));
        cr_expect(
            memcmp(back.reducer_size > 0 ? back.reducer : "", reducers[i], back.reducer_size) == 0);
        fixture_destroy(&f);
    }
}

Test(record, a_record_of_a_range_that_all_succeeded_is_small)
{
    struct fixture f;
    const struct span range = {.start = 1000000, .count = 65536, .attempt = 0};
    fixture_create(&f);
    struct report_batch batch = make_batch(&range, 1, NULL, &f.frames[0]);
    const struct record record = make_report(&batch, 1);
    buffer_clear(&f.bytes);
    OK(record_encode(&record, &f.bytes));
    cr_expect(lt(sz, f.bytes.size - batch.frame_size, 144));
    fixture_destroy(&f);
}

Test(record, a_record_that_is_cut_asks_for_more_bytes_than_there_are)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    for (size_t size = 0; size < f.bytes.size; size++) {
        cr_assert(eq(int, decode(&f, f.bytes.data, size, &back, &used), STATUS_LIMIT),
                  "cut to %zu bytes", size);
        cr_assert(gt(sz, used, size));
        cr_assert(le(sz, used, f.bytes.size));
    }
    fixture_destroy(&f);
}

Test(record, every_changed_byte_is_noticed)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    for (size_t i = 0; i < f.bytes.size; i++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            f.bytes.data[i] ^= (uint8_t)flip;
            cr_assert(ne(int, decode(&f, f.bytes.data, f.bytes.size, &back, &used), STATUS_OK),
                      "byte %zu, flipped by %u", i, flip);
            f.bytes.data[i] ^= (uint8_t)flip;
        }
    }
    fixture_destroy(&f);
}

/* Goal: others can check it, too. It covers the payload up to itself, and then the frames. */
Test(record, the_checksum_is_the_documented_one)
{
    struct fixture f;
    struct buffer covered = {0};
    uint32_t payload_size = 0;
    XXH128_canonical_t checksum;
    fixture_create(&f);
    cr_assert(lz4_frame_is_skippable(f.bytes.data, &payload_size));
    const uint8_t *payload = f.bytes.data + LZ4_FRAME_SKIPPABLE_HEADER_SIZE;
    OK(buffer_append(&covered, payload, payload_size - sizeof(checksum)));
    OK(buffer_append(&covered, f.frames[0].data, f.frames[0].size));
    OK(buffer_append(&covered, f.frames[1].data, f.frames[1].size));
    XXH128_canonicalFromHash(&checksum, XXH3_128bits(covered.data, covered.size));
    cr_expect(memcmp(payload + payload_size - sizeof(checksum), &checksum, sizeof(checksum)) == 0);
    buffer_free(&covered);
    fixture_destroy(&f);
}

Test(record, what_follows_a_record_does_not_matter)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    fixture_create(&f);
    const size_t size = f.bytes.size;
    OK(buffer_append(&f.bytes, "\xff\xff\xff\xff\xff", 5));
    OK(decode(&f, f.bytes.data, f.bytes.size, &back, &used));
    cr_expect(eq(sz, used, size));
    fixture_destroy(&f);
}

/* Goal: a record with a right checksum is refused all the same where what it says makes no sense,
 * as one that another program wrote might. Method: the encoder is handed nonsense. */
static void expect_refused(struct fixture *f, const char *what)
{
    struct record back;
    size_t used = 0;
    buffer_clear(&f->bytes);
    OK(record_encode(&f->record, &f->bytes));
    cr_expect(eq(int, decode(f, f->bytes.data, f->bytes.size, &back, &used), STATUS_INVALID), "%s",
              what);
}

Test(record, partial_values_that_cannot_cover_the_successes_are_refused)
{
    struct fixture f;
    const uint64_t wrong[] = {2, 4, 6, UINT64_MAX};
    fixture_create(&f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        f.batches[0].partial_count = wrong[i];
        expect_refused(&f, "partial values");
    }
    f.batches[0].partial_count = 0;
    f.batches[2].partial_count = 1;
    expect_refused(&f, "partial values of no success");
    f.record = make_cached(&f);
    f.batches[1].partial_count = 1;
    expect_refused(&f, "partial values that were cached");
    fixture_destroy(&f);
}

Test(record, spans_that_are_empty_unsorted_or_overlapping_are_refused)
{
    const struct span wrong[][2] = {{{10, 4, 0, 0}, {13, 5, 0, 0}},
                                    {{20, 5, 0, 0}, {10, 4, 0, 0}},
                                    {{10, 9, 0, 0}, {19, 0, 0, 0}},
                                    {{10, 8, 0, 0}, {INT64_MAX - 1, 2, 0, 0}},
                                    {{10, 9, 0, 0}, {UINT64_MAX, 1, 0, 0}}};
    struct fixture f;
    fixture_create(&f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        f.batches[0].spans = wrong[i];
        expect_refused(&f, "spans");
    }
    fixture_destroy(&f);
}

Test(record, a_batch_of_no_spans_is_refused)
{
    struct fixture f;
    fixture_create(&f);
    f.batches[1].span_count = 0;
    f.batches[1].instance_count = 0;
    expect_refused(&f, "no spans");
    fixture_destroy(&f);
}

Test(record, success_bits_of_another_length_or_behind_the_last_instance_are_refused)
{
    static const uint8_t behind[] = {0x5b, 0x03};
    struct fixture f;
    fixture_create(&f);
    f.batches[0].success_bits = behind;
    expect_refused(&f, "bits behind the last");
    f.batches[0].success_bits = bits;
    f.batches[0].instance_count = 8;
    expect_refused(&f, "too few bits");
    fixture_destroy(&f);
}

Test(record, a_frame_stands_there_just_where_something_succeeded)
{
    struct fixture f;
    fixture_create(&f);
    f.batches[2].success_bits = bits;
    expect_refused(&f, "a success without a frame");
    f.batches[2].success_bits = no_bits;
    f.batches[0].success_bits = no_bits;
    expect_refused(&f, "a frame without a success");
    fixture_destroy(&f);
}

Test(record, final_states_that_no_failure_leads_to_are_refused)
{
    const enum instance_state wrong[] = {INSTANCE_SUCCEEDED, INSTANCE_CACHED, INSTANCE_NOT_STARTED,
                                         INSTANCE_STOPPED_EARLY};
    struct fixture f;
    fixture_create(&f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        f.outcomes[1].state = wrong[i];
        expect_refused(&f, instance_state_name(wrong[i]));
    }
    fixture_destroy(&f);
}

Test(record, failures_of_impossible_instances_are_refused)
{
    struct fixture f;
    fixture_create(&f);
    f.failures[0].index = UINT64_MAX;
    expect_refused(&f, "index");
    fixture_destroy(&f);
}

/* The header of a report whose two batches claim a frame of `frame_size` bytes each; its checksum
 * is zeroes. */
static void make_claim(uint64_t frame_size, struct buffer *bytes)
{
    uint8_t header[LZ4_FRAME_SKIPPABLE_HEADER_SIZE] = {0};
    struct pack out;
    OK(buffer_append(bytes, header, sizeof(header)));
    pack_start(&out, bytes);
    pack_map(&out, 8);
    pack_text(&out, "kind");
    pack_text(&out, "report");
    const char *const numbers[] = {"map", "rank", "time_ms", "lease"};
    for (size_t i = 0; i < 4; i++) {
        pack_text(&out, numbers[i]);
        pack_uint(&out, 0);
    }
    pack_text(&out, "batches");
    pack_array(&out, 2);
    for (size_t i = 0; i < 2; i++) {
        pack_array(&out, 8);
        pack_spans(&out, spans, 1);
        pack_nil(&out);
        pack_uint(&out, frame_size);
        pack_uint(&out, 0);
        pack_uint(&out, 0);
        pack_uint(&out, 0);
        pack_uint(&out, 0);
        pack_nil(&out);
    }
    pack_text(&out, "failures");
    pack_array(&out, 0);
    pack_text(&out, "checksum");
    pack_bytes(&out, "0123456789abcdef", 16);
    OK(pack_finish(&out));
    lz4_frame_skippable_header((uint32_t)(bytes->size - sizeof(header)), bytes->data);
}

Test(record, frames_larger_than_any_file_are_refused)
{
    struct record back;
    struct arena arena = {0};
    struct buffer bytes = {0};
    size_t used = 0;
    make_claim(1000, &bytes);
    STATUS_IS(STATUS_LIMIT, record_decode(bytes.data, bytes.size, &arena, &back, &used, NULL));
    cr_expect(eq(sz, used, bytes.size + 2000));
    const uint64_t sizes[] = {INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        buffer_clear(&bytes);
        make_claim(sizes[i], &bytes);
        STATUS_IS(STATUS_INVALID,
                  record_decode(bytes.data, bytes.size, &arena, &back, &used, NULL));
    }
    arena_free(&arena);
    buffer_free(&bytes);
}

Test(record, any_bytes_can_be_decoded)
{
    struct fixture f;
    struct record back;
    size_t used = 0;
    uint32_t random = 3;
    fixture_create(&f);
    const size_t size = f.bytes.size;
    uint8_t *copy = malloc(size);
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(copy, f.bytes.data, size);
        for (unsigned i = 0; i < 1 + round % 8; i++) {
            random = random * 1664525u + 1013904223u;
            copy[8 + (random >> 8) % (size - 8)] = (uint8_t)random;
        }
        (void)!decode(&f, copy, size, &back, &used);
    }
    free(copy);
    fixture_destroy(&f);
}
