/* unit_queue.h - the units that a worker rank holds, and what of them has not been started yet.
 *
 *     unit_queue_add --> unit_queue_carve ... (batches, from the front)
 *                   +--> unit_queue_give_back (answers to recalls, from the back)
 *
 * All spans of a unit have the same growth, and so has a batch: one that comes with several is
 * taken in as several of the same lease. What does not fit now is passed over, and holds nobody up.
 *
 * Ownership: the queue owns its units, their spans and inputs. The inputs of a carved batch are a
 * view into its unit, valid until the queue's next call. Failure:   inputs that cannot be unpacked
 * are found out when a batch needs them. Where there are too few of them, the last instances have
 * none, and fail when they are run.
 */
#ifndef WORKER_UNIT_QUEUE_H
#define WORKER_UNIT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/wire.h"
#include "worker/unit_inputs.h"

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
    uint64_t looked;   /* instances from the front that were looked at */
    bool has_inputs;
    struct unit_inputs inputs; /* of what is not started, and perhaps of others around */
    struct unit *next;
};

/* All zero is an empty queue. */
struct unit_queue {
    struct unit *first;
    uint64_t count;      /* instances not started */
    struct buffer spare; /* memory for inputs */
};

void unit_queue_free(struct unit_queue *queue);

MUST_CHECK enum status unit_queue_add(struct unit_queue *queue, const struct wire_unit *unit,
                                      bool is_formula, struct error *err);

/* Up to `count_max` instances from the front that have grown at most `growth_max` times, at most
 * `span_max` spans, all of one unit. The spans are written to `spans`, which the batch then points
 * at. NOT_FOUND, without a text, when there is none; PROTOCOL where its inputs cannot be unpacked.
 */
MUST_CHECK enum status unit_queue_carve(struct unit_queue *queue, uint64_t growth_max,
                                        uint64_t count_max, struct span *spans, size_t span_max,
                                        struct batch *batch_out, uint64_t *lease_out,
                                        struct error *err);

/* Inputs of the next `count_max` instances that were not looked at before; those of one unit that
 * fit `size_max` bytes, a view until the queue's next call. An instance whose input does not fit
 * counts as looked at. False: there are none. */
MUST_CHECK bool unit_queue_look(struct unit_queue *queue, uint64_t count_max, size_t size_max,
                                const uint8_t **inputs_out, size_t *size_out);

/* Is there one? */
bool unit_queue_has(const struct unit_queue *queue, uint64_t growth_max);

/* Take up to `count_max` instances of a lease away from its back. Gives how many spans were written
 * (sorted), at most `span_max`; 0 where nothing is left, or no such lease is held. */
size_t unit_queue_give_back(struct unit_queue *queue, uint64_t lease, uint64_t count_max,
                            struct span *spans_out, size_t span_max);

/* Drop the units of which nothing is left to start. */
void unit_queue_drop_started(struct unit_queue *queue);

#endif
