/* cores.h - the cores that a worker rank has for its attempts.
 *
 * The cores in the rank's affinity mask, divided among the worker ranks that may run there too, at
 * least one each. Rank 0 working beside other ranks of the job leaves one to the master if it has
 * more than two.
 *
 * Slurm says how many processors of a host a job has (SLURM_CPUS_ON_NODE), and need not bind it to
 * any: ranks have no more cores than that, and where that is less than the mask, none of their own.
 *
 * Open MPI binds ranks to one core each by its own default where they are few, which says nothing
 * about what they may use: cores_unbind() takes that back.
 *
 * Ownership: the caller's, until cores_free().
 * Failure:   a host whose cores hwloc cannot tell has its processors for cores.
 */
#ifndef WORKER_CORES_H
#define WORKER_CORES_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/neighbours.h"
#include "shared/transport.h"

struct cores {
    uint32_t count;     /* that the rank has: its slots, where nobody says otherwise */
    cpu_set_t *own;     /* the processors of each core that no other worker rank has, too */
    uint32_t own_count; /* `count` of them; 0 where there are more ranks than cores */
};

/* Where Open MPI bound this process by its own default (OMPI_MCA_orte_bound_at_launch=1, and no
 * policy that was asked for), let it run wherever the host allows. Before anything is forked. */
void cores_unbind(void);

void cores_find(const struct transport *transport, struct cores *cores_out);
void cores_free(struct cores *cores);

/* Of all cores in the mask of the rank, those that are its share; `all` is theirs in order, and
 * moved from. A master beside the worker's attempts is left one. */
void cores_divide(cpu_set_t *all, uint32_t all_count, const struct neighbour_shares *shares,
                  bool is_master_here, struct cores *cores_out);

/* Of so many processors that the worker ranks of the host have together, its share at most. */
void cores_limit(uint64_t processors, uint32_t rank_count, bool is_master_here,
                 struct cores *cores);

#endif
