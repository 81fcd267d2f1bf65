/* scheduler_support.h - what the tests of the scheduler share: to step one, and to report to it.
 */
#ifndef TESTS_UNIT_SCHEDULER_SUPPORT_H
#define TESTS_UNIT_SCHEDULER_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "master/scheduler.h"

#define UNUSED __attribute__((unused))

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

UNUSED static struct scheduler_options options_of(uint64_t size)
{
    return (struct scheduler_options){.ledger = {.size = size, .system_retries = 3},
                                      .sizing = {.report_interval_us = 1},
                                      .minimum = size,
                                      .policy = POLICY_RUN_ALL,
                                      .worker_count = 4};
}

UNUSED static struct fixture fixture_create(struct scheduler_options options)
{
    struct fixture f = {0};
    cr_assert(eq(int, scheduler_create(options, &f.scheduler), STATUS_OK));
    return f;
}

UNUSED static void fixture_destroy(struct fixture *f)
{
    scheduler_destroy(f->scheduler);
}

UNUSED static void expect_quiet(struct fixture *f)
{
    struct scheduler_action action;
    cr_assert(not(scheduler_next(f->scheduler, f->now_us, &action)));
}

UNUSED static struct step next(struct fixture *f, enum scheduler_action_kind kind)
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
UNUSED static uint64_t next_unit(struct fixture *f, uint32_t worker, uint64_t start, uint64_t count,
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

UNUSED static const char *send_batch(struct fixture *f, uint32_t worker, uint64_t lease,
                                     const struct report_batch *batch,
                                     const struct report_failure *failures)
{
    return scheduler_take_batch(f->scheduler, worker, lease, batch, failures, f->fates, f->now_us);
}

UNUSED static struct report_batch batch_of(const struct span *span)
{
    return (struct report_batch){.spans = span,
                                 .span_count = 1,
                                 .instance_count = span->count,
                                 .success_count = span->count,
                                 .elapsed_us = span->count * LONG_US};
}

/* A batch of successes. */
UNUSED static const char *succeed(struct fixture *f, uint32_t worker, uint64_t lease,
                                  struct span span)
{
    const struct report_batch batch = batch_of(&span);
    return send_batch(f, worker, lease, &batch, NULL);
}

/* A batch of one instance that failed. */
UNUSED static const char *fail(struct fixture *f, uint32_t worker, uint64_t lease,
                               struct report_failure failure)
{
    static const uint8_t no_bits[1] = {0};
    const struct span span = {.start = failure.index, .count = 1, .attempt = failure.attempt};
    struct report_batch batch = batch_of(&span);
    batch.success_count = 0;
    batch.success_bits = no_bits;
    return send_batch(f, worker, lease, &batch, &failure);
}

UNUSED static void expect_reason(const char *reason, const char *expected)
{
    const char *given = reason == NULL ? "none" : reason;
    cr_expect(eq(int, strcmp(given, expected), 0), "%s, not %s", given, expected);
}

UNUSED static void expect_taken(const char *reason)
{
    cr_assert(reason == NULL, "%s", reason == NULL ? "" : reason);
}

UNUSED static void must_succeed(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t start,
                                uint64_t count)
{
    expect_taken(succeed(f, worker, lease, (struct span){.start = start, .count = count}));
}

UNUSED static void must_fail(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t index,
                             uint64_t attempt)
{
    expect_taken(
        fail(f, worker, lease,
             (struct report_failure){.index = index, .attempt = attempt, .class = FAILURE_ERROR}));
}

UNUSED static void must_abort(struct fixture *f, uint32_t worker, uint64_t lease, uint64_t index)
{
    expect_taken(
        fail(f, worker, lease, (struct report_failure){.index = index, .class = FAILURE_ABORTED}));
}

UNUSED static const char *give_back(struct fixture *f, uint32_t worker, uint64_t lease,
                                    uint64_t start, uint64_t count)
{
    const struct span span = {.start = start, .count = count};
    return scheduler_take_returned(f->scheduler, worker, lease, &span, count > 0 ? 1 : 0,
                                   f->now_us);
}

UNUSED static void on_charged(void *context, uint64_t index, struct ledger_fate fate)
{
    struct fixture *f = context;
    f->fates[f->charged_count] = fate;
    f->charged[f->charged_count++] = index;
}

UNUSED static void lose(struct fixture *f, uint32_t worker, const uint64_t *running,
                        size_t running_count)
{
    f->charged_count = 0;
    scheduler_lose(f->scheduler, worker, running, running_count, on_charged, f, f->now_us);
}

UNUSED static struct ledger_counts counts(const struct fixture *f)
{
    return scheduler_counts(f->scheduler);
}

/* Everything that can be asked about a scheduler. */
struct view {
    struct ledger_counts counts;
    uint64_t held;
    uint64_t deadline_us;
};

UNUSED static struct view view_of(const struct fixture *f)
{
    return (struct view){.counts = scheduler_counts(f->scheduler),
                         .held = scheduler_held(f->scheduler, 0),
                         .deadline_us = scheduler_deadline_us(f->scheduler)};
}

UNUSED static void expect_unchanged(struct fixture *f, struct view before)
{
    const struct view after = view_of(f);
    cr_expect(eq(int, memcmp(&after, &before, sizeof(before)), 0));
    expect_quiet(f);
}

/* Worker 0 holds 0 to 7 at attempt 0 under the lease that is given; nobody else is there. */
UNUSED static struct fixture eight_leased(uint64_t *lease_out)
{
    struct scheduler_options options = options_of(20);
    options.ledger.retries = 1;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 8);
    *lease_out = next_unit(&f, 0, 0, 8, 0);
    return f;
}

#endif
