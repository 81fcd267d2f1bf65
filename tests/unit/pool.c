#include "worker/pool.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/job.h"
#include "shared/lz4_frame.h"
#include "shared/pack.h"
#include "shared/wire.h"
#include "tests/unit/pool_support.h"
#include "worker/channel.h"
#include "worker/executor.h"
#include "worker/pool_private.h"

TestSuite(pool, .timeout = 50);

/* ---- Batches ----------------------------------------------------------------------------------
 */

Test(pool, batches_run_and_come_back)
{
    struct bench *bench = create("square", range, 0, 2);
    cr_expect(eq(u32, pool_slot_count(bench->pool), 2));
    cr_expect(eq(u32, pool_free_count(bench->pool), 0));
    cr_expect(not(pool_is_ready(bench->pool)));
    wait_for_free(bench, 2);
    cr_expect(pool_is_ready(bench->pool));
    cr_expect(pool_is_idle(bench->pool));
    uint64_t total = 0;
    for (uint64_t i = 0; i < 20; i++) {
        start(bench, i * 100, 100, NULL);
        start(bench, (i + 20) * 100, 100, NULL);
        cr_expect(eq(u32, pool_free_count(bench->pool), 0));
        for (int k = 0; k < 2; k++) {
            next_result(bench);
            expect_whole(bench, 100);
            total += bench->result.batch.success_count;
        }
        cr_expect(pool_is_idle(bench->pool));
    }
    cr_expect(eq(u64, total, 4000));
    destroy(bench);
}

Test(pool, a_batch_with_inputs_gives_its_outputs)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(100, 100, "");
    wait_for_free(bench, 1);
    start(bench, 0, 100, &inputs);
    buffer_free(&inputs); /* it was copied */
    next_result(bench);
    expect_whole(bench, 100);
    expect_small_ints(bench, 0, 100);
    cr_expect(eq(sz, bench->result.rest_count, 0));
    destroy(bench);
}

Test(pool, without_a_zygote_a_batch_runs_here)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    cr_assert(ne(ptr, bench, NULL));
    load_job(bench, "jobs/basics.so");
    fill_start(bench, "square", range, 0);
    create_pool(bench, 1);
    cr_expect(pool_is_ready(bench->pool));
    cr_expect(eq(u32, pool_free_count(bench->pool), 1));
    start(bench, 0, 10, NULL);
    cr_expect(not(pool_is_idle(bench->pool)));
    cr_expect(collect(bench, 0));
    expect_whole(bench, 10);
    cr_expect(eq(u64, bench->result.batch.success_count, 10));
    cr_expect(not(collect(bench, 0)));
    destroy(bench);
}

Test(pool, what_a_batch_is_in_is_told)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(10, 4, "hang");
    struct pool_running running = {.map = NULL};
    wait_for_free(bench, 1);
    cr_expect(eq(sz, pool_running(bench->pool, clock_us(), &running), 0));
    start(bench, 100, 10, &inputs);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (running.running.index != 104 && clock_us() < end_us) {
        cr_assert(not(collect(bench, 0)));
        cr_assert(le(sz, pool_running(bench->pool, clock_us(), &running), 1));
        usleep(1000);
    }
    cr_expect(eq(u64, running.running.index, 104));

    cr_expect(eq(u64, pool_finished(bench->pool, &bench->map), 4));
    cancel(bench, 0, GRACE_US);
    next_result(bench);
    expect_ended_at_4(bench, FAILURE_ABORTED);
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, what_a_slow_instance_holds_up_goes_back_at_once)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(10, 4, "hang");
    struct pool_result trimmed;
    struct pool_running running = {.map = NULL};
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (running.running.index != 104 && clock_us() < end_us) {
        (void)pool_running(bench->pool, clock_us(), &running);
        usleep(1000);
    }
    cr_expect(not(pool_trim(bench->pool, 0, &trimmed)), "the batch has not run for long");
    cr_assert(pool_trim(bench->pool, UINT64_MAX, &trimmed));
    cr_expect(eq(u64, trimmed.lease, LEASE));
    cr_expect(trimmed.goes_on);
    cr_expect(eq(u64, trimmed.batch.instance_count, 0));
    cr_assert(eq(sz, trimmed.rest_count, 1));
    cr_expect(eq(u64, trimmed.rest[0].start, 105));
    cr_expect(eq(u64, trimmed.rest[0].count, 5));
    cr_expect(not(pool_trim(bench->pool, UINT64_MAX, &trimmed)), "there is no more to take");
    cancel(bench, 0, GRACE_US);
    next_result(bench);
    cr_expect(eq(u64, bench->result.batch.instance_count, 5));
    cr_expect(eq(sz, bench->result.rest_count, 0));
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, what_a_batch_holds_for_long_goes_back_by_itself)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(10, 4, "hang");
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (bench->trimmed_count == 0 && clock_us() < end_us) {
        cr_assert(not(collect(bench, 0)));
        usleep(1000);
    }
    cr_assert(eq(sz, bench->trimmed_count, 1));
    cr_expect(le(u64, bench->trimmed[0].start, 105));
    cr_expect(eq(u64, bench->trimmed[0].start + bench->trimmed[0].count, 110));
    buffer_free(&inputs);
    destroy(bench);
}

