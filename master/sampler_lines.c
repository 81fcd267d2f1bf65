#include "master/sampler_lines.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "shared/value.h"
#include "shared/value_make.h"

#define SHOWN_SIZE 120

static const char *const state_names[] = {[SAMPLER_SUCCEEDED] = "succeeded",
                                          [SAMPLER_FAILED] = "failed",
                                          [SAMPLER_STOPPED_EARLY] = "stopped-early",
                                          [SAMPLER_REJECTED] = "rejected",
                                          [SAMPLER_RUNNING] = "running"};

/* ---- What we say --------------------------------------------------------------------------------
 */

static enum status put_line(struct buffer *out, const mf_value *value)
{
    const enum status status = value_to_json(value, out);
    return status == STATUS_OK ? buffer_append_byte(out, '\n') : status;
}

static mf_value number(double value)
{
    return isfinite(value) ? value_float(value) : value_null();
}

/* The definition, with the dotted name in front. */
static mf_value named_definition(const struct parameter *parameter, struct arena *arena)
{
    const size_t count = mf_count(&parameter->definition);
    mf_value named = value_map_make(arena, count + 1);
    if (!mf_is_null(&named)) {
        value_map_set(&named, 0, "name", value_str(parameter->name));
        for (size_t i = 0; i < count; i++) {
            value_map_set(&named, i + 1, mf_key(&parameter->definition, i),
                          *mf_item(&parameter->definition, i));
        }
    }
    return named;
}

/* All nodes are there, or null: then memory ran out. */
static mf_value hello_value(const struct sampler_hello *hello, struct arena *arena)
{
    mf_value space = value_list_make(arena, hello->space->count);
    mf_value metric = value_map_make(arena, 2);
    mf_value value = value_map_make(arena, 5);
    if (mf_is_null(&space) || mf_is_null(&metric) || mf_is_null(&value)) {
        return value_null();
    }
    for (size_t i = 0; i < hello->space->count; i++) {
        const mf_value named = named_definition(&hello->space->parameters[i], arena);
        if (mf_is_null(&named)) {
            return value_null();
        }
        value_list_set(&space, i, named);
    }
    value_map_set(&metric, 0, "name", value_str(hello->metric));
    value_map_set(&metric, 1, "goal", value_str(hello->is_maximised ? "maximize" : "minimize"));
    value_map_set(&value, 0, "version", value_int(SAMPLER_VERSION));
    value_map_set(&value, 1, "space", space);
    value_map_set(&value, 2, "metric", metric);
    value_map_set(&value, 3, "seed", value_int((int64_t)(hello->seed & INT64_MAX)));
    value_map_set(&value, 4, "sampler", value_str(hello->sampler));
    return value;
}

enum status sampler_put_hello(struct buffer *out, const struct sampler_hello *hello)
{
    struct arena arena = {0};
    const mf_value value = hello_value(hello, &arena);
    const enum status status = mf_is_null(&value) ? STATUS_NO_MEMORY : put_line(out, &value);
    arena_free(&arena);
    return status;
}

/* {"optimizer.lr": 0.1, ...} */
static mf_value flat_record(const struct space *space, const mf_value *record, struct arena *arena)
{
    size_t count = 0;
    mf_value flat = value_map_make(arena, space->count);
    if (mf_is_null(&flat)) {
        return flat;
    }
    for (size_t i = 0; i < space->count; i++) {
        const mf_value *value = space_get(&space->parameters[i], record);
        if (value != NULL) {
            value_map_set(&flat, count++, space->parameters[i].name, *value);
        }
    }
    value_shorten(&flat, count);
    return flat;
}

static mf_value past_value(const struct space *space, const struct sampler_past *past,
                           struct arena *arena)
{
    const mf_value flat = flat_record(space, past->record, arena);
    mf_value value = value_map_make(arena, 4);
    if (mf_is_null(&flat) || mf_is_null(&value)) {
        return value_null();
    }
    value_map_set(&value, 0, "id", value_int((int64_t)past->id));
    value_map_set(&value, 1, "parameters", flat);
    value_map_set(&value, 2, "value", number(past->value));
    value_map_set(&value, 3, "state", value_str(state_names[past->state]));
    return value;
}

enum status sampler_put_history(struct buffer *out, const struct space *space,
                                const struct sampler_past *past, size_t count)
{
    struct arena arena = {0};
    mf_value list = value_list_make(&arena, count);
    mf_value line = value_map_make(&arena, 1);
    enum status status = mf_is_null(&list) || mf_is_null(&line) ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        const mf_value value = past_value(space, &past[i], &arena);
        status = mf_is_null(&value) ? STATUS_NO_MEMORY : STATUS_OK;
        value_list_set(&list, i, value);
    }
    if (status == STATUS_OK) {
        value_map_set(&line, 0, "history", list);
        status = put_line(out, &line);
    }
    arena_free(&arena);
    return status;
}

enum status sampler_put_ask(struct buffer *out, uint64_t count)
{
    return buffer_printf(out, "{\"ask\":%" PRIu64 "}\n", count);
}

static enum status put_number(struct buffer *out, double value)
{
    const mf_value node = number(value);
    return value_to_json(&node, out);
}

