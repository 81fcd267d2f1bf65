/* Second copies, as scheduler_copies.c has them. Two workers of one slot each; the map's last
 * instances run while nothing is left to hand out. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "master/scheduler.h"

#define LONG_US 1000000000
#define SIZE 4

struct fixture {
    struct scheduler *scheduler;
    struct scheduler_action action; /* the last one */
    struct span span;               /* the first of its unit */
    struct ledger_fate fate;        /* of the last failure */
    uint64_t original;              /* lease of the instance that lasts, on worker 0 */
    uint64_t copy;                  /* of its copy, on worker 1 */
};

static bool next(struct fixture *f)
{
    if (!scheduler_next(f->scheduler, 1, &f->action)) {
        return false;
    }
    if (f->action.kind == SCHEDULER_SEND_UNIT) {
        f->span = f->action.spans[0];
    }
    return true;
}

static void expect_quiet(struct fixture *f)
{
    cr_assert(not(next(f)), "action %d", (int)f->action.kind);
}

static void expect_unit(struct fixture *f, uint32_t worker, uint64_t start, uint64_t attempt)
{
    cr_assert(next(f));
    cr_assert(eq(int, f->action.kind, SCHEDULER_SEND_UNIT));
    cr_assert(eq(u32, f->action.worker, worker));
    cr_assert(eq(sz, f->action.span_count, 1));
    cr_assert(eq(u64, f->span.start, start));
    cr_assert(eq(u64, f->span.count, 1));
    cr_assert(eq(u64, f->span.attempt, attempt));
}

static void expect_end(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t index)
{
    cr_assert(next(f));
    cr_assert(eq(int, f->action.kind, SCHEDULER_END));
    cr_assert(eq(u32, f->action.worker, worker));
    cr_assert(eq(u64, f->action.lease, lease));
    cr_assert(eq(u64, f->action.index, index));
}

static void expect_done(struct fixture *f)
{
    cr_assert(next(f));
    cr_assert(eq(int, f->action.kind, SCHEDULER_DONE));
    expect_quiet(f);
}

static const char *succeed(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t index,
                           uint64_t attempt)
{
    const struct span span = {.start = index, .count = 1, .attempt = attempt};
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_count = 1,
                                       .elapsed_us = 1000};
    return scheduler_take_batch(f->scheduler, worker, lease, &batch, NULL, NULL, 1);
}

static const char *fail(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t attempt,
                        enum failure_class class)
{
    static const uint8_t none[1] = {0};
    const struct span span = {.start = 2, .count = 1, .attempt = attempt};
    const struct report_failure failure = {.index = 2, .attempt = attempt, .class = class};
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_bits = none,
                                       .elapsed_us = 1000};
    return scheduler_take_batch(f->scheduler, worker, lease, &batch, &failure, &f->fate, 1);
}

static void beat(struct fixture *f, uint32_t worker, uint64_t index, uint64_t elapsed_us)
{
    const struct wire_running running = {.index = index, .elapsed_us = elapsed_us};
    const struct wire_beat message = {.running = &running, .running_count = 1};
    scheduler_beat(f->scheduler, worker, &message, LONG_US);
}

static struct fixture fixture_create(uint64_t retries, bool is_speculative)
{
    struct fixture f = {0};
    const struct scheduler_options options = {
        .ledger = {.size = SIZE, .retries = retries, .system_retries = 1},
        .sizing = {.report_interval_us = 1},
        .minimum = SIZE,
        .policy = POLICY_RUN_ALL,
        .worker_count = 2,
        .is_speculative = is_speculative,
    };
    cr_assert(eq(int, scheduler_create(options, &f.scheduler), STATUS_OK));
    scheduler_join(f.scheduler, 0, 1);
    scheduler_join(f.scheduler, 1, 1);
    return f;
}

/* Instance 2 is left, on worker 0; worker 1 is idle. */
static struct fixture one_left(uint64_t retries, bool is_speculative)
{
    struct fixture f = fixture_create(retries, is_speculative);
    expect_unit(&f, 0, 0, 0);
    const uint64_t first = f.action.lease;
    expect_unit(&f, 1, 1, 0);
    const uint64_t second = f.action.lease;
    cr_assert(eq(ptr, (void *)(uintptr_t)succeed(&f, 0, first, 0, 0), NULL));
    expect_unit(&f, 0, 2, 0);
    f.original = f.action.lease;
    cr_assert(eq(ptr, (void *)(uintptr_t)succeed(&f, 1, second, 1, 0), NULL));
    expect_unit(&f, 1, 3, 0);
    cr_assert(eq(ptr, (void *)(uintptr_t)succeed(&f, 1, f.action.lease, 3, 0), NULL));
    expect_quiet(&f);
    return f;
}

