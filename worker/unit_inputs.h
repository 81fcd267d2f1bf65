/* unit_inputs.h - the packed inputs of a unit: they come in frames, which are unpacked one by one
 * as batches need them.
 *
 *     unit_inputs_take --> unit_inputs_next ... --> unit_inputs_free
 *
 * So the first batch does not wait for the last frame, and what is unpacked is used while it is in
 * the processor's caches, in memory that is used again and again.
 *
 * Ownership: the caller owns the struct; it owns its memory. What unit_inputs_next() gives is a
 * view that is valid until the next call. Failure:   frames that cannot be unpacked are
 * STATUS_PROTOCOL, when their turn comes. Where there are fewer elements than the unit has
 * instances, the last ones have none.
 */
#ifndef WORKER_UNIT_INPUTS_H
#define WORKER_UNIT_INPUTS_H

#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/wire.h"

struct unit_inputs {
    uint8_t *frames; /* LZ4, one after the other; NULL where all is unpacked */
    size_t frames_size;
    size_t frames_used;
    uint64_t packed_left; /* bytes that those not unpacked yet shall hold */
    uint64_t skip;        /* elements that still come before the unit's own */
    struct buffer packed; /* elements, of which the first `used` bytes were given out */
    size_t used;
};

/* Copy what the unit brings. `memory` is used for what is unpacked, and becomes empty; on failure
 * too it is the inputs' then. */
MUST_CHECK enum status unit_inputs_take(struct unit_inputs *inputs, const struct wire_unit *unit,
                                        struct buffer *memory, struct error *err);

/* Elements that are packed already, copied. */
MUST_CHECK enum status unit_inputs_copy(struct unit_inputs *inputs, const uint8_t *packed,
                                        size_t size, struct error *err);

/* Of the next `count_max` elements, as many as fit `size_max` bytes, or one. An element that cannot
 * be read takes all that is left, and is given as if it were all of them. */
MUST_CHECK enum status unit_inputs_next(struct unit_inputs *inputs, uint64_t count_max,
                                        size_t size_max, uint64_t *count_out,
                                        const uint8_t **packed_out, size_t *size_out,
                                        struct error *err);

/* A look at elements that come later: behind the next `skip` ones, up to `count_max` that fit
 * `size_max` bytes together. Gives how many were found. The view is valid until the next call. */
MUST_CHECK uint64_t unit_inputs_look(struct unit_inputs *inputs, uint64_t skip, uint64_t count_max,
                                     size_t size_max, const uint8_t **packed_out, size_t *size_out);

/* Gives the memory that it unpacked into. */
struct buffer unit_inputs_free(struct unit_inputs *inputs);

#endif
