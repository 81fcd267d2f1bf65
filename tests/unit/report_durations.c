#include "cli/report_durations.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(report_durations, classes_ascend_without_gaps)
{
    size_t before = 0;
    for (uint64_t us = 0; us < 100000; us++) {
        const size_t class = report_class_of(us);
        cr_assert(class == before || class == before + 1, "%lu", us);
        cr_assert(report_class_start_us(class) <= us);
        cr_assert(us < report_class_start_us(class + 1));
        before = class;
    }
    cr_expect(lt(sz, report_class_of(UINT64_MAX), REPORT_CLASS_COUNT));
}

Test(report_durations, quantiles_are_right_to_a_sixteenth)
{
    struct report_durations durations = {.count = 0};
    for (uint64_t us = 1; us <= 10000; us++) {
        report_durations_add(&durations, us, 1);
    }
    const double parts[] = {0.1, 0.5, 0.9, 0.99};
    for (size_t i = 0; i < 4; i++) {
        const double found = (double)report_durations_quantile_us(&durations, parts[i]);
        cr_expect(found > parts[i] * 10000 * 15 / 16 && found < parts[i] * 10000 * 17 / 16,
                  "%g: %g", parts[i], found);
    }
    cr_expect(eq(u64, durations.shortest_us, 1));
    cr_expect(eq(u64, durations.longest_us, 10000));
}

Test(report_durations, attempts_that_were_timed_together_count_with_their_mean)
{
    struct report_durations durations = {.count = 0};
    report_durations_add(&durations, 1000, 4);
    report_durations_add(&durations, 9, 0);
    cr_expect(eq(u64, durations.count, 4));
    cr_expect(eq(u64, durations.sum_us, 1000));
    cr_expect(eq(u64, report_durations_quantile_us(&durations, 0.5), 250));
}

Test(report_durations, none_has_no_quantiles)
{
    const struct report_durations durations = {.count = 0};
    cr_expect(eq(u64, report_durations_quantile_us(&durations, 0.5), 0));
}
