#include "master/scheduler.h"

#include <assert.h>
#include <stdlib.h>

#include "master/scheduler_private.h"
#include "shared/extremes.h"

/* Pauses before retries double up to this factor. */
#define RETRY_DELAY_SHIFT_MAX 6

const char scheduler_copy_over[] = "copy_over";

/* ---- Life ------------------------------------------------------------------------------------ */

enum status scheduler_create(struct scheduler_options options, struct scheduler **scheduler_out)
{
    struct scheduler *scheduler = calloc(1, sizeof(*scheduler));
    if (scheduler == NULL) {
        return STATUS_NO_MEMORY;
    }
    scheduler->options = options;
    victims_init(&scheduler->victims);
    enum status status = ledger_create(options.ledger, &scheduler->ledger);
    if (status != STATUS_OK) {
        goto fail;
    }
    scheduler->workers = calloc((size_t)options.worker_count + 1, sizeof(*scheduler->workers));
    scheduler->queue = calloc((size_t)options.worker_count + 1, sizeof(*scheduler->queue));
    if (scheduler->workers == NULL || scheduler->queue == NULL) {
        status = STATUS_NO_MEMORY;
        goto fail;
    }
    *scheduler_out = scheduler;
    return STATUS_OK;

fail:
    scheduler_destroy(scheduler);
    return status;
}

static void free_worker(struct worker *worker)
{
    for (size_t i = 0; i < worker->lease_count; i++) {
        lease_destroy(worker->leases[i].lease);
    }
    free(worker->leases);
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (scheduler == NULL) {
        return;
    }
    for (uint32_t i = 0; scheduler->workers != NULL && i < scheduler->options.worker_count; i++) {
        free_worker(&scheduler->workers[i]);
    }
    while (scheduler->spare_leases != NULL) {
        struct lease *next = scheduler->spare_leases->next;
        lease_destroy(scheduler->spare_leases);
        scheduler->spare_leases = next;
    }
    retry_queue_free(&scheduler->retries);
    retry_queue_free(&scheduler->suspects);
    index_map_free(&scheduler->suspect_workers);
    copies_free(&scheduler->copies);
    free(scheduler->ends);
    free(scheduler->end_indices);
    ledger_destroy(scheduler->ledger);
    free(scheduler->workers);
    free(scheduler->queue);
    free(scheduler);
}

void scheduler_restore(struct scheduler *scheduler, struct history *history)
{
    assert(scheduler->slots_all == 0 && scheduler->lease_count_ever == 0);
    ledger_restore(scheduler->ledger, history);
}

struct ledger_counts scheduler_counts(const struct scheduler *scheduler)
{
    return ledger_counts(scheduler->ledger);
}

const struct ledger *scheduler_ledger(const struct scheduler *scheduler)
{
    return scheduler->ledger;
}

uint64_t scheduler_held(const struct scheduler *scheduler, uint32_t worker)
{
    return scheduler->workers[worker].held;
}

/* The instance that this lease held has begun, or will not here. */
static void no_longer_awaited(struct scheduler *scheduler, const struct lease *lease,
                              uint64_t now_us)
{
    if (lease->id == scheduler->awaited_lease) {
        const uint64_t delay_us = scheduler->options.delay_us;
        scheduler->awaited_lease = 0;
        scheduler->start_us = delay_us < UINT64_MAX - now_us ? now_us + delay_us : UINT64_MAX;
    }
}

/* ---- Events: workers come and go ------------------------------------------------------------- */

void scheduler_join(struct scheduler *scheduler, uint32_t worker_id, uint32_t slots)
{
    assert(worker_id < scheduler->options.worker_count);
    assert(slots > 0);
    struct worker *worker = &scheduler->workers[worker_id];
    assert(worker->state != WORKER_PRESENT);
    assert(worker->lease_count == 0 && worker->held == 0);

    worker->state = WORKER_PRESENT;
    worker->slots = slots;
    worker->has_none_to_give = false;
    worker->finished = 0;
    worker->sizing = (struct sizing){0};
    scheduler->slots_all += slots;
    worker_touch(scheduler, worker_id);
    scheduler_queue_put(scheduler, worker_id);
}

