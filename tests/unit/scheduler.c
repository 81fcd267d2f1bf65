#include "master/scheduler.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define SPAN_MAX 64
#define INSTANCE_MAX 256

/* Nothing is measured to be short, so that a worker holds one instance a slot unless a unit's size
 * is fixed. */
#define LONG_US 1000000000

struct fixture {
    struct scheduler *scheduler;
    uint64_t now_us;
    struct ledger_fate fates[INSTANCE_MAX]; /* of the last batch */
    uint64_t charged[INSTANCE_MAX];         /* by the last loss */
    size_t charged_count;
};

/* An action, and a copy of the spans that it names. */
struct step {
    struct scheduler_action action;
    struct span spans[SPAN_MAX];
};

static struct scheduler_options options_of(uint64_t size)
{
    return (struct scheduler_options){.ledger = {.size = size, .system_retries = 3},
                                      .sizing = {.report_interval_us = 1},
                                      .minimum = size,
                                      .policy = POLICY_RUN_ALL,
                                      .worker_count = 4};
}

static struct fixture fixture_create(struct scheduler_options options)
{
    struct fixture f = {0};
    cr_assert(eq(int, scheduler_create(options, &f.scheduler), STATUS_OK));
    return f;
}

static void fixture_destroy(struct fixture *f)
{
    scheduler_destroy(f->scheduler);
}

static void expect_quiet(struct fixture *f)
{
    struct scheduler_action action;
    cr_assert(not(scheduler_next(f->scheduler, f->now_us, &action)));
}

static struct step next(struct fixture *f, enum scheduler_action_kind kind)
{
    struct step step = {0};
    cr_assert(scheduler_next(f->scheduler, f->now_us, &step.action));
    cr_assert(eq(int, step.action.kind, kind));
    cr_assert(le(sz, step.action.span_count, SPAN_MAX));
    if (kind == SCHEDULER_SEND_UNIT) {
        memcpy(step.spans, step.action.spans, step.action.span_count * sizeof(*step.spans));
    }
    return step;
}

/* The next action is one unit of one span: gives its lease. */
static uint64_t next_unit(struct fixture *f, uint32_t worker, uint64_t start, uint64_t count,
                          uint64_t attempt)
{
    const struct step step = next(f, SCHEDULER_SEND_UNIT);
    cr_assert(eq(u32, step.action.worker, worker));
    cr_assert(eq(sz, step.action.span_count, 1));
    cr_assert(eq(u64, step.spans[0].start, start));
    cr_assert(eq(u64, step.spans[0].count, count));
    cr_assert(eq(u64, step.spans[0].attempt, attempt));
    return step.action.lease;
}

static const char *send_batch(struct fixture *f, uint32_t worker, uint64_t lease,
                              const struct report_batch *batch,
                              const struct report_failure *failures)
{
    return scheduler_take_batch(f->scheduler, worker, lease, batch, failures, f->fates, f->now_us);
}

static struct report_batch batch_of(const struct span *span)
{
    return (struct report_batch){.spans = span,
                                 .span_count = 1,
                                 .instance_count = span->count,
                                 .success_count = span->count,
                                 .elapsed_us = span->count * LONG_US};
}

/* A batch of successes. */
static const char *succeed(struct fixture *f, uint32_t worker, uint64_t lease, struct span span)
{
    const struct report_batch batch = batch_of(&span);
    return send_batch(f, worker, lease, &batch, NULL);
}

/* A batch of one instance that failed. */
static const char *fail(struct fixture *f, uint32_t worker, uint64_t lease,
                        struct report_failure failure)
{
    static const uint8_t no_bits[1] = {0};
    const struct span span = {.start = failure.index, .count = 1, .attempt = failure.attempt};
    struct report_batch batch = batch_of(&span);
    batch.success_count = 0;
    batch.success_bits = no_bits;
    return send_batch(f, worker, lease, &batch, &failure);
}

static void expect_reason(const char *reason, const char *expected)
{
    const char *given = reason == NULL ? "none" : reason;
    cr_expect(eq(int, strcmp(given, expected), 0), "%s, not %s", given, expected);
}

static void expect_taken(const char *reason)
{
    cr_assert(reason == NULL, "%s", reason == NULL ? "" : reason);
}

