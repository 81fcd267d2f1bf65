/* --sample N as a formula: draws from --grid NAME~uniform(0,1), and from lists and bound fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/inputs_internal.h"
#include "shared/space.h"
#include "shared/trials_form.h"
#include "shared/value.h"
#include "shared/value_make.h"

#define ARGUMENT_COUNT_MAX 3 /* min, max, q */

/* The sample that is made. */
struct making {
    const struct inputs_source *source;
    const struct type *type; /* of an element */
    struct arena arena;
    struct space *space;
};

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "inputs: %s", status_text(STATUS_NO_MEMORY));
}

/* What stands before the name's end: a ~ comes first, or a =. */
bool inputs_is_distribution(const char *text)
{
    return text[strcspn(text, "~=")] == '~';
}

static enum status add(struct making *making, const char *name, const mf_value *definition,
                       struct error *err)
{
    struct parameter_fault fault = {.text = ""};
    const enum status status = space_add(making->space, &name, 1, definition, &fault);
    if (status == STATUS_EXISTS) {
        return error_set(err, STATUS_INVALID, "the name is given twice");
    }
    if (status == STATUS_INVALID) {
        return error_set(err, status, "%s%s%s", fault.key != NULL ? fault.key : "",
                         fault.key != NULL ? ": " : "", fault.text);
    }
    return status == STATUS_OK ? STATUS_OK : fail_memory(err);
}

/* ---- Lists ------------------------------------------------------------------------------------
 */

static enum status add_list(struct making *making, const char *name, const mf_value *list,
                            struct error *err)
{
    mf_value definition = value_map_make(&making->arena, 1);
    if (mf_is_null(&definition)) {
        return fail_memory(err);
    }
    value_map_set(&definition, 0, "values", *list);
    return add(making, name, &definition, err);
}

static enum status add_axis(struct making *making, const char *text, struct error *err)
{
    struct inputs_values values = {.type = making->type, .launch_dir = making->source->launch_dir};
    mf_value list;
    enum status status = inputs_split_axis(text, &making->arena, &values, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = inputs_read_values(&values, &making->arena, &list, err);
    if (status == STATUS_OK) {
        status = add_list(making, values.name, &list, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "--grid %s: ", values.name);
    }
    return status;
}

static enum status add_bounds(struct making *making, struct error *err)
{
    const mf_value *bound = NULL;
    enum status status =
        inputs_convert_bounds(making->source, making->type, &making->arena, &bound, err);
    for (size_t i = 0; i < making->source->bound_count && status == STATUS_OK; i++) {
        mf_value definition = value_map_make(&making->arena, 1);
        if (mf_is_null(&definition)) {
            return fail_memory(err);
        }
        value_map_set(&definition, 0, "value", bound[2 * i + 1]);
        status = add(making, mf_str(&bound[2 * i]), &definition, err);
        if (status != STATUS_OK) {
            error_prefix(err, "--bind %s: ", mf_str(&bound[2 * i]));
        }
    }
    return status;
}

/* ---- Distributions ----------------------------------------------------------------------------
 */

/* "NAME~DISTRIBUTION(ARGUMENT,...)", in parts. */
struct drawn {
    const char *name;
    const char *distribution;
    const char *arguments; /* what stands in the parentheses */
    bool is_constant;      /* these are one value */
    bool is_listed;        /* or any number of them */
};

static enum status split(struct making *making, const char *text, struct drawn *drawn,
                         struct error *err)
{
    const size_t name_size = strcspn(text, "~");
    const char *after = text + name_size + 1;
    const size_t size = strcspn(after, "(");
    const char *open = after + size;
    const size_t rest = strlen(open);
    const bool is_closed = rest == 0 || open[rest - 1] == ')';
    if (name_size == 0 || size == 0 || !is_closed) {
        return error_set(err, STATUS_INVALID,
                         "--grid \"%s\": expected NAME~DISTRIBUTION(...), such as lr~uniform(0,1)",
                         text);
    }
    drawn->name = arena_copy(&making->arena, text, name_size);
    drawn->distribution = arena_copy(&making->arena, after, size);
    drawn->arguments =
        arena_copy(&making->arena, open + (rest > 0 ? 1 : 0), rest > 1 ? rest - strlen("()") : 0);
    if (drawn->name == NULL || drawn->distribution == NULL || drawn->arguments == NULL) {
        return fail_memory(err);
    }
    drawn->is_constant = strcmp(drawn->distribution, "constant") == 0;
    drawn->is_listed = drawn->is_constant || strcmp(drawn->distribution, "categorical") == 0;
    return STATUS_OK;
}

static bool ends_in(const char *text, const char *end)
{
    const size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* What its arguments are, in order; gives how many. */
static size_t argument_names(const char *distribution, const char *names[ARGUMENT_COUNT_MAX])
{
    const bool is_normal = ends_in(distribution, "normal");
    const bool is_beta = ends_in(distribution, "beta");
    names[0] = is_normal ? "mu" : is_beta ? "a" : "min";
    names[1] = is_normal ? "sigma" : is_beta ? "b" : "max";
    names[2] = "q";
    return strncmp(distribution, "q_", 2) == 0 ? 3 : 2;
}

static enum status read_number(struct making *making, const char *text, size_t size,
                               mf_value *number_out, struct error *err)
{
    if (value_from_json(&making->arena, text, size, number_out, NULL) == STATUS_OK &&
        value_is_number(number_out)) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "found \"%.*s\", expected a number", (int)size, text);
}

static bool has_key(const mf_value *definition, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mf_key(definition, i), key) == 0) {
            return true;
        }
    }
    return false;
}