enum status sampler_put_tell(struct buffer *out, uint64_t id, double value,
                             enum sampler_state state)
{
    enum status status = buffer_printf(out, "{\"tell\":%" PRIu64 ",\"value\":", id);
    if (status == STATUS_OK) {
        status = put_number(out, value);
    }
    return status == STATUS_OK ? buffer_printf(out, ",\"state\":\"%s\"}\n", state_names[state])
                               : status;
}

enum status sampler_put_report(struct buffer *out, uint64_t id, int64_t step, double value)
{
    enum status status =
        buffer_printf(out, "{\"report\":%" PRIu64 ",\"step\":%" PRId64 ",\"value\":", id, step);
    if (status == STATUS_OK) {
        status = put_number(out, value);
    }
    return status == STATUS_OK ? buffer_printf(out, "}\n") : status;
}

/* ---- What it says -------------------------------------------------------------------------------
 */

static enum status refuse(const char *line, size_t size, const char *why, struct error *err)
{
    return error_set(err, STATUS_INVALID, "the sampler said %.*s%s: %s",
                     (int)(size < SHOWN_SIZE ? size : SHOWN_SIZE), line,
                     size < SHOWN_SIZE ? "" : "...", why);
}

static bool is_true(const mf_value *value, const char *key)
{
    const mf_value *field = mf_field(value, key);
    return field != NULL && mf_bool(field);
}

static bool read_trial(const mf_value *value, struct sampler_message *message)
{
    const mf_value *id = mf_field(value, "id");
    const mf_value *parameters = mf_field(value, "parameters");
    if (id == NULL || mf_kind_of(id) != MF_INT || mf_int(id) < 0 || parameters == NULL ||
        mf_kind_of(parameters) != MF_MAP) {
        return false;
    }
    message->kind = SAMPLER_TRIAL;
    message->id = (uint64_t)mf_int(id);
    message->parameters = *parameters;
    return true;
}

enum status sampler_read(const char *line, size_t size, struct arena *arena,
                         struct sampler_message *message_out, struct error *err)
{
    mf_value value;
    struct error reason = {.text = ""};
    struct sampler_message message = {.kind = SAMPLER_READY};
    if (size > SAMPLER_LINE_SIZE_MAX) {
        return refuse(line, size, "a line is at most 16 MiB", err);
    }
    const enum status status = value_from_json(arena, line, size, &value, &reason);
    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    if (status != STATUS_OK) {
        return refuse(line, size, reason.text, err);
    }
    const mf_value *error = mf_field(&value, "error");
    if (error != NULL && mf_kind_of(error) == MF_STR) {
        message.kind = SAMPLER_ERROR;
        message.error = mf_str(error);
    } else if (is_true(&value, "done")) {
        message.kind = SAMPLER_DONE;
    } else if (!is_true(&value, "ready") && !read_trial(&value, &message)) {
        return refuse(line, size, "expected ready, error, done, or id and parameters", err);
    }
    *message_out = message;
    return STATUS_OK;
}

/* ---- A trial ------------------------------------------------------------------------------------
 */

static bool is_of_integers(const struct parameter *parameter)
{
    return parameter->shape == SHAPE_INT_UNIFORM ||
           (parameter->is_quantised && mf_kind_of(&parameter->q) == MF_INT);
}

static mf_value in_kind(const struct parameter *parameter, const mf_value *value)
{
    const bool is_listed =
        parameter->shape == SHAPE_CONSTANT || parameter->shape == SHAPE_CATEGORICAL;
    if (is_listed || !value_is_number(value)) {
        return *value;
    }
    const double real = mf_float(value);
    if (is_of_integers(parameter) && mf_kind_of(value) == MF_FLOAT && real == trunc(real) &&
        fabs(real) < 0x1p63) {
        return value_int((int64_t)real);
    }
    return is_of_integers(parameter) ? *value : value_float(real);
}

/* One of a list may come back as another kind of number. */
static mf_value as_listed(const struct parameter *parameter, const mf_value *value)
{
    for (size_t i = 0; i < mf_count(&parameter->values); i++) {
        const mf_value *item = mf_item(&parameter->values, i);
        if (value_is_equal(item, value) || (value_is_number(item) && value_is_number(value) &&
                                            mf_float(item) == mf_float(value))) {
            return *item;
        }
    }
    return *value;
}

enum status sampler_take(const struct space *space, const mf_value *parameters,
                         mf_value *values_out, struct error *err)
{
    char text[256];
    for (size_t i = 0; i < mf_count(parameters); i++) {
        if (space_find(space, mf_key(parameters, i)) == NULL) {
            return error_set(err, STATUS_INVALID,
                             "the sampler gave %s, which is no parameter of the sweep",
                             mf_key(parameters, i));
        }
    }
    for (size_t i = 0; i < space->count; i++) {
        const struct parameter *parameter = &space->parameters[i];
        const mf_value *given = mf_field(parameters, parameter->name);
        if (given == NULL) {
            return error_set(err, STATUS_INVALID, "the sampler left %s out", parameter->name);
        }
        values_out[i] = mf_count(&parameter->values) > 0 ? as_listed(parameter, given)
                                                         : in_kind(parameter, given);
        if (!parameter_accepts(parameter, &values_out[i], text, sizeof(text))) {
            return error_set(err, STATUS_INVALID, "the sampler gave %s", text);
        }
    }
    return STATUS_OK;
}