static void retry_later(struct scheduler *scheduler, uint64_t index, struct ledger_fate fate,
                        uint64_t now_us)
{
    if (scheduler->options.retry_delay_us == 0) {
        ledger_retry(scheduler->ledger, index);
        return;
    }
    const uint64_t failures = fate.task_failures + fate.system_failures;
    const unsigned shift =
        failures > RETRY_DELAY_SHIFT_MAX ? RETRY_DELAY_SHIFT_MAX : (unsigned)failures - 1;
    const uint64_t delay_us = scheduler->options.retry_delay_us > UINT64_MAX >> (shift + 1)
                                  ? UINT64_MAX / 2
                                  : scheduler->options.retry_delay_us << shift;
    const uint64_t due_us = delay_us > UINT64_MAX - now_us ? UINT64_MAX : now_us + delay_us;
    retry_queue_put(&scheduler->retries, (struct retry){.due_us = due_us, .index = index});
}

static struct ledger_fate charge(struct scheduler *scheduler, uint32_t worker, uint64_t index,
                                 enum failure_class class, bool is_permanent, uint64_t now_us)
{
    const struct ledger_fate fate =
        ledger_fail(scheduler->ledger, index, class, is_permanent, worker);
    if (!fate.is_final) {
        retry_later(scheduler, index, fate, now_us);
    }
    return fate;
}

struct lease *worker_lease_of_index(const struct worker *worker, uint64_t index,
                                    struct span *span_out)
{
    for (size_t i = 0; i < worker->lease_count; i++) {
        if (lease_find(worker->leases[i].lease, index, span_out)) {
            return worker->leases[i].lease;
        }
    }
    return NULL;
}

void scheduler_begun(struct scheduler *scheduler, uint32_t worker_id, uint64_t index,
                     uint64_t now_us)
{
    assert(worker_id < scheduler->options.worker_count);
    struct span span;
    const struct lease *lease =
        scheduler->awaited_lease > 0
            ? worker_lease(&scheduler->workers[worker_id], scheduler->awaited_lease)
            : NULL;
    if (lease != NULL && lease_find(lease, index, &span)) {
        no_longer_awaited(scheduler, lease, now_us);
    }
}

/* An instance leaves its lease without a result of its own: what becomes of it? */
static void leave_free_of_charge(struct scheduler *scheduler, struct lease *lease, uint64_t index)
{
    switch (copy_role(scheduler, lease, index)) {
    case ROLE_ALONE:
        ledger_give_back(scheduler->ledger, index, 1);
        break;
    case ROLE_ORIGINAL:
        copy_promoted(scheduler, lease, index);
        break;
    case ROLE_COPY:
    case ROLE_LOSER:
        copy_over(scheduler, lease, index, false);
        break;
    }
}

static void leave_span(struct scheduler *scheduler, struct lease *lease, struct span span)
{
    if (lease->shared_count == 0) {
        ledger_give_back(scheduler->ledger, span.start, span.count);
        return;
    }
    for (uint64_t i = 0; i < span.count; i++) {
        leave_free_of_charge(scheduler, lease, span.start + i);
    }
}

/* The original's failure decides, or makes room for the copy: that is the retry. */
static struct ledger_fate charge_original(struct scheduler *scheduler, uint32_t worker,
                                          struct lease *lease, uint64_t index,
                                          enum failure_class class, bool is_permanent)
{
    const struct ledger_fate fate =
        ledger_fail(scheduler->ledger, index, class, is_permanent, worker);
    if (fate.is_final) {
        copy_decided(scheduler, lease, index);
    } else {
        ledger_resume(scheduler->ledger, index);
        copy_promoted(scheduler, lease, index);
    }
    return fate;
}

