#include "worker/cores.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/memory.h"

static bool has(size_t cpu, const cpu_set_t *set)
{
    return CPU_ISSET(cpu, set);
}

static bool equal(const cpu_set_t *a, const cpu_set_t *b)
{
    return CPU_EQUAL(a, b);
}

/* Cores of two hardware threads each. */
static cpu_set_t *cores_of(uint32_t count)
{
    cpu_set_t *sets = memory_take(count, sizeof(*sets));
    for (uint32_t i = 0; i < count; i++) {
        CPU_ZERO(&sets[i]);
        CPU_SET(i, &sets[i]);
        CPU_SET(i + count, &sets[i]);
    }
    return sets;
}

static struct cores divided(uint32_t core_count, uint32_t index, uint32_t count, bool is_even,
                            bool is_master_here)
{
    struct cores cores;
    const struct neighbour_shares shares = {.cores = {.index = index, .count = count},
                                            .is_even = is_even};
    cores_divide(cores_of(core_count), core_count, &shares, is_master_here, &cores);
    return cores;
}

/* The rank has `count` cores, of its own from `first` on. */
static void expect_own(struct cores cores, uint32_t count, uint32_t first)
{
    cr_expect(eq(u32, cores.count, count));
    cr_assert(eq(u32, cores.own_count, count));
    for (uint32_t i = 0; i < count; i++) {
        cr_expect(has(first + i, &cores.own[i]));
        cr_expect(eq(int, CPU_COUNT(&cores.own[i]), 2));
    }
    cores_free(&cores);
}

Test(cores, the_worker_ranks_of_a_host_have_disjoint_shares)
{
    expect_own(divided(8, 0, 1, true, false), 8, 0);
    expect_own(divided(8, 0, 3, true, false), 2, 0);
    expect_own(divided(8, 1, 3, true, false), 2, 2);
    expect_own(divided(8, 2, 3, true, false), 2, 4);
    expect_own(divided(3, 2, 3, true, false), 1, 2);
}

Test(cores, where_ranks_outnumber_cores_each_has_one_and_none_is_its_own)
{
    struct cores cores = divided(2, 2, 3, true, false);
    cr_expect(eq(u32, cores.count, 1));
    cr_expect(eq(u32, cores.own_count, 0));
    cores_free(&cores);
}

Test(cores, of_sets_that_overlap_none_is_its_own)
{
    struct cores cores = divided(8, 0, 2, false, false);
    cr_expect(eq(u32, cores.count, 4));
    cr_expect(eq(u32, cores.own_count, 0));
    cores_free(&cores);
}

Test(cores, a_rank_0_that_works_leaves_the_master_one_of_more_than_two)
{
    expect_own(divided(8, 0, 1, true, true), 7, 1);
    expect_own(divided(3, 0, 1, true, true), 2, 1);
    expect_own(divided(2, 0, 1, true, true), 2, 0);
    expect_own(divided(1, 0, 1, true, true), 1, 0);
}

static struct cores limited(uint64_t processors, uint32_t rank_count, bool is_master_here)
{
    struct cores cores = divided(8, 0, rank_count, true, is_master_here);
    cores_limit(processors, rank_count, is_master_here, &cores);
    return cores;
}

Test(cores, a_job_that_slurm_gave_fewer_has_no_more_and_none_of_its_own)
{
    struct cores cores = limited(4, 1, false);
    cr_expect(eq(u32, cores.count, 4));
    cr_expect(eq(u32, cores.own_count, 0));
    cores_free(&cores);
    cores = limited(4, 2, false);
    cr_expect(eq(u32, cores.count, 2));
    cores_free(&cores);
    cores = limited(4, 1, true); /* the master has one */
    cr_expect(eq(u32, cores.count, 3));
    cores_free(&cores);
    cores = limited(1, 3, false);
    cr_expect(eq(u32, cores.count, 1));
    cores_free(&cores);
}

Test(cores, what_slurm_says_does_not_make_more_of_them)
{
    expect_own(limited(8, 1, false), 8, 0);
    expect_own(limited(256, 2, false), 4, 0);
}

/* ---- This host --------------------------------------------------------------------------------
 */

Test(cores, a_process_alone_has_the_cores_of_its_mask)
{
    struct transport *transport = NULL;
    struct cores cores;
    struct error err;
    cpu_set_t one;
    CPU_ZERO(&one);
    const cpu_set_t all = neighbour_own_set();
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
        }
    }
    cr_assert(eq(int, sched_setaffinity(0, sizeof(one), &one), 0));
    cr_assert(eq(int, transport_open(false, &transport, &err), STATUS_OK));
    cores_find(transport, &cores);
    cr_expect(eq(u32, cores.count, 1));
    cr_assert(eq(u32, cores.own_count, 1));
    cr_expect(equal(&cores.own[0], &one));
    cores_free(&cores);
    transport_close(transport, true, 0);
}

/* Bind this process to one processor, and gives on how many it may run after cores_unbind(). */
static int unbound_count(const char *bound, const char *binding, const char *mapping)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    cr_assert(eq(int, sched_setaffinity(0, sizeof(one), &one), 0));
    cr_assert(eq(int, setenv("OMPI_MCA_orte_bound_at_launch", bound, 1), 0));
    cr_assert(eq(int, setenv("OMPI_MCA_hwloc_base_binding_policy", binding, 1), 0));
    cr_assert(eq(int, setenv("OMPI_MCA_rmaps_base_mapping_policy", mapping, 1), 0));
    cores_unbind();
    const cpu_set_t set = neighbour_own_set();
    return CPU_COUNT(&set);
}

Test(cores, only_what_mpi_bound_by_its_own_default_is_unbound)
{
    const cpu_set_t before = neighbour_own_set();
    cr_expect(ge(int, unbound_count("1", "", ""), CPU_COUNT(&before)));
    cr_expect(ge(int, unbound_count("1", "", "slot"), CPU_COUNT(&before)));
    cr_expect(eq(int, unbound_count("", "", ""), 1));
    cr_expect(eq(int, unbound_count("0", "", ""), 1));
    cr_expect(eq(int, unbound_count("1", "core", ""), 1));
    cr_expect(eq(int, unbound_count("1", "", "slot:PE=1"), 1));
}