/* "0,1" or "0,max=1": each argument by its place, or by its name. */
static enum status read_numbers(struct making *making, const struct drawn *drawn,
                                mf_value *definition, struct error *err)
{
    const char *names[ARGUMENT_COUNT_MAX];
    const size_t name_count = argument_names(drawn->distribution, names);
    const char *at = drawn->arguments;
    size_t count = 0;
    for (; *at != '\0' && count < name_count; count++) {
        const size_t size = strcspn(at, ",");
        const char *equals = memchr(at, '=', size);
        const size_t key_size = equals != NULL ? (size_t)(equals - at) : 0;
        const char *value = equals != NULL ? equals + 1 : at;
        const char *key = equals != NULL ? arena_copy(&making->arena, at, key_size) : names[count];
        mf_value number;
        const enum status status =
            read_number(making, value, size - (size_t)(value - at), &number, err);
        if (status != STATUS_OK || key == NULL) {
            return status != STATUS_OK ? status : fail_memory(err);
        }
        if (has_key(definition, 1 + count, key)) {
            return error_set(err, STATUS_INVALID, "%s is given twice", key);
        }
        value_map_set(definition, 1 + count, key, number);
        at += size + (at[size] == ',' ? 1 : 0);
    }
    value_shorten(definition, 1 + count);
    return *at == '\0' ? STATUS_OK
                       : error_set(err, STATUS_INVALID,
                                   "found \"%s\" behind %s, expected no more arguments", at,
                                   names[name_count - 1]);
}

static enum status add_listed(struct making *making, const struct drawn *drawn, struct error *err)
{
    const struct inputs_values values = {.name = drawn->name,
                                         .text = drawn->arguments,
                                         .type = making->type,
                                         .launch_dir = making->source->launch_dir};
    mf_value list;
    const enum status status = inputs_read_values(&values, &making->arena, &list, err);
    if (status != STATUS_OK) {
        return status;
    }
    return drawn->is_constant && mf_count(&list) != 1
               ? error_set(err, STATUS_INVALID, "constant: found %zu values, expected one",
                           mf_count(&list))
               : add_list(making, drawn->name, &list, err);
}

static enum status add_numbers(struct making *making, const struct drawn *drawn, struct error *err)
{
    mf_value definition = value_map_make(&making->arena, 1 + ARGUMENT_COUNT_MAX);
    if (mf_is_null(&definition)) {
        return fail_memory(err);
    }
    value_map_set(&definition, 0, "distribution", value_str(drawn->distribution));
    const enum status status = read_numbers(making, drawn, &definition, err);
    return status == STATUS_OK ? add(making, drawn->name, &definition, err) : status;
}

static enum status add_distribution(struct making *making, const char *text, struct error *err)
{
    struct drawn drawn = {.name = NULL};
    enum status status = split(making, text, &drawn, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = drawn.is_listed ? add_listed(making, &drawn, err) : add_numbers(making, &drawn, err);
    if (status != STATUS_OK) {
        error_prefix(err, "--grid %s: ", text);
    }
    return status;
}

/* ---- The sample -------------------------------------------------------------------------------
 */

static enum status fill_space(struct making *making, struct error *err)
{
    const struct inputs_source *source = making->source;
    enum status status = STATUS_OK;
    if (source->grid_count == 0) {
        return error_set(err, STATUS_INVALID,
                         "--sample draws from --grid NAME~uniform(0,1), and there is none");
    }
    for (size_t i = 0; i < source->grid_count && status == STATUS_OK; i++) {
        status = inputs_is_distribution(source->grids[i])
                     ? add_distribution(making, source->grids[i], err)
                     : add_axis(making, source->grids[i], err);
    }
    return status == STATUS_OK ? add_bounds(making, err) : status;
}

enum status inputs_make_sample(const struct inputs_source *source, const struct type *type,
                               struct formula *formula_out, struct error *err)
{
    struct making making = {.source = source, .type = type};
    if (space_create(&making.space) != STATUS_OK) {
        return fail_memory(err);
    }
    enum status status = fill_space(&making, err);
    if (status == STATUS_OK) {
        struct inputs_source trials = *source;
        const struct trials_form form = {.space = making.space,
                                         .options = {.method = TRIALS_RANDOM,
                                                     .seed = source->sample_seed,
                                                     .count = source->sample_count},
                                         .repeats = 1};
        trials.trials = &form;
        status = inputs_make_trials(&trials, type, formula_out, err);
    }
    space_destroy(making.space);
    arena_free(&making.arena);
    return status;
}
