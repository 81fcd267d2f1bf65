#include "shared/neighbours.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define RANKS_MAX 8

static bool equal(const cpu_set_t *a, const cpu_set_t *b)
{
    return CPU_EQUAL(a, b);
}

/* Processors from `first` on. */
static struct neighbour on(uint32_t rank, size_t first, size_t count)
{
    struct neighbour neighbour = {.rank = rank};
    CPU_ZERO(&neighbour.cpu_set);
    for (size_t cpu = first; cpu < first + count; cpu++) {
        CPU_SET(cpu, &neighbour.cpu_set);
    }
    return neighbour;
}

static void expect_share(struct share share, uint32_t index, uint32_t count)
{
    cr_expect(eq(u32, share.index, index));
    cr_expect(eq(u32, share.count, count));
}

Test(neighbours, a_rank_alone_on_its_host_has_all_of_it)
{
    const struct neighbour ranks[] = {on(0, 0, 8)};
    const struct neighbour_shares shares = neighbours_share(ranks, 1, 0);
    expect_share(shares.host, 0, 1);
    expect_share(shares.cores, 0, 1);
    cr_expect(shares.is_even);
}

Test(neighbours, ranks_of_the_same_processors_divide_them_and_rank_0_takes_none)
{
    const struct neighbour ranks[] = {on(0, 0, 8), on(1, 0, 8), on(2, 0, 8), on(3, 0, 8)};
    for (uint32_t i = 1; i < 4; i++) {
        const struct neighbour_shares shares = neighbours_share(ranks, 4, i);
        expect_share(shares.host, i - 1, 3);
        expect_share(shares.cores, i - 1, 3);
        cr_expect(shares.is_even);
    }
}

/* As --map-by node deals them out: the ranks of a host are not in a row. */
Test(neighbours, on_another_host_every_rank_works)
{
    const struct neighbour ranks[] = {on(1, 0, 8), on(3, 0, 8), on(5, 0, 8)};
    for (uint32_t i = 0; i < 3; i++) {
        expect_share(neighbours_share(ranks, 3, i).host, i, 3);
        expect_share(neighbours_share(ranks, 3, i).cores, i, 3);
    }
}

Test(neighbours, ranks_with_processors_of_their_own_divide_the_host_and_no_core)
{
    const struct neighbour ranks[] = {on(0, 0, 2), on(1, 2, 2), on(2, 4, 2)};
    for (uint32_t i = 1; i < 3; i++) {
        const struct neighbour_shares shares = neighbours_share(ranks, 3, i);
        expect_share(shares.host, i - 1, 2);
        expect_share(shares.cores, 0, 1);
        cr_expect(shares.is_even);
        cr_expect(equal(&shares.cpu_set, &ranks[i].cpu_set));
    }
}

/* As --bind-to socket: two ranks on each of two. */
Test(neighbours, a_set_is_divided_among_those_that_have_it)
{
    const struct neighbour ranks[] = {on(1, 0, 4), on(2, 4, 4), on(3, 0, 4), on(4, 4, 4)};
    expect_share(neighbours_share(ranks, 4, 0).cores, 0, 2);
    expect_share(neighbours_share(ranks, 4, 1).cores, 0, 2);
    expect_share(neighbours_share(ranks, 4, 2).cores, 1, 2);
    expect_share(neighbours_share(ranks, 4, 3).cores, 1, 2);
    expect_share(neighbours_share(ranks, 4, 3).host, 3, 4);
}

Test(neighbours, sets_that_overlap_are_not_even)
{
    const struct neighbour ranks[] = {on(1, 0, 4), on(2, 2, 4), on(3, 8, 4)};
    cr_expect(not(neighbours_share(ranks, 3, 0).is_even));
    cr_expect(not(neighbours_share(ranks, 3, 1).is_even));
    cr_expect(neighbours_share(ranks, 3, 2).is_even);
    expect_share(neighbours_share(ranks, 3, 1).cores, 1, 2);
}

Test(neighbours, rank_0_beside_others_asks_in_vain_and_harms_nobody)
{
    const struct neighbour ranks[] = {on(0, 0, 1), on(1, 1, 1)};
    expect_share(neighbours_share(ranks, 2, 0).host, 0, 1);
    expect_share(neighbours_share(ranks, 2, 0).cores, 0, 1);
}

Test(neighbours, the_own_set_is_not_empty)
{
    const cpu_set_t set = neighbour_own_set();
    cr_expect(gt(int, CPU_COUNT(&set), 0));
}
