/* cores.h - how many slots a worker rank has by itself: one a core that it may use. */
#ifndef WORKER_CORES_H
#define WORKER_CORES_H

#include <stdint.h>

#include "shared/transport.h"

/* Physical cores in the rank's affinity mask; where Open MPI bound the rank by its own default
 * (OMPI_MCA_orte_bound_at_launch=1), those that the node allows. Divided among the worker ranks of
 * the node, at least one each. Rank 0 working beside other ranks of the job leaves one core to the
 * master if it has more than two. */
uint32_t cores_for_worker(const struct transport *transport);

#endif