/* ---- Executors that end -----------------------------------------------------------------------
 */

Test(pool, an_executor_that_dies_costs_the_instance_that_it_was_in)
{
    static const struct {
        const char *how;
        enum failure_class class;
    } ways[] = {{"abort", FAILURE_CRASH},
                {"exit-3", FAILURE_EXIT},
                {"exit", FAILURE_EXIT},
                {"kill", FAILURE_KILLED}};
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct buffer inputs = misbehaving(10, 4, ways[i].how);
        wait_for_free(bench, 1); /* of the next executor */
        start(bench, 100, 10, &inputs);
        next_result(bench);
        expect_ended_at_4(bench, ways[i].class);
        buffer_free(&inputs);
    }
    destroy(bench);
}

Test(pool, the_first_and_the_last_of_a_batch_may_die)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    for (uint64_t at = 0; at < 10; at += 9) {
        struct buffer inputs = misbehaving(10, at, "abort");
        wait_for_free(bench, 1);
        start(bench, 100, 10, &inputs);
        next_result(bench);
        expect_whole(bench, 10);
        cr_expect(eq(u64, bench->result.batch.success_count, at));
        cr_assert(eq(sz, bench->result.failure_count, 1));
        cr_expect(eq(u64, bench->result.failures[0].index, 100 + at));
        cr_expect(eq(sz, bench->result.rest_count, at == 0 ? 1 : 0));
        buffer_free(&inputs);
    }
    destroy(bench);
}

Test(pool, who_writes_over_the_channel_is_charged_and_the_rest_given_back)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(10, 4, "shared");
    wait_for_free(bench, 1);
    cr_expect(eq(u64, pool_batch_count_max(bench->pool), CHANNEL_INSTANCE_COUNT_MAX));
    start(bench, 100, 10, &inputs);
    next_result(bench);
    expect_whole(bench, 10);
    cr_expect(eq(u64, bench->result.batch.instance_count, 1));
    cr_expect(eq(u64, bench->result.batch.success_count, 0));
    cr_assert(eq(sz, bench->result.failure_count, 1));
    cr_expect(eq(u64, bench->result.failures[0].index, 104));
    cr_expect(eq(int, bench->result.failures[0].class, FAILURE_CRASH));
    cr_assert(eq(sz, bench->result.rest_count, 2));
    cr_expect(eq(u64, bench->result.rest[0].start, 100));
    cr_expect(eq(u64, bench->result.rest[1].start, 105));
    cr_expect(eq(u64, pool_batch_count_max(bench->pool), 1), "for a while");
    buffer_free(&inputs);
    destroy(bench);
}

/* ---- Attempts that are ended ------------------------------------------------------------------
 */

