#include "worker/unit_queue.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "shared/lz4_frame.h"
#include "shared/pack.h"
#include "shared/value.h"

#define SPAN_MAX 8
#define OK(call) cr_assert(eq(int, (call), STATUS_OK))

TestSuite(unit_queue, .timeout = 20);

static const struct span three_spans[] = {
    {.start = 10, .count = 3},
    {.start = 20, .count = 2, .attempt = 1},
    {.start = 30, .count = 5},
};

static void add_formula(struct unit_queue *queue, uint64_t lease, const struct span *spans,
                        size_t span_count)
{
    const struct wire_unit unit = {.lease = lease, .spans = spans, .span_count = span_count};
    struct error err = {""};
    cr_assert(eq(int, unit_queue_add(queue, &unit, true, &err), STATUS_OK), "%s", err.text);
}

/* Packed texts "0", "1", ... of different lengths. */
static struct buffer packed_texts(uint64_t count)
{
    struct buffer buffer = {0};
    struct pack out;
    char text[64];
    pack_start(&out, &buffer);
    for (uint64_t i = 0; i < count; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        pack_str(&out, text, (size_t)(i * 7 % sizeof(text)));
    }
    cr_assert(eq(int, pack_finish(&out), STATUS_OK));
    return buffer;
}

static enum status add_inputs(struct unit_queue *queue, const uint8_t *inputs, size_t inputs_size,
                              uint64_t packed_size)
{
    const struct wire_unit unit = {.lease = 1,
                                   .spans = three_spans,
                                   .span_count = 3,
                                   .inputs = inputs,
                                   .inputs_size = inputs_size,
                                   .packed_size = packed_size};
    struct error err;
    return unit_queue_add(queue, &unit, false, &err);
}

static void expect_span(const struct span *span, uint64_t start, uint64_t count, uint64_t attempt)
{
    cr_expect(eq(u64, span->start, start));
    cr_expect(eq(u64, span->count, count));
    cr_expect(eq(u64, span->attempt, attempt));
}

static bool carve(struct unit_queue *queue, uint64_t growth_max, uint64_t count_max,
                  struct span *spans, size_t span_max, struct batch *batch_out, uint64_t *lease_out)
{
    struct error err = {""};
    const enum status status =
        unit_queue_carve(queue, growth_max, count_max, spans, span_max, batch_out, lease_out, &err);
    cr_assert(status == STATUS_OK || status == STATUS_NOT_FOUND, "%s", err.text);
    return status == STATUS_OK;
}

/* ---- Carving ----------------------------------------------------------------------------------
 */

Test(unit_queue, an_empty_queue_gives_nothing)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    cr_expect(not(carve(&queue, 0, 5, spans, SPAN_MAX, &batch, &lease)));
    cr_expect(eq(sz, unit_queue_give_back(&queue, 1, 5, spans, SPAN_MAX), 0));
    unit_queue_drop_started(&queue);
    unit_queue_free(&queue);
}

Test(unit_queue, a_batch_has_at_most_count_max_instances)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease = 0;
    add_formula(&queue, 7, three_spans, 3);
    cr_expect(eq(u64, queue.count, 10));

    cr_assert(carve(&queue, 0, 4, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, lease, 7));
    cr_expect(eq(u64, batch.instance_count, 4));
    cr_expect(batch.spans == spans);
    cr_assert(eq(sz, batch.span_count, 2));
    expect_span(&spans[0], 10, 3, 0);
    expect_span(&spans[1], 20, 1, 1);
    cr_expect(eq(sz, batch.inputs_size, 0));
    cr_expect(eq(u64, queue.count, 6));

    cr_assert(carve(&queue, 0, 100, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, batch.instance_count, 6));
    cr_assert(eq(sz, batch.span_count, 2));
    expect_span(&spans[0], 21, 1, 1);
    expect_span(&spans[1], 30, 5, 0);
    cr_expect(eq(u64, queue.count, 0));
    cr_expect(not(carve(&queue, 0, 1, spans, SPAN_MAX, &batch, &lease)));
    unit_queue_free(&queue);
}

