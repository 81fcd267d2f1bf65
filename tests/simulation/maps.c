/* Several maps on the same workers, many times, each repeatable by its seed.
 *
 * Each map has a scheduler of its own, the real one. The workers are modelled: slots that take the
 * next instance of the map with the smallest share, as worker/slot_share.h says, with the workers
 * of a machine that are lost and come back. Maps are begun while others run. At the end of a map
 * each of its instances has been taken once; and one that is no larger than one worker's slots has
 * not waited for a large one: only for the instances that were running when it was begun, and for
 * its own.
 *
 *     simulation_maps [--seeds N]   seeds 0 to N - 1
 *     simulation_maps --seed N      one of them
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/ledger.h"
#include "master/scheduler.h"
#include "shared/memory.h"
#include "tests/simulation/seeds.h"
#include "worker/slot_share.h"

#define SEED_COUNT 300
#define MAP_COUNT_MAX 8
#define WORKER_COUNT_MAX 6
#define SLOT_COUNT_MAX 8
#define LARGE_SIZE_MAX 3000
#define DURATION_US_MAX 20000
#define STEP_US 500
#define TIME_US_MAX UINT64_C(3600000000)
/* What hand-overs and reports take, in a model that looks every STEP_US. */
#define SLACK_US (UINT64_C(20) * STEP_US)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)printf("seed %" PRIu64 ": %s:%d: %s\n", current_seed, __FILE__, __LINE__,        \
                         #condition);                                                              \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static uint64_t current_seed;
static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % below;
}

/* One instance, in a queue or a slot of a worker. */
struct item {
    uint64_t lease;
    uint64_t index;
    uint64_t attempt;
    uint64_t end_us;
};

struct queue {
    struct item *items;
    size_t first;
    size_t count;
    size_t capacity;
};

struct slot {
    bool is_busy;
    size_t map;
    struct item item;
};

struct sim_map {
    struct scheduler *scheduler;
    uint64_t size;
    uint64_t begin_us;
    uint64_t end_us; /* 0: it runs */
    bool is_begun;
    uint8_t *taken;     /* by instance: how often its success was */
    bool was_disturbed; /* a worker was lost meanwhile */
};

struct sim_worker {
    uint32_t slots;
    bool is_here;
    struct slot busy[SLOT_COUNT_MAX];
    struct queue queues[MAP_COUNT_MAX];
    uint64_t started[MAP_COUNT_MAX];
    uint64_t started_all;
};

struct sim {
    struct sim_map maps[MAP_COUNT_MAX];
    size_t map_count;
    struct sim_worker workers[WORKER_COUNT_MAX];
    uint32_t worker_count;
    bool loses_workers;
    uint64_t now_us;
};

/* ---- What a scheduler wants -------------------------------------------------------------------
 */

static void put(struct queue *queue, struct item item)
{
    queue->items = memory_grow(queue->items, queue->first + queue->count, &queue->capacity,
                               sizeof(*queue->items));
    queue->items[queue->first + queue->count++] = item;
}

static void take_unit(struct sim *sim, size_t map, const struct scheduler_action *action)
{
    struct sim_worker *worker = &sim->workers[action->worker];
    CHECK(worker->is_here);
    for (size_t i = 0; i < action->span_count; i++) {
        for (uint64_t k = 0; k < action->spans[i].count; k++) {
            put(&worker->queues[map], (struct item){.lease = action->lease,
                                                    .index = action->spans[i].start + k,
                                                    .attempt = action->spans[i].attempt});
        }
    }
}

/* From the back, as a worker does. */
static void give_back(struct sim *sim, size_t map, const struct scheduler_action *action)
{
    struct queue *queue = &sim->workers[action->worker].queues[map];
    struct span span = {.count = 0};
    const struct item *last = &queue->items[queue->first + queue->count];
    while (queue->count > 0 && span.count < action->count && last[-1].lease == action->lease &&
           (span.count == 0 || last[-1].index + 1 == span.start)) {
        last--;
        queue->count--;
        span =
            (struct span){.start = last->index, .count = span.count + 1, .attempt = last->attempt};
    }
    const char *reason =
        scheduler_take_returned(sim->maps[map].scheduler, action->worker, action->lease, &span,
                                span.count > 0 ? 1 : 0, sim->now_us);
    CHECK(reason == NULL);
}