Test(pool, an_attempt_past_its_timeout_is_ended)
{
    struct bench *bench =
        create("misbehave", (struct formula){.kind = FORMULA_NONE}, 300 * UINT64_C(1000000), 1);
    struct buffer inputs = misbehaving(10, 4, "hang");
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    next_result(bench);
    expect_ended_at_4(bench, FAILURE_TIMEOUT);
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, the_time_of_an_attempt_counts_from_when_its_executor_began)
{
    struct bench *bench =
        create("misbehave", (struct formula){.kind = FORMULA_NONE}, 300 * UINT64_C(1000000), 1);
    struct buffer inputs = misbehaving(10, 10, "");
    struct slot *slot = &bench->pool->slots[0];
    wait_for_free(bench, 1);
    cr_assert(gt(int, slot->pid, 0));
    cr_assert(eq(int, kill(slot->pid, SIGSTOP), 0)); /* as if the machine were busy */
    start(bench, 100, 10, &inputs);
    usleep(400000);
    cr_expect(not(collect(bench, 0)), "nothing has begun");
    cr_expect(eq(int, slot->doom, DOOM_NONE));
    cr_assert(eq(int, kill(slot->pid, SIGCONT), 0));
    next_result(bench);
    expect_whole(bench, 10);
    cr_expect(eq(u64, bench->result.batch.success_count, 10));
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, a_batch_of_which_nothing_is_left_to_start_wakes_nobody_to_trim_it)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 2);
    struct buffer inputs = misbehaving(5, 4, "hang");
    struct pool_running running = {.map = NULL};
    const uint64_t end_us = clock_us() + WAIT_US;
    wait_for_free(bench, 2);
    start(bench, 100, 5, &inputs);
    while (running.running.index != 104) {
        cr_assert(lt(u64, clock_us(), end_us), "it never came to it");
        (void)pool_running(bench->pool, clock_us(), &running);
        usleep(1000);
    }
    cr_expect(eq(u64, pool_trim_deadline_us(bench->pool), UINT64_MAX));
    buffer_free(&inputs);
    destroy(bench);
}

/* Another attempt of number 104 has its result. */
Test(pool, the_attempt_at_one_index_can_be_ended)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(10, 4, "hang");
    struct pool_running running = {.map = NULL};
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (running.running.index != 104 && clock_us() < end_us) {
        (void)pool_running(bench->pool, clock_us(), &running);
        usleep(1000);
    }
    cr_assert(eq(u64, running.running.index, 104));
    cr_assert(eq(int, end(bench, LEASE + 1, 104), STATUS_OK));
    cr_assert(eq(int, end(bench, LEASE, 103), STATUS_OK));
    cr_expect(not(collect(bench, 0)), "neither is what runs");
    cr_assert(eq(int, end(bench, LEASE, 104), STATUS_OK));
    next_result(bench);
    expect_ended_at_4(bench, FAILURE_ABORTED);
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, an_attempt_that_holds_on_is_killed_after_the_grace)
{
    struct bench *bench =
        create("misbehave", (struct formula){.kind = FORMULA_NONE}, 300 * UINT64_C(1000000), 1);
    struct buffer inputs = misbehaving(10, 4, "hang-on");
    const uint64_t begin_us = clock_us();
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    while (clock_us() < begin_us + 1500000) {
        cr_assert(not(collect(bench, 0)), "it ignores SIGTERM");
        wait_a_while(bench);
    }
    next_result_at(bench, GRACE_US);
    expect_ended_at_4(bench, FAILURE_TIMEOUT);
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, what_ends_by_itself_while_it_may_run_on_counts_and_nothing_new_starts)
{
    struct bench *bench = create("sleep", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = {0};
    struct pack out;
    pack_start(&out, &inputs);
    for (uint64_t i = 0; i < 10; i++) {
        pack_map(&out, 1);
        pack_text(&out, "ms");
        pack_float(&out, i == 4 ? 1000 : 0);
    }
    cr_assert(eq(int, pack_finish(&out), STATUS_OK));
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    wait_for_4(bench);
    cancel(bench, WAIT_US, 0);
    next_result(bench);
    expect_whole(bench, 10);
    cr_expect(eq(u64, bench->result.batch.success_count, 5));
    cr_assert(eq(sz, bench->result.rest_count, 1));
    cr_expect(eq(u64, bench->result.rest[0].start, 105));
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, what_runs_on_for_too_long_is_aborted)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(10, 4, "hang");
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    wait_for_4(bench);
    cancel(bench, GRACE_US, WAIT_US);
    cr_assert(not(collect(bench, 0)), "it runs on");
    next_result_at(bench, GRACE_US);
    expect_ended_at_4(bench, FAILURE_ABORTED);
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, a_second_cancel_ends_at_once_what_ignores_signals)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    for (int is_doomed = 0; is_doomed < 2; is_doomed++) {
        struct buffer inputs = misbehaving(10, 4, "hang-on");
        wait_for_free(bench, 1);
        start(bench, 100, 10, &inputs);
        wait_for_4(bench);
        cancel(bench, is_doomed ? 0 : 10 * WAIT_US, 10 * WAIT_US);
        cr_assert(not(collect(bench, 0)), "it ignores SIGTERM");
        cancel(bench, 0, 0);
        next_result(bench);
        expect_ended_at_4(bench, FAILURE_ABORTED);
        buffer_free(&inputs);
    }
    destroy(bench);
}

