#include "master/inputs.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "master/inputs_internal.h"
#include "master/inputs_later.h"
#include "master/inputs_store.h"

/* One of the two: a formula, or a list. */
struct inputs {
    struct formula formula;     /* FORMULA_NONE where there is a list */
    struct inputs_store *store; /* NULL where there is a formula */
    struct inputs_later *later; /* where they come later, beside the formula; else NULL */
};

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "inputs: %s", status_text(STATUS_NO_MEMORY));
}

/* ---- Sources -------------------------------------------------------------------------------- */

/* The row with the fields that every element has. */
static enum status bind_fields(struct inputs_sink *sink, const mf_value *row, mf_value *bound_out,
                               struct error *err)
{
    const size_t count = mf_count(row);
    if (mf_kind_of(row) != MF_MAP) {
        return error_set(err, STATUS_INVALID, "--bind adds a field to records, and this is none");
    }
    for (size_t i = 0; i < sink->bound_count; i++) {
        if (mf_field(row, mf_str(&sink->bound[2 * i])) != NULL) {
            return error_set(err, STATUS_INVALID, "--bind %s: the element has that field already",
                             mf_str(&sink->bound[2 * i]));
        }
    }
    mf_value *values = arena_take(&sink->arena, 2 * (count + sink->bound_count) * sizeof(*values));
    if (values == NULL) {
        return fail_memory(err);
    }
    memcpy(values, row->mf_private_as.values, 2 * count * sizeof(*values));
    memcpy(values + 2 * count, sink->bound, 2 * sink->bound_count * sizeof(*values));
    *bound_out = *row;
    bound_out->mf_private_count = (uint32_t)(count + sink->bound_count);
    bound_out->mf_private_as.values = values;
    return STATUS_OK;
}

enum status inputs_sink_put(struct inputs_sink *sink, const mf_value *row, enum type_origin origin,
                            struct error *err)
{
    const struct type_conversion conversion = {.origin = origin, .base_dir = sink->launch_dir};
    mf_value whole = *row;
    mf_value element;
    enum status status = sink->bound_count > 0 ? bind_fields(sink, row, &whole, err) : STATUS_OK;
    if (status == STATUS_OK) {
        status = type_convert(sink->type, &whole, &conversion, &sink->arena, &element, err);
    }
    if (status == STATUS_OK && sink->check != NULL) {
        status = sink->check(sink->check_context, &element, err);
    }
    if (status == STATUS_OK) {
        status = inputs_store_append(sink->store, &element, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "index %" PRIu64 ": ", sink->count);
        return status;
    }
    arena_reset(&sink->arena);
    sink->count++;
    return STATUS_OK;
}

static enum status open_range(const struct inputs_source *source, const struct type *type,
                              struct inputs *inputs, struct error *err)
{
    const enum type_kind kind = type_kind(type);
    if (kind != TYPE_INT && kind != TYPE_FLOAT && kind != TYPE_ANY) {
        struct buffer name = {0};
        enum status status = type_format(type, &name);
        if (status == STATUS_OK) {
            status = error_set(err, STATUS_INVALID, "a range gives integers, task input is %.*s",
                               (int)name.size, (const char *)name.data);
        } else {
            status = fail_memory(err);
        }
        buffer_free(&name);
        return status;
    }
    struct formula formula;
    const enum status status = formula_parse_range(source->range, &formula, err);
    if (status != STATUS_OK) {
        return status;
    }
    formula.is_float = kind == TYPE_FLOAT;
    inputs->formula = formula;
    if (source->check == NULL || formula.count == 0) {
        return STATUS_OK;
    }
    const mf_value first = formula_value(&formula, 0);
    return source->check(source->check_context, &first, err); /* the others are like it */
}

static enum status read_source(const struct inputs_source *source, struct inputs_sink *sink,
                               struct error *err)
{
    switch (source->kind) {
    case INPUTS_FILE:
        return inputs_read_file(source, sink, err);
    case INPUTS_GLOBS:
        return inputs_read_globs(source, sink, err);
    case INPUTS_ARGUMENTS:
        return inputs_read_arguments(source, sink, err);
    case INPUTS_ZIP:
        return inputs_read_zip(source, sink, err);
    case INPUTS_RANGE:
    case INPUTS_GRID:
    case INPUTS_TRIALS:
    case INPUTS_SAMPLE:
        break;
    }
    return STATUS_INVALID;
}