/* Copies that were lost change nothing. First, so that an original beside its copy is alone. */
static void lose_copies(struct scheduler *scheduler, struct worker *worker, uint64_t now_us)
{
    for (size_t i = worker->lease_count; i > 0; i--) {
        struct lease *lease = worker->leases[i - 1].lease;
        const struct span span = lease->spans[0];
        const enum copy_role role = copy_role(scheduler, lease, span.start);
        if (lease->is_copy && (role == ROLE_COPY || role == ROLE_LOSER)) {
            no_longer_awaited(scheduler, lease, now_us);
            copy_over(scheduler, lease, span.start, false);
            worker_shrink_lease(worker, lease, span);
            worker_end_lease(scheduler, worker, lease);
        }
    }
}

static void lose_running(struct scheduler *scheduler, uint32_t worker_id, uint64_t index,
                         scheduler_charged *on_charged, void *context, uint64_t now_us)
{
    struct worker *worker = &scheduler->workers[worker_id];
    struct span span;
    struct lease *lease = worker_lease_of_index(worker, index, &span);
    if (lease == NULL) {
        return; /* reported since that beat */
    }
    const enum copy_role role = copy_role(scheduler, lease, index);
    if (role == ROLE_LOSER) {
        copy_over(scheduler, lease, index, false);
    } else if (role == ROLE_ORIGINAL) {
        on_charged(context, index,
                   charge_original(scheduler, worker_id, lease, index, FAILURE_LOST, false));
    }
    worker_shrink_lease(worker, lease, span);
    if (role == ROLE_ALONE) {
        on_charged(context, index,
                   charge(scheduler, worker_id, index, FAILURE_LOST, false, now_us));
    }
}

void scheduler_lose(struct scheduler *scheduler, uint32_t worker_id, const uint64_t *running,
                    size_t running_count, scheduler_charged *on_charged, void *context,
                    uint64_t now_us)
{
    assert(worker_id < scheduler->options.worker_count);
    struct worker *worker = &scheduler->workers[worker_id];
    if (worker->state != WORKER_PRESENT) {
        return;
    }
    lose_copies(scheduler, worker, now_us);
    for (size_t i = 0; i < running_count; i++) {
        lose_running(scheduler, worker_id, running[i], on_charged, context, now_us);
    }
    while (worker->lease_count > 0) {
        struct lease *lease = worker->leases[worker->lease_count - 1].lease;
        no_longer_awaited(scheduler, lease, now_us);
        for (size_t i = 0; i < lease->span_count; i++) {
            leave_span(scheduler, lease, lease->spans[i]);
        }
        worker->held -= lease->count;
        worker_end_lease(scheduler, worker, lease);
    }
    assert(worker->held == 0);
    worker->state = WORKER_LOST;
    scheduler->slots_all -= worker->slots;
    worker_touch(scheduler, worker_id);
}

/* ---- Events: instances that need not run ------------------------------------------------------
 */

void scheduler_cache(struct scheduler *scheduler, uint64_t start, uint64_t count, bool were_held)
{
    ledger_cache(scheduler->ledger, start, count, were_held);
}

void scheduler_hold_equal(struct scheduler *scheduler, uint64_t start, uint64_t count)
{
    ledger_hold(scheduler->ledger, start, count);
}

void scheduler_fail_held(struct scheduler *scheduler, uint64_t index)
{
    ledger_fail_held(scheduler->ledger, index);
}

void scheduler_release(struct scheduler *scheduler, uint64_t start, uint64_t count)
{
    for (uint64_t index = start; index < start + count; index++) {
        ledger_retry(scheduler->ledger, index);
    }
}

/* ---- Events: instances that come later ---------------------------------------------------------
 */

