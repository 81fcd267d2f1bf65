#include "worker/worker_private.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

/* What is held of a map leaves after so long, while there is work; and before that when it is so
 * large, together. */
#define HELD_US 1000000
#define HELD_SIZE_MAX ((size_t)16 << 20)
/* It waits no longer for a slot to be folded in. */
#define HELD_US_MAX 2000000

/* ---- What is held -----------------------------------------------------------------------------
 */

struct held_batch {
    uint64_t lease;
    struct report_batch batch; /* its spans and frame lie behind this */
};

static struct held_batch *hold(uint64_t lease, const struct report_batch *batch)
{
    const size_t spans_size = batch->span_count * sizeof(*batch->spans);
    struct held_batch *held = memory_take(1, sizeof(*held) + spans_size + batch->frame_size);
    struct span *spans = (struct span *)(held + 1);
    uint8_t *frame = (uint8_t *)spans + spans_size;
    memcpy(spans, batch->spans, spans_size);
    memcpy(frame, batch->frame, batch->frame_size);
    held->lease = lease;
    held->batch = *batch;
    held->batch.spans = spans;
    held->batch.frame = frame;
    held->batch.times = NULL; /* those of several would be of nobody in particular */
    held->batch.times_size = 0;
    return held;
}

/* One value of all of them is to be had where the order does not count, and nothing is to be said
 * of a single one. */
bool worker_hold(struct worker_map *map, const struct pool_result *ended, uint64_t now_us)
{
    struct worker_held *held = &map->held;
    const struct report_batch *batch = &ended->batch;
    if (batch->partial_count != 1 || map->pooled.wire->is_ordered || map->pooled.is_fold_off ||
        batch->success_bits != NULL || batch->prints_size > 0) {
        return false;
    }
    held->since_us = held->count == 0 ? now_us : held->since_us;
    held->batches =
        memory_grow(held->batches, held->count, &held->capacity, sizeof(struct held_batch *));
    held->batches[held->count++] = hold(ended->lease, batch);
    held->size += batch->frame_size;
    return true;
}

/* The first so many are gone, or reported. */
static void drop_held(struct worker_held *held, size_t count, uint64_t now_us)
{
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        held->size -= held->batches[i]->batch.frame_size;
        free(held->batches[i]);
    }
    held->count -= count;
    memmove(held->batches, held->batches + count, held->count * sizeof(struct held_batch *));
    held->folding = 0;
    held->folding_size = 0;
    held->is_waiting = false;
    held->since_us = now_us;
}

void worker_free_held(struct worker_map *map)
{
    drop_held(&map->held, map->held.count, 0);
    free(map->held.batches);
    map->held = (struct worker_held){.is_at_work = map->held.is_at_work};
}

static enum status report(struct worker *worker, const struct worker_map *map, uint64_t lease,
                          const struct report_batch *batch, struct error *err)
{
    const enum status status =
        wire_report_add(worker_report_of(worker, map->pooled.wire->number, lease), batch, NULL, 0);
    return status == STATUS_OK ? STATUS_OK
                               : error_set(err, status, "no memory for a batch's results");
}

/* As they are. */
static enum status release(struct worker *worker, struct worker_map *map, size_t count,
                           uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct held_batch *held = map->held.batches[i];
        status = report(worker, map, held->lease, &held->batch, err);
    }
    drop_held(&map->held, count, now_us);
    return status;
}

/* Behind those that are being folded no more gather than may: where more is made than one slot
 * folds, they would grow without end. */
static enum status relieve(struct worker *worker, struct worker_map *map, bool *did_something,
                           struct error *err)
{
    struct worker_held *held = &map->held;
    enum status status = STATUS_OK;
    if (!held->is_at_work || held->size - held->folding_size < HELD_SIZE_MAX) {
        return STATUS_OK;
    }
    while (held->count > held->folding && status == STATUS_OK) {
        struct held_batch *last = held->batches[--held->count];
        status = report(worker, map, last->lease, &last->batch, err);
        held->size -= last->batch.frame_size;
        free(last);
    }
    *did_something = true;
    return status;
}

enum status worker_release_held(struct worker *worker, uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    for (struct worker_map *map = worker->maps; map != NULL && status == STATUS_OK;
         map = map->next) {
        if (!map->is_dropped) {
            status = release(worker, map, map->held.count, now_us, err);
        }
    }
    return status;
}

/* ---- One value of them ------------------------------------------------------------------------
 */

