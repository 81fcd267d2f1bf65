#include "master/scheduler.h"

#include "scheduler_support.h"

/* ---- The beginning and the end --------------------------------------------------------------- */

Test(scheduler, an_empty_map_is_done_at_once)
{
    for (int policy = POLICY_STOP; policy <= POLICY_ENOUGH; policy++) {
        struct scheduler_options options = options_of(0);
        options.policy = (enum map_policy)policy;
        struct fixture f = fixture_create(options);
        (void)next(&f, SCHEDULER_DONE);
        expect_quiet(&f);
        cr_expect(scheduler_has_minimum(f.scheduler));
        cr_expect(not(scheduler_is_out_of_reach(f.scheduler)));
        fixture_destroy(&f);
    }
    scheduler_destroy(NULL);
}

Test(scheduler, without_workers_it_waits)
{
    struct fixture f = fixture_create(options_of(1));
    expect_quiet(&f);
    cr_expect(eq(u64, scheduler_deadline_us(f.scheduler), UINT64_MAX));
    fixture_destroy(&f);
}

Test(scheduler, at_first_a_worker_gets_one_instance_a_slot)
{
    struct fixture f = fixture_create(options_of(10));
    scheduler_join(f.scheduler, 2, 3);
    scheduler_join(f.scheduler, 0, 1);
    (void)next_unit(&f, 2, 0, 3, 0);
    (void)next_unit(&f, 0, 3, 1, 0);
    expect_quiet(&f);
    cr_expect(eq(u64, scheduler_held(f.scheduler, 2), 3));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 1));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 1), 0));
    fixture_destroy(&f);
}

Test(scheduler, a_map_is_done_once_when_every_instance_has_ended)
{
    struct fixture f = fixture_create(options_of(3));
    scheduler_join(f.scheduler, 0, 2);
    const uint64_t first = next_unit(&f, 0, 0, 2, 0);
    must_succeed(&f, 0, first, 0, 2);
    const uint64_t second = next_unit(&f, 0, 2, 1, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, second, 2, 1);
    (void)next(&f, SCHEDULER_DONE);
    expect_quiet(&f);
    cr_expect(scheduler_has_minimum(f.scheduler));
    cr_expect(eq(u64, counts(&f).succeeded, 3));
    fixture_destroy(&f);
}

Test(scheduler, a_batch_may_be_any_part_of_a_unit)
{
    struct fixture f = fixture_create(options_of(5));
    scheduler_join(f.scheduler, 0, 5);
    const uint64_t lease = next_unit(&f, 0, 0, 5, 0);
    must_succeed(&f, 0, lease, 3, 1);
    must_succeed(&f, 0, lease, 0, 2);
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 2));
    must_succeed(&f, 0, lease, 4, 1);
    must_succeed(&f, 0, lease, 2, 1);
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler, a_lease_has_an_id_that_was_never_used)
{
    struct fixture f = fixture_create(options_of(100));
    uint64_t last = 0;
    scheduler_join(f.scheduler, 0, 1);
    for (uint64_t i = 0; i < 100; i++) {
        const uint64_t lease = next_unit(&f, 0, i, 1, 0);
        cr_expect(gt(u64, lease, last));
        last = lease;
        must_succeed(&f, 0, lease, i, 1);
    }
    fixture_destroy(&f);
}

Test(scheduler, units_of_a_fixed_size_have_that_size)
{
    struct scheduler_options options = options_of(20);
    options.sizing.unit_size = 7;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    (void)next_unit(&f, 0, 0, 7, 0);
    (void)next_unit(&f, 0, 7, 7, 0);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler, units_of_one_instance_still_fill_every_slot)
{
    struct scheduler_options options = options_of(20);
    options.sizing.unit_size = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 8);
    for (uint64_t i = 0; i < 8; i++) {
        (void)next_unit(&f, 0, i, 1, 0);
    }
    fixture_destroy(&f);
}

/* ---- Policies ---------------------------------------------------------------------------------
 */

Test(scheduler, run_all_runs_the_rest_after_the_minimum_is_out_of_reach)
{
    struct fixture f = fixture_create(options_of(3));
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    cr_expect(scheduler_is_out_of_reach(f.scheduler));
    must_succeed(&f, 0, next_unit(&f, 0, 1, 1, 0), 1, 1);
    must_succeed(&f, 0, next_unit(&f, 0, 2, 1, 0), 2, 1);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(not(scheduler_has_minimum(f.scheduler)));
    fixture_destroy(&f);
}

