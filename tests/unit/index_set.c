#include "master/index_set.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "shared/seed.h"

#define K64 (UINT64_C(1) << 16)
#define G4 (UINT64_C(1) << 32)

Test(index_set, all_zero_is_the_empty_set)
{
    const struct index_set set = {0};
    uint64_t index = 7;
    uint64_t count = 7;
    cr_expect(not(index_set_contains(&set, 0)));
    cr_expect(not(index_set_contains(&set, UINT64_MAX)));
    cr_expect(not(index_set_next(&set, 0, &index)));
    cr_expect(not(index_set_next_run(&set, 0, 10, &index, &count)));
    cr_expect(eq(u64, index_set_count_in(&set, 0, UINT64_MAX), 0));
    cr_expect(eq(u64, index, 7));
}

static void expect_range(const struct index_set *set, uint64_t start, uint64_t count)
{
    uint64_t next = 0;
    cr_expect(eq(u64, set->count, count));
    cr_expect(index_set_contains(set, start));
    cr_expect(index_set_contains(set, start + count / 2));
    cr_expect(index_set_contains(set, start + count - 1));
    cr_expect(start == 0 || !index_set_contains(set, start - 1));
    cr_expect(not(index_set_contains(set, start + count)));
    cr_expect(eq(u64, index_set_count_in(set, start, count), count));
    cr_expect(eq(u64, index_set_count_in(set, 0, start), 0));
    cr_expect(eq(u64, index_set_count_in(set, start + count, 3 * G4), 0));
    cr_expect(eq(u64, index_set_count_in(set, start + count - 1, K64), 1));
    cr_expect(index_set_next(set, 0, &next));
    cr_expect(eq(u64, next, start));
    cr_expect(index_set_next(set, start + count - 1, &next));
    cr_expect(eq(u64, next, start + count - 1));
    cr_expect(not(index_set_next(set, start + count, &next)));
}

/* Goal: nothing happens to a range where bitmaps begin and end.
 * Method: one range at, across and around each border, added whole and taken out whole. */
Test(index_set, ranges_may_lie_across_every_border)
{
    static const struct {
        uint64_t start;
        uint64_t count;
    } ranges[] = {
        {0, 1},       {0, K64},          {K64 - 1, 1},    {K64 - 1, 2}, {K64, 1},
        {1, 3 * K64}, {G4 - 1, 1},       {G4 - 1, 2},     {G4, 1},      {G4 - K64, 2 * K64},
        {0, G4},      {G4 - 5, G4 + 10}, {3 * G4 - 1, 2}, {1, 2 * G4},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        struct index_set set = {0};
        uint64_t index;
        index_set_add(&set, ranges[i].start, ranges[i].count);
        expect_range(&set, ranges[i].start, ranges[i].count);
        index_set_remove(&set, ranges[i].start, ranges[i].count);
        cr_expect(eq(u64, set.count, 0));
        cr_expect(not(index_set_next(&set, 0, &index)));
        cr_expect(eq(u64, index_set_count_in(&set, 0, 4 * G4), 0));
        index_set_free(&set);
    }
}

Test(index_set, taking_out_the_middle_leaves_both_ends)
{
    struct index_set set = {0};
    uint64_t start;
    uint64_t count;
    index_set_add(&set, G4 - 10, 20);
    index_set_remove(&set, G4 - 3, 6);
    cr_expect(eq(u64, set.count, 14));
    cr_assert(index_set_next_run(&set, 0, 100, &start, &count));
    cr_expect(eq(u64, start, G4 - 10));
    cr_expect(eq(u64, count, 7));
    cr_assert(index_set_next_run(&set, start + count, 100, &start, &count));
    cr_expect(eq(u64, start, G4 + 3));
    cr_expect(eq(u64, count, 7));
    cr_expect(not(index_set_next_run(&set, start + count, 100, &start, &count)));
    index_set_free(&set);
}

Test(index_set, a_run_is_cut_at_its_greatest_length_and_at_a_border_of_2_to_the_32)
{
    struct index_set set = {0};
    uint64_t start;
    uint64_t count;
    index_set_add(&set, G4 - 4, 8);
    cr_expect(not(index_set_next_run(&set, 0, 0, &start, &count)));
    cr_assert(index_set_next_run(&set, 0, 3, &start, &count));
    cr_expect(eq(u64, start, G4 - 4));
    cr_expect(eq(u64, count, 3));
    cr_assert(index_set_next_run(&set, 0, 100, &start, &count));
    cr_expect(eq(u64, count, 4));
    cr_assert(index_set_next_run(&set, start + count, 100, &start, &count));
    cr_expect(eq(u64, start, G4));
    cr_expect(eq(u64, count, 4));
    index_set_free(&set);
}

Test(index_set, a_run_goes_on_across_a_border_of_2_to_the_16)
{
    struct index_set set = {0};
    uint64_t start;
    uint64_t count;
    index_set_add(&set, K64 - 10, 20);
    cr_assert(index_set_next_run(&set, 0, 100, &start, &count));
    cr_expect(eq(u64, start, K64 - 10));
    cr_expect(eq(u64, count, 20));
    index_set_free(&set);
}

Test(index_set, the_next_member_may_lie_blocks_ahead)
{
    struct index_set set = {0};
    uint64_t index;
    index_set_add(&set, 5 * G4 + 3, 1);
    cr_assert(index_set_next(&set, 0, &index));
    cr_expect(eq(u64, index, 5 * G4 + 3));
    cr_assert(index_set_next(&set, 4 * G4 + 9, &index));
    cr_expect(eq(u64, index, 5 * G4 + 3));
    cr_expect(not(index_set_next(&set, 5 * G4 + 4, &index)));
    index_set_free(&set);
}

