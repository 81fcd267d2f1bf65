#include "worker/worker_private.h"

#include <inttypes.h>
#include <stddef.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "worker/channel.h"

#define BATCH_GOAL_US 8000.0
#define BATCH_COUNT_MAX CHANNEL_INSTANCE_COUNT_MAX
#define BATCH_GROWTH_MAX 16
#define DURATION_NEWEST_WEIGHT 0.3
/* Executors have a second batch ahead where instances are shorter than this: for others what a
 * hand-over takes is little, and what waits behind one could run elsewhere. */
#define AHEAD_INSTANCE_US_MAX 5000.0
/* A map of which nothing runs here has waited for slots that others hold: elsewhere there may be
 * some. */
#define GIVE_BACK_US 200000
/* The master takes no more for now: start nothing until it has. */
#define PENDING_SIZE_MAX ((uint64_t)64 << 20)

/* A unit that cannot be taken in would never end: the rank does, and says why. */
enum status worker_on_unit(struct worker *worker, const struct wire_unit *unit, struct error *err)
{
    struct worker_map *map = worker_map_of(worker, unit->map);
    if (worker->state == WORKER_OUT) {
        return STATUS_OK; /* it was under way when this rank left; rank 0 has it back by the BYE */
    }
    if (worker->state != WORKER_READY || map == NULL) {
        log_warning("unit ignored reason=%s map=%" PRIu64 " lease=%" PRIu64,
                    map == NULL ? "unknown_map" : "not_started", unit->map, unit->lease);
        return STATUS_OK;
    }
    return unit_queue_add(&map->queue, unit, map->pooled.wire->formula.kind != FORMULA_NONE, err);
}

/* Some milliseconds of work, and not more than a slot's share of what there is. */
static uint64_t batch_count(struct worker *worker, const struct worker_map *map)
{
    const uint64_t slots = map->fit;
    const uint64_t share = (map->queue.count + slots - 1) / slots;
    if (map->instance_us <= 0 || *map->pooled.wire->metric != '\0') {
        return 1; /* what a trial has come to is told before the next begins */
    }
    const double goal = BATCH_GOAL_US / map->instance_us;
    uint64_t count = goal >= BATCH_COUNT_MAX ? BATCH_COUNT_MAX : (uint64_t)goal;
    count = smaller(smaller(count, map->batch_grown), share);
    count = smaller(count, pool_batch_count_max(worker->pool));
    return count > 0 ? count : 1;
}

static void observe(struct worker_map *map, const struct report_batch *batch)
{
    const double instance_us = ((double)batch->elapsed_us + 0.5) / (double)batch->instance_count;
    map->instance_us =
        map->instance_us <= 0
            ? instance_us
            : map->instance_us + DURATION_NEWEST_WEIGHT * (instance_us - map->instance_us);
    if (map->batch_grown < BATCH_COUNT_MAX) {
        map->batch_grown = batch->instance_count * BATCH_GROWTH_MAX;
    }
}

typedef void start_function(struct pool *pool, struct pool_map *map, uint64_t lease,
                            const struct batch *batch, uint64_t now_us);

