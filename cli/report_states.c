#include "cli/report_states.h"

#include <stdbool.h>

#include "cli/report_bytes.h"
#include "shared/attempt.h"

#define SHARE_MAX 31
#define SHARE_SHIFT 3

struct report_cells report_cells_of(uint64_t size, uint64_t count_max)
{
    const uint64_t cell_size = size <= count_max ? 1 : (size + count_max - 1) / count_max;
    return (struct report_cells){.size = cell_size,
                                 .count = size / cell_size + (size % cell_size > 0 ? 1 : 0)};
}

static bool has_failed_before(const struct history *history, uint64_t index)
{
    return counters_get(&history->task_failures, index) > 0 ||
           counters_get(&history->system_failures, index) > 0 ||
           counters_get(&history->earlier_attempts, index) > 0;
}

static unsigned state_of_one(const struct history *history, uint64_t index)
{
    const bool has_failed = has_failed_before(history, index);
    if (index_set_contains(&history->stopped_early, index)) {
        return INSTANCE_STOPPED_EARLY;
    }
    if (index_set_contains(&history->succeeded, index)) {
        return has_failed ? REPORT_STATE_RETRIED : INSTANCE_SUCCEEDED;
    }
    return index_set_contains(&history->cached, index)                ? INSTANCE_CACHED
           : index_set_contains(&history->timed_out, index)           ? INSTANCE_TIMED_OUT
           : index_set_contains(&history->failed, index)              ? INSTANCE_FAILED
           : has_failed || index_set_contains(&history->begun, index) ? INSTANCE_ABORTED
                                                                      : INSTANCE_NOT_STARTED;
}

static unsigned code_of(unsigned state, uint64_t without, uint64_t size)
{
    const uint64_t share = (without * SHARE_MAX + size - 1) / size;
    return state | (unsigned)share << SHARE_SHIFT;
}

/* A set that is empty costs nothing. */
static uint64_t count_in(const struct index_set *set, uint64_t start, uint64_t count)
{
    return set->count > 0 ? index_set_count_in(set, start, count) : 0;
}

/* That there were failures before is not told of cells of many. */
static unsigned code_of_many(const struct history *history, uint64_t start, uint64_t size)
{
    const uint64_t cached = count_in(&history->cached, start, size);
    const uint64_t stopped = count_in(&history->stopped_early, start, size);
    const uint64_t succeeded = count_in(&history->succeeded, start, size) + cached + stopped;
    const uint64_t failed = count_in(&history->failed, start, size);
    const uint64_t timed_out = count_in(&history->timed_out, start, size);
    const uint64_t begun = count_in(&history->begun, start, size);
    const unsigned state = failed > 0                      ? INSTANCE_FAILED
                           : timed_out > 0                 ? INSTANCE_TIMED_OUT
                           : begun > 0 && succeeded < size ? INSTANCE_ABORTED
                           : succeeded < size              ? INSTANCE_NOT_STARTED
                           : stopped > 0                   ? INSTANCE_STOPPED_EARLY
                           : cached > 0                    ? INSTANCE_CACHED
                                                           : INSTANCE_SUCCEEDED;
    return code_of(state, size - (succeeded < size ? succeeded : size), size);
}

static unsigned code_at(const struct map_past *map, struct report_cells cells, uint64_t cell)
{
    const struct history *history = &map->replay.history;
    const uint64_t start = cell * cells.size;
    const uint64_t left = map->size - start;
    if (cells.size > 1) {
        return code_of_many(history, start, left < cells.size ? left : cells.size);
    }
    const unsigned state = state_of_one(history, start);
    const bool is_success = state == INSTANCE_SUCCEEDED || state == REPORT_STATE_RETRIED ||
                            state == INSTANCE_CACHED || state == INSTANCE_STOPPED_EARLY;
    return code_of(state, is_success ? 0 : 1, 1);
}

/* All of them, and none ever failed. */
static bool is_plain(const struct map_past *map)
{
    const struct history *history = &map->replay.history;
    return history->succeeded.count == map->size && map->replay.tally.attempts == map->size;
}

static MUST_CHECK enum status put_run(struct buffer *out, uint64_t count, unsigned code)
{
    const enum status status = report_put_number(out, count);
    return status == STATUS_OK ? report_put_number(out, code) : status;
}

enum status report_states_encode(const struct map_past *map, struct report_cells cells,
                                 struct buffer *out)
{
    enum status status = STATUS_OK;
    uint64_t count = 0;
    unsigned code = 0;
    if (cells.count == 0 || is_plain(map)) {
        return cells.count == 0 ? STATUS_OK : put_run(out, cells.count, INSTANCE_SUCCEEDED);
    }
    for (uint64_t i = 0; i < cells.count && status == STATUS_OK; i++) {
        const unsigned next = code_at(map, cells, i);
        if (count > 0 && next != code) {
            status = put_run(out, count, code);
            count = 0;
        }
        code = next;
        count++;
    }
    return status == STATUS_OK ? put_run(out, count, code) : status;
}
