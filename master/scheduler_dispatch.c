#include "master/scheduler_private.h"

#include <assert.h>

/* A recall is worth its messages when it moves at least so much work. */
#define RECALL_WORTH_US 2000.0
/* So many workers are looked at for one that could take a retry. */
#define LOOK_COUNT_MAX 64

/* ---- The queue of workers -------------------------------------------------------------------- */

void scheduler_queue_put(struct scheduler *scheduler, uint32_t worker)
{
    if (scheduler->workers[worker].is_queued) {
        return;
    }
    const size_t capacity = scheduler->options.worker_count;
    scheduler->queue[(scheduler->queue_head + scheduler->queue_count) % capacity] = worker;
    scheduler->queue_count++;
    scheduler->workers[worker].is_queued = true;
}

static uint32_t queue_take(struct scheduler *scheduler)
{
    assert(scheduler->queue_count > 0);
    const uint32_t worker = scheduler->queue[scheduler->queue_head];
    scheduler->queue_head = (scheduler->queue_head + 1) % scheduler->options.worker_count;
    scheduler->queue_count--;
    scheduler->workers[worker].is_queued = false;
    return worker;
}

/* Is another worker waiting that could start something at once? Whoever has an idle slot stands in
 * the queue, most often in front: only so many are looked at. */
static bool is_other_free(const struct scheduler *scheduler)
{
    const size_t count =
        scheduler->queue_count < LOOK_COUNT_MAX ? scheduler->queue_count : LOOK_COUNT_MAX;
    for (size_t i = 0; i < count; i++) {
        const size_t at = (scheduler->queue_head + i) % scheduler->options.worker_count;
        const struct worker *worker = &scheduler->workers[scheduler->queue[at]];
        if (worker->state == WORKER_PRESENT && worker->held < worker->slots) {
            return true;
        }
    }
    return false;
}

/* ---- Verdict --------------------------------------------------------------------------------- */

bool scheduler_has_minimum(const struct scheduler *scheduler)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    return counts.succeeded + counts.cached >= scheduler->options.minimum;
}

bool scheduler_is_out_of_reach(const struct scheduler *scheduler)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    return scheduler->options.ledger.size - counts.failed - counts.timed_out <
           scheduler->options.minimum;
}

void scheduler_stop(struct scheduler *scheduler)
{
    if (scheduler->state == SCHEDULER_RUNNING) {
        scheduler->state = SCHEDULER_STOPPING;
    }
}

void scheduler_hold(struct scheduler *scheduler)
{
    scheduler->is_held = true;
}

static bool is_to_stop(const struct scheduler *scheduler)
{
    switch (scheduler->options.policy) {
    case POLICY_RUN_ALL:
        return false;
    case POLICY_STOP:
        return scheduler_is_out_of_reach(scheduler);
    case POLICY_ENOUGH:
        return scheduler_is_out_of_reach(scheduler) || scheduler_has_minimum(scheduler);
    }
    assert(false);
    return false;
}

bool scheduler_has_verdict(const struct scheduler *scheduler)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    return is_to_stop(scheduler) ||
           counts.succeeded + counts.failed + counts.timed_out == scheduler->options.ledger.size;
}

/* ---- Actions --------------------------------------------------------------------------------- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* How many instances the worker should hold. Under a cap on concurrency it may not hoard the places
 * that other workers' slots could use. */
static uint64_t goal_of(const struct scheduler *scheduler, const struct worker *worker)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    const uint64_t goal = sizing_goal(&worker->sizing, &scheduler->options.sizing, worker->slots,
                                      scheduler->slots_all, counts.ready + counts.leased);
    if (scheduler->options.concurrency == 0) {
        return goal;
    }
    const double share = (double)scheduler->options.concurrency * (double)worker->slots /
                         (double)scheduler->slots_all;
    return smaller(goal, larger(worker->slots, share > 1e18 ? UINT64_MAX : (uint64_t)share));
}

/* How many more instances to send now: none while it holds nearly enough, so that units are few. A
 * unit of fixed size is cut only where a cap on concurrency has no room for it and a slot is idle.
 */