static void must_succeed(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t start,
                         uint64_t count)
{
    expect_taken(succeed(f, worker, lease, (struct span){.start = start, .count = count}));
}

static void must_fail(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t index,
                      uint64_t attempt)
{
    expect_taken(
        fail(f, worker, lease,
             (struct report_failure){.index = index, .attempt = attempt, .class = FAILURE_ERROR}));
}

static void must_abort(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t index)
{
    expect_taken(
        fail(f, worker, lease, (struct report_failure){.index = index, .class = FAILURE_ABORTED}));
}

static const char *give_back(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t start,
                             uint64_t count)
{
    const struct span span = {.start = start, .count = count};
    return scheduler_take_returned(f->scheduler, worker, lease, &span, count > 0 ? 1 : 0,
                                   f->now_us);
}

static void on_charged(void *context, uint64_t index, struct ledger_fate fate)
{
    struct fixture *f = context;
    f->fates[f->charged_count] = fate;
    f->charged[f->charged_count++] = index;
}

static void lose(struct fixture *f, uint32_t worker, const uint64_t *running, size_t running_count)
{
    f->charged_count = 0;
    scheduler_lose(f->scheduler, worker, running, running_count, on_charged, f, f->now_us);
}

static struct ledger_counts counts(const struct fixture *f)
{
    return scheduler_counts(f->scheduler);
}

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

/* ---- Starts that are held, or lie apart ------------------------------------------------------ */

Test(scheduler, held_before_its_first_unit_it_hands_out_one_instance_and_no_more)
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

Test(scheduler, held_later_it_hands_out_and_moves_nothing)
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

Test(scheduler, with_a_delay_starts_lie_apart_and_the_first_does_not_wait)
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

Test(scheduler, with_a_delay_a_result_says_that_its_attempt_had_begun)
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

Test(scheduler, with_a_delay_a_retry_is_a_start_like_any_other)
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

Test(scheduler, with_a_delay_only_idle_slots_are_given_work)
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

Test(scheduler, with_a_delay_the_loss_of_who_was_to_start_holds_nobody_up)
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

Test(scheduler, a_beat_about_what_nobody_holds_is_ignored)
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

Test(scheduler, a_stop_from_outside_cancels_once_and_starts_nothing_more)
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

Test(scheduler, a_stop_with_nothing_leased_is_done_without_a_cancel)
{
    struct fixture f = fixture_create(options_of(4));
    scheduler_stop(f.scheduler);
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler, a_stopping_map_does_not_wait_for_retries)
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

/* ---- Retries ----------------------------------------------------------------------------------
 */

Test(scheduler, a_retry_has_the_next_attempt_number_until_its_budget_is_used_up)
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

Test(scheduler, a_permanent_failure_is_not_retried)
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
Test(scheduler, system_failures_do_not_use_the_budget_of_task_failures)
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

Test(scheduler, a_retry_goes_to_another_worker_when_one_is_free)
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
Test(scheduler, a_retry_is_left_for_another_worker_that_is_free_later_in_the_queue)
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

Test(scheduler, a_retry_goes_to_the_same_worker_when_it_is_alone)
{
    struct scheduler_options options = options_of(1);
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    must_fail(&f, 0, next_unit(&f, 0, 0, 1, 0), 0, 0);
    (void)next_unit(&f, 0, 0, 1, 1);
    fixture_destroy(&f);
}

Test(scheduler, the_delay_before_a_retry_doubles_up_to_64_times)
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

Test(scheduler, the_largest_retry_delay_does_not_overflow)
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

Test(scheduler, an_abort_of_a_map_that_goes_on_is_run_again_free_of_charge)
{
    struct fixture f = fixture_create(options_of(1));
    scheduler_join(f.scheduler, 0, 1);
    must_abort(&f, 0, next_unit(&f, 0, 0, 1, 0), 0);
    cr_expect(not(f.fates[0].is_final));
    (void)next_unit(&f, 0, 0, 1, 0);
    fixture_destroy(&f);
}

/* ---- Concurrency ------------------------------------------------------------------------------
 */

Test(scheduler, concurrency_is_a_rolling_window_in_index_order)
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

Test(scheduler, an_instance_between_attempts_holds_no_place_of_the_window)
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

Test(scheduler, a_window_narrower_than_a_fixed_unit_is_used_in_full)
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
Test(scheduler, a_window_that_one_worker_hoards_is_shared_with_one_that_is_idle)
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

