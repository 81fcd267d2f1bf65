/* A second batch in a slot, ahead of the one that runs. */
#include "worker/pool.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/pool_support.h"
#include "worker/pool_private.h"

#define LEASE_AHEAD (LEASE + 1)

TestSuite(pool_ahead, .timeout = 50);

static struct bench *create_misbehaving(uint64_t timeout_ns)
{
    return create("misbehave", (struct formula){.kind = FORMULA_NONE}, timeout_ns, 1);
}

/* {value: 200 + i}, ten of them. */
static void start_ahead(struct bench *bench)
{
    struct buffer inputs = misbehaving(10, 10, "");
    const struct span span = {.start = 200, .count = 10};
    const struct batch batch = {.spans = &span,
                                .span_count = 1,
                                .instance_count = 10,
                                .inputs = inputs.data,
                                .inputs_size = inputs.size};
    cr_assert(pool_has_room_ahead(bench->pool, &bench->map));
    pool_start_ahead(bench->pool, &bench->map, LEASE_AHEAD, &batch, clock_us());
    buffer_free(&inputs); /* it was copied */
}

/* Ten instances, of which number 4 does not behave, and ten ahead. */
static struct bench *create_two(const char *how, uint64_t timeout_ns)
{
    struct bench *bench = create_misbehaving(timeout_ns);
    struct buffer inputs = misbehaving(10, 4, how);
    wait_for_free(bench, 1);
    cr_expect(not(pool_has_room_ahead(bench->pool, &bench->map)),
              "a free slot needs no batch ahead");
    start(bench, 100, 10, &inputs);
    start_ahead(bench);
    buffer_free(&inputs);
    return bench;
}

static void expect_all_given_back(const struct pool_result *result)
{
    cr_expect(eq(u64, result->lease, LEASE_AHEAD));
    cr_expect(eq(u64, result->batch.instance_count, 0));
    cr_expect(eq(sz, result->failure_count, 0));
    cr_assert(eq(sz, result->rest_count, 1));
    cr_expect(eq(u64, result->rest[0].start, 200));
    cr_expect(eq(u64, result->rest[0].count, 10));
}

/* Until the executor is in number 4, without the rank. */
static void wait_without_the_rank(struct bench *bench)
{
    struct pool_running running = {.map = NULL};
    const uint64_t end_us = clock_us() + WAIT_US;
    while (running.running.index != 104) {
        cr_assert(lt(u64, clock_us(), end_us), "it never came to it");
        (void)pool_running(bench->pool, clock_us(), &running);
        usleep(1000);
    }
}

Test(pool_ahead, an_executor_goes_on_to_it_without_the_rank)
{
    struct bench *bench = create_two("", 0);
    struct slot *slot = &bench->pool->slots[0];
    const uint64_t end_us = clock_us() + WAIT_US;
    cr_expect(not(pool_has_room_ahead(bench->pool, &bench->map)), "there is one already");
    while (!channel_has_ended(&slot_last(slot)->channel)) {
        cr_assert(lt(u64, clock_us(), end_us), "it waits for the rank");
        usleep(1000);
    }
    next_result(bench);
    expect_whole(bench, 10);
    cr_expect(eq(u64, bench->result.batch.success_count, 10));
    cr_expect(not(pool_is_idle(bench->pool)));
    cr_assert(collect(bench, 0));
    cr_expect(eq(u64, bench->result.lease, LEASE_AHEAD));
    cr_expect(eq(u64, bench->result.batch.success_count, 10));
    cr_expect(eq(u64, bench->result.batch.spans[0].start, 200));
    expect_small_ints(bench, 0, 10);
    cr_expect(pool_is_idle(bench->pool));
    cr_expect(eq(u32, pool_free_count(bench->pool), 1));
    destroy(bench);
}

Test(pool_ahead, batches_come_back_in_order_for_as_long_as_there_are_any)
{
    struct bench *bench = create("square", range, 0, 1);
    wait_for_free(bench, 1);
    start(bench, 0, 10, NULL);
    for (uint64_t i = 1; i <= 50; i++) {
        const struct span span = {.start = 10 * i, .count = 10};
        const struct batch batch = {.spans = &span, .span_count = 1, .instance_count = 10};
        pool_start_ahead(bench->pool, &bench->map, LEASE, &batch, clock_us());
        next_result(bench);
        expect_whole(bench, 10);
        cr_expect(eq(u64, bench->result.batch.spans[0].start, 10 * (i - 1)));
        cr_expect(eq(u64, bench->result.batch.success_count, 10));
        cr_expect(not(pool_is_idle(bench->pool)));
    }
    destroy(bench);
}