static int by_start(const void *left, const void *right)
{
    const struct span *a = left;
    const struct span *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* Neighbours in the same attempt become one. */
static size_t join_spans(struct span *spans, size_t count)
{
    size_t kept = 0;
    qsort(spans, count, sizeof(*spans), by_start);
    for (size_t i = 0; i < count; i++) {
        struct span *last = kept > 0 ? &spans[kept - 1] : NULL;
        if (last != NULL && last->start + last->count == spans[i].start &&
            last->attempt == spans[i].attempt) {
            last->count += spans[i].count;
        } else {
            spans[kept++] = spans[i];
        }
    }
    return kept;
}

static size_t count_spans(const struct worker_held *held, size_t count)
{
    size_t span_count = 0;
    for (size_t i = 0; i < count; i++) {
        span_count += held->batches[i]->batch.span_count;
    }
    return span_count;
}

/* The batch that the first `count` are together, without its frame; there is room for all of their
 * spans. */
static struct report_batch join(const struct worker_held *held, size_t count, struct span *spans)
{
    struct report_batch all = held->batches[0]->batch;
    size_t span_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct report_batch *batch = &held->batches[i]->batch;
        memcpy(spans + span_count, batch->spans, batch->span_count * sizeof(*spans));
        span_count += batch->span_count;
        if (i > 0) {
            all.instance_count += batch->instance_count;
            all.success_count += batch->success_count;
            all.elapsed_us += batch->elapsed_us;
            all.held_us += batch->held_us;
            all.started_us = smaller(all.started_us, batch->started_us);
            all.reads_place = all.reads_place || batch->reads_place;
        }
    }
    all.span_count = join_spans(spans, span_count);
    all.spans = spans;
    return all;
}

/* What was folded may have left meanwhile, as it was. */
enum status worker_take_fold(struct worker *worker, struct worker_map *map,
                             const struct pool_result *ended, uint64_t now_us, struct error *err)
{
    struct worker_held *held = &map->held;
    const size_t count = held->folding;
    held->is_at_work = false;
    if (count == 0 || map->is_dropped) {
        return STATUS_OK;
    }
    if (ended->batch.frame == NULL) {
        return release(worker, map, count, now_us, err);
    }
    struct span *spans = memory_take(count_spans(held, count), sizeof(*spans));
    struct report_batch all = join(held, count, spans);
    all.frame = ended->batch.frame;
    all.frame_size = ended->batch.frame_size;
    const enum status status = report(worker, map, held->batches[0]->lease, &all, err);
    free(spans);
    drop_held(held, count, now_us);
    return status;
}

/* ---- When -------------------------------------------------------------------------------------
 */

/* Those of the oldest lease come first. */
static size_t gather_lease(struct worker_held *held)
{
    size_t count = 1;
    for (size_t i = 1; i < held->count; i++) {
        if (held->batches[i]->lease == held->batches[0]->lease) {
            struct held_batch *moved = held->batches[i];
            memmove(&held->batches[count + 1], &held->batches[count],
                    (i - count) * sizeof(struct held_batch *));
            held->batches[count++] = moved;
        }
    }
    return count;
}

static uint64_t due_us(const struct worker *worker, const struct worker_map *map)
{
    const struct worker_held *held = &map->held;
    if (held->count == 0 || held->is_at_work || map->is_dropped) {
        return UINT64_MAX;
    }
    if (held->size >= HELD_SIZE_MAX) {
        return 0;
    }
    return held->since_us + (map->queue.count > 0 ? HELD_US : worker_map_pause_us(worker, map));
}

/* A slot that becomes free is a turn of its own. */
uint64_t worker_held_deadline_us(const struct worker *worker)
{
    uint64_t deadline_us = UINT64_MAX;
    for (const struct worker_map *map = worker->maps; map != NULL; map = map->next) {
        const struct worker_held *held = &map->held;
        const uint64_t next_us =
            held->is_waiting ? held->since_us + HELD_US_MAX : due_us(worker, map);
        deadline_us = smaller(deadline_us, next_us);
    }
    return deadline_us;
}

static enum status start_fold(struct worker *worker, struct worker_map *map, size_t count,
                              uint64_t now_us, struct error *err)
{
    struct worker_held *held = &map->held;
    struct buffer frames = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = buffer_append(&frames, held->batches[i]->batch.frame,
                               held->batches[i]->batch.frame_size);
    }
    if (status == STATUS_OK) {
        held->folding = count;
        held->folding_size = frames.size;
        held->is_at_work = true;
        held->is_waiting = false;
        pool_start_fold(worker->pool, &map->pooled, &frames, now_us);
    } else {
        status = release(worker, map, count, now_us, err);
    }
    buffer_free(&frames);
    return status;
}

static enum status fold_map(struct worker *worker, struct worker_map *map, uint64_t now_us,
                            struct error *err)
{
    uint64_t growth_max;
    const size_t count = gather_lease(&map->held);
    const bool is_worth = count > 1 && !map->pooled.is_fold_off;
    if (is_worth && (pool_has_room(worker->pool, &map->pooled, &growth_max) ||
                     pool_has_room_ahead(worker->pool, &map->pooled))) {
        return start_fold(worker, map, count, now_us, err);
    }
    map->held.is_waiting =
        is_worth && map->queue.count > 0 && now_us - map->held.since_us < HELD_US_MAX;
    return map->held.is_waiting ? STATUS_OK : release(worker, map, count, now_us, err);
}

enum status worker_fold_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                             struct error *err)
{
    enum status status = STATUS_OK;
    for (struct worker_map *map = worker->maps; map != NULL && status == STATUS_OK;
         map = map->next) {
        size_t before = 0; /* until what is left is folded, or waits for a slot */
        status = relieve(worker, map, did_something, err);
        while (status == STATUS_OK && due_us(worker, map) <= now_us && map->held.count != before) {
            before = map->held.count;
            status = fold_map(worker, map, now_us, err);
            *did_something = *did_something || map->held.count != before || map->held.is_at_work;
        }
    }
    return status;
}