static uint64_t wanted_by(const struct scheduler *scheduler, const struct worker *worker)
{
    const bool is_delayed = scheduler->options.delay_us > 0;
    if (worker->state != WORKER_PRESENT || (is_delayed && worker->held >= worker->slots)) {
        return 0;
    }
    const uint64_t goal = goal_of(scheduler, worker);
    if (worker->held >= goal) {
        return 0;
    }
    const uint64_t wanted = goal - worker->held;
    const uint64_t unit_size = scheduler->options.sizing.unit_size;
    if (unit_size > 0 && wanted >= unit_size) {
        return unit_size;
    }
    return worker->held < worker->slots || (unit_size == 0 && wanted >= goal / 4) ? wanted : 0;
}

static uint64_t concurrency_left(const struct scheduler *scheduler, uint64_t leased)
{
    if (scheduler->options.concurrency == 0) {
        return UINT64_MAX;
    }
    return leased < scheduler->options.concurrency ? scheduler->options.concurrency - leased : 0;
}

static struct lease *lease_add(struct scheduler *scheduler, struct worker *worker,
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

    struct lease **at = &worker->leases;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = lease;
    return lease;
}

static bool send_unit_to(struct scheduler *scheduler, uint32_t worker_id, uint64_t count_max,
                         struct scheduler_action *action_out)
{
    struct worker *worker = &scheduler->workers[worker_id];
    const size_t span_count =
        ledger_take(scheduler->ledger, count_max, worker_id, is_other_free(scheduler),
                    scheduler->spans, LEASE_SPAN_COUNT_MAX);
    if (span_count == 0) {
        return false;
    }
    const struct lease *lease = lease_add(scheduler, worker, span_count);
    scheduler->awaited_lease = scheduler->options.delay_us > 0 ? lease->id : 0;
    *action_out = (struct scheduler_action){.kind = SCHEDULER_SEND_UNIT,
                                            .worker = worker_id,
                                            .lease = lease->id,
                                            .spans = scheduler->spans,
                                            .span_count = span_count};
    return true;
}

/* How many instances may go out now. With a delay between starts they go one by one, each when the
 * one before it is known to have begun and the delay is over since then: so the least time is kept
 * where attempts start, however long messages take. */
static uint64_t handout_max(struct scheduler *scheduler, uint64_t now_us)
{
    const uint64_t left = concurrency_left(scheduler, ledger_counts(scheduler->ledger).leased);
    const bool is_first = scheduler->lease_count_ever == 0;
    scheduler->is_start_due = false;
    if (scheduler->is_held) {
        return is_first ? smaller(left, 1) : 0;
    }
    if (scheduler->options.delay_us == 0 || left == 0) {
        return left;
    }
    scheduler->is_start_due = scheduler->awaited_lease == 0 && now_us < scheduler->start_us;
    return scheduler->awaited_lease == 0 && now_us >= scheduler->start_us ? 1 : 0;
}

/* Give work to the first in the queue that wants some. Who wants none leaves the queue until its
 * next batch; who is given some goes to the end. */
static bool next_unit(struct scheduler *scheduler, uint64_t now_us,
                      struct scheduler_action *action_out)
{
    scheduler->is_start_due = false;
    for (size_t tries = scheduler->queue_count; tries > 0; tries--) {
        const bool is_some_ready = ledger_counts(scheduler->ledger).ready > 0;
        const uint64_t left = is_some_ready ? handout_max(scheduler, now_us) : 0;
        if (left == 0) {
            return false;
        }
        const uint32_t worker_id = queue_take(scheduler);
        const uint64_t wanted = wanted_by(scheduler, &scheduler->workers[worker_id]);
        if (wanted == 0) {
            continue;
        }
        const bool is_sent = send_unit_to(scheduler, worker_id, smaller(wanted, left), action_out);
        scheduler_queue_put(scheduler, worker_id);
        if (is_sent) {
            return true;
        }
    }
    return false;
}

/* Instances that a worker holds and cannot have started, where moving them is worth it. */
static uint64_t movable(const struct worker *worker)
{
    if (worker->state != WORKER_PRESENT || worker->has_none_to_give ||
        worker->held <= worker->slots) {
        return 0;
    }
    const uint64_t count = worker->held - worker->slots;
    const bool is_known = worker->sizing.grown > 0;
    const double work_us = (double)count * worker->sizing.instance_us / (double)worker->slots;
    return !is_known || work_us >= RECALL_WORTH_US ? count : 0;
}