/* *is_started_out: is there one? */
static enum status start_batch(struct worker *worker, struct worker_map *map, uint64_t growth_max,
                               start_function *start, uint64_t now_us, bool *is_started_out,
                               struct error *err)
{
    struct span spans[CHANNEL_SPAN_COUNT_MAX];
    struct batch batch;
    uint64_t lease;
    const enum status status = unit_queue_carve(&map->queue, growth_max, batch_count(worker, map),
                                                spans, CHANNEL_SPAN_COUNT_MAX, &batch, &lease, err);
    *is_started_out = status == STATUS_OK;
    if (status == STATUS_OK) {
        map->started = ++worker->batch_count_ever;
        start(worker->pool, &map->pooled, lease, &batch, now_us);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Does the next batch go to a busy slot? While so little is left that slots would go without, what
 * is left stays here, for whichever is free first. */
static bool is_ahead_due(const struct worker *worker, const struct worker_map *map)
{
    return map->is_steady && map->instance_us <= AHEAD_INSTANCE_US_MAX &&
           map->queue.count > map->fit && pool_has_room_ahead(worker->pool, &map->pooled);
}

/* One batch of the map, if there is room for it. Else room is made, where only an executor for it
 * is missing. */
static enum status start_one(struct worker *worker, struct worker_map *map, uint64_t now_us,
                             bool *is_started_out, struct error *err)
{
    uint64_t growth_max;
    enum status status = STATUS_OK;
    *is_started_out = false;
    if (pool_has_room(worker->pool, &map->pooled, &growth_max)) {
        status = start_batch(worker, map, growth_max, pool_start, now_us, is_started_out, err);
    } else if (is_ahead_due(worker, map)) {
        status =
            start_batch(worker, map, UINT64_MAX, pool_start_ahead, now_us, is_started_out, err);
    }
    if (status == STATUS_OK && !*is_started_out) {
        status = pool_make_room(worker->pool, &map->pooled, map->queue.count, now_us, err);
    }
    map->waits_since_us = *is_started_out           ? 0
                          : map->waits_since_us > 0 ? map->waits_since_us
                                                    : now_us;
    return status;
}

/* One batch, of the map whose turn it is, or of the next one for which there is room. */
static enum status start_next(struct worker *worker, uint64_t now_us, bool *is_started_out,
                              struct error *err)
{
    enum status status = STATUS_OK;
    *is_started_out = false;
    struct worker_map *map = worker_next_map(worker, NULL, now_us);
    while (map != NULL && status == STATUS_OK) {
        status = start_one(worker, map, now_us, is_started_out, err);
        map = *is_started_out ? NULL : worker_next_map(worker, map, now_us);
    }
    return status;
}

static bool has_queued(const struct worker *worker)
{
    for (const struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        if (!map->is_dropped && map->queue.count > 0) {
            return true;
        }
    }
    return false;
}

static enum status start_batches(struct worker *worker, uint64_t now_us, bool *did_something,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    bool is_started = true;
    while (is_started && status == STATUS_OK &&
           transport_pending(worker->transport, MASTER_RANK) < PENDING_SIZE_MAX) {
        status = start_next(worker, now_us, &is_started, err);
        *did_something = *did_something || is_started;
    }
    pool_note_held(worker->pool, has_queued(worker), now_us);
    return status;
}

/* The files of what the slots take next, while all of them are busy. */
static void prefetch_next(struct worker *worker)
{
    if (worker->zygote == NULL || worker->start.as.start.remote_size == 0) {
        return;
    }
    if (worker->prefetch == NULL) {
        worker->prefetch = prefetch_create(worker->zygote);
    }
    for (struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        uint64_t growth_max;
        const uint8_t *inputs;
        size_t size;
        if (map->is_dropped || pool_has_room(worker->pool, &map->pooled, &growth_max) ||
            pool_makes_room(worker->pool, &map->pooled)) {
            continue;
        }
        while (unit_queue_look(&map->queue, map->fit, PREFETCH_SIZE_MAX, &inputs, &size)) {
            prefetch_offer(worker->prefetch, map->pooled.wire->task, inputs, size);
        }
    }
}

static bool is_blocked(const struct worker_map *map, uint64_t now_us)
{
    return map->queue.count > 0 && map->pooled.batch_count == 0 && map->waits_since_us > 0 &&
           now_us - map->waits_since_us >= GIVE_BACK_US;
}

/* The master takes what has been handed out to an idle slot for running, and does not know what
 * other maps have in it. What they hold up goes back, so that it is given to whoever is idle, to
 * this rank again where nobody is. */
static enum status give_back_blocked(struct worker *worker, uint64_t now_us, bool *did_something,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    if (worker->maps == NULL || worker->maps->next == NULL) {
        return STATUS_OK;
    }
    for (struct worker_map *map = worker->maps; map != NULL && status == STATUS_OK;
         map = map->next) {
        if (is_blocked(map, now_us)) {
            *did_something = true;
            map->waits_since_us = 0;
            status = worker_give_map_back(worker, map, err);
        }
    }
    return status;
}

/* Could more be started than is there to start? */
static bool is_out_of_work(const struct worker *worker)
{
    bool has_room = false;
    for (const struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        uint64_t growth_max;
        if (map->is_dropped || !pool_has_room(worker->pool, &map->pooled, &growth_max)) {
            continue;
        }
        if (unit_queue_has(&map->queue, growth_max)) {
            return false;
        }
        has_room = true;
    }
    return has_room;
}

static struct worker_map *map_of(const struct pool_result *ended)
{
    return (struct worker_map *)((uint8_t *)ended->map - offsetof(struct worker_map, pooled));
}

static enum status return_rest(struct worker *worker, const struct pool_result *ended,
                               struct error *err)
{
    const struct wire_message message = {.kind = WIRE_RETURNED,
                                         .as.returned = {.map = ended->map->wire->number,
                                                         .lease = ended->lease,
                                                         .spans = ended->rest,
                                                         .span_count = ended->rest_count}};
    return ended->rest_count > 0 && !map_of(ended)->is_dropped ? worker_send(worker, &message, err)
                                                               : STATUS_OK;
}

static bool is_any_unkept(const struct pool_result *ended)
{
    for (size_t i = 0; i < ended->failure_count; i++) {
        if (ended->failures[i].is_unkept) {
            return true;
        }
    }
    return false;
}

static enum status take_result(struct worker *worker, const struct pool_result *ended,
                               uint64_t now_us, struct error *err)
{
    struct worker_map *map = map_of(ended);
    worker_take_metrics(worker);
    if (ended->is_fold) {
        return worker_take_fold(worker, map, ended, now_us, err);
    }
    const bool is_any = ended->batch.instance_count > 0 && !map->is_dropped;
    map->is_steady = ended->rest_count == 0;
    enum status status = STATUS_OK;
    if (is_any) {
        observe(map, &ended->batch);
    }
    if (is_any && !worker_hold(map, ended, now_us)) {
        status = wire_report_add(worker_report_of(worker, map->pooled.wire->number, ended->lease),
                                 &ended->batch, ended->failures, ended->failure_count);
        if (status != STATUS_OK) {
            return error_set(err, status, "no memory for a batch's results");
        }
    }
    /* The master hears why before it can hand out again what comes back. */
    if (is_any_unkept(ended)) {
        status = worker_report_all(worker, now_us, err);
        if (status == STATUS_OK) {
            status = worker_give_all_back(worker, err);
        }
    }
    return status == STATUS_OK ? return_rest(worker, ended, err) : status;
}

/* All batches that have ended. */
static enum status collect(struct worker *worker, uint64_t now_us, bool *did_something,
                           struct error *err)
{
    enum status status = STATUS_OK;
    bool is_result = true;
    while (status == STATUS_OK && is_result) {
        struct pool_result ended;
        status = pool_collect(worker->pool, now_us, &ended, &is_result, err);
        if (status == STATUS_OK && is_result) {
            *did_something = true;
            status = take_result(worker, &ended, now_us, err);
        }
        if (worker->zygote == NULL || pool_slot_count(worker->pool) == 1) {
            break; /* messages are looked at between batches */
        }
    }
    worker_take_metrics(worker);
    for (struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        unit_queue_drop_started(&map->queue);
    }
    worker_forget_maps(worker);
    return status;
}

/* Where starts must lie apart, the master hears of each; else of the first. */
static enum status tell_beginnings(struct worker *worker, uint64_t now_us, struct error *err)
{
    const bool is_each = worker_has_delay(worker);
    if (worker->is_begin_told && !is_each) {
        return STATUS_OK;
    }
    if (!pool_has_begun(worker->pool, &worker->is_begin_awaited)) {
        return STATUS_OK;
    }
    worker->is_begin_told = true;
    worker->is_begin_awaited = worker->is_begin_awaited && is_each;
    return worker_send_beat(worker, now_us, err);
}

enum status worker_ready_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                              struct error *err)
{
    enum status status = collect(worker, now_us, did_something, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = worker_fold_turn(worker, now_us, did_something, err);
    if (status != STATUS_OK) {
        return status;
    }
    /* What has become free just now, a new executor too, is used before the loop pauses. */
    status = start_batches(worker, now_us, did_something, err);
    if (status == STATUS_OK) {
        status = give_back_blocked(worker, now_us, did_something, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    prefetch_next(worker);
    struct pool_result trimmed;
    if (is_out_of_work(worker) && pool_trim(worker->pool, now_us, &trimmed)) {
        *did_something = true;
        status = return_rest(worker, &trimmed, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (pool_setup_error(worker->pool) != NULL && pool_is_idle(worker->pool) &&
        pool_free_count(worker->pool) == 0) {
        return worker_leave_for_setup(worker, now_us, err);
    }
    now_us = clock_us();
    status = worker_metrics_turn(worker, now_us, did_something, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (worker_is_report_due(worker, now_us)) {
        *did_something = true;
        status = worker_send_reports(worker, now_us, err);
    }
    return status == STATUS_OK ? tell_beginnings(worker, now_us, err) : status;
}
