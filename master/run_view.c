#include "master/run_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "master/index_set.h"
#include "master/log_reader.h"
#include "master/map_past.h"
#include "master/run_liveness.h"
#include "master/run_log.h"
#include "shared/buffer.h"
#include "shared/clean_text.h"
#include "shared/clock.h"
#include "shared/memory.h"

/* The rate is that of the last minute or so: one sample a second. */
#define SAMPLE_COUNT 64
#define SAMPLE_EVERY_MS 1000

struct sample {
    uint64_t time_ms;
    uint64_t ended;
};

struct run_view {
    char *run_dir;
    bool is_live;
    struct run_description *run;
    struct log_reader *reader; /* NULL: there is no log yet */
    bool is_workflow;
    struct map_past_list maps; /* of a run that is one map: that one */
    bool has_verdict;          /* the last session ended with one */
    int exit_status;           /* of that */
    struct failures *failures;
    struct run_view_rank *ranks;
    size_t rank_count;
    size_t rank_capacity;
    struct sample samples[SAMPLE_COUNT]; /* a ring */
    size_t sample_first;
    size_t sample_count;
    uint64_t latest_ms; /* of the records */
    bool is_torn;
    struct error torn;
    uint64_t lost_count; /* results of a run that has ended that its log no longer has */
    struct error lost;   /* the same in words; where there are any */
};

/* ---- Life ----------------------------------------------------------------------------------- */

enum status run_view_open(const char *run_dir, struct run_view **view_out, struct error *err)
{
    struct run_view *view = memory_take(1, sizeof(*view));
    view->run_dir = memory_copy_text(run_dir);
    enum status status = failures_create(&view->failures);
    view->maps.shared = view->failures;
    if (status == STATUS_OK) {
        status = run_view_update(view, err);
    } else {
        (void)error_set(err, status, "%s: %s", run_dir, status_text(status));
    }
    if (status != STATUS_OK) {
        run_view_close(view);
        return status;
    }
    *view_out = view;
    return STATUS_OK;
}

static void forget_ranks(struct run_view *view)
{
    for (size_t i = 0; i < view->rank_count; i++) {
        free(view->ranks[i].why);
    }
    view->rank_count = 0;
}

void run_view_close(struct run_view *view)
{
    if (view == NULL) {
        return;
    }
    run_description_destroy(view->run);
    log_reader_close(view->reader);
    map_past_free(&view->maps);
    failures_destroy(view->failures);
    forget_ranks(view);
    free(view->ranks);
    free(view->run_dir);
    free(view);
}

/* ---- The rate ------------------------------------------------------------------------------- */

/* Of all maps together. */
struct totals {
    uint64_t size;
    uint64_t succeeded;
    uint64_t cached;
    uint64_t stopped_early;
    uint64_t failed;
    uint64_t timed_out;
    uint64_t tried;
    uint64_t attempts;
    uint64_t retries;
};

static struct totals totals_of(const struct run_view *view)
{
    struct totals totals = {.size = 0};
    for (size_t i = 0; i < view->maps.count; i++) {
        const struct map_past *map = &view->maps.maps[i];
        totals.size += map->size;
        totals.succeeded += map->replay.history.succeeded.count;
        totals.cached += map->replay.history.cached.count;
        totals.stopped_early += map->replay.history.stopped_early.count;
        totals.failed += map->replay.history.failed.count;
        totals.timed_out += map->replay.history.timed_out.count;
        totals.tried += map->tried.count;
        totals.attempts += map->replay.tally.attempts;
        totals.retries += map->replay.tally.retries;
    }
    return totals;
}

static uint64_t ended(const struct totals *totals)
{
    return totals->succeeded + totals->cached + totals->stopped_early + totals->failed +
           totals->timed_out;
}

static const struct sample *sample_at(const struct run_view *view, size_t i)
{
    return &view->samples[(view->sample_first + i) % SAMPLE_COUNT];
}

static void put_sample(struct run_view *view, uint64_t time_ms)
{
    const size_t count = view->sample_count;
    if (count > 0 && time_ms < sample_at(view, count - 1)->time_ms + SAMPLE_EVERY_MS) {
        return;
    }
    if (count == SAMPLE_COUNT) {
        view->sample_first = (view->sample_first + 1) % SAMPLE_COUNT;
        view->sample_count--;
    }
    const struct totals totals = totals_of(view);
    view->samples[(view->sample_first + view->sample_count++) % SAMPLE_COUNT] =
        (struct sample){.time_ms = time_ms, .ended = ended(&totals)};
}

