/* A random map on random workers, thousands of times, each repeatable by its seed.
 *
 * The scheduler is the real one. Around it: workers that join late, run units in slots, fail, are
 * lost and join again, or are taken for lost, work on without knowing it, and are told to begin
 * anew; and a post that delays, doubles and reorders what they send, and sends
 * corrupt copies (scheduler_sim.h). Some maps get their instances in bits while they run, and not
 * always all of them. Beside it: a model of its own (scheduler_model.h). After each
 * event the two must agree; what must be taken is taken, what must be refused is refused and
 * changes nothing.
 *
 *     simulation_scheduler [--seeds N]   seeds 0 to N - 1
 *     simulation_scheduler --seed N      one of them
 */
#include "tests/simulation/scheduler_model.h"
#include "tests/simulation/scheduler_sim.h"
#include "tests/simulation/seeds.h"

#define SEED_COUNT 3000
#define STEP_COUNT_MAX 200000
/* Units and recalls that one event can call for. */
#define ACTION_COUNT_MAX (2 * SIZE_MAX_SIMULATED)

/* ---- What the scheduler wants done ----------------------------------------------------------- */

static bool is_other_idle(const struct sim *sim, uint32_t worker)
{
    for (uint32_t i = 0; i < sim->options.worker_count; i++) {
        if (i != worker && is_idle(&sim->workers[i])) {
            return true;
        }
    }
    return false;
}

/* Lowest index first; a retry is passed over only for the worker on which it failed, and taken by
 * that worker only when no other is idle. */
static void check_order(const struct sim *sim, uint32_t worker, uint64_t index, uint64_t first)
{
    const struct instance *taken = &sim->instances[index];
    CHECK(!taken->is_retry || taken->last_worker != worker || !is_other_idle(sim, worker));
    for (uint64_t i = first; i < index; i++) {
        const struct instance *instance = &sim->instances[i];
        CHECK(instance->place != READY || (instance->is_retry && instance->last_worker == worker));
    }
}

static void lease_instance(struct sim *sim, const struct scheduler_action *action, uint64_t index)
{
    struct instance *instance = &sim->instances[index];
    CHECK(instance->place == READY);
    move(sim, index, LEASED);
    sim->workers[action->worker].held++;
    instance->original = (struct held){.is_held = true,
                                       .worker = action->worker,
                                       .lease = action->lease,
                                       .attempt = attempts_of(instance)};
}

/* A second copy is one instance, in an idle slot that nothing else could use; on another worker
 * where one is idle; and there is never a third. */
static void on_copy(struct sim *sim, const struct scheduler_action *action)
{
    struct instance *instance = &sim->instances[action->spans[0].start];
    struct sim_worker *worker = &sim->workers[action->worker];
    struct message *message = message_create(action->worker, action->lease, 1);
    CHECK(sim->options.is_speculative && !sim->is_stopping);
    CHECK(action->span_count == 1 && action->spans[0].count == 1);
    CHECK(!instance->copy.is_held && !instance->is_tried);
    CHECK(action->spans[0].attempt == instance->original.attempt + 1);
    CHECK(sim->counts[READY] == 0 && is_idle(worker));
    CHECK(action->worker != instance->original.worker || !is_other_idle(sim, action->worker));
    CHECK(action->lease > sim->lease_last);
    sim->lease_last = action->lease;
    instance->copy = (struct held){.is_held = true,
                                   .worker = action->worker,
                                   .lease = action->lease,
                                   .attempt = action->spans[0].attempt};
    worker->held++;
    sim->extra++;
    sim->copy_count++;
    message->items[0] =
        (struct item){.index = action->spans[0].start, .attempt = action->spans[0].attempt};
    post_to_worker(sim, (struct event){.kind = UNIT, .worker = action->worker, .message = message});
}

