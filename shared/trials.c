#include "shared/trials.h"

#include <assert.h>
#include <gsl/gsl_errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shared/array.h"
#include "shared/quasi.h"
#include "shared/seed.h"

/* A third of the way, and no fraction of small numbers: where a distribution has no end, the points
 * of a sequence are moved on by this, around the end. Its first point would be far out otherwise.
 */
#define TURN UINT64_C(0x61C8864680B583EB)
#define REPEAT UINT64_C(0xD1342543DE82EF95)

struct trials {
    const struct space *space;
    struct trials_options options;
    uint64_t count;
    struct trials_filter *filter;
    bool has_conditions;
    uint64_t *sizes;   /* of a grid: the points of each parameter */
    uint64_t *streams; /* of draws: a number of each parameter's name and the seed */
    uint64_t *chosen;  /* of a grid with conditions: which points are trials */
    size_t chosen_capacity;
    struct quasi *quasi;
    mf_value *values;
    bool *is_there;
};

/* ---- Grids ------------------------------------------------------------------------------------
 */

static enum status find_sizes(struct trials *trials, uint64_t *size_out, struct error *err)
{
    uint64_t size = 1;
    for (size_t i = 0; i < trials->space->count; i++) {
        const struct parameter *parameter = &trials->space->parameters[i];
        const char *reason = "";
        if (!parameter_fits_grid(parameter, &reason)) {
            return error_set(err, STATUS_INVALID, "%s: %s", parameter->name, reason);
        }
        trials->sizes[i] = parameter_grid_count(parameter);
        if (trials->sizes[i] == 0 || __builtin_mul_overflow(size, trials->sizes[i], &size) ||
            size > TRIALS_COUNT_MAX) {
            return error_set(err, STATUS_INVALID,
                             "%s: the grid has more than 2^63 - 1 points with it", parameter->name);
        }
    }
    *size_out = size;
    return STATUS_OK;
}

/* The last name fastest. *is_first_out: no parameter that is left out has another than its first
 * value. What is left out decides nothing, so that of the points that are the same this is the
 * first. */
static bool take_point(struct trials *trials, uint64_t point, bool *is_first_out)
{
    const struct space *space = trials->space;
    uint64_t rest = point;
    for (size_t i = space->count; i-- > 0;) {
        trials->values[i] = parameter_grid_value(&space->parameters[i], rest % trials->sizes[i]);
        rest /= trials->sizes[i];
    }
    const bool is_admitted = trials_filter_apply(trials->filter, trials->values, trials->is_there);
    *is_first_out = true;
    rest = point;
    for (size_t i = space->count; i-- > 0;) {
        if (!trials->is_there[i] && rest % trials->sizes[i] != 0) {
            *is_first_out = false;
        }
        rest /= trials->sizes[i];
    }
    return is_admitted;
}

static enum status choose(struct trials *trials, uint64_t point)
{
    void *memory = trials->chosen;
    if (!array_grow(&memory, &trials->chosen_capacity, trials->count, sizeof(*trials->chosen))) {
        return STATUS_NO_MEMORY;
    }
    trials->chosen = memory;
    trials->chosen[trials->count++] = point;
    return STATUS_OK;
}

