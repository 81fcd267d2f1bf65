#include "master/adaptive.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "master/index_map.h"
#include "shared/extremes.h"
#include "shared/memory.h"
#include "shared/trials.h"
#include "shared/value.h"

/* A sampler that hears nothing of what is reported has no use for more of it. */
#define REPORTS_SIZE_MAX ((size_t)4 << 20)

struct trial {
    uint64_t id;              /* the sampler's */
    enum sampler_state state; /* RUNNING until it has ended */
    double value;             /* that the trial itself had */
};

struct adaptive {
    struct adaptive_options options;
    struct trials_filter *filter;
    struct trial *trials;
    size_t count;
    size_t capacity;
    struct index_map ids; /* that were given, or stand in the history */
    struct arena arena;   /* of the line in hand */
    struct arena history; /* records of earlier sessions, until the greeting */
    mf_value *past;       /* one for each trial of them */
    struct buffer fresh;
    uint64_t fresh_count;
    bool is_greeted;
    bool is_ready;
    bool is_done;
    uint64_t open;            /* asked for, and not given */
    bool was_asked_again;     /* since it gave a trial last */
    uint64_t rejected_in_row; /* trials that broke a constraint, since the last that did not */
    bool has_values;
    double worst, best, latest; /* of trials that succeeded; where has_values */
};

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory for the trials of a sampler");
}

/* ---- Life -------------------------------------------------------------------------------------
 */

enum status adaptive_create(const struct adaptive_options *options, struct adaptive **adaptive_out,
                            struct error *err)
{
    assert(options->repeats > 0);
    struct adaptive *adaptive = calloc(1, sizeof(*adaptive));
    if (adaptive == NULL) {
        return fail_memory(err);
    }
    adaptive->options = *options;
    const enum status status = trials_filter_create(options->hello.space, &adaptive->filter, err);
    if (status != STATUS_OK) {
        free(adaptive);
        return status == STATUS_NO_MEMORY ? fail_memory(err) : status;
    }
    *adaptive_out = adaptive;
    return STATUS_OK;
}

void adaptive_destroy(struct adaptive *adaptive)
{
    if (adaptive == NULL) {
        return;
    }
    trials_filter_destroy(adaptive->filter);
    index_map_free(&adaptive->ids);
    arena_free(&adaptive->arena);
    arena_free(&adaptive->history);
    buffer_free(&adaptive->fresh);
    free(adaptive->past);
    free(adaptive->trials);
    free(adaptive);
}

static void add_trial(struct adaptive *adaptive, uint64_t id)
{
    adaptive->trials = memory_grow(adaptive->trials, adaptive->count, &adaptive->capacity,
                                   sizeof(*adaptive->trials));
    adaptive->trials[adaptive->count++] =
        (struct trial){.id = id, .state = SAMPLER_RUNNING, .value = NAN};
    index_map_put(&adaptive->ids, id, 0);
}

bool adaptive_is_ready(const struct adaptive *adaptive)
{
    return adaptive->is_ready;
}

bool adaptive_is_done(const struct adaptive *adaptive)
{
    return adaptive->is_done || adaptive->count >= adaptive->options.size;
}

uint64_t adaptive_count(const struct adaptive *adaptive)
{
    return adaptive->count;
}

const char *adaptive_expression_error(const struct adaptive *adaptive)
{
    return trials_filter_error(adaptive->filter);
}

/* ---- Earlier sessions -------------------------------------------------------------------------
 */

/* All repeats of a trial have its record; that of the first counts. Ids are numbers of trials. */
enum status adaptive_recall(struct adaptive *adaptive, const uint8_t *packed, size_t size,
                            uint64_t count, struct error *err)
{
    const uint64_t repeats = adaptive->options.repeats;
    size_t at = 0;
    assert(!adaptive->is_greeted && adaptive->count == 0);
    if (count % repeats != 0) {
        return error_set(err, STATUS_INVALID,
                         "the run has %" PRIu64 " instances, which are no whole trials of %" PRIu64,
                         count, repeats);
    }
    adaptive->past = memory_take((size_t)(count / repeats) + 1, sizeof(*adaptive->past));
    for (uint64_t i = 0; i < count; i++) {
        mf_value record;
        size_t used = 0;
        const enum status status =
            value_decode(&adaptive->history, packed + at, size - at, &used, &record, err);
        if (status != STATUS_OK) {
            return status;
        }
        at += used;
        if (i % repeats == 0) {
            adaptive->past[i / repeats] = record;
            add_trial(adaptive, i / repeats);
        }
    }
    return STATUS_OK;
}

/* ---- Results ----------------------------------------------------------------------------------
 */

