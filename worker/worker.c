#include "worker/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/clock.h"
#include "shared/job.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/channel.h"
#include "worker/describe.h"
#include "worker/executor.h"
#include "worker/offer.h"
#include "worker/pool.h"
#include "worker/unit_queue.h"

#define MASTER_RANK 0
/* How soon to look again for an attempt that is about to begin. */
#define BEGIN_LOOK_US 1000
#define BATCH_GOAL_US 2000.0
#define BATCH_COUNT_MAX CHANNEL_INSTANCE_COUNT_MAX
#define LEAVE_US_MAX 1000000
#define BATCH_GROWTH_MAX 16
#define DURATION_NEWEST_WEIGHT 0.3
/* Executors have a second batch ahead where instances are shorter than this: for others what a
 * hand-over takes is little, and what waits behind one could run elsewhere. */
#define AHEAD_INSTANCE_US_MAX 5000.0
/* Results that wait for the next report leave early past this size. */
#define REPORT_SIZE_MAX ((size_t)4 << 20)
/* Idle slots wait for so small a part of an instance's duration before they are told of. */
#define HASTE_DIVISOR 32
/* The master takes no more for now: start nothing until it has. */
#define PENDING_SIZE_MAX ((uint64_t)64 << 20)
#define RETURNED_SPAN_COUNT_MAX 1024

enum worker_state { WORKER_WAITING, WORKER_PREPARING, WORKER_READY, WORKER_LEAVING, WORKER_GONE };

struct worker {
    struct transport *transport;
    struct zygote *zygote; /* the caller's; NULL: none */
    enum worker_state state;
    struct arena arena; /* of `start` */
    struct wire_message start;
    struct job *job;         /* where attempts run in the rank itself */
    const struct task *task; /* of it */
    struct offer offer;      /* since START */
    struct pool *pool;
    struct unit_queue queue;
    double instance_us;                /* moving mean of an instance's duration; 0: none seen */
    uint64_t batch_grown;              /* instances that a batch may have by now */
    bool is_steady;                    /* the last batch came to its end, whole */
    struct wire_report_parts *reports; /* one a lease that has something to tell */
    size_t report_count;
    size_t report_capacity;
    uint64_t reported_us; /* when reports last left */
    uint64_t beat_us;     /* when the last beat left */
    uint64_t leaving_us;
    bool is_begin_told;    /* the first attempt of this rank, by a beat */
    bool is_begin_awaited; /* a batch was started, and one is to be told when it has begun */
};

enum status worker_create(struct transport *transport, struct zygote *zygote,
                          struct worker **worker_out)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return STATUS_NO_MEMORY;
    }
    worker->transport = transport;
    worker->zygote = zygote;
    worker->batch_grown = 1;
    *worker_out = worker;
    return STATUS_OK;
}

/* Once, at the end. */
static void say_kept(const struct worker *worker)
{
    const char *kept = executor_kept_workdirs();
    char host[256] = "";
    if (*kept != '\0') {
        (void)gethostname(host, sizeof(host) - 1);
        log_info("working directories of rank %" PRIu32 " are kept: %s on %s",
                 transport_rank(worker->transport), kept, host);
    }
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    pool_destroy(worker->pool);
    say_kept(worker);
    offer_free(&worker->offer);
    job_destroy(worker->job);
    unit_queue_free(&worker->queue);
    for (size_t i = 0; i < worker->report_capacity; i++) {
        wire_report_free(&worker->reports[i]);
    }
    free(worker->reports);
    arena_free(&worker->arena);
    free(worker);
}

/* ---- Sending ----------------------------------------------------------------------------------
 */

static enum status send_message(struct worker *worker, const struct wire_message *message,
                                struct error *err)
{
    struct buffer bytes = {0};
    enum status status = wire_encode(message, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(worker->transport, MASTER_RANK, &bytes, err);
    } else {
        (void)error_set(err, status, "no memory for a message");
    }
    buffer_free(&bytes);
    return status;
}

static enum status send_ready(struct worker *worker, const char *refusal, bool is_setup_failure,
                              struct error *err)
{
    char host[256] = "";
    (void)gethostname(host, sizeof(host) - 1);
    const struct wire_message message = {
        .kind = WIRE_READY,
        .as.ready = {.version = WIRE_VERSION,
                     .program = MAPFLEET_VERSION,
                     .host = host,
                     .process = (uint64_t)getpid(),
                     .offered = worker->offer.all,
                     .slots = *refusal == '\0' ? worker->offer.slot_count : 0,
                     .refusal = refusal,
                     .is_setup_failure = is_setup_failure},
    };
    return send_message(worker, &message, err);
}

