#include "master/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "master/log_reader.h"
#include "master/run_log.h"

struct replay replay_start(void)
{
    return (struct replay){.history = history_start()};
}

void replay_free(struct replay *replay)
{
    history_free(&replay->history);
    buffer_free(&replay->inputs);
    free(replay->torn);
    replay->torn = NULL;
}

/* ---- Batches -------------------------------------------------------------------------------- */

/* Runs of successes, so that the sets are touched once for each. */
static void succeed_by_bits(struct history *history, const struct report_batch *batch)
{
    uint64_t bit = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        uint64_t run = 0;
        for (uint64_t j = 0; j < span->count; j++, bit++) {
            if (report_batch_succeeded(batch, bit)) {
                run++;
                continue;
            }
            if (run > 0) {
                history_succeed(history, span->start + j - run, run);
            }
            run = 0;
        }
        if (run > 0) {
            history_succeed(history, span->start + span->count - run, run);
        }
    }
}

static void succeed(struct history *history, const struct report_batch *batch)
{
    if (batch->success_bits != NULL) {
        succeed_by_bits(history, batch);
        return;
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        history_succeed(history, batch->spans[i].start, batch->spans[i].count);
    }
}

static bool fits(const struct report *report, uint64_t size)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        if (!span_list_is_valid(batch->spans, batch->span_count, size)) {
            return false;
        }
        failed += batch->instance_count - batch->success_count;
    }
    for (size_t i = 0; i < report->failure_count; i++) {
        if (report->failures[i].index >= size) {
            return false;
        }
    }
    return failed <= report->failure_count;
}

/* Where inputs come later, instances that none had come for cannot have run. */
static uint64_t size_so_far(const struct replay *replay, uint64_t size)
{
    return replay->input_count > 0 ? replay->input_count : size;
}

static MUST_CHECK enum status take_report(struct replay *replay, const struct record *record,
                                          uint64_t size, struct failures *failures)
{
    const struct report *report = &record->report;
    size_t at = 0;
    if (!fits(report, size_so_far(replay, size))) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        const size_t failed = (size_t)(batch->instance_count - batch->success_count);
        succeed(&replay->history, batch);
        tally_batch(&replay->tally, batch, &report->failures[at], failed);
        at += failed;
    }
    for (; at < report->failure_count; at++) {
        tally_loss(&replay->tally, &report->failures[at]);
    }
    for (size_t i = 0; i < report->failure_count; i++) {
        const struct report_failure *failure = &report->failures[i];
        history_fail(&replay->history, failure, &record->outcomes[i]);
        if (failure->class != FAILURE_ABORTED) {
            failures_add(failures, failure->index, failure->class, failure->text,
                         failure->text_size);
        }
    }
    return STATUS_OK;
}

/* No attempts: only what became of those that needed none. */
static MUST_CHECK enum status take_cached(struct replay *replay, const struct record *record,
                                          uint64_t size, struct failures *failures)
{
    const struct report *report = &record->report;
    if (!fits(report, size_so_far(replay, size))) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < report->batch_count; i++) {
        for (size_t k = 0; k < report->batches[i].span_count; k++) {
            const struct span *span = &report->batches[i].spans[k];
            history_cache(&replay->history, span->start, span->count);
        }
    }
    for (size_t i = 0; i < report->failure_count; i++) {
        const struct report_failure *failure = &report->failures[i];
        history_share_failure(&replay->history, failure->index);
        failures_share(failures, failure->index, failure->class, failure->text, failure->text_size);
    }
    return STATUS_OK;
}

static MUST_CHECK enum status take_metrics(struct replay *replay, const struct record *record,
                                           uint64_t size)
{
    for (size_t i = 0; i < record->stop_count; i++) {
        if (record->stops[i].index >= size) {
            return STATUS_INVALID;
        }
        history_stop_early(&replay->history, record->stops[i].index);
        tally_stop(&replay->tally, record->stops[i].attempt);
    }
    return STATUS_OK;
}

/* The map goes on in a new session, or begins: with budgets of its own. */
static MUST_CHECK enum status take_map(struct replay *replay, const struct record *record,
                                       uint64_t size)
{
    if (record->map_size != size) {
        return STATUS_INVALID;
    }
    struct record start = *record;
    start.revives_failed = replay->is_reviving;
    replay->has_verdict = false;
    history_begin_session(&replay->history, &start);
    return STATUS_OK;
}

