#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "master/scheduler_private.h"
#include "shared/memory.h"

/* A recall is worth its messages when it moves at least so much work. */
#define RECALL_WORTH_US 2000.0
/* What an instance is taken to last on a worker that has not reported any. */
#define UNKNOWN_US 1e6

/* ---- Leases ---------------------------------------------------------------------------------- */

/* Where a lease with this id stands, or would stand. */
static size_t place_of(const struct worker *worker, uint64_t id)
{
    size_t low = 0;
    size_t high = worker->lease_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (worker->leases[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct lease *worker_lease(const struct worker *worker, uint64_t id)
{
    const size_t at = place_of(worker, id);
    return at < worker->lease_count && worker->leases[at].id == id ? worker->leases[at].lease
                                                                   : NULL;
}

struct lease *worker_add_lease(struct scheduler *scheduler, struct worker *worker,
                               size_t span_count)
{
    struct lease *lease = scheduler->spare_leases;
    if (lease == NULL) {
        lease = lease_create();
    } else {
        scheduler->spare_leases = lease->next;
    }
    lease_fill(lease, ++scheduler->lease_count_ever, scheduler->spans, span_count);
    worker->held += lease->count;
    worker->leases = memory_grow(worker->leases, worker->lease_count, &worker->lease_capacity,
                                 sizeof(*worker->leases));
    worker->leases[worker->lease_count++] = (struct lease_entry){.id = lease->id, .lease = lease};
    return lease;
}

void worker_shrink_lease(struct worker *worker, struct lease *lease, struct span span)
{
    lease_remove(lease, span);
    assert(worker->held >= span.count);
    worker->held -= span.count;
}

void worker_end_lease(struct scheduler *scheduler, struct worker *worker, struct lease *lease)
{
    const size_t at = place_of(worker, lease->id);
    assert(at < worker->lease_count && worker->leases[at].lease == lease);
    assert(lease->shared_count == 0);
    if (lease->is_recalled) {
        worker_recalled(scheduler, worker, lease);
    }
    worker->lease_count--;
    memmove(&worker->leases[at], &worker->leases[at + 1],
            (worker->lease_count - at) * sizeof(*worker->leases));
    lease->next = scheduler->spare_leases;
    scheduler->spare_leases = lease;
}

void worker_recall(struct scheduler *scheduler, struct worker *worker, struct lease *lease,
                   uint64_t count)
{
    assert(!lease->is_recalled);
    lease->is_recalled = true;
    lease->asked = count;
    scheduler->asked_all += count;
    worker->recall_count++;
}

void worker_recalled(struct scheduler *scheduler, struct worker *worker, struct lease *lease)
{
    if (lease->is_recalled) {
        assert(worker->recall_count > 0 && scheduler->asked_all >= lease->asked);
        lease->is_recalled = false;
        scheduler->asked_all -= lease->asked;
        worker->recall_count--;
    }
}

/* ---- Who has something to move --------------------------------------------------------------- */

uint64_t worker_load(const struct worker *worker)
{
    return worker->held - (worker->finished < worker->held ? worker->finished : worker->held);
}

/* How long the worker would take for what it cannot have started. */
static double waiting_us(const struct worker *worker)
{
    const double instance_us = worker->sizing.grown > 0 ? worker->sizing.instance_us : UNKNOWN_US;
    return (double)(worker_load(worker) - worker->slots) * instance_us / worker->slots;
}

uint64_t worker_movable(const struct worker *worker)
{
    if (worker->state != WORKER_PRESENT || worker->has_none_to_give ||
        worker_load(worker) <= worker->slots || waiting_us(worker) < RECALL_WORTH_US) {
        return 0;
    }
    return worker_load(worker) - worker->slots;
}

void victims_init(struct victims *victims)
{
    memset(victims, 0, sizeof(*victims));
    for (size_t i = 0; i < VICTIM_BUCKET_COUNT; i++) {
        victims->first[i] = WORKER_NONE;
    }
}

static void victims_put(struct scheduler *scheduler, uint32_t id, uint16_t bucket)
{
    struct victims *victims = &scheduler->victims;
    struct worker *worker = &scheduler->workers[id];
    worker->is_victim = true;
    worker->bucket = bucket;
    worker->previous = WORKER_NONE;
    worker->next = victims->first[bucket];
    if (worker->next != WORKER_NONE) {
        scheduler->workers[worker->next].previous = id;
    }
    victims->first[bucket] = id;
    victims->is_used[bucket / 64] |= UINT64_C(1) << bucket % 64;
}

static void victims_remove(struct scheduler *scheduler, struct worker *worker)
{
    struct victims *victims = &scheduler->victims;
    worker->is_victim = false;
    if (worker->next != WORKER_NONE) {
        scheduler->workers[worker->next].previous = worker->previous;
    }
    if (worker->previous != WORKER_NONE) {
        scheduler->workers[worker->previous].next = worker->next;
        return;
    }
    victims->first[worker->bucket] = worker->next;
    if (worker->next == WORKER_NONE) {
        victims->is_used[worker->bucket / 64] &= ~(UINT64_C(1) << worker->bucket % 64);
    }
}

bool victims_find(const struct scheduler *scheduler, uint32_t *worker_out)
{
    const struct victims *victims = &scheduler->victims;
    for (size_t i = VICTIM_BUCKET_COUNT / 64; i > 0; i--) {
        if (victims->is_used[i - 1] != 0) {
            const size_t bit = 63 - (size_t)__builtin_clzll(victims->is_used[i - 1]);
            *worker_out = victims->first[(i - 1) * 64 + bit];
            return true;
        }
    }
    return false;
}

/* ---- Sums ------------------------------------------------------------------------------------ */

static uint32_t idle_slots(const struct worker *worker)
{
    const uint64_t load = worker_load(worker);
    return worker->state == WORKER_PRESENT && load < worker->slots ? worker->slots - (uint32_t)load
                                                                   : 0;
}

void worker_touch(struct scheduler *scheduler, uint32_t id)
{
    struct worker *worker = &scheduler->workers[id];
    const uint32_t idle = idle_slots(worker);
    scheduler->idle_slots_all += idle;
    scheduler->idle_slots_all -= worker->idle_slots;
    scheduler->free_count += idle > 0 ? 1 : 0;
    scheduler->free_count -= worker->idle_slots > 0 ? 1 : 0;
    worker->idle_slots = idle;

    const bool is_victim = worker->recall_count == 0 && worker_movable(worker) > 0;
    const uint16_t bucket = is_victim ? (uint16_t)duration_class(waiting_us(worker)) : 0;
    if (worker->is_victim && (!is_victim || worker->bucket != bucket)) {
        victims_remove(scheduler, worker);
    }
    if (is_victim && !worker->is_victim) {
        victims_put(scheduler, id, bucket);
    }
}
