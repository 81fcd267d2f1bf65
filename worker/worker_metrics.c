#include "worker/worker_private.h"

#include <stdlib.h>

#include "shared/memory.h"

/* From one message to the next: what comes meanwhile leaves together. */
#define METRICS_INTERVAL_US 10000
#define METRICS_COUNT_MAX ((size_t)4096) /* in one message */

void worker_take_metrics(struct worker *worker)
{
    const struct pool_report *reports = NULL;
    const size_t count = pool_take_reports(worker->pool, &reports);
    for (size_t i = 0; i < count; i++) {
        worker->metrics = memory_grow(worker->metrics, worker->metric_count,
                                      &worker->metric_capacity, sizeof(*worker->metrics));
        worker->metrics[worker->metric_count++] = (struct worker_metric){
            .map = reports[i].map->wire->number, .report = reports[i].report};
    }
}

/* Those that follow each other and are of one map. */
static enum status send_some(struct worker *worker, const struct worker_metric *metrics,
                             size_t count, struct error *err)
{
    struct wire_metric *reports = memory_take(count, sizeof(*reports));
    for (size_t i = 0; i < count; i++) {
        reports[i] = metrics[i].report;
    }
    const struct wire_message message = {
        .kind = WIRE_METRICS,
        .as.metrics = {.map = metrics[0].map, .reports = reports, .count = count}};
    const enum status status = worker_send(worker, &message, err);
    free(reports);
    return status;
}

enum status worker_send_metrics(struct worker *worker, uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t at = 0; at < worker->metric_count && status == STATUS_OK;) {
        size_t count = 1;
        while (at + count < worker->metric_count && count < METRICS_COUNT_MAX &&
               worker->metrics[at + count].map == worker->metrics[at].map) {
            count++;
        }
        status = send_some(worker, &worker->metrics[at], count, err);
        at += count;
    }
    worker->metric_count = 0;
    worker->metrics_us = now_us;
    return status;
}

uint64_t worker_metrics_deadline_us(const struct worker *worker)
{
    return worker->metric_count > 0 ? worker->metrics_us + METRICS_INTERVAL_US : UINT64_MAX;
}

enum status worker_metrics_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                                struct error *err)
{
    if (now_us < worker_metrics_deadline_us(worker)) {
        return STATUS_OK;
    }
    *did_something = true;
    return worker_send_metrics(worker, now_us, err);
}
