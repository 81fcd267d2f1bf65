#include "master/ledger.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <signal.h>

#define SPAN_MAX 16
#define K64 (UINT64_C(1) << 16)

static struct ledger *ledger_of(uint64_t size, uint64_t retries, uint64_t system_retries)
{
    struct ledger *ledger = NULL;
    cr_assert(eq(int,
                 ledger_create((struct ledger_options){.size = size,
                                                       .retries = retries,
                                                       .system_retries = system_retries},
                               &ledger),
                 STATUS_OK));
    return ledger;
}

static void expect_counts(const struct ledger *ledger, struct ledger_counts expected)
{
    const struct ledger_counts counts = ledger_counts(ledger);
    cr_expect(eq(u64, counts.ready, expected.ready));
    cr_expect(eq(u64, counts.leased, expected.leased));
    cr_expect(eq(u64, counts.waiting, expected.waiting));
    cr_expect(eq(u64, counts.succeeded, expected.succeeded));
    cr_expect(eq(u64, counts.cached, expected.cached));
    cr_expect(eq(u64, counts.failed, expected.failed));
    cr_expect(eq(u64, counts.timed_out, expected.timed_out));
    cr_expect(eq(u64, counts.aborted, expected.aborted));
    cr_expect(eq(u64, counts.to_come, expected.to_come));
}

static void expect_span(struct span span, uint64_t start, uint64_t count, uint64_t attempt)
{
    cr_expect(eq(u64, span.start, start));
    cr_expect(eq(u64, span.count, count));
    cr_expect(eq(u64, span.attempt, attempt));
}

/* Take one instance, which must be `index` at `attempt`. */
static void take_one(struct ledger *ledger, uint64_t index, uint64_t attempt)
{
    struct span span;
    cr_assert(eq(sz, ledger_take(ledger, 1, 0, false, &span, 1), 1));
    expect_span(span, index, 1, attempt);
}

static struct ledger_fate fail(struct ledger *ledger, uint64_t index, enum failure_class class)
{
    return ledger_fail(ledger, index, class, false, 0);
}

Test(ledger, at_first_every_instance_is_ready)
{
    struct ledger *ledger = ledger_of(10, 0, 0);
    expect_counts(ledger, (struct ledger_counts){.ready = 10});
    cr_expect(eq(u64, ledger_ended(ledger), 0));
    ledger_destroy(ledger);
    ledger_destroy(NULL);
}

Test(ledger, an_empty_map_has_nothing_to_take)
{
    struct ledger *ledger = ledger_of(0, 0, 0);
    struct span span;
    cr_expect(eq(sz, ledger_take(ledger, 1, 0, false, &span, 1), 0));
    ledger_destroy(ledger);
}

Test(ledger, a_take_is_one_span_of_the_lowest_instances)
{
    struct ledger *ledger = ledger_of(10, 0, 0);
    struct span spans[SPAN_MAX];
    cr_assert(eq(sz, ledger_take(ledger, 4, 0, false, spans, SPAN_MAX), 1));
    expect_span(spans[0], 0, 4, 0);
    cr_assert(eq(sz, ledger_take(ledger, 100, 0, false, spans, SPAN_MAX), 1));
    expect_span(spans[0], 4, 6, 0);
    cr_expect(eq(sz, ledger_take(ledger, 1, 0, false, spans, SPAN_MAX), 0));
    expect_counts(ledger, (struct ledger_counts){.leased = 10});
    ledger_destroy(ledger);
}

Test(ledger, maps_of_2_to_the_63_instances_cost_nothing_to_begin)
{
    struct ledger *ledger = ledger_of(INT64_MAX, 0, 0);
    struct span span;
    cr_assert(eq(sz, ledger_take(ledger, INT64_MAX - 1, 0, false, &span, 1), 1));
    cr_expect(eq(u64, span.count, INT64_MAX - 1));
    expect_counts(ledger, (struct ledger_counts){.ready = 1, .leased = INT64_MAX - 1});
    ledger_destroy(ledger);
}

