#include "master/durations.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(durations, without_any_the_median_is_0)
{
    const struct durations durations = {0};
    cr_expect(eq(dbl, durations_median_us(&durations), 0));
}

/* Goal: the median is right to a class, over all orders of magnitude. */
Test(durations, the_median_is_right_to_a_fifth)
{
    for (double time_us = 8; time_us < 1e15; time_us *= 1.37) {
        struct durations durations = {0};
        durations_add(&durations, time_us, 7);
        durations_add(&durations, time_us * 1000, 6);
        const double median = durations_median_us(&durations);
        cr_expect(ge(dbl, median, time_us));
        cr_expect(le(dbl, median, time_us * 1.26));
    }
}

Test(durations, long_ones_do_not_move_the_median)
{
    struct durations durations = {0};
    durations_add(&durations, 1000, 1000000);
    durations_add(&durations, 1e12, 999999);
    cr_expect(lt(dbl, durations_median_us(&durations), 1300));
}

Test(durations, no_time_is_out_of_range)
{
    static const double times[] = {-1, 0, 0.001, 3.9, 1e18, 1e300};
    unsigned last = 0;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        const unsigned class = duration_class(times[i]);
        cr_expect(ge(uint, class, last));
        cr_expect(lt(uint, class, DURATION_CLASS_COUNT));
        last = class;
    }
}
