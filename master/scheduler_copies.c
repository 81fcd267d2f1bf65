/* Second copies. A copy is a lease of its own, of one instance, at the number after the attempt
 * that it doubles. While both run, the ledger counts the instance as leased once.
 *
 * Why nothing is lost or counted twice: of an instance that two leases hold, the first of them that
 * succeeds, or the original where it fails for good, decides; from then on the other is the loser,
 * and whatever it says of that instance is dropped. But its lease holds the instance until it has
 * said something, because it may say it in one batch with others, whose outputs are one frame: a
 * batch in which the loser succeeded after all is refused whole, and the others in it, which nobody
 * has counted, run again. Where the original is gone without a decision (it failed and is to be
 * retried, was given back, or its worker is lost), the copy takes its place: it is the next
 * attempt, under way already. Where the copy is gone, nothing has happened.
 *
 * An instance that is stopped early has ended by what rank 0 has recorded: its one attempt is a
 * loser, too.
 */
#include <assert.h>
#include <stdlib.h>

#include "master/scheduler_private.h"
#include "shared/memory.h"

/* What has run so many times the median, */
#define SUSPECT_FACTOR 3.0
/* and at least for so long, may be stuck. */
#define SUSPECT_US_MIN 250000.0

/* ---- Roles ----------------------------------------------------------------------------------- */

static bool is_holder(const struct holder *holder, const struct lease *lease)
{
    return holder->lease == lease->id;
}

enum copy_role copy_role(const struct scheduler *scheduler, const struct lease *lease,
                         uint64_t index)
{
    const struct copy *copy =
        lease->shared_count > 0 ? copies_find(&scheduler->copies, index) : NULL;
    if (copy == NULL) {
        return ROLE_ALONE;
    }
    switch (copy->state) {
    case COPY_NONE:
    case COPY_TRIED:
        return ROLE_ALONE;
    case COPY_RACING:
        return is_holder(&copy->original, lease) ? ROLE_ORIGINAL
               : is_holder(&copy->copy, lease)   ? ROLE_COPY
                                                 : ROLE_ALONE;
    case COPY_ENDING:
        return is_holder(&copy->loser, lease) ? ROLE_LOSER : ROLE_ALONE;
    }
    return ROLE_ALONE;
}

/* The lease holds one shared instance less. It may be over already, for the worker's part. */
static void unshare(const struct scheduler *scheduler, const struct holder *holder)
{
    struct lease *lease = worker_lease(&scheduler->workers[holder->worker], holder->lease);
    if (lease != NULL) {
        assert(lease->shared_count > 0);
        lease->shared_count--;
    }
}

static void put_end(struct scheduler *scheduler, struct holder holder, uint64_t index)
{
    scheduler->ends = memory_grow(scheduler->ends, scheduler->end_count, &scheduler->end_capacity,
                                  sizeof(*scheduler->ends));
    scheduler->end_indices =
        memory_grow(scheduler->end_indices, scheduler->end_count, &scheduler->end_index_capacity,
                    sizeof(*scheduler->end_indices));
    scheduler->ends[scheduler->end_count] = holder;
    scheduler->end_indices[scheduler->end_count] = index;
    scheduler->end_count++;
}

void copy_decided(struct scheduler *scheduler, const struct lease *winner, uint64_t index)
{
    struct copy *copy = copies_find(&scheduler->copies, index);
    assert(copy != NULL && copy->state == COPY_RACING);
    const bool is_original = is_holder(&copy->original, winner);
    const struct holder loser = is_original ? copy->copy : copy->original;
    unshare(scheduler, is_original ? &copy->original : &copy->copy);
    copies_decide(&scheduler->copies, copy, loser);
    if (scheduler->state == SCHEDULER_RUNNING) {
        put_end(scheduler, loser, index);
    }
}

void copy_promoted(struct scheduler *scheduler, struct lease *original, uint64_t index)
{
    struct copy *copy = copies_find(&scheduler->copies, index);
    assert(copy != NULL && copy->state == COPY_RACING && is_holder(&copy->original, original));
    unshare(scheduler, &copy->original);
    unshare(scheduler, &copy->copy);
    copies_remove(&scheduler->copies, copy);
}