/* ---- What is ignored --------------------------------------------------------------------------
 */

/* Everything that can be asked about a scheduler. */
struct view {
    struct ledger_counts counts;
    uint64_t held;
    uint64_t deadline_us;
};

static struct view view_of(const struct fixture *f)
{
    return (struct view){.counts = scheduler_counts(f->scheduler),
                         .held = scheduler_held(f->scheduler, 0),
                         .deadline_us = scheduler_deadline_us(f->scheduler)};
}

static void expect_unchanged(struct fixture *f, struct view before)
{
    const struct view after = view_of(f);
    cr_expect(eq(int, memcmp(&after, &before, sizeof(before)), 0));
    expect_quiet(f);
}

/* Worker 0 holds 0 to 7 at attempt 0 under the lease that is given; nobody else is there. */
static struct fixture eight_leased(uint64_t *lease_out)
{
    struct scheduler_options options = options_of(20);
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 8);
    *lease_out = next_unit(&f, 0, 0, 8, 0);
    return f;
}

Test(scheduler, a_doubled_batch_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    must_succeed(&f, 0, lease, 0, 1);
    (void)next_unit(&f, 0, 8, 1, 0);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 1}), "not_in_lease");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler, a_batch_of_a_lease_that_is_over_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    must_succeed(&f, 0, lease, 0, 8);
    (void)next_unit(&f, 0, 8, 8, 0);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 8}), "lease_not_current");
    expect_reason(succeed(&f, 0, 0, (struct span){.count = 8}), "lease_not_current");
    expect_reason(succeed(&f, 0, UINT64_MAX, (struct span){.count = 8}), "lease_not_current");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler, a_batch_of_another_worker_or_of_none_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 1, lease, (struct span){.count = 1}), "worker_not_present");
    expect_reason(succeed(&f, 4, lease, (struct span){.count = 1}), "worker_not_present");
    expect_reason(succeed(&f, UINT32_MAX, lease, (struct span){.count = 1}), "worker_not_present");
    expect_unchanged(&f, before);
    scheduler_join(f.scheduler, 1, 1);
    expect_reason(succeed(&f, 1, lease, (struct span){.count = 1}), "lease_not_current");
    fixture_destroy(&f);
}

/* Goal: instances that were given up must not count by the batch of their former holder. */
Test(scheduler, a_late_batch_of_a_lost_worker_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    lose(&f, 0, NULL, 0);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 8}), "worker_not_present");
    expect_unchanged(&f, before);
    scheduler_join(f.scheduler, 0, 8);
    const uint64_t again = next_unit(&f, 0, 0, 8, 0);
    cr_expect(ne(u64, again, lease));
    const struct view joined = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 8}), "lease_not_current");
    expect_unchanged(&f, joined);
    must_succeed(&f, 0, again, 0, 8);
    fixture_destroy(&f);
}

Test(scheduler, a_batch_of_another_attempt_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 1, .attempt = 1}), "not_in_lease");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

/* Goal: a batch that is partly wrong changes nothing, because its outputs are one frame. */
Test(scheduler, a_batch_is_refused_whole)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct span spans[] = {{.start = 0, .count = 2}, {.start = 7, .count = 2}};
    struct report_batch batch = {
        .spans = spans, .span_count = 2, .instance_count = 4, .success_count = 4};
    const struct view before = view_of(&f);
    expect_reason(send_batch(&f, 0, lease, &batch, NULL), "not_in_lease");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler, a_malformed_batch_is_ignored)
{
    static const struct span unsorted[] = {{.start = 4, .count = 1}, {.start = 0, .count = 1}};
    static const struct span overlapping[] = {{.start = 0, .count = 2}, {.start = 1, .count = 1}};
    static const struct span empty[] = {{.start = 0, .count = 0}};
    static const struct span outside[] = {{.start = 19, .count = 2}};
    static const struct span largest[] = {{.start = 1, .count = UINT64_MAX}};
    static const struct span one[] = {{.start = 0, .count = 1}};
    static const struct report_batch batches[] = {
        {.spans = unsorted, .span_count = 2, .instance_count = 2, .success_count = 2},
        {.spans = overlapping, .span_count = 2, .instance_count = 3, .success_count = 3},
        {.spans = empty, .span_count = 1},
        {.spans = outside, .span_count = 1, .instance_count = 2, .success_count = 2},
        {.spans = largest, .span_count = 1, .instance_count = UINT64_MAX, .success_count = 1},
        {.spans = one, .span_count = 1, .instance_count = 2, .success_count = 2},
        {.spans = one, .span_count = 1, .instance_count = 1, .success_count = 2},
        {.spans = one, .span_count = 0, .instance_count = 0, .success_count = 0},
    };
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
        expect_reason(send_batch(&f, 0, lease, &batches[i], NULL), "malformed");
        expect_unchanged(&f, before);
    }
    fixture_destroy(&f);
}

