/* report_states.h - the state of each instance of a map, by index, as a page draws it: a row of
 * cells, each of one instance or, in a large map, of as many as it takes.
 *
 * Encoded: runs of equal cells, each a LEB128 number of cells and one that says what they are: the
 * state that tells most among the cell's instances, and in the bits above the third how much of the
 * cell has not succeeded, from 0 to 31 (in a cell of one instance, all or nothing).
 */
#ifndef CLI_REPORT_STATES_H
#define CLI_REPORT_STATES_H

#include <stdint.h>

#include "master/map_past.h"
#include "shared/buffer.h"
#include "shared/error.h"

/* The states of attempt.h, and one more. */
#define REPORT_STATE_RETRIED 7 /* succeeded, and not at once */

struct report_cells {
    uint64_t count;
    uint64_t size; /* instances of a cell; the last one may have less */
};

/* How a map of so many instances is cut, where each map may have about so many cells. */
struct report_cells report_cells_of(uint64_t size, uint64_t count_max);

MUST_CHECK enum status report_states_encode(const struct map_past *map, struct report_cells cells,
                                            struct buffer *out);

#endif
