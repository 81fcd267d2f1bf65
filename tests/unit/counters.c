#include "master/counters.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <signal.h>

Test(counters, are_as_narrow_as_their_largest_value)
{
    static const struct {
        uint64_t value_max;
        unsigned width;
    } cases[] = {
        {0, 1},          {1, 1},           {2, 2},           {3, 2},           {4, 4},
        {5, 4},          {15, 4},          {16, 8},          {17, 8},          {255, 8},
        {256, 16},       {UINT16_MAX, 16}, {65536, 32},      {UINT32_MAX, 32}, {1ULL << 32, 64},
        {INT64_MAX, 64}, {1ULL << 63, 64}, {UINT64_MAX, 64},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct counters counters = counters_make(cases[i].value_max);
        cr_expect(eq(uint, counters.width, cases[i].width));
    }
}

/* Goal: a counter reaches its largest value, and no neighbour notices.
 * Method: for each width, one counter at every kind of place in its block is raised as far as it
 * goes (at most 70000), its neighbours once. */
Test(counters, count_to_their_largest_value_without_touching_a_neighbour)
{
    static const uint64_t maxima[] = {1,  2,   3,   4,     5,     15,    16,
                                      17, 255, 256, 65535, 65536, 65537, 1ULL << 63};
    static const uint64_t places[] = {1, 7, 8, 100, 65534, 65536, (1ULL << 32) + 1};
    for (size_t i = 0; i < sizeof(maxima) / sizeof(*maxima); i++) {
        struct counters counters = counters_make(maxima[i]);
        const uint64_t top = maxima[i] < 70000 ? maxima[i] : 70000;
        for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
            const uint64_t at = places[k];
            const uint64_t before = counters_get(&counters, at - 1);
            const uint64_t after = counters_get(&counters, at + 1);
            for (uint64_t value = counters_get(&counters, at); value < top; value++) {
                cr_assert(eq(u64, counters_raise(&counters, at), value + 1));
            }
            cr_assert(eq(u64, counters_get(&counters, at), top));
            cr_assert(eq(u64, counters_get(&counters, at - 1), before));
            cr_assert(eq(u64, counters_get(&counters, at + 1), after));
        }
        counters_free(&counters);
    }
}

Test(counters, never_raised_ones_read_zero_and_take_no_memory)
{
    struct counters counters = counters_make(3);
    cr_expect(eq(u64, counters_get(&counters, 0), 0));
    cr_expect(eq(u64, counters_get(&counters, UINT64_MAX), 0));
    cr_expect(eq(sz, counters.block_count, 0));
    (void)counters_raise(&counters, 3 * COUNTERS_BLOCK_SIZE);
    cr_expect(eq(u64, counters_get(&counters, 0), 0));
    cr_expect(eq(u64, counters_get(&counters, UINT64_MAX), 0));
    cr_expect(eq(ptr, counters.blocks[0], NULL));
    counters_free(&counters);
    cr_expect(eq(u64, counters_get(&counters, 3 * COUNTERS_BLOCK_SIZE), 0));
}

Test(counters, the_next_block_is_the_next_with_a_counter_that_was_raised)
{
    struct counters counters = counters_make(3);
    cr_expect(eq(u64, counters_next_block(&counters, 0), UINT64_MAX));
    (void)counters_raise(&counters, 2 * COUNTERS_BLOCK_SIZE + 5);
    cr_expect(eq(u64, counters_next_block(&counters, 0), 2 * COUNTERS_BLOCK_SIZE));
    cr_expect(eq(u64, counters_next_block(&counters, 2 * COUNTERS_BLOCK_SIZE + 9),
                 2 * COUNTERS_BLOCK_SIZE + 9));
    cr_expect(eq(u64, counters_next_block(&counters, 3 * COUNTERS_BLOCK_SIZE), UINT64_MAX));
    counters_free(&counters);
}

Test(counters, raising_one_past_its_largest_value_is_a_bug_that_asserts, .signal = SIGABRT)
{
    cr_redirect_stderr();
    struct counters counters = counters_make(1);
    (void)counters_raise(&counters, 0);
    (void)counters_raise(&counters, 0);
}

Test(counters, can_be_set_up_to_their_largest_value)
{
    struct counters counters = counters_make(5);
    counters_set(&counters, 100, 0);
    cr_expect(eq(sz, counters.block_count, 0), "nothing is taken for a zero");
    counters_set(&counters, 7, 3);
    counters_set(&counters, 8, 99);
    cr_expect(eq(u64, counters_get(&counters, 7), 3));
    cr_expect(eq(u64, counters_get(&counters, 8), 5));
    cr_expect(eq(u64, counters_get(&counters, 9), 0));
    counters_set(&counters, 8, 0);
    cr_expect(eq(u64, counters_get(&counters, 8), 0));
    cr_expect(eq(u64, counters_get(&counters, 7), 3));
    counters_free(&counters);
}

Test(counters, the_next_block_is_not_looked_for_beyond_an_end)
{
    struct counters counters = counters_make(3);
    (void)counters_raise(&counters, 5 * (uint64_t)COUNTERS_BLOCK_SIZE + 7);
    cr_expect(eq(u64, counters_next_block_before(&counters, 3, 1000), 1000));
    cr_expect(eq(u64, counters_next_block_before(&counters, 3, 5 * (uint64_t)COUNTERS_BLOCK_SIZE),
                 5 * (uint64_t)COUNTERS_BLOCK_SIZE));
    cr_expect(eq(u64, counters_next_block_before(&counters, 3, UINT64_MAX),
                 5 * (uint64_t)COUNTERS_BLOCK_SIZE));
    counters_free(&counters);
}
