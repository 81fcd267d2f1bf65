#include "master/placement.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

static void expect_refusal(const struct placement *placement, struct resources asked,
                           const char *expected)
{
    struct error err = {""};
    cr_expect(eq(int, placement_refuse(placement, "train", asked, &err), STATUS_INVALID));
    cr_expect(strcmp(err.text, expected) == 0, "%s", err.text);
}

Test(placement, a_refusal_names_the_task_what_it_asks_for_and_the_largest_rank)
{
    const struct resources asked = {.cpus = 1, .mem = 64 * GIB};
    struct placement placement = {0};
    placement_note(&placement, asked, (struct resources){.cpus = 64, .mem = 3 * GIB}, 1, "small");
    placement_note(&placement, asked, (struct resources){.cpus = 2, .mem = 30 * GIB}, 3, "other");
    placement_note(&placement, asked, (struct resources){.cpus = 2, .mem = 30 * GIB}, 2, "large");
    cr_expect(eq(u32, placement.too_small_count, 3));
    expect_refusal(&placement, asked,
                   "task train asks for 1 cpu and 64 GiB of memory, which no rank has: the "
                   "largest, rank 2 on large, offers 2 cpus, 30 GiB of memory and no gpus");
}

Test(placement, what_the_user_can_say_is_hinted_at)
{
    const struct resources asked = {.cpus = 4, .gpus = 1};
    struct placement placement = {0};
    placement_note(&placement, asked, (struct resources){.cpus = 2, .mem = GIB, .gpus = 1}, 0,
                   "here");
    expect_refusal(&placement, asked,
                   "task train asks for 4 cpus and 1 gpu, which no rank has: the largest, rank 0 "
                   "on here, offers 2 cpus, 1 GiB of memory and 1 gpu (--slots says how many cpus "
                   "a rank has)");
    placement = (struct placement){0};
    placement_note(&placement, asked, (struct resources){.cpus = 8, .mem = GIB}, 0, "here");
    expect_refusal(&placement, asked,
                   "task train asks for 4 cpus and 1 gpu, which no rank has: the largest, rank 0 "
                   "on here, offers 8 cpus, 1 GiB of memory and no gpus (--gpus-per-rank says how "
                   "many gpus a rank has)");
}

Test(placement, where_others_are_large_enough_it_is_a_warning)
{
    const struct resources asked = {.cpus = 4};
    struct placement placement = {0};
    struct error text;
    placement_note(&placement, asked, (struct resources){.cpus = 2, .mem = GIB}, 5, "small");
    cr_expect(strcmp(placement_warning(&placement, "train", asked, &text),
                     "1 rank is too small for task train, which asks for 4 cpus: the largest of "
                     "them, rank 5 on small, offers 2 cpus, 1 GiB of memory and no gpus") == 0,
              "%s", text.text);
}