static void on_send_unit(struct sim *sim, const struct scheduler_action *action)
{
    const struct span *spans = action->spans;
    const uint64_t count = span_list_count(spans, action->span_count);
    struct message *message = message_create(action->worker, action->lease, (size_t)count);
    size_t at = 0;
    uint64_t first = 0;
    if (sim->instances[spans[0].start].place == LEASED) {
        message_release(message);
        on_copy(sim, action);
        return;
    }
    CHECK(!sim->is_stopping && sim->workers[action->worker].is_present);
    CHECK(action->lease > sim->lease_last);
    CHECK(count > 0 && span_list_is_valid(spans, action->span_count, size_of(sim)));
    sim->lease_last = action->lease;
    for (size_t i = 0; i < action->span_count; i++) {
        for (uint64_t k = 0; k < spans[i].count; k++) {
            const uint64_t index = spans[i].start + k;
            CHECK(spans[i].attempt == attempts_of(&sim->instances[index]));
            CHECK(spans[i].growth ==
                  (sim->options.ledger.is_mem_growing ? sim->instances[index].memory_failures : 0));
            check_order(sim, action->worker, index, first);
            first = index + 1;
            message->items[at++] = (struct item){.index = index, .attempt = spans[i].attempt};
        }
    }
    for (size_t i = 0; i < at; i++) {
        lease_instance(sim, action, message->items[i].index);
        sim->instances[message->items[i].index].is_retry = false;
    }
    CHECK(sim->options.concurrency == 0 ||
          sim->counts[LEASED] + sim->extra <= sim->options.concurrency);
    post_to_worker(sim, (struct event){.kind = UNIT, .worker = action->worker, .message = message});
}

static void on_recall(struct sim *sim, const struct scheduler_action *action)
{
    const struct message lease = {.worker = action->worker, .lease = action->lease};
    CHECK(!sim->is_stopping && action->count > 0);
    CHECK(sim->counts[READY] == 0 || is_window_full(sim));
    CHECK(is_valid(sim, &lease));
    CHECK(is_other_idle(sim, action->worker));
    CHECK(sim->workers[action->worker].held > sim->workers[action->worker].slots);
    post_to_worker(sim,
                   (struct event){.kind = RECALL,
                                  .worker = action->worker,
                                  .count = action->count,
                                  .message = message_create(action->worker, action->lease, 0)});
}

static void on_end(struct sim *sim, const struct scheduler_action *action)
{
    struct instance *instance = &sim->instances[action->index];
    CHECK(instance->is_end_due && is_holder(&instance->loser, action->worker, action->lease));
    instance->is_end_due = false;
    post_to_worker(sim,
                   (struct event){.kind = END,
                                  .worker = action->worker,
                                  .count = action->index,
                                  .message = message_create(action->worker, action->lease, 0)});
}

static void on_cancel(struct sim *sim)
{
    CHECK(sim->is_stopping && !sim->is_cancelled && sim->counts[LEASED] + sim->stops_due > 0);
    sim->is_cancelled = true;
    for (uint32_t i = 0; i < sim->options.worker_count; i++) {
        if (sim->workers[i].is_present) {
            post_to_worker(sim, (struct event){.kind = CANCEL, .worker = i});
        }
    }
}

/* Has some loser that still holds its instance not been told? */
static bool is_end_due(const struct sim *sim)
{
    bool is_due = false;
    for (uint64_t i = 0; sim->extra > 0 && i < size_of(sim); i++) {
        is_due = is_due || (sim->instances[i].is_end_due && sim->instances[i].loser.is_held);
    }
    return is_due;
}

static void act(struct sim *sim, const struct scheduler_action *action)
{
    CHECK((action->kind == SCHEDULER_DONE) == (model_is_over(sim) && !is_end_due(sim)));
    switch (action->kind) {
    case SCHEDULER_SEND_UNIT:
        on_send_unit(sim, action);
        break;
    case SCHEDULER_RECALL:
        on_recall(sim, action);
        break;
    case SCHEDULER_END:
        on_end(sim, action);
        break;
    case SCHEDULER_CANCEL:
        on_cancel(sim);
        break;
    case SCHEDULER_DONE:
        sim->is_done = true;
        break;
    }
}

