#include "shared/attempt_times.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define SIZE_MAX_ALL ((size_t)ATTEMPT_TIMES_COUNT_MAX * ATTEMPT_TIME_SIZE_MAX)

static uint8_t packed[SIZE_MAX_ALL];

static void expect_durations(const uint64_t *ends_us, size_t count, uint64_t elapsed_us,
                             const uint64_t *durations_us)
{
    const size_t size = attempt_times_pack(ends_us, count, elapsed_us, packed);
    const uint8_t *at = packed;
    cr_assert(attempt_times_are_valid(packed, size, count, elapsed_us));
    for (size_t i = 0; i < count; i++) {
        cr_expect(eq(u64, attempt_times_next(&at), durations_us[i]));
    }
    cr_expect(eq(sz, (size_t)(at - packed), size));
}

Test(attempt_times, durations_come_back)
{
    const uint64_t ends_us[] = {0, 1, 128, 128 + 16384, UINT64_MAX};
    const uint64_t durations_us[] = {0, 1, 127, 16384, UINT64_MAX - 16512};
    expect_durations(ends_us, 5, UINT64_MAX, durations_us);
}

Test(attempt_times, short_ones_take_a_byte_each)
{
    const uint64_t ends_us[] = {127, 254, 381};
    cr_expect(eq(sz, attempt_times_pack(ends_us, 3, 1000, packed), 3));
}

/* The executor's memory is not believed. */
Test(attempt_times, ends_out_of_order_are_put_right)
{
    const uint64_t ends_us[] = {50, 20, UINT64_MAX, 60};
    const uint64_t durations_us[] = {50, 0, 50, 0};
    expect_durations(ends_us, 4, 100, durations_us);
}

Test(attempt_times, as_many_as_may_be_fit)
{
    uint64_t ends_us[ATTEMPT_TIMES_COUNT_MAX];
    for (size_t i = 0; i < ATTEMPT_TIMES_COUNT_MAX; i++) {
        ends_us[i] = (i + 1) << 48;
    }
    const size_t size = attempt_times_pack(ends_us, ATTEMPT_TIMES_COUNT_MAX, UINT64_MAX, packed);
    cr_expect(le(sz, size, SIZE_MAX_ALL));
    cr_expect(attempt_times_are_valid(packed, size, ATTEMPT_TIMES_COUNT_MAX, UINT64_MAX));
}

Test(attempt_times, what_is_cut_off_or_too_long_or_of_others_is_not_valid)
{
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0};
    static const uint8_t wide[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
    static const uint8_t two[] = {5, 0x81, 1};
    cr_expect(attempt_times_are_valid(two, 3, 2, 134));
    cr_expect(not(attempt_times_are_valid(two, 3, 2, 133)));
    cr_expect(not(attempt_times_are_valid(two, 2, 2, 134)));
    cr_expect(not(attempt_times_are_valid(two, 3, 1, 134)));
    cr_expect(not(attempt_times_are_valid(two, 3, 3, 134)));
    cr_expect(not(attempt_times_are_valid(endless, sizeof(endless), 1, UINT64_MAX)));
    cr_expect(not(attempt_times_are_valid(wide, sizeof(wide), 1, UINT64_MAX)));
    cr_expect(attempt_times_are_valid(two, 0, 0, 0));
}

Test(attempt_times, more_attempts_than_are_timed_are_not_valid)
{
    static const uint8_t zeroes[ATTEMPT_TIMES_COUNT_MAX + 1];
    cr_expect(attempt_times_are_valid(zeroes, ATTEMPT_TIMES_COUNT_MAX, ATTEMPT_TIMES_COUNT_MAX, 0));
    cr_expect(not(attempt_times_are_valid(zeroes, sizeof(zeroes), sizeof(zeroes), 0)));
}
