#include "master/sizing.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define MANY (UINT64_C(1) << 50)
#define INTERVAL_US 100000

static const struct sizing_options measured = {.report_interval_us = INTERVAL_US};

/* A worker of 4 slots, 8 in all. */
static uint64_t goal(const struct sizing *sizing, const struct sizing_options *options,
                     uint64_t left)
{
    return sizing_goal(sizing, options, 4, 8, left);
}

static void observe(struct sizing *sizing, uint64_t instance_us, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        sizing_observe(sizing, 4, 100, 100 * instance_us, 0);
    }
}

Test(sizing, starts_at_one_instance_a_slot)
{
    const struct sizing sizing = {0};
    cr_expect(eq(u64, goal(&sizing, &measured, MANY), 4));
}

Test(sizing, long_tasks_stay_at_little_more_than_one_a_slot)
{
    struct sizing sizing = {0};
    observe(&sizing, 1000 * INTERVAL_US, 20);
    cr_expect(eq(u64, goal(&sizing, &measured, MANY), 4));
}

Test(sizing, grows_by_a_bounded_factor_at_each_report_of_short_tasks)
{
    struct sizing sizing = {0};
    uint64_t last = goal(&sizing, &measured, MANY);
    for (unsigned i = 0; i < 3; i++) {
        observe(&sizing, 0, 1);
        const uint64_t next = goal(&sizing, &measured, MANY);
        cr_expect(gt(u64, next, last));
        cr_expect(le(u64, next, 64 * last));
        last = next;
    }
}

Test(sizing, settles_at_what_the_slots_get_through_until_their_reports_are_answered)
{
    struct sizing sizing = {0};
    observe(&sizing, 100, 10); /* 1000 instances an interval and slot */
    const uint64_t settled = goal(&sizing, &measured, MANY);
    cr_expect(ge(u64, settled, UINT64_C(4) * 1000));
    cr_expect(le(u64, settled, UINT64_C(4) * 3000));
}

Test(sizing, follows_tasks_that_become_slower)
{
    struct sizing sizing = {0};
    observe(&sizing, 1, 10);
    const uint64_t fast = goal(&sizing, &measured, MANY);
    observe(&sizing, 10000, 10);
    cr_expect(lt(u64, goal(&sizing, &measured, MANY), fast / 100));
}

Test(sizing, shrinks_with_what_is_left_of_the_map)
{
    struct sizing sizing = {0};
    observe(&sizing, 1, 10);
    uint64_t last = goal(&sizing, &measured, MANY);
    cr_expect(le(u64, goal(&sizing, &measured, 1000), 250)); /* half of its share of half */
    for (uint64_t left = MANY; left > 0; left /= 3) {
        const uint64_t next = goal(&sizing, &measured, left);
        cr_expect(le(u64, next, last));
        last = next;
    }
    cr_expect(eq(u64, goal(&sizing, &measured, 1), 4));
    cr_expect(eq(u64, goal(&sizing, &measured, 0), 4));
}

Test(sizing, is_bounded_in_bytes_of_input_but_never_below_the_slots)
{
    struct sizing sizing = {0};
    observe(&sizing, 1, 10);
    const struct sizing_options large = {.report_interval_us = INTERVAL_US,
                                         .input_size_mean = 1 << 20};
    const struct sizing_options huge = {.report_interval_us = INTERVAL_US,
                                        .input_size_mean = UINT64_MAX};
    cr_expect(eq(u64, goal(&sizing, &large, MANY), 16));
    cr_expect(eq(u64, goal(&sizing, &huge, MANY), 4));
}

Test(sizing, is_bounded_in_bytes_of_output_but_never_below_the_slots)
{
    struct sizing large = {0};
    struct sizing huge = {0};
    for (unsigned i = 0; i < 10; i++) {
        sizing_observe(&large, 4, 10, 10, 10 * ((size_t)1 << 20));
        sizing_observe(&huge, 4, 1, 1, SIZE_MAX);
    }
    cr_expect(eq(u64, goal(&large, &measured, MANY), 64));
    cr_expect(eq(u64, goal(&huge, &measured, MANY), 4));
}

/* Goal: a message's way is hidden behind work, where it would be felt. */
Test(sizing, tasks_of_some_seconds_have_one_instance_ahead)
{
    struct sizing sizing = {0};
    observe(&sizing, 10 * INTERVAL_US, 20);
    cr_expect(eq(u64, goal(&sizing, &measured, MANY), 5));
}

Test(sizing, a_fixed_unit_keeps_every_slot_busy_and_one_unit_ahead)
{
    struct sizing sizing = {0};
    for (uint64_t unit_size = 1; unit_size < 100; unit_size++) {
        const struct sizing_options fixed = {.report_interval_us = INTERVAL_US,
                                             .unit_size = unit_size};
        const uint64_t wanted = goal(&sizing, &fixed, MANY);
        cr_expect(ge(u64, wanted, 4 + unit_size));
        cr_expect(ge(u64, wanted, 2 * unit_size));
        observe(&sizing, 1, 1); /* and no measurement changes it */
        cr_expect(eq(u64, goal(&sizing, &fixed, 1), wanted));
    }
}

/* Extremes of everything that is measured or asked for. */
Test(sizing, no_number_overflows)
{
    struct sizing sizing = {0};
    const struct sizing_options longest = {.report_interval_us = UINT64_MAX};
    const struct sizing_options fixed = {.unit_size = UINT64_MAX};
    for (unsigned i = 0; i < 50; i++) {
        sizing_observe(&sizing, UINT32_MAX, UINT64_MAX, 0, 0);
        const uint64_t wanted = sizing_goal(&sizing, &longest, UINT32_MAX, UINT32_MAX, UINT64_MAX);
        cr_expect(ge(u64, wanted, UINT32_MAX));
        cr_expect(le(u64, wanted, UINT64_C(1) << 41));
    }
    sizing_observe(&sizing, 1, 1, UINT64_MAX, 0);
    cr_expect(ge(u64, goal(&sizing, &measured, MANY), 4));
    cr_expect(le(u64, goal(&sizing, &fixed, MANY), UINT64_C(1) << 42));
}
