#include "worker/slot_share.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define MAP_COUNT 3

/* Slots are handed out one by one, each to the map with the smallest share, until the rank is full.
 */
static void hand_out(const uint32_t fits[MAP_COUNT], uint64_t counts[MAP_COUNT], double room)
{
    for (;;) {
        size_t least = 0;
        for (size_t i = 1; i < MAP_COUNT; i++) {
            const struct slot_share share = {.count = counts[i], .fit = fits[i]};
            least = slot_share_is_less(
                        share, (struct slot_share){.count = counts[least], .fit = fits[least]})
                        ? i
                        : least;
        }
        if (room < 1.0 / fits[least] - 1e-9) {
            return;
        }
        room -= 1.0 / fits[least];
        counts[least]++;
    }
}

Test(slot_share, maps_that_ask_for_the_same_get_as_many_slots)
{
    const uint32_t fits[MAP_COUNT] = {12, 12, 12};
    uint64_t counts[MAP_COUNT] = {0};
    hand_out(fits, counts, 1);
    for (size_t i = 0; i < MAP_COUNT; i++) {
        cr_expect(eq(u64, counts[i], 4));
    }
}

Test(slot_share, who_asks_for_more_gets_fewer_slots_and_the_same_part_of_the_rank)
{
    const uint32_t fits[MAP_COUNT] = {12, 6, 3};
    uint64_t counts[MAP_COUNT] = {0};
    hand_out(fits, counts, 1);
    cr_expect(eq(u64, counts[0], 4));
    cr_expect(eq(u64, counts[1], 2));
    cr_expect(eq(u64, counts[2], 1));
}

Test(slot_share, a_map_that_has_nothing_is_next_however_large_the_others_are)
{
    const struct slot_share none = {.count = 0, .fit = 1};
    const struct slot_share one = {.count = 1, .fit = UINT32_MAX};
    cr_expect(slot_share_is_less(none, one));
    cr_expect(not(slot_share_is_less(one, none)));
    cr_expect(not(slot_share_is_less(none, none)), "the older one is first");
}

Test(slot_share, of_equal_ones_the_one_that_has_waited_longest_is_next)
{
    const struct slot_share never = {.count = 0, .fit = 3};
    const struct slot_share early = {.count = 0, .fit = 3, .started = 4};
    const struct slot_share late = {.count = 0, .fit = 3, .started = 9};
    cr_expect(slot_share_is_less(never, early));
    cr_expect(slot_share_is_less(early, late));
    cr_expect(not(slot_share_is_less(late, early)));
    const struct slot_share busy = {.count = 1, .fit = 3, .started = 1};
    cr_expect(not(slot_share_is_less(busy, late)), "the smaller share is first");
}

Test(slot_share, what_never_fits_comes_last)
{
    const struct slot_share never = {.count = 0, .fit = 0};
    const struct slot_share full = {.count = 8, .fit = 8};
    cr_expect(slot_share_is_less(full, never));
    cr_expect(not(slot_share_is_less(never, full)));
}