Test(ledger, what_is_given_back_is_taken_first_and_at_the_same_attempt)
{
    struct ledger *ledger = ledger_of(10, 0, 0);
    struct span spans[SPAN_MAX];
    (void)ledger_take(ledger, 6, 0, false, spans, SPAN_MAX);
    ledger_give_back(ledger, 1, 2);
    ledger_give_back(ledger, 5, 1);
    expect_counts(ledger, (struct ledger_counts){.ready = 7, .leased = 3});
    cr_assert(eq(sz, ledger_take(ledger, 5, 0, false, spans, SPAN_MAX), 2));
    expect_span(spans[0], 1, 2, 0);
    expect_span(spans[1], 5, 3, 0); /* the returned 5, and the fresh 6 and 7 behind it */
    cr_expect(eq(u64, ledger_attempts(ledger, 1), 0));
    ledger_destroy(ledger);
}

/* Among them one instance whose next attempt is its second, which lies in a block of its own. */
Test(ledger, what_is_given_back_of_a_huge_unit_is_taken_as_runs)
{
    struct ledger *ledger = ledger_of(1000 * K64, 1, 0);
    struct span spans[SPAN_MAX];
    (void)ledger_take(ledger, 1000 * K64, 0, false, spans, SPAN_MAX);
    (void)fail(ledger, 500 * K64 - 1, FAILURE_ERROR);
    ledger_retry(ledger, 500 * K64 - 1);
    ledger_give_back(ledger, 0, 500 * K64 - 1);
    ledger_give_back(ledger, 500 * K64, 500 * K64);
    cr_assert(eq(sz, ledger_take(ledger, 999 * K64, 0, false, spans, SPAN_MAX), 3));
    expect_span(spans[0], 0, 500 * K64 - 1, 0);
    expect_span(spans[1], 500 * K64 - 1, 1, 1);
    expect_span(spans[2], 500 * K64, 499 * K64, 0);
    expect_counts(ledger, (struct ledger_counts){.ready = K64, .leased = 999 * K64});
    cr_assert(eq(sz, ledger_take(ledger, 1000 * K64, 0, false, spans, SPAN_MAX), 1));
    expect_span(spans[0], 999 * K64, K64, 0);
    ledger_destroy(ledger);
}

Test(ledger, a_take_stops_where_its_spans_are_full)
{
    struct ledger *ledger = ledger_of(10, 0, 0);
    struct span spans[SPAN_MAX];
    (void)ledger_take(ledger, 6, 0, false, spans, SPAN_MAX);
    ledger_give_back(ledger, 0, 1);
    ledger_give_back(ledger, 2, 1);
    ledger_give_back(ledger, 4, 1);
    cr_assert(eq(sz, ledger_take(ledger, 10, 0, false, spans, 2), 2));
    expect_span(spans[0], 0, 1, 0);
    expect_span(spans[1], 2, 1, 0);
    expect_counts(ledger, (struct ledger_counts){.ready = 5, .leased = 5});
    cr_assert(eq(sz, ledger_take(ledger, 10, 0, false, spans, 2), 2));
    expect_span(spans[0], 4, 1, 0);
    expect_span(spans[1], 6, 4, 0);
    ledger_destroy(ledger);
}

Test(ledger, neighbours_at_different_attempts_are_different_spans)
{
    struct ledger *ledger = ledger_of(3, 1, 0);
    struct span spans[SPAN_MAX];
    (void)ledger_take(ledger, 3, 0, false, spans, SPAN_MAX);
    (void)fail(ledger, 1, FAILURE_ERROR);
    ledger_retry(ledger, 1);
    ledger_give_back(ledger, 0, 1);
    ledger_give_back(ledger, 2, 1);
    cr_assert(eq(sz, ledger_take(ledger, 3, 0, false, spans, SPAN_MAX), 3));
    expect_span(spans[0], 0, 1, 0);
    expect_span(spans[1], 1, 1, 1);
    expect_span(spans[2], 2, 1, 0);
    ledger_destroy(ledger);
}

/* Goal: k retries are k + 1 attempts, each one number higher, for every width of counter. */
Test(ledger, retries_give_so_many_further_attempts)
{
    static const uint64_t budgets[] = {0, 1, 2, 3, 4, 15, 16, 255, UINT64_C(1) << 16};
    for (size_t i = 0; i < sizeof(budgets) / sizeof(*budgets); i++) {
        struct ledger *ledger = ledger_of(1, budgets[i], 0);
        for (uint64_t attempt = 0; attempt <= budgets[i]; attempt++) {
            take_one(ledger, 0, attempt);
            const struct ledger_fate fate = fail(ledger, 0, FAILURE_CRASH);
            cr_assert(eq(u64, fate.task_failures, attempt + 1));
            cr_assert(eq(u64, fate.attempts_max, budgets[i] + 1));
            cr_assert(eq(int, fate.is_final, attempt == budgets[i]));
            if (!fate.is_final) {
                expect_counts(ledger, (struct ledger_counts){.waiting = 1});
                ledger_retry(ledger, 0);
            }
        }
        expect_counts(ledger, (struct ledger_counts){.failed = 1});
        ledger_destroy(ledger);
    }
}

