#include "worker/cores.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>

#include "shared/memory.h"
#include "shared/quantity.h"

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && *value != '\0';
}

static bool was_bound_by_default(void)
{
    const char *is_bound = getenv("OMPI_MCA_orte_bound_at_launch");
    const char *mapping = getenv("OMPI_MCA_rmaps_base_mapping_policy");
    return is_bound != NULL && strcmp(is_bound, "1") == 0 &&
           !is_set("OMPI_MCA_hwloc_base_binding_policy") &&
           (mapping == NULL || strcasestr(mapping, "pe=") == NULL);
}

void cores_unbind(void)
{
    cpu_set_t all;
    if (was_bound_by_default()) {
        memset(&all, 0xff, sizeof(all));
        (void)sched_setaffinity(0, sizeof(all), &all); /* the kernel takes what is allowed */
    }
}

/* ---- The cores in a mask ----------------------------------------------------------------------
 */

struct core_list {
    cpu_set_t *sets;
    size_t count;
    size_t capacity;
};

static void add(struct core_list *list, const cpu_set_t *set)
{
    if (CPU_COUNT(set) > 0) {
        list->sets = memory_grow(list->sets, list->count, &list->capacity, sizeof(*list->sets));
        list->sets[list->count++] = *set;
    }
}

static void add_core(struct core_list *list, hwloc_const_cpuset_t core, const cpu_set_t *allowed)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu = hwloc_bitmap_first(core); cpu >= 0; cpu = hwloc_bitmap_next(core, cpu)) {
        if (cpu < CPU_SETSIZE && CPU_ISSET((size_t)cpu, allowed)) {
            CPU_SET((size_t)cpu, &set);
        }
    }
    add(list, &set);
}

/* Those that lie near each other are neighbours in the list. */
static void add_cores(struct core_list *list, const cpu_set_t *allowed)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0) {
        return;
    }
    const int count =
        hwloc_topology_load(topology) == 0 ? hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) : 0;
    for (int i = 0; i < count; i++) {
        add_core(list, hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i)->cpuset,
                 allowed);
    }
    hwloc_topology_destroy(topology);
}

static void add_processors(struct core_list *list, const cpu_set_t *allowed)
{
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (CPU_ISSET(cpu, allowed)) {
            CPU_SET(cpu, &set);
        }
        add(list, &set);
    }
}

/* ---- Shares -----------------------------------------------------------------------------------
 */

void cores_divide(cpu_set_t *all, uint32_t all_count, const struct neighbour_shares *shares,
                  bool is_master_here, struct cores *cores_out)
{
    const uint32_t left_out = is_master_here && all_count > 2 ? 1 : 0;
    const uint32_t part = (all_count - left_out) / shares->cores.count;
    const bool has_own = part > 0 && shares->is_even;
    *cores_out =
        (struct cores){.count = part > 0 ? part : 1, .own = all, .own_count = has_own ? part : 0};
    if (has_own) {
        memmove(all, &all[left_out + shares->cores.index * part], part * sizeof(*all));
    }
}

void cores_limit(uint64_t processors, uint32_t rank_count, bool is_master_here, struct cores *cores)
{
    const uint64_t left_out = is_master_here && processors > 2 ? 1 : 0;
    const uint64_t part = (processors - left_out) / rank_count;
    if (part < cores->count) {
        cores->count = part > 0 ? (uint32_t)part : 1;
        cores->own_count = 0;
    }
}

/* 0: Slurm does not say. */
static uint64_t slurm_processors(void)
{
    const char *text = getenv("SLURM_CPUS_ON_NODE");
    uint64_t count = 0;
    return text != NULL && quantity_parse_count(text, &count, NULL) == STATUS_OK ? count : 0;
}

void cores_find(const struct transport *transport, struct cores *cores_out)
{
    struct core_list list = {0};
    const struct neighbour_shares shares = transport_shares(transport);
    const bool is_master_here = transport_rank(transport) == 0 && transport_size(transport) > 1;
    add_cores(&list, &shares.cpu_set);
    if (list.count == 0) {
        add_processors(&list, &shares.cpu_set);
    }
    cores_divide(list.sets, (uint32_t)list.count, &shares, is_master_here, cores_out);
    if (slurm_processors() > 0) {
        cores_limit(slurm_processors(), shares.host.count, is_master_here, cores_out);
    }
}

void cores_free(struct cores *cores)
{
    free(cores->own);
    *cores = (struct cores){0};
}
