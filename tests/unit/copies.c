#include "master/copies.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static const struct holder original = {.worker = 1, .lease = 10};
static const struct holder second = {.worker = 2, .lease = 20};

Test(copies, an_index_without_a_copy_is_not_found)
{
    struct copies copies = {0};
    cr_expect(eq(ptr, copies_find(&copies, 7), NULL));
    copies_add(&copies, 7, original, second);
    cr_expect(eq(ptr, copies_find(&copies, 8), NULL));
    copies_free(&copies);
}

Test(copies, a_race_counts_as_one_more_that_is_held_until_the_loser_has_answered)
{
    struct copies copies = {0};
    copies_add(&copies, 7, original, second);
    cr_expect(eq(u64, copies.held, 1));
    struct copy *copy = copies_find(&copies, 7);
    cr_assert(eq(int, copy->state, COPY_RACING));
    cr_expect(eq(u64, copy->original.lease, 10));
    cr_expect(eq(u64, copy->copy.lease, 20));

    copies_decide(&copies, copy, original);
    cr_expect(eq(u64, copies.held, 1));
    cr_expect(eq(u64, copies_find(&copies, 7)->loser.lease, 10));
    copies_remove(&copies, copy);
    cr_expect(eq(u64, copies.held, 0));
    cr_expect(eq(ptr, copies_find(&copies, 7), NULL));
    copies_free(&copies);
}

Test(copies, one_that_failed_is_remembered_and_holds_nothing)
{
    struct copies copies = {0};
    copies_add(&copies, 7, original, second);
    copies_give_up(&copies, copies_find(&copies, 7));
    cr_expect(eq(u64, copies.held, 0));
    cr_expect(eq(int, copies_find(&copies, 7)->state, COPY_TRIED));
    copies_free(&copies);
}

Test(copies, what_was_removed_makes_room)
{
    struct copies copies = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        copies_add(&copies, i, original, second);
        copies_add(&copies, i + 5000, original, second);
        copies_remove(&copies, copies_find(&copies, i));
        copies_remove(&copies, copies_find(&copies, i + 5000));
    }
    cr_expect(le(sz, copies.count, 2));
    cr_expect(eq(u64, copies.held, 0));
    copies_free(&copies);
}