Test(pool, the_first_reason_for_ending_an_attempt_stays)
{
    struct bench *bench =
        create("misbehave", (struct formula){.kind = FORMULA_NONE}, 300 * UINT64_C(1000000), 1);
    struct buffer inputs = misbehaving(10, 4, "hang-on");
    wait_for_free(bench, 1);
    start(bench, 100, 10, &inputs);
    wait_for_4(bench);
    cr_assert(not(collect(bench, 1000000)), "its time is over, and it ignores SIGTERM");
    cancel(bench, 0, 0);
    next_result(bench);
    expect_ended_at_4(bench, FAILURE_TIMEOUT);
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, an_attempt_that_begins_is_told_once)
{
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = misbehaving(10, 4, "hang");
    bool is_about_to = true;
    wait_for_free(bench, 1);
    cr_expect(not(pool_has_begun(bench->pool, &is_about_to)));
    cr_expect(not(is_about_to));
    start(bench, 100, 10, &inputs);
    wait_for_4(bench);
    cr_expect(pool_has_begun(bench->pool, &is_about_to));
    cr_expect(not(pool_has_begun(bench->pool, &is_about_to)));
    cr_expect(not(is_about_to));
    buffer_free(&inputs);
    destroy(bench);
}

/* ---- Memory -----------------------------------------------------------------------------------
 */

#define MIB (UINT64_C(1) << 20)

static void start_grown(struct bench *bench, uint64_t index, uint64_t growth, const char *how)
{
    struct buffer inputs = misbehaving(1, 0, how);
    const struct span span = {.start = index, .count = 1, .growth = growth};
    const struct batch batch = {.spans = &span,
                                .span_count = 1,
                                .instance_count = 1,
                                .growth = growth,
                                .inputs = inputs.data,
                                .inputs_size = inputs.size};
    pool_start(bench->pool, &bench->map, LEASE, &batch, clock_us());
    buffer_free(&inputs);
}

static struct bench *create_growing(uint32_t slot_count, uint64_t offered)
{
    struct bench *bench =
        create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, slot_count);
    bench->start.map.options.mem = 100 * MIB;
    bench->start.map.options.mem_growth = 2;
    bench->offer.all.mem = offered;
    wait_for_free(bench, slot_count);
    return bench;
}

Test(pool, what_has_grown_takes_more_of_the_rank_and_what_fits_beside_it_may_start)
{
    uint64_t growth_max = 0;
    struct bench *bench = create_growing(4, 500 * MIB);
    cr_assert(pool_has_room(bench->pool, &bench->map, &growth_max));
    cr_expect(eq(u64, growth_max, UINT64_MAX), "alone it may have all that there is");
    start_grown(bench, 0, 0, "hang");
    cr_assert(pool_has_room(bench->pool, &bench->map, &growth_max));
    cr_expect(eq(u64, growth_max, 2), "400 MiB are left");
    start_grown(bench, 1, 1, "hang");
    cr_assert(pool_has_room(bench->pool, &bench->map, &growth_max));
    cr_expect(eq(u64, growth_max, 1), "200 MiB are left");
    start_grown(bench, 2, 1, "hang");
    cr_expect(eq(u32, pool_free_count(bench->pool), 1));
    cr_expect(not(pool_has_room(bench->pool, &bench->map, &growth_max)),
              "a slot is free, but no memory");
    cancel(bench, 0, GRACE_US);
    for (int i = 0; i < 3; i++) {
        next_result(bench);
    }
    wait_for_free(bench, 4);
    cr_assert(pool_has_room(bench->pool, &bench->map, &growth_max));
    cr_expect(eq(u64, growth_max, UINT64_MAX), "what has ended holds nothing");
    destroy(bench);
}