static void act(struct sim *sim, size_t map)
{
    struct scheduler_action action;
    while (scheduler_next(sim->maps[map].scheduler, sim->now_us, &action)) {
        if (action.kind == SCHEDULER_SEND_UNIT) {
            take_unit(sim, map, &action);
        } else if (action.kind == SCHEDULER_RECALL) {
            give_back(sim, map, &action);
        } else if (action.kind == SCHEDULER_DONE) {
            sim->maps[map].end_us = sim->now_us;
            return;
        }
    }
}

/* ---- Workers ----------------------------------------------------------------------------------
 */

static void report(struct sim *sim, uint32_t at, const struct slot *slot)
{
    struct sim_map *map = &sim->maps[slot->map];
    const struct span span = {.start = slot->item.index, .count = 1, .attempt = slot->item.attempt};
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_count = 1,
                                       .elapsed_us = DURATION_US_MAX / 2};
    const char *reason =
        scheduler_take_batch(map->scheduler, at, slot->item.lease, &batch, NULL, NULL, sim->now_us);
    CHECK(reason == NULL);
    CHECK(map->taken[slot->item.index]++ == 0);
}

static void end_instances(struct sim *sim, uint32_t at)
{
    struct sim_worker *worker = &sim->workers[at];
    for (uint32_t i = 0; i < worker->slots; i++) {
        struct slot *slot = &worker->busy[i];
        if (slot->is_busy && sim->now_us >= slot->item.end_us) {
            slot->is_busy = false;
            report(sim, at, slot);
        }
    }
}

static struct slot_share share_of(const struct sim_worker *worker, size_t map)
{
    struct slot_share share = {.fit = worker->slots, .started = worker->started[map]};
    for (uint32_t i = 0; i < worker->slots; i++) {
        share.count += worker->busy[i].is_busy && worker->busy[i].map == map ? 1 : 0;
    }
    return share;
}

/* SIZE_MAX: none has anything to start. */
static size_t whose_turn(const struct sim *sim, const struct sim_worker *worker)
{
    size_t chosen = SIZE_MAX;
    for (size_t map = 0; map < sim->map_count; map++) {
        if (worker->queues[map].count > 0 &&
            (chosen == SIZE_MAX ||
             slot_share_is_less(share_of(worker, map), share_of(worker, chosen)))) {
            chosen = map;
        }
    }
    return chosen;
}

static void start_instances(struct sim *sim, struct sim_worker *worker)
{
    for (uint32_t i = 0; i < worker->slots; i++) {
        struct slot *slot = &worker->busy[i];
        const size_t map = slot->is_busy ? SIZE_MAX : whose_turn(sim, worker);
        if (map == SIZE_MAX) {
            continue;
        }
        struct queue *queue = &worker->queues[map];
        *slot = (struct slot){.is_busy = true, .map = map, .item = queue->items[queue->first]};
        slot->item.end_us = sim->now_us + 1 + draw(DURATION_US_MAX);
        worker->started[map] = ++worker->started_all;
        queue->first++;
        queue->count--;
    }
}

/* What it was in is charged, and everything goes elsewhere. */
static void on_charged(void *context, uint64_t index, struct ledger_fate fate)
{
    (void)context;
    (void)index;
    CHECK(!fate.is_final);
}

static void lose(struct sim *sim, uint32_t at)
{
    struct sim_worker *worker = &sim->workers[at];
    for (size_t map = 0; map < sim->map_count; map++) {
        sim->maps[map].was_disturbed = true;
        worker->queues[map].count = 0;
        if (sim->maps[map].is_begun && sim->maps[map].end_us == 0) {
            scheduler_lose(sim->maps[map].scheduler, at, NULL, 0, on_charged, NULL, sim->now_us);
        }
    }
    memset(worker->busy, 0, sizeof(worker->busy));
    worker->is_here = false;
}

static void come_back(struct sim *sim, uint32_t at)
{
    sim->workers[at].is_here = true;
    for (size_t map = 0; map < sim->map_count; map++) {
        if (sim->maps[map].is_begun && sim->maps[map].end_us == 0) {
            scheduler_join(sim->maps[map].scheduler, at, sim->workers[at].slots);
        }
    }
}