/* Run a reader, or the walk over globs, into a new store. */
static enum status open_list(const struct inputs_source *source, const struct type *type,
                             struct inputs *inputs, struct error *err)
{
    enum status status = inputs_store_create(&inputs->store, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct arena bound = {0};
    struct inputs_sink sink = {.type = type,
                               .launch_dir = source->launch_dir,
                               .store = inputs->store,
                               .bound_count = source->bound_count,
                               .check = source->check,
                               .check_context = source->check_context};
    status = inputs_parse_bounds(source, &bound, &sink.bound, err);
    if (status == STATUS_OK) {
        status = read_source(source, &sink, err);
    }
    arena_free(&sink.arena);
    arena_free(&bound);
    return status == STATUS_OK ? inputs_store_finish(inputs->store, err) : status;
}

/* What shapes a file says nothing about a range or globs. */
static enum status check_options(const struct inputs_source *source, struct error *err)
{
    const bool is_text = source->kind == INPUTS_ARGUMENTS || source->kind == INPUTS_ZIP;
    if (source->kind == INPUTS_FILE || source->kind == INPUTS_TRIALS) {
        return STATUS_OK;
    }
    const char *option = NULL;
    if (source->format != INPUTS_FORMAT_BY_NAME) {
        option = "--input-format";
    } else if (source->no_header) {
        option = "--no-header";
    } else if (source->column_separator != NULL && !is_text) {
        option = "--colsep";
    }
    if (option != NULL) {
        static const char *const names[] = {
            [INPUTS_FILE] = "--inputs",  [INPUTS_RANGE] = "--range", [INPUTS_GLOBS] = "--files",
            [INPUTS_ARGUMENTS] = ":::",  [INPUTS_ZIP] = "--zip",     [INPUTS_GRID] = "--grid",
            [INPUTS_SAMPLE] = "--sample"};
        return error_set(err, STATUS_INVALID, "%s is for files of inputs, not for %s", option,
                         names[source->kind]);
    }
    return STATUS_OK;
}

/* The trials of a sampler come later. */
static enum status prepare_later(struct inputs *inputs, struct error *err)
{
    bool come_later = false;
    const enum status status = inputs_trials_come_later(&inputs->formula, &come_later, err);
    return status == STATUS_OK && come_later && inputs_later_create(&inputs->later) != STATUS_OK
               ? fail_memory(err)
               : status;
}

static enum status open_trials(const struct inputs_source *source, const struct type *type,
                               struct inputs *inputs, struct error *err)
{
    const enum status status = inputs_make_trials(source, type, &inputs->formula, err);
    return status == STATUS_OK ? prepare_later(inputs, err) : status;
}

static enum status open_source(const struct inputs_source *source, const struct type *type,
                               struct inputs *inputs, struct error *err)
{
    switch (source->kind) {
    case INPUTS_RANGE:
        return open_range(source, type, inputs, err);
    case INPUTS_GRID:
        return inputs_make_grid(source, type, &inputs->formula, err);
    case INPUTS_TRIALS:
        return open_trials(source, type, inputs, err);
    case INPUTS_SAMPLE:
        return inputs_make_sample(source, type, &inputs->formula, err);
    case INPUTS_FILE:
    case INPUTS_GLOBS:
    case INPUTS_ARGUMENTS:
    case INPUTS_ZIP:
        break;
    }
    return open_list(source, type, inputs, err);
}

enum status inputs_open(const struct inputs_source *source, const struct type *type,
                        struct inputs **inputs_out, struct error *err)
{
    assert(source->launch_dir != NULL && source->launch_dir[0] == '/');
    enum status status = check_options(source, err);
    if (status == STATUS_OK && source->kind == INPUTS_RANGE && source->bound_count > 0) {
        status = error_set(err, STATUS_INVALID,
                           "--bind adds a field to records, and a range gives integers");
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct inputs *inputs = calloc(1, sizeof(*inputs));
    if (inputs == NULL) {
        return fail_memory(err);
    }
    status = open_source(source, type, inputs, err);
    if (status != STATUS_OK) {
        inputs_close(inputs);
        return status;
    }
    *inputs_out = inputs;
    return STATUS_OK;
}

void inputs_close(struct inputs *inputs)
{
    if (inputs != NULL) {
        inputs_store_destroy(inputs->store);
        inputs_later_destroy(inputs->later);
        free((uint8_t *)(uintptr_t)inputs->formula.packed);
        free(inputs);
    }
}

/* ---- What they are -------------------------------------------------------------------------- */

static bool is_list(const struct inputs *inputs)
{
    return inputs->formula.kind == FORMULA_NONE;
}

uint64_t inputs_count(const struct inputs *inputs)
{
    return is_list(inputs) ? inputs_store_count(inputs->store) : inputs->formula.count;
}

bool inputs_come_later(const struct inputs *inputs)
{
    return inputs->later != NULL;
}

uint64_t inputs_available(const struct inputs *inputs)
{
    return inputs->later != NULL ? inputs_later_count(inputs->later) : inputs_count(inputs);
}

enum status inputs_add(struct inputs *inputs, const uint8_t *packed, size_t size, uint64_t count,
                       struct error *err)
{
    assert(count <= inputs_count(inputs) - inputs_available(inputs));
    const enum status status = inputs_later_add(inputs->later, packed, size, count);
    return status == STATUS_INVALID ? error_set(err, status, "inputs that are no values")
           : status != STATUS_OK    ? fail_memory(err)
                                    : STATUS_OK;
}

const struct formula *inputs_formula(const struct inputs *inputs)
{
    return &inputs->formula;
}

uint64_t inputs_packed_size(const struct inputs *inputs)
{
    return is_list(inputs) ? inputs_store_packed_size(inputs->store) : 0;
}

static void formula_digest(const struct formula *formula, uint8_t digest_out[INPUTS_DIGEST_SIZE])
{
    XXH128_canonical_t canonical;
    if (formula_is_packed(formula)) {
        XXH128_canonicalFromHash(&canonical, XXH3_128bits(formula->packed, formula->packed_size));
        memcpy(digest_out, canonical.digest, INPUTS_DIGEST_SIZE);
        return;
    }
    char text[96]; /* three numbers of at most 20 characters */
    const int size = snprintf(text, sizeof(text), "range:%" PRId64 ":%" PRId64 ":%" PRIu64,
                              formula->start, formula->step, formula->count);
    assert(size > 0 && (size_t)size < sizeof(text));
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(text, (size_t)size));
    memcpy(digest_out, canonical.digest, INPUTS_DIGEST_SIZE);
}

void inputs_digest(const struct inputs *inputs, uint8_t digest_out[INPUTS_DIGEST_SIZE])
{
    if (is_list(inputs)) {
        inputs_store_digest(inputs->store, digest_out);
    } else {
        formula_digest(&inputs->formula, digest_out);
    }
}

/* ---- The run directory ---------------------------------------------------------------------- */

enum status inputs_save(struct inputs *inputs, const char *run_dir, struct error *err)
{
    return is_list(inputs) ? inputs_store_save(inputs->store, run_dir, err) : STATUS_OK;
}

/* A recorded formula is checked like the text that it was once parsed from. */
static enum status load_formula(const struct formula *formula, uint64_t count,
                                const uint8_t digest[INPUTS_DIGEST_SIZE], struct inputs *inputs,
                                struct error *err)
{
    uint8_t found[INPUTS_DIGEST_SIZE];
    formula_digest(formula, found);
    if (formula->step == 0 || formula->count > FORMULA_COUNT_MAX || formula->count != count ||
        memcmp(found, digest, sizeof(found)) != 0) {
        return error_set(err, STATUS_INVALID,
                         "the recorded inputs do not fit their recorded count and digest");
    }
    inputs->formula = *formula;
    if (formula_is_packed(formula)) {
        uint8_t *copy = malloc(formula->packed_size);
        inputs->formula.packed = copy;
        if (copy == NULL) {
            return fail_memory(err);
        }
        memcpy(copy, formula->packed, formula->packed_size);
    }
    return prepare_later(inputs, err);
}

enum status inputs_load(const char *run_dir, const struct formula *formula, uint64_t count,
                        const uint8_t digest[INPUTS_DIGEST_SIZE], struct inputs **inputs_out,
                        struct error *err)
{
    struct inputs *inputs = calloc(1, sizeof(*inputs));
    if (inputs == NULL) {
        return fail_memory(err);
    }
    const enum status status = formula != NULL && formula->kind != FORMULA_NONE
                                   ? load_formula(formula, count, digest, inputs, err)
                                   : inputs_store_load(run_dir, count, digest, &inputs->store, err);
    if (status != STATUS_OK) {
        inputs_close(inputs);
        return status;
    }
    *inputs_out = inputs;
    return STATUS_OK;
}

enum status inputs_grow(const struct formula *recorded, uint64_t trial_count,
                        struct inputs **inputs_out, struct error *err)
{
    struct inputs *inputs = calloc(1, sizeof(*inputs));
    if (inputs == NULL) {
        return fail_memory(err);
    }
    enum status status = inputs_grow_formula(recorded, trial_count, &inputs->formula, err);
    if (status == STATUS_OK) {
        status = prepare_later(inputs, err);
    }
    if (status != STATUS_OK) {
        inputs_close(inputs);
        return status;
    }
    *inputs_out = inputs;
    return STATUS_OK;
}

static enum status pack_span(struct inputs *inputs, const struct span *span, struct buffer *out,
                             struct error *err)
{
    if (inputs->later == NULL) {
        return inputs_store_pack(inputs->store, span->start, span->count, out, err);
    }
    return inputs_later_pack(inputs->later, span->start, span->count, out) == STATUS_OK
               ? STATUS_OK
               : fail_memory(err);
}

enum status inputs_pack(struct inputs *inputs, const struct span *spans, size_t span_count,
                        struct buffer *out, struct error *err)
{
    if (!is_list(inputs) && inputs->later == NULL) {
        return STATUS_OK;
    }
    const size_t out_size = out->size;
    for (size_t i = 0; i < span_count; i++) {
        const enum status status = pack_span(inputs, &spans[i], out, err);
        if (status != STATUS_OK) {
            out->size = out_size;
            return status;
        }
    }
    return STATUS_OK;
}

enum status inputs_pack_frames(struct inputs *inputs, const struct span *spans, size_t span_count,
                               struct buffer *out, struct inputs_frames *frames_out,
                               struct error *err)
{
    *frames_out = (struct inputs_frames){.raw_size = 0};
    if (!is_list(inputs) || span_count != 1 ||
        !inputs_store_fills_blocks(inputs->store, spans[0].start, spans[0].count)) {
        return STATUS_OK;
    }
    return inputs_store_blocks(inputs->store, spans[0].start, spans[0].count, out, frames_out, err);
}
