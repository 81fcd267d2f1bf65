/* scheduler_model.h - what the simulation knows of each instance, by itself: where it is, who holds
 * it under which lease, and what it has used of its budgets; and the checks that the scheduler
 * agrees. Included by scheduler.c only. */
#ifndef SIMULATION_SCHEDULER_MODEL_H
#define SIMULATION_SCHEDULER_MODEL_H

#include "tests/simulation/scheduler_sim.h"

static uint64_t size_of(const struct sim *sim)
{
    return sim->options.ledger.size;
}

/* Instances that there are to run, as far as is known. */
static uint64_t map_size(const struct sim *sim)
{
    return sim->is_closed ? sim->available : size_of(sim);
}

static void move(struct sim *sim, uint64_t index, enum place place)
{
    struct instance *instance = &sim->instances[index];
    if (instance->place == LEASED) {
        CHECK(instance->original.is_held && !instance->copy.is_held);
        sim->workers[instance->original.worker].held--;
        instance->original.is_held = false;
    }
    sim->counts[instance->place]--;
    sim->counts[place]++;
    instance->place = place;
}

static uint64_t attempts_of(const struct instance *instance)
{
    return instance->task_failures + instance->system_failures;
}

/* ---- Second copies --------------------------------------------------------------------------- */

enum role { NOBODY, ORIGINAL, COPY, LOSER };

static bool is_holder(const struct held *held, uint32_t worker, uint64_t lease)
{
    return held->is_held && held->worker == worker && held->lease == lease;
}

/* What the worker that holds this lease is to the instance. */
static enum role role_of(const struct instance *instance, uint32_t worker, uint64_t lease)
{
    return is_holder(&instance->original, worker, lease) ? ORIGINAL
           : is_holder(&instance->copy, worker, lease)   ? COPY
           : is_holder(&instance->loser, worker, lease)  ? LOSER
                                                         : NOBODY;
}

static void let_go(struct sim *sim, struct held *held)
{
    CHECK(held->is_held && sim->extra > 0);
    sim->workers[held->worker].held--;
    sim->extra--;
    held->is_held = false;
}

/* A loser has answered, or is gone. */
static void let_loser_go(struct sim *sim, struct instance *instance)
{
    let_go(sim, &instance->loser);
    sim->stops_due -= instance->is_stop ? 1 : 0;
    instance->is_stop = false;
}

/* It has ended, and its attempt is the loser. */
static void model_stop_early(struct sim *sim, uint64_t index)
{
    struct instance *instance = &sim->instances[index];
    CHECK(instance->place == LEASED && !instance->copy.is_held);
    instance->loser = instance->original;
    instance->original.is_held = false;
    instance->is_end_due = true;
    instance->is_stop = true;
    instance->place = STOPPED;
    sim->counts[LEASED]--;
    sim->counts[STOPPED]++;
    sim->extra++;
    sim->stops_due++;
    sim->stop_count++;
}

/* The original is gone, and the copy goes on in its place. */
static void promote(struct sim *sim, struct instance *instance)
{
    CHECK(instance->place == LEASED && instance->copy.is_held);
    sim->workers[instance->original.worker].held--;
    sim->extra--;
    instance->original = instance->copy;
    instance->copy.is_held = false;
}

/* The instance is about to end by what one of the two said: the other has lost. */
static void decide_race(struct sim *sim, struct instance *instance, enum role winner)
{
    if (!instance->copy.is_held) {
        return;
    }
    instance->loser = winner == ORIGINAL ? instance->copy : instance->original;
    instance->original = winner == ORIGINAL ? instance->original : instance->copy;
    instance->copy.is_held = false;
    instance->is_end_due = !sim->is_stopping;
    sim->copy_win_count += winner == COPY ? 1 : 0;
}

static bool is_held(const struct sim *sim, const struct message *message, const struct item *item)
{
    const struct instance *instance = &sim->instances[item->index];
    switch (role_of(instance, message->worker, message->lease)) {
    case NOBODY:
        return false;
    case ORIGINAL:
        return instance->original.attempt == item->attempt;
    case COPY:
        return instance->copy.attempt == item->attempt;
    case LOSER:
        return instance->loser.attempt == item->attempt;
    }
    return false;
}

/* Is the batch about an attempt that nobody waits for, or does a loser succeed in it? */
static bool is_needless(const struct sim *sim, const struct message *message)
{
    bool is_any = false;
    for (size_t i = 0; i < message->count; i++) {
        const struct item *item = &message->items[i];
        const enum role role =
            role_of(&sim->instances[item->index], message->worker, message->lease);
        is_any = is_any || (role == COPY && !item->is_success) ||
                 (role == LOSER && (item->is_success || message->count == 1));
    }
    return is_any;
}

/* Must the scheduler take this? Leases are never used again, so that a worker's former lives need
 * no word here. */
static bool is_valid(const struct sim *sim, const struct message *message)
{
    bool is_lease_open = false;
    for (uint64_t i = 0; i < size_of(sim); i++) {
        is_lease_open =
            is_lease_open || role_of(&sim->instances[i], message->worker, message->lease) != NOBODY;
    }
    for (size_t i = 0; i < message->count; i++) {
        if (!is_held(sim, message, &message->items[i])) {
            return false;
        }
    }
    return is_lease_open && message->corruption == SOUND;
}