static enum status choose_points(struct trials *trials, uint64_t size, uint64_t count_max,
                                 struct error *err)
{
    for (uint64_t point = 0; point < size && trials->count < count_max; point++) {
        bool is_first = false;
        if (point == TRIALS_POINTS_MAX) {
            return error_set(err, STATUS_INVALID,
                             "the grid has %" PRIu64 " points, and with when or constraints at "
                             "most %" PRIu64 " are looked at: name fewer trials, or fewer values",
                             size, TRIALS_POINTS_MAX);
        }
        if (take_point(trials, point, &is_first) && is_first) {
            const enum status status = choose(trials, point);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return trials->count > 0 ? STATUS_OK
                             : error_set(err, STATUS_INVALID,
                                         "none of the %" PRIu64 " points of the grid satisfies "
                                         "the constraints",
                                         size);
}

static enum status prepare_grid(struct trials *trials, struct error *err)
{
    uint64_t size = 0;
    const uint64_t count_max = trials->options.count > 0 ? trials->options.count : UINT64_MAX;
    const enum status status = find_sizes(trials, &size, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (trials->has_conditions) {
        return choose_points(trials, size, count_max, err);
    }
    trials->count = size < count_max ? size : count_max;
    return STATUS_OK;
}

/* ---- Draws ------------------------------------------------------------------------------------
 */

static uint64_t random_bits(const struct trials *trials, size_t i, uint64_t index, uint64_t repeat)
{
    return seed_mix(seed_of(trials->streams[i], index) ^ (repeat * REPEAT));
}

static bool has_dimension(const struct parameter *parameter)
{
    return parameter->shape != SHAPE_CONSTANT;
}

static bool has_no_end(const struct parameter *parameter)
{
    return parameter->shape == SHAPE_NORMAL || parameter->shape == SHAPE_LOG_NORMAL ||
           parameter->shape == SHAPE_BETA;
}

/* A repetition is drawn at random also where the first is a point of a sequence. */
static void draw(struct trials *trials, uint64_t index, uint64_t repeat)
{
    const struct space *space = trials->space;
    const uint64_t *point =
        trials->quasi != NULL && repeat == 0 ? quasi_point(trials->quasi, index) : NULL;
    size_t dimension = 0;
    for (size_t i = 0; i < space->count; i++) {
        const struct parameter *parameter = &space->parameters[i];
        uint64_t bits = random_bits(trials, i, index, repeat);
        if (point != NULL && has_dimension(parameter)) {
            bits = point[dimension++] + (has_no_end(parameter) ? TURN : 0);
        }
        trials->values[i] = parameter_value(parameter, bits);
    }
}

/* Until one is admitted. */
static enum status take_draw(struct trials *trials, uint64_t index, struct error *err)
{
    for (uint64_t repeat = 0; repeat < TRIALS_DRAWS_MAX; repeat++) {
        draw(trials, index, repeat);
        if (trials_filter_apply(trials->filter, trials->values, trials->is_there)) {
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_LIMIT,
                     "trial %" PRIu64 ": none of %d draws satisfies the constraints", index,
                     TRIALS_DRAWS_MAX);
}

static enum status prepare_quasi(struct trials *trials, struct error *err)
{
    size_t dimension = 0;
    for (size_t i = 0; i < trials->space->count; i++) {
        dimension += has_dimension(&trials->space->parameters[i]) ? 1 : 0;
    }
    if (dimension > QUASI_DIMENSION_MAX || trials->count > QUASI_COUNT_MAX) {
        return error_set(err, STATUS_INVALID,
                         "quasi takes at most %d parameters and %" PRIu64 " trials",
                         QUASI_DIMENSION_MAX, QUASI_COUNT_MAX);
    }
    return dimension > 0 ? quasi_create(dimension, &trials->quasi) : STATUS_OK;
}

static enum status prepare_draws(struct trials *trials, struct error *err)
{
    enum status status = STATUS_OK;
    if (trials->options.count == 0 || trials->options.count > TRIALS_COUNT_MAX) {
        return error_set(err, STATUS_INVALID, "the number of trials is not known");
    }
    trials->count = trials->options.count;
    for (size_t i = 0; i < trials->space->count; i++) {
        const char *name = trials->space->parameters[i].name;
        trials->streams[i] = XXH3_64bits_withSeed(name, strlen(name), trials->options.seed);
    }
    if (trials->options.method == TRIALS_QUASI) {
        status = prepare_quasi(trials, err);
    }
    if (status == STATUS_OK && trials->has_conditions) {
        status = take_draw(trials, 0, err);
        status = status == STATUS_LIMIT ? STATUS_INVALID : status;
    }
    return status;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static bool has_conditions(const struct space *space)
{
    for (size_t i = 0; i < space->count; i++) {
        if (space->parameters[i].when != NULL) {
            return true;
        }
    }
    return space->constraint_count > 0;
}

/* GSL ends the process where a function of it fails, unless it is told not to. */
static enum status prepare(struct trials *trials, struct error *err)
{
    gsl_error_handler_t *before = gsl_set_error_handler_off();
    const enum status status = trials->options.method == TRIALS_GRID ? prepare_grid(trials, err)
                                                                     : prepare_draws(trials, err);
    (void)gsl_set_error_handler(before);
    return status;
}

enum status trials_create(const struct space *space, struct trials_options options,
                          struct trials **trials_out, struct error *err)
{
    enum status status = STATUS_NO_MEMORY;
    const size_t room = space->count + 1;
    struct trials *trials = calloc(1, sizeof(*trials));
    if (trials == NULL) {
        return status;
    }
    trials->space = space;
    trials->options = options;
    trials->has_conditions = has_conditions(space);
    trials->sizes = calloc(room, sizeof(*trials->sizes));
    trials->streams = calloc(room, sizeof(*trials->streams));
    trials->values = calloc(room, sizeof(*trials->values));
    trials->is_there = calloc(room, sizeof(*trials->is_there));
    if (trials->sizes != NULL && trials->streams != NULL && trials->values != NULL &&
        trials->is_there != NULL) {
        status = trials_filter_create(space, &trials->filter, err);
    }
    if (status == STATUS_OK) {
        status = prepare(trials, err);
    }
    if (status != STATUS_OK) {
        trials_destroy(trials);
        return status;
    }
    *trials_out = trials;
    return STATUS_OK;
}

void trials_destroy(struct trials *trials)
{
    if (trials == NULL) {
        return;
    }
    trials_filter_destroy(trials->filter);
    quasi_destroy(trials->quasi);
    free(trials->sizes);
    free(trials->streams);
    free(trials->chosen);
    free(trials->values);
    free(trials->is_there);
    free(trials);
}

uint64_t trials_count(const struct trials *trials)
{
    return trials->count;
}

enum status trials_record(struct trials *trials, uint64_t index, struct arena *arena,
                          mf_value *record_out, struct error *err)
{
    assert(index < trials->count);
    if (trials->options.method == TRIALS_GRID) {
        bool ignored;
        (void)take_point(trials, trials->chosen != NULL ? trials->chosen[index] : index, &ignored);
    } else {
        gsl_error_handler_t *before = gsl_set_error_handler_off();
        const enum status status = take_draw(trials, index, err);
        (void)gsl_set_error_handler(before);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return space_record(trials->space, trials->values, trials->is_there, arena, record_out);
}

const char *trials_expression_error(const struct trials *trials)
{
    return trials_filter_error(trials->filter);
}
