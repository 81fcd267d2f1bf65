/* workflow_places.h - where in a run's log the outputs of a map are, as bytes: beside OVER.
 *
 * Ownership: places that are unpacked are in the caller's arena.
 * Failure:   unpacking is safe on any bytes.
 */
#ifndef SHARED_WORKFLOW_PLACES_H
#define SHARED_WORKFLOW_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"

/* Outputs that follow each other in one data frame of the log, of instances that do. */
struct workflow_place {
    uint64_t offset;   /* of the frame in the log */
    uint64_t size;     /* of the frame, in bytes */
    uint64_t position; /* of the first one among the frame's outputs */
    uint64_t start;    /* its instance */
    uint64_t count;
    bool is_partial; /* it is one partial value, and covers more than its first instance */
};

/* One more, appended. */
MUST_CHECK enum status workflow_places_pack(const struct workflow_place *place, struct buffer *out);
/* All of them, sorted by frame and position; instances are below `size`. PROTOCOL where they make
 * no sense. */
MUST_CHECK enum status workflow_places_unpack(const struct buffer *bytes, uint64_t size,
                                              struct arena *arena,
                                              struct workflow_place **places_out, size_t *count_out,
                                              struct error *err);

#endif