static double imputed(const struct adaptive *adaptive)
{
    if (!adaptive->has_values) {
        return NAN;
    }
    switch (adaptive->options.impute) {
    case METRIC_IMPUTE_WORST:
        return adaptive->worst;
    case METRIC_IMPUTE_BEST:
        return adaptive->best;
    case METRIC_IMPUTE_LATEST:
        return adaptive->latest;
    }
    return NAN;
}

/* What the sampler is told of it. */
static double value_of(const struct adaptive *adaptive, const struct trial *trial)
{
    return trial->state == SAMPLER_FAILED ? imputed(adaptive) : trial->value;
}

static void note_value(struct adaptive *adaptive, double value)
{
    const bool is_maximised = adaptive->options.hello.is_maximised;
    const bool is_first = !adaptive->has_values;
    if (!isfinite(value)) {
        return;
    }
    adaptive->best = is_first       ? value
                     : is_maximised ? fmax(adaptive->best, value)
                                    : fmin(adaptive->best, value);
    adaptive->worst = is_first       ? value
                      : is_maximised ? fmin(adaptive->worst, value)
                                     : fmax(adaptive->worst, value);
    adaptive->latest = value;
    adaptive->has_values = true;
}

enum status adaptive_note_end(struct adaptive *adaptive, uint64_t number, enum sampler_state state,
                              double value, struct buffer *out)
{
    assert(number < adaptive->count);
    struct trial *trial = &adaptive->trials[number];
    trial->state = state;
    trial->value = value;
    if (state != SAMPLER_FAILED) {
        note_value(adaptive, value);
    }
    return adaptive->is_greeted ? sampler_put_tell(out, trial->id, value_of(adaptive, trial), state)
                                : STATUS_OK;
}

enum status adaptive_note_report(struct adaptive *adaptive, uint64_t number, int64_t step,
                                 double value, struct buffer *out)
{
    assert(number < adaptive->count);
    return adaptive->is_greeted && out->size <= REPORTS_SIZE_MAX
               ? sampler_put_report(out, adaptive->trials[number].id, step, value)
               : STATUS_OK;
}

/* ---- What it is told and asked ----------------------------------------------------------------
 */

static enum status put_history(struct adaptive *adaptive, struct buffer *out)
{
    struct sampler_past *past = memory_take(adaptive->count, sizeof(*past));
    for (size_t i = 0; i < adaptive->count; i++) {
        const struct trial *trial = &adaptive->trials[i];
        past[i] = (struct sampler_past){.id = trial->id,
                                        .record = &adaptive->past[i],
                                        .value = value_of(adaptive, trial),
                                        .state = trial->state};
    }
    const enum status status =
        sampler_put_history(out, adaptive->options.hello.space, past, adaptive->count);
    free(past);
    return status;
}

enum status adaptive_greet(struct adaptive *adaptive, struct buffer *out, struct error *err)
{
    enum status status = sampler_put_hello(out, &adaptive->options.hello);
    if (status == STATUS_OK && adaptive->count > 0) {
        status = put_history(adaptive, out);
    }
    free(adaptive->past);
    adaptive->past = NULL;
    arena_free(&adaptive->history);
    adaptive->is_greeted = true;
    return status == STATUS_OK ? STATUS_OK : fail_memory(err);
}

static enum status ask(struct adaptive *adaptive, uint64_t count, struct buffer *out)
{
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        status = sampler_put_ask(out, 1);
        adaptive->open += status == STATUS_OK ? 1 : 0;
    }
    return status;
}

enum status adaptive_ask(struct adaptive *adaptive, uint64_t room, struct buffer *out)
{
    const uint64_t repeats = adaptive->options.repeats;
    const uint64_t trials = room / repeats + (room % repeats > 0 ? 1 : 0);
    if (!adaptive->is_ready || adaptive_is_done(adaptive)) {
        return STATUS_OK;
    }
    const uint64_t wanted = smaller(trials, adaptive->options.size - adaptive->count);
    return wanted > adaptive->open ? ask(adaptive, wanted - adaptive->open, out) : STATUS_OK;
}

enum status adaptive_ask_again(struct adaptive *adaptive, struct buffer *out)
{
    if (!adaptive->is_ready || adaptive_is_done(adaptive) || adaptive->was_asked_again) {
        return STATUS_OK;
    }
    adaptive->was_asked_again = true;
    return ask(adaptive, 1, out);
}

/* ---- What it says -----------------------------------------------------------------------------
 */

/* As the task's type has it: all values that there may be were checked against it before. */
static enum status make_element(struct adaptive *adaptive, const mf_value *values,
                                const bool *is_there, mf_value *element_out, struct error *err)
{
    const struct adaptive_options *options = &adaptive->options;
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = options->launch_dir};
    mf_value record;
    return space_record(options->hello.space, values, is_there, &adaptive->arena, &record) ==
                   STATUS_OK
               ? type_convert(options->type, &record, &conversion, &adaptive->arena, element_out,
                              err)
               : fail_memory(err);
}

