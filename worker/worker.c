#include "worker/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/job.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/pool.h"
#include "worker/unit_queue.h"

#define MASTER_RANK 0
#define BATCH_GOAL_US 2000.0
#define BATCH_COUNT_MAX 20000
#define BATCH_GROWTH_MAX 16
#define DURATION_NEWEST_WEIGHT 0.3
/* Results that wait for the next report leave early past this size. */
#define REPORT_SIZE_MAX ((size_t)4 << 20)
/* The master takes no more for now: start nothing until it has. */
#define PENDING_SIZE_MAX ((uint64_t)64 << 20)
#define RETURNED_SPAN_COUNT_MAX 1024

struct worker {
    struct transport *transport;
    struct job *job;
    struct pool *pool;
    char *run_dir;
    char *launch_dir;
    bool is_formula;
    uint64_t map;
    uint64_t report_interval_us;
    struct unit_queue queue;
    double instance_us;                /* moving mean of an instance's duration; 0: none seen */
    uint64_t batch_grown;              /* instances that a batch may have by now */
    struct wire_report_parts *reports; /* one a lease that has something to tell */
    size_t report_count;
    size_t report_capacity;
    uint64_t reported_us; /* when reports last left */
    uint64_t beat_us;     /* when the last beat left */
    bool is_ready;
    bool is_gone;
};

enum status worker_create(struct transport *transport, struct worker **worker_out)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return STATUS_NO_MEMORY;
    }
    worker->transport = transport;
    worker->batch_grown = 1;
    *worker_out = worker;
    return STATUS_OK;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    pool_destroy(worker->pool);
    job_destroy(worker->job);
    unit_queue_free(&worker->queue);
    for (size_t i = 0; i < worker->report_capacity; i++) {
        wire_report_free(&worker->reports[i]);
    }
    free(worker->reports);
    free(worker->run_dir);
    free(worker->launch_dir);
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

static enum status send_ready(struct worker *worker, const char *refusal, struct error *err)
{
    char host[256] = "";
    (void)gethostname(host, sizeof(host) - 1);
    const struct wire_message message = {
        .kind = WIRE_READY,
        .as.ready = {.version = WIRE_VERSION,
                     .program = MAPFLEET_VERSION,
                     .host = host,
                     .process = (uint64_t)getpid(),
                     .slots = worker->pool != NULL ? pool_slot_count(worker->pool) : 0,
                     .refusal = refusal},
    };
    return send_message(worker, &message, err);
}

enum status worker_refuse(struct worker *worker, const char *reason, struct error *err)
{
    return send_ready(worker, reason, err);
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
    for (size_t i = 0; i < worker->report_count && status == STATUS_OK; i++) {
        status = send_report(worker, &worker->reports[i], err);
    }
    worker->report_count = 0;
    worker->reported_us = now_us;
    return status;
}

/* Until executors are processes of their own, an attempt runs within a turn: between turns, when
 * beats leave, no slot is in any instance. */
static enum status send_beat(struct worker *worker, uint64_t now_us, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_BEAT};
    worker->beat_us = now_us;
    return send_message(worker, &message, err);
}

/* ---- Starting ---------------------------------------------------------------------------------
 */

