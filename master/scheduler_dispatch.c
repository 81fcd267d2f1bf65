#include "master/scheduler_private.h"

#include <assert.h>

#include "shared/extremes.h"

/* What a worker has ahead is filled up once this part of it is gone: so that units are few, and so
 * early that it never starts its last one before the next has come. */
#define REFILL_DIVISOR 4

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

/* Could another worker start something at once? */
static bool is_other_free(const struct scheduler *scheduler, const struct worker *worker)
{
    return scheduler->free_count > (worker->idle_slots > 0 ? 1u : 0u);
}

/* ---- Verdict --------------------------------------------------------------------------------- */

bool scheduler_has_minimum(const struct scheduler *scheduler)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    return counts.succeeded + counts.cached + counts.stopped_early >= scheduler->options.minimum;
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

void scheduler_cancel_again(struct scheduler *scheduler)
{
    scheduler_stop(scheduler);
    scheduler->is_cancel_sent = false;
}

bool scheduler_is_stopping(const struct scheduler *scheduler)
{
    return scheduler->state != SCHEDULER_RUNNING;
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
    return is_to_stop(scheduler) || counts.succeeded + counts.cached + counts.stopped_early +
                                            counts.failed + counts.timed_out ==
                                        scheduler->options.ledger.size;
}

/* ---- Actions --------------------------------------------------------------------------------- */

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
static uint64_t wanted_in_all(const struct scheduler *scheduler, const struct worker *worker)
{
    const bool is_delayed = scheduler->options.delay_us > 0;
    if (worker->state != WORKER_PRESENT || (is_delayed && worker->held >= worker->slots)) {
        return 0;
    }
    const uint64_t goal = goal_of(scheduler, worker);
    const uint64_t load = worker_load(worker);
    if (load >= goal) {
        return 0;
    }
    const uint64_t wanted = goal - load;
    const uint64_t unit_size = scheduler->options.sizing.unit_size;
    if (unit_size > 0 && wanted >= unit_size) {
        return unit_size;
    }
    const bool is_worth_it = wanted >= (goal - worker->slots) / REFILL_DIVISOR;
    return load < worker->slots || (unit_size == 0 && is_worth_it) ? wanted : 0;
}

/* The same, where there may be nothing ahead. */
static uint64_t wanted_by(const struct scheduler *scheduler, const struct worker *worker)
{
    const uint64_t wanted = wanted_in_all(scheduler, worker);
    if (!scheduler->options.has_none_ahead) {
        return wanted;
    }
    return worker->held < worker->slots ? smaller(wanted, worker->slots - worker->held) : 0;
}

static uint64_t concurrency_left(const struct scheduler *scheduler)
{
    const uint64_t leased = ledger_counts(scheduler->ledger).leased + scheduler->copies.held;
    if (scheduler->options.concurrency == 0) {
        return UINT64_MAX;
    }
    return leased < scheduler->options.concurrency ? scheduler->options.concurrency - leased : 0;
}

static bool send_unit_to(struct scheduler *scheduler, uint32_t worker_id, uint64_t count_max,
                         struct scheduler_action *action_out)
{
    struct worker *worker = &scheduler->workers[worker_id];
    const size_t span_count =
        ledger_take(scheduler->ledger, count_max, worker_id, is_other_free(scheduler, worker),
                    scheduler->spans, LEASE_SPAN_COUNT_MAX);
    if (span_count == 0) {
        return false;
    }
    const struct lease *lease = worker_add_lease(scheduler, worker, span_count);
    worker_touch(scheduler, worker_id);
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
uint64_t scheduler_handout_max(struct scheduler *scheduler, uint64_t now_us)
{
    const uint64_t left = concurrency_left(scheduler);
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
        const uint64_t left = is_some_ready ? scheduler_handout_max(scheduler, now_us) : 0;
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

/* Those at the front that are gone or have enough to start are dropped. */
bool scheduler_find_idle(struct scheduler *scheduler, uint32_t *worker_out)
{
    while (scheduler->queue_count > 0) {
        *worker_out = scheduler->queue[scheduler->queue_head];
        if (scheduler->workers[*worker_out].idle_slots > 0) {
            return true;
        }
        (void)queue_take(scheduler);
    }
    return false;
}

void scheduler_queue_rotate(struct scheduler *scheduler)
{
    scheduler_queue_put(scheduler, queue_take(scheduler));
}

/* Nothing can be handed out, somebody is idle: move what has not started from whoever has most.
 * Also where a cap on concurrency is what holds back the rest: a worker that was alone may hold all
 * of it. No more is asked for at once than gives each idle slot one instance, unless a single
 * worker's share is more. */
static bool next_recall(struct scheduler *scheduler, struct scheduler_action *action_out)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    uint32_t victim_id;
    uint32_t idle_id;
    const bool is_some_left = counts.ready > 0 && concurrency_left(scheduler) > 0;
    if (is_some_left || scheduler->is_held || scheduler->asked_all >= scheduler->idle_slots_all ||
        !scheduler_find_idle(scheduler, &idle_id) || !victims_find(scheduler, &victim_id)) {
        return false;
    }
    struct worker *victim = &scheduler->workers[victim_id];
    const uint32_t idle_slots = scheduler->workers[idle_id].idle_slots;
    struct lease *lease = victim->leases[victim->lease_count - 1].lease;
    const double share = (double)worker_movable(victim) * idle_slots / (idle_slots + victim->slots);
    const uint64_t count = larger(1, (uint64_t)share);
    worker_recall(scheduler, victim, lease, count);
    worker_touch(scheduler, victim_id);
    *action_out = (struct scheduler_action){
        .kind = SCHEDULER_RECALL, .worker = victim_id, .lease = lease->id, .count = count};
    return true;
}

static bool is_over(const struct scheduler *scheduler)
{
    const struct ledger_counts counts = ledger_counts(scheduler->ledger);
    if (scheduler->copies.stopped_count > 0) {
        return false; /* they have their grace */
    }
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
    if (next_end(scheduler, action_out)) {
        return true;
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
    return next_unit(scheduler, now_us, action_out) || next_recall(scheduler, action_out) ||
           next_copy(scheduler, now_us, action_out);
}

uint64_t scheduler_deadline_us(const struct scheduler *scheduler)
{
    if (scheduler->state != SCHEDULER_RUNNING) {
        return UINT64_MAX;
    }
    const uint64_t retry_us = retry_queue_due_us(&scheduler->retries);
    return scheduler->is_start_due ? smaller(retry_us, scheduler->start_us) : retry_us;
}