Test(pool_ahead, an_executor_that_dies_before_it_costs_nothing_of_it)
{
    struct bench *bench = create_two("abort", 0);
    next_result(bench);
    expect_ended_at_4(bench, FAILURE_CRASH);
    cr_expect(eq(u32, pool_free_count(bench->pool), 0));
    next_result(bench);
    expect_all_given_back(&bench->result);
    wait_for_free(bench, 1); /* of the next executor */
    destroy(bench);
}

Test(pool_ahead, an_attempt_past_its_timeout_costs_nothing_of_it)
{
    struct bench *bench = create_two("hang", 300 * UINT64_C(1000000));
    struct pool_result *result = &bench->result;
    struct span back[2 * CHANNEL_SPAN_COUNT_MAX];
    size_t back_count = 0;
    bool is_ended = false;
    const uint64_t end_us = clock_us() + WAIT_US;
    /* What takes long goes back in parts, of both batches, before one is ended. */
    while (!is_ended || span_list_count(back, back_count) < 15) {
        struct error err = {""};
        bool is_result = false;
        cr_assert(lt(u64, clock_us(), end_us), "not all has come back");
        cr_assert(
            eq(int, pool_collect(bench->pool, clock_us(), result, &is_result, &err), STATUS_OK));
        if (!is_result) {
            wait_a_while(bench);
            continue;
        }
        for (size_t i = 0; i < result->rest_count; i++) {
            back[back_count++] = result->rest[i];
        }
        if (result->batch.instance_count > 0) {
            cr_expect(eq(u64, result->lease, LEASE));
            cr_assert(eq(sz, result->failure_count, 1));
            cr_expect(eq(u64, result->failures[0].index, 104));
            cr_expect(eq(int, result->failures[0].class, FAILURE_TIMEOUT));
            is_ended = true;
        }
    }
    cr_expect(eq(u64, span_list_count(back, back_count), 15));
    destroy(bench);
}

Test(pool_ahead, it_goes_back_first_where_an_instance_is_slow)
{
    struct bench *bench = create_two("hang", 0);
    struct pool_result trimmed;
    wait_without_the_rank(bench);
    cr_expect(not(pool_trim(bench->pool, 0, &trimmed)), "the batch has not run for long");
    cr_assert(pool_trim(bench->pool, UINT64_MAX, &trimmed));
    cr_expect(trimmed.goes_on);
    expect_all_given_back(&trimmed);
    cr_assert(pool_trim(bench->pool, UINT64_MAX, &trimmed));
    cr_expect(eq(u64, trimmed.lease, LEASE));
    cr_assert(eq(sz, trimmed.rest_count, 1));
    cr_expect(eq(u64, trimmed.rest[0].start, 105));
    cr_expect(not(pool_trim(bench->pool, UINT64_MAX, &trimmed)), "there is no more to take");
    cr_expect(not(pool_has_room_ahead(bench->pool, &bench->map)), "and no place behind a slow one");
    destroy(bench);
}

Test(pool_ahead, a_cancel_starts_nothing_of_it)
{
    struct bench *bench = create_two("hang", 0);
    wait_without_the_rank(bench);
    cancel(bench, 0, GRACE_US);
    next_result(bench);
    expect_ended_at_4(bench, FAILURE_ABORTED);
    next_result(bench);
    expect_all_given_back(&bench->result);
    destroy(bench);
}

/* Number 200 would be the first of it. */
Test(pool_ahead, an_instance_of_it_that_is_to_end_goes_back_and_nothing_is_ended)
{
    struct bench *bench = create_two("hang", 0);
    struct pool_result trimmed;
    wait_without_the_rank(bench);
    cr_assert(eq(int, end(bench, LEASE_AHEAD, 200), STATUS_OK));
    cr_expect(not(collect(bench, 0)), "what runs runs on");
    cr_assert(pool_trim(bench->pool, UINT64_MAX, &trimmed));
    expect_all_given_back(&trimmed);
    cr_assert(eq(int, end(bench, LEASE, 104), STATUS_OK));
    next_result(bench);
    expect_ended_at_4(bench, FAILURE_ABORTED);
    destroy(bench);
}