Test(scheduler, run_all_runs_the_rest_after_the_minimum_is_met)
{
    struct scheduler_options options = options_of(2);
    options.minimum = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_succeed(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 1);
    cr_expect(scheduler_has_minimum(f.scheduler));
    must_succeed(&f, 0, next_unit(&f, 0, 1, 1, 0), 1, 1);
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler, stop_runs_the_rest_after_the_minimum_is_met)
{
    struct scheduler_options options = options_of(2);
    options.minimum = 1;
    options.policy = POLICY_STOP;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_succeed(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 1);
    (void)next_unit(&f, 0, 1, 1, 0);
    fixture_destroy(&f);
}

/* Method: 2 of 4 must succeed. After the third failure one instance runs on. */
Test(scheduler, stop_cancels_as_soon_as_the_minimum_is_out_of_reach)
{
    struct scheduler_options options = options_of(6);
    options.minimum = 4;
    options.policy = POLICY_STOP;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 4);
    const uint64_t lease = next_unit(&f, 0, 0, 4, 0);
    must_fail(&f, 0, lease, 0, 0);
    const uint64_t more = next_unit(&f, 0, 4, 1, 0);
    must_fail(&f, 0, lease, 1, 0);
    cr_expect(not(scheduler_is_out_of_reach(f.scheduler)));
    const uint64_t last = next_unit(&f, 0, 5, 1, 0);
    must_fail(&f, 0, lease, 2, 0);
    cr_expect(scheduler_is_out_of_reach(f.scheduler));
    (void)next(&f, SCHEDULER_CANCEL);
    expect_quiet(&f);

    must_abort(&f, 0, lease, 3);
    must_succeed(&f, 0, more, 4, 1); /* was quicker than the cancel: it counts */
    expect_quiet(&f);
    expect_taken(give_back(&f, 0, last, 5, 1));
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(eq(u64, counts(&f).failed, 3));
    cr_expect(eq(u64, counts(&f).aborted, 1));
    cr_expect(eq(u64, counts(&f).succeeded, 1));
    cr_expect(eq(u64, counts(&f).ready, 1));
    fixture_destroy(&f);
}

Test(scheduler, stop_is_not_moved_by_a_failure_that_is_retried)
{
    struct scheduler_options options = options_of(1);
    options.policy = POLICY_STOP;
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 1);
    expect_taken(succeed(&f, 0, lease, (struct span){.count = 1, .attempt = 1}));
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(scheduler_has_minimum(f.scheduler));
    fixture_destroy(&f);
}

Test(scheduler, enough_cancels_as_soon_as_the_minimum_is_met)
{
    struct scheduler_options options = options_of(4);
    options.minimum = 2;
    options.policy = POLICY_ENOUGH;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 3);
    const uint64_t lease = next_unit(&f, 0, 0, 3, 0);
    must_succeed(&f, 0, lease, 0, 2);
    (void)next(&f, SCHEDULER_CANCEL);
    expect_quiet(&f);
    must_abort(&f, 0, lease, 2);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(scheduler_has_minimum(f.scheduler));
    cr_expect(eq(u64, counts(&f).ready, 1));
    fixture_destroy(&f);
}

Test(scheduler, enough_starts_nothing_where_nothing_is_needed)
{
    struct scheduler_options options = options_of(4);
    options.minimum = 0;
    options.policy = POLICY_ENOUGH;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 3);
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler, enough_cancels_when_the_minimum_is_out_of_reach)
{
    struct scheduler_options options = options_of(3);
    options.policy = POLICY_ENOUGH;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 2);
    must_fail(&f, 0, next_unit(&f, 0, 0, 2, 0), 0, 0);
    (void)next(&f, SCHEDULER_CANCEL);
    fixture_destroy(&f);
}

Test(scheduler, a_verdict_is_known_when_all_have_ended_or_the_policy_says_so)
{
    struct scheduler_options options = options_of(3);
    options.minimum = 2;
    for (int policy = POLICY_STOP; policy <= POLICY_ENOUGH; policy++) {
        options.policy = (enum map_policy)policy;
        struct fixture f = fixture_create(options);
        scheduler_join(f.scheduler, 0, 3);
        const uint64_t lease = next_unit(&f, 0, 0, 3, 0);
        must_succeed(&f, 0, lease, 0, 1);
        cr_expect(not(scheduler_has_verdict(f.scheduler)));
        must_succeed(&f, 0, lease, 1, 1);
        cr_expect(eq(int, scheduler_has_verdict(f.scheduler), policy == POLICY_ENOUGH));
        must_fail(&f, 0, lease, 2, 0);
        cr_expect(scheduler_has_verdict(f.scheduler));
        fixture_destroy(&f);
    }
}

Test(scheduler, those_that_were_cached_have_ended)
{
    struct scheduler_options options = options_of(2);
    options.policy = POLICY_RUN_ALL;
    struct fixture f = fixture_create(options);
    scheduler_cache(f.scheduler, 0, 1, false);
    scheduler_join(f.scheduler, 0, 1);
    const uint64_t lease = next_unit(&f, 0, 1, 1, 0);
    scheduler_stop(f.scheduler);
    (void)next(&f, SCHEDULER_CANCEL);
    cr_expect(not(scheduler_has_verdict(f.scheduler)));
    must_succeed(&f, 0, lease, 1, 1);
    cr_expect(scheduler_has_verdict(f.scheduler));
    fixture_destroy(&f);
}