#define WINDOW 600

/* The longest part of [at, at + count) that is all in the set, or all out of it. */
static uint64_t alike(const bool *members, uint64_t at, uint64_t count)
{
    uint64_t length = 1;
    while (length < count && at + length < WINDOW && members[at + length] == members[at]) {
        length++;
    }
    return length;
}

static void expect_like(const struct index_set *set, uint64_t base, const bool *members)
{
    uint64_t count = 0;
    uint64_t next = UINT64_MAX;
    for (uint64_t i = WINDOW; i-- > 0;) {
        uint64_t found = 0;
        count += members[i] ? 1 : 0;
        next = members[i] ? base + i : next;
        cr_assert(eq(int, index_set_contains(set, base + i), members[i]));
        cr_assert(eq(int, index_set_next(set, base + i, &found), next != UINT64_MAX));
        cr_assert(next == UINT64_MAX || found == next);
    }
    cr_assert(eq(u64, set->count, count));
    cr_assert(eq(u64, index_set_count_in(set, base, WINDOW), count));
}

/* Goal: any order of additions and removals gives the set that an array of flags gives.
 * Method: random ranges in a window around each border; all answers compared after each. */
Test(index_set, agrees_with_an_array_of_flags)
{
    static const uint64_t bases[] = {0, K64 - WINDOW / 2, G4 - WINDOW / 2, 2 * G4 - WINDOW};
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
        struct index_set set = {0};
        bool members[WINDOW] = {false};
        for (unsigned step = 0; step < 300; step++) {
            random = seed_mix(random);
            const uint64_t at = random % WINDOW;
            const uint64_t count = alike(members, at, 1 + (random >> 20) % 50);
            if (members[at]) {
                index_set_remove(&set, bases[i] + at, count);
            } else {
                index_set_add(&set, bases[i] + at, count);
            }
            memset(&members[at], !members[at], count);
            expect_like(&set, bases[i], members);
        }
        index_set_free(&set);
    }
}

Test(index_set, put_and_drop_take_any_range)
{
    struct index_set set = {0};
    index_set_put(&set, K64 - 5, 10);
    index_set_put(&set, K64, 10);
    cr_expect(eq(u64, set.count, 15));
    index_set_put(&set, G4 - 2, 4);
    cr_expect(eq(u64, set.count, 19));
    cr_expect(eq(u64, index_set_end(&set), G4 + 2));
    index_set_drop(&set, G4, 5 * G4);
    cr_expect(eq(u64, set.count, 17));
    cr_expect(eq(u64, index_set_end(&set), G4));
    index_set_drop(&set, 0, K64);
    cr_expect(eq(u64, set.count, 12));
    index_set_drop(&set, 0, 2 * G4);
    cr_expect(eq(u64, set.count, 0));
    cr_expect(eq(u64, index_set_end(&set), 0));
    index_set_free(&set);
}

Test(index_set, subtract_takes_out_what_the_other_has)
{
    struct index_set set = {0};
    struct index_set other = {0};
    index_set_add(&set, 0, 2 * K64);
    index_set_add(&set, G4, 10);
    index_set_add(&other, 5, 10);
    index_set_add(&other, 2 * K64 - 1, 100);
    index_set_add(&other, G4 + 9, 100);
    index_set_add(&other, 3 * G4, 1);
    index_set_subtract(&set, &other);
    cr_expect(eq(u64, set.count, 2 * K64 + 10 - 12));
    cr_expect(not(index_set_contains(&set, 5)));
    cr_expect(not(index_set_contains(&set, G4 + 9)));
    cr_expect(index_set_contains(&set, 15));
    index_set_free(&set);
    index_set_free(&other);
}

/* Goal: runs are found whole, wherever they end. Method: against a walk, for lengths around powers
 * of two, and starts around the blocks of 2^16. */
Test(index_set, a_run_is_found_in_full_length)
{
    static const uint64_t lengths[] = {1,  2,    3,     4,     5,     63,    64,
                                       65, 1000, 65535, 65536, 65537, 200000};
    static const uint64_t starts[] = {0, 1, 65535, 65536, 100000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (size_t k = 0; k < sizeof(starts) / sizeof(starts[0]); k++) {
            struct index_set set = {0};
            uint64_t start;
            uint64_t count;
            index_set_add(&set, starts[k], lengths[i]);
            index_set_add(&set, starts[k] + lengths[i] + 1, 50);
            cr_assert(index_set_next_run(&set, 0, UINT64_MAX / 4, &start, &count));
            cr_expect(eq(u64, start, starts[k]));
            cr_expect(eq(u64, count, lengths[i]));
            cr_assert(index_set_next_run(&set, 0, 3, &start, &count));
            cr_expect(eq(u64, count, lengths[i] < 3 ? lengths[i] : 3));
            index_set_free(&set);
        }
    }
}

Test(index_set, a_run_of_a_billion_is_found_at_once)
{
    struct index_set set = {0};
    uint64_t start;
    uint64_t count;
    index_set_add(&set, 10, 1000000000);
    for (unsigned i = 0; i < 1000; i++) { /* members one by one, this would take an hour */
        cr_assert(index_set_next_run(&set, 0, UINT64_MAX / 4, &start, &count));
        cr_assert(eq(u64, count, 1000000000));
    }
    index_set_free(&set);
}
