/* grid.h - the inputs of a grid: every combination of some lists of values, as records.
 *
 *     grid_open --> grid_value (for each instance that runs) --> grid_close
 *
 * A grid is its axes, packed: a list of [name, list of values] in msgpack. Element `index` is
 * computed from its index, the last axis fastest, and the combinations are never listed.
 *
 * Ownership: a grid copies what it is opened from.
 * Threads:   one.
 * Failure:   STATUS_INVALID for what is no grid: no axes, an axis without values or with a name
 * that another has, more than FORMULA_COUNT_MAX combinations.
 */
#ifndef SHARED_GRID_H
#define SHARED_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/formula.h"
#include "shared/mapfleet.h"

struct grid; /* fields: grid.c */

MUST_CHECK enum status grid_open(const uint8_t *packed, size_t size, struct grid **grid_out,
                                 struct error *err);
void grid_close(struct grid *grid); /* NULL is allowed */

uint64_t grid_count(const struct grid *grid);
/* Its axes, for people and for checks: how many, the name, and the values of each (a list). */
size_t grid_axis_count(const struct grid *grid);
const mf_value *grid_axis_name(const struct grid *grid, size_t axis);
const mf_value *grid_axis_values(const struct grid *grid, size_t axis);

/* Element `index` (below the count), valid until the next call. */
mf_value grid_value(struct grid *grid, uint64_t index);

#endif
