/* What trials report is put into the record before anything follows from it: the scheduler's END
 * for a trial that is stopped leaves in a turn that has written the record. So whichever is
 * recorded first, its stop or its own end, is what became of it; a report of its end that comes
 * after its stop is a loser's (scheduler_copies.c). */
#include "master/master_private.h"

#include <inttypes.h>
#include <stdlib.h>

#include "master/trial_metrics_load.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

/* Of brackets that are said at the start. */
#define BRACKET_COUNT_MAX 4

static const char default_hint[] = "mf_report(ctx, step, value) reports it";

/* ---- Life ------------------------------------------------------------------------------------ */

enum status master_metrics_create(struct master *master, struct master_map *map)
{
    struct error err;
    if (map->metric == NULL) {
        return STATUS_OK;
    }
    enum status status = trial_metrics_create(map->metric, &map->metrics, &err);
    if (status == STATUS_OK && master->options.replay != NULL) {
        status = trial_metrics_load(map->metrics, master->options.run_dir, map->number,
                                    inputs_count(map->inputs), &err);
        trial_metrics_begin_session(map->metrics, master->options.revives_failed);
    }
    if (status != STATUS_OK) {
        log_error("%s", err.text);
        return status;
    }
    master_metrics_mind_target(map);
    return STATUS_OK;
}

void master_metrics_say(const struct master_map *map)
{
    char brackets[128];
    if (map->metrics != NULL && map->metric->has_early_stop) {
        log_info(
            "early termination by %s at brackets %s", map->metric->name,
            trial_metrics_brackets(map->metrics, BRACKET_COUNT_MAX, brackets, sizeof(brackets)));
    }
}

void master_metrics_free(struct master *master)
{
    free(master->metrics);
    free(master->stops);
}

/* ---- The record --------------------------------------------------------------------------------
 */

static void put_metric(struct master *master, const struct trial_report *report, uint64_t attempt,
                       uint64_t number)
{
    master->metrics = memory_grow(master->metrics, master->metric_count, &master->metric_capacity,
                                  sizeof(*master->metrics));
    master->metrics[master->metric_count++] = (struct record_metric){.lease = report->lease,
                                                                     .index = report->trial,
                                                                     .attempt = attempt,
                                                                     .number = number,
                                                                     .step = report->step,
                                                                     .value = report->value};
}

static void put_stop(struct master *master, const struct wire_metric *metric,
                     const struct early_stop_decision *decision)
{
    master->stops = memory_grow(master->stops, master->stop_count, &master->stop_capacity,
                                sizeof(*master->stops));
    master->stops[master->stop_count++] = (struct record_stop){.index = metric->index,
                                                               .attempt = metric->attempt,
                                                               .bracket = decision->bracket,
                                                               .value = decision->value,
                                                               .threshold = decision->threshold};
}

enum status master_metrics_record(struct master *master, const struct master_map *map,
                                  uint32_t rank, struct error *err)
{
    const struct record record = {.kind = RECORD_METRICS,
                                  .map = map->number,
                                  .rank = rank,
                                  .time_ms = clock_day_ms(),
                                  .metrics = master->metrics,
                                  .metric_count = master->metric_count,
                                  .stops = master->stops,
                                  .stop_count = master->stop_count};
    const bool is_any = master->metric_count > 0 || master->stop_count > 0;
    master->metric_count = 0;
    master->stop_count = 0;
    return is_any ? run_log_append(master->log, &record, err) : STATUS_OK;
}

/* ---- Reports -----------------------------------------------------------------------------------
 */

static void stop_trial(struct master *master, struct master_map *map, uint32_t rank,
                       const struct wire_metric *metric, const struct early_stop_decision *decision)
{
    put_stop(master, metric, decision);
    scheduler_stop_early(map->scheduler, rank, metric->lease, metric->index);
    tally_stop(&map->tally, metric->attempt);
    trial_metrics_stop(map->metrics, metric->index, decision);
}

static const char *hint_of(const struct master_map *map)
{
    return map->metric->hint != NULL ? map->metric->hint : default_hint;
}

/* Who reports in another way knows how. */
static void take_hint(struct master_map *map, uint64_t trial)
{
    if (!map->has_reports && !map->is_hint_told) {
        map->is_hint_told = true;
        log_warning("trial %" PRIu64 " has printed a line that holds %s and is no report of it "
                    "(said once): %s",
                    trial, map->metric->name, hint_of(map));
    }
}

