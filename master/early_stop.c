#include "master/early_stop.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/array.h"

#define BRACKET_MAX 0x1p53

struct bracket {
    uint64_t reports;
    double *values; /* what trials had reported by then: ascending, the best first */
    size_t count;
    size_t capacity;
};

struct trial {
    uint64_t index;
    uint64_t attempt;
    uint64_t reports;
    double best;
    double *at_bracket; /* its value at each bracket that it has reached */
    size_t reached;
    size_t capacity;
    bool is_running;
};

struct early_stop {
    struct early_stop_options options;
    struct bracket *brackets;
    size_t bracket_count;
    struct trial *trials; /* by index, ascending */
    size_t trial_count;
    size_t trial_capacity;
};

/* ---- Brackets -----------------------------------------------------------------------------------
 */

static void add_bracket(struct early_stop *early_stop, double reports)
{
    const uint64_t whole = (uint64_t)reports;
    const size_t count = early_stop->bracket_count;
    if (whole >= 1 && (count == 0 || early_stop->brackets[count - 1].reports < whole)) {
        early_stop->brackets[early_stop->bracket_count++] = (struct bracket){.reports = whole};
    }
}

/* int(min_iter * eta^i), i = 0, 1, ... */
static void brackets_from_min(struct early_stop *early_stop)
{
    double reports = (double)early_stop->options.min_iter;
    for (int i = 1; reports < BRACKET_MAX && early_stop->bracket_count < EARLY_STOP_BRACKETS_MAX;
         i++) {
        add_bracket(early_stop, reports);
        reports = (double)early_stop->options.min_iter * pow(early_stop->options.eta, i);
    }
}

/* int(max_iter / eta^i), i = s, ..., 1: ascending */
static void brackets_from_max(struct early_stop *early_stop)
{
    const uint64_t s = early_stop->options.s;
    for (uint64_t i = s < EARLY_STOP_BRACKETS_MAX ? s : EARLY_STOP_BRACKETS_MAX; i >= 1; i--) {
        add_bracket(early_stop,
                    (double)early_stop->options.max_iter / pow(early_stop->options.eta, (double)i));
    }
}

static enum status check(const struct early_stop_options *options, struct error *err)
{
    if (!(options->eta > 1) || !isfinite(options->eta)) {
        return error_set(err, STATUS_INVALID, "eta: found %g, expected more than 1", options->eta);
    }
    if ((options->min_iter > 0) == (options->max_iter > 0)) {
        return error_set(err, STATUS_INVALID,
                         options->min_iter > 0
                             ? "min_iter and max_iter: expected one of them (min_iter is the first "
                               "bracket; max_iter is divided by eta, s times)"
                             : "expected min_iter, or max_iter and s");
    }
    if (options->min_iter > 0 && options->s > 0) {
        return error_set(err, STATUS_INVALID, "s belongs to max_iter, and min_iter is given");
    }
    return options->max_iter > 0 && options->s == 0
               ? error_set(err, STATUS_INVALID, "max_iter needs s, the number of brackets")
               : STATUS_OK;
}