/* A worker with an idle slot stands in the queue already: it leaves it only with none. */
void scheduler_raise(struct scheduler *scheduler, uint64_t available)
{
    ledger_raise(scheduler->ledger, available);
}

void scheduler_close(struct scheduler *scheduler, uint64_t minimum)
{
    scheduler->options.ledger.size = ledger_available(scheduler->ledger);
    scheduler->options.minimum = minimum;
}

uint64_t scheduler_places(const struct scheduler *scheduler)
{
    const uint64_t concurrency = scheduler->options.concurrency;
    return concurrency > 0 ? smaller(scheduler->slots_all, concurrency) : scheduler->slots_all;
}

/* ---- Events: batches ------------------------------------------------------------------------- */

/* Walks the instances of a batch in order. */
struct batch_walk {
    const struct report_batch *batch;
    size_t span;
    uint64_t offset; /* within the span */
    uint64_t at;     /* number of the instance within the batch */
};

static bool walk_next(struct batch_walk *walk, struct span *instance_out, bool *is_success_out)
{
    if (walk->at == walk->batch->instance_count) {
        return false;
    }
    const struct span *span = &walk->batch->spans[walk->span];
    *instance_out =
        (struct span){.start = span->start + walk->offset, .count = 1, .attempt = span->attempt};
    *is_success_out = report_batch_succeeded(walk->batch, walk->at);
    walk->at++;
    if (++walk->offset == span->count) {
        walk->offset = 0;
        walk->span++;
    }
    return true;
}

/* Does each instance without success have its failure, and no other? */
static bool failures_fit(const struct report_batch *batch, const struct report_failure *failures)
{
    struct batch_walk walk = {.batch = batch};
    struct span instance;
    bool is_success;
    uint64_t failed = 0;
    if (batch->success_bits == NULL) {
        return batch->success_count == batch->instance_count;
    }
    while (walk_next(&walk, &instance, &is_success)) {
        if (is_success) {
            continue;
        }
        if (failed == batch->instance_count - batch->success_count ||
            failures[failed].index != instance.start ||
            failures[failed].attempt != instance.attempt) {
            return false;
        }
        failed++;
    }
    return failed == batch->instance_count - batch->success_count;
}

static const char *refuse_batch(const struct scheduler *scheduler, const struct lease *lease,
                                const struct report_batch *batch,
                                const struct report_failure *failures)
{
    if (!span_list_is_valid(batch->spans, batch->span_count, scheduler->options.ledger.size) ||
        batch->span_count == 0 || batch->success_count > batch->instance_count ||
        span_list_count(batch->spans, batch->span_count) != batch->instance_count) {
        return "malformed";
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        if (!lease_holds(lease, batch->spans[i])) {
            return "not_in_lease";
        }
    }
    return failures_fit(batch, failures) ? NULL : "failures_differ";
}

static struct ledger_fate fate_of_aborted(const struct scheduler *scheduler, uint64_t index,
                                          bool is_final)
{
    return (struct ledger_fate){.is_final = is_final,
                                .state = INSTANCE_ABORTED,
                                .attempts_max = ledger_attempts_max(scheduler->ledger, index)};
}

static struct ledger_fate take_failure(struct scheduler *scheduler, uint32_t worker,
                                       const struct report_failure *failure, uint64_t now_us)
{
    if (failure->class != FAILURE_ABORTED) {
        return charge(scheduler, worker, failure->index, failure->class, failure->is_permanent,
                      now_us);
    }
    const bool is_final = scheduler->state == SCHEDULER_STOPPING;
    if (is_final) {
        ledger_abort(scheduler->ledger, failure->index);
    } else {
        ledger_give_back(scheduler->ledger, failure->index, 1);
    }
    return fate_of_aborted(scheduler, failure->index, is_final);
}