/* And worker 1 runs a copy of it. */
static struct fixture race(uint64_t retries)
{
    struct fixture f = one_left(retries, true);
    beat(&f, 0, 2, LONG_US);
    expect_unit(&f, 1, 2, 1);
    f.copy = f.action.lease;
    expect_quiet(&f);
    cr_assert(eq(u64, scheduler_counts(f.scheduler).leased, 1));
    cr_assert(eq(u64, scheduler_held(f.scheduler, 1), 1));
    return f;
}

static void expect_taken(const char *reason)
{
    cr_assert(reason == NULL, "%s", reason == NULL ? "" : reason);
}

static void expect_over(const char *reason)
{
    cr_assert(reason == scheduler_copy_over, "%s", reason == NULL ? "taken" : reason);
}

/* ---- When ------------------------------------------------------------------------------------ */

Test(scheduler_copies, what_runs_for_long_at_the_end_gets_a_copy_on_an_idle_slot)
{
    struct fixture f = race(0);
    cr_expect(ne(u64, f.copy, f.original));
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_map_that_is_not_speculative_makes_none)
{
    struct fixture f = one_left(0, false);
    beat(&f, 0, 2, LONG_US);
    expect_quiet(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, what_is_not_well_past_the_median_gets_none)
{
    struct fixture f = one_left(0, true);
    beat(&f, 0, 2, 2000);   /* the median is 1 ms: too short a time to tell */
    beat(&f, 0, 2, 200000); /* far past the median, and still hardly worth a start */
    expect_quiet(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, while_something_can_be_handed_out_there_is_none)
{
    struct fixture f = fixture_create(0, true);
    expect_unit(&f, 0, 0, 0);
    expect_unit(&f, 1, 1, 0);
    beat(&f, 0, 0, LONG_US);
    cr_assert(eq(ptr, (void *)(uintptr_t)succeed(&f, 1, f.action.lease, 1, 0), NULL));
    expect_unit(&f, 1, 2, 0);
    expect_quiet(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, an_instance_has_at_most_one_copy)
{
    struct fixture f = race(0);
    beat(&f, 0, 2, 2 * (uint64_t)LONG_US);
    beat(&f, 1, 2, 2 * (uint64_t)LONG_US);
    expect_quiet(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_beat_that_names_what_does_not_run_there_changes_nothing)
{
    struct fixture f = one_left(0, true);
    beat(&f, 1, 2, LONG_US);
    beat(&f, 0, 3, LONG_US);
    beat(&f, 0, UINT64_MAX, LONG_US);
    beat(&f, 7, 2, LONG_US);
    expect_quiet(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_cap_on_concurrency_counts_copies)
{
    struct fixture f = {0};
    const struct scheduler_options options = {.ledger = {.size = 2},
                                              .sizing = {.report_interval_us = 1},
                                              .minimum = 2,
                                              .policy = POLICY_RUN_ALL,
                                              .concurrency = 1,
                                              .worker_count = 2,
                                              .is_speculative = true};
    cr_assert(eq(int, scheduler_create(options, &f.scheduler), STATUS_OK));
    scheduler_join(f.scheduler, 0, 1);
    scheduler_join(f.scheduler, 1, 1);
    expect_unit(&f, 0, 0, 0);
    expect_taken(succeed(&f, 0, f.action.lease, 0, 0));
    expect_unit(&f, 1, 1, 0);
    beat(&f, 1, 1, LONG_US);
    expect_quiet(&f);
    scheduler_destroy(f.scheduler);
}

/* ---- Who wins -------------------------------------------------------------------------------- */

Test(scheduler_copies, the_first_success_counts_and_the_original_is_ended)
{
    struct fixture f = race(0);
    expect_taken(succeed(&f, 1, f.copy, 2, 1));
    expect_end(&f, 0, f.original, 2);
    expect_done(&f);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).succeeded, SIZE));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 1)); /* until it answers */
    expect_over(fail(&f, 0, f.original, 0, FAILURE_ABORTED));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 0));
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, where_the_original_is_first_the_copy_is_ended)
{
    struct fixture f = race(0);
    expect_taken(succeed(&f, 0, f.original, 2, 0));
    expect_end(&f, 1, f.copy, 2);
    expect_done(&f);
    expect_over(fail(&f, 1, f.copy, 1, FAILURE_ABORTED));
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_success_of_the_loser_is_not_counted_again)
{
    struct fixture f = race(0);
    expect_taken(succeed(&f, 1, f.copy, 2, 1));
    expect_over(succeed(&f, 0, f.original, 2, 0));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).succeeded, SIZE));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 0));
    expect_done(&f); /* and nobody is told to end what has ended */
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_copy_is_recorded_under_the_number_of_the_attempt_that_it_doubles)
{
    struct fixture f = race(0);
    uint64_t attempt = 99;
    cr_expect(not(scheduler_is_copy(f.scheduler, 0, f.original, 2, &attempt)));
    cr_assert(scheduler_is_copy(f.scheduler, 1, f.copy, 2, &attempt));
    cr_expect(eq(u64, attempt, 0));
    scheduler_destroy(f.scheduler);
}