/* The first one is never lost. */
static void disturb(struct sim *sim)
{
    const uint32_t at = (uint32_t)draw(sim->worker_count);
    if (!sim->loses_workers || at == 0 || draw(200) != 0) {
        return;
    }
    if (sim->workers[at].is_here) {
        lose(sim, at);
    } else {
        come_back(sim, at);
    }
}

/* ---- Maps -------------------------------------------------------------------------------------
 */

static void begin(struct sim *sim, struct sim_map *map)
{
    const struct scheduler_options options = {
        .ledger = {.size = map->size, .system_retries = UINT64_MAX},
        .sizing = {.report_interval_us = 100000},
        .minimum = map->size,
        .policy = POLICY_RUN_ALL,
        .worker_count = sim->worker_count,
    };
    CHECK(scheduler_create(options, &map->scheduler) == STATUS_OK);
    map->is_begun = true;
    map->begin_us = sim->now_us;
    for (uint32_t at = 0; at < sim->worker_count; at++) {
        if (sim->workers[at].is_here) {
            scheduler_join(map->scheduler, at, sim->workers[at].slots);
        }
    }
}

static void check_map(const struct sim *sim, const struct sim_map *map)
{
    for (uint64_t i = 0; i < map->size; i++) {
        CHECK(map->taken[i] == 1);
    }
    CHECK(scheduler_counts(map->scheduler).succeeded == map->size);
    if (map->size <= sim->workers[0].slots && !map->was_disturbed) {
        /* The slots that it needs become free one by one, each within an instance's time; and an
         * equal share of them is what it has, however many maps there are. */
        const uint64_t turns = 1 + map->size * sim->map_count;
        CHECK(map->end_us - map->begin_us <= turns * DURATION_US_MAX + SLACK_US);
    }
}

static void create(struct sim *sim)
{
    *sim = (struct sim){.map_count = 2 + (size_t)draw(MAP_COUNT_MAX - 1),
                        .worker_count = 1 + (uint32_t)draw(WORKER_COUNT_MAX),
                        .loses_workers = draw(2) == 0};
    for (uint32_t at = 0; at < sim->worker_count; at++) {
        sim->workers[at].slots = 1 + (uint32_t)draw(SLOT_COUNT_MAX);
        sim->workers[at].is_here = true;
    }
    for (size_t i = 0; i < sim->map_count; i++) {
        struct sim_map *map = &sim->maps[i];
        map->size = draw(2) == 0 ? draw(LARGE_SIZE_MAX) : 1 + draw(4);
        map->taken = memory_take(map->size + 1, 1);
        map->begin_us = draw(400000);
    }
}

static void destroy(struct sim *sim)
{
    for (size_t i = 0; i < sim->map_count; i++) {
        scheduler_destroy(sim->maps[i].scheduler);
        free(sim->maps[i].taken);
    }
    for (uint32_t at = 0; at < sim->worker_count; at++) {
        for (size_t i = 0; i < sim->map_count; i++) {
            free(sim->workers[at].queues[i].items);
        }
    }
}

/* False when all maps have ended. */
static bool step(struct sim *sim)
{
    bool is_any_left = false;
    disturb(sim);
    for (size_t i = 0; i < sim->map_count; i++) {
        struct sim_map *map = &sim->maps[i];
        if (!map->is_begun && sim->now_us >= map->begin_us) {
            begin(sim, map);
        }
        if (map->is_begun && map->end_us == 0) {
            act(sim, i);
        }
        is_any_left = is_any_left || map->end_us == 0;
    }
    for (uint32_t at = 0; at < sim->worker_count; at++) {
        if (sim->workers[at].is_here) {
            end_instances(sim, at);
            start_instances(sim, &sim->workers[at]);
        }
    }
    sim->now_us += STEP_US;
    return is_any_left;
}

static void simulate(uint64_t seed)
{
    struct sim sim;
    current_seed = seed;
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    create(&sim);
    while (step(&sim)) {
        CHECK(sim.now_us < TIME_US_MAX);
    }
    for (size_t i = 0; i < sim.map_count; i++) {
        check_map(&sim, &sim.maps[i]);
    }
    destroy(&sim);
}

int main(int argc, char **argv)
{
    struct seeds seeds = {.count = SEED_COUNT};
    if (!seeds_take(&seeds, argc, argv)) {
        return 2;
    }
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        simulate(seed);
    }
    (void)printf("%" PRIu64 " seeds, all well\n", seeds.count);
    return EXIT_SUCCESS;
}