/* A failure, and what it must do. */
static void model_fail(struct sim *sim, const struct item *item, uint32_t worker,
                       struct ledger_fate fate)
{
    static const unsigned shifts[] = {0, 1, 2, 3, 4, 5, 6};
    struct instance *instance = &sim->instances[item->index];
    const struct ledger_options *budgets = &sim->options.ledger;
    const bool is_system = failure_class_is_system(item->class);
    *(is_system ? &instance->system_failures : &instance->task_failures) += 1;
    instance->memory_failures += item->class == FAILURE_MEMORY ? 1 : 0;
    const bool is_final = instance->task_failures > budgets->retries ||
                          instance->system_failures > budgets->system_retries ||
                          (item->is_permanent && !is_system);
    const bool is_timeout = item->class == FAILURE_TIMEOUT;

    CHECK(fate.is_final == is_final);
    CHECK(!is_final || fate.state == (is_timeout ? INSTANCE_TIMED_OUT : INSTANCE_FAILED));
    CHECK(fate.task_failures == instance->task_failures);
    CHECK(fate.system_failures == instance->system_failures);
    CHECK(fate.attempts_max == (instance->system_failures > budgets->system_retries
                                    ? instance->task_failures + instance->system_failures
                                    : budgets->retries + 1 + instance->system_failures));
    if (is_final) {
        decide_race(sim, instance, ORIGINAL);
        move(sim, item->index, is_timeout ? TIMED_OUT : FAILED);
        return;
    }
    if (instance->copy.is_held) {
        promote(sim, instance); /* the retry has begun already */
        return;
    }
    const uint64_t failures = attempts_of(instance);
    instance->due_us =
        sim->now_us + (sim->options.retry_delay_us << shifts[failures > 6 ? 6 : failures - 1]);
    instance->is_retry = true;
    instance->last_worker = worker;
    move(sim, item->index, sim->options.retry_delay_us == 0 ? READY : WAITING);
}

/* It goes back without a result. */
static void model_leave(struct sim *sim, uint32_t worker, uint64_t lease, uint64_t index)
{
    struct instance *instance = &sim->instances[index];
    switch (role_of(instance, worker, lease)) {
    case NOBODY:
        CHECK(false);
        break;
    case ORIGINAL:
        if (instance->copy.is_held) {
            promote(sim, instance);
        } else {
            move(sim, index, READY);
        }
        break;
    case COPY:
        let_go(sim, &instance->copy);
        break;
    case LOSER:
        let_loser_go(sim, instance);
        break;
    }
}

static void model_drop(struct sim *sim, const struct message *message)
{
    for (size_t i = 0; i < message->count; i++) {
        const struct item *item = &message->items[i];
        struct instance *instance = &sim->instances[item->index];
        const enum role role = role_of(instance, message->worker, message->lease);
        instance->is_tried |= role == COPY && item->class != FAILURE_ABORTED;
        model_leave(sim, message->worker, message->lease, item->index);
    }
}

static void model_abort(struct sim *sim, const struct item *item, struct ledger_fate fate)
{
    struct instance *instance = &sim->instances[item->index];
    CHECK(fate.is_final == sim->is_stopping);
    if (sim->is_stopping) {
        decide_race(sim, instance, ORIGINAL);
        move(sim, item->index, ABORTED);
    } else if (instance->copy.is_held) {
        promote(sim, instance);
    } else {
        move(sim, item->index, READY);
    }
}

static void model_take_item(struct sim *sim, const struct message *message, const struct item *item,
                            struct ledger_fate fate)
{
    struct instance *instance = &sim->instances[item->index];
    const enum role role = role_of(instance, message->worker, message->lease);
    CHECK(item->is_success || fate.is_superseded == (role == LOSER));
    if (role == LOSER) {
        let_loser_go(sim, instance);
    } else if (item->is_success) {
        decide_race(sim, instance, role);
        move(sim, item->index, SUCCEEDED);
    } else if (item->class == FAILURE_ABORTED) {
        model_abort(sim, item, fate);
    } else {
        model_fail(sim, item, message->worker, fate);
    }
}

static void model_time(struct sim *sim)
{
    for (uint64_t i = 0; sim->counts[WAITING] > 0 && i < size_of(sim); i++) {
        if (sim->instances[i].place == WAITING && sim->instances[i].due_us <= sim->now_us) {
            move(sim, i, READY);
        }
    }
}

static bool model_has_minimum(const struct sim *sim)
{
    return sim->counts[SUCCEEDED] + sim->counts[STOPPED] >= sim->options.minimum;
}

static bool model_is_out_of_reach(const struct sim *sim)
{
    return map_size(sim) - sim->counts[FAILED] - sim->counts[TIMED_OUT] < sim->options.minimum;
}