static enum status accept(struct adaptive *adaptive, const struct sampler_message *message,
                          const mf_value *values, const bool *is_there, struct error *err)
{
    mf_value element;
    const size_t size = adaptive->fresh.size;
    enum status status = make_element(adaptive, values, is_there, &element, err);
    for (uint64_t i = 0; i < adaptive->options.repeats && status == STATUS_OK; i++) {
        status = value_encode(&element, &adaptive->fresh);
        if (status != STATUS_OK) {
            adaptive->fresh.size = size;
            return fail_memory(err);
        }
    }
    if (status != STATUS_OK) {
        error_prefix(err, "trial %" PRIu64 ": ", message->id);
        return status;
    }
    adaptive->fresh_count += adaptive->options.repeats;
    adaptive->rejected_in_row = 0;
    add_trial(adaptive, message->id);
    return STATUS_OK;
}

static enum status reject(struct adaptive *adaptive, const struct sampler_message *message,
                          struct buffer *out, struct error *err)
{
    index_map_put(&adaptive->ids, message->id, 0);
    if (++adaptive->rejected_in_row > TRIALS_DRAWS_MAX) {
        return error_set(err, STATUS_LIMIT,
                         "the sampler has proposed %d trials in a row that break the constraints",
                         TRIALS_DRAWS_MAX);
    }
    return sampler_put_tell(out, message->id, NAN, SAMPLER_REJECTED) == STATUS_OK
               ? STATUS_OK
               : fail_memory(err);
}

static enum status check_id(const struct adaptive *adaptive, uint64_t id, struct error *err)
{
    uint32_t ignored;
    if (adaptive->open == 0) {
        return error_set(err, STATUS_INVALID,
                         "the sampler gave trial %" PRIu64 ", and was not asked for one", id);
    }
    if (index_map_get(&adaptive->ids, id, &ignored)) {
        return error_set(err, STATUS_INVALID, "the sampler gave trial %" PRIu64 " twice", id);
    }
    return STATUS_OK;
}

static enum status take_trial(struct adaptive *adaptive, const struct sampler_message *message,
                              struct buffer *out, struct error *err)
{
    const struct space *space = adaptive->options.hello.space;
    enum status status = check_id(adaptive, message->id, err);
    if (status != STATUS_OK) {
        return status;
    }
    mf_value *values = arena_take(&adaptive->arena, (space->count + 1) * sizeof(*values));
    bool *is_there = arena_take(&adaptive->arena, (space->count + 1) * sizeof(*is_there));
    if (values == NULL || is_there == NULL) {
        return fail_memory(err);
    }
    status = sampler_take(space, &message->parameters, values, err);
    if (status != STATUS_OK) {
        error_prefix(err, "trial %" PRIu64 ": ", message->id);
        return status;
    }
    adaptive->open--;
    adaptive->was_asked_again = false;
    return trials_filter_apply(adaptive->filter, values, is_there)
               ? accept(adaptive, message, values, is_there, err)
               : reject(adaptive, message, out, err);
}

static enum status take_message(struct adaptive *adaptive, const struct sampler_message *message,
                                struct buffer *out, struct error *err)
{
    switch (message->kind) {
    case SAMPLER_ERROR:
        return error_set(err, STATUS_INVALID, "the sampler says: %s", message->error);
    case SAMPLER_READY:
        adaptive->is_ready = true;
        return STATUS_OK;
    case SAMPLER_DONE:
    case SAMPLER_TRIAL:
        break;
    }
    if (!adaptive->is_ready) {
        return error_set(err, STATUS_INVALID, "the sampler has not said that it is ready");
    }
    if (adaptive->is_done || (adaptive_is_done(adaptive) && adaptive->open > 0)) {
        adaptive->open -= adaptive->open > 0 ? 1 : 0;
        return STATUS_OK; /* it was under way */
    }
    adaptive->is_done = message->kind == SAMPLER_DONE;
    return adaptive->is_done ? STATUS_OK : take_trial(adaptive, message, out, err);
}

enum status adaptive_take(struct adaptive *adaptive, const char *line, size_t size,
                          struct buffer *out, struct error *err)
{
    struct sampler_message message;
    arena_reset(&adaptive->arena);
    const enum status status = sampler_read(line, size, &adaptive->arena, &message, err);
    if (status == STATUS_NO_MEMORY) {
        return fail_memory(err);
    }
    return status == STATUS_OK ? take_message(adaptive, &message, out, err) : status;
}

uint64_t adaptive_fresh(const struct adaptive *adaptive, const uint8_t **packed_out,
                        size_t *size_out)
{
    *packed_out = adaptive->fresh.data;
    *size_out = adaptive->fresh.size;
    return adaptive->fresh_count;
}

void adaptive_clear_fresh(struct adaptive *adaptive)
{
    buffer_clear(&adaptive->fresh);
    adaptive->fresh_count = 0;
}
