/* criterion.h - how many successes a map needs: read from text, worked out for a map of n.
 *
 * The ratio is the decimal that the user wrote, and its ceiling is exact: 0.07 of 100 is 7, where
 * binary floating point would give 8.
 */
#ifndef SHARED_CRITERION_H
#define SHARED_CRITERION_H

#include <stdint.h>

#include "shared/error.h"
#include "shared/map_options.h"

/* "0.8": digits with at most one point, from 0 to 1, at most CRITERION_RATIO_TEXT_SIZE - 1
 * characters. The text of an error says what was found and expected. */
MUST_CHECK enum status criterion_parse_ratio(const char *text, struct criterion *criterion_out,
                                             struct error *err);

/* The number of successes that a map of `size` instances needs. STATUS_INVALID when the criterion
 * cannot be met by that many instances. */
MUST_CHECK enum status criterion_minimum(const struct criterion *criterion, uint64_t size,
                                         uint64_t *minimum_out, struct error *err);

#endif