/* Reports of attempts that have ended come late, and are nothing to tell of. */
static enum status take_metric(struct master *master, struct master_map *map, uint32_t rank,
                               const struct wire_metric *metric)
{
    const struct trial_report report = {.trial = metric->index,
                                        .lease = metric->lease,
                                        .step = metric->step,
                                        .value = metric->value};
    struct trial_heard heard;
    if (!scheduler_holds(map->scheduler, rank, metric->lease, metric->index, metric->attempt)) {
        return STATUS_OK;
    }
    if (metric->is_hint) {
        take_hint(map, metric->index);
        return STATUS_OK;
    }
    map->has_reports = true;
    const enum status status = trial_metrics_report(map->metrics, &report, &heard);
    if (status == STATUS_OK && heard.is_recorded) {
        put_metric(master, &report, metric->attempt, heard.number);
    }
    if (status == STATUS_OK && heard.decision.is_stopped) {
        stop_trial(master, map, rank, metric, &heard.decision);
    }
    return status;
}

enum status master_on_metrics(struct master *master, struct master_map *map, uint32_t rank,
                              const struct wire_metrics *metrics, struct error *err)
{
    enum status status = STATUS_OK;
    if (map->metrics == NULL) {
        log_warning("reports ignored reason=no_metric rank=%" PRIu32, rank);
        return STATUS_OK;
    }
    master->has_begun = master->has_begun || metrics->count > 0;
    for (size_t i = 0; i < metrics->count && status == STATUS_OK; i++) {
        status = take_metric(master, map, rank, &metrics->reports[i]);
    }
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for what trials report");
    }
    status = master_metrics_record(master, map, rank, err);
    master_metrics_mind_target(map);
    return status;
}

/* ---- Ends --------------------------------------------------------------------------------------
 */

static void take_end(struct master *master, struct master_map *map, uint64_t index,
                     uint64_t attempt, enum instance_state state)
{
    struct trial_report report;
    uint64_t number;
    if (trial_metrics_unrecorded(map->metrics, index, &report, &number)) {
        put_metric(master, &report, attempt, number);
    }
    const uint64_t silent = trial_metrics_silent_count(map->metrics);
    trial_metrics_end(map->metrics, index, state);
    if (trial_metrics_silent_count(map->metrics) > silent && !map->is_silence_told) {
        map->is_silence_told = true;
        log_warning("trial %" PRIu64 " has succeeded without a report of %s, and has no value "
                    "(said once): %s",
                    index, map->metric->name, hint_of(map));
    }
}

static void take_failure(struct master *master, struct master_map *map,
                         const struct report_failure *failure, const struct record_outcome *outcome)
{
    if (outcome->is_final && outcome->state != INSTANCE_ABORTED) {
        take_end(master, map, failure->index, failure->attempt, outcome->state);
    } else {
        trial_metrics_leave(map->metrics, failure->index);
    }
}

void master_metrics_take_batch(struct master *master, struct master_map *map,
                               const struct report_batch *batch,
                               const struct report_failure *failures,
                               const struct record_outcome *outcomes)
{
    uint64_t at = 0;
    size_t failed = 0;
    for (size_t i = 0; map->metrics != NULL && i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        for (uint64_t k = 0; k < span->count; k++, at++) {
            if (report_batch_succeeded(batch, at)) {
                take_end(master, map, span->start + k, span->attempt, INSTANCE_SUCCEEDED);
            } else {
                take_failure(master, map, &failures[failed], &outcomes[failed]);
                failed++;
            }
        }
    }
}

void master_metrics_take_loss(struct master_map *map, uint64_t index,
                              const struct ledger_fate *fate)
{
    if (map->metrics == NULL) {
        return;
    }
    if (fate->is_final) {
        trial_metrics_end(map->metrics, index, fate->state);
    } else {
        trial_metrics_leave(map->metrics, index);
    }
}

/* What runs goes on to its end, whenever that is. */
void master_metrics_mind_target(struct master_map *map)
{
    if (map->metrics == NULL || map->is_target_reached || !trial_metrics_has_target(map->metrics)) {
        return;
    }
    map->is_target_reached = true;
    map->cancel = (struct wire_cancel){.run_on_us = UINT64_MAX};
    scheduler_stop(map->scheduler);
    log_info("%s has reached its target of %g: no new trial starts", map->metric->name,
             map->metric->target);
}
