#include "cli/report_lanes.h"

#include <stdlib.h>
#include <string.h>

#include "cli/report_bytes.h"
#include "shared/memory.h"

#define MERGE_FIRST_US 64
#define MERGE_GROWTH 4
/* Neighbours that are closer than such a part of the run are put together whatever they came to. */
#define TOO_CLOSE 20000
/* Pauses up to such a part of what is put together are no longer seen. */
#define PAUSE_PART 8
#define TICKS_MAX 100000000

struct report_lanes report_lanes_start(uint64_t total_us, size_t count_max)
{
    return (struct report_lanes){.total_us = total_us, .count_max = count_max};
}

void report_lanes_free(struct report_lanes *lanes)
{
    for (size_t i = 0; i < lanes->lane_count; i++) {
        free(lanes->lanes[i].entries);
    }
    free(lanes->lanes);
    *lanes = (struct report_lanes){.lanes = NULL};
}

/* ---- Lanes ------------------------------------------------------------------------------------
 */

static bool is_before(const struct report_lane *lane, uint32_t rank, uint32_t slot)
{
    return lane->rank != rank ? lane->rank < rank : lane->slot < slot;
}

static struct report_lane *lane_of(struct report_lanes *lanes, uint32_t rank, uint32_t slot)
{
    size_t low = 0;
    size_t high = lanes->lane_count;
    if (lanes->lane_at < lanes->lane_count && lanes->lanes[lanes->lane_at].rank == rank &&
        lanes->lanes[lanes->lane_at].slot == slot) {
        return &lanes->lanes[lanes->lane_at];
    }
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (is_before(&lanes->lanes[middle], rank, slot)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    lanes->lane_at = low;
    if (low < lanes->lane_count && lanes->lanes[low].rank == rank &&
        lanes->lanes[low].slot == slot) {
        return &lanes->lanes[low];
    }
    lanes->lanes =
        memory_grow(lanes->lanes, lanes->lane_count, &lanes->lane_capacity, sizeof(*lanes->lanes));
    memmove(&lanes->lanes[low + 1], &lanes->lanes[low],
            (lanes->lane_count - low) * sizeof(*lanes->lanes));
    lanes->lane_count++;
    lanes->lanes[low] = (struct report_lane){.rank = rank, .slot = slot};
    return &lanes->lanes[low];
}

/* ---- Putting together -------------------------------------------------------------------------
 */

static int by_start(const void *a, const void *b)
{
    const struct report_entry *left = a;
    const struct report_entry *right = b;
    return left->start_us < right->start_us   ? -1
           : left->start_us > right->start_us ? 1
           : left->end_us < right->end_us     ? -1
           : left->end_us > right->end_us     ? 1
                                              : 0;
}

static void sort(struct report_lane *lane)
{
    for (size_t i = 1; i < lane->count; i++) {
        if (by_start(&lane->entries[i - 1], &lane->entries[i]) > 0) {
            qsort(lane->entries, lane->count, sizeof(*lane->entries), by_start);
            return;
        }
    }
}

/* What tells most: failures, then what was tried again, then what we ended. */
static unsigned weight_of(uint8_t state)
{
    static const unsigned weights[] = {
        [PIECE_SUCCEEDED] = 0,    [PIECE_FAILED] = 6,  [PIECE_TIMED_OUT] = 5,
        [PIECE_RETRIED] = 4,      [PIECE_ABORTED] = 3, [PIECE_SUPERSEDED] = 2,
        [PIECE_STOPPED_EARLY] = 1};
    return weights[state];
}

static bool may_merge(const struct report_entry *a, const struct report_entry *b, uint64_t merge_us,
                      uint64_t close_us)
{
    const uint64_t length_us = b->end_us - a->start_us;
    const uint64_t pause_us = b->start_us > a->end_us ? b->start_us - a->end_us : 0;
    const bool is_alike = a->state == PIECE_SUCCEEDED && b->state == PIECE_SUCCEEDED;
    return length_us <= merge_us && pause_us <= merge_us / PAUSE_PART && a->map == b->map &&
           (is_alike || length_us <= close_us);
}

static void merge_lane(struct report_lane *lane, uint64_t merge_us, uint64_t close_us)
{
    size_t kept = 0;
    sort(lane);
    for (size_t i = 1; i < lane->count; i++) {
        struct report_entry *a = &lane->entries[kept];
        const struct report_entry *b = &lane->entries[i];
        if (!may_merge(a, b, merge_us, close_us)) {
            lane->entries[++kept] = *b;
            continue;
        }
        a->end_us = b->end_us > a->end_us ? b->end_us : a->end_us;
        a->count += b->count;
        a->failed += b->failed;
        a->is_retry = a->is_retry || b->is_retry;
        a->state = weight_of(b->state) > weight_of(a->state) ? b->state : a->state;
    }
    lane->count = lane->count > 0 ? kept + 1 : 0;
}

static void merge_all(struct report_lanes *lanes)
{
    const uint64_t close_us = lanes->merge_us > lanes->total_us / TOO_CLOSE ? lanes->merge_us : 0;
    lanes->entry_count = 0;
    for (size_t i = 0; i < lanes->lane_count; i++) {
        merge_lane(&lanes->lanes[i], lanes->merge_us, close_us);
        lanes->entry_count += lanes->lanes[i].count;
    }
}

/* First as coarsely as what came before; then more so, to where whatever lies beside each other in
 * a lane is one. */
static void merge(struct report_lanes *lanes, size_t goal)
{
    if (lanes->entry_count > goal && lanes->merge_us > 0) {
        merge_all(lanes);
    }
    while (lanes->entry_count > goal && lanes->merge_us < UINT64_MAX / MERGE_GROWTH) {
        lanes->merge_us = lanes->merge_us == 0 ? MERGE_FIRST_US : lanes->merge_us * MERGE_GROWTH;
        merge_all(lanes);
    }
}

void report_lanes_add(struct report_lanes *lanes, const struct chronicle_piece *piece, uint32_t map)
{
    struct report_lane *lane = lane_of(lanes, piece->rank, piece->slot);
    lane->entries =
        memory_grow(lane->entries, lane->count, &lane->capacity, sizeof(*lane->entries));
    lane->entries[lane->count++] = (struct report_entry){
        .start_us = piece->start_us,
        .end_us = piece->end_us,
        .index = piece->index,
        .count = piece->count,
        .failed = piece_state_is_success(piece->state) ? 0 : piece->count,
        .map = map,
        .state = (uint8_t)piece->state,
        .is_retry = piece->attempt > 0,
    };
    lanes->entry_count++;
    if (lanes->entry_count >= lanes->count_max + lanes->count_max / 10) {
        merge(lanes, lanes->count_max / 2);
    }
}

void report_lanes_settle(struct report_lanes *lanes)
{
    for (size_t i = 0; i < lanes->lane_count; i++) {
        sort(&lanes->lanes[i]);
    }
    merge(lanes, lanes->count_max);
}

/* ---- Encoding ---------------------------------------------------------------------------------
 */

uint64_t report_lanes_tick_us(const struct report_lanes *lanes)
{
    uint64_t tick_us = 1;
    while (lanes->total_us / tick_us > TICKS_MAX) {
        tick_us *= 10;
    }
    return tick_us;
}

enum column { COLUMN_PAUSE, COLUMN_LENGTH, COLUMN_INDEX, COLUMN_WHAT, COLUMN_MORE };
enum { COLUMN_COUNT = COLUMN_MORE + 1 };

/* What the entry before left. */
struct encoding {
    struct buffer columns[COLUMN_COUNT];
    uint64_t tick_us;
    uint64_t end_ticks;
    uint64_t index;
    uint32_t map;
};

static MUST_CHECK enum status put_what(struct encoding *encoding, const struct report_entry *entry)
{
    const bool is_many = entry->count > 1;
    const bool is_of_other = entry->map != encoding->map;
    const unsigned what = entry->state | (entry->is_retry ? REPORT_ENTRY_RETRY : 0u) |
                          (is_many ? REPORT_ENTRY_MANY : 0u) |
                          (is_of_other ? REPORT_ENTRY_MAP : 0u);
    struct buffer *more = &encoding->columns[COLUMN_MORE];
    enum status status = report_put_number(&encoding->columns[COLUMN_WHAT], what);
    if (status == STATUS_OK && is_many) {
        status = report_put_number(more, entry->count - 2);
    }
    if (status == STATUS_OK && is_many) {
        status = report_put_number(more, entry->failed);
    }
    if (status == STATUS_OK && is_of_other) {
        status = report_put_number(more, entry->map);
    }
    encoding->map = entry->map;
    return status;
}

static MUST_CHECK enum status put_entry(struct encoding *encoding, const struct report_entry *entry)
{
    const uint64_t start = entry->start_us / encoding->tick_us;
    const uint64_t end = entry->end_us / encoding->tick_us;
    const uint64_t pause = start > encoding->end_ticks ? start - encoding->end_ticks : 0;
    const uint64_t begun = encoding->end_ticks + pause;
    enum status status = report_put_number(&encoding->columns[COLUMN_PAUSE], pause);
    if (status == STATUS_OK) {
        status =
            report_put_number(&encoding->columns[COLUMN_LENGTH], end > begun ? end - begun : 0);
    }
    if (status == STATUS_OK) {
        status = report_put_number(&encoding->columns[COLUMN_INDEX],
                                   report_zigzag((int64_t)(entry->index - encoding->index)));
    }
    encoding->end_ticks = end > begun ? end : begun;
    encoding->index = entry->index + entry->count;
    return status == STATUS_OK ? put_what(encoding, entry) : status;
}

enum status report_lanes_encode(const struct report_lanes *lanes, struct buffer *out)
{
    struct encoding encoding = {.tick_us = report_lanes_tick_us(lanes)};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < lanes->lane_count; i++) {
        encoding.end_ticks = 0;
        for (size_t k = 0; k < lanes->lanes[i].count && status == STATUS_OK; k++) {
            status = put_entry(&encoding, &lanes->lanes[i].entries[k]);
        }
    }
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (status == STATUS_OK) {
            status = buffer_append(out, encoding.columns[i].data, encoding.columns[i].size);
        }
        buffer_free(&encoding.columns[i]);
    }
    return status;
}