Test(unit_queue, a_batch_has_at_most_span_max_spans)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    add_formula(&queue, 7, three_spans, 3);
    cr_assert(carve(&queue, 0, 100, spans, 2, &batch, &lease));
    cr_expect(eq(sz, batch.span_count, 2));
    cr_expect(eq(u64, batch.instance_count, 5));
    cr_assert(carve(&queue, 0, 100, spans, 2, &batch, &lease));
    cr_expect(eq(sz, batch.span_count, 1));
    expect_span(&spans[0], 30, 5, 0);
    unit_queue_free(&queue);
}

Test(unit_queue, units_come_in_order_and_a_batch_is_of_one)
{
    static const struct span other[] = {{.start = 0, .count = 2}};
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease = 0;
    add_formula(&queue, 9, other, 1);
    add_formula(&queue, 3, three_spans, 3);
    cr_expect(eq(u64, queue.count, 12));
    cr_assert(carve(&queue, 0, 100, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, lease, 9));
    cr_expect(eq(u64, batch.instance_count, 2));
    cr_assert(carve(&queue, 0, 100, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, lease, 3));
    cr_expect(eq(u64, batch.instance_count, 10));
    unit_queue_free(&queue);
}

static void expect_inputs_in_pieces(struct unit_queue *queue, const struct buffer *texts)
{
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    size_t at = 0;
    for (uint64_t i = 0; carve(queue, 0, 1 + i % 3, spans, SPAN_MAX, &batch, &lease); i++) {
        cr_assert(le(sz, at + batch.inputs_size, texts->size));
        cr_expect(eq(int, memcmp(batch.inputs, texts->data + at, batch.inputs_size), 0));
        size_t walked = 0;
        for (uint64_t k = 0; k < batch.instance_count; k++) {
            size_t used = 0;
            cr_assert(eq(int, value_skip(batch.inputs + walked, batch.inputs_size - walked, &used),
                         STATUS_OK));
            walked += used;
        }
        cr_expect(eq(sz, walked, batch.inputs_size));
        at += batch.inputs_size;
    }
    cr_expect(eq(sz, at, texts->size));
}

Test(unit_queue, inputs_advance_with_the_instances)
{
    struct unit_queue queue = {0};
    struct buffer texts = packed_texts(10);
    cr_assert(eq(int, add_inputs(&queue, texts.data, texts.size, texts.size), STATUS_OK));
    expect_inputs_in_pieces(&queue, &texts);
    buffer_free(&texts);
    unit_queue_free(&queue);
}

Test(unit_queue, compressed_inputs_are_unpacked)
{
    struct unit_queue queue = {0};
    struct buffer texts = packed_texts(10);
    struct buffer frame = {0};
    cr_assert(eq(int, lz4_frame_compress(texts.data, texts.size, &frame), STATUS_OK));
    cr_assert(ne(sz, frame.size, texts.size));
    cr_assert(eq(int, add_inputs(&queue, frame.data, frame.size, texts.size), STATUS_OK));
    expect_inputs_in_pieces(&queue, &texts);
    buffer_free(&frame);
    buffer_free(&texts);
    unit_queue_free(&queue);
}

/* Blocks of a file of inputs come as they are, with elements of others around the unit's. */
Test(unit_queue, inputs_may_come_in_frames_with_others_around_them)
{
    struct unit_queue queue = {0};
    struct buffer texts = packed_texts(25);
    struct buffer frames = {0};
    struct buffer own = {0};
    struct error err;
    size_t ends[26] = {0};
    for (size_t i = 0; i < 25; i++) {
        size_t used = 0;
        cr_assert(
            eq(int, value_skip(texts.data + ends[i], texts.size - ends[i], &used), STATUS_OK));
        ends[i + 1] = ends[i] + used;
    }
    static const size_t cuts[] = {0, 9, 16, 25};
    for (size_t i = 0; i < 3; i++) {
        const size_t size = ends[cuts[i + 1]] - ends[cuts[i]];
        cr_assert(
            eq(int, lz4_frame_compress(texts.data + ends[cuts[i]], size, &frames), STATUS_OK));
    }
    const struct wire_unit unit = {.lease = 1,
                                   .spans = three_spans,
                                   .span_count = 3,
                                   .inputs = frames.data,
                                   .inputs_size = frames.size,
                                   .packed_size = texts.size,
                                   .skip = 7};
    cr_assert(eq(int, unit_queue_add(&queue, &unit, false, &err), STATUS_OK));
    cr_assert(eq(int, buffer_append(&own, texts.data + ends[7], ends[17] - ends[7]), STATUS_OK));
    expect_inputs_in_pieces(&queue, &own);
    buffer_free(&own);
    buffer_free(&frames);
    buffer_free(&texts);
    unit_queue_free(&queue);
}