enum status worker_refuse(struct worker *worker, const char *reason, struct error *err)
{
    return send_ready(worker, reason, false, err);
}

static enum status send_report(struct worker *worker, struct wire_report_parts *parts,
                               struct error *err)
{
    struct buffer bytes = {0};
    enum status status = wire_report_encode(parts, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(worker->transport, MASTER_RANK, &bytes, err);
    } else {
        (void)error_set(err, status, "no memory for a report");
    }
    buffer_free(&bytes);
    return status;
}

static enum status send_reports(struct worker *worker, uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    if (worker->report_count > 0) {
        pool_flush(worker->pool);
    }
    for (size_t i = 0; i < worker->report_count && status == STATUS_OK; i++) {
        status = send_report(worker, &worker->reports[i], err);
    }
    worker->report_count = 0;
    worker->reported_us = now_us;
    return status;
}

static int by_index(const void *a, const void *b)
{
    const struct wire_running *left = a;
    const struct wire_running *right = b;
    return left->index < right->index ? -1 : left->index > right->index ? 1 : 0;
}

static enum status send_beat(struct worker *worker, uint64_t now_us, struct error *err)
{
    const uint32_t slots = pool_slot_count(worker->pool);
    struct wire_running *running = memory_take(slots, sizeof(*running));
    struct wire_message message = {.kind = WIRE_BEAT};
    message.as.beat.running_count = pool_running(worker->pool, now_us, running);
    message.as.beat.finished = pool_finished(worker->pool);
    message.as.beat.running = running;
    qsort(running, message.as.beat.running_count, sizeof(*running), by_index);
    worker->beat_us = now_us;
    const enum status status = send_message(worker, &message, err);
    free(running);
    return status;
}

/* ---- Starting ---------------------------------------------------------------------------------
 */

/* The message is only lent: keep a copy, through its own encoding. */
static enum status keep_start(struct worker *worker, const struct wire_message *start,
                              struct buffer *bytes, struct error *err)
{
    const enum status status = wire_encode(start, bytes);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory to start with");
    }
    return wire_decode(bytes->data, bytes->size, &worker->arena, &worker->start, err);
}

static enum status make_pool(struct worker *worker, bool is_isolated, struct error *err)
{
    const struct pool_options options = {
        .start = &worker->start.as.start,
        .rank = transport_rank(worker->transport),
        .zygote = is_isolated ? worker->zygote : NULL,
        .job = worker->job,
        .task = worker->task,
        .offer = &worker->offer,
    };
    return pool_create(&options, &worker->pool, err);
}

/* Load the job: the zygote's part is asynchronous, and its answer is waited for in prepare_turn().
 */
static enum status prepare(struct worker *worker, const struct wire_message *message,
                           bool is_isolated, struct error *err)
{
    struct buffer bytes = {0};
    enum status status = keep_start(worker, message, &bytes, err);
    if (status == STATUS_OK) {
        status =
            is_isolated
                ? executor_prepare(worker->zygote, transport_rank(worker->transport), &bytes, err)
                : executor_load(&worker->start.as.start, &worker->job, &worker->task, err);
    }
    buffer_free(&bytes);
    if (status == STATUS_OK && !is_isolated) {
        status = make_pool(worker, false, err);
    }
    return status;
}

static enum status on_start(struct worker *worker, const struct wire_message *message,
                            struct error *err)
{
    struct error refusal = {""};
    if (worker->state != WORKER_WAITING) {
        log_warning("start ignored reason=started_already");
        return STATUS_OK;
    }
    if (strcmp(message->as.start.program, MAPFLEET_VERSION) != 0) {
        (void)error_set(&refusal, STATUS_INVALID, "it runs mapfleet %s, rank 0 mapfleet %s",
                        MAPFLEET_VERSION, message->as.start.program);
        return send_ready(worker, refusal.text, false, err);
    }
    const bool is_isolated = worker->zygote != NULL && message->as.start.is_isolated;
    if (offer_make(worker->transport, &message->as.start, is_isolated, &worker->offer, &refusal) !=
        STATUS_OK) {
        return send_ready(worker, refusal.text, false, err);
    }
    if (worker->offer.slot_count == 0) { /* too small for the task: nothing of it is loaded */
        return send_ready(worker, "", false, err);
    }
    if (prepare(worker, message, is_isolated, &refusal) != STATUS_OK) {
        return send_ready(worker, refusal.text, false, err);
    }
    worker->state = WORKER_PREPARING;
    return STATUS_OK;
}

