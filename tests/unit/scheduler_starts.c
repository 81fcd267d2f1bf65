#include "master/scheduler.h"

#include "scheduler_support.h"

/* ---- Starts that are held, or lie apart ------------------------------------------------------ */

Test(scheduler_starts, held_before_its_first_unit_it_hands_out_one_instance_and_no_more)
{
    struct fixture f = fixture_create(options_of(10));
    scheduler_hold(f.scheduler);
    scheduler_join(f.scheduler, 0, 4);
    scheduler_join(f.scheduler, 1, 4);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 0, 1);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_starts, held_later_it_hands_out_and_moves_nothing)
{
    struct scheduler_options options = options_of(10);
    options.sizing.unit_size = 8;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    (void)next_unit(&f, 0, 0, 8, 0);
    scheduler_hold(f.scheduler);
    scheduler_join(f.scheduler, 1, 4);
    expect_quiet(&f);
    fixture_destroy(&f);
}

static struct fixture delayed(uint64_t size)
{
    struct scheduler_options options = options_of(size);
    options.delay_us = 100;
    struct fixture f = fixture_create(options);
    f.now_us = 5000;
    return f;
}

Test(scheduler_starts, with_a_delay_starts_lie_apart_and_the_first_does_not_wait)
{
    struct fixture f = delayed(10);
    scheduler_join(f.scheduler, 0, 4);
    scheduler_join(f.scheduler, 1, 4);
    (void)next_unit(&f, 0, 0, 1, 0);
    expect_quiet(&f);
    f.now_us += 1000;
    expect_quiet(&f); /* it has not begun, as far as is known */
    cr_expect(eq(u64, scheduler_deadline_us(f.scheduler), UINT64_MAX), "no busy waiting");

    scheduler_begun(f.scheduler, 0, 0, f.now_us);
    expect_quiet(&f);
    cr_expect(eq(u64, scheduler_deadline_us(f.scheduler), f.now_us + 100));
    scheduler_begun(f.scheduler, 0, 0, f.now_us + 50); /* the next beat says so again */
    f.now_us += 99;
    expect_quiet(&f);
    f.now_us += 1;
    (void)next_unit(&f, 1, 1, 1, 0);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_starts, with_a_delay_a_result_says_that_its_attempt_had_begun)
{
    struct fixture f = delayed(10);
    scheduler_join(f.scheduler, 0, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    f.now_us += 500;
    must_succeed(&f, 0, lease, 0, 1);
    expect_quiet(&f);
    f.now_us += 100;
    (void)next_unit(&f, 0, 1, 1, 0);
    fixture_destroy(&f);
}

Test(scheduler_starts, with_a_delay_a_retry_is_a_start_like_any_other)
{
    struct scheduler_options options = options_of(2);
    options.delay_us = 100;
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    expect_quiet(&f);
    f.now_us = 100;
    (void)next_unit(&f, 0, 0, 1, 1);
    fixture_destroy(&f);
}

Test(scheduler_starts, with_a_delay_only_idle_slots_are_given_work)
{
    struct fixture f = delayed(10);
    scheduler_join(f.scheduler, 0, 2);
    (void)next_unit(&f, 0, 0, 1, 0);
    scheduler_begun(f.scheduler, 0, 0, f.now_us);
    f.now_us += 100;
    const uint64_t lease = next_unit(&f, 0, 1, 1, 0);
    scheduler_begun(f.scheduler, 0, 1, f.now_us);
    f.now_us += 100;
    expect_quiet(&f);
    cr_expect(eq(u64, scheduler_deadline_us(f.scheduler), UINT64_MAX), "no busy waiting");
    must_succeed(&f, 0, lease, 1, 1);
    (void)next_unit(&f, 0, 2, 1, 0);
    fixture_destroy(&f);
}

Test(scheduler_starts, with_a_delay_the_loss_of_who_was_to_start_holds_nobody_up)
{
    struct fixture f = delayed(10);
    scheduler_join(f.scheduler, 0, 1);
    scheduler_join(f.scheduler, 1, 1);
    (void)next_unit(&f, 0, 0, 1, 0);
    scheduler_lose(f.scheduler, 0, NULL, 0, on_charged, &f, f.now_us);
    f.now_us += 100;
    (void)next_unit(&f, 1, 0, 1, 0);
    fixture_destroy(&f);
}

Test(scheduler_starts, a_beat_about_what_nobody_holds_is_ignored)
{
    struct fixture f = delayed(10);
    scheduler_join(f.scheduler, 0, 1);
    (void)next_unit(&f, 0, 0, 1, 0);
    scheduler_begun(f.scheduler, 0, 7, f.now_us);
    scheduler_begun(f.scheduler, 1, 0, f.now_us);
    f.now_us += 1000;
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_starts, a_stop_from_outside_cancels_once_and_starts_nothing_more)
{
    struct fixture f = fixture_create(options_of(4));
    scheduler_join(f.scheduler, 0, 2);
    const uint64_t lease = next_unit(&f, 0, 0, 2, 0);
    scheduler_stop(f.scheduler);
    scheduler_stop(f.scheduler);
    (void)next(&f, SCHEDULER_CANCEL);
    scheduler_join(f.scheduler, 1, 2);
    expect_quiet(&f);
    must_abort(&f, 0, lease, 0);
    must_abort(&f, 0, lease, 1);
    (void)next(&f, SCHEDULER_DONE);
    scheduler_stop(f.scheduler);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_starts, a_stop_with_nothing_leased_is_done_without_a_cancel)
{
    struct fixture f = fixture_create(options_of(4));
    scheduler_stop(f.scheduler);
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler_starts, a_stopping_map_does_not_wait_for_retries)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 1;
    options.retry_delay_us = 100;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    expect_quiet(&f);
    scheduler_stop(f.scheduler);
    cr_expect(eq(u64, scheduler_deadline_us(f.scheduler), UINT64_MAX));
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

/* ---- Concurrency ------------------------------------------------------------------------------
 */

Test(scheduler_starts, concurrency_is_a_rolling_window_in_index_order)
{
    struct scheduler_options options = options_of(6);
    options.concurrency = 3;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 2);
    scheduler_join(f.scheduler, 1, 4);
    const uint64_t first = next_unit(&f, 0, 0, 2, 0);
    const uint64_t second = next_unit(&f, 1, 2, 1, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, first, 1, 1);
    const struct step third = next(&f, SCHEDULER_SEND_UNIT);
    cr_expect(eq(u64, third.spans[0].start, 3));
    expect_quiet(&f);
    must_succeed(&f, 1, second, 2, 1);
    must_succeed(&f, 0, first, 0, 1);
    const struct step fourth = next(&f, SCHEDULER_SEND_UNIT);
    cr_expect(eq(u64, fourth.spans[0].start, 4));
    cr_expect(eq(u64, counts(&f).leased, 3));
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_starts, an_instance_between_attempts_holds_no_place_of_the_window)
{
    struct scheduler_options options = options_of(3);
    options.ledger.retries = 1;
    options.concurrency = 1;
    options.retry_delay_us = 100;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    const uint64_t lease = next_unit(&f, 0, 1, 1, 0);
    f.now_us = 100;
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 1, 1);
    (void)next_unit(&f, 0, 0, 1, 1);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_starts, a_window_narrower_than_a_fixed_unit_is_used_in_full)
{
    struct scheduler_options options = options_of(10);
    options.concurrency = 4;
    options.sizing.unit_size = 100;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 4, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 0, 4);
    (void)next_unit(&f, 0, 4, 4, 0);
    fixture_destroy(&f);
}

