#include "shared/report.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

TestSuite(report, .timeout = 20);

#define BATCH(...)                                                                                 \
    {                                                                                              \
        .spans = (const struct span[]){__VA_ARGS__},                                               \
        .span_count = sizeof((const struct span[]){__VA_ARGS__}) / sizeof(struct span)             \
    }

static void expect_runs(const struct report_batch *batch, const struct report_run *runs,
                        size_t count)
{
    struct report_run_walk walk = {.span = 0};
    struct report_run run;
    for (size_t i = 0; i < count; i++) {
        cr_assert(report_next_run(batch, &walk, &run));
        cr_expect(eq(u64, run.start, runs[i].start));
        cr_expect(eq(u64, run.count, runs[i].count));
    }
    cr_expect(not(report_next_run(batch, &walk, &run)));
    cr_expect(eq(u64, report_run_count(batch), count));
}

Test(report, spans_that_touch_are_one_run)
{
    const struct report_batch batch = BATCH(
        {.start = 3, .count = 2}, {.start = 5, .count = 1, .attempt = 1}, {.start = 7, .count = 4});
    const struct report_run runs[] = {{3, 3}, {7, 4}};
    expect_runs(&batch, runs, 2);
}

Test(report, a_failure_ends_a_run)
{
    const uint8_t bits[] = {0xd6}; /* 0 1 1 0 1 0 1 1 */
    struct report_batch batch = BATCH({.start = 10, .count = 5}, {.start = 15, .count = 3});
    batch.success_bits = bits;
    const struct report_run runs[] = {{11, 2}, {14, 1}, {16, 2}};
    expect_runs(&batch, runs, 3);
}

Test(report, a_run_goes_on_over_a_border_where_both_sides_succeed)
{
    const uint8_t bits[] = {0x1c}; /* 0 0 1 1 1 */
    struct report_batch batch = BATCH({.start = 0, .count = 3}, {.start = 3, .count = 2});
    batch.success_bits = bits;
    const struct report_run runs[] = {{2, 3}};
    expect_runs(&batch, runs, 1);
}

Test(report, without_a_success_there_is_no_run)
{
    const uint8_t bits[] = {0};
    struct report_batch batch = BATCH({.start = 0, .count = 3});
    batch.success_bits = bits;
    expect_runs(&batch, NULL, 0);
}

Test(report, partial_values_are_one_or_one_a_run)
{
    const uint8_t bits[] = {0x05};
    struct report_batch batch = BATCH({.start = 0, .count = 3});
    batch.success_bits = bits;
    batch.success_count = 2;
    for (uint64_t count = 0; count < 5; count++) {
        batch.partial_count = count;
        cr_expect(eq(int, report_partials_fit(&batch), count <= 2));
    }
    batch.success_count = 0;
    batch.partial_count = 1;
    cr_expect(not(report_partials_fit(&batch)));
}
