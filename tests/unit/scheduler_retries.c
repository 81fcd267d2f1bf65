#include "master/scheduler.h"

#include "scheduler_support.h"

/* ---- Retries ----------------------------------------------------------------------------------
 */

Test(scheduler_retries, a_retry_has_the_next_attempt_number_until_its_budget_is_used_up)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 2;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    for (uint64_t attempt = 0; attempt < 3; attempt++) {
        must_fail(&f, 0, next_unit(&f, 0, 0, 1, attempt), 0, attempt);
        cr_expect(eq(int, f.fates[0].is_final, attempt == 2));
        cr_expect(eq(u64, f.fates[0].task_failures, attempt + 1));
    }
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(eq(u64, counts(&f).failed, 1));
    fixture_destroy(&f);
}

Test(scheduler_retries, a_permanent_failure_is_not_retried)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 5;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    const struct report_failure failure = {.class = FAILURE_ERROR, .is_permanent = true};
    expect_taken(fail(&f, 0, next_unit(&f, 0, 0, 1, 0), failure));
    cr_expect(f.fates[0].is_final);
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

/* Method: one retry of each kind. A kill and an error are both retried, the second kill is not. */
Test(scheduler_retries, system_failures_do_not_use_the_budget_of_task_failures)
{
    static const enum failure_class classes[] = {FAILURE_KILLED, FAILURE_ERROR, FAILURE_KILLED};
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 1;
    options.ledger.system_retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    for (uint64_t attempt = 0; attempt < 3; attempt++) {
        const struct report_failure failure = {.attempt = attempt, .class = classes[attempt]};
        const uint64_t lease = next_unit(&f, 0, 0, 1, attempt);
        expect_taken(fail(&f, 0, lease, failure));
        cr_expect(eq(int, f.fates[0].is_final, attempt == 2));
    }
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler_retries, a_retry_goes_to_another_worker_when_one_is_free)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    scheduler_join(f.scheduler, 1, 1);
    expect_quiet(&f);
    must_fail(&f, 0, lease, 0, 0);
    (void)next_unit(&f, 1, 0, 1, 1);
    fixture_destroy(&f);
}

/* Method: worker 0 asks first, and has other work to take. */
Test(scheduler_retries, a_retry_is_left_for_another_worker_that_is_free_later_in_the_queue)
{
    struct scheduler_options options = options_of(3);
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    scheduler_join(f.scheduler, 1, 1);
    (void)next_unit(&f, 0, 1, 1, 0);
    const struct step step = next(&f, SCHEDULER_SEND_UNIT);
    cr_expect(eq(u32, step.action.worker, 1));
    cr_expect(eq(u64, step.spans[0].start, 0));
    cr_expect(eq(u64, step.spans[0].attempt, 1));
    fixture_destroy(&f);
}

Test(scheduler_retries, a_retry_goes_to_the_same_worker_when_it_is_alone)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    (void)next_unit(&f, 0, 0, 1, 1);
    fixture_destroy(&f);
}

Test(scheduler_retries, the_delay_before_a_retry_doubles_up_to_64_times)
{
    static const uint64_t factors[] = {1, 2, 4, 8, 16, 32, 64, 64, 64};
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 100;
    options.retry_delay_us = 1000;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    for (uint64_t attempt = 0; attempt < sizeof(factors) / sizeof(*factors); attempt++) {
        must_fail(&f, 0, next_unit(&f, 0, 0, 1, attempt), 0, attempt);
        const uint64_t due_us = f.now_us + 1000 * factors[attempt];
        cr_expect(eq(u64, scheduler_deadline_us(f.scheduler), due_us));
        f.now_us = due_us - 1;
        expect_quiet(&f);
        f.now_us = due_us;
    }
    fixture_destroy(&f);
}

Test(scheduler_retries, the_largest_retry_delay_does_not_overflow)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 100;
    options.retry_delay_us = UINT64_MAX;
    struct fixture f = fixture_create(options);
    f.now_us = 1000;
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    cr_expect(gt(u64, scheduler_deadline_us(f.scheduler), UINT64_MAX / 4));
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_retries, an_abort_of_a_map_that_goes_on_is_run_again_free_of_charge)
{
    struct fixture f = fixture_create(options_of(1));
    scheduler_join(f.scheduler, 0, 1);
    must_abort(&f, 0, next_unit(&f, 0, 0, 1, 0), 0);
    cr_expect(not(f.fates[0].is_final));
    (void)next_unit(&f, 0, 0, 1, 0);
    fixture_destroy(&f);
}

/* ---- Losses -----------------------------------------------------------------------------------
 */

/* Method: of eight, 0 was reported, 1 and 3 run; the beat that says so also names 0, and an
 * instance that the worker never had. */