/* The zygote's answer: is the job loaded? */
static enum status take_prepared(struct worker *worker, bool *did_something, struct error *err)
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
        return send_ready(worker, refusal.text, false, err);
    }
    if (!is_event) {
        return STATUS_OK;
    }
    *did_something = true;
    if (event.kind != ZYGOTE_PREPARED || event.status != STATUS_OK) {
        worker->state = WORKER_WAITING;
        return send_ready(worker, event.error.text, false, err);
    }
    if (make_pool(worker, true, &refusal) != STATUS_OK) {
        worker->state = WORKER_WAITING;
        return send_ready(worker, refusal.text, false, err);
    }
    return STATUS_OK;
}

/* Ready is who has set an executor up. */
static enum status prepare_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                                struct error *err)
{
    struct pool_result none;
    bool is_result;
    if (worker->pool == NULL) {
        return take_prepared(worker, did_something, err);
    }
    const enum status status = pool_collect(worker->pool, now_us, &none, &is_result, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (pool_setup_error(worker->pool) != NULL) {
        worker->state = WORKER_WAITING;
        return send_ready(worker, pool_setup_error(worker->pool), true, err);
    }
    if (!pool_is_ready(worker->pool)) {
        return STATUS_OK;
    }
    *did_something = true;
    worker->state = WORKER_READY;
    worker->reported_us = now_us;
    worker->beat_us = now_us;
    return send_ready(worker, "", false, err);
}

/* ---- Other messages ---------------------------------------------------------------------------
 */

static enum status give_back(struct worker *worker, uint64_t lease, uint64_t count,
                             struct error *err)
{
    struct span spans[RETURNED_SPAN_COUNT_MAX];
    const size_t span_count =
        unit_queue_give_back(&worker->queue, lease, count, spans, RETURNED_SPAN_COUNT_MAX);
    const struct wire_message message = {
        .kind = WIRE_RETURNED,
        .as.returned = {.lease = lease, .spans = spans, .span_count = span_count},
    };
    return send_message(worker, &message, err);
}

/* Another attempt of this instance has its result. What of the unit has not started goes back too:
 * most often the unit is this instance. */
static enum status on_end(struct worker *worker, const struct wire_end *end, uint64_t now_us,
                          struct error *err)
{
    const enum status status = give_back(worker, end->lease, UINT64_MAX, err);
    return status == STATUS_OK && worker->pool != NULL
               ? pool_end(worker->pool, end->lease, end->index, now_us, err)
               : status;
}

/* Everything that has not started goes back, and what has ended is reported. */
static enum status on_cancel(struct worker *worker, const struct wire_cancel *how, uint64_t now_us,
                             struct error *err)
{
    enum status status = STATUS_OK;
    for (const struct unit *unit = worker->queue.first; unit != NULL && status == STATUS_OK;
         unit = unit->next) {
        while (unit->first_span < unit->span_count && status == STATUS_OK) {
            status = give_back(worker, unit->lease, UINT64_MAX, err);
        }
    }
    if (status == STATUS_OK && worker->pool != NULL) {
        status = pool_cancel(worker->pool, how, now_us, err);
    }
    return status == STATUS_OK ? send_reports(worker, now_us, err) : status;
}

enum status worker_end_attempts(struct worker *worker, uint64_t now_us, struct error *err)
{
    const struct wire_cancel at_once = {.run_on_us = 0};
    return worker->state == WORKER_READY ? on_cancel(worker, &at_once, now_us, err) : STATUS_OK;
}

static enum status say_bye(struct worker *worker, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_BYE};
    worker->state = WORKER_GONE;
    return send_message(worker, &message, err);
}

static enum status on_stop(struct worker *worker, uint64_t now_us, struct error *err)
{
    if (worker->pool == NULL) {
        return say_bye(worker, err);
    }
    pool_close(worker->pool);
    worker->state = WORKER_LEAVING;
    worker->leaving_us = now_us;
    return STATUS_OK;
}