Test(unit_queue, inputs_of_which_all_are_passed_over_leave_instances_without)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    struct error err;
    uint64_t lease;
    struct buffer texts = packed_texts(5);
    const struct wire_unit unit = {.lease = 1,
                                   .spans = three_spans,
                                   .span_count = 3,
                                   .inputs = texts.data,
                                   .inputs_size = texts.size,
                                   .packed_size = texts.size,
                                   .skip = UINT64_MAX};
    cr_assert(eq(int, unit_queue_add(&queue, &unit, false, &err), STATUS_OK));
    cr_assert(carve(&queue, 0, 8, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, batch.instance_count, 8));
    cr_expect(eq(sz, batch.inputs_size, 0));
    buffer_free(&texts);
    unit_queue_free(&queue);
}

Test(unit_queue, inputs_that_end_early_leave_the_last_instances_without)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    struct buffer texts = packed_texts(6);
    cr_assert(eq(int, add_inputs(&queue, texts.data, texts.size - 1, texts.size - 1), STATUS_OK));
    cr_assert(carve(&queue, 0, 8, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, batch.instance_count, 8));
    cr_expect(eq(sz, batch.inputs_size, texts.size - 1));
    cr_assert(carve(&queue, 0, 8, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, batch.instance_count, 2));
    cr_expect(eq(sz, batch.inputs_size, 0));
    buffer_free(&texts);
    unit_queue_free(&queue);
}

/* Found out at once, or when their turn comes. */
static void expect_refused(const uint8_t *inputs, size_t inputs_size, uint64_t packed_size)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    struct error err = {""};
    uint64_t lease;
    enum status status = add_inputs(&queue, inputs, inputs_size, packed_size);
    while (status == STATUS_OK) {
        status = unit_queue_carve(&queue, 0, 3, spans, SPAN_MAX, &batch, &lease, &err);
    }
    cr_expect(eq(int, status, STATUS_PROTOCOL));
    unit_queue_free(&queue);
}

Test(unit_queue, inputs_that_cannot_be_unpacked_are_refused)
{
    struct buffer texts = packed_texts(10);
    struct buffer frame = {0};
    cr_assert(eq(int, lz4_frame_compress(texts.data, texts.size, &frame), STATUS_OK));
    static const int wrong[] = {-1, 1};
    for (size_t i = 0; i < 2; i++) {
        const uint64_t size = texts.size + (uint64_t)wrong[i];
        expect_refused(frame.data, frame.size, size);
        expect_refused(texts.data, texts.size, size);
    }
    expect_refused(frame.data, 0, texts.size);
    expect_refused(frame.data, frame.size - 1, texts.size);
    expect_refused(frame.data, frame.size, UINT64_MAX);
    frame.data[0] ^= 1;
    expect_refused(frame.data, frame.size, texts.size);
    buffer_free(&frame);
    buffer_free(&texts);
}

/* The second frame is broken, and nobody needs it before the fifth instance. */
Test(unit_queue, frames_are_unpacked_when_a_batch_needs_them)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    struct error err;
    uint64_t lease;
    struct buffer frames = {0};
    struct buffer texts = packed_texts(4);
    cr_assert(eq(int, lz4_frame_compress(texts.data, texts.size, &frames), STATUS_OK));
    cr_assert(eq(int, buffer_append(&frames, "no frame", 8), STATUS_OK));
    cr_assert(eq(int, add_inputs(&queue, frames.data, frames.size, 2 * texts.size), STATUS_OK));
    cr_assert(
        eq(int, unit_queue_carve(&queue, 0, 4, spans, SPAN_MAX, &batch, &lease, &err), STATUS_OK));
    cr_assert(eq(sz, batch.inputs_size, texts.size));
    cr_expect(eq(int, memcmp(batch.inputs, texts.data, texts.size), 0));
    cr_expect(eq(int, unit_queue_carve(&queue, 0, 1, spans, SPAN_MAX, &batch, &lease, &err),
                 STATUS_PROTOCOL));
    cr_expect(eq(u64, queue.count, 6));
    buffer_free(&frames);
    buffer_free(&texts);
    unit_queue_free(&queue);
}

