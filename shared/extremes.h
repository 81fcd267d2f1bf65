/* extremes.h - the smaller and the larger of two numbers, each argument taken once. */
#ifndef SHARED_EXTREMES_H
#define SHARED_EXTREMES_H

#include <stdint.h>

static inline uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
