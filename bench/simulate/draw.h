/* draw.h - how long modelled instances run: drawn from a distribution, by seed and index.
 *
 * An instance's duration is a function of its index, so that it is the same wherever and however
 * often it runs, and two schedules of one seed do the same work.
 *
 * Threads: pure. Failure: none, but for draw_parse().
 */
#ifndef BENCH_SIMULATE_DRAW_H
#define BENCH_SIMULATE_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#define DRAW_TABLE_SIZE 1024

enum draw_kind { DRAW_CONSTANT, DRAW_LOGNORMAL, DRAW_BIMODAL, DRAW_DRIFT };

struct draw {
    enum draw_kind kind;
    double mean_ns;
    double parameter; /* LOGNORMAL: sigma; BIMODAL: the long ones' factor; DRIFT: last / first */
    uint64_t size;    /* instances of the map */
    uint64_t seed;
    uint64_t straggler_ns; /* of the instance straggler_at; 0: there is none */
    uint64_t straggler_at;
    double table[DRAW_TABLE_SIZE + 1]; /* LOGNORMAL: quantiles, of mean 1 */
};

/* "constant", "lognormal[:SIGMA]", "bimodal[:FACTOR]" (one of a hundred takes FACTOR times the
 * others), "drift[:FACTOR]" (from the first instance to the last). */
bool draw_parse(const char *text, struct draw *draw_out);
/* After the other fields are set. */
void draw_prepare(struct draw *draw);

/* Of one instance, in nanoseconds, at least 1. */
double draw_ns(const struct draw *draw, uint64_t index);
/* Of `count` instances one after the other: their sum where they are few, else one draw of what
 * such sums are distributed as (Fenton and Wilkinson: a sum of lognormals is nearly one). */
double draw_sum_ns(const struct draw *draw, uint64_t start, uint64_t count);

/* Uniform in [0, 1). */
double draw_uniform(uint64_t seed, uint64_t number);

#endif