Test(scheduler_retries, a_lost_worker_is_charged_only_for_what_was_running)
{
    static const uint64_t running[] = {0, 1, 3, 15};
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    must_succeed(&f, 0, lease, 0, 1);
    (void)next_unit(&f, 0, 8, 1, 0);
    lose(&f, 0, running, 4);
    cr_assert(eq(sz, f.charged_count, 2));
    cr_expect(eq(u64, f.charged[0], 1));
    cr_expect(eq(u64, f.charged[1], 3));
    cr_expect(eq(u64, f.fates[0].system_failures, 1));
    cr_expect(eq(u64, f.fates[0].task_failures, 0));
    cr_expect(eq(u64, counts(&f).leased, 0));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 0));

    scheduler_join(f.scheduler, 1, 5);
    const struct step step = next(&f, SCHEDULER_SEND_UNIT);
    static const struct span expected[] = {{1, 1, 1, 0}, {2, 1, 0, 0}, {3, 1, 1, 0}, {4, 2, 0, 0}};
    cr_assert(eq(sz, step.action.span_count, 4));
    cr_expect(eq(int, memcmp(step.spans, expected, sizeof(expected)), 0));
    fixture_destroy(&f);
}

Test(scheduler_retries, losses_end_an_instance_only_when_its_system_budget_is_used_up)
{
    static const uint64_t running[] = {0};
    struct scheduler_options options = options_of(1);
    options.ledger.system_retries = 2;
    struct fixture f = fixture_create(options);
    for (uint64_t attempt = 0; attempt < 3; attempt++) {
        scheduler_join(f.scheduler, 0, 1);
        (void)next_unit(&f, 0, 0, 1, attempt);
        lose(&f, 0, running, 1);
        cr_assert(eq(sz, f.charged_count, 1));
        cr_expect(eq(int, f.fates[0].is_final, attempt == 2));
    }
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(eq(u64, counts(&f).failed, 1));
    fixture_destroy(&f);
}

Test(scheduler_retries, what_was_not_running_may_be_lost_any_number_of_times)
{
    struct scheduler_options options = options_of(1);
    options.ledger.system_retries = 0;
    struct fixture f = fixture_create(options);
    for (unsigned i = 0; i < 100; i++) {
        scheduler_join(f.scheduler, 0, 1);
        (void)next_unit(&f, 0, 0, 1, 0);
        lose(&f, 0, NULL, 0);
        cr_assert(eq(sz, f.charged_count, 0));
    }
    fixture_destroy(&f);
}

Test(scheduler_retries, losing_a_worker_twice_or_one_that_never_joined_changes_nothing)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    lose(&f, 0, NULL, 0);
    const struct view before = view_of(&f);
    static const uint64_t running[] = {0};
    lose(&f, 0, running, 1);
    lose(&f, 3, running, 1);
    cr_expect(eq(sz, f.charged_count, 0));
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

/* Method: with one slot each, a worker that were still counted would halve what the other may hold
 * of a window of 10. */
Test(scheduler_retries, a_lost_worker_has_no_share_of_the_window)
{
    struct scheduler_options options = options_of(100);
    options.concurrency = 10;
    options.sizing.unit_size = 10;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 1, 1);
    lose(&f, 1, NULL, 0);
    scheduler_join(f.scheduler, 0, 1);
    (void)next_unit(&f, 0, 0, 10, 0);
    fixture_destroy(&f);
}

/* Method: the first life was measured to be fast, and had a large unit. */
Test(scheduler_retries, a_worker_that_joins_again_starts_anew)
{
    struct scheduler_options options = options_of(1000000);
    options.sizing.report_interval_us = 100000;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 2);
    const uint64_t lease = next_unit(&f, 0, 0, 2, 0);
    const struct span span = {.count = 2};
    struct report_batch batch = batch_of(&span);
    batch.elapsed_us = 1;
    expect_taken(send_batch(&f, 0, lease, &batch, NULL));
    const struct step grown = next(&f, SCHEDULER_SEND_UNIT);
    cr_expect(gt(u64, grown.spans[0].count, 2));
    lose(&f, 0, NULL, 0);
    scheduler_join(f.scheduler, 0, 3);
    (void)next_unit(&f, 0, 2, 3, 0);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_retries, a_loss_while_stopping_leads_to_done)
{
    static const uint64_t running[] = {0};
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    scheduler_stop(f.scheduler);
    (void)next(&f, SCHEDULER_CANCEL);
    lose(&f, 0, running, 1);
    (void)next(&f, SCHEDULER_DONE);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_retries, work_of_a_lost_worker_goes_to_one_that_was_idle_all_along)
{
    struct scheduler_options options = options_of(1);
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    (void)next_unit(&f, 0, 0, 1, 0);
    scheduler_join(f.scheduler, 1, 1);
    expect_quiet(&f);
    lose(&f, 0, NULL, 0);
    (void)next_unit(&f, 1, 0, 1, 0);
    fixture_destroy(&f);
}