/* Method: a worker of one slot was alone, and holds the whole window; then another joins. */
Test(scheduler_starts, a_window_that_one_worker_hoards_is_shared_with_one_that_is_idle)
{
    struct scheduler_options options = options_of(100);
    options.concurrency = 10;
    options.sizing.unit_size = 10;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 10, 0);
    expect_quiet(&f);
    scheduler_join(f.scheduler, 1, 1);
    const struct step recall = next(&f, SCHEDULER_RECALL);
    cr_expect(eq(u32, recall.action.worker, 0));
    cr_expect(eq(u64, recall.action.lease, lease));
    expect_taken(give_back(&f, 0, lease, 6, 4));
    (void)next_unit(&f, 1, 6, 4, 0);
    expect_quiet(&f);
    fixture_destroy(&f);
}

/* ---- Nothing ahead --------------------------------------------------------------------------- */

/* Short instances, of which there would be many ahead, and a unit of fixed size. */
Test(scheduler_starts, where_nothing_may_be_ahead_a_worker_holds_what_its_slots_run)
{
    struct scheduler_options options = options_of(20);
    options.sizing.report_interval_us = 1000000;
    options.sizing.unit_size = 8;
    options.has_none_ahead = true;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 2);
    uint64_t lease = next_unit(&f, 0, 0, 2, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 0, 1);
    lease = next_unit(&f, 0, 2, 1, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 2, 1);
    (void)next_unit(&f, 0, 3, 1, 0);
    expect_quiet(&f);
    fixture_destroy(&f);
}