static void pump(struct sim *sim)
{
    for (unsigned actions = 0;; actions++) {
        struct scheduler_action action;
        CHECK(actions < ACTION_COUNT_MAX);
        if (!sim->is_done) {
            model_time(sim);
            sim->is_stopping = model_is_to_stop(sim);
        }
        if (!scheduler_next(sim->scheduler, sim->now_us, &action)) {
            break;
        }
        CHECK(!sim->is_done);
        act(sim, &action);
        check_agreement(sim);
    }
    check_quiet(sim);
}

/* ---- Workers --------------------------------------------------------------------------------- */

static void decide(struct sim *sim, struct item *item)
{
    item->is_success = !chance(sim, sim->failure_percent);
    item->class = chance(sim, 3) ? FAILURE_ABORTED : (enum failure_class)below(sim, FAILURE_LOST);
    item->is_permanent = chance(sim, 10);
}

static void start_slot(struct sim *sim, uint32_t id, uint32_t slot)
{
    struct sim_worker *worker = &sim->workers[id];
    const size_t count_max = (size_t)(1 + below(sim, BATCH_COUNT_MAX));
    const uint64_t lease = worker->queue[0].lease;
    size_t count = 1;
    while (count < count_max && count < worker->queue_count &&
           worker->queue[count].lease == lease) {
        count++;
    }
    struct message *message = message_create(id, lease, count);
    for (size_t i = 0; i < count; i++) {
        message->items[i] = worker->queue[i].item;
        decide(sim, &message->items[i]);
        message->elapsed_us += below(sim, 2 * sim->task_us + 1);
    }
    worker->queue_count -= count;
    memmove(worker->queue, &worker->queue[count], worker->queue_count * sizeof(*worker->queue));
    worker->slot[slot] = message;
    post(
        sim,
        (struct event){
            .kind = SLOT_END, .worker = id, .life = worker->life, .slot = slot, .message = message},
        message->elapsed_us);
}

static void start_slots(struct sim *sim, uint32_t id)
{
    struct sim_worker *worker = &sim->workers[id];
    for (uint32_t slot = 0; slot < worker->slots && worker->queue_count > 0; slot++) {
        if (worker->slot[slot] == NULL) {
            start_slot(sim, id, slot);
        }
    }
}

static void worker_on_unit(struct sim *sim, const struct event *event)
{
    struct sim_worker *worker = &sim->workers[event->worker];
    for (size_t i = 0; i < event->message->count; i++) {
        CHECK(worker->queue_count < SIZE_MAX_SIMULATED);
        worker->queue[worker->queue_count++] =
            (struct queued){.lease = event->message->lease, .item = event->message->items[i]};
    }
    start_slots(sim, event->worker);
}

/* Answer with up to `count_max` instances of a lease, the last ones of the queue. */
static void give_back(struct sim *sim, uint32_t id, uint64_t lease, uint64_t count_max)
{
    struct sim_worker *worker = &sim->workers[id];
    uint64_t of_lease = 0;
    for (size_t i = 0; i < worker->queue_count; i++) {
        of_lease += worker->queue[i].lease == lease ? 1 : 0;
    }
    uint64_t kept = of_lease > count_max ? of_lease - count_max : 0;
    struct message *message = message_create(id, lease, (size_t)(of_lease - kept));
    size_t left = 0;
    size_t given = 0;
    for (size_t i = 0; i < worker->queue_count; i++) {
        if (worker->queue[i].lease == lease && kept == 0) {
            message->items[given++] = worker->queue[i].item;
            continue;
        }
        kept -= worker->queue[i].lease == lease ? 1 : 0;
        worker->queue[left++] = worker->queue[i];
    }
    worker->queue_count = left;
    post_to_master(sim, RETURNED, message);
}

/* Some that run end by themselves before they hear of it. */
static void worker_on_cancel(struct sim *sim, uint32_t id)
{
    struct sim_worker *worker = &sim->workers[id];
    while (worker->queue_count > 0) {
        give_back(sim, id, worker->queue[0].lease, UINT64_MAX);
    }
    for (uint32_t slot = 0; slot < worker->slots; slot++) {
        struct message *message = worker->slot[slot];
        for (size_t i = 0; message != NULL && i < message->count; i++) {
            if (chance(sim, 70)) {
                message->items[i].is_success = false;
                message->items[i].class = FAILURE_ABORTED;
            }
        }
        if (message != NULL) {
            give_back(sim, id, message->lease, UINT64_MAX);
        }
    }
}

