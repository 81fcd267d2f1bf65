#include "master/trial_metrics_load.h"

#include <inttypes.h>

#include "master/log_reader.h"

static enum status take_metrics(struct trial_metrics *metrics, const struct record *record,
                                uint64_t size)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < record->metric_count && status == STATUS_OK; i++) {
        const struct record_metric *metric = &record->metrics[i];
        const struct trial_report report = {.trial = metric->index,
                                            .lease = metric->lease,
                                            .step = metric->step,
                                            .value = metric->value};
        status = metric->index < size && metric->number > 0
                     ? trial_metrics_restore(metrics, &report, metric->number)
                     : STATUS_INVALID;
    }
    for (size_t i = 0; i < record->stop_count && status == STATUS_OK; i++) {
        const struct record_stop *stop = &record->stops[i];
        const struct early_stop_decision decision = {.is_stopped = true,
                                                     .bracket = stop->bracket,
                                                     .value = stop->value,
                                                     .threshold = stop->threshold};
        if (stop->index >= size) {
            return STATUS_INVALID;
        }
        trial_metrics_stop(metrics, stop->index, &decision);
    }
    return status;
}

static enum status take_failures(struct trial_metrics *metrics, const struct record *record,
                                 uint64_t size)
{
    for (size_t i = 0; i < record->report.failure_count; i++) {
        const uint64_t index = record->report.failures[i].index;
        const struct record_outcome *outcome = &record->outcomes[i];
        if (index >= size) {
            return STATUS_INVALID;
        }
        if (!outcome->is_final || outcome->state == INSTANCE_ABORTED) {
            trial_metrics_leave(metrics, index);
        } else {
            trial_metrics_end(metrics, index, outcome->state);
        }
    }
    return STATUS_OK;
}

static enum status take_successes(struct trial_metrics *metrics, const struct report_batch *batch,
                                  enum instance_state state, uint64_t size)
{
    uint64_t at = 0;
    if (!span_list_is_valid(batch->spans, batch->span_count, size)) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        for (uint64_t k = 0; k < span->count; k++, at++) {
            if (report_batch_succeeded(batch, at)) {
                trial_metrics_end(metrics, span->start + k, state);
            }
        }
    }
    return STATUS_OK;
}

static enum status take_report(struct trial_metrics *metrics, const struct record *record,
                               uint64_t size)
{
    const enum instance_state state =
        record->kind == RECORD_CACHED ? INSTANCE_CACHED : INSTANCE_SUCCEEDED;
    enum status status = take_failures(metrics, record, size);
    for (size_t i = 0; i < record->report.batch_count && status == STATUS_OK; i++) {
        status = take_successes(metrics, &record->report.batches[i], state, size);
    }
    return status;
}

enum status trial_metrics_take_record(struct trial_metrics *metrics, const struct record *record,
                                      uint64_t map, uint64_t size)
{
    if (record->map != map) {
        return STATUS_OK;
    }
    switch (record->kind) {
    case RECORD_START:
        trial_metrics_begin_session(metrics, record->revives_failed);
        return STATUS_OK;
    case RECORD_METRICS:
        return take_metrics(metrics, record, size);
    case RECORD_REPORT:
    case RECORD_CACHED:
        return take_report(metrics, record, size);
    case RECORD_END:
    case RECORD_INPUTS:
    case RECORD_LOST:
    case RECORD_MAP:
    case RECORD_RANKS:
        return STATUS_OK;
    }
    return STATUS_OK;
}

enum status trial_metrics_load(struct trial_metrics *metrics, const char *run_dir, uint64_t map,
                               uint64_t size, struct error *err)
{
    struct log_reader *reader = NULL;
    struct record record;
    struct error torn;
    uint64_t offset = 0;
    enum status status = log_reader_open(run_dir, &reader, err);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    while (log_reader_next(reader, &record, &offset, &torn) == STATUS_OK) {
        status = trial_metrics_take_record(metrics, &record, map, size);
        if (status != STATUS_OK) {
            (void)error_set(err, status,
                            "the log's record at byte %" PRIu64
                            " names a trial that the sweep of %" PRIu64 " does not have",
                            offset, size);
            break;
        }
    }
    log_reader_close(reader);
    return status;
}