enum status early_stop_create(struct early_stop_options options, struct early_stop **early_stop_out,
                              struct error *err)
{
    const enum status status = check(&options, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct early_stop *early_stop = calloc(1, sizeof(*early_stop));
    if (early_stop == NULL) {
        return STATUS_NO_MEMORY;
    }
    early_stop->options = options;
    early_stop->brackets = calloc(EARLY_STOP_BRACKETS_MAX, sizeof(*early_stop->brackets));
    if (early_stop->brackets == NULL) {
        early_stop_destroy(early_stop);
        return STATUS_NO_MEMORY;
    }
    if (options.min_iter > 0) {
        brackets_from_min(early_stop);
    } else {
        brackets_from_max(early_stop);
    }
    if (early_stop->bracket_count == 0) {
        early_stop_destroy(early_stop);
        return error_set(err, STATUS_INVALID,
                         "no bracket: %" PRIu64 " reports divided by eta %g are less than 1",
                         options.max_iter, options.eta);
    }
    *early_stop_out = early_stop;
    return STATUS_OK;
}

void early_stop_destroy(struct early_stop *early_stop)
{
    if (early_stop == NULL) {
        return;
    }
    for (size_t i = 0; early_stop->brackets != NULL && i < early_stop->bracket_count; i++) {
        free(early_stop->brackets[i].values);
    }
    for (size_t i = 0; i < early_stop->trial_count; i++) {
        free(early_stop->trials[i].at_bracket);
    }
    free(early_stop->brackets);
    free(early_stop->trials);
    free(early_stop);
}

size_t early_stop_bracket_count(const struct early_stop *early_stop)
{
    return early_stop->bracket_count;
}

uint64_t early_stop_bracket(const struct early_stop *early_stop, size_t i)
{
    assert(i < early_stop->bracket_count);
    return early_stop->brackets[i].reports;
}

/* ---- Values in order ----------------------------------------------------------------------------
 */

/* Small is good. What is no number is as bad as can be. */
static double badness(const struct early_stop *early_stop, double value)
{
    if (!isfinite(value)) {
        return INFINITY;
    }
    return early_stop->options.is_maximised ? -value : value;
}

static double as_reported(const struct early_stop *early_stop, double bad)
{
    return early_stop->options.is_maximised ? -bad : bad;
}

/* The first that is not below `value`. */
static size_t lower_bound(const struct bracket *bracket, double value)
{
    size_t low = 0;
    size_t high = bracket->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (bracket->values[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum status insert(struct bracket *bracket, double value)
{
    void *memory = bracket->values;
    if (!array_grow(&memory, &bracket->capacity, bracket->count, sizeof(*bracket->values))) {
        return STATUS_NO_MEMORY;
    }
    bracket->values = memory;
    const size_t at = lower_bound(bracket, value);
    memmove(bracket->values + at + 1, bracket->values + at,
            (bracket->count - at) * sizeof(*bracket->values));
    bracket->values[at] = value;
    bracket->count++;
    return STATUS_OK;
}

static void take_out(struct bracket *bracket, double value)
{
    const size_t at = lower_bound(bracket, value);
    assert(at < bracket->count && bracket->values[at] == value);
    bracket->count--;
    memmove(bracket->values + at, bracket->values + at + 1,
            (bracket->count - at) * sizeof(*bracket->values));
}

/* ---- Trials -------------------------------------------------------------------------------------
 */

/* Its place among the trials, or where it would be. */
static size_t trial_place(const struct early_stop *early_stop, uint64_t index)
{
    size_t low = 0;
    size_t high = early_stop->trial_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (early_stop->trials[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct trial *find_trial(struct early_stop *early_stop, uint64_t index)
{
    const size_t at = trial_place(early_stop, index);
    return at < early_stop->trial_count && early_stop->trials[at].index == index
               ? &early_stop->trials[at]
               : NULL;
}

static struct trial *add_trial(struct early_stop *early_stop, uint64_t index)
{
    void *memory = early_stop->trials;
    if (!array_grow(&memory, &early_stop->trial_capacity, early_stop->trial_count,
                    sizeof(*early_stop->trials))) {
        return NULL;
    }
    early_stop->trials = memory;
    const size_t at = trial_place(early_stop, index);
    memmove(early_stop->trials + at + 1, early_stop->trials + at,
            (early_stop->trial_count - at) * sizeof(*early_stop->trials));
    early_stop->trials[at] = (struct trial){.index = index};
    early_stop->trial_count++;
    return &early_stop->trials[at];
}

enum status early_stop_begin(struct early_stop *early_stop, uint64_t trial_index, uint64_t attempt)
{
    struct trial *trial = find_trial(early_stop, trial_index);
    if (trial == NULL) {
        trial = add_trial(early_stop, trial_index);
    }
    if (trial == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < trial->reached; i++) {
        take_out(&early_stop->brackets[i], trial->at_bracket[i]);
    }
    trial->reached = 0;
    trial->reports = 0;
    trial->best = INFINITY;
    trial->attempt = attempt;
    trial->is_running = true;
    return STATUS_OK;
}

void early_stop_end(struct early_stop *early_stop, uint64_t trial_index)
{
    struct trial *trial = find_trial(early_stop, trial_index);
    if (trial != NULL) {
        trial->is_running = false;
    }
}

void early_stop_skip(struct early_stop *early_stop, uint64_t trial_index, uint64_t attempt,
                     uint64_t reports)
{
    struct trial *trial = find_trial(early_stop, trial_index);
    if (trial != NULL && trial->is_running && trial->attempt == attempt) {
        trial->reports += reports;
    }
}

/* Is this report the one that the next bracket waits for? */
static enum status reach(struct early_stop *early_stop, struct trial *trial, double bad)
{
    void *memory = trial->at_bracket;
    struct bracket *bracket = &early_stop->brackets[trial->reached];
    if (trial->reached == early_stop->bracket_count || bracket->reports != trial->reports) {
        return STATUS_OK;
    }
    if (!array_grow(&memory, &trial->capacity, trial->reached, sizeof(*trial->at_bracket))) {
        return STATUS_NO_MEMORY;
    }
    trial->at_bracket = memory;
    const enum status status = insert(bracket, bad);
    if (status == STATUS_OK) {
        trial->at_bracket[trial->reached++] = bad;
    }
    return status;
}

static struct early_stop_decision decide(const struct early_stop *early_stop,
                                         const struct trial *trial)
{
    const struct bracket *bracket = &early_stop->brackets[trial->reached - 1];
    const double value =
        early_stop->options.is_strict ? trial->at_bracket[trial->reached - 1] : trial->best;
    const size_t element = (size_t)((double)bracket->count / early_stop->options.eta);
    const double threshold =
        bracket->values[element < bracket->count ? element : bracket->count - 1];
    return (struct early_stop_decision){.is_stopped = value > threshold,
                                        .bracket = bracket->reports,
                                        .value = as_reported(early_stop, value),
                                        .threshold = as_reported(early_stop, threshold)};
}

enum status early_stop_report(struct early_stop *early_stop, uint64_t trial_index, uint64_t attempt,
                              double value, struct early_stop_decision *decision_out)
{
    struct trial *trial = find_trial(early_stop, trial_index);
    const double bad = badness(early_stop, value);
    *decision_out = (struct early_stop_decision){.is_stopped = false};
    if (trial == NULL || !trial->is_running || trial->attempt != attempt) {
        return STATUS_OK;
    }
    trial->reports++;
    trial->best = fmin(trial->best, bad);
    const enum status status = reach(early_stop, trial, bad);
    if (status == STATUS_OK && trial->reached > 0) {
        *decision_out = decide(early_stop, trial);
    }
    return status;
}
