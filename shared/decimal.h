/* decimal.h - steps and multiples as people write them: 0.15 is 3 times 0.05, and not
 * 0.15000000000000002.
 *
 * A float stands for the shortest decimal that reads back as it, which is what the user has typed
 * (of up to 15 digits, whatever they are). Sums and products are exact in decimal, and then the
 * nearest float. Where a result has more digits than 128 bits hold, floats are used as they are.
 */
#ifndef SHARED_DECIMAL_H
#define SHARED_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/mapfleet.h"

/* start + i * step: an int where both are ints and the sum fits, else a float. */
mf_value decimal_step(const mf_value *start, const mf_value *step, uint64_t i);

/* k * step for a whole number k of any sign. Of an int: an int, at the end of 64 bits where it
 * would be outside. */
mf_value decimal_multiple(const mf_value *step, double k);

/* How many of start, start + step, ... are below `end`; step > 0, and 0 where start >= end. False
 * where there are more than 2^63 - 1. */
bool decimal_step_count(const mf_value *start, const mf_value *end, const mf_value *step,
                        uint64_t *count_out);

#endif
