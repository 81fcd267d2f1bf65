#include "worker/worker_private.h"

#include <inttypes.h>
#include <stdlib.h>

#include "shared/log.h"
#include "shared/memory.h"
#include "worker/channel.h"
#include "worker/executor.h"
#include "worker/slot_share.h"

/* What waits for room for so long keeps others from starting: it would wait for ever otherwise,
 * where it needs more than one attempt of theirs leaves. */
#define WAIT_US_MAX 1000000
/* So many that wait are looked at before those behind them wait, too. */
#define LOOKED_AT_MAX 64

/* ---- Life -------------------------------------------------------------------------------------
 */

struct worker_map *worker_map_of(const struct worker *worker, uint64_t number)
{
    struct worker_map *map = worker->maps;
    while (map != NULL && (map->pooled.wire->number != number || map->is_dropped)) {
        map = map->next;
    }
    return map;
}

static void destroy(struct worker_map *map)
{
    unit_queue_free(&map->queue);
    worker_free_held(map);
    buffer_free(&map->bytes);
    arena_free(&map->arena);
    free(map);
}

/* The message is only lent: keep a copy, through its own encoding, which executors get, too. */
static enum status keep(struct worker_map *map, const struct wire_map *from, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_MAP, .as.map = *from};
    const enum status status = wire_encode(&message, &map->bytes);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for a map");
    }
    if (map->bytes.size > CHANNEL_MAP_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT, "a map of task %s takes %zu bytes to define",
                         from->task, map->bytes.size);
    }
    return wire_decode(map->bytes.data, map->bytes.size, &map->arena, &map->message, err);
}

enum status worker_add_map(struct worker *worker, const struct wire_map *from, struct error *err)
{
    if (worker_map_of(worker, from->number) != NULL) {
        return STATUS_OK; /* of START, and told again to a rank that was lost while it started */
    }
    struct worker_map *map = memory_take(1, sizeof(*map));
    enum status status = keep(map, from, err);
    if (status == STATUS_OK && worker->job != NULL) {
        status = executor_map(worker->job, &map->message.as.map, &map->pooled.in_rank, err);
    }
    if (status != STATUS_OK) {
        destroy(map);
        return status;
    }
    map->pooled.wire = &map->message.as.map;
    map->pooled.bytes = map->bytes.data;
    map->pooled.bytes_size = map->bytes.size;
    map->batch_grown = 1;
    map->fit = offer_fit(&worker->offer, resources_asked(&map->message.as.map.options));

    struct worker_map **at = &worker->maps;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = map;
    return STATUS_OK;
}

enum status worker_load_maps(struct worker *worker, struct error *err)
{
    enum status status = STATUS_OK;
    for (struct worker_map *map = worker->maps;
         map != NULL && worker->job != NULL && status == STATUS_OK; map = map->next) {
        status = executor_map(worker->job, &map->message.as.map, &map->pooled.in_rank, err);
    }
    return status;
}

enum status worker_on_map(struct worker *worker, const struct wire_map *map, struct error *err)
{
    if (!worker->is_started) {
        log_warning("map ignored reason=not_started map=%" PRIu64, map->number);
        return STATUS_OK;
    }
    return worker_add_map(worker, map, err);
}

/* The pool knows it until the last of its batches has ended. */
void worker_forget_maps(struct worker *worker)
{
    struct worker_map **at = &worker->maps;
    while (*at != NULL) {
        struct worker_map *map = *at;
        if (!map->is_dropped || map->pooled.batch_count > 0) {
            at = &map->next;
            continue;
        }
        *at = map->next;
        if (worker->pool != NULL) {
            pool_forget(worker->pool, &map->pooled);
        }
        destroy(map);
    }
}

static void drop(struct worker_map *map)
{
    map->is_dropped = true;
    unit_queue_free(&map->queue);
    worker_free_held(map);
}

void worker_on_drop(struct worker *worker, const struct wire_drop *dropped)
{
    struct worker_map *map = worker_map_of(worker, dropped->map);
    if (map != NULL) {
        drop(map);
        worker_forget_maps(worker);
    }
}

void worker_drop_maps(struct worker *worker)
{
    for (struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        drop(map);
    }
    worker_forget_maps(worker);
}

void worker_destroy_maps(struct worker *worker)
{
    while (worker->maps != NULL) {
        struct worker_map *map = worker->maps;
        worker->maps = map->next;
        destroy(map);
    }
}

/* ---- What waits -------------------------------------------------------------------------------
 */

uint64_t worker_queued(const struct worker *worker)
{
    uint64_t count = 0;
    for (const struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        count += map->queue.count;
    }
    return count;
}

bool worker_has_delay(const struct worker *worker)
{
    for (const struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        if (map->pooled.wire->options.delay_ns > 0 && !map->is_dropped) {
            return true;
        }
    }
    return false;
}

static bool has_waited(const struct worker_map *map, uint64_t now_us)
{
    return map->waits_since_us > 0 && now_us - map->waits_since_us >= WAIT_US_MAX;
}

/* Who has waited for long comes first, of several the one that has for longest. */
static bool is_before(const struct worker_map *a, const struct worker_map *b, uint64_t now_us)
{
    const struct slot_share shares[] = {
        {.count = a->pooled.batch_count, .fit = a->fit, .started = a->started},
        {.count = b->pooled.batch_count, .fit = b->fit, .started = b->started}};
    if (has_waited(a, now_us) || has_waited(b, now_us)) {
        return has_waited(a, now_us) &&
               (!has_waited(b, now_us) || a->waits_since_us < b->waits_since_us);
    }
    return slot_share_is_less(shares[0], shares[1]);
}

/* Whose turn is it, of those that have something to start and were not looked at in this round? */
static struct worker_map *neediest(const struct worker *worker, uint64_t now_us)
{
    struct worker_map *chosen = NULL;
    for (struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        if (map->queue.count > 0 && map->round != worker->round &&
            (chosen == NULL || is_before(map, chosen, now_us))) {
            chosen = map;
        }
    }
    return chosen;
}

struct worker_map *worker_next_map(struct worker *worker, const struct worker_map *before,
                                   uint64_t now_us)
{
    if (before == NULL) {
        worker->round++;
        worker->looked_at = 0;
    } else if (++worker->looked_at >= LOOKED_AT_MAX || has_waited(before, now_us)) {
        return NULL;
    }
    struct worker_map *map = neediest(worker, now_us);
    if (map != NULL) {
        map->round = worker->round;
    }
    return map;
}