/* 256 MiB are past 200, and not past the 350 that the rank has, at which 400 are capped. */
Test(pool, the_limit_in_force_is_the_grown_one)
{
    struct bench *bench = create_growing(1, 350 * MIB);
    start_grown(bench, 0, 1, "leak");
    next_result(bench);
    cr_assert(eq(sz, bench->result.failure_count, 1));
    const struct report_failure *failure = &bench->result.failures[0];
    cr_expect(eq(int, failure->class, FAILURE_MEMORY));
    cr_expect(memmem(failure->text, failure->text_size, "limit of 200 MiB", 16) != NULL, "%.*s",
              (int)failure->text_size, failure->text);
    wait_for_free(bench, 1);
    start_grown(bench, 0, 2, "leak");
    next_result(bench);
    cr_expect(eq(u64, bench->result.batch.success_count, 1));
    destroy(bench);
}

/* ---- What they print --------------------------------------------------------------------------
 */

/* One that prints `size` MiB of lines to standard error, and hangs. */
static struct buffer flooding(int size)
{
    struct buffer inputs = {0};
    struct pack out;
    char text[64];
    (void)snprintf(text, sizeof(text), "%d a line\n", size);
    pack_start(&out, &inputs);
    pack_map(&out, 4);
    pack_text(&out, "value");
    pack_uint(&out, 1);
    pack_text(&out, "how");
    pack_text(&out, "hang");
    pack_text(&out, "print");
    pack_text(&out, "flood");
    pack_text(&out, "text");
    pack_text(&out, text);
    cr_assert(eq(int, pack_finish(&out), STATUS_OK));
    return inputs;
}

static struct stat stat_of_stderr(const struct bench *bench)
{
    struct stat about;
    cr_assert(eq(int, fstat(bench->pool->slots[0].printed[STDIO_ERR], &about), 0));
    return about;
}

Test(pool, an_attempt_that_floods_holds_little_memory)
{
    const off_t size = (off_t)64 << 20;
    struct bench *bench = create("misbehave", (struct formula){.kind = FORMULA_NONE}, 0, 1);
    struct buffer inputs = flooding(64);
    wait_for_free(bench, 1);
    start(bench, 100, 1, &inputs);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (stat_of_stderr(bench).st_size < size) {
        cr_assert(lt(u64, clock_us(), end_us), "no flood");
        cr_assert(not(collect(bench, 0)));
        wait_a_while(bench);
    }
    cr_assert(not(collect(bench, 100000))); /* when it is looked at again */
    cr_expect(lt(int, (int)(stat_of_stderr(bench).st_blocks * 512), 1 << 20));

    cancel(bench, 0, GRACE_US);
    next_result(bench);
    cr_assert(eq(sz, bench->result.failure_count, 1));
    const struct report_failure *failure = &bench->result.failures[0];
    cr_expect(eq(int, failure->class, FAILURE_ABORTED));
    const char *expected = "ended with the map | a line | a line | a line";
    cr_expect(failure->text_size == strlen(expected) &&
                  memcmp(failure->text, expected, failure->text_size) == 0,
              "%.*s", (int)failure->text_size, failure->text);
    buffer_free(&inputs);
    destroy(bench);
}

Test(pool, what_a_setup_printed_last_stands_in_its_error)
{
    struct bench *bench = create_of("tests/jobs/loud_setup.so", "task", range, 0, 1);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (pool_setup_error(bench->pool) == NULL) {
        cr_assert(lt(u64, clock_us(), end_us), "no word of the setup");
        cr_assert(not(collect(bench, 0)));
        wait_a_while(bench);
    }
    cr_expect(eq(str, (char *)(uintptr_t)pool_setup_error(bench->pool),
                 (char *)"the job's setup ended its process | no table | giving up"));
    destroy(bench);
}