/* Most often in time, and with others in its batch untouched. */
static void worker_on_end(struct sim *sim, uint32_t id, uint64_t lease, uint64_t index)
{
    struct sim_worker *worker = &sim->workers[id];
    give_back(sim, id, lease, UINT64_MAX);
    for (uint32_t slot = 0; slot < worker->slots; slot++) {
        struct message *message = worker->slot[slot];
        for (size_t i = 0; message != NULL && message->lease == lease && i < message->count; i++) {
            if (message->items[i].index == index && chance(sim, 70)) {
                message->items[i].is_success = false;
                message->items[i].class = FAILURE_ABORTED;
            }
        }
    }
}

/* What a lost worker was in may still be heard of, or not. */
static void worker_on_slot_end(struct sim *sim, const struct event *event)
{
    struct sim_worker *worker = &sim->workers[event->worker];
    const bool is_alive = worker->life == event->life;
    if (is_alive) {
        worker->slot[event->slot] = NULL;
    }
    if (is_alive || chance(sim, 50)) {
        event->message->references++;
        post_to_master(sim, BATCH, event->message);
    }
    if (is_alive) {
        start_slots(sim, event->worker);
    }
}

static void worker_take(struct sim *sim, const struct event *event)
{
    if (sim->workers[event->worker].life != event->life) {
        return;
    }
    if (event->kind == UNIT) {
        worker_on_unit(sim, event);
    } else if (event->kind == RECALL) {
        give_back(sim, event->worker, event->message->lease, event->count);
    } else if (event->kind == END) {
        worker_on_end(sim, event->worker, event->message->lease, event->count);
    } else {
        worker_on_cancel(sim, event->worker);
    }
}

/* ---- Events of the master -------------------------------------------------------------------- */

static size_t spans_of(const struct message *message, struct span *spans_out)
{
    size_t count = 0;
    for (size_t i = 0; i < message->count; i++) {
        const struct item *item = &message->items[i];
        struct span *last = count > 0 ? &spans_out[count - 1] : NULL;
        if (last != NULL && last->start + last->count == item->index &&
            last->attempt == item->attempt) {
            last->count++;
        } else {
            spans_out[count++] =
                (struct span){.start = item->index, .count = 1, .attempt = item->attempt};
        }
    }
    return count;
}

/* A batch as it comes off the wire, with room for what a corruption adds. */
struct parcel {
    struct report_batch batch;
    uint64_t lease;
    struct span spans[BATCH_COUNT_MAX + 1];
    struct report_failure failures[BATCH_COUNT_MAX];
    uint8_t bits[BATCH_COUNT_MAX / 8];
};

static void corrupt(const struct sim *sim, enum corruption corruption, struct parcel *parcel)
{
    struct report_batch *batch = &parcel->batch;
    struct span *last = &parcel->spans[batch->span_count - 1];
    switch (corruption) {
    case SOUND:
        break;
    case OTHER_ATTEMPT:
        last->attempt++;
        break;
    case BEYOND_THE_END:
        last->count = size_of(sim) - last->start + 1;
        break;
    case WRONG_COUNT:
        batch->instance_count++;
        batch->success_count++;
        break;
    case NO_SPAN:
        batch->span_count = 0;
        break;
    case OTHER_LEASE:
        parcel->lease += 1000000;
        break;
    case WRONG_FAILURE:
        batch->success_count = batch->instance_count + 1;
        if (batch->success_bits != NULL) {
            batch->success_count = 0;
            parcel->failures[0].index++;
        }
        break;
    }
}