Test(scheduler, out_of_reach_is_a_verdict_but_for_run_all)
{
    struct scheduler_options options = options_of(3);
    for (int policy = POLICY_STOP; policy <= POLICY_ENOUGH; policy++) {
        options.policy = (enum map_policy)policy;
        struct fixture f = fixture_create(options);
        scheduler_join(f.scheduler, 0, 3);
        must_fail(&f, 0, next_unit(&f, 0, 0, 3, 0), 0, 0);
        cr_expect(eq(int, scheduler_has_verdict(f.scheduler), policy != POLICY_RUN_ALL));
        fixture_destroy(&f);
    }
}

Test(scheduler, an_aborted_instance_has_not_ended)
{
    struct fixture f = fixture_create(options_of(1));
    scheduler_join(f.scheduler, 0, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    scheduler_stop(f.scheduler);
    (void)next(&f, SCHEDULER_CANCEL);
    must_abort(&f, 0, lease, 0);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(not(scheduler_has_verdict(f.scheduler)));
    fixture_destroy(&f);
}

Test(scheduler, an_aborted_attempt_is_one_of_as_many_as_any_other)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 2;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_abort(&f, 0, next_unit(&f, 0, 0, 1, 0), 0);
    cr_expect(eq(u64, f.fates[0].attempts_max, 3));
    cr_expect(eq(u64, f.fates[0].task_failures, 0));
    fixture_destroy(&f);
}

/* ---- Instances that need not run --------------------------------------------------------------
 */

Test(scheduler, hits_count_towards_the_minimum_before_anything_has_started)
{
    struct scheduler_options options = options_of(10);
    options.policy = POLICY_ENOUGH;
    options.minimum = 4;
    struct fixture f = fixture_create(options);
    scheduler_cache(f.scheduler, 3, 4, false);
    cr_expect(scheduler_has_minimum(f.scheduler));
    scheduler_join(f.scheduler, 0, 2);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(eq(u64, counts(&f).ready, 6));
    fixture_destroy(&f);
}

Test(scheduler, a_map_of_hits_is_done_without_a_worker)
{
    struct fixture f = fixture_create(options_of(10));
    scheduler_cache(f.scheduler, 0, 10, false);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(scheduler_has_minimum(f.scheduler));
    fixture_destroy(&f);
}

Test(scheduler, what_is_held_holds_no_place_and_the_map_waits_for_it)
{
    struct scheduler_options options = options_of(3);
    options.concurrency = 1;
    struct fixture f = fixture_create(options);
    scheduler_hold_equal(f.scheduler, 1, 1);
    scheduler_join(f.scheduler, 0, 2);
    uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 0, 1);
    lease = next_unit(&f, 0, 2, 1, 0); /* 1 is passed over, and takes no place */
    must_succeed(&f, 0, lease, 2, 1);
    expect_quiet(&f); /* not done: 1 has no end yet */
    scheduler_cache(f.scheduler, 1, 1, true);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(eq(u64, counts(&f).succeeded, 2));
    cr_expect(eq(u64, counts(&f).cached, 1));
    fixture_destroy(&f);
}

Test(scheduler, what_is_released_is_given_to_a_worker_that_had_nothing_to_do)
{
    struct fixture f = fixture_create(options_of(2));
    scheduler_hold_equal(f.scheduler, 1, 1);
    scheduler_join(f.scheduler, 0, 1);
    scheduler_join(f.scheduler, 1, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    must_fail(&f, 0, lease, 0, 0);
    expect_quiet(&f);
    scheduler_release(f.scheduler, 1, 1);
    const struct step step = next(&f, SCHEDULER_SEND_UNIT);
    cr_expect(eq(u64, step.spans[0].start, 1));
    fixture_destroy(&f);
}

Test(scheduler, a_shared_failure_puts_the_minimum_out_of_reach_like_any_other)
{
    struct scheduler_options options = options_of(4);
    options.policy = POLICY_STOP;
    options.minimum = 2;
    struct fixture f = fixture_create(options);
    scheduler_hold_equal(f.scheduler, 1, 2);
    scheduler_join(f.scheduler, 0, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    must_fail(&f, 0, lease, 0, 0);
    scheduler_fail_held(f.scheduler, 1);
    cr_expect(not(scheduler_is_out_of_reach(f.scheduler)));
    scheduler_fail_held(f.scheduler, 2);
    cr_expect(scheduler_is_out_of_reach(f.scheduler));
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}