static struct ledger_fate take_failure_of_original(struct scheduler *scheduler, uint32_t worker,
                                                   struct lease *lease,
                                                   const struct report_failure *failure)
{
    if (failure->class != FAILURE_ABORTED) {
        return charge_original(scheduler, worker, lease, failure->index, failure->class,
                               failure->is_permanent);
    }
    const bool is_final = scheduler->state == SCHEDULER_STOPPING;
    if (is_final) {
        ledger_abort(scheduler->ledger, failure->index);
        copy_decided(scheduler, lease, failure->index);
    } else {
        copy_promoted(scheduler, lease, failure->index);
    }
    return fate_of_aborted(scheduler, failure->index, is_final);
}

/* One instance of a batch, where another lease may hold it too. */
static void take_one(struct scheduler *scheduler, uint32_t worker, struct lease *lease,
                     uint64_t index, const struct report_failure *failure,
                     struct ledger_fate *fate_out, uint64_t now_us)
{
    const enum copy_role role = copy_role(scheduler, lease, index);
    if (role == ROLE_LOSER) {
        assert(failure != NULL);
        copy_over(scheduler, lease, index, false);
        *fate_out =
            (struct ledger_fate){.is_superseded = true,
                                 .state = INSTANCE_ABORTED,
                                 .attempts_max = ledger_attempts_max(scheduler->ledger, index)};
    } else if (failure == NULL) {
        ledger_succeed(scheduler->ledger, index, 1);
        if (role != ROLE_ALONE) {
            copy_decided(scheduler, lease, index);
        }
    } else if (role == ROLE_ORIGINAL) {
        *fate_out = take_failure_of_original(scheduler, worker, lease, failure);
    } else {
        assert(role == ROLE_ALONE);
        *fate_out = take_failure(scheduler, worker, failure, now_us);
    }
}

static void take_mixed(struct scheduler *scheduler, uint32_t worker, struct lease *lease,
                       const struct report_batch *batch, const struct report_failure *failures,
                       struct ledger_fate *fates_out, uint64_t now_us)
{
    struct batch_walk walk = {.batch = batch};
    struct span instance;
    bool is_success;
    size_t failed = 0;
    while (walk_next(&walk, &instance, &is_success)) {
        const struct report_failure *failure = is_success ? NULL : &failures[failed];
        take_one(scheduler, worker, lease, instance.start, failure,
                 failure != NULL ? &fates_out[failed] : NULL, now_us);
        failed += is_success ? 0 : 1;
    }
}

/* Is the whole batch about an attempt that nobody waits for: a copy that failed, or a loser that
 * failed alone? Or does a loser succeed in it, so that it must be refused whole? */
static bool is_needless(const struct scheduler *scheduler, const struct lease *lease,
                        const struct report_batch *batch)
{
    struct batch_walk walk = {.batch = batch};
    struct span instance;
    bool is_success;
    while (walk_next(&walk, &instance, &is_success)) {
        const enum copy_role role = copy_role(scheduler, lease, instance.start);
        const bool is_over = role == ROLE_LOSER && (is_success || batch->instance_count == 1);
        if (is_over || (role == ROLE_COPY && !is_success)) {
            return true;
        }
    }
    return false;
}

static void drop_batch(struct scheduler *scheduler, struct lease *lease,
                       const struct report_batch *batch, const struct report_failure *failures)
{
    struct batch_walk walk = {.batch = batch};
    struct span instance;
    bool is_success;
    while (walk_next(&walk, &instance, &is_success)) {
        if (copy_role(scheduler, lease, instance.start) == ROLE_COPY) {
            assert(!is_success);
            copy_over(scheduler, lease, instance.start, failures->class != FAILURE_ABORTED);
        } else {
            leave_free_of_charge(scheduler, lease, instance.start);
        }
    }
}

static void take_spans(struct scheduler *scheduler, uint32_t worker, struct lease *lease,
                       const struct report_batch *batch, const struct report_failure *failures,
                       struct ledger_fate *fates_out, uint64_t now_us)
{
    if (batch->success_bits != NULL || lease->shared_count > 0) {
        take_mixed(scheduler, worker, lease, batch, failures, fates_out, now_us);
        return;
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        ledger_succeed(scheduler->ledger, batch->spans[i].start, batch->spans[i].count);
    }
}

