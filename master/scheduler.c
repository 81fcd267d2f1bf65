#include "master/scheduler.h"

#include <assert.h>
#include <stdlib.h>

#include "master/scheduler_private.h"

/* Pauses before retries double up to this factor. */
#define RETRY_DELAY_SHIFT_MAX 6

/* ---- Life ------------------------------------------------------------------------------------ */

enum status scheduler_create(struct scheduler_options options, struct scheduler **scheduler_out)
{
    struct scheduler *scheduler = calloc(1, sizeof(*scheduler));
    if (scheduler == NULL) {
        return STATUS_NO_MEMORY;
    }
    scheduler->options = options;
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

static void destroy_leases(struct lease *lease)
{
    while (lease != NULL) {
        struct lease *next = lease->next;
        lease_destroy(lease);
        lease = next;
    }
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (scheduler == NULL) {
        return;
    }
    for (uint32_t i = 0; scheduler->workers != NULL && i < scheduler->options.worker_count; i++) {
        destroy_leases(scheduler->workers[i].leases);
    }
    destroy_leases(scheduler->spare_leases);
    retry_queue_free(&scheduler->retries);
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

/* ---- Leases ---------------------------------------------------------------------------------- */

static struct lease *lease_find(struct worker *worker, uint64_t id)
{
    for (struct lease *lease = worker->leases; lease != NULL; lease = lease->next) {
        if (lease->id == id) {
            return lease;
        }
    }
    return NULL;
}

static void lease_end(struct scheduler *scheduler, struct worker *worker, struct lease *lease)
{
    struct lease **at = &worker->leases;
    while (*at != lease) {
        at = &(*at)->next;
    }
    *at = lease->next;
    lease->next = scheduler->spare_leases;
    scheduler->spare_leases = lease;
}

static void lease_shrink(struct worker *worker, struct lease *lease, struct span span)
{
    lease_remove(lease, span);
    assert(worker->held >= span.count);
    worker->held -= span.count;
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
    assert(worker->leases == NULL && worker->held == 0);

    worker->state = WORKER_PRESENT;
    worker->slots = slots;
    worker->has_none_to_give = false;
    worker->sizing = (struct sizing){0};
    scheduler->slots_all += slots;
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

/* The lease of a lost worker that holds this instance, and the attempt that it is at. */
static struct lease *lease_of_index(struct worker *worker, uint64_t index, struct span *span_out)
{
    for (struct lease *lease = worker->leases; lease != NULL; lease = lease->next) {
        for (size_t i = 0; i < lease->span_count; i++) {
            if (index >= lease->spans[i].start &&
                index - lease->spans[i].start < lease->spans[i].count) {
                *span_out =
                    (struct span){.start = index, .count = 1, .attempt = lease->spans[i].attempt};
                return lease;
            }
        }
    }
    return NULL;
}

void scheduler_begun(struct scheduler *scheduler, uint32_t worker_id, uint64_t index,
                     uint64_t now_us)
{
    assert(worker_id < scheduler->options.worker_count);
    struct span span;
    const struct lease *lease = lease_of_index(&scheduler->workers[worker_id], index, &span);
    if (lease != NULL) {
        no_longer_awaited(scheduler, lease, now_us);
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
    for (size_t i = 0; i < running_count; i++) {
        struct span span;
        struct lease *lease = lease_of_index(worker, running[i], &span);
        if (lease == NULL) {
            continue; /* reported since that beat */
        }
        lease_shrink(worker, lease, span);
        on_charged(context, running[i],
                   charge(scheduler, worker_id, running[i], FAILURE_LOST, false, now_us));
    }
    while (worker->leases != NULL) {
        struct lease *lease = worker->leases;
        no_longer_awaited(scheduler, lease, now_us);
        for (size_t i = 0; i < lease->span_count; i++) {
            ledger_give_back(scheduler->ledger, lease->spans[i].start, lease->spans[i].count);
        }
        worker->held -= lease->count;
        lease_end(scheduler, worker, lease);
    }
    assert(worker->held == 0);
    worker->state = WORKER_LOST;
    scheduler->slots_all -= worker->slots;
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
    return (struct ledger_fate){.is_final = is_final, .state = INSTANCE_ABORTED};
}

static void take_mixed(struct scheduler *scheduler, uint32_t worker,
                       const struct report_batch *batch, const struct report_failure *failures,
                       struct ledger_fate *fates_out, uint64_t now_us)
{
    struct batch_walk walk = {.batch = batch};
    struct span instance;
    bool is_success;
    size_t failed = 0;
    while (walk_next(&walk, &instance, &is_success)) {
        if (is_success) {
            ledger_succeed(scheduler->ledger, instance.start, 1);
            continue;
        }
        fates_out[failed] = take_failure(scheduler, worker, &failures[failed], now_us);
        failed++;
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
    struct lease *lease = lease_find(worker, lease_id);
    if (lease == NULL) {
        return "lease_not_current";
    }
    const char *reason = refuse_batch(scheduler, lease, batch, failures);
    if (reason != NULL) {
        return reason;
    }

    no_longer_awaited(scheduler, lease, now_us);
    for (size_t i = 0; i < batch->span_count; i++) {
        lease_shrink(worker, lease, batch->spans[i]);
    }
    if (batch->success_bits == NULL) {
        for (size_t i = 0; i < batch->span_count; i++) {
            ledger_succeed(scheduler->ledger, batch->spans[i].start, batch->spans[i].count);
        }
    } else {
        take_mixed(scheduler, worker_id, batch, failures, fates_out, now_us);
    }
    if (lease->count == 0) {
        lease_end(scheduler, worker, lease);
    }
    worker->has_none_to_give = false;
    sizing_observe(&worker->sizing, worker->slots, batch->instance_count, batch->elapsed_us);
    scheduler_queue_put(scheduler, worker_id);
    return NULL;
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
    struct lease *lease = lease_find(worker, lease_id);
    if (lease == NULL) {
        return "lease_not_current";
    }
    const char *reason = refuse_returned(scheduler, lease, spans, span_count);
    if (reason != NULL) {
        return reason;
    }
    lease->is_recalled = false;
    if (span_count > 0) {
        no_longer_awaited(scheduler, lease, now_us);
    }
    worker->has_none_to_give = span_count == 0;
    for (size_t i = 0; i < span_count; i++) {
        lease_shrink(worker, lease, spans[i]);
        ledger_give_back(scheduler->ledger, spans[i].start, spans[i].count);
    }
    if (lease->count == 0) {
        lease_end(scheduler, worker, lease);
    }
    scheduler_queue_put(scheduler, worker_id);
    return NULL;
}