/* Whoever asked for them got what stands here, so that nothing may be left out or doubled. */
static MUST_CHECK enum status take_inputs(struct replay *replay, const struct record *record,
                                          uint64_t size)
{
    if (record->first != replay->input_count || record->input_count > size - replay->input_count) {
        return STATUS_INVALID;
    }
    replay->input_count += record->input_count;
    return buffer_append(&replay->inputs, record->inputs, record->inputs_size);
}

/* ---- Records -------------------------------------------------------------------------------- */

enum status replay_record(struct replay *replay, const struct record *record, uint64_t map,
                          uint64_t size, struct failures *failures)
{
    switch (record->kind) {
    case RECORD_START:
        replay->session_count++;
        replay->is_reviving = record->revives_failed;
        replay->has_verdict = replay->has_verdict && record->map != map;
        if (record->map == map) {
            history_begin_session(&replay->history, record);
        }
        return STATUS_OK;
    case RECORD_MAP:
        return record->map == map ? take_map(replay, record, size) : STATUS_OK;
    case RECORD_REPORT:
        return record->map == map ? take_report(replay, record, size, failures) : STATUS_OK;
    case RECORD_CACHED:
        return record->map == map ? take_cached(replay, record, size, failures) : STATUS_OK;
    case RECORD_END:
        if (record->map != map) {
            return STATUS_OK;
        }
        replay->has_verdict = record->exit_status == 0 || record->exit_status == 1;
        replay->exit_status = record->exit_status;
        replay->ended_ms = record->time_ms;
        return STATUS_OK;
    case RECORD_INPUTS:
        return record->map == map ? take_inputs(replay, record, size) : STATUS_OK;
    case RECORD_METRICS:
        return record->map == map ? take_metrics(replay, record, size) : STATUS_OK;
    case RECORD_LOST:
    case RECORD_RANKS:
        return STATUS_OK;
    }
    return STATUS_OK;
}

static MUST_CHECK enum status replay_all(struct replay *replay, struct log_reader *reader,
                                         uint64_t map, uint64_t size, struct failures *failures,
                                         struct error *err)
{
    struct record record;
    uint64_t offset = 0;
    uint64_t started_ms = 0;
    uint64_t latest_ms = 0;
    struct error torn;
    enum status status = log_reader_next(reader, &record, &offset, &torn);
    for (; status == STATUS_OK; status = log_reader_next(reader, &record, &offset, &torn)) {
        if (record.kind == RECORD_START) {
            replay->wall_ms += latest_ms - started_ms;
            started_ms = record.time_ms;
            latest_ms = record.time_ms;
        }
        latest_ms = record.time_ms > latest_ms ? record.time_ms : latest_ms;
        if (replay_record(replay, &record, map, size, failures) != STATUS_OK) {
            return error_set(err, STATUS_INVALID,
                             "the log's record at byte %" PRIu64
                             " does not fit the run, whose map has %" PRIu64 " instances",
                             offset, size);
        }
    }
    replay->wall_ms += latest_ms - started_ms;
    replay->good_size = log_reader_good_size(reader);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_INVALID) {
        return error_set(err, status, "%s", torn.text);
    }
    replay->torn = strdup(torn.text);
    return replay->torn != NULL ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "out of memory");
}

static uint64_t size_of_log(const char *run_dir)
{
    struct stat about;
    char *path = NULL;
    if (asprintf(&path, "%s/" RUN_LOG_NAME, run_dir) < 0) {
        return 0;
    }
    const bool is_there = stat(path, &about) == 0;
    free(path);
    return is_there ? (uint64_t)about.st_size : 0;
}

enum status replay_log(const char *run_dir, uint64_t map, uint64_t size, struct failures *failures,
                       struct replay *replay_out, struct error *err)
{
    struct log_reader *reader = NULL;
    struct replay replay = replay_start();
    enum status status = log_reader_open(run_dir, &reader, err);
    if (status == STATUS_NOT_FOUND) {
        *replay_out = replay;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = replay_all(&replay, reader, map, size, failures, err);
        log_reader_close(reader);
    }
    if (status != STATUS_OK) {
        replay_free(&replay);
        return status;
    }
    const uint64_t log_size = size_of_log(run_dir);
    replay.cut_size = log_size > replay.good_size ? log_size - replay.good_size : 0;
    *replay_out = replay;
    return STATUS_OK;
}
