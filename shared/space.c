#include "shared/space.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/array.h"
#include "shared/value.h"
#include "shared/value_make.h"

enum status space_create(struct space **space_out)
{
    *space_out = calloc(1, sizeof(**space_out));
    return *space_out != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void space_destroy(struct space *space)
{
    if (space == NULL) {
        return;
    }
    arena_free(&space->arena);
    free(space->parameters);
    free(space->constraints);
    free(space);
}

/* ---- Adding -----------------------------------------------------------------------------------
 */

static bool is_path(const struct parameter *parameter, const char *const *path, size_t path_count)
{
    if (parameter->path_count != path_count) {
        return false;
    }
    for (size_t i = 0; i < path_count; i++) {
        if (strcmp(parameter->path[i], path[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool has_path(const struct space *space, const char *const *path, size_t path_count)
{
    for (size_t i = 0; i < space->count; i++) {
        if (is_path(&space->parameters[i], path, path_count)) {
            return true;
        }
    }
    return false;
}

/* Copies of the names, and all of them with dots between. */
static enum status set_name(struct space *space, const char *const *path, size_t path_count,
                            struct parameter *parameter)
{
    const char **names = arena_take(&space->arena, path_count * sizeof(*names));
    size_t size = 0;
    for (size_t i = 0; i < path_count; i++) {
        size += strlen(path[i]) + 1;
    }
    char *name = arena_take(&space->arena, size);
    if (names == NULL || name == NULL) {
        return STATUS_NO_MEMORY;
    }
    char *end = name;
    for (size_t i = 0; i < path_count; i++) {
        names[i] = arena_copy(&space->arena, path[i], strlen(path[i]));
        if (names[i] == NULL) {
            return STATUS_NO_MEMORY;
        }
        end = stpcpy(end, i > 0 ? "." : "");
        end = stpcpy(end, path[i]);
    }
    parameter->name = name;
    parameter->path = names;
    parameter->path_count = path_count;
    return STATUS_OK;
}

enum status space_add(struct space *space, const char *const *path, size_t path_count,
                      const mf_value *definition, struct parameter_fault *fault)
{
    struct parameter parameter = {.name = NULL};
    void *memory = space->parameters;
    assert(path_count >= 1 && path_count <= SPACE_DEPTH_MAX);
    if (has_path(space, path, path_count)) {
        return STATUS_EXISTS;
    }
    if (!array_grow(&memory, &space->capacity, space->count, sizeof(*space->parameters))) {
        return STATUS_NO_MEMORY;
    }
    space->parameters = memory;
    enum status status = parameter_read(&space->arena, definition, &parameter, fault);
    if (status == STATUS_OK) {
        status = set_name(space, path, path_count, &parameter);
    }
    if (status == STATUS_OK) {
        space->parameters[space->count++] = parameter;
    }
    return status;
}

enum status space_add_constraint(struct space *space, const char *expression)
{
    void *memory = (void *)space->constraints;
    if (!array_grow(&memory, &space->constraint_capacity, space->constraint_count,
                    sizeof(*space->constraints))) {
        return STATUS_NO_MEMORY;
    }
    space->constraints = memory;
    const char *copy = arena_copy(&space->arena, expression, strlen(expression));
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    space->constraints[space->constraint_count++] = copy;
    return STATUS_OK;
}

/* ---- Names ------------------------------------------------------------------------------------
 */

const struct parameter *space_find(const struct space *space, const char *name)
{
    for (size_t i = 0; i < space->count; i++) {
        if (strcmp(space->parameters[i].name, name) == 0) {
            return &space->parameters[i];
        }
    }
    return NULL;
}

const char *space_doubled_name(const struct space *space)
{
    for (size_t i = 0; i < space->count; i++) {
        if (space_find(space, space->parameters[i].name) != &space->parameters[i]) {
            return space->parameters[i].name;
        }
    }
    return NULL;
}

/* ---- The form that travels --------------------------------------------------------------------
 */

static mf_value path_value(const struct parameter *parameter, struct arena *arena)
{
    mf_value path = value_list_make(arena, parameter->path_count);
    for (size_t i = 0; i < mf_count(&path); i++) {
        value_list_set(&path, i, value_str(parameter->path[i]));
    }
    return path;
}

/* The path, the definition, and `when`. Null where memory ran out. */
static mf_value parameter_form(const struct parameter *parameter, struct arena *arena)
{
    const size_t count = mf_count(&parameter->definition);
    const size_t more = parameter->when != NULL ? 2 : 1;
    const mf_value path = path_value(parameter, arena);
    mf_value form = value_map_make(arena, count + more);
    if (mf_is_null(&form) || mf_is_null(&path)) {
        return value_null();
    }
    value_map_set(&form, 0, "path", path);
    for (size_t i = 0; i < count; i++) {
        value_map_set(&form, 1 + i, mf_key(&parameter->definition, i),
                      *mf_item(&parameter->definition, i));
    }
    if (parameter->when != NULL) {
        value_map_set(&form, 1 + count, "when", value_str(parameter->when));
    }
    return form;
}

enum status space_value(const struct space *space, struct arena *arena, mf_value *value_out)
{
    mf_value parameters = value_list_make(arena, space->count);
    mf_value constraints = value_list_make(arena, space->constraint_count);
    *value_out = value_map_make(arena, 2);
    if (mf_is_null(&parameters) || mf_is_null(&constraints) || mf_is_null(value_out)) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < space->count; i++) {
        const mf_value form = parameter_form(&space->parameters[i], arena);
        if (mf_is_null(&form)) {
            return STATUS_NO_MEMORY;
        }
        value_list_set(&parameters, i, form);
    }
    for (size_t i = 0; i < space->constraint_count; i++) {
        value_list_set(&constraints, i, value_str(space->constraints[i]));
    }
    value_map_set(value_out, 0, "parameters", parameters);
    value_map_set(value_out, 1, "constraints", constraints);
    return STATUS_OK;
}

/* The names of a path; 0 where it is none. */
static size_t read_path(const mf_value *path, const char *names[SPACE_DEPTH_MAX])
{
    const size_t count = path != NULL && mf_kind_of(path) == MF_LIST ? mf_count(path) : 0;
    if (count > SPACE_DEPTH_MAX) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (mf_kind_of(mf_item(path, i)) != MF_STR) {
            return 0;
        }
        names[i] = mf_str(mf_item(path, i));
    }
    return count;
}

static enum status add_form(struct space *space, const mf_value *form, struct arena *scratch,
                            struct error *err)
{
    const char *names[SPACE_DEPTH_MAX];
    struct parameter_fault fault = {.text = "stands twice"};
    const size_t path_count = read_path(mf_field(form, "path"), names);
    mf_value definition = value_map_make(scratch, mf_count(form));
    size_t count = 0;
    if (path_count == 0) {
        return error_set(err, STATUS_INVALID, "a parameter without a path");
    }
    if (mf_is_null(&definition)) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < mf_count(form); i++) {
        if (strcmp(mf_key(form, i), "path") != 0) {
            value_map_set(&definition, count++, mf_key(form, i), *mf_item(form, i));
        }
    }
    value_shorten(&definition, count);
    const enum status status = space_add(space, names, path_count, &definition, &fault);
    if (status == STATUS_INVALID || status == STATUS_EXISTS) {
        return error_set(err, STATUS_INVALID, "parameter %s: %s%s%s", names[path_count - 1],
                         fault.key != NULL ? fault.key : "", fault.key != NULL ? ": " : "",
                         fault.text);
    }
    return status;
}

static enum status fill_from(struct space *space, const mf_value *value, struct arena *scratch,
                             struct error *err)
{
    const mf_value *parameters = mf_field(value, "parameters");
    const mf_value *constraints = mf_field(value, "constraints");
    enum status status = STATUS_OK;
    if (parameters == NULL || constraints == NULL || mf_kind_of(parameters) != MF_LIST ||
        mf_kind_of(constraints) != MF_LIST) {
        return error_set(err, STATUS_INVALID, "expected parameters and constraints");
    }
    for (size_t i = 0; i < mf_count(parameters) && status == STATUS_OK; i++) {
        status = add_form(space, mf_item(parameters, i), scratch, err);
    }
    for (size_t i = 0; i < mf_count(constraints) && status == STATUS_OK; i++) {
        const mf_value *expression = mf_item(constraints, i);
        status = mf_kind_of(expression) == MF_STR
                     ? space_add_constraint(space, mf_str(expression))
                     : error_set(err, STATUS_INVALID, "a constraint that is no text");
    }
    return status;
}

enum status space_from_value(const mf_value *value, struct space **space_out, struct error *err)
{
    struct arena scratch = {0};
    struct space *space = NULL;
    enum status status = space_create(&space);
    if (status == STATUS_OK) {
        status = fill_from(space, value, &scratch, err);
    }
    arena_free(&scratch);
    if (status != STATUS_OK) {
        space_destroy(space);
        return status;
    }
    *space_out = space;
    return STATUS_OK;
}

/* ---- The record of a trial --------------------------------------------------------------------
 */

/* What goes into a record: parameters `from` to `to`, which share the first `depth` names. */
struct part {
    const struct space *space;
    const mf_value *values;
    const bool *is_there;
    struct arena *arena;
};

/* Behind the last parameter that shares one more name with that at `from`. */
static size_t nest_end(const struct space *space, size_t from, size_t to, size_t depth)
{
    const char *name = space->parameters[from].path[depth];
    size_t end = from + 1;
    while (end < to && space->parameters[end].path_count > depth + 1 &&
           strcmp(space->parameters[end].path[depth], name) == 0) {
        end++;
    }
    return end;
}

static enum status make_record(const struct part *part, size_t from, size_t to, size_t depth,
                               mf_value *record_out)
{
    const struct parameter *parameters = part->space->parameters;
    mf_value record = value_map_make(part->arena, to - from);
    size_t count = 0;
    if (mf_is_null(&record)) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = from; i < to;) {
        const char *key = parameters[i].path[depth];
        if (parameters[i].path_count == depth + 1) {
            if (part->is_there[i]) {
                value_map_set(&record, count++, key, part->values[i]);
            }
            i++;
            continue;
        }
        mf_value nest;
        const size_t end = nest_end(part->space, i, to, depth);
        const enum status status = make_record(part, i, end, depth + 1, &nest);
        if (status != STATUS_OK) {
            return status;
        }
        if (mf_count(&nest) > 0) {
            value_map_set(&record, count++, key, nest);
        }
        i = end;
    }
    value_shorten(&record, count);
    *record_out = record;
    return STATUS_OK;
}

enum status space_record(const struct space *space, const mf_value *values, const bool *is_there,
                         struct arena *arena, mf_value *record_out)
{
    const struct part part = {
        .space = space, .values = values, .is_there = is_there, .arena = arena};
    return make_record(&part, 0, space->count, 0, record_out);
}

const mf_value *space_get(const struct parameter *parameter, const mf_value *record)
{
    for (size_t i = 0; i < parameter->path_count && record != NULL; i++) {
        record = mf_field(record, parameter->path[i]);
    }
    return record;
}
