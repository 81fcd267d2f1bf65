#include "master/estimate.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define SECOND_US UINT64_C(1000000)

/* `count` instances a second, for so many seconds. */
static void run_evenly(struct estimate *estimate, uint64_t count, uint64_t seconds)
{
    for (uint64_t i = 1; i <= 10 * seconds; i++) {
        estimate_note(estimate, count * i / 10, i * SECOND_US / 10);
    }
}

Test(estimate, nothing_is_told_before_something_has_ended)
{
    struct estimate estimate;
    uint64_t earliest_us = 0;
    uint64_t latest_us = 0;
    estimate_begin(&estimate, 7, SECOND_US);
    cr_expect(eq(dbl, estimate_rate(&estimate), 0));
    estimate_note(&estimate, 7, 100 * SECOND_US);
    cr_expect(eq(dbl, estimate_rate(&estimate), 0));
    cr_expect(not(estimate_end_us(&estimate, 10, 2, &earliest_us, &latest_us)));
}

Test(estimate, of_even_tasks_it_is_narrow_and_right)
{
    for (uint64_t seconds = 3; seconds < 100000; seconds *= 7) {
        struct estimate estimate;
        uint64_t earliest_us = 0;
        uint64_t latest_us = 0;
        estimate_begin(&estimate, 0, 0);
        run_evenly(&estimate, 100, seconds);
        cr_expect(epsilon_eq(dbl, estimate_rate(&estimate), 100, 0.5));
        cr_assert(estimate_end_us(&estimate, 1000, 4, &earliest_us, &latest_us));
        cr_expect(le(u64, earliest_us, 10 * SECOND_US + 1));
        cr_expect(ge(u64, earliest_us, 98 * SECOND_US / 10));
        cr_expect(ge(u64, latest_us, 10 * SECOND_US - 1));
        cr_expect(le(u64, latest_us, 102 * SECOND_US / 10));
    }
}

/* Goal: where every tenth of a second is as good as any, but bursts alternate with nothing, the
 * truth lies within, and the ends are apart. */
Test(estimate, of_uneven_tasks_it_is_wide_and_holds_the_truth)
{
    struct estimate estimate;
    uint64_t earliest_us = 0;
    uint64_t latest_us = 0;
    uint64_t done = 0;
    estimate_begin(&estimate, 0, 0);
    for (uint64_t i = 1; i <= 100; i++) {
        done += i % 10 < 5 ? 0 : 20;
        estimate_note(&estimate, done, i * SECOND_US / 10);
    }
    cr_assert(estimate_end_us(&estimate, 10000, 4, &earliest_us, &latest_us));
    cr_expect(le(u64, earliest_us, 100 * SECOND_US));
    cr_expect(ge(u64, latest_us, 100 * SECOND_US));
    cr_expect(gt(u64, latest_us - earliest_us, 10 * SECOND_US));
}

Test(estimate, a_run_that_slows_down_may_end_by_its_first_rate_or_by_its_last)
{
    struct estimate estimate;
    uint64_t earliest_us = 0;
    uint64_t latest_us = 0;
    estimate_begin(&estimate, 0, 0);
    run_evenly(&estimate, 100, 10);
    for (uint64_t i = 1; i <= 100; i++) {
        estimate_note(&estimate, 1000 + i, (100 + i) * SECOND_US / 10);
    }
    cr_assert(estimate_end_us(&estimate, 100, 2, &earliest_us, &latest_us));
    cr_expect(le(u64, earliest_us, 2 * SECOND_US));
    cr_expect(ge(u64, latest_us, 10 * SECOND_US));
}

Test(estimate, of_the_last_that_run_nothing_is_told)
{
    struct estimate estimate;
    uint64_t earliest_us = 0;
    uint64_t latest_us = 0;
    estimate_begin(&estimate, 0, 0);
    run_evenly(&estimate, 100, 10);
    cr_expect(not(estimate_end_us(&estimate, 4, 4, &earliest_us, &latest_us)));
    cr_expect(not(estimate_end_us(&estimate, 0, 0, &earliest_us, &latest_us)));
    cr_expect(estimate_end_us(&estimate, 5, 4, &earliest_us, &latest_us));
}

Test(estimate, a_clock_that_stands_still_changes_nothing)
{
    struct estimate estimate;
    estimate_begin(&estimate, 0, SECOND_US);
    estimate_note(&estimate, 1000, SECOND_US);
    estimate_note(&estimate, 1000, 0);
    cr_expect(eq(dbl, estimate_rate(&estimate), 0));
    estimate_note(&estimate, 1000, 2 * SECOND_US);
    cr_expect(epsilon_eq(dbl, estimate_rate(&estimate), 1000, 0.1));
}