/* ---- Failures -------------------------------------------------------------------------------- */

Test(scheduler_copies, a_copy_that_fails_uses_no_budget_and_has_no_successor)
{
    struct fixture f = race(0);
    expect_over(fail(&f, 1, f.copy, 1, FAILURE_ERROR));
    cr_expect(eq(u64, ledger_attempts(scheduler_ledger(f.scheduler), 2), 0));
    beat(&f, 0, 2, LONG_US);
    expect_quiet(&f);
    expect_taken(succeed(&f, 0, f.original, 2, 0));
    expect_done(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, where_the_original_fails_the_copy_is_its_retry)
{
    struct fixture f = race(1);
    expect_taken(fail(&f, 0, f.original, 0, FAILURE_ERROR));
    cr_expect(not(f.fate.is_final));
    expect_quiet(&f);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).leased, 1));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).waiting, 0));
    uint64_t attempt;
    cr_assert(scheduler_is_copy(f.scheduler, 1, f.copy, 2, &attempt));
    cr_expect(eq(u64, attempt, 1));
    expect_taken(fail(&f, 1, f.copy, 1, FAILURE_ERROR)); /* and is charged as that */
    cr_expect(f.fate.is_final);
    cr_expect(eq(u64, f.fate.task_failures, 2));
    expect_done(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_final_failure_of_the_original_ends_the_copy)
{
    struct fixture f = race(0);
    expect_taken(fail(&f, 0, f.original, 0, FAILURE_ERROR));
    cr_expect(f.fate.is_final);
    expect_end(&f, 1, f.copy, 2);
    expect_done(&f);
    expect_over(succeed(&f, 1, f.copy, 2, 1));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).failed, 1));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).succeeded, SIZE - 1));
    scheduler_destroy(f.scheduler);
}

/* ---- Losses and answers ---------------------------------------------------------------------- */

static void count_charge(void *context, uint64_t index, struct ledger_fate fate)
{
    (void)index;
    (void)fate;
    ++*(unsigned *)context;
}

Test(scheduler_copies, a_lost_original_is_charged_and_the_copy_takes_its_place)
{
    struct fixture f = race(0);
    const uint64_t running[] = {2};
    unsigned charges = 0;
    scheduler_lose(f.scheduler, 0, running, 1, count_charge, &charges, 1);
    cr_expect(eq(uint, charges, 1));
    expect_quiet(&f);
    expect_taken(succeed(&f, 1, f.copy, 2, 1));
    expect_done(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_lost_copy_is_charged_to_nobody_and_may_be_made_again)
{
    struct fixture f = race(0);
    const uint64_t running[] = {2};
    unsigned charges = 0;
    scheduler_lose(f.scheduler, 1, running, 1, count_charge, &charges, 1);
    cr_expect(eq(uint, charges, 0));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).leased, 1));
    scheduler_join(f.scheduler, 1, 1);
    beat(&f, 0, 2, LONG_US);
    expect_unit(&f, 1, 2, 1);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_copy_that_comes_back_unstarted_leaves_the_original_alone)
{
    struct fixture f = race(0);
    const struct span span = {.start = 2, .count = 1, .attempt = 1};
    expect_taken(scheduler_take_returned(f.scheduler, 1, f.copy, &span, 1, 1));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).ready, 0));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).leased, 1));
    expect_taken(succeed(&f, 0, f.original, 2, 0));
    expect_done(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, an_original_that_comes_back_leaves_the_copy_in_its_place)
{
    struct fixture f = race(0);
    const struct span span = {.start = 2, .count = 1, .attempt = 0};
    expect_taken(scheduler_take_returned(f.scheduler, 0, f.original, &span, 1, 1));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).ready, 0));
    expect_taken(succeed(&f, 1, f.copy, 2, 1));
    expect_done(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_stop_ends_both_and_aborts_the_instance_once)
{
    struct fixture f = race(0);
    scheduler_stop(f.scheduler);
    cr_assert(next(&f));
    cr_assert(eq(int, f.action.kind, SCHEDULER_CANCEL));
    expect_over(fail(&f, 1, f.copy, 1, FAILURE_ABORTED));
    expect_taken(fail(&f, 0, f.original, 0, FAILURE_ABORTED));
    expect_done(&f);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).aborted, 1));
    scheduler_destroy(f.scheduler);
}