static void wrap(const struct sim *sim, const struct message *message, struct parcel *parcel)
{
    size_t failed = 0;
    memset(parcel, 0, sizeof(*parcel));
    parcel->lease = message->lease;
    for (size_t i = 0; i < message->count; i++) {
        const struct item *item = &message->items[i];
        if (item->is_success) {
            parcel->bits[i / 8] = (uint8_t)(parcel->bits[i / 8] | 1u << i % 8);
            continue;
        }
        parcel->failures[failed++] = (struct report_failure){.index = item->index,
                                                             .attempt = item->attempt,
                                                             .class = item->class,
                                                             .is_permanent = item->is_permanent};
    }
    parcel->batch = (struct report_batch){.spans = parcel->spans,
                                          .span_count = spans_of(message, parcel->spans),
                                          .instance_count = message->count,
                                          .success_count = message->count - failed,
                                          .success_bits = failed > 0 ? parcel->bits : NULL,
                                          .elapsed_us = message->elapsed_us};
    corrupt(sim, message->corruption, parcel);
}

static void master_on_batch(struct sim *sim, const struct message *message)
{
    struct ledger_fate fates[BATCH_COUNT_MAX];
    struct parcel parcel;
    const bool is_expected = is_valid(sim, message);
    wrap(sim, message, &parcel);
    if (sim->workers[message->worker].is_silent) {
        CHECK(!is_expected);
        sim->silent_count++;
    }
    const char *reason = scheduler_take_batch(sim->scheduler, message->worker, parcel.lease,
                                              &parcel.batch, parcel.failures, fates, sim->now_us);
    const bool is_dropped = is_expected && is_needless(sim, message);
    CHECK((reason == NULL) == (is_expected && !is_dropped));
    CHECK((reason == scheduler_copy_over) == is_dropped);
    if (is_dropped) {
        model_drop(sim, message);
        return;
    }
    size_t failed = 0;
    for (size_t i = 0; is_expected && i < message->count; i++) {
        const struct item *item = &message->items[i];
        const struct ledger_fate none = {0};
        model_take_item(sim, message, item, item->is_success ? none : fates[failed++]);
    }
}

static void master_on_returned(struct sim *sim, const struct message *message)
{
    struct span spans[SIZE_MAX_SIMULATED];
    const size_t span_count = spans_of(message, spans);
    const bool is_expected = is_valid(sim, message);
    const char *reason = scheduler_take_returned(sim->scheduler, message->worker, message->lease,
                                                 spans, span_count, sim->now_us);
    CHECK((reason == NULL) == is_expected);
    for (size_t i = 0; is_expected && i < message->count; i++) {
        model_leave(sim, message->worker, message->lease, message->items[i].index);
    }
}