Test(ledger, no_budget_is_too_large)
{
    static const uint64_t budgets[] = {INT64_MAX, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof(budgets) / sizeof(*budgets); i++) {
        struct ledger *ledger = ledger_of(1, budgets[i], budgets[i]);
        for (uint64_t attempt = 0; attempt < 100; attempt++) {
            take_one(ledger, 0, attempt);
            const struct ledger_fate fate =
                fail(ledger, 0, attempt % 2 == 0 ? FAILURE_ERROR : FAILURE_LOST);
            cr_assert(not(fate.is_final));
            cr_assert(ge(u64, fate.attempts_max, budgets[i]));
            ledger_retry(ledger, 0);
        }
        ledger_destroy(ledger);
    }
}

Test(ledger, task_failures_and_system_failures_have_a_budget_each)
{
    struct ledger *ledger = ledger_of(1, 1, 2);
    static const enum failure_class classes[] = {FAILURE_LOST, FAILURE_ERROR, FAILURE_KILLED};
    for (uint64_t attempt = 0; attempt < 3; attempt++) {
        take_one(ledger, 0, attempt);
        cr_expect(not(fail(ledger, 0, classes[attempt]).is_final));
        ledger_retry(ledger, 0);
    }
    take_one(ledger, 0, 3);
    const struct ledger_fate fate = fail(ledger, 0, FAILURE_LOST);
    cr_expect(fate.is_final);
    cr_expect(eq(int, fate.state, INSTANCE_FAILED));
    cr_expect(eq(u64, fate.task_failures, 1));
    cr_expect(eq(u64, fate.system_failures, 3));
    cr_expect(eq(u64, fate.attempts_max, 4), "those that it had");
    cr_expect(eq(u64, ledger_attempts(ledger, 0), 4));
    ledger_destroy(ledger);
}

Test(ledger, a_permanent_task_failure_is_final_at_once)
{
    struct ledger *ledger = ledger_of(1, 5, 5);
    take_one(ledger, 0, 0);
    const struct ledger_fate fate = ledger_fail(ledger, 0, FAILURE_ERROR, true, 0);
    cr_expect(fate.is_final);
    cr_expect(eq(int, fate.state, INSTANCE_FAILED));
    expect_counts(ledger, (struct ledger_counts){.failed = 1});
    ledger_destroy(ledger);
}

Test(ledger, a_system_failure_cannot_be_permanent)
{
    struct ledger *ledger = ledger_of(1, 0, 1);
    take_one(ledger, 0, 0);
    cr_expect(not(ledger_fail(ledger, 0, FAILURE_LOST, true, 0).is_final));
    ledger_destroy(ledger);
}

Test(ledger, the_last_failure_names_the_state_that_an_instance_ends_in)
{
    for (int class = 0; class < FAILURE_ABORTED; class ++) {
        struct ledger *ledger = ledger_of(1, 0, 0);
        take_one(ledger, 0, 0);
        const struct ledger_fate fate = fail(ledger, 0, (enum failure_class) class);
        const bool is_timeout = class == FAILURE_TIMEOUT;
        cr_expect(fate.is_final);
        cr_expect(eq(int, fate.state, is_timeout ? INSTANCE_TIMED_OUT : INSTANCE_FAILED));
        expect_counts(ledger, (struct ledger_counts){.failed = is_timeout ? 0 : 1,
                                                     .timed_out = is_timeout ? 1 : 0});
        cr_expect(eq(u64, ledger_ended(ledger), 1));
        ledger_destroy(ledger);
    }
}

Test(ledger, an_aborted_attempt_ends_its_instance_and_uses_no_budget)
{
    struct ledger *ledger = ledger_of(2, 0, 0);
    take_one(ledger, 0, 0);
    ledger_abort(ledger, 0);
    expect_counts(ledger, (struct ledger_counts){.ready = 1, .aborted = 1});
    cr_expect(eq(u64, ledger_attempts(ledger, 0), 0));
    cr_expect(eq(u64, ledger_ended(ledger), 1));
    ledger_destroy(ledger);
}

