/* early_stop.h - which trials of a sweep are stopped while they run: asynchronous successive
 * halving.
 *
 *     early_stop_create --> early_stop_begin, early_stop_report (for each report of a trial),
 *                           early_stop_end --> early_stop_destroy
 *
 * A bracket is a number of reports. At each report of a trial that has reached one, its b-th value
 * is compared with those of all trials that have b reports, where b is the highest bracket that it
 * has reached: it is stopped where it is worse than element int(n / eta) of those n, the best
 * first. So the first to arrive goes on.
 *
 * Ownership: none is taken; everything is copied.
 * Threads:   one. Nothing here reads a clock or does I/O: reports in, decisions out.
 * Failure:   NO_MEMORY; a report that comes late, or of another attempt, decides nothing.
 */
#ifndef MASTER_EARLY_STOP_H
#define MASTER_EARLY_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

#define EARLY_STOP_BRACKETS_MAX 1000

struct early_stop_options {
    bool is_maximised;
    bool is_strict;    /* compare the b-th value of a trial; else its best so far */
    double eta;        /* above 1 */
    uint64_t min_iter; /* the first bracket; 0: by max_iter */
    uint64_t max_iter; /* of which the brackets are fractions */
    uint64_t s;        /* how many; with max_iter */
};

struct early_stop; /* fields: early_stop.c */

/* INVALID with a text where the options make no sense or no bracket. */
MUST_CHECK enum status early_stop_create(struct early_stop_options options,
                                         struct early_stop **early_stop_out, struct error *err);
void early_stop_destroy(struct early_stop *early_stop); /* NULL is allowed */

/* The brackets, ascending; those of min_iter go on for as long as counts do. */
size_t early_stop_bracket_count(const struct early_stop *early_stop);
uint64_t early_stop_bracket(const struct early_stop *early_stop, size_t i);

struct early_stop_decision {
    bool is_stopped;
    uint64_t bracket; /* 0: the trial has reached none */
    double value;     /* of the trial, as it was reported */
    double threshold; /* as it was reported by some trial; NaN and infinities count as worst */
};

/* An attempt of the trial begins: what an earlier one has reported is forgotten. */
MUST_CHECK enum status early_stop_begin(struct early_stop *early_stop, uint64_t trial,
                                        uint64_t attempt);
/* One report, whatever its step. */
MUST_CHECK enum status early_stop_report(struct early_stop *early_stop, uint64_t trial,
                                         uint64_t attempt, double value,
                                         struct early_stop_decision *decision_out);
/* Of the attempt so many reports are not told: the next one is that after them. Those at brackets
 * are to be told. */
void early_stop_skip(struct early_stop *early_stop, uint64_t trial, uint64_t attempt,
                     uint64_t reports);
/* Its attempt has ended, in whatever way: its values go on to count, later reports don't. */
void early_stop_end(struct early_stop *early_stop, uint64_t trial);

#endif
