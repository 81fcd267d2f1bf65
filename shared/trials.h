/* trials.h - the trials of a sweep, computed from their index and never listed.
 *
 *     trials_create --> trials_record, trials_record ... --> trials_destroy
 *
 * A grid is the product of its parameters, the last name fastest; points that the constraints
 * exclude are no trials, and points that are the same once parameters are left out are one, at the
 * place of the first. A random trial is drawn, each parameter for itself, from (seed, index, name):
 * the same on any number of ranks, and whatever other parameters there are. A quasi-random one is a
 * point of a sequence that fills the space evenly. A draw that the constraints exclude is repeated,
 * at random.
 *
 * Ownership: the space outlives its trials; records lie in the caller's arena, and their values in
 *            the space.
 * Threads:   one at a time.
 * Failure:   what no trials can be made of is refused by trials_create(), without having started
 *            anything. A draw that is repeated TRIALS_DRAWS_MAX times in vain is LIMIT.
 */
#ifndef SHARED_TRIALS_H
#define SHARED_TRIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/space.h"

#define TRIALS_DRAWS_MAX 10000
/* Points of a grid that are looked at where some are excluded. */
#define TRIALS_POINTS_MAX ((uint64_t)10000000)
#define TRIALS_COUNT_MAX ((uint64_t)INT64_MAX)

/* Of ADAPTIVE ones, which a sampler proposes while they run, records are made up here as if they
 * were random: for a look at what they will be like. */
enum trials_method { TRIALS_GRID, TRIALS_RANDOM, TRIALS_QUASI, TRIALS_ADAPTIVE };

struct trials_options {
    enum trials_method method;
    uint64_t seed;
    uint64_t count; /* of trials; more than a grid has: all of it. 0: all of a grid */
};

struct trials; /* fields: trials.c */

MUST_CHECK enum status trials_create(const struct space *space, struct trials_options options,
                                     struct trials **trials_out, struct error *err);
void trials_destroy(struct trials *trials); /* NULL is allowed */

uint64_t trials_count(const struct trials *trials);

/* The parameters of trial `index` (below the count), as a record in which nests are records. */
MUST_CHECK enum status trials_record(struct trials *trials, uint64_t index, struct arena *arena,
                                     mf_value *record_out, struct error *err);

/* The expressions of a space alone, for values that come from elsewhere: with a value for each
 * parameter, which of them the trial has. False where a constraint does not hold. */
struct trials_filter; /* fields: trials_filter.c */
MUST_CHECK enum status trials_filter_create(const struct space *space,
                                            struct trials_filter **filter_out, struct error *err);
void trials_filter_destroy(struct trials_filter *filter); /* NULL is allowed */
MUST_CHECK bool trials_filter_apply(struct trials_filter *filter, const mf_value *values,
                                    bool *is_there);
/* As expressions_error(). */
const char *trials_filter_error(const struct trials_filter *filter);

/* As expressions_error(): one expression that has failed, for a warning. */
const char *trials_expression_error(const struct trials *trials);

#endif