/* Goal: a frame is taken or refused whole. Method: the original runs in one batch with another
 * instance; its copy wins, and then the batch says that both have succeeded. */
Test(scheduler_copies, a_batch_in_which_the_loser_succeeds_is_refused_whole_and_the_rest_runs_again)
{
    struct fixture f = {0};
    const struct scheduler_options options = {.ledger = {.size = 4},
                                              .sizing = {.report_interval_us = 1, .unit_size = 2},
                                              .minimum = 4,
                                              .policy = POLICY_RUN_ALL,
                                              .worker_count = 2,
                                              .is_speculative = true};
    cr_assert(eq(int, scheduler_create(options, &f.scheduler), STATUS_OK));
    scheduler_join(f.scheduler, 0, 2);
    scheduler_join(f.scheduler, 1, 2);
    cr_assert(next(&f));
    const uint64_t pair = f.action.lease; /* 0 and 1, on worker 0 */
    cr_assert(eq(u64, f.span.count, 2));
    cr_assert(next(&f));
    expect_taken(succeed(&f, 1, f.action.lease, 2, 0));
    expect_taken(succeed(&f, 1, f.action.lease, 3, 0));
    beat(&f, 0, 0, LONG_US);
    expect_unit(&f, 1, 0, 1);
    expect_taken(succeed(&f, 1, f.action.lease, 0, 1));
    expect_end(&f, 0, pair, 0);

    const struct span both = {.start = 0, .count = 2};
    const struct report_batch batch = {
        .spans = &both, .span_count = 1, .instance_count = 2, .success_count = 2};
    expect_over(scheduler_take_batch(f.scheduler, 0, pair, &batch, NULL, NULL, 1));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).succeeded, 3));
    cr_assert(next(&f));
    cr_expect(eq(u64, f.span.start, 1));
    expect_taken(succeed(&f, f.action.worker, f.action.lease, 1, 0));
    expect_done(&f);
    scheduler_destroy(f.scheduler);
}

Test(scheduler_copies, a_loser_that_failed_in_a_batch_with_others_is_passed_over)
{
    struct fixture f = {0};
    const struct scheduler_options options = {.ledger = {.size = 4},
                                              .sizing = {.report_interval_us = 1, .unit_size = 2},
                                              .minimum = 4,
                                              .policy = POLICY_RUN_ALL,
                                              .worker_count = 2,
                                              .is_speculative = true};
    cr_assert(eq(int, scheduler_create(options, &f.scheduler), STATUS_OK));
    scheduler_join(f.scheduler, 0, 2);
    scheduler_join(f.scheduler, 1, 2);
    cr_assert(next(&f));
    const uint64_t pair = f.action.lease;
    cr_assert(next(&f));
    expect_taken(succeed(&f, 1, f.action.lease, 2, 0));
    expect_taken(succeed(&f, 1, f.action.lease, 3, 0));
    beat(&f, 0, 0, LONG_US);
    expect_unit(&f, 1, 0, 1);
    expect_taken(succeed(&f, 1, f.action.lease, 0, 1));
    expect_end(&f, 0, pair, 0);

    static const uint8_t second_only[1] = {2};
    const struct span both = {.start = 0, .count = 2};
    const struct report_failure failure = {.index = 0, .class = FAILURE_ERROR};
    const struct report_batch batch = {.spans = &both,
                                       .span_count = 1,
                                       .instance_count = 2,
                                       .success_count = 1,
                                       .success_bits = second_only};
    expect_taken(scheduler_take_batch(f.scheduler, 0, pair, &batch, &failure, &f.fate, 1));
    cr_expect(f.fate.is_superseded);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).succeeded, 4));
    expect_done(&f);
    scheduler_destroy(f.scheduler);
}