/* ---- Growth -----------------------------------------------------------------------------------
 */

static const struct span grown_spans[] = {
    {.start = 10, .count = 3},
    {.start = 20, .count = 2, .attempt = 1, .growth = 1},
    {.start = 22, .count = 1, .attempt = 2, .growth = 1},
    {.start = 30, .count = 4, .attempt = 1},
};

static void expect_carved(struct unit_queue *queue, uint64_t growth_max, uint64_t first,
                          uint64_t count, uint64_t growth)
{
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    cr_assert(unit_queue_has(queue, growth_max));
    cr_assert(carve(queue, growth_max, 100, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, lease, 7));
    cr_expect(eq(u64, spans[0].start, first));
    cr_expect(eq(u64, batch.instance_count, count));
    cr_expect(eq(u64, batch.growth, growth));
    for (size_t i = 0; i < batch.span_count; i++) {
        cr_expect(eq(u64, spans[i].growth, growth));
    }
}

Test(unit_queue, what_has_grown_too_far_waits_and_holds_nobody_up)
{
    struct unit_queue queue = {0};
    add_formula(&queue, 7, grown_spans, 4);
    cr_expect(eq(u64, queue.count, 10));
    expect_carved(&queue, 0, 10, 3, 0);
    expect_carved(&queue, 0, 30, 4, 0);
    cr_expect(not(unit_queue_has(&queue, 0)));
    unit_queue_drop_started(&queue);
    cr_expect(eq(u64, queue.count, 3));
    expect_carved(&queue, 1, 20, 3, 1);
    cr_expect(eq(u64, queue.count, 0));
    unit_queue_free(&queue);
}

Test(unit_queue, a_batch_has_one_growth)
{
    struct unit_queue queue = {0};
    add_formula(&queue, 7, grown_spans, 4);
    expect_carved(&queue, UINT64_MAX, 10, 3, 0);
    expect_carved(&queue, UINT64_MAX, 20, 3, 1);
    expect_carved(&queue, UINT64_MAX, 30, 4, 0);
    cr_expect(not(unit_queue_has(&queue, UINT64_MAX)));
    unit_queue_free(&queue);
}

Test(unit_queue, what_is_passed_over_keeps_its_inputs)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    struct buffer texts = packed_texts(10);
    size_t sizes[10];
    size_t ends[10];
    for (size_t i = 0, at = 0; i < 10; i++) {
        cr_assert(eq(int, value_skip(texts.data + at, texts.size - at, &sizes[i]), STATUS_OK));
        at += sizes[i];
        ends[i] = at;
    }
    const struct wire_unit unit = {.lease = 7,
                                   .spans = grown_spans,
                                   .span_count = 4,
                                   .inputs = texts.data,
                                   .inputs_size = texts.size,
                                   .packed_size = texts.size};
    cr_assert(eq(int, unit_queue_add(&queue, &unit, false, NULL), STATUS_OK));
    static const struct {
        uint64_t growth_max;
        size_t first;
        size_t last;
    } expected[] = {{0, 0, 2}, {0, 6, 9}, {1, 3, 5}};
    for (size_t i = 0; i < 3; i++) {
        const size_t start = ends[expected[i].first] - sizes[expected[i].first];
        cr_assert(carve(&queue, expected[i].growth_max, 100, spans, SPAN_MAX, &batch, &lease));
        cr_assert(eq(sz, batch.inputs_size, ends[expected[i].last] - start));
        cr_expect(eq(int, memcmp(batch.inputs, texts.data + start, batch.inputs_size), 0));
    }
    buffer_free(&texts);
    unit_queue_free(&queue);
}

