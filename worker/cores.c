#include "worker/cores.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

/* Cores of which at least one hardware thread is in the set. */
static uint32_t count_cores(hwloc_topology_t topology, hwloc_const_cpuset_t set)
{
    uint32_t count = 0;
    const int all = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    for (int i = 0; i < all; i++) {
        const hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
        count += hwloc_bitmap_intersects(core->cpuset, set) ? 1 : 0;
    }
    const int threads = hwloc_bitmap_weight(set);
    return count > 0 ? count : threads > 0 ? (uint32_t)threads : 1;
}

static bool was_bound_by_default(void)
{
    const char *value = getenv("OMPI_MCA_orte_bound_at_launch");
    return value != NULL && strcmp(value, "1") == 0;
}

/* Gives whether the cores are shared with the other ranks of the node. */
static bool count_allowed(uint32_t *count_out)
{
    hwloc_topology_t topology;
    bool is_shared = true;
    *count_out = 1;
    if (hwloc_topology_init(&topology) != 0) {
        return true;
    }
    hwloc_bitmap_t own = hwloc_bitmap_alloc();
    if (own != NULL && hwloc_topology_load(topology) == 0) {
        hwloc_const_cpuset_t node = hwloc_topology_get_allowed_cpuset(topology);
        const bool is_known = hwloc_get_cpubind(topology, own, HWLOC_CPUBIND_PROCESS) == 0;
        is_shared = !is_known || was_bound_by_default() || hwloc_bitmap_isequal(own, node);
        *count_out = count_cores(topology, is_shared ? node : own);
    }
    hwloc_bitmap_free(own);
    hwloc_topology_destroy(topology);
    return is_shared;
}

uint32_t cores_for_worker(const struct transport *transport)
{
    uint32_t cores;
    const bool is_shared = count_allowed(&cores);
    const uint32_t local = transport_local_size(transport);
    if (transport_size(transport) == 1) {
        return cores;
    }
    if (transport_rank(transport) == 0) {
        return cores > 2 ? cores - 1 : cores;
    }
    if (!is_shared) {
        return cores;
    }
    /* Where rank 0 is not alone on its node, it does not work. Ranks are counted from 0 in order on
     * a node, so that local rank 0 of the first node is rank 0; other nodes have workers only. */
    const bool has_master = transport_rank(transport) < local;
    const uint32_t workers = has_master && local > 1 ? local - 1 : local;
    return cores / workers > 0 ? cores / workers : 1;
}
