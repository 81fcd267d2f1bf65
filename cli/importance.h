/* importance.h - how much of the differences between trials a parameter explains.
 *
 * The values of the trials are replaced by their ranks (ties share the mean of theirs), so that a
 * few diverged trials do not decide. Of a parameter with more than IMPORTANCE_LEVELS_MAX different
 * numbers, or another one for each of five trials or more, it is the square of Spearman's rank
 * correlation (C. Spearman, "The proof and measurement of association between two things", 1904).
 * Of any other, whose values are levels, it is epsilon squared, the share of the ranks' variance
 * that lies between levels, less what chance would give (T. L. Kelley, "An unbiased correlation
 * ratio measure", 1935). Both are from 0 (none) to 1 (all), and know nothing of what parameters do
 * together.
 *
 * Threads: any. Failure: of memory only (see shared/memory.h).
 */
#ifndef CLI_IMPORTANCE_H
#define CLI_IMPORTANCE_H

#include <stddef.h>

#define IMPORTANCE_LEVELS_MAX 10

/* One trial's setting of the parameter. */
struct importance_setting {
    const char *level; /* its text: equal ones are one level */
    double number;     /* NaN: it is none */
};

/* Of `count` trials with these values, none of them NaN. NaN where nothing can be said: fewer than
 * three trials, one level, or values that are all equal. */
double importance_of(const struct importance_setting *settings, const double *values, size_t count);

#endif
