/* quasi.h - points that fill a space evenly: Sobol's up to 40 dimensions, Halton's up to 1229.
 *
 * Point 0 is the origin, which GSL's generators leave out: with it, the first 2^m points of Sobol's
 * hit each of 2^k levels of a dimension equally often. Points are not scrambled.
 *
 * The generators go forwards only, so that points are cheap in ascending order; a step back begins
 * anew.
 */
#ifndef SHARED_QUASI_H
#define SHARED_QUASI_H

#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

#define QUASI_DIMENSION_MAX 1229
#define QUASI_COUNT_MAX ((uint64_t)10000000)

struct quasi; /* fields: quasi.c */

/* 1 to QUASI_DIMENSION_MAX dimensions. */
MUST_CHECK enum status quasi_create(size_t dimension, struct quasi **quasi_out);
void quasi_destroy(struct quasi *quasi); /* NULL is allowed */

/* Coordinate d of point `index` (below QUASI_COUNT_MAX) is bits[d] / 2^64. Valid until the next
 * call. */
const uint64_t *quasi_point(struct quasi *quasi, uint64_t index);

#endif