static void observe(struct scheduler *scheduler, struct worker *worker,
                    const struct report_batch *batch)
{
    sizing_observe(&worker->sizing, worker->slots, batch->instance_count, batch->elapsed_us,
                   batch->frame_size);
    if (scheduler->options.is_speculative) {
        durations_add(&scheduler->durations,
                      (double)batch->elapsed_us / (double)batch->instance_count,
                      batch->instance_count);
    }
}

const char *scheduler_take_batch(struct scheduler *scheduler, uint32_t worker_id, uint64_t lease_id,
                                 const struct report_batch *batch,
                                 const struct report_failure *failures,
                                 struct ledger_fate *fates_out, uint64_t now_us)
{
    if (worker_id >= scheduler->options.worker_count ||
        scheduler->workers[worker_id].state != WORKER_PRESENT) {
        return "worker_not_present";
    }
    struct worker *worker = &scheduler->workers[worker_id];
    struct lease *lease = worker_lease(worker, lease_id);
    if (lease == NULL) {
        return "lease_not_current";
    }
    const char *reason = refuse_batch(scheduler, lease, batch, failures);
    if (reason != NULL) {
        return reason;
    }

    no_longer_awaited(scheduler, lease, now_us);
    const bool is_dropped = lease->shared_count > 0 && is_needless(scheduler, lease, batch);
    if (is_dropped) {
        drop_batch(scheduler, lease, batch, failures);
    } else {
        take_spans(scheduler, worker_id, lease, batch, failures, fates_out, now_us);
        observe(scheduler, worker, batch);
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        worker_shrink_lease(worker, lease, batch->spans[i]);
    }
    if (lease->count == 0) {
        worker_end_lease(scheduler, worker, lease);
    }
    worker->has_none_to_give = false;
    worker->finished = 0;
    worker_touch(scheduler, worker_id);
    scheduler_queue_put(scheduler, worker_id);
    return is_dropped ? scheduler_copy_over : NULL;
}

static const char *refuse_returned(const struct scheduler *scheduler, const struct lease *lease,
                                   const struct span *spans, size_t span_count)
{
    if (!span_list_is_valid(spans, span_count, scheduler->options.ledger.size)) {
        return "malformed";
    }
    for (size_t i = 0; i < span_count; i++) {
        if (!lease_holds(lease, spans[i])) {
            return "not_in_lease";
        }
    }
    return NULL;
}

const char *scheduler_take_returned(struct scheduler *scheduler, uint32_t worker_id,
                                    uint64_t lease_id, const struct span *spans, size_t span_count,
                                    uint64_t now_us)
{
    if (worker_id >= scheduler->options.worker_count ||
        scheduler->workers[worker_id].state != WORKER_PRESENT) {
        return "worker_not_present";
    }
    struct worker *worker = &scheduler->workers[worker_id];
    struct lease *lease = worker_lease(worker, lease_id);
    if (lease == NULL) {
        return "lease_not_current";
    }
    const char *reason = refuse_returned(scheduler, lease, spans, span_count);
    if (reason != NULL) {
        return reason;
    }
    worker_recalled(scheduler, worker, lease);
    if (span_count > 0) {
        no_longer_awaited(scheduler, lease, now_us);
    }
    worker->has_none_to_give = span_count == 0;
    for (size_t i = 0; i < span_count; i++) {
        leave_span(scheduler, lease, spans[i]);
        worker_shrink_lease(worker, lease, spans[i]);
    }
    if (lease->count == 0) {
        worker_end_lease(scheduler, worker, lease);
    }
    worker_touch(scheduler, worker_id);
    scheduler_queue_put(scheduler, worker_id);
    return NULL;
}
