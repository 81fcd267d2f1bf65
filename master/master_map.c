#include "master/master_private.h"

#include <stdlib.h>

#include "shared/memory.h"

/* ---- Life -------------------------------------------------------------------------------------
 */

static enum status create_scheduler(const struct master *master, struct master_map *map)
{
    const struct map_options *asked = map->options;
    const uint64_t size = inputs_count(map->inputs);
    const struct scheduler_options options = {
        .ledger = {.size = size,
                   .retries = asked->retries,
                   .system_retries = asked->system_retries,
                   .is_mem_growing = asked->mem > 0 && asked->mem_growth > 1},
        .sizing = {.report_interval_us = master->options.report_interval_us,
                   .unit_size = asked->unit_size,
                   .input_size_mean = size > 0 ? inputs_packed_size(map->inputs) / size : 0},
        .minimum = map->minimum,
        .policy = asked->policy,
        .concurrency = asked->concurrency,
        .delay_us = asked->delay_ns / 1000,
        .retry_delay_us = asked->retry_delay_ns / 1000,
        .worker_count = transport_size(master->options.transport),
        .is_speculative = asked->speculate,
    };
    return scheduler_create(options, &map->scheduler);
}

static void destroy(struct master_map *map)
{
    cache_destroy(map->cache);
    scheduler_destroy(map->scheduler);
    failures_destroy(map->failures);
    free(map);
}

/* Failures of earlier sessions are taken over, whatever comes of this. */
enum status master_map_create(struct master *master, struct master_map **map_out)
{
    const struct master_options *options = &master->options;
    struct master_map *map = memory_take(1, sizeof(*map));
    *map = (struct master_map){.number = MAP_NUMBER,
                               .task = options->run->task,
                               .options = &options->run->options,
                               .inputs = options->inputs,
                               .minimum = options->minimum,
                               .cache_options = options->cache,
                               .failures = options->failures};
    enum status status = create_scheduler(master, map);
    if (status == STATUS_OK && map->failures == NULL) {
        status = failures_create(&map->failures);
    }
    if (status == STATUS_OK) {
        status = master_cache_create(map);
    }
    if (status != STATUS_OK) {
        map->failures = options->failures != NULL ? NULL : map->failures;
        destroy(map);
        return status;
    }
    master->maps = memory_grow(master->maps, master->map_count, &master->map_capacity,
                               sizeof(struct master_map *));
    master->maps[master->map_count++] = map;
    *map_out = map;
    return STATUS_OK;
}

void master_maps_destroy(struct master *master)
{
    for (size_t i = 0; i < master->map_count; i++) {
        destroy(master->maps[i]);
    }
    free(master->maps);
}

struct master_map *master_map_of(const struct master *master, uint64_t number)
{
    for (size_t i = 0; i < master->map_count; i++) {
        if (master->maps[i]->number == number) {
            return master->maps[i];
        }
    }
    return NULL;
}

struct wire_map master_map_wire(const struct master_map *map)
{
    struct wire_map wire = {.number = map->number,
                            .task = map->task,
                            .size = inputs_count(map->inputs),
                            .options = *map->options,
                            .formula = *inputs_formula(map->inputs)};
    if (map->cache_options != NULL) {
        wire.key_base = map->cache_options->base;
        wire.key_base_size = map->cache_options->base_size;
    }
    return wire;
}

enum status master_send_map(struct master *master, uint32_t rank, const struct master_map *map,
                            struct error *err)
{
    const struct wire_message message = {.kind = WIRE_MAP, .as.map = master_map_wire(map)};
    return master_send(master, rank, &message, err);
}

/* ---- While they run ---------------------------------------------------------------------------
 */

/* Ranks that are too small, or on which the job's setup failed, have no slots, and stay out. */
void master_map_join(struct master *master, struct master_map *map)
{
    const uint32_t ranks = transport_size(master->options.transport);
    map->have_joined = true;
    for (uint32_t rank = 0; rank < ranks; rank++) {
        if (master_is_worker(master, rank) && master->slots[rank] > 0) {
            scheduler_join(map->scheduler, rank, master->slots[rank]);
        }
    }
}

void master_note_recorded(struct master *master)
{
    for (size_t i = 0; i < master->map_count; i++) {
        master->maps[i]->recorded = scheduler_counts(master->maps[i]->scheduler);
    }
}

struct ledger_counts master_recorded(const struct master *master)
{
    struct ledger_counts sum = {0};
    for (size_t i = 0; i < master->map_count; i++) {
        const struct ledger_counts *counts = &master->maps[i]->recorded;
        sum.ready += counts->ready;
        sum.waiting += counts->waiting;
        sum.leased += counts->leased;
        sum.succeeded += counts->succeeded;
        sum.cached += counts->cached;
        sum.failed += counts->failed;
        sum.timed_out += counts->timed_out;
        sum.aborted += counts->aborted;
    }
    return sum;
}