Test(ledger, an_instance_between_attempts_cannot_be_taken)
{
    struct ledger *ledger = ledger_of(1, 1, 0);
    struct span span;
    take_one(ledger, 0, 0);
    (void)fail(ledger, 0, FAILURE_ERROR);
    cr_expect(eq(sz, ledger_take(ledger, 1, 0, false, &span, 1), 0));
    ledger_retry(ledger, 0);
    take_one(ledger, 0, 1);
    ledger_succeed(ledger, 0, 1);
    expect_counts(ledger, (struct ledger_counts){.succeeded = 1});
    ledger_destroy(ledger);
}

/* Method: 0 failed on worker 7. */
Test(ledger, an_instance_whose_next_attempt_runs_already_is_leased_again)
{
    struct ledger *ledger = ledger_of(1, 1, 0);
    take_one(ledger, 0, 0);
    const struct ledger_fate fate = ledger_fail(ledger, 0, FAILURE_ERROR, false, 0);
    cr_assert(not(fate.is_final));
    ledger_resume(ledger, 0);
    expect_counts(ledger, (struct ledger_counts){.leased = 1});
    cr_expect(eq(u64, ledger_attempts(ledger, 0), 1));
    ledger_succeed(ledger, 0, 1);
    expect_counts(ledger, (struct ledger_counts){.succeeded = 1});
    ledger_destroy(ledger);
}

Test(ledger, a_retry_is_passed_over_for_the_worker_on_which_it_failed)
{
    struct ledger *ledger = ledger_of(3, 1, 0);
    struct span spans[SPAN_MAX];
    take_one(ledger, 0, 0);
    (void)ledger_fail(ledger, 0, FAILURE_ERROR, false, 7);
    ledger_retry(ledger, 0);
    cr_assert(eq(sz, ledger_take(ledger, 1, 7, true, spans, SPAN_MAX), 1));
    expect_span(spans[0], 1, 1, 0);
    cr_assert(eq(sz, ledger_take(ledger, 2, 8, true, spans, SPAN_MAX), 2));
    expect_span(spans[0], 0, 1, 1);
    expect_span(spans[1], 2, 1, 0);
    ledger_destroy(ledger);
}

Test(ledger, a_worker_gets_its_own_failures_back_where_it_may_not_pass_over)
{
    struct ledger *ledger = ledger_of(1, 1, 0);
    struct span span;
    take_one(ledger, 0, 0);
    (void)ledger_fail(ledger, 0, FAILURE_ERROR, false, 7);
    ledger_retry(ledger, 0);
    cr_expect(eq(sz, ledger_take(ledger, 1, 7, true, &span, 1), 0));
    cr_expect(eq(sz, ledger_take(ledger, 1, 7, false, &span, 1), 1));
    ledger_destroy(ledger);
}

/* Goal: nothing is special about instances beside a border of the packed counters. */
Test(ledger, attempts_are_kept_on_both_sides_of_a_block_border)
{
    struct ledger *ledger = ledger_of(2 * K64, 3, 3);
    struct span span;
    (void)ledger_take(ledger, 2 * K64, 0, false, &span, 1);
    for (uint64_t index = K64 - 2; index < K64 + 2; index++) {
        for (uint64_t i = 0; i < index - (K64 - 2); i++) {
            (void)fail(ledger, index, FAILURE_ERROR);
            ledger_retry(ledger, index);
            cr_assert(eq(sz, ledger_take(ledger, 1, 0, false, &span, 1), 1));
            expect_span(span, index, 1, i + 1);
        }
    }
    for (uint64_t index = K64 - 2; index < K64 + 2; index++) {
        cr_expect(eq(u64, ledger_attempts(ledger, index), index - (K64 - 2)));
    }
    cr_expect(eq(u64, ledger_attempts(ledger, 0), 0));
    cr_expect(eq(u64, ledger_attempts(ledger, 2 * K64 - 1), 0));
    ledger_destroy(ledger);
}

/* Method: of six, one succeeded, one failed for good, one was aborted after a failure, one waits
 * for its retry, one is ready for it, one was never taken. */