/* What an attempt leaves behind in its process is of no other batch. */
Test(pool_ahead, there_is_none_where_attempts_have_a_limit_of_memory)
{
    struct bench *bench = create_misbehaving(0);
    struct buffer inputs = misbehaving(10, 4, "hang");
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    cr_expect(pool_has_room_ahead(bench->pool, &bench->map));
    bench->start.map.options.mem = (uint64_t)1 << 30;
    cr_expect(not(pool_has_room_ahead(bench->pool, &bench->map)));
    bench->start.map.options.mem = 0;
    buffer_free(&inputs);
    destroy(bench);
}

/* ---- What is seen of an executor that has just gone on to it ----------------------------------
 */

/* Ten instances, and one ahead that hangs, in which the executor is; the first batch is not taken
 * yet. */
static struct bench *create_gone_on(uint64_t timeout_ns)
{
    struct bench *bench = create_misbehaving(timeout_ns);
    struct buffer inputs = misbehaving(10, 10, "");
    struct buffer ahead = misbehaving(10, 0, "hang");
    const struct span span = {.start = 200, .count = 10};
    const struct batch batch = {.spans = &span,
                                .span_count = 1,
                                .instance_count = 10,
                                .inputs = ahead.data,
                                .inputs_size = ahead.size};
    struct pool_running running = {.map = NULL};
    const uint64_t end_us = clock_us() + WAIT_US;
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    pool_start_ahead(bench->pool, &bench->map, LEASE_AHEAD, &batch, clock_us());
    while (running.running.index != 200) {
        cr_assert(lt(u64, clock_us(), end_us), "it never came to it");
        (void)pool_running(bench->pool, clock_us(), &running);
        usleep(1000);
    }
    buffer_free(&inputs);
    buffer_free(&ahead);
    return bench;
}

static void expect_first_whole(struct bench *bench)
{
    next_result(bench);
    expect_whole(bench, 10);
    cr_expect(eq(u64, bench->result.batch.success_count, 10));
}

Test(pool_ahead, its_time_does_not_count_from_when_the_batch_before_it_began)
{
    struct bench *bench = create_gone_on(300 * UINT64_C(1000000));
    const struct wire_cancel late = {.run_on_us = WAIT_US, .grace_us = GRACE_US};
    struct error err = {""};
    cr_assert(
        eq(int, pool_cancel(bench->pool, NULL, &late, clock_us() + 1000000, &err), STATUS_OK));
    cr_expect(eq(int, bench->pool->slots[0].doom, DOOM_NONE));
    expect_first_whole(bench);
    destroy(bench);
}

/* As it looks for a moment: the rank still sees the first batch run. */
Test(pool_ahead, what_was_to_be_held_back_too_late_still_goes_back_from_behind_a_slow_instance)
{
    struct bench *bench = create_gone_on(300 * UINT64_C(1000000));
    struct slot *slot = &bench->pool->slots[0];
    struct pool_result trimmed;
    struct error err = {""};
    const uint32_t ended = atomic_exchange(&slot_control(slot)->ended, 0);
    for (uint64_t ahead_us = 0; ahead_us <= 1000000; ahead_us += 1000000) {
        cr_assert(eq(int, pool_watch(bench->pool, slot, clock_us() + ahead_us, &err), STATUS_OK));
    }
    cr_expect(eq(int, slot->doom, DOOM_NONE), "the executor has gone on");
    atomic_store(&slot_control(slot)->ended, ended);
    expect_first_whole(bench);
    cr_assert(pool_trim(bench->pool, clock_us() + 1000000, &trimmed));
    cr_expect(eq(u64, trimmed.lease, LEASE_AHEAD));
    cr_assert(eq(sz, trimmed.rest_count, 1));
    cr_expect(eq(u64, trimmed.rest[0].start, 201));
    cr_expect(eq(u64, trimmed.rest[0].count, 9));
    destroy(bench);
}

Test(pool_ahead, it_is_not_charged_for_what_was_written_over_before_it)
{
    struct bench *bench = create_gone_on(0);
    slot_control(&bench->pool->slots[0])->canary = 0;
    next_result(bench);
    expect_whole(bench, 10);
    cr_expect(eq(u64, bench->result.batch.instance_count, 0), "nobody knows who it was");
    next_result(bench);
    expect_all_given_back(&bench->result);
    wait_for_free(bench, 1);
    destroy(bench);
}
