/* Attempts that are stopped early: they end as a success when rank 0 says so, and have their grace.
 */
#include "scheduler_support.h"

/* Two workers of one slot each; instance 0 runs on the first, 1 on the second. */
static uint64_t leases[2];

static struct fixture begin(uint64_t size)
{
    struct scheduler_options options = options_of(size);
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    for (uint32_t i = 0; i < 2; i++) {
        scheduler_join(f.scheduler, i, 1);
        leases[i] = next_unit(&f, i, i, 1, 0);
    }
    return f;
}

static void stop(struct fixture *f, uint32_t worker)
{
    cr_assert(scheduler_holds(f->scheduler, worker, leases[worker], worker, 0));
    scheduler_stop_early(f->scheduler, worker, leases[worker], worker);
    cr_expect(scheduler_is_stopped_early(f->scheduler, worker, leases[worker], worker));
    const struct step step = next(f, SCHEDULER_END);
    cr_expect(eq(u32, step.action.worker, worker));
    cr_expect(eq(u64, step.action.lease, leases[worker]));
    cr_expect(eq(u64, step.action.index, worker));
}

static const char *abort_one(struct fixture *f, uint32_t worker)
{
    return fail(f, worker, leases[worker],
                (struct report_failure){.index = worker, .class = FAILURE_ABORTED});
}

Test(scheduler_stops, a_stopped_instance_is_a_success_at_once_and_holds_its_slot)
{
    struct fixture f = begin(3);
    stop(&f, 0);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).stopped_early, 1));
    expect_quiet(&f);
    cr_expect(not(scheduler_holds(f.scheduler, 0, leases[0], 0, 0)), "its reports come late");
    expect_reason(abort_one(&f, 0), "copy_over");
    cr_expect(not(scheduler_is_stopped_early(f.scheduler, 0, leases[0], 0)));
    (void)next_unit(&f, 0, 2, 1, 0);
    fixture_destroy(&f);
}

Test(scheduler_stops, whatever_its_attempt_comes_to_does_not_count)
{
    struct fixture f = begin(2);
    stop(&f, 0);
    stop(&f, 1);
    expect_reason(succeed(&f, 0, leases[0], (struct span){.start = 0, .count = 1}), "copy_over");
    expect_reason(
        fail(&f, 1, leases[1], (struct report_failure){.index = 1, .class = FAILURE_ERROR}),
        "copy_over");
    const struct ledger_counts counts = scheduler_counts(f.scheduler);
    cr_expect(eq(u64, counts.stopped_early, 2));
    cr_expect(eq(u64, counts.succeeded + counts.failed + counts.waiting, 0));
    cr_expect(scheduler_has_minimum(f.scheduler));
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler_stops, the_map_is_done_when_the_stopped_have_answered)
{
    struct fixture f = begin(2);
    must_succeed(&f, 1, leases[1], 1, 1);
    stop(&f, 0);
    expect_quiet(&f);
    expect_reason(abort_one(&f, 0), "copy_over");
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

static void charge(void *context, uint64_t index, struct ledger_fate fate)
{
    (void)context;
    (void)fate;
    cr_expect(not(eq(u64, index, 0)), "it has ended");
}

Test(scheduler_stops, a_worker_that_is_lost_takes_no_stop_back)
{
    struct fixture f = begin(2);
    const uint64_t running[] = {0};
    stop(&f, 0);
    scheduler_lose(f.scheduler, 0, running, 1, charge, NULL, 1);
    must_succeed(&f, 1, leases[1], 1, 1);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).stopped_early, 1));
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler_stops, one_that_has_ended_is_not_held_any_more)
{
    struct fixture f = begin(2);
    must_succeed(&f, 0, leases[0], 0, 1);
    cr_expect(not(scheduler_holds(f.scheduler, 0, leases[0], 0, 0)));
    cr_expect(not(scheduler_holds(f.scheduler, 1, leases[1], 1, 1)), "another attempt");
    cr_expect(not(scheduler_holds(f.scheduler, 9, leases[1], 1, 0)), "no such worker");
    cr_expect(scheduler_holds(f.scheduler, 1, leases[1], 1, 0));
    fixture_destroy(&f);
}

/* As at a target: what runs goes on, and an interruption after it is told again. */
Test(scheduler_stops, a_cancel_may_be_sent_again)
{
    struct fixture f = begin(3);
    scheduler_stop(f.scheduler);
    (void)next(&f, SCHEDULER_CANCEL);
    expect_quiet(&f);
    must_fail(&f, 0, leases[0], 0, 0);
    expect_quiet(&f);
    scheduler_cancel_again(f.scheduler);
    (void)next(&f, SCHEDULER_CANCEL);
    must_succeed(&f, 1, leases[1], 1, 1);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).succeeded, 1));
    fixture_destroy(&f);
}