/* Up to now, so that it falls when nothing is reported. */
static double rate(const struct run_view *view, uint64_t ended_now, uint64_t now_ms)
{
    if (view->sample_count == 0) {
        return 0;
    }
    const struct sample *first = sample_at(view, 0);
    const uint64_t until_ms = now_ms > view->latest_ms ? now_ms : view->latest_ms;
    const uint64_t elapsed_ms = until_ms > first->time_ms ? until_ms - first->time_ms : 0;
    const uint64_t count = ended_now > first->ended ? ended_now - first->ended : 0;
    return elapsed_ms > 0 ? (double)count * 1000 / (double)elapsed_ms : 0;
}

/* ---- The log -------------------------------------------------------------------------------- */

static void drop_ended(struct run_view *view)
{
    for (size_t i = 0; i < view->maps.count; i++) {
        struct map_past *map = &view->maps.maps[i];
        index_set_subtract(&map->tried, &map->replay.history.succeeded);
        index_set_subtract(&map->tried, &map->replay.history.cached);
        index_set_subtract(&map->tried, &map->replay.history.failed);
        index_set_subtract(&map->tried, &map->replay.history.timed_out);
    }
}

static void begin_session(struct run_view *view, const struct record *record)
{
    forget_ranks(view);
    view->sample_count = 0;
    drop_ended(view); /* budgets may be smaller now */
    put_sample(view, record->time_ms);
}

/* The record is of a map that is defined. */
static void take_attempts(struct run_view *view, const struct record *record)
{
    const struct report *report = &record->report;
    struct map_past *map = map_past_find(&view->maps, record->map);
    const struct history *history = &map->replay.history;
    struct index_set *tried = &map->tried;
    for (size_t i = 0; i < report->batch_count && tried->count > 0; i++) {
        for (size_t k = 0; k < report->batches[i].span_count; k++) {
            const struct span *span = &report->batches[i].spans[k];
            index_set_drop(tried, span->start, span->count);
        }
    }
    for (size_t i = 0; i < report->failure_count; i++) {
        if (!history_has_ended(history, report->failures[i].index)) {
            index_set_put(tried, report->failures[i].index, 1);
        }
    }
}

static struct run_view_rank *rank_of(struct run_view *view, uint32_t rank)
{
    size_t at = view->rank_count;
    while (at > 0 && view->ranks[at - 1].rank >= rank) {
        at--;
    }
    if (at < view->rank_count && view->ranks[at].rank == rank) {
        return &view->ranks[at];
    }
    view->ranks =
        memory_grow(view->ranks, view->rank_count, &view->rank_capacity, sizeof(*view->ranks));
    memmove(&view->ranks[at + 1], &view->ranks[at], (view->rank_count - at) * sizeof(*view->ranks));
    view->rank_count++;
    view->ranks[at] = (struct run_view_rank){.rank = rank};
    return &view->ranks[at];
}

static void take_report(struct run_view *view, const struct record *record)
{
    struct run_view_rank *rank = rank_of(view, record->rank);
    if (record->report.batch_count == 0) {
        take_attempts(view, record); /* that were lost with it */
        return;
    }
    rank->reported_ms = record->time_ms;
    rank->lost_ms = 0; /* it is back */
    for (size_t i = 0; i < record->report.batch_count; i++) {
        rank->instance_count += record->report.batches[i].instance_count;
    }
    take_attempts(view, record);
    put_sample(view, record->time_ms);
}

static void take_stops(struct run_view *view, const struct record *record)
{
    struct index_set *tried = &map_past_find(&view->maps, record->map)->tried;
    for (size_t i = 0; i < record->stop_count; i++) {
        index_set_drop(tried, record->stops[i].index, 1);
    }
}

static void take_lost(struct run_view *view, const struct record *record)
{
    struct run_view_rank *rank = rank_of(view, record->rank);
    struct buffer clean = {0};
    free(rank->why);
    rank->lost_ms = record->time_ms;
    rank->why = NULL;
    if (clean_text(record->why, record->why_size, &clean) == STATUS_OK &&
        buffer_append_byte(&clean, '\0') == STATUS_OK) {
        rank->why = memory_copy_text((const char *)clean.data);
    }
    buffer_free(&clean);
}

