#include "master/history.h"

#include <assert.h>

struct history history_start(void)
{
    return (struct history){.task_failures = counters_make(UINT32_MAX),
                            .system_failures = counters_make(UINT32_MAX),
                            .memory_failures = counters_make(UINT32_MAX),
                            .earlier_attempts = counters_make(UINT32_MAX)};
}

void history_free(struct history *history)
{
    index_set_free(&history->succeeded);
    index_set_free(&history->cached);
    index_set_free(&history->stopped_early);
    index_set_free(&history->failed);
    index_set_free(&history->timed_out);
    index_set_free(&history->begun);
    index_set_free(&history->last_timed_out);
    counters_free(&history->task_failures);
    counters_free(&history->system_failures);
    counters_free(&history->memory_failures);
    counters_free(&history->earlier_attempts);
}

/* ---- Sessions ------------------------------------------------------------------------------- */

static void revive(struct history *history, struct index_set *ended)
{
    uint64_t index;
    for (uint64_t from = 0; index_set_next(ended, from, &index); from = index + 1) {
        counters_set(&history->earlier_attempts, index,
                     counters_get(&history->earlier_attempts, index) +
                         counters_get(&history->task_failures, index) +
                         counters_get(&history->system_failures, index));
        counters_set(&history->task_failures, index, 0);
        counters_set(&history->system_failures, index, 0);
        counters_set(&history->memory_failures, index, 0);
        index_set_drop(&history->begun, index, 1);
    }
    index_set_free(ended);
}

bool history_has_ended(const struct history *history, uint64_t index)
{
    return index_set_contains(&history->succeeded, index) ||
           index_set_contains(&history->cached, index) ||
           index_set_contains(&history->stopped_early, index) ||
           index_set_contains(&history->failed, index) ||
           index_set_contains(&history->timed_out, index);
}

/* Instances between attempts for which the budget is too small now. */
static void end_beyond(struct history *history, const struct counters *failures, uint64_t retries)
{
    const uint64_t end = (uint64_t)failures->block_count * COUNTERS_BLOCK_SIZE;
    for (uint64_t at = 0; at < end; at++) {
        at = counters_next_block(failures, at);
        if (at >= end) {
            break;
        }
        if (counters_get(failures, at) > retries && !history_has_ended(history, at)) {
            const bool is_timeout = index_set_contains(&history->last_timed_out, at);
            index_set_put(is_timeout ? &history->timed_out : &history->failed, at, 1);
        }
    }
}

void history_begin_session(struct history *history, const struct record *start)
{
    assert(start->kind == RECORD_START || start->kind == RECORD_MAP);
    if (start->revives_failed) {
        revive(history, &history->failed);
        revive(history, &history->timed_out);
    }
    end_beyond(history, &history->task_failures, start->retries);
    end_beyond(history, &history->system_failures, start->system_retries);
}

/* ---- Attempts ------------------------------------------------------------------------------- */

/* Put those of a range into one set of successes that are not in the other. */
static void put_unless(struct index_set *set, const struct index_set *other, uint64_t start,
                       uint64_t count)
{
    const uint64_t end = start + count;
    while (start < end) {
        uint64_t found = end;
        uint64_t found_count = 0;
        if (other->count == 0 ||
            !index_set_next_run(other, start, end - start, &found, &found_count) || found > end) {
            found = end;
        }
        if (found > start) {
            index_set_put(set, start, found - start);
        }
        start = found + found_count;
    }
}

static void drop_failures(struct history *history, uint64_t start, uint64_t count)
{
    index_set_drop(&history->failed, start, count);
    index_set_drop(&history->timed_out, start, count);
}

void history_succeed(struct history *history, uint64_t start, uint64_t count)
{
    put_unless(&history->succeeded, &history->cached, start, count);
    drop_failures(history, start, count);
}

void history_cache(struct history *history, uint64_t start, uint64_t count)
{
    put_unless(&history->cached, &history->succeeded, start, count);
    drop_failures(history, start, count);
}

static bool has_succeeded(const struct history *history, uint64_t index)
{
    return index_set_contains(&history->succeeded, index) ||
           index_set_contains(&history->cached, index) ||
           index_set_contains(&history->stopped_early, index);
}

void history_stop_early(struct history *history, uint64_t index)
{
    if (!has_succeeded(history, index)) {
        index_set_put(&history->stopped_early, index, 1);
        drop_failures(history, index, 1);
    }
}

void history_share_failure(struct history *history, uint64_t index)
{
    if (!history_has_ended(history, index)) {
        index_set_put(&history->failed, index, 1);
    }
}

void history_fail(struct history *history, const struct report_failure *failure,
                  const struct record_outcome *outcome)
{
    const uint64_t index = failure->index;
    if (has_succeeded(history, index)) {
        return;
    }
    index_set_drop(&history->last_timed_out, index, 1);
    if (failure->class == FAILURE_ABORTED) {
        index_set_put(&history->begun, index, 1);
        return;
    }
    counters_set(&history->task_failures, index, outcome->task_failures);
    counters_set(&history->system_failures, index, outcome->system_failures);
    if (failure->class == FAILURE_MEMORY) {
        (void)counters_raise(&history->memory_failures, index);
    }
    if (outcome->is_final && outcome->state == INSTANCE_TIMED_OUT) {
        index_set_put(&history->timed_out, index, 1);
    } else if (outcome->is_final) {
        index_set_put(&history->failed, index, 1);
    } else if (failure->class == FAILURE_TIMEOUT) {
        index_set_put(&history->last_timed_out, index, 1);
    }
}
