/* A map that is reduced: partial values of batches, and one of several. */
#include "worker/pool.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/lz4_frame.h"
#include "shared/unpack.h"
#include "tests/unit/pool_support.h"

TestSuite(pool_fold, .timeout = 50);

static struct bench *create_reduced(const char *reducer)
{
    struct bench *bench = create("square", range, 0, 1);
    bench->start.map.reducer = reducer;
    define_map(bench);
    wait_for_free(bench, 1);
    return bench;
}

/* The sum that the frame's one partial value is. */
static int64_t sum_in(const struct report_batch *batch)
{
    struct buffer packed = {0};
    cr_assert(batch->frame != NULL);
    cr_assert(
        eq(int, lz4_frame_decompress(batch->frame, batch->frame_size, 1000, &packed), STATUS_OK));
    struct unpack in = unpack_start(packed.data, packed.size);
    unpack_array_of(&in, 2);
    cr_expect(eq(i64, unpack_int(&in), 0));
    const int64_t sum = unpack_int(&in);
    cr_expect(unpack_is_done(&in));
    buffer_free(&packed);
    return sum;
}

/* Of all instances that have succeeded: on a busy machine some of a batch may go back. */
static int64_t squares_of(const struct report_batch *batch)
{
    int64_t sum = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        for (uint64_t k = 0; k < batch->spans[i].count; k++) {
            const int64_t root = (int64_t)(batch->spans[i].start + k);
            sum += root * root;
        }
    }
    return sum;
}

/* Run a batch, and put its frame behind those that are there. Gives the sum of what it gave. */
static int64_t add_batch(struct bench *bench, uint64_t first, uint64_t count, struct buffer *frames)
{
    start(bench, first, count, NULL);
    next_result(bench);
    const struct report_batch *batch = &bench->result.batch;
    cr_expect(eq(u64, batch->success_count, batch->instance_count));
    cr_assert(eq(u64, batch->partial_count, 1));
    cr_assert(eq(int, buffer_append(frames, batch->frame, batch->frame_size), STATUS_OK));
    return squares_of(batch);
}

Test(pool_fold, the_outputs_of_a_batch_become_one_partial_value)
{
    struct bench *bench = create_reduced("sum");
    struct buffer frames = {0};
    const int64_t sum = add_batch(bench, 0, 10, &frames);
    cr_expect(eq(i64, sum_in(&bench->result.batch), sum));
    cr_expect(not(bench->result.is_fold));
    buffer_free(&frames);
    destroy(bench);
}

Test(pool_fold, partial_values_of_several_batches_become_one)
{
    struct bench *bench = create_reduced("sum");
    struct buffer frames = {0};
    int64_t sum = add_batch(bench, 0, 10, &frames);
    sum += add_batch(bench, 10, 5, &frames);
    sum += add_batch(bench, 15, 1, &frames);
    pool_start_fold(bench->pool, &bench->map, &frames, clock_us());
    cr_expect(not(pool_is_idle(bench->pool)));
    next_result(bench);
    cr_expect(bench->result.is_fold);
    cr_expect(eq(u64, bench->result.batch.instance_count, 0));
    cr_expect(eq(sz, bench->result.rest_count, 0));
    cr_expect(eq(i64, sum_in(&bench->result.batch), sum));
    cr_expect(pool_is_idle(bench->pool));
    cr_expect(eq(u64, bench->map.batch_count, 0));
    buffer_free(&frames);
    destroy(bench);
}

Test(pool_fold, it_may_stand_ahead_of_a_busy_slot_s_next_batch)
{
    struct bench *bench = create_reduced("sum");
    struct buffer frames = {0};
    int64_t sum = add_batch(bench, 0, 10, &frames);
    sum += add_batch(bench, 10, 5, &frames);
    start(bench, 20, 10, NULL);
    pool_start_fold(bench->pool, &bench->map, &frames, clock_us());
    next_result(bench);
    cr_expect(not(bench->result.is_fold));
    next_result(bench);
    cr_expect(bench->result.is_fold);
    cr_expect(eq(i64, sum_in(&bench->result.batch), sum));
    buffer_free(&frames);
    destroy(bench);
}

Test(pool_fold, what_cannot_be_folded_is_none_and_folding_ends_there)
{
    struct bench *bench = create_reduced("sum");
    struct buffer frames = {0};
    (void)add_batch(bench, 0, 10, &frames);
    frames.data[frames.size - 1] ^= 0x55;
    frames.data[frames.size / 2] ^= 0x55;
    pool_start_fold(bench->pool, &bench->map, &frames, clock_us());
    next_result(bench);
    cr_expect(bench->result.is_fold);
    cr_expect(eq(ptr, (void *)(uintptr_t)bench->result.batch.frame, NULL));
    cr_expect(bench->map.is_fold_off);

    /* Outputs come as they are from then on. */
    start(bench, 0, 10, NULL);
    next_result(bench);
    cr_expect(eq(u64, bench->result.batch.partial_count, 0));
    buffer_free(&frames);
    destroy(bench);
}

Test(pool_fold, each_run_of_neighbours_has_a_partial_value_where_order_counts)
{
    struct bench *bench = create_of("tests/jobs/reduced.so", "text", range, 0, 1);
    bench->start.map.reducer = "join";
    bench->start.map.is_ordered = true;
    define_map(bench);
    wait_for_free(bench, 1);
    const struct span spans[] = {
        {.start = 0, .count = 3}, {.start = 5, .count = 2}, {.start = 7, .count = 1, .attempt = 1}};
    const struct batch batch = {.spans = spans, .span_count = 3, .instance_count = 6};
    do { /* on a busy machine some of it may go back */
        pool_start(bench->pool, &bench->map, LEASE, &batch, clock_us());
        next_result(bench);
    } while (bench->result.batch.success_count < 6);
    cr_assert(eq(u64, bench->result.batch.partial_count, 2));
    static const char expected[] = "\2450,1,2\2455,6,7";
    struct buffer packed = {0};
    cr_assert(eq(int,
                 lz4_frame_decompress(bench->result.batch.frame, bench->result.batch.frame_size,
                                      1000, &packed),
                 STATUS_OK));
    cr_assert(eq(sz, packed.size, strlen(expected)));
    cr_expect(eq(int, memcmp(packed.data, expected, packed.size), 0));
    buffer_free(&packed);
    destroy(bench);
}
