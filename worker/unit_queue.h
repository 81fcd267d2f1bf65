/* unit_queue.h - the units that a worker rank holds, and what of them has not been started yet.
 *
 *     unit_queue_add --> unit_queue_carve ... (batches, from the front)
 *                   +--> unit_queue_give_back (answers to recalls, from the back)
 *
 * All spans of a unit have the same growth, and so has a batch: one that comes with several is
 * taken in as several of the same lease. What does not fit now is passed over, and holds nobody up.
 *
 * Ownership: the queue owns its units, their spans and inputs. A carved batch is views into its
 *            unit, which stays until unit_queue_drop_started() finds nothing left of it.
 * Failure:   a unit whose inputs cannot be unpacked is refused whole. Where there are too few of
 *            them, the last instances have none, and fail when they are run.
 */
#ifndef WORKER_UNIT_QUEUE_H
#define WORKER_UNIT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/wire.h"

/* Instances that are started together. */
struct batch {
    const struct span *spans;
    size_t span_count;
    uint64_t instance_count;
    uint64_t growth;       /* of each of them */
    const uint8_t *inputs; /* packed elements, one after the other; none for a formula */
    size_t inputs_size;
};

struct unit {
    uint64_t lease;
    uint64_t growth;
    struct span *spans; /* not started yet, from first_span on */
    size_t first_span;
    size_t span_count; /* of the array */
    bool has_inputs;
    uint8_t *inputs; /* packed, of all instances that the unit had, and perhaps of others around */
    size_t inputs_size;
    size_t inputs_used; /* by what was started, and by what stands before it */
    struct unit *next;
};

/* All zero is an empty queue. */
struct unit_queue {
    struct unit *first;
    uint64_t count; /* instances not started */
};

void unit_queue_free(struct unit_queue *queue);

MUST_CHECK enum status unit_queue_add(struct unit_queue *queue, const struct wire_unit *unit,
                                      bool is_formula, struct error *err);

/* Up to `count_max` instances from the front that have grown at most `growth_max` times, at most
 * `span_max` spans, all of one unit. The spans are written to `spans`, which the batch then points
 * at. False when there is none. */
MUST_CHECK bool unit_queue_carve(struct unit_queue *queue, uint64_t growth_max, uint64_t count_max,
                                 struct span *spans, size_t span_max, struct batch *batch_out,
                                 uint64_t *lease_out);

/* Is there one? */
bool unit_queue_has(const struct unit_queue *queue, uint64_t growth_max);

/* Take up to `count_max` instances of a lease away from its back. Gives how many spans were written
 * (sorted), at most `span_max`; 0 where nothing is left, or no such lease is held. */
size_t unit_queue_give_back(struct unit_queue *queue, uint64_t lease, uint64_t count_max,
                            struct span *spans_out, size_t span_max);

/* Drop the units of which nothing is left to start. Batches carved of them must be over. */
void unit_queue_drop_started(struct unit_queue *queue);

#endif