static void on_charged(void *context, uint64_t index, struct ledger_fate fate)
{
    struct sim *sim = context;
    const struct item item = {.index = index, .class = FAILURE_LOST};
    CHECK(sim->instances[index].place == LEASED);
    sim->charged_count++;
    model_fail(sim, &item, sim->instances[index].original.worker, fate);
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* What the last beat said: not all that runs, and some that does not. */
static size_t beat_of(struct sim *sim, uint32_t id, uint64_t *running_out)
{
    bool is_running[SIZE_MAX_SIMULATED] = {false};
    const struct sim_worker *worker = &sim->workers[id];
    size_t count = 0;
    for (uint32_t slot = 0; slot < worker->slots; slot++) {
        const struct message *message = worker->slot[slot];
        for (size_t i = 0; message != NULL && i < message->count; i++) {
            is_running[message->items[i].index] = chance(sim, 80);
        }
    }
    for (uint64_t i = 0; i < size_of(sim); i++) {
        if (is_running[i] || chance(sim, 1)) {
            running_out[count++] = i;
        }
    }
    qsort(running_out, count, sizeof(*running_out), compare);
    return count;
}

static void forget_work(struct sim_worker *worker)
{
    worker->is_present = false;
    worker->life++;
    worker->queue_count = 0;
    memset(worker->slot, 0, sizeof(worker->slot)); /* their messages belong to their events */
}

/* It is gone; or it is silent, and goes on with what it has. */
static void lose_work(struct sim *sim, struct sim_worker *worker)
{
    worker->is_silent = chance(sim, 50);
    if (worker->is_silent) {
        worker->is_present = false;
    } else {
        forget_work(worker);
    }
}

static void master_lose(struct sim *sim, uint32_t id)
{
    uint64_t running[SIZE_MAX_SIMULATED];
    const size_t running_count = beat_of(sim, id, running);
    size_t expected = 0;
    for (size_t i = 0; i < running_count; i++) {
        const struct instance *instance = &sim->instances[running[i]];
        expected += instance->place == LEASED && instance->original.worker == id ? 1 : 0;
    }
    sim->charged_count = 0;
    for (uint64_t i = 0; i < size_of(sim); i++) {
        struct instance *instance = &sim->instances[i];
        if (instance->copy.is_held && instance->copy.worker == id) {
            let_go(sim, &instance->copy);
        }
        if (instance->loser.is_held && instance->loser.worker == id) {
            let_loser_go(sim, instance);
        }
    }
    lose_work(sim, &sim->workers[id]);
    scheduler_lose(sim->scheduler, id, running, running_count, on_charged, sim, sim->now_us);
    CHECK(sim->charged_count == expected);
    for (uint64_t i = 0; i < size_of(sim); i++) {
        const struct held original = sim->instances[i].original;
        if (original.is_held && original.worker == id) {
            model_leave(sim, id, original.lease, i);
        }
    }
    post(sim, (struct event){.kind = JOIN, .worker = id}, below(sim, 50 * sim->task_us + 1));
}

/* Between beats, at most: in proportion to whatever a run may wait for. */
static uint64_t beat_us(const struct sim *sim)
{
    return sim->task_us + sim->delay_us / 10 + sim->options.retry_delay_us;
}

static void master_join(struct sim *sim, uint32_t id)
{
    struct sim_worker *worker = &sim->workers[id];
    if (worker->is_silent) {
        forget_work(worker);
        worker->is_silent = false;
    }
    worker->is_present = true;
    worker->slots = (uint32_t)(1 + below(sim, SLOT_COUNT_MAX));
    scheduler_join(sim->scheduler, id, worker->slots);
    if (sim->options.is_speculative) {
        post(sim, (struct event){.kind = BEAT, .worker = id, .life = worker->life},
             below(sim, beat_us(sim)));
    }
    if (sim->losses_left > 0 && chance(sim, 70)) {
        sim->losses_left--;
        post(sim, (struct event){.kind = LOSE, .worker = id}, below(sim, 30 * sim->task_us + 1));
    }
}

/* What its slots are in, and something else now and then; for how long is chance. */
static void master_beat(struct sim *sim, const struct event *event)
{
    struct sim_worker *worker = &sim->workers[event->worker];
    struct wire_running running[SLOT_COUNT_MAX * BATCH_COUNT_MAX];
    size_t count = 0;
    if (worker->life != event->life || sim->is_done) {
        return;
    }
    for (uint32_t slot = 0; slot < worker->slots; slot++) {
        const struct message *message = worker->slot[slot];
        if (message != NULL) {
            const uint64_t index =
                chance(sim, 90) ? message->items[0].index : below(sim, size_of(sim));
            running[count++] = (struct wire_running){
                .index = index, .elapsed_us = ONE_OF(sim, 0, 1000000, 1000000000, 1000000000)};
        }
    }
    const struct wire_beat beat = {.running = running, .running_count = count};
    scheduler_beat(sim->scheduler, event->worker, &beat, sim->now_us);
    post(sim, (struct event){.kind = BEAT, .worker = event->worker, .life = worker->life},
         1 + below(sim, beat_us(sim)));
}

static void stop_later(struct sim *sim)
{
    post(sim, (struct event){.kind = EARLY}, below(sim, beat_us(sim) + 1));
}

/* An attempt has reported what stops it; one that has ended meanwhile is not held. */
static void master_stop_early(struct sim *sim)
{
    const uint64_t size = size_of(sim);
    uint64_t index = size > 0 ? below(sim, size) : 0;
    if (sim->is_done || size == 0) {
        return;
    }
    stop_later(sim);
    for (uint64_t i = 0; i < size && sim->instances[index].place != LEASED; i++) {
        const struct held *ended = &sim->instances[index].loser;
        CHECK(!scheduler_holds(sim->scheduler, ended->worker, ended->lease, index, ended->attempt));
        index = (index + 1) % size;
    }
    const struct held held = sim->instances[index].original;
    if (sim->instances[index].place != LEASED) {
        return;
    }
    CHECK(scheduler_holds(sim->scheduler, held.worker, held.lease, index, held.attempt));
    scheduler_stop_early(sim->scheduler, held.worker, held.lease, index);
    model_stop_early(sim, index);
}

static void come_later(struct sim *sim)
{
    post(sim, (struct event){.kind = COME, .count = 1 + below(sim, ONE_OF(sim, 1, 3, 40))},
         below(sim, 2 * sim->task_us));
}

/* A sampler proposes some more, or says that it has no more. */
static void master_raise(struct sim *sim, uint64_t count)
{
    if (sim->is_done || sim->is_stopping) {
        return; /* nobody asks for more then */
    }
    for (; count > 0 && sim->available < sim->close_at; count--) {
        move(sim, sim->available, READY);
        sim->available++;
    }
    scheduler_raise(sim->scheduler, sim->available);
    if (sim->available < sim->close_at) {
        come_later(sim);
    } else if (sim->available < size_of(sim)) {
        sim->is_closed = true;
        sim->options.minimum = below(sim, sim->available + 1);
        scheduler_close(sim->scheduler, sim->options.minimum);
    }
}

static void handle(struct sim *sim, const struct event *event)
{
    switch (event->kind) {
    case JOIN:
        master_join(sim, event->worker);
        break;
    case LOSE:
        master_lose(sim, event->worker);
        break;
    case STOP:
        sim->is_stopped = !sim->is_done;
        scheduler_stop(sim->scheduler);
        break;
    case EARLY:
        master_stop_early(sim);
        break;
    case COME:
        master_raise(sim, event->count);
        break;
    case BEAT:
        master_beat(sim, event);
        break;
    case UNIT:
    case RECALL:
    case END:
    case CANCEL:
        worker_take(sim, event);
        break;
    case SLOT_END:
        worker_on_slot_end(sim, event);
        break;
    case BATCH:
        master_on_batch(sim, event->message);
        break;
    case RETURNED:
        master_on_returned(sim, event->message);
        break;
    }
    message_release(event->message);
}

/* ---- One seed -------------------------------------------------------------------------------- */

static uint64_t random_size(struct sim *sim)
{
    return below(sim, ONE_OF(sim, 1, 3, 10, 40, 40, 100, 200, SIZE_MAX_SIMULATED + 1));
}

static void choose_options(struct sim *sim)
{
    const uint64_t size = random_size(sim);
    sim->options = (struct scheduler_options){
        .ledger = {.size = size,
                   .retries = ONE_OF(sim, 0, 0, 1, 2, 3, 16, INT64_MAX),
                   .system_retries = ONE_OF(sim, 0, 1, 3, INT64_MAX),
                   .is_mem_growing = chance(sim, 50),
                   .comes_later = chance(sim, 30)},
        .sizing = {.report_interval_us = ONE_OF(sim, 1, 1000, 100000),
                   .unit_size = ONE_OF(sim, 0, 0, 1, 2, 7, 50, 1000),
                   .input_size_mean = ONE_OF(sim, 0, 100, 1 << 20)},
        .minimum = chance(sim, 50) ? size : below(sim, size + 1),
        .policy = (enum map_policy)below(sim, POLICY_ENOUGH + 1),
        .concurrency = ONE_OF(sim, 0, 0, 1, 2, 5, 20, 100),
        .retry_delay_us = ONE_OF(sim, 0, 0, 10, 1000, 100000),
        .worker_count = (uint32_t)(1 + below(sim, WORKER_COUNT_MAX)),
        .is_speculative = chance(sim, 50),
    };
    sim->failure_percent = ONE_OF(sim, 0, 1, 10, 30, 60);
    sim->task_us = ONE_OF(sim, 1, 100, 10000, 1000000);
    sim->delay_us = ONE_OF(sim, 0, 10, 1000, 100000);
    sim->losses_left = (unsigned)ONE_OF(sim, 0, 0, 1, 5, 20);
    sim->available = sim->options.ledger.comes_later ? 0 : size;
    sim->close_at = chance(sim, 50) ? size : below(sim, size + 1);
    sim->counts[READY] = sim->available;
    sim->counts[TO_COME] = size - sim->available;
    for (uint64_t i = sim->available; i < size; i++) {
        sim->instances[i].place = TO_COME;
    }
}

static void choose_events(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->options.worker_count; i++) {
        post(sim, (struct event){.kind = JOIN, .worker = i},
             chance(sim, 50) ? 0 : below(sim, 20 * sim->task_us));
    }
    if (sim->options.ledger.comes_later) {
        come_later(sim);
    }
    if (!sim->options.is_speculative && chance(sim, 50)) {
        stop_later(sim);
    }
    if (chance(sim, 10)) {
        post(sim, (struct event){.kind = STOP}, below(sim, 100 * sim->task_us));
    }
}