/* Method: of the batch 0 to 3, bits say that 1 and 2 failed. */
Test(scheduler, failures_that_do_not_fit_the_success_bits_are_refused)
{
    static const uint8_t bits[] = {0x09};
    static const struct span span = {.start = 0, .count = 4};
    static const struct report_failure wrong[][2] = {
        {{.index = 2}, {.index = 1}},
        {{.index = 0}, {.index = 1}},
        {{.index = 1}, {.index = 1}},
        {{.index = 1}, {.index = 2, .attempt = 1}},
    };
    struct report_batch batch = batch_of(&span);
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    batch.success_bits = bits;
    batch.success_count = 2;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        expect_reason(send_batch(&f, 0, lease, &batch, wrong[i]), "failures_differ");
        expect_unchanged(&f, before);
    }
    static const struct report_failure right[] = {{.index = 1}, {.index = 2}, {.index = 3}};
    for (uint64_t successes = 0; successes <= 4; successes++) {
        batch.success_count = successes; /* the bits say two */
        if (successes != 2) {
            expect_reason(send_batch(&f, 0, lease, &batch, right), "failures_differ");
        }
    }
    batch.success_bits = NULL;
    batch.success_count = 3;
    expect_reason(send_batch(&f, 0, lease, &batch, right), "failures_differ");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler, a_batch_of_successes_and_failures_is_taken_in_order)
{
    static const uint8_t bits[] = {0x09};
    static const struct span span = {.start = 0, .count = 4};
    static const struct report_failure failures[] = {
        {.index = 1, .class = FAILURE_ERROR},
        {.index = 2, .class = FAILURE_TIMEOUT, .is_permanent = true},
    };
    struct report_batch batch = batch_of(&span);
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    batch.success_bits = bits;
    batch.success_count = 2;
    expect_taken(send_batch(&f, 0, lease, &batch, failures));
    cr_expect(not(f.fates[0].is_final));
    cr_expect(f.fates[1].is_final);
    cr_expect(eq(int, f.fates[1].state, INSTANCE_TIMED_OUT));
    cr_expect(eq(u64, counts(&f).succeeded, 2));
    cr_expect(eq(u64, counts(&f).timed_out, 1));
    cr_expect(eq(u64, counts(&f).leased, 4));
    fixture_destroy(&f);
}

/* ---- Recalls ----------------------------------------------------------------------------------
 */

/* Worker 0, of one slot, holds 0 to 9 and 10 to 19, which is all there is; worker 1 is idle. */
static struct fixture twenty_hoarded(uint64_t leases_out[2])
{
    struct scheduler_options options = options_of(20);
    options.sizing.unit_size = 10;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    leases_out[0] = next_unit(&f, 0, 0, 10, 0);
    leases_out[1] = next_unit(&f, 0, 10, 10, 0);
    expect_quiet(&f);
    scheduler_join(f.scheduler, 1, 1);
    return f;
}

Test(scheduler, what_has_not_started_is_recalled_for_an_idle_worker)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    const struct step recall = next(&f, SCHEDULER_RECALL);
    cr_expect(eq(u32, recall.action.worker, 0));
    cr_expect(eq(u64, recall.action.lease, leases[1]));
    cr_expect(ge(u64, recall.action.count, 1));
    cr_expect(lt(u64, recall.action.count, 20));
    expect_quiet(&f); /* one at a time */
    expect_taken(give_back(&f, 0, leases[1], 15, 5));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 15));
    (void)next_unit(&f, 1, 15, 5, 0);
    fixture_destroy(&f);
}