static struct lease *newest_lease(const struct worker *worker)
{
    struct lease *lease = worker->leases;
    while (lease != NULL && lease->next != NULL) {
        lease = lease->next;
    }
    return lease;
}

static bool is_recall_under_way(const struct worker *worker)
{
    for (const struct lease *lease = worker->leases; lease != NULL; lease = lease->next) {
        if (lease->is_recalled) {
            return true;
        }
    }
    return false;
}

/* The worker with the most to move, and no recall under way. */
static bool find_victim(const struct scheduler *scheduler, uint32_t *victim_out)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < scheduler->options.worker_count; i++) {
        const uint64_t count = movable(&scheduler->workers[i]);
        if (count > most && !is_recall_under_way(&scheduler->workers[i])) {
            most = count;
            *victim_out = i;
        }
    }
    return most > 0;
}

/* Drop from the front of the queue those that are gone or have enough to start. */
static bool is_slot_idle(struct scheduler *scheduler, uint32_t *idle_slots_out)
{
    while (scheduler->queue_count > 0) {
        const struct worker *worker = &scheduler->workers[scheduler->queue[scheduler->queue_head]];
        if (worker->state == WORKER_PRESENT && worker->held < worker->slots) {
            *idle_slots_out = worker->slots - (uint32_t)worker->held;
            return true;
        }
        (void)queue_take(scheduler);
    }
    return false;
}

/* Nothing can be handed out, somebody is idle: move what has not started from whoever has most.
 * Also where a cap on concurrency is what holds back the rest: a worker that was alone may hold all
 * of it. */
static bool next_recall(struct scheduler *scheduler, struct scheduler_action *action_out)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    uint32_t victim_id;
    uint32_t idle_slots;
    const bool is_some_left = counts.ready > 0 && concurrency_left(scheduler, counts.leased) > 0;
    if (is_some_left || scheduler->is_held || counts.leased == 0 ||
        !is_slot_idle(scheduler, &idle_slots) || !find_victim(scheduler, &victim_id)) {
        return false;
    }
    const struct worker *victim = &scheduler->workers[victim_id];
    struct lease *lease = newest_lease(victim);
    const double share = (double)movable(victim) * idle_slots / (idle_slots + victim->slots);
    lease->is_recalled = true;
    *action_out = (struct scheduler_action){.kind = SCHEDULER_RECALL,
                                            .worker = victim_id,
                                            .lease = lease->id,
                                            .count = larger(1, (uint64_t)share)};
    return true;
}

static bool is_over(const struct scheduler *scheduler)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    return scheduler->state == SCHEDULER_STOPPING
               ? counts.leased == 0
               : ledger_ended(scheduler->ledger) == scheduler->options.ledger.size;
}

bool scheduler_next(struct scheduler *scheduler, uint64_t now_us,
                    struct scheduler_action *action_out)
{
    uint64_t index;
    if (scheduler->state == SCHEDULER_OVER) {
        return false;
    }
    while (retry_queue_take(&scheduler->retries, now_us, &index)) {
        ledger_retry(scheduler->ledger, index);
    }
    if (is_to_stop(scheduler)) {
        scheduler_stop(scheduler);
    }
    if (is_over(scheduler)) {
        scheduler->state = SCHEDULER_OVER;
        *action_out = (struct scheduler_action){.kind = SCHEDULER_DONE};
        return true;
    }
    if (scheduler->state == SCHEDULER_STOPPING) {
        const bool is_first = !scheduler->is_cancel_sent;
        scheduler->is_cancel_sent = true;
        *action_out = (struct scheduler_action){.kind = SCHEDULER_CANCEL};
        return is_first;
    }
    return next_unit(scheduler, now_us, action_out) || next_recall(scheduler, action_out);
}

uint64_t scheduler_deadline_us(const struct scheduler *scheduler)
{
    if (scheduler->state != SCHEDULER_RUNNING) {
        return UINT64_MAX;
    }
    const uint64_t retry_us = retry_queue_due_us(&scheduler->retries);
    return scheduler->is_start_due ? smaller(retry_us, scheduler->start_us) : retry_us;
}