Test(unit_queue, what_has_several_growths_is_given_back_sorted)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    add_formula(&queue, 7, grown_spans, 4);
    cr_assert(eq(sz, unit_queue_give_back(&queue, 7, 6, spans, SPAN_MAX), 3));
    expect_span(&spans[0], 21, 1, 1);
    expect_span(&spans[1], 22, 1, 2);
    expect_span(&spans[2], 30, 4, 1);
    expect_carved(&queue, UINT64_MAX, 10, 3, 0);
    cr_assert(eq(sz, unit_queue_give_back(&queue, 7, UINT64_MAX, spans, SPAN_MAX), 1));
    expect_span(&spans[0], 20, 1, 1);
    cr_expect(eq(sz, unit_queue_give_back(&queue, 7, UINT64_MAX, spans, SPAN_MAX), 0));
    cr_expect(eq(u64, queue.count, 0));
    unit_queue_free(&queue);
}

/* ---- Giving back ------------------------------------------------------------------------------
 */

Test(unit_queue, instances_are_given_back_from_the_end_and_sorted)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    add_formula(&queue, 7, three_spans, 3);
    cr_assert(eq(sz, unit_queue_give_back(&queue, 7, 6, spans, SPAN_MAX), 2));
    expect_span(&spans[0], 21, 1, 1);
    expect_span(&spans[1], 30, 5, 0);
    cr_expect(eq(u64, queue.count, 4));
    cr_assert(carve(&queue, 0, 100, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, batch.instance_count, 4));
    expect_span(&spans[0], 10, 3, 0);
    expect_span(&spans[1], 20, 1, 1);
    cr_expect(eq(sz, unit_queue_give_back(&queue, 7, 6, spans, SPAN_MAX), 0));
    unit_queue_free(&queue);
}

Test(unit_queue, what_was_carved_is_not_given_back)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    add_formula(&queue, 7, three_spans, 3);
    cr_assert(carve(&queue, 0, 7, spans, SPAN_MAX, &batch, &lease));
    cr_assert(eq(sz, unit_queue_give_back(&queue, 7, 100, spans, SPAN_MAX), 1));
    expect_span(&spans[0], 32, 3, 0);
    cr_expect(eq(u64, queue.count, 0));
    unit_queue_free(&queue);
}

Test(unit_queue, at_most_span_max_spans_are_given_back_at_once)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    add_formula(&queue, 7, three_spans, 3);
    cr_assert(eq(sz, unit_queue_give_back(&queue, 7, 100, spans, 1), 1));
    expect_span(&spans[0], 30, 5, 0);
    cr_assert(eq(sz, unit_queue_give_back(&queue, 7, 100, spans, SPAN_MAX), 2));
    expect_span(&spans[0], 10, 3, 0);
    expect_span(&spans[1], 20, 2, 1);
    cr_expect(eq(u64, queue.count, 0));
    unit_queue_free(&queue);
}

Test(unit_queue, only_the_named_lease_gives_back)
{
    static const struct span other[] = {{.start = 0, .count = 2}};
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    add_formula(&queue, 9, other, 1);
    add_formula(&queue, 3, three_spans, 3);
    cr_expect(eq(sz, unit_queue_give_back(&queue, 4, 100, spans, SPAN_MAX), 0));
    cr_expect(eq(sz, unit_queue_give_back(&queue, 3, 0, spans, SPAN_MAX), 0));
    cr_assert(eq(sz, unit_queue_give_back(&queue, 3, 1, spans, SPAN_MAX), 1));
    expect_span(&spans[0], 34, 1, 0);
    cr_expect(eq(u64, queue.count, 11));
    unit_queue_free(&queue);
}