static bool model_is_to_stop(const struct sim *sim)
{
    const bool is_enough = sim->options.policy == POLICY_ENOUGH && model_has_minimum(sim);
    const bool is_hopeless = sim->options.policy != POLICY_RUN_ALL && model_is_out_of_reach(sim);
    return sim->is_stopped || is_enough || is_hopeless;
}

static uint64_t model_unended(const struct sim *sim)
{
    return sim->counts[READY] + sim->counts[LEASED] + sim->counts[WAITING] + map_size(sim) -
           sim->available;
}

static bool model_is_over(const struct sim *sim)
{
    return sim->stops_due == 0 &&
           (sim->is_stopping ? sim->counts[LEASED] == 0 : model_unended(sim) == 0);
}

static uint64_t model_deadline_us(const struct sim *sim)
{
    uint64_t due_us = UINT64_MAX;
    for (uint64_t i = 0; sim->counts[WAITING] > 0 && i < size_of(sim); i++) {
        const struct instance *instance = &sim->instances[i];
        if (instance->place == WAITING && instance->due_us < due_us) {
            due_us = instance->due_us;
        }
    }
    return due_us;
}

static bool is_window_full(const struct sim *sim)
{
    return sim->options.concurrency > 0 &&
           sim->counts[LEASED] + sim->extra >= sim->options.concurrency;
}

static bool is_idle(const struct sim_worker *worker)
{
    return worker->is_present && worker->held < worker->slots;
}

static uint64_t model_places(const struct sim *sim)
{
    uint64_t places = 0;
    for (uint32_t i = 0; i < sim->options.worker_count; i++) {
        places += sim->workers[i].is_present ? sim->workers[i].slots : 0;
    }
    return sim->options.concurrency > 0 && sim->options.concurrency < places
               ? sim->options.concurrency
               : places;
}

/* ---- Agreement ------------------------------------------------------------------------------- */

static void check_agreement(const struct sim *sim)
{
    const struct ledger_counts counts = scheduler_counts(sim->scheduler);
    CHECK(counts.ready == sim->counts[READY]);
    CHECK(counts.leased == sim->counts[LEASED]);
    CHECK(counts.waiting == sim->counts[WAITING]);
    CHECK(counts.succeeded == sim->counts[SUCCEEDED]);
    CHECK(counts.stopped_early == sim->counts[STOPPED]);
    CHECK(counts.failed == sim->counts[FAILED]);
    CHECK(counts.timed_out == sim->counts[TIMED_OUT]);
    CHECK(counts.aborted == sim->counts[ABORTED]);
    CHECK(counts.to_come == sim->counts[TO_COME]);
    CHECK(counts.ready + counts.leased + counts.waiting + counts.succeeded + counts.stopped_early +
              counts.failed + counts.timed_out + counts.aborted + counts.to_come ==
          size_of(sim));
    CHECK(scheduler_places(sim->scheduler) == model_places(sim));
    CHECK(sim->options.concurrency == 0 || counts.leased + sim->extra <= sim->options.concurrency);
    CHECK(scheduler_has_minimum(sim->scheduler) == model_has_minimum(sim));
    CHECK(scheduler_is_out_of_reach(sim->scheduler) == model_is_out_of_reach(sim));
    for (uint32_t i = 0; i < sim->options.worker_count; i++) {
        CHECK(scheduler_held(sim->scheduler, i) == sim->workers[i].held);
    }
}

/* No slot stays idle as long as there is something that it may do. */
static void check_quiet(const struct sim *sim)
{
    CHECK(sim->is_done || !model_is_over(sim));
    CHECK(sim->is_done || !sim->is_stopping || sim->is_cancelled);
    if (sim->is_done || sim->is_stopping) {
        CHECK(scheduler_deadline_us(sim->scheduler) == UINT64_MAX);
        return;
    }
    CHECK(scheduler_deadline_us(sim->scheduler) == model_deadline_us(sim));
    for (uint32_t i = 0; i < sim->options.worker_count; i++) {
        CHECK(sim->counts[READY] == 0 || is_window_full(sim) || !is_idle(&sim->workers[i]));
    }
}

/* Each instance, at the end. */
static void check_end(const struct sim *sim)
{
    const struct ledger *ledger = scheduler_ledger(sim->scheduler);
    uint64_t counts[PLACE_COUNT] = {0};
    uint64_t begun = 0;
    for (uint64_t i = 0; i < size_of(sim); i++) {
        const struct instance *instance = &sim->instances[i];
        counts[instance->place]++;
        begun += instance->place <= WAITING && attempts_of(instance) > 0 ? 1 : 0;
        CHECK(instance->place != LEASED);
        CHECK(ledger_attempts(ledger, i) == attempts_of(instance));
    }
    CHECK(memcmp(counts, sim->counts, sizeof(counts)) == 0);
    CHECK(ledger_begun(ledger) == begun);
    CHECK(ledger_ended(ledger) == map_size(sim) - model_unended(sim));
    CHECK(sim->is_stopping == model_is_to_stop(sim));
    CHECK(sim->is_stopping || model_unended(sim) == 0);
    CHECK(sim->is_stopping || counts[ABORTED] == 0);
}

#endif