Test(ledger, begun_are_those_that_have_not_ended_but_had_an_attempt)
{
    struct ledger *ledger = ledger_of(6, 1, 0);
    struct span span;
    cr_expect(eq(u64, ledger_begun(ledger), 0));
    (void)ledger_take(ledger, 5, 0, false, &span, 1);
    ledger_succeed(ledger, 0, 1);
    (void)ledger_fail(ledger, 1, FAILURE_ERROR, true, 0);
    (void)fail(ledger, 2, FAILURE_ERROR);
    ledger_retry(ledger, 2);
    (void)ledger_take(ledger, 1, 0, false, &span, 1);
    ledger_abort(ledger, 2);
    (void)fail(ledger, 3, FAILURE_ERROR);
    (void)fail(ledger, 4, FAILURE_ERROR);
    ledger_retry(ledger, 4);
    cr_expect(eq(u64, ledger_begun(ledger), 2));
    ledger_destroy(ledger);
}

/* ---- Growth ---------------------------------------------------------------------------------- */

/* Method: 0 fails for its memory twice, 1 once and once otherwise, 2 otherwise. */
static void expect_growths(bool is_mem_growing, const uint64_t expected[3])
{
    static const enum failure_class classes[][3] = {
        {FAILURE_MEMORY, FAILURE_MEMORY, FAILURE_ERROR},
        {FAILURE_MEMORY, FAILURE_LOST, FAILURE_TIMEOUT}};
    const struct ledger_options options = {
        .size = 4, .retries = 5, .system_retries = 5, .is_mem_growing = is_mem_growing};
    struct ledger *ledger = NULL;
    struct span spans[SPAN_MAX];
    cr_assert(eq(int, ledger_create(options, &ledger), STATUS_OK));
    for (size_t round = 0; round < 2; round++) {
        (void)ledger_take(ledger, 3, 0, false, spans, SPAN_MAX);
        for (uint64_t i = 0; i < 3; i++) {
            (void)fail(ledger, i, classes[round][i]);
            ledger_retry(ledger, i);
        }
    }
    uint64_t index = 0;
    const size_t span_count = ledger_take(ledger, 4, 0, false, spans, SPAN_MAX);
    for (size_t i = 0; i < span_count; i++) {
        for (uint64_t k = 0; k < spans[i].count; k++, index++) {
            cr_expect(eq(u64, spans[i].start + k, index));
            cr_expect(eq(u64, spans[i].growth, index < 3 ? expected[index] : 0));
            cr_expect(eq(u64, spans[i].attempt, index < 3 ? 2 : 0));
        }
    }
    cr_expect(eq(u64, index, 4));
    ledger_destroy(ledger);
}

Test(ledger, failures_for_memory_are_told_as_growth)
{
    expect_growths(true, (const uint64_t[]){2, 1, 0});
}

Test(ledger, where_memory_does_not_grow_none_is_told_and_no_span_is_cut_for_it)
{
    expect_growths(false, (const uint64_t[]){0, 0, 0});
}

Test(ledger, what_has_grown_keeps_it_when_it_is_given_back)
{
    const struct ledger_options options = {.size = 2, .retries = 1, .is_mem_growing = true};
    struct ledger *ledger = NULL;
    struct span spans[SPAN_MAX];
    cr_assert(eq(int, ledger_create(options, &ledger), STATUS_OK));
    (void)ledger_take(ledger, 2, 0, false, spans, SPAN_MAX);
    (void)fail(ledger, 0, FAILURE_MEMORY);
    ledger_retry(ledger, 0);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(sz, ledger_take(ledger, 1, 0, false, spans, SPAN_MAX), 1));
        expect_span(spans[0], 0, 1, 1);
        cr_expect(eq(u64, spans[0].growth, 1));
        ledger_give_back(ledger, 0, 1);
    }
    ledger_destroy(ledger);
}

/* ---- What need not run ----------------------------------------------------------------------- */

Test(ledger, what_is_cached_has_ended_and_is_never_taken)
{
    struct span spans[SPAN_MAX];
    struct ledger *ledger = ledger_of(10, 0, 0);
    ledger_cache(ledger, 2, 3, false); /* ahead of what was taken */
    ledger_cache(ledger, 0, 1, false); /* and behind that */
    ledger_cache(ledger, 7, 1, false);
    expect_counts(ledger, (struct ledger_counts){.ready = 5, .cached = 5});
    cr_expect(eq(u64, ledger_ended(ledger), 5));
    cr_assert(eq(sz, ledger_take(ledger, 100, 0, false, spans, SPAN_MAX), 3));
    expect_span(spans[0], 1, 1, 0);
    expect_span(spans[1], 5, 2, 0);
    expect_span(spans[2], 8, 2, 0);
    ledger_destroy(ledger);
}

