#include "worker/worker_private.h"

#include <string.h>

#include "shared/buffer.h"
#include "shared/log.h"
#include "worker/describe.h"
#include "worker/executor.h"

/* The message is only lent: keep a copy, through its own encoding. */
static enum status keep_start(struct worker *worker, const struct wire_message *start,
                              struct error *err)
{
    const struct buffer *bytes = &worker->start_bytes;
    buffer_clear(&worker->start_bytes);
    const enum status status = wire_encode(start, &worker->start_bytes);
    return status == STATUS_OK
               ? wire_decode(bytes->data, bytes->size, &worker->arena, &worker->start, err)
               : error_set(err, status, "no memory to start with");
}

static enum status make_pool(struct worker *worker, bool is_isolated, struct error *err)
{
    const struct pool_options options = {
        .start = &worker->start.as.start,
        .rank = transport_rank(worker->transport),
        .zygote = is_isolated ? worker->zygote : NULL,
        .job = worker->job,
        .offer = &worker->offer,
    };
    enum status status = pool_create(&options, &worker->pool, err);
    if (status == STATUS_OK && options.start->has_map) {
        status = worker_add_map(worker, &options.start->map, err);
    }
    return status == STATUS_OK ? worker_load_maps(worker, err) : status;
}

static bool is_isolated(const struct worker *worker)
{
    return worker->zygote != NULL && worker->start.as.start.is_isolated;
}

enum status worker_load_job(struct worker *worker, const char *library, uint64_t now_us,
                            struct error *err)
{
    worker->preparing_us = now_us;
    if (is_isolated(worker)) {
        return executor_prepare(worker->zygote, transport_rank(worker->transport),
                                &worker->start_bytes, library, err);
    }
    const enum status status = executor_load(&worker->start.as.start, library, &worker->job, err);
    return status == STATUS_OK ? make_pool(worker, false, err) : status;
}

static enum status prepare(struct worker *worker, const struct wire_message *message,
                           uint64_t now_us, struct error *err)
{
    enum status status = keep_start(worker, message, err);
    if (status == STATUS_OK) {
        status = describe_patience(&worker->prepare_us_max, err);
    }
    if (status == STATUS_OK) {
        status = worker_load_job(worker, "", now_us, err);
    }
    return status == STATUS_NO_JOB ? worker_fetch(worker, now_us, err) : status;
}

enum status worker_on_start(struct worker *worker, const struct wire_message *message,
                            uint64_t now_us, struct error *err)
{
    struct error refusal = {""};
    if (worker->state != WORKER_WAITING) {
        log_warning("start ignored reason=started_already");
        return STATUS_OK;
    }
    worker_begin_beats(worker, &message->as.start, now_us);
    if (strcmp(message->as.start.program, MAPFLEET_VERSION) != 0) {
        (void)error_set(&refusal, STATUS_INVALID, "it runs mapfleet %s, rank 0 mapfleet %s",
                        MAPFLEET_VERSION, message->as.start.program);
        return worker_send_ready(worker, refusal.text, false, err);
    }
    const bool is_apart = worker->zygote != NULL && message->as.start.is_isolated;
    if (offer_make(worker->transport, &message->as.start, is_apart, &worker->offer, &refusal) !=
        STATUS_OK) {
        return worker_send_ready(worker, refusal.text, false, err);
    }
    if (worker->offer.slot_count == 0) { /* too small for the task: nothing of it is loaded */
        return worker_send_ready(worker, "", false, err);
    }
    if (prepare(worker, message, now_us, &refusal) != STATUS_OK) {
        return worker_send_ready(worker, refusal.text, false, err);
    }
    worker->state = WORKER_PREPARING;
    return STATUS_OK;
}

/* The zygote's answer: is the job loaded? */
static enum status take_prepared(struct worker *worker, uint64_t now_us, bool *did_something,
                                 struct error *err)
{
    struct zygote_event event;
    struct error refusal;
    bool is_event = false;
    const enum status taken = zygote_take_event(worker->zygote, &event, &is_event, &refusal);
    if (taken != STATUS_OK) {
        worker->state = WORKER_WAITING;
        if (taken == STATUS_IO) {
            (void)describe_end(worker->zygote, worker->start.as.start.job_path, &refusal);
        }
        return worker_send_ready(worker, refusal.text, false, err);
    }
    if (!is_event && now_us - worker->preparing_us < worker->prepare_us_max) {
        return STATUS_OK;
    }
    *did_something = true;
    if (!is_event) {
        worker->state = WORKER_WAITING;
        (void)describe_too_long(worker->start.as.start.job_path, worker->prepare_us_max, &refusal);
        return worker_send_ready(worker, refusal.text, false, err);
    }
    if (event.kind == ZYGOTE_PREPARED && event.status == STATUS_NO_JOB) {
        event.status = worker_fetch(worker, now_us, &event.error);
        if (event.status == STATUS_OK) {
            return STATUS_OK;
        }
    }
    if (event.kind != ZYGOTE_PREPARED || event.status != STATUS_OK) {
        worker->state = WORKER_WAITING;
        return worker_send_ready(worker, event.error.text, false, err);
    }
    if (make_pool(worker, true, &refusal) != STATUS_OK) {
        worker->state = WORKER_WAITING;
        return worker_send_ready(worker, refusal.text, false, err);
    }
    return STATUS_OK;
}

/* A job that is not here is on its way. */
static enum status await_job(struct worker *worker, uint64_t now_us, bool *did_something,
                             struct error *err)
{
    struct error refusal;
    if (worker_fetch_turn(worker, now_us, did_something, &refusal) == STATUS_OK) {
        return STATUS_OK;
    }
    worker->state = WORKER_WAITING;
    worker->fetch = FETCH_DONE;
    return worker_send_ready(worker, refusal.text, false, err);
}

/* Ready is who has set an executor up. */
enum status worker_prepare_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                                struct error *err)
{
    struct pool_result none;
    bool is_result;
    if (worker_is_fetching(worker)) {
        return await_job(worker, now_us, did_something, err);
    }
    if (worker->pool == NULL) {
        return take_prepared(worker, now_us, did_something, err);
    }
    const enum status status = pool_collect(worker->pool, now_us, &none, &is_result, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (pool_setup_error(worker->pool) != NULL) {
        worker->state = WORKER_WAITING;
        return worker_send_ready(worker, pool_setup_error(worker->pool), true, err);
    }
    if (!pool_is_ready(worker->pool)) {
        return STATUS_OK;
    }
    *did_something = true;
    worker->state = WORKER_READY;
    worker->reported_us = now_us;
    return worker_send_ready(worker, "", false, err);
}