Test(scheduler, what_was_returned_counts_only_from_its_new_holder)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 15, 5));
    const uint64_t lease = next_unit(&f, 1, 15, 5, 0);
    const struct span span = {.start = 15, .count = 5};
    expect_reason(succeed(&f, 0, leases[1], span), "not_in_lease");
    must_succeed(&f, 1, lease, 15, 5);
    cr_expect(eq(u64, counts(&f).succeeded, 5));
    fixture_destroy(&f);
}

Test(scheduler, a_recall_answered_with_nothing_is_not_repeated_until_the_next_batch)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 0, 0));
    expect_quiet(&f);
    f.now_us += LONG_US;
    expect_quiet(&f);
    must_succeed(&f, 0, leases[0], 0, 1);
    (void)next(&f, SCHEDULER_RECALL);
    fixture_destroy(&f);
}

Test(scheduler, a_recall_that_its_lease_outran_can_be_followed_by_another)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    must_succeed(&f, 0, leases[1], 10, 10);
    expect_reason(give_back(&f, 0, leases[1], 0, 0), "lease_not_current");
    const struct step recall = next(&f, SCHEDULER_RECALL);
    cr_expect(eq(u64, recall.action.lease, leases[0]));
    fixture_destroy(&f);
}

/* Method: worker 0 gives back all of both leases, more than it was asked for. */
Test(scheduler, a_worker_that_gave_everything_back_gets_work_again)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 10, 10));
    (void)next_unit(&f, 1, 10, 10, 0);
    expect_taken(give_back(&f, 0, leases[0], 0, 10));
    (void)next_unit(&f, 0, 0, 10, 0);
    fixture_destroy(&f);
}

Test(scheduler, short_work_is_not_worth_a_recall)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    const struct span span = {.count = 10};
    struct report_batch batch = batch_of(&span);
    batch.elapsed_us = 100; /* 10 us each: the other ten are no 2 ms */
    expect_taken(send_batch(&f, 0, leases[0], &batch, NULL));
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler, an_answer_that_makes_no_sense_is_ignored)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    must_succeed(&f, 0, leases[1], 10, 1);
    const struct span unsorted[] = {{.start = 15, .count = 1}, {.start = 14, .count = 1}};
    const struct view before = view_of(&f);
    expect_reason(give_back(&f, 0, leases[1], 10, 1), "not_in_lease");
    expect_reason(give_back(&f, 0, leases[1], 0, 1), "not_in_lease");
    expect_reason(give_back(&f, 0, leases[1], 19, 2), "malformed");
    expect_reason(give_back(&f, 0, leases[1], 11, UINT64_MAX), "malformed");
    expect_reason(give_back(&f, 0, leases[1] + 1, 11, 1), "lease_not_current");
    expect_reason(give_back(&f, 1, leases[1], 11, 1), "lease_not_current");
    expect_reason(give_back(&f, 2, leases[1], 11, 1), "worker_not_present");
    expect_reason(give_back(&f, 9, leases[1], 11, 1), "worker_not_present");
    expect_reason(scheduler_take_returned(f.scheduler, 0, leases[1], unsorted, 2, 0), "malformed");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler, a_doubled_answer_is_ignored)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 15, 5));
    (void)next_unit(&f, 1, 15, 5, 0);
    const struct ledger_counts before = counts(&f);
    expect_reason(give_back(&f, 0, leases[1], 15, 5), "not_in_lease");
    const struct ledger_counts after = counts(&f);
    cr_expect(eq(int, memcmp(&before, &after, sizeof(after)), 0));
    fixture_destroy(&f);
}

/* ---- Losses -----------------------------------------------------------------------------------
 */

/* Method: of eight, 0 was reported, 1 and 3 run; the beat that says so also names 0, and an
 * instance that the worker never had. */
Test(scheduler, a_lost_worker_is_charged_only_for_what_was_running)
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

Test(scheduler, losses_end_an_instance_only_when_its_system_budget_is_used_up)
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

Test(scheduler, what_was_not_running_may_be_lost_any_number_of_times)
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

Test(scheduler, losing_a_worker_twice_or_one_that_never_joined_changes_nothing)
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
Test(scheduler, a_lost_worker_has_no_share_of_the_window)
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
Test(scheduler, a_worker_that_joins_again_starts_anew)
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

Test(scheduler, a_loss_while_stopping_leads_to_done)
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

Test(scheduler, work_of_a_lost_worker_goes_to_one_that_was_idle_all_along)
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