void copy_over(struct scheduler *scheduler, struct lease *lease, uint64_t index, bool is_failed)
{
    struct copy *copy = copies_find(&scheduler->copies, index);
    assert(copy != NULL);
    if (copy->state == COPY_ENDING) {
        assert(is_holder(&copy->loser, lease));
        unshare(scheduler, &copy->loser);
        copies_remove(&scheduler->copies, copy);
        return;
    }
    assert(copy->state == COPY_RACING && is_holder(&copy->copy, lease));
    unshare(scheduler, &copy->original);
    unshare(scheduler, &copy->copy);
    if (is_failed) {
        copies_give_up(&scheduler->copies, copy);
    } else {
        copies_remove(&scheduler->copies, copy);
    }
}

/* ---- Stopping early ----------------------------------------------------------------------------
 */

bool scheduler_holds(const struct scheduler *scheduler, uint32_t worker, uint64_t lease_id,
                     uint64_t index, uint64_t attempt)
{
    if (worker >= scheduler->options.worker_count ||
        scheduler->workers[worker].state != WORKER_PRESENT) {
        return false;
    }
    const struct lease *lease = worker_lease(&scheduler->workers[worker], lease_id);
    return lease != NULL &&
           lease_holds(lease, (struct span){.start = index, .count = 1, .attempt = attempt}) &&
           copy_role(scheduler, lease, index) != ROLE_LOSER;
}

/* It is as if another attempt had succeeded: this one is the loser. */
void scheduler_stop_early(struct scheduler *scheduler, uint32_t worker, uint64_t lease_id,
                          uint64_t index)
{
    const struct holder holder = {.worker = worker, .lease = lease_id};
    struct lease *lease = worker_lease(&scheduler->workers[worker], lease_id);
    assert(lease != NULL && copies_find(&scheduler->copies, index) == NULL);
    ledger_stop_early(scheduler->ledger, index);
    copies_add_stopped(&scheduler->copies, index, holder);
    lease->shared_count++;
    put_end(scheduler, holder, index);
}

bool scheduler_is_stopped_early(const struct scheduler *scheduler, uint32_t worker,
                                uint64_t lease_id, uint64_t index)
{
    const struct copy *copy = copies_find(&scheduler->copies, index);
    return copy != NULL && copy->state == COPY_ENDING && copy->is_stop &&
           copy->loser.worker == worker && copy->loser.lease == lease_id;
}

bool next_end(struct scheduler *scheduler, struct scheduler_action *action_out)
{
    while (scheduler->end_count > 0) {
        const struct holder holder = scheduler->ends[--scheduler->end_count];
        const uint64_t index = scheduler->end_indices[scheduler->end_count];
        struct span span;
        const struct lease *lease = worker_lease(&scheduler->workers[holder.worker], holder.lease);
        if (lease != NULL && lease_find(lease, index, &span)) {
            *action_out = (struct scheduler_action){.kind = SCHEDULER_END,
                                                    .worker = holder.worker,
                                                    .lease = holder.lease,
                                                    .index = index};
            return true;
        }
    }
    return false;
}

/* ---- Who is suspect -------------------------------------------------------------------------- */

/* Is nothing left to hand out, and enough known of what instances take? */
static bool is_tail(const struct scheduler *scheduler)
{
    return scheduler->options.is_speculative && scheduler->state == SCHEDULER_RUNNING &&
           ledger_counts(scheduler->ledger).ready == 0 &&
           ledger_available(scheduler->ledger) == scheduler->options.ledger.size &&
           2 * ledger_ended(scheduler->ledger) >= scheduler->options.ledger.size;
}

static void suspect(struct scheduler *scheduler, uint32_t worker, const struct wire_beat *beat,
                    uint64_t now_us)
{
    const double long_us = SUSPECT_FACTOR * durations_median_us(&scheduler->durations);
    const double suspect_us = long_us > SUSPECT_US_MIN ? long_us : SUSPECT_US_MIN;
    for (size_t i = 0; i < beat->running_count; i++) {
        const uint64_t index = beat->running[i].index;
        const uint64_t elapsed_us = beat->running[i].elapsed_us;
        uint32_t known;
        if ((double)elapsed_us < suspect_us ||
            index_map_get(&scheduler->suspect_workers, index, &known) ||
            copies_find(&scheduler->copies, index) != NULL) {
            continue;
        }
        const uint64_t began_us = elapsed_us < now_us ? now_us - elapsed_us : 0;
        retry_queue_put(&scheduler->suspects, (struct retry){.due_us = began_us, .index = index});
        index_map_put(&scheduler->suspect_workers, index, worker);
    }
}

