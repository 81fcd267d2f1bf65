#include "worker/worker_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/memory.h"

/* Results that wait for the next report leave early past this size. */
#define REPORT_SIZE_MAX ((size_t)1 << 20)
/* Idle slots wait for so small a part of an instance's duration before they are told of. */
#define HASTE_DIVISOR 32

enum status worker_send(struct worker *worker, const struct wire_message *message,
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

enum status worker_send_ready(struct worker *worker, const char *refusal, bool is_setup_failure,
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
                     .is_setup_failure = is_setup_failure,
                     .life = worker->life},
    };
    return worker_send(worker, &message, err);
}

enum status worker_refuse(struct worker *worker, const char *reason, struct error *err)
{
    return worker_send_ready(worker, reason, false, err);
}

/* ---- Reports ----------------------------------------------------------------------------------
 */

struct wire_report_parts *worker_report_of(struct worker *worker, uint64_t lease)
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

static size_t reports_size(const struct worker *worker)
{
    size_t size = 0;
    for (size_t i = 0; i < worker->report_count; i++) {
        size += worker->reports[i].message.size + worker->reports[i].failures.size;
    }
    return size;
}

/* From one report to the next. Where the master's next unit is all that could keep the slots busy,
 * results leave soon: at once where every slot is idle, else after a small part of what an instance
 * takes, so that a node of many slots does not send a message for each. */
uint64_t worker_report_pause_us(const struct worker *worker)
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
bool worker_is_report_due(const struct worker *worker, uint64_t now_us)
{
    return worker->report_count > 0 &&
           (now_us - worker->reported_us >= worker_report_pause_us(worker) ||
            reports_size(worker) >= REPORT_SIZE_MAX);
}

static enum status send_report(struct worker *worker, struct wire_report_parts *parts,
                               struct error *err)
{
    struct buffer bytes = {0};
    enum status status = wire_report_finish(parts, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(worker->transport, MASTER_RANK, &bytes, err);
    } else {
        (void)error_set(err, status, "no memory for a report");
    }
    buffer_free(&bytes);
    return status;
}

enum status worker_send_reports(struct worker *worker, uint64_t now_us, struct error *err)
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

/* ---- Beats ------------------------------------------------------------------------------------
 */

static int by_index(const void *a, const void *b)
{
    const struct wire_running *left = a;
    const struct wire_running *right = b;
    return left->index < right->index ? -1 : left->index > right->index ? 1 : 0;
}

enum status worker_send_beat(struct worker *worker, uint64_t now_us, struct error *err)
{
    const bool is_working = worker->state == WORKER_READY;
    const uint32_t slots = is_working ? pool_slot_count(worker->pool) : 0;
    struct wire_running *running = memory_take(slots + 1, sizeof(*running));
    struct wire_message message = {.kind = WIRE_BEAT};
    if (is_working) {
        message.as.beat.running_count = pool_running(worker->pool, now_us, running);
        message.as.beat.finished = pool_finished(worker->pool);
    }
    message.as.beat.running = running;
    qsort(running, message.as.beat.running_count, sizeof(*running), by_index);
    worker->beat_us = now_us;
    const enum status status = worker_send(worker, &message, err);
    free(running);
    return status;
}