Test(unit_queue, units_with_nothing_left_are_dropped)
{
    static const struct span other[] = {{.start = 0, .count = 2}};
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease = 0;
    add_formula(&queue, 1, other, 1);
    add_formula(&queue, 2, three_spans, 3);
    add_formula(&queue, 3, other, 1);
    cr_assert(carve(&queue, 0, 2, spans, SPAN_MAX, &batch, &lease));
    cr_expect(ne(sz, unit_queue_give_back(&queue, 3, 2, spans, SPAN_MAX), 0));
    cr_expect(eq(u64, queue.first->lease, 1), "its batch may still be in use");
    unit_queue_drop_started(&queue);
    cr_assert(ne(ptr, queue.first, NULL));
    cr_expect(eq(u64, queue.first->lease, 2));
    cr_expect(eq(ptr, queue.first->next, NULL));
    cr_assert(carve(&queue, 0, 100, spans, SPAN_MAX, &batch, &lease));
    unit_queue_drop_started(&queue);
    cr_expect(eq(ptr, queue.first, NULL));
    unit_queue_free(&queue);
}

/* ---- Looking ahead ----------------------------------------------------------------------------
 */

/* How many texts are seen of the next `count_max`, of which none was seen before; the first is of
 * number `first`. */
static uint64_t look(struct unit_queue *queue, uint64_t count_max, size_t size_max, uint64_t first)
{
    const uint8_t *inputs;
    size_t size;
    uint64_t count = 0;
    if (!unit_queue_look(queue, count_max, size_max, &inputs, &size)) {
        return 0;
    }
    struct buffer expected = packed_texts(first + 10);
    size_t at = 0;
    for (uint64_t i = 0; i < first; i++) {
        size_t used = 0;
        OK(value_skip(expected.data + at, expected.size - at, &used));
        at += used;
    }
    cr_assert(le(sz, size, size_max));
    cr_assert(eq(int, size > 0 ? memcmp(inputs, expected.data + at, size) : 0, 0));
    for (size_t seen = 0; seen < size; count++) {
        size_t used = 0;
        OK(value_skip(inputs + seen, size - seen, &used));
        seen += used;
    }
    buffer_free(&expected);
    return count;
}

Test(unit_queue, what_comes_next_is_looked_at_once_and_stays)
{
    struct unit_queue queue = {0};
    struct span spans[SPAN_MAX];
    struct batch batch;
    uint64_t lease;
    struct buffer packed = packed_texts(10);
    OK(add_inputs(&queue, packed.data, packed.size, packed.size));
    cr_expect(eq(u64, look(&queue, 3, 1000, 0), 3));
    cr_expect(eq(u64, look(&queue, 3, 1000, 3), 0));
    cr_assert(carve(&queue, 0, 2, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, batch.instance_count, 2));
    cr_expect(eq(u64, look(&queue, 3, 1000, 3), 2)); /* one of the three is known */
    cr_assert(carve(&queue, 0, 4, spans, SPAN_MAX, &batch, &lease));
    cr_expect(eq(u64, batch.instance_count, 4)); /* none was taken away by looks */
    cr_expect(eq(int, memcmp(batch.inputs, packed.data + 1 + 8, batch.inputs_size),
                 0)); /* from number 2 on */
    cr_expect(eq(sz, unit_queue_give_back(&queue, 1, 3, spans, SPAN_MAX), 1));
    cr_expect(eq(u64, look(&queue, 10, 1000, 6), 1));
    cr_expect(eq(u64, look(&queue, 10, 1000, 7), 0));
    unit_queue_free(&queue);
    buffer_free(&packed);
}

Test(unit_queue, what_is_too_large_to_look_at_is_passed_over)
{
    struct unit_queue queue = {0};
    struct buffer packed = packed_texts(10); /* of 0, 7, 14, ... characters */
    OK(add_inputs(&queue, packed.data, packed.size, packed.size));
    cr_expect(eq(u64, look(&queue, 5, 12, 0), 2));
    cr_expect(eq(u64, look(&queue, 5, 12, 2), 0));
    cr_expect(eq(u64, look(&queue, 5, 30, 3), 1));
    unit_queue_free(&queue);
    buffer_free(&packed);
}

Test(unit_queue, a_formula_has_no_inputs_to_look_at)
{
    struct unit_queue queue = {0};
    add_formula(&queue, 1, three_spans, 3);
    cr_expect(eq(u64, look(&queue, 10, 1000, 0), 0));
    unit_queue_free(&queue);
}