static enum status open_job(struct worker *worker, const struct wire_start *start,
                            struct error *err)
{
    enum status status = *start->job_path == '\0' ? job_open("", &worker->job, err)
                                                  : job_load(start->job_path, &worker->job, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (memcmp(worker->job->digest, start->job_digest, JOB_DIGEST_SIZE) != 0) {
        return error_set(err, STATUS_INVALID, "job %s differs from that of rank 0",
                         start->job_path);
    }
    const struct task *task = job_task(worker->job, start->task, err);
    if (task == NULL) {
        return STATUS_NOT_FOUND;
    }
    worker->run_dir = memory_copy_text(start->run_dir);
    worker->launch_dir = memory_copy_text(start->launch_dir);
    const struct runner_options options = {
        .task = task,
        .map = start->options,
        .formula = start->formula,
        .map_size = start->map_size,
        .run_dir = worker->run_dir,
        .launch_dir = worker->launch_dir,
    };
    return pool_create(worker->job, &options, &worker->pool, err);
}

static enum status on_start(struct worker *worker, const struct wire_start *start, uint64_t now_us,
                            struct error *err)
{
    struct error refusal = {""};
    if (worker->job != NULL) {
        log_warning("start ignored reason=started_already");
        return STATUS_OK;
    }
    if (strcmp(start->program, MAPFLEET_VERSION) != 0) {
        (void)error_set(&refusal, STATUS_INVALID, "it runs mapfleet %s, rank 0 mapfleet %s",
                        MAPFLEET_VERSION, start->program);
        return send_ready(worker, refusal.text, err);
    }
    if (open_job(worker, start, &refusal) != STATUS_OK) {
        return send_ready(worker, refusal.text, err);
    }
    worker->is_formula = start->formula.kind != FORMULA_NONE;
    worker->map = start->map;
    worker->report_interval_us = start->report_interval_us;
    worker->reported_us = now_us;
    worker->beat_us = now_us;
    worker->is_ready = true;
    return send_ready(worker, "", err);
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

/* Everything that has not started goes back, and what has ended is reported. */
static enum status on_cancel(struct worker *worker, uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    for (const struct unit *unit = worker->queue.first; unit != NULL && status == STATUS_OK;
         unit = unit->next) {
        while (unit->first_span < unit->span_count && status == STATUS_OK) {
            status = give_back(worker, unit->lease, UINT64_MAX, err);
        }
    }
    return status == STATUS_OK ? send_reports(worker, now_us, err) : status;
}

static enum status on_stop(struct worker *worker, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_BYE};
    worker->is_gone = true;
    worker->is_ready = false;
    return send_message(worker, &message, err);
}

static enum status on_unit(struct worker *worker, const struct wire_unit *unit)
{
    struct error reason;
    if (!worker->is_ready || unit->map != worker->map) {
        log_warning("unit ignored reason=not_started lease=%" PRIu64, unit->lease);
        return STATUS_OK;
    }
    if (unit_queue_add(&worker->queue, unit, worker->is_formula, &reason) != STATUS_OK) {
        log_warning("unit ignored reason=malformed lease=%" PRIu64 ": %s", unit->lease,
                    reason.text);
    }
    return STATUS_OK;
}

enum status worker_take_message(struct worker *worker, const struct wire_message *message,
                                uint64_t now_us, struct error *err)
{
    switch (message->kind) {
    case WIRE_START:
        return on_start(worker, &message->as.start, now_us, err);
    case WIRE_UNIT:
        return on_unit(worker, &message->as.unit);
    case WIRE_RECALL:
        return give_back(worker, message->as.recall.lease, message->as.recall.count, err);
    case WIRE_CANCEL:
        return on_cancel(worker, now_us, err);
    case WIRE_STOP:
        return on_stop(worker, err);
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

static uint64_t batch_count(const struct worker *worker)
{
    if (worker->instance_us <= 0) {
        return 1;
    }
    const double goal = BATCH_GOAL_US / worker->instance_us;
    const uint64_t count = goal >= BATCH_COUNT_MAX ? BATCH_COUNT_MAX : (uint64_t)goal;
    const uint64_t grown = count < worker->batch_grown ? count : worker->batch_grown;
    return grown > 0 ? grown : 1;
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

static bool start_batches(struct worker *worker)
{
    bool did_something = false;
    while (pool_free_count(worker->pool) > 0 &&
           transport_pending(worker->transport, MASTER_RANK) < PENDING_SIZE_MAX) {
        struct span spans[POOL_BATCH_SPAN_COUNT_MAX];
        struct batch batch;
        uint64_t lease;
        if (!unit_queue_carve(&worker->queue, batch_count(worker), spans, POOL_BATCH_SPAN_COUNT_MAX,
                              &batch, &lease)) {
            break;
        }
        pool_start(worker->pool, lease, &batch);
        did_something = true;
    }
    return did_something;
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

static enum status collect(struct worker *worker, bool *did_something, struct error *err)
{
    struct pool_result ended;
    bool is_result = false;
    enum status status = pool_collect(worker->pool, &ended, &is_result);
    if (status == STATUS_OK && is_result) {
        *did_something = true;
        observe(worker, &ended.result.batch);
        status = wire_report_add(report_of(worker, ended.lease), &ended.result.batch,
                                 ended.result.failures, ended.result.failure_count);
        unit_queue_drop_started(&worker->queue);
    }
    return status == STATUS_OK ? status : error_set(err, status, "no memory for a batch's results");
}

static size_t reports_size(const struct worker *worker)
{
    size_t size = 0;
    for (size_t i = 0; i < worker->report_count; i++) {
        size += worker->reports[i].batches.size + worker->reports[i].failures.size;
    }
    return size;
}

/* Results leave when their time has come, when they are many, and when the master's next unit is
 * all that could keep the slots busy. */
static bool is_report_due(const struct worker *worker, uint64_t now_us)
{
    return worker->report_count > 0 &&
           (now_us - worker->reported_us >= worker->report_interval_us ||
            worker->queue.count == 0 || reports_size(worker) >= REPORT_SIZE_MAX);
}

enum status worker_turn(struct worker *worker, uint64_t now_us, bool *did_something_out,
                        struct error *err)
{
    enum status status = STATUS_OK;
    *did_something_out = false;
    if (!worker->is_ready) {
        return STATUS_OK;
    }
    *did_something_out = start_batches(worker);
    status = collect(worker, did_something_out, err);
    if (status != STATUS_OK) {
        return status;
    }
    now_us = clock_us();
    if (is_report_due(worker, now_us)) {
        *did_something_out = true;
        status = send_reports(worker, now_us, err);
    }
    if (status == STATUS_OK && now_us - worker->beat_us >= WORKER_BEAT_INTERVAL_US) {
        status = send_beat(worker, now_us, err);
    }
    return status;
}

uint64_t worker_deadline_us(const struct worker *worker)
{
    if (!worker->is_ready) {
        return UINT64_MAX;
    }
    const uint64_t beat_us = worker->beat_us + WORKER_BEAT_INTERVAL_US;
    const uint64_t report_us = worker->reported_us + worker->report_interval_us;
    return worker->report_count > 0 && report_us < beat_us ? report_us : beat_us;
}

bool worker_is_gone(const struct worker *worker)
{
    return worker->is_gone;
}