Test(ledger, a_map_of_hits_alone_has_ended)
{
    struct ledger *ledger = ledger_of(UINT64_C(1) << 33, 0, 0);
    ledger_cache(ledger, 0, UINT64_C(1) << 33, false);
    expect_counts(ledger, (struct ledger_counts){.cached = UINT64_C(1) << 33});
    cr_expect(eq(u64, ledger_ended(ledger), UINT64_C(1) << 33));
    ledger_destroy(ledger);
}

Test(ledger, what_is_held_is_not_taken_until_it_is_to_run)
{
    struct span span;
    struct ledger *ledger = ledger_of(4, 0, 0);
    ledger_hold(ledger, 1, 2);
    expect_counts(ledger, (struct ledger_counts){.ready = 2, .waiting = 2});
    take_one(ledger, 0, 0);
    take_one(ledger, 3, 0);
    cr_expect(eq(sz, ledger_take(ledger, 4, 0, false, &span, 1), 0));
    ledger_retry(ledger, 1);
    take_one(ledger, 1, 0);
    ledger_cache(ledger, 2, 1, true);
    expect_counts(ledger, (struct ledger_counts){.leased = 3, .cached = 1});
    cr_expect(eq(u64, ledger_begun(ledger), 0));
    ledger_destroy(ledger);
}

Test(ledger, what_is_held_may_share_a_failure_without_an_attempt)
{
    struct ledger *ledger = ledger_of(2, 0, 0);
    ledger_hold(ledger, 1, 1);
    take_one(ledger, 0, 0);
    (void)ledger_fail(ledger, 0, FAILURE_ERROR, true, 0);
    ledger_fail_held(ledger, 1);
    expect_counts(ledger, (struct ledger_counts){.failed = 2});
    cr_expect(eq(u64, ledger_attempts(ledger, 1), 0));
    ledger_destroy(ledger);
}

Test(ledger, a_hit_of_what_is_not_held_is_a_bug_that_asserts, .signal = SIGABRT)
{
    struct ledger *ledger = ledger_of(1, 0, 0);
    cr_redirect_stderr();
    ledger_cache(ledger, 0, 1, true);
}

Test(ledger, a_success_of_what_was_never_taken_is_a_bug_that_asserts, .signal = SIGABRT)
{
    struct ledger *ledger = ledger_of(10, 0, 0);
    cr_redirect_stderr();
    take_one(ledger, 0, 0);
    ledger_succeed(ledger, 5, 1);
}

Test(ledger, a_retry_of_what_does_not_wait_is_a_bug_that_asserts, .signal = SIGABRT)
{
    struct ledger *ledger = ledger_of(10, 0, 0);
    cr_redirect_stderr();
    ledger_retry(ledger, 0);
}

/* ---- Instances that come while the map runs
 * ------------------------------------------------------
 */

Test(ledger, what_has_not_come_is_none_of_the_ready)
{
    struct ledger *ledger = NULL;
    const struct ledger_options options = {.size = 10, .comes_later = true};
    struct span span;
    cr_assert(eq(int, ledger_create(options, &ledger), STATUS_OK));
    expect_counts(ledger, (struct ledger_counts){.to_come = 10});
    cr_expect(eq(sz, ledger_take(ledger, 5, 0, false, &span, 1), 0));
    ledger_raise(ledger, 4);
    expect_counts(ledger, (struct ledger_counts){.ready = 4, .to_come = 6});
    cr_assert(eq(sz, ledger_take(ledger, 9, 0, false, &span, 1), 1));
    expect_span(span, 0, 4, 0);
    expect_counts(ledger, (struct ledger_counts){.leased = 4, .to_come = 6});
    cr_expect(eq(u64, ledger_available(ledger), 4));
    ledger_destroy(ledger);
}

Test(ledger, what_had_come_cannot_be_taken_away, .signal = SIGABRT)
{
    struct ledger *ledger = NULL;
    const struct ledger_options options = {.size = 10, .comes_later = true};
    cr_redirect_stderr();
    cr_assert(eq(int, ledger_create(options, &ledger), STATUS_OK));
    ledger_raise(ledger, 4);
    ledger_raise(ledger, 3);
}