/* The next event, or the time at which the scheduler said that it would have something to do. */
static void step(struct sim *sim)
{
    const uint64_t deadline_us = scheduler_deadline_us(sim->scheduler);
    CHECK(sim->event_count > 0 || deadline_us != UINT64_MAX); /* else it never ends */
    if (sim->event_count == 0 || sim->heap[0].time_us > deadline_us) {
        sim->now_us = deadline_us;
    } else {
        const struct event event = take_event(sim);
        sim->now_us = event.time_us;
        handle(sim, &event);
        check_agreement(sim);
    }
    pump(sim);
}

/* What is still under way when all is done must change nothing. */
static void drain(struct sim *sim)
{
    sim->losses_left = 0;
    while (sim->event_count > 0) {
        step(sim);
    }
}

/* Of all seeds together. */
static uint64_t copies;
static uint64_t copy_wins;
static uint64_t stops;
static uint64_t silent_reports;

static void run(uint64_t seed)
{
    struct sim *sim = memory_take(1, sizeof(*sim));
    name_seed(seed);
    sim->random = seed_mix(seed);
    choose_options(sim);
    CHECK(scheduler_create(sim->options, &sim->scheduler) == STATUS_OK);
    choose_events(sim);
    pump(sim);
    for (unsigned steps = 0; !sim->is_done; steps++) {
        CHECK(steps < STEP_COUNT_MAX);
        step(sim);
    }
    check_end(sim);
    drain(sim);
    check_end(sim);
    copies += sim->copy_count;
    copy_wins += sim->copy_win_count;
    stops += sim->stop_count;
    silent_reports += sim->silent_count;
    scheduler_destroy(sim->scheduler);
    free(sim->heap);
    free(sim);
}

int main(int argc, char **argv)
{
    struct seeds seeds = {.count = SEED_COUNT};
    if (!seeds_take(&seeds, argc, argv)) {
        return 2;
    }
    (void)signal(SIGABRT, on_fault);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(print_repeat_line);
    } else {
        (void)signal(SIGSEGV, on_fault);
        (void)signal(SIGBUS, on_fault);
        (void)signal(SIGFPE, on_fault);
    }
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        run(seed);
    }
    if (seeds.count >= SEED_COUNT && (copies < seeds.count / 10 || copy_wins < seeds.count / 50)) {
        (void)fprintf(stderr, "only %llu second copies, of which %llu won: nothing is shown\n",
                      (unsigned long long)copies, (unsigned long long)copy_wins);
        return 1;
    }
    if (seeds.count >= SEED_COUNT && stops < seeds.count) {
        (void)fprintf(stderr, "only %llu attempts stopped early: nothing is shown\n",
                      (unsigned long long)stops);
        return 1;
    }
    if (seeds.count >= SEED_COUNT && silent_reports < seeds.count / 10) {
        (void)fprintf(stderr, "only %llu reports of workers taken for lost: nothing is shown\n",
                      (unsigned long long)silent_reports);
        return 1;
    }
    return 0;
}
