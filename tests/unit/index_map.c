#include "master/index_map.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "shared/seed.h"

Test(index_map, all_zero_is_the_empty_map)
{
    struct index_map map = {0};
    uint32_t value = 7;
    cr_expect(not(index_map_get(&map, 0, &value)));
    index_map_remove(&map, 0);
    cr_expect(eq(u32, value, 7));
    index_map_free(&map);
}

Test(index_map, a_second_put_replaces_the_first)
{
    struct index_map map = {0};
    uint32_t value = 0;
    index_map_put(&map, UINT64_MAX, 1);
    index_map_put(&map, UINT64_MAX, 2);
    cr_expect(eq(sz, map.count, 1));
    cr_assert(index_map_get(&map, UINT64_MAX, &value));
    cr_expect(eq(u32, value, 2));
    index_map_free(&map);
}

Test(index_map, removing_what_is_not_there_changes_nothing)
{
    struct index_map map = {0};
    uint32_t value = 0;
    index_map_put(&map, 1, 10);
    index_map_remove(&map, 2);
    cr_expect(eq(sz, map.count, 1));
    cr_expect(index_map_get(&map, 1, &value));
    index_map_remove(&map, 1);
    index_map_remove(&map, 1);
    cr_expect(eq(sz, map.count, 0));
    cr_expect(not(index_map_get(&map, 1, &value)));
    index_map_free(&map);
}

Test(index_map, filling_and_emptying_for_ever_does_not_make_it_grow)
{
    struct index_map map = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        index_map_put(&map, i, 1);
        if (i >= 5) {
            index_map_remove(&map, i - 5);
        }
    }
    cr_expect(eq(sz, map.count, 5));
    cr_expect(le(sz, map.capacity, 16));
    index_map_free(&map);
}

#define INDEX_COUNT 400

/* Goal: what a removal moves up is found again.
 * Method: random puts and removals of 400 indices (neighbours, and far apart so that their homes
 * collide), compared with an array after each hundred. */
Test(index_map, agrees_with_an_array)
{
    struct index_map map = {0};
    uint32_t values[INDEX_COUNT] = {0}; /* 0: not in the map */
    uint64_t random = 1;
    for (unsigned step = 0; step < 20000; step++) {
        random = seed_mix(random);
        const uint64_t at = random % INDEX_COUNT;
        const uint64_t index = at % 2 == 0 ? at : at << 40;
        values[at] = random >> 63 == 0 ? 0 : step + 1;
        if (values[at] == 0) {
            index_map_remove(&map, index);
        } else {
            index_map_put(&map, index, values[at]);
        }
        for (uint64_t i = 0; step % 100 == 0 && i < INDEX_COUNT; i++) {
            uint32_t value = 0;
            const bool found = index_map_get(&map, i % 2 == 0 ? i : i << 40, &value);
            cr_assert(eq(int, found, values[i] != 0));
            cr_assert(eq(u32, value, values[i]));
        }
    }
    index_map_free(&map);
}
