/* counters.h - one small counter an instance, as narrow as the largest value that it may reach.
 *
 * Counters are 1, 2, 4, 8, 16, 32 or 64 bits wide and exist only in blocks of 2^16 instances in
 * which one of them was ever raised; every other counter reads 0.
 *
 * Failure: none (see shared/memory.h). Raising a counter past value_max is a caller's bug, and
 *          asserts: no budget, however large, overflows.
 */
#ifndef MASTER_COUNTERS_H
#define MASTER_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#define COUNTERS_BLOCK_SIZE (1u << 16)

struct counters {
    uint64_t value_max;
    unsigned width;   /* bits */
    uint8_t **blocks; /* NULL where all are 0 */
    size_t block_count;
};

/* Make counters that can hold values up to `value_max`. */
struct counters counters_make(uint64_t value_max);
void counters_free(struct counters *counters);

uint64_t counters_get(const struct counters *counters, uint64_t index);
/* Add one; gives the new value, which is at most value_max. */
uint64_t counters_raise(struct counters *counters, uint64_t index);
/* Replace it; what is above value_max becomes value_max. */
void counters_set(struct counters *counters, uint64_t index, uint64_t value);

/* The first index at or after `index` whose counter may be above 0, in steps of whole blocks:
 * UINT64_MAX where none is left. Lets a walk over runs of instances skip what never failed. */
uint64_t counters_next_block(const struct counters *counters, uint64_t index);
/* The same, but `end` where there is none below that: costs the blocks between. */
uint64_t counters_next_block_before(const struct counters *counters, uint64_t index, uint64_t end);

#endif
