/* seed.h - the random seed of an instance: the same at every attempt and on every rank. */
#ifndef SHARED_SEED_H
#define SHARED_SEED_H

#include <stdint.h>

/* The output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014): a bijection, so that no two indices of a run share a seed. */
static inline uint64_t seed_mix(uint64_t bits)
{
    bits += UINT64_C(0x9E3779B97F4A7C15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

static inline uint64_t seed_of(uint64_t run_seed, uint64_t index)
{
    return seed_mix(seed_mix(run_seed) + index);
}

#endif