/* ---- Setup and end ----------------------------------------------------------------------------
 */

Test(pool, a_setup_that_fails_twice_is_told_and_not_tried_again)
{
    struct bench *bench = create_of("tests/jobs/bad_setup.so", "task", range, 0, 3);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (pool_setup_error(bench->pool) == NULL) {
        cr_assert(lt(u64, clock_us(), end_us), "no word of the setup");
        cr_assert(not(collect(bench, 0)));
        wait_a_while(bench);
    }
    const char *text = pool_setup_error(bench->pool);
    cr_expect(strstr(text, "no licence") != NULL, "%s", text);
    cr_expect(not(pool_is_ready(bench->pool)));
    cr_expect(eq(u32, pool_free_count(bench->pool), 0));
    destroy(bench);
}

Test(pool, a_pool_that_is_closed_lets_its_executors_leave)
{
    struct bench *bench = create("square", range, 0, 2);
    wait_for_free(bench, 2);
    cr_expect(not(pool_is_closed(bench->pool)));
    pool_close(bench->pool);
    const uint64_t end_us = clock_us() + WAIT_US;
    while (!pool_is_closed(bench->pool)) {
        cr_assert(lt(u64, clock_us(), end_us), "executors stay");
        cr_assert(not(collect(bench, 0)));
        wait_a_while(bench);
    }
    destroy(bench);
}

Test(pool, a_job_of_another_digest_is_refused)
{
    struct error err = {""};
    struct bench *bench = calloc(1, sizeof(*bench));
    cr_assert(ne(ptr, bench, NULL));
    const struct zygote_duties duties = executor_duties();
    cr_assert(eq(int, zygote_create(&duties, &bench->zygote, &err), STATUS_OK), "%s", err.text);
    load_job(bench, "jobs/basics.so");
    fill_start(bench, "square", range, 0);
    bench->start.job_digest[0] ^= 1;
    const struct zygote_event event = prepare(bench);
    cr_expect(eq(int, event.status, STATUS_NO_JOB));
    cr_expect(strstr(event.error.text, "differs") != NULL, "%s", event.error.text);
    destroy(bench);
}

/* ---- An executor that lies --------------------------------------------------------------------
 */

/* It says that more is done than the batch has, and waits for its end. */
static int lie(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)slot;
    struct channel channel;
    uint64_t count = 1;
    (void)context;
    if (fd_count != EXECUTOR_FD_COUNT ||
        channel_open(&channel, fds[EXECUTOR_CHANNEL], OUTPUT_SIZE_MAX, NULL) != STATUS_OK) {
        return 1;
    }
    atomic_store(&channel.control->setup, CHANNEL_READY);
    (void)!write(fds[EXECUTOR_RANK_BELL], &count, sizeof(count));
    (void)!read(fds[EXECUTOR_BELL], &count, sizeof(count));
    memset(channel.control->success_bits, 0xff, sizeof(channel.control->success_bits));
    atomic_store(&channel.control->done, CHANNEL_INSTANCE_COUNT_MAX - 1);
    (void)pause();
    return 0;
}

static enum status prepare_nothing(void *context, const void *request, size_t size,
                                   struct error *err)
{
    (void)context;
    (void)request;
    (void)size;
    (void)err;
    return STATUS_OK;
}

Test(pool, a_count_that_no_batch_has_is_not_believed)
{
    struct error err = {""};
    struct bench *bench = calloc(1, sizeof(*bench));
    cr_assert(ne(ptr, bench, NULL));
    const struct zygote_duties duties = {.prepare = prepare_nothing, .run = lie};
    cr_assert(eq(int, zygote_create(&duties, &bench->zygote, &err), STATUS_OK), "%s", err.text);
    load_job(bench, "jobs/basics.so");
    fill_start(bench, "square", range, 0);
    (void)prepare(bench);
    create_pool(bench, 1);
    wait_for_free(bench, 1);
    start(bench, 100, 10, NULL);
    for (int i = 0; i < 20; i++) {
        cr_assert(not(collect(bench, 0)));
        usleep(10000);
    }
    cancel(bench, 0, GRACE_US);
    next_result(bench);
    expect_whole(bench, 10);
    destroy(bench);
}