void scheduler_beat(struct scheduler *scheduler, uint32_t worker_id, const struct wire_beat *beat,
                    uint64_t now_us)
{
    if (worker_id >= scheduler->options.worker_count ||
        scheduler->workers[worker_id].state != WORKER_PRESENT) {
        return;
    }
    struct worker *worker = &scheduler->workers[worker_id];
    if (worker->finished != beat->finished) {
        worker->finished = beat->finished;
        worker_touch(scheduler, worker_id);
        scheduler_queue_put(scheduler, worker_id);
    }
    if (is_tail(scheduler)) {
        suspect(scheduler, worker_id, beat, now_us);
    }
}

/* The next suspect that still runs where its worker said. */
static struct lease *take_suspect(struct scheduler *scheduler, uint32_t *worker_out,
                                  struct span *span_out)
{
    uint64_t index;
    while (retry_queue_take(&scheduler->suspects, UINT64_MAX, &index)) {
        if (!index_map_get(&scheduler->suspect_workers, index, worker_out)) {
            continue;
        }
        index_map_remove(&scheduler->suspect_workers, index);
        const struct worker *worker = &scheduler->workers[*worker_out];
        struct lease *lease = worker_lease_of_index(worker, index, span_out);
        if (lease != NULL && copies_find(&scheduler->copies, index) == NULL) {
            return lease;
        }
    }
    return NULL;
}

/* ---- Copying --------------------------------------------------------------------------------- */

/* A copy is worth a slot only where nothing else is: what waits in a worker's queue goes first. */
static bool may_copy(struct scheduler *scheduler, uint64_t now_us)
{
    uint32_t victim;
    return is_tail(scheduler) && scheduler->suspects.count > 0 && scheduler->idle_slots_all > 0 &&
           scheduler->asked_all == 0 && !victims_find(scheduler, &victim) && !scheduler->is_held &&
           scheduler_handout_max(scheduler, now_us) > 0;
}

/* On another worker, where one is idle. */
static uint32_t choose_worker(struct scheduler *scheduler, uint32_t original)
{
    uint32_t chosen = original;
    bool is_found = scheduler_find_idle(scheduler, &chosen);
    assert(is_found);
    if (chosen == original && scheduler->free_count > 1) {
        scheduler_queue_rotate(scheduler);
        is_found = scheduler_find_idle(scheduler, &chosen);
        assert(is_found);
    }
    return chosen;
}

bool next_copy(struct scheduler *scheduler, uint64_t now_us, struct scheduler_action *action_out)
{
    uint32_t original_id;
    struct span span;
    struct lease *original =
        may_copy(scheduler, now_us) ? take_suspect(scheduler, &original_id, &span) : NULL;
    if (original == NULL) {
        return false;
    }
    const uint32_t worker_id = choose_worker(scheduler, original_id);
    scheduler->spans[0] = (struct span){.start = span.start,
                                        .count = 1,
                                        .attempt = span.attempt + 1,
                                        .growth = ledger_growth(scheduler->ledger, span.start)};
    struct lease *lease = worker_add_lease(scheduler, &scheduler->workers[worker_id], 1);
    lease->is_copy = true;
    lease->shared_count = 1;
    original->shared_count++;
    copies_add(&scheduler->copies, span.start,
               (struct holder){.worker = original_id, .lease = original->id},
               (struct holder){.worker = worker_id, .lease = lease->id});
    worker_touch(scheduler, worker_id);
    scheduler->awaited_lease = scheduler->options.delay_us > 0 ? lease->id : 0;
    *action_out = (struct scheduler_action){.kind = SCHEDULER_SEND_UNIT,
                                            .worker = worker_id,
                                            .lease = lease->id,
                                            .spans = scheduler->spans,
                                            .span_count = 1};
    return true;
}

bool scheduler_is_copy(const struct scheduler *scheduler, uint32_t worker, uint64_t lease_id,
                       uint64_t index, uint64_t *attempt_out)
{
    if (worker >= scheduler->options.worker_count) {
        return false;
    }
    const struct lease *lease = worker_lease(&scheduler->workers[worker], lease_id);
    if (lease == NULL || !lease->is_copy || index >= scheduler->options.ledger.size) {
        return false;
    }
    *attempt_out = ledger_attempts(scheduler->ledger, index);
    return true;
}
