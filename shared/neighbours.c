#include "shared/neighbours.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

cpu_set_t neighbour_own_set(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        memset(&set, 0xff, sizeof(set));
    }
    return set;
}

struct neighbour_process neighbour_own_process(uint32_t rank)
{
    struct stat about;
    const bool is_known = stat("/proc/self/ns/pid", &about) == 0;
    return (struct neighbour_process){
        .rank = rank, .pid = getpid(), .namespace_id = is_known ? (uint64_t)about.st_ino : 0};
}

static bool works(const struct neighbour *neighbour, size_t count)
{
    return neighbour->rank > 0 || count == 1;
}

static bool meet(const struct neighbour *a, const struct neighbour *b)
{
    cpu_set_t both;
    CPU_AND(&both, &a->cpu_set, &b->cpu_set);
    return CPU_COUNT(&both) > 0;
}

struct neighbour_shares neighbours_share(const struct neighbour *neighbours, size_t count,
                                         size_t own)
{
    const struct neighbour *self = &neighbours[own];
    struct neighbour_shares shares = {.is_even = true, .cpu_set = self->cpu_set};
    for (size_t i = 0; i < count; i++) {
        if (!works(&neighbours[i], count)) {
            continue;
        }
        shares.host.index += i < own ? 1 : 0;
        shares.host.count++;
        if (i == own || meet(&neighbours[i], self)) {
            shares.cores.index += i < own ? 1 : 0;
            shares.cores.count++;
            shares.is_even = shares.is_even && CPU_EQUAL(&neighbours[i].cpu_set, &self->cpu_set);
        }
    }
    /* Rank 0 beside others takes no share, and may be all that has these processors. */
    shares.host.count += shares.host.count == 0 ? 1 : 0;
    shares.cores.count += shares.cores.count == 0 ? 1 : 0;
    return shares;
}