/* The session's verdict is that of the run as a whole. */
static void take_verdict(struct run_view *view, const struct record *record)
{
    const uint64_t run_map = view->is_workflow ? RECORD_RUN_MAP : 0;
    if (record->kind == RECORD_START) {
        view->has_verdict = false;
    } else if (record->kind == RECORD_END && record->map == run_map) {
        view->has_verdict = record->exit_status == 0 || record->exit_status == 1;
        view->exit_status = record->exit_status;
    }
}

static void take_results(struct run_view *view, const struct record *record)
{
    const bool is_known = map_past_find(&view->maps, record->map) != NULL;
    if (record->kind == RECORD_REPORT && is_known) {
        take_report(view, record);
    } else if (record->kind == RECORD_CACHED && is_known) {
        take_attempts(view, record); /* of no rank's */
        put_sample(view, record->time_ms);
    } else if (record->kind == RECORD_METRICS && is_known && record->stop_count > 0) {
        take_stops(view, record);
        put_sample(view, record->time_ms);
    }
}

static MUST_CHECK enum status take_record(struct run_view *view, const struct record *record,
                                          struct error *err)
{
    struct error reason;
    if (record->kind == RECORD_START && record->revives_failed) {
        drop_ended(view); /* what is revived is as if it had not been tried */
    }
    if (map_past_take(&view->maps, record, &reason) != STATUS_OK) {
        return error_set(err, STATUS_INVALID, "%s: the log does not fit the run: %s", view->run_dir,
                         reason.text);
    }
    take_verdict(view, record);
    view->latest_ms = record->time_ms > view->latest_ms ? record->time_ms : view->latest_ms;
    if (record->kind == RECORD_START) {
        begin_session(view, record);
    } else if (record->kind == RECORD_LOST) {
        take_lost(view, record);
    } else {
        take_results(view, record);
    }
    return STATUS_OK;
}

