#include "master/master_private.h"

#include <stdlib.h>

#include "shared/memory.h"

/* ---- Life -------------------------------------------------------------------------------------
 */

/* Where partial values of many batches become one before they are reported, a rank has as much more
 * ahead of it. */
#define REDUCED_INTERVAL_FACTOR 10

static uint64_t report_interval_us(const struct master *master, const struct master_map *map)
{
    const bool is_folded = map->reducer != NULL && map->cache_options == NULL && !map->is_ordered;
    return master->options.report_interval_us * (is_folded ? REDUCED_INTERVAL_FACTOR : 1);
}

static enum status create_scheduler(const struct master *master, struct master_map *map)
{
    const struct map_options *asked = &map->options;
    const uint64_t size = inputs_count(map->inputs);
    const struct scheduler_options options = {
        .ledger = {.size = size,
                   .retries = asked->retries,
                   .system_retries = asked->system_retries,
                   .is_mem_growing = asked->mem > 0 && asked->mem_growth > 1,
                   .comes_later = inputs_come_later(map->inputs)},
        .sizing = {.report_interval_us = report_interval_us(master, map),
                   .unit_size = asked->unit_size,
                   .input_size_mean = size > 0 ? inputs_packed_size(map->inputs) / size : 0},
        .minimum = map->minimum,
        .policy = asked->policy,
        .concurrency = asked->concurrency,
        .delay_us = asked->delay_ns / 1000,
        .retry_delay_us = asked->retry_delay_ns / 1000,
        .worker_count = transport_size(master->options.transport),
        .has_none_ahead =
            map->metric != NULL && (map->metric->has_target || map->metric->has_early_stop),
        .is_speculative = asked->speculate && map->metric == NULL,
    };
    const enum status status = scheduler_create(options, &map->scheduler);
    if (status == STATUS_OK && options.ledger.comes_later) {
        scheduler_raise(map->scheduler, inputs_available(map->inputs));
    }
    return status;
}

void master_map_destroy(struct master_map *map)
{
    cache_destroy(map->cache);
    scheduler_destroy(map->scheduler);
    trial_metrics_destroy(map->metrics);
    failures_destroy(map->failures);
    frame_list_free(&map->frames);
    free(map);
}

void master_maps_destroy(struct master *master)
{
    for (size_t i = 0; i < master->map_count; i++) {
        master_map_destroy(master->maps[i]);
    }
    for (size_t i = 0; i < master->ended_count; i++) {
        master_map_finish_closing(master->ended[i]);
        master_map_destroy(master->ended[i]);
    }
    free(master->maps);
    free(master->ended);
}

/* What is of the run is the same for all maps. */
static struct map_options options_of(const struct master *master, const struct map_options *asked)
{
    const struct map_options *run = &master->options.run->options;
    struct map_options options = *asked;
    options.grace_ns = run->grace_ns;
    options.time_limit_ns = run->time_limit_ns;
    options.lost_after_ns = run->lost_after_ns;
    options.capture = run->capture;
    options.output_size_max = run->output_size_max;
    return options;
}

enum status master_map_create(struct master *master, const struct master_map_options *options,
                              struct master_map **map_out)
{
    struct master_map *map = memory_take(1, sizeof(*map));
    *map = (struct master_map){.number = options->number,
                               .task = options->task,
                               .options = options_of(master, options->options),
                               .inputs = options->inputs,
                               .minimum = options->minimum,
                               .reducer = options->reducer,
                               .is_ordered = options->is_ordered,
                               .cache_options = options->cache,
                               .failures = options->failures,
                               .earlier = options->earlier,
                               .metric = options->metric};
    map->cancel.grace_us = map->options.grace_ns / 1000;
    enum status status = create_scheduler(master, map);
    if (status == STATUS_OK && map->failures == NULL) {
        status = failures_create(&map->failures);
    }
    if (status == STATUS_OK) {
        status = master_cache_create(map);
    }
    if (status != STATUS_OK) {
        master_map_destroy(map);
        return status;
    }
    master->maps = memory_grow(master->maps, master->map_count, &master->map_capacity,
                               sizeof(struct master_map *));
    master->maps[master->map_count++] = map;
    *map_out = map;
    return STATUS_OK;
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
                            .options = map->options};
    if (!inputs_come_later(map->inputs)) {
        wire.formula = *inputs_formula(map->inputs);
    }
    if (map->metric != NULL) {
        wire.metric = map->metric->name;
        wire.needs_report = map->metric->is_required;
    }
    /* Outputs that are kept one by one come one by one: then they are folded at the end only. */
    if (map->cache_options == NULL) {
        wire.reducer = map->reducer;
        wire.is_ordered = map->is_ordered;
    } else {
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

/* Of the map that is the run, ranks have told themselves. */
uint32_t master_map_slots(const struct master *master, const struct master_map *map, uint32_t rank)
{
    if (master_is_one_map(master) || master->slots[rank] == 0) {
        return master->slots[rank];
    }
    return (uint32_t)resources_fit(master->offered[rank], resources_asked(&map->options),
                                   master->options.is_isolated ? UINT32_MAX : 1);
}

/* Ranks that are too small, or on which the job's setup failed, have no slots, and stay out. */
void master_map_join(struct master *master, struct master_map *map)
{
    const uint32_t ranks = transport_size(master->options.transport);
    map->have_joined = true;
    for (uint32_t rank = 0; rank < ranks; rank++) {
        const uint32_t slots =
            master_is_worker(master, rank) ? master_map_slots(master, map, rank) : 0;
        if (slots > 0) {
            scheduler_join(map->scheduler, rank, slots);
        }
    }
}

void master_note_recorded(struct master *master)
{
    for (size_t i = 0; i < master->map_count; i++) {
        master->maps[i]->recorded = scheduler_counts(master->maps[i]->scheduler);
    }
}

static void add_counts(struct ledger_counts *sum, const struct ledger_counts *counts)
{
    sum->ready += counts->ready;
    sum->waiting += counts->waiting;
    sum->leased += counts->leased;
    sum->succeeded += counts->succeeded;
    sum->cached += counts->cached;
    sum->stopped_early += counts->stopped_early;
    sum->failed += counts->failed;
    sum->timed_out += counts->timed_out;
    sum->aborted += counts->aborted;
    sum->to_come += counts->to_come;
}

void master_add_past(struct master *master, const struct master_map *map)
{
    add_counts(&master->past, &map->counts);
    master->past_size += inputs_count(map->inputs);
    master->past_tally.attempts += map->tally.attempts;
    master->past_tally.retries += map->tally.retries;
}

struct ledger_counts master_recorded(const struct master *master)
{
    struct ledger_counts sum = master->past;
    for (size_t i = 0; i < master->map_count; i++) {
        add_counts(&sum, &master->maps[i]->recorded);
    }
    return sum;
}
