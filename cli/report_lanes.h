/* report_lanes.h - what each slot of each rank ran, in as much detail as a page has room for.
 *
 *     report_lanes_create --> report_lanes_add ... --> report_lanes_encode --> report_lanes_destroy
 *
 * A lane is one slot of one rank, and holds entries: pieces of the chronicle. Where there are more
 * than REPORT_ENTRY_COUNT_MAX, neighbours are put together: first short successes, at last whatever
 * is closer than anybody could see; so memory and page stay bounded however long the run was.
 *
 * Encoded, five lists of LEB128 numbers stand one after the other, each with an item for each
 * entry, lane after lane, each lane in the order of time:
 *
 *     pause     from the end of the entry before it in its lane (the first: from the run's start)
 *     length    both in ticks, of tick_us each
 *     index     zigzag, less the one after the entry before it
 *     what      state, then bits: 8 a retry, 16 more than one attempt, 32 another map than before
 *     more      where `what` says so: count - 2 and failed; and the map (its place in the list)
 *
 * Failure: none (memory.h), but for the encoding's buffer.
 */
#ifndef CLI_REPORT_LANES_H
#define CLI_REPORT_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "master/chronicle.h"
#include "shared/buffer.h"
#include "shared/error.h"

#define REPORT_ENTRY_COUNT_MAX ((size_t)1 << 20)

enum { REPORT_ENTRY_RETRY = 8, REPORT_ENTRY_MANY = 16, REPORT_ENTRY_MAP = 32 };

struct report_entry {
    uint64_t start_us;
    uint64_t end_us;
    uint64_t index;  /* of the first */
    uint64_t count;  /* attempts */
    uint64_t failed; /* of them, those that came to something else than a success */
    uint32_t map;    /* its place among the maps */
    uint8_t state;   /* enum piece_state, of several the one that tells most */
    bool is_retry;   /* not the instance's first attempt */
};

struct report_lane {
    uint32_t rank;
    uint32_t slot;
    struct report_entry *entries;
    size_t count;
    size_t capacity;
};

struct report_lanes {
    uint64_t total_us;
    size_t count_max;
    struct report_lane *lanes; /* by rank and slot */
    size_t lane_count;
    size_t lane_capacity;
    size_t lane_at;     /* that was used last */
    size_t entry_count; /* of all lanes */
    uint64_t merge_us;  /* entries shorter than this were put together; 0: none were */
};

/* At most `count_max` entries are held, and a tenth more while it sorts them out. */
struct report_lanes report_lanes_start(uint64_t total_us, size_t count_max);
void report_lanes_free(struct report_lanes *lanes);

void report_lanes_add(struct report_lanes *lanes, const struct chronicle_piece *piece,
                      uint32_t map);
/* Put in order, and put together what is too much. After the last one was added. */
void report_lanes_settle(struct report_lanes *lanes);

/* Microseconds that one tick of the encoding has: 1, 10, 100, ... */
uint64_t report_lanes_tick_us(const struct report_lanes *lanes);
MUST_CHECK enum status report_lanes_encode(const struct report_lanes *lanes, struct buffer *out);

#endif