static MUST_CHECK enum status read_log(struct run_view *view, struct error *err)
{
    struct record record;
    uint64_t offset;
    enum status status = STATUS_OK;
    if (view->reader == NULL) {
        status = log_reader_open(view->run_dir, &view->reader, err);
        if (status != STATUS_OK) {
            return status == STATUS_NOT_FOUND ? STATUS_OK : status;
        }
    }
    while (status == STATUS_OK) {
        status = log_reader_next(view->reader, &record, &offset, &view->torn);
        if (status == STATUS_OK) {
            status = take_record(view, &record, err);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    view->is_torn = status == STATUS_INVALID;
    return status == STATUS_NOT_FOUND || view->is_torn
               ? STATUS_OK
               : error_set(err, status, "%s", view->torn.text);
}

static uint64_t ended_by_verdict(const struct run_description *run)
{
    const uint64_t *counts = run->verdict.counts;
    return counts[INSTANCE_SUCCEEDED] + counts[INSTANCE_CACHED] + counts[INSTANCE_STOPPED_EARLY] +
           counts[INSTANCE_FAILED] + counts[INSTANCE_TIMED_OUT];
}

/* Does the log still hold what the verdict counts? */
static void look_for_loss(struct run_view *view)
{
    const struct totals totals = totals_of(view);
    const uint64_t missing =
        view->run->state == RUN_RUNNING
            ? 0
            : run_verdict_lost(&view->run->verdict, totals.succeeded + totals.cached,
                               totals.failed + totals.timed_out);
    view->lost_count = missing;
    if (missing == 0) {
        return;
    }
    if (view->is_torn) {
        (void)error_set(&view->lost, STATUS_INVALID,
                        "%s; %" PRIu64 " results that were recorded are lost", view->torn.text,
                        missing);
    } else {
        (void)error_set(&view->lost, STATUS_NOT_FOUND,
                        "%s/" RUN_LOG_NAME " is %s; %" PRIu64
                        " results that were recorded are lost",
                        view->run_dir, view->reader == NULL ? "not there" : "not whole", missing);
    }
}

static const char *torn_text(const struct run_view *view)
{
    if (view->lost_count > 0) {
        return view->lost.text;
    }
    return view->is_torn && !view->is_live ? view->torn.text : NULL;
}

/* A run that is one map has that from the beginning; a workflow's are defined in its log. */
static MUST_CHECK enum status take_up_run(struct run_view *view, struct error *err)
{
    const struct run_description *run = view->run;
    view->is_workflow = strcmp(run->verb, RUN_VERB_WORKFLOW) == 0;
    const enum status status =
        view->is_workflow || view->maps.count > 0
            ? STATUS_OK
            : map_past_add(&view->maps, 0, run->task, strlen(run->task), run->input_count, err);
    return status;
}

/* Who gives a run free has written its state before: so liveness is looked at first, and a run
 * without anybody at work whose state is still "running" was cut off. */
enum status run_view_update(struct run_view *view, struct error *err)
{
    struct run_description *run = NULL;
    const bool is_live = run_liveness(view->run_dir);
    const enum status status = run_file_read(view->run_dir, &run, err);
    if (status != STATUS_OK) {
        return status;
    }
    run_description_destroy(view->run);
    view->run = run;
    if (take_up_run(view, err) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    view->is_live = is_live && run->state == RUN_RUNNING;
    const enum status log_status = read_log(view, err);
    look_for_loss(view);
    return log_status;
}

/* ---- Facts ---------------------------------------------------------------------------------- */

static void count(const struct totals *totals, uint64_t counts_out[INSTANCE_STATE_COUNT])
{
    memset(counts_out, 0, INSTANCE_STATE_COUNT * sizeof(*counts_out));
    counts_out[INSTANCE_SUCCEEDED] = totals->succeeded;
    counts_out[INSTANCE_CACHED] = totals->cached;
    counts_out[INSTANCE_STOPPED_EARLY] = totals->stopped_early;
    counts_out[INSTANCE_FAILED] = totals->failed;
    counts_out[INSTANCE_TIMED_OUT] = totals->timed_out;
    counts_out[INSTANCE_ABORTED] = totals->tried;
    counts_out[INSTANCE_NOT_STARTED] = totals->size - ended(totals) - totals->tried;
}

/* The log has the verdict first: run.json may not have come to it. */
static void fill_end(const struct run_view *view, struct run_view_facts *facts)
{
    const struct run_description *run = view->run;
    facts->state = run->state;
    if (run->state == RUN_RUNNING && !view->is_live) {
        facts->is_cut_off = !view->has_verdict;
        facts->state = !view->has_verdict       ? RUN_INTERRUPTED
                       : view->exit_status == 0 ? RUN_SUCCEEDED
                                                : RUN_FAILED;
    }
    facts->has_exit = facts->state == RUN_SUCCEEDED || facts->state == RUN_FAILED;
    facts->exit_status = facts->state == RUN_SUCCEEDED ? 0 : 1;
}

static void fill_pace(const struct run_view *view, struct run_view_facts *facts)
{
    const uint64_t now_ms = clock_day_ms();
    const uint64_t left = facts->size - facts->ended;
    if (!view->is_live) {
        return;
    }
    facts->rate = rate(view, facts->ended, now_ms);
    const double left_ms =
        facts->rate > 0 && !view->is_workflow ? (double)left * 1000 / facts->rate : 1e18;
    facts->estimate_ms = left_ms < 1e15 ? now_ms + (uint64_t)left_ms : 0;
}

struct run_view_facts run_view_facts(const struct run_view *view)
{
    const struct totals totals = totals_of(view);
    struct run_view_facts facts = {.run_dir = view->run_dir,
                                   .run = view->run,
                                   .is_live = view->is_live,
                                   .size = totals.size,
                                   .ended = ended(&totals),
                                   .lost = view->lost_count,
                                   .attempts = totals.attempts,
                                   .retries = totals.retries,
                                   .failures = view->failures,
                                   .ranks = view->ranks,
                                   .rank_count = view->rank_count,
                                   .torn = torn_text(view)};
    fill_end(view, &facts);
    fill_pace(view, &facts);
    if (view->run->state == RUN_RUNNING || view->lost_count > 0) {
        count(&totals, facts.counts);
    } else {
        memcpy(facts.counts, view->run->verdict.counts, sizeof(facts.counts));
        facts.ended = ended_by_verdict(view->run);
        facts.attempts = view->run->verdict.attempts;
        facts.retries = view->run->verdict.retries;
    }
    return facts;
}
