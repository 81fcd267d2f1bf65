/* neighbours.h - the ranks of one host, and how those of them that work divide it.
 *
 * Each rank says who it is and on which processors it may run. All ranks work but rank 0, unless it
 * has its host for itself.
 *
 * Threads: any. Failure: none.
 */
#ifndef SHARED_NEIGHBOURS_H
#define SHARED_NEIGHBOURS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A rank of this host. */
struct neighbour {
    uint32_t rank;
    cpu_set_t cpu_set; /* its affinity mask */
};

/* The process of a rank. Its number means the same to those that have the same namespace. */
struct neighbour_process {
    uint32_t rank;
    int32_t pid;
    uint64_t namespace_id; /* 0: not known */
};

/* One of `count` equal parts. */
struct share {
    uint32_t index;
    uint32_t count; /* at least 1 */
};

struct neighbour_shares {
    struct share host;  /* of what the host has once, such as memory */
    struct share cores; /* of the processors that this rank may run on */
    bool is_even;       /* the others that may run on one of those may run on all of them */
    cpu_set_t cpu_set;  /* those processors */
};

/* The affinity mask of this process. Where it cannot be read (it has more processors than a
 * cpu_set_t), all of them. */
cpu_set_t neighbour_own_set(void);

/* This process, as rank `rank`. */
struct neighbour_process neighbour_own_process(uint32_t rank);

/* The shares of the rank that stands at `own`, of all ranks of its host in ascending order. */
struct neighbour_shares neighbours_share(const struct neighbour *neighbours, size_t count,
                                         size_t own);

#endif