/* Executors run the job's teardown; what takes longer than that is ended with the zygote. */
static enum status leave_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                              struct error *err)
{
    struct pool_result ignored;
    bool is_result;
    if (pool_collect(worker->pool, now_us, &ignored, &is_result, err) != STATUS_OK ||
        pool_is_closed(worker->pool) || now_us - worker->leaving_us >= LEAVE_US_MAX) {
        *did_something = true;
        return say_bye(worker, err);
    }
    return STATUS_OK;
}

/* A unit that cannot be taken in would never end: the rank does, and says why. */
static enum status on_unit(struct worker *worker, const struct wire_unit *unit, struct error *err)
{
    const struct wire_start *start = &worker->start.as.start;
    if (worker->state != WORKER_READY || unit->map != start->map) {
        log_warning("unit ignored reason=not_started lease=%" PRIu64, unit->lease);
        return STATUS_OK;
    }
    return unit_queue_add(&worker->queue, unit, start->formula.kind != FORMULA_NONE, err);
}

enum status worker_take_message(struct worker *worker, const struct wire_message *message,
                                uint64_t now_us, struct error *err)
{
    switch (message->kind) {
    case WIRE_START:
        return on_start(worker, message, err);
    case WIRE_UNIT:
        return on_unit(worker, &message->as.unit, err);
    case WIRE_RECALL:
        return give_back(worker, message->as.recall.lease, message->as.recall.count, err);
    case WIRE_END:
        return on_end(worker, &message->as.end, now_us, err);
    case WIRE_CANCEL:
        return on_cancel(worker, &message->as.cancel, now_us, err);
    case WIRE_STOP:
        return on_stop(worker, now_us, err);
    case WIRE_READY:
    case WIRE_REPORT:
    case WIRE_BEAT:
    case WIRE_RETURNED:
    case WIRE_BYE:
        log_warning("message ignored reason=not_for_a_worker kind=%d", (int)message->kind);
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* ---- Running ----------------------------------------------------------------------------------
 */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Some milliseconds of work, and not more than a slot's share of what there is. */
static uint64_t batch_count(struct worker *worker)
{
    const uint64_t slots = pool_slot_count(worker->pool);
    const uint64_t share = (worker->queue.count + slots - 1) / slots;
    if (worker->instance_us <= 0) {
        return 1;
    }
    const double goal = BATCH_GOAL_US / worker->instance_us;
    uint64_t count = goal >= BATCH_COUNT_MAX ? BATCH_COUNT_MAX : (uint64_t)goal;
    count = smaller(smaller(count, worker->batch_grown), share);
    count = smaller(count, pool_batch_count_max(worker->pool));
    return count > 0 ? count : 1;
}

static void observe(struct worker *worker, const struct report_batch *batch)
{
    const double instance_us = ((double)batch->elapsed_us + 0.5) / (double)batch->instance_count;
    worker->instance_us =
        worker->instance_us <= 0
            ? instance_us
            : worker->instance_us + DURATION_NEWEST_WEIGHT * (instance_us - worker->instance_us);
    if (worker->batch_grown < BATCH_COUNT_MAX) {
        worker->batch_grown = batch->instance_count * BATCH_GROWTH_MAX;
    }
}

typedef void start_function(struct pool *pool, uint64_t lease, const struct batch *batch,
                            uint64_t now_us);

static bool start_batch(struct worker *worker, uint64_t growth_max, start_function *start,
                        uint64_t now_us)
{
    struct span spans[CHANNEL_SPAN_COUNT_MAX];
    struct batch batch;
    uint64_t lease;
    if (!unit_queue_carve(&worker->queue, growth_max, batch_count(worker), spans,
                          CHANNEL_SPAN_COUNT_MAX, &batch, &lease)) {
        return false;
    }
    start(worker->pool, lease, &batch, now_us);
    return true;
}

/* Does the next batch go to a busy slot? While so little is left that slots would go without, what
 * is left stays here, for whichever is free first. */
static bool is_ahead_due(const struct worker *worker)
{
    return worker->is_steady && worker->instance_us <= AHEAD_INSTANCE_US_MAX &&
           worker->queue.count > pool_slot_count(worker->pool) && pool_has_room_ahead(worker->pool);
}

static bool start_batches(struct worker *worker, uint64_t now_us)
{
    bool did_something = false;
    bool is_started = true;
    while (is_started && transport_pending(worker->transport, MASTER_RANK) < PENDING_SIZE_MAX) {
        uint64_t growth_max;
        if (pool_has_room(worker->pool, &growth_max)) {
            is_started = start_batch(worker, growth_max, pool_start, now_us);
        } else {
            is_started =
                is_ahead_due(worker) && start_batch(worker, UINT64_MAX, pool_start_ahead, now_us);
        }
        did_something = did_something || is_started;
    }
    return did_something;
}

/* Could more be started than is there to start? */
static bool is_out_of_work(const struct worker *worker)
{
    uint64_t growth_max;
    return pool_has_room(worker->pool, &growth_max) && !unit_queue_has(&worker->queue, growth_max);
}

static struct wire_report_parts *report_of(struct worker *worker, uint64_t lease)
{
    for (size_t i = 0; i < worker->report_count; i++) {
        if (worker->reports[i].lease == lease) {
            return &worker->reports[i];
        }
    }
    const size_t capacity = worker->report_capacity;
    worker->reports = memory_grow(worker->reports, worker->report_count, &worker->report_capacity,
                                  sizeof(*worker->reports));
    if (worker->report_capacity > capacity) {
        memset(&worker->reports[capacity], 0,
               (worker->report_capacity - capacity) * sizeof(*worker->reports));
    }
    struct wire_report_parts *parts = &worker->reports[worker->report_count++];
    parts->lease = lease;
    return parts;
}

static enum status return_rest(struct worker *worker, const struct pool_result *ended,
                               struct error *err)
{
    const struct wire_message message = {.kind = WIRE_RETURNED,
                                         .as.returned = {.lease = ended->lease,
                                                         .spans = ended->rest,
                                                         .span_count = ended->rest_count}};
    return ended->rest_count > 0 ? send_message(worker, &message, err) : STATUS_OK;
}

static enum status take_result(struct worker *worker, const struct pool_result *ended,
                               struct error *err)
{
    worker->is_steady = ended->rest_count == 0;
    if (ended->batch.instance_count > 0) {
        observe(worker, &ended->batch);
        const enum status status = wire_report_add(report_of(worker, ended->lease), &ended->batch,
                                                   ended->failures, ended->failure_count);
        if (status != STATUS_OK) {
            return error_set(err, status, "no memory for a batch's results");
        }
    }
    return return_rest(worker, ended, err);
}

/* All batches that have ended. */
static enum status collect(struct worker *worker, uint64_t now_us, bool *did_something,
                           struct error *err)
{
    enum status status = STATUS_OK;
    bool is_result = true;
    while (status == STATUS_OK && is_result) {
        struct pool_result ended;
        status = pool_collect(worker->pool, now_us, &ended, &is_result, err);
        if (status == STATUS_OK && is_result) {
            *did_something = true;
            status = take_result(worker, &ended, err);
        }
        if (worker->zygote == NULL || pool_slot_count(worker->pool) == 1) {
            break; /* messages are looked at between batches */
        }
    }
    unit_queue_drop_started(&worker->queue);
    return status;
}

static size_t reports_size(const struct worker *worker)
{
    size_t size = 0;
    for (size_t i = 0; i < worker->report_count; i++) {
        size += worker->reports[i].batches.size + worker->reports[i].failures.size;
    }
    return size;
}

/* From one report to the next. Where the master's next unit is all that could keep the slots busy,
 * results leave soon: at once where every slot is idle, else after a small part of what an instance
 * takes, so that a node of many slots does not send a message for each. */
static uint64_t report_pause_us(const struct worker *worker)
{
    const uint64_t interval_us = worker->start.as.start.report_interval_us;
    if (worker->queue.count > 0) {
        return interval_us;
    }
    return pool_is_idle(worker->pool)
               ? 0
               : smaller((uint64_t)(worker->instance_us / HASTE_DIVISOR), interval_us / 4);
}

/* Results leave when their time has come, and when they are many. */
static bool is_report_due(const struct worker *worker, uint64_t now_us)
{
    return worker->report_count > 0 && (now_us - worker->reported_us >= report_pause_us(worker) ||
                                        reports_size(worker) >= REPORT_SIZE_MAX);
}

/* A rank whose setups fail leaves: what it holds goes back with its last reports. */
static enum status leave_for_setup(struct worker *worker, uint64_t now_us, struct error *err)
{
    log_warning("rank %" PRIu32 " leaves the run: %s", transport_rank(worker->transport),
                pool_setup_error(worker->pool));
    const struct wire_cancel at_once = {.run_on_us = 0};
    const enum status status = on_cancel(worker, &at_once, now_us, err);
    return status == STATUS_OK ? say_bye(worker, err) : status;
}

/* Where starts must lie apart, the master hears of each; else of the first. */
static enum status tell_beginnings(struct worker *worker, uint64_t now_us, struct error *err)
{
    const bool is_each = worker->start.as.start.options.delay_ns > 0;
    if (worker->is_begin_told && !is_each) {
        return STATUS_OK;
    }
    if (!pool_has_begun(worker->pool, &worker->is_begin_awaited)) {
        return STATUS_OK;
    }
    worker->is_begin_told = true;
    worker->is_begin_awaited = worker->is_begin_awaited && is_each;
    return send_beat(worker, now_us, err);
}

static enum status ready_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                              struct error *err)
{
    enum status status = collect(worker, now_us, did_something, err);
    if (status != STATUS_OK) {
        return status;
    }
    /* What has become free just now, a new executor too, is used before the loop pauses. */
    *did_something = start_batches(worker, now_us) || *did_something;
    struct pool_result trimmed;
    if (is_out_of_work(worker) && pool_trim(worker->pool, now_us, &trimmed)) {
        *did_something = true;
        status = return_rest(worker, &trimmed, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (pool_setup_error(worker->pool) != NULL && pool_is_idle(worker->pool) &&
        pool_free_count(worker->pool) == 0) {
        return leave_for_setup(worker, now_us, err);
    }
    now_us = clock_us();
    if (is_report_due(worker, now_us)) {
        *did_something = true;
        status = send_reports(worker, now_us, err);
    }
    if (status == STATUS_OK) {
        status = tell_beginnings(worker, now_us, err);
    }
    if (status == STATUS_OK && now_us - worker->beat_us >= WORKER_BEAT_INTERVAL_US) {
        status = send_beat(worker, now_us, err);
    }
    return status;
}

enum status worker_turn(struct worker *worker, uint64_t now_us, bool *did_something_out,
                        struct error *err)
{
    *did_something_out = false;
    switch (worker->state) {
    case WORKER_WAITING:
    case WORKER_GONE:
        return STATUS_OK;
    case WORKER_PREPARING:
        return prepare_turn(worker, now_us, did_something_out, err);
    case WORKER_READY:
        return ready_turn(worker, now_us, did_something_out, err);
    case WORKER_LEAVING:
        return leave_turn(worker, now_us, did_something_out, err);
    }
    return STATUS_OK;
}

uint64_t worker_deadline_us(const struct worker *worker)
{
    if (worker->state == WORKER_LEAVING) {
        return worker->leaving_us + LEAVE_US_MAX;
    }
    if (worker->state != WORKER_READY) {
        return UINT64_MAX;
    }
    const uint64_t beat_us = worker->beat_us + WORKER_BEAT_INTERVAL_US;
    const uint64_t report_us =
        worker->report_count > 0 ? worker->reported_us + report_pause_us(worker) : UINT64_MAX;
    const uint64_t begin_us = worker->is_begin_awaited ? clock_us() + BEGIN_LOOK_US : UINT64_MAX;
    return smaller(smaller(beat_us, report_us), smaller(begin_us, pool_deadline_us(worker->pool)));
}

size_t worker_descriptors(const struct worker *worker, struct pollfd fds_out[POOL_FD_COUNT_MAX])
{
    if (worker->pool != NULL) {
        return pool_descriptors(worker->pool, fds_out);
    }
    if (worker->zygote == NULL || worker->state != WORKER_PREPARING) {
        return 0;
    }
    fds_out[0] = (struct pollfd){.fd = zygote_descriptor(worker->zygote), .events = POLLIN};
    return 1;
}

bool worker_is_fed(const struct worker *worker)
{
    return worker->state == WORKER_READY && worker->queue.count > 0 &&
           pool_free_count(worker->pool) == 0 &&
           transport_pending(worker->transport, MASTER_RANK) == 0;
}

bool worker_is_gone(const struct worker *worker)
{
    return worker->state == WORKER_GONE;
}
