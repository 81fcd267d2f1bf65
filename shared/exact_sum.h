/* exact_sum.h - a sum of floats without any rounding but the last.
 *
 * A double is a whole number of 2^-1074 of at most 2098 bits. The sum is kept as one of 2240 bits,
 * in digits of 32 bits with room for carries, so that adding is a few integer operations. So a sum
 * depends neither on the order of its terms nor on how they were put into groups.
 *
 * NaN, and infinities of both signs, make a NaN. A sum of nothing, and one that is zero, is 0.0.
 *
 * Ownership: the caller's struct; nothing is allocated.
 * Limits:    2^62 terms.
 */
#ifndef SHARED_EXACT_SUM_H
#define SHARED_EXACT_SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/pack.h"
#include "shared/unpack.h"

#define EXACT_SUM_DIGITS 70

struct exact_sum {
    int64_t digits[EXACT_SUM_DIGITS]; /* of 32 bits, the lowest first, until carries are made */
    uint32_t pending;                 /* additions since then */
    bool has_nan;
    bool has_plus;  /* infinity */
    bool has_minus; /* the other */
};

/* All zero is a sum of nothing. */
void exact_sum_add(struct exact_sum *sum, double term);
void exact_sum_merge(struct exact_sum *sum, const struct exact_sum *other);
/* To nearest, ties to even; infinite where it is beyond what a double holds. */
double exact_sum_value(const struct exact_sum *sum);
/* The same divided by a count above 0, which may be finite where the sum is not. */
double exact_sum_mean(const struct exact_sum *sum, uint64_t count);

/* As one packed value, and from it: reading fails, as unpack.h has it, on what makes no sense. */
void exact_sum_pack(const struct exact_sum *sum, struct pack *out);
void exact_sum_unpack(struct unpack *in, struct exact_sum *sum_out);

#endif
