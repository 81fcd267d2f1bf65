#include "master/workflow_process_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/formula.h"
#include "shared/value.h"

/* ---- By types alone ---------------------------------------------------------------------------
 */

/* Is it about a null that the one may hold and the other does not take? */
static bool is_about_null(const struct type *found, const struct type *expected)
{
    return (type_is_optional(found) && !type_is_optional(expected)) ||
           (type_kind(found) == TYPE_LIST && type_kind(expected) == TYPE_LIST &&
            is_about_null(type_element(found), type_element(expected)));
}

static enum status fail_type(const struct type *found, const struct type *expected,
                             const char *what, struct error *err)
{
    struct buffer left = {0};
    struct buffer right = {0};
    enum status status = STATUS_INVALID;
    if (type_format(found, &left) != STATUS_OK || type_format(expected, &right) != STATUS_OK) {
        status = error_set(err, STATUS_INVALID, "%s has another type than the task takes", what);
    } else {
        status = error_set(err, STATUS_INVALID, "%s of type %.*s for %.*s%s", what, (int)left.size,
                           (const char *)left.data, (int)right.size, (const char *)right.data,
                           is_about_null(found, expected)
                               ? ": it may hold nulls, as what a map gives that allows failures"
                               : "");
    }
    buffer_free(&left);
    buffer_free(&right);
    return status;
}

/* Items of a list are given for the type, which may be a record that gets others beside. */
static enum status check_items(const mf_workflow *wf, const mf_value *list,
                               const struct type *expected, const char *what, struct error *err)
{
    const struct type *type = workflow_known_type(wf, list);
    const struct type *element = type != NULL ? type_element(type) : NULL;
    return element == NULL || type_fits(element, expected)
               ? STATUS_OK
               : fail_type(element, expected, what, err);
}

/* The type of a field of the input; NULL where it has none of that name. */
static const struct type *field_type(const struct type *record, const char *name)
{
    for (size_t i = 0; i < type_field_count(record); i++) {
        if (strcmp(type_field_name(record, i), name) == 0) {
            return type_field_type(record, i);
        }
    }
    return NULL;
}

static enum status check_named(const mf_workflow *wf, const struct task *task,
                               const mf_named *named, bool is_zip, struct error *err)
{
    for (; named != NULL && named->name != NULL; named++) {
        const struct type *expected = field_type(task->input, named->name);
        const struct type *type = workflow_known_type(wf, named->value);
        enum status status = STATUS_OK;
        char what[256];
        if (expected == NULL || type == NULL) {
            continue; /* the values will tell */
        }
        if (is_zip) {
            (void)snprintf(what, sizeof(what), "items of \"%s\"", named->name);
            status = check_items(wf, named->value, expected, what, err);
        } else if (!type_fits(type, expected)) {
            (void)snprintf(what, sizeof(what), "\"%s\"", named->name);
            status = fail_type(type, expected, what, err);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status fail_field(const struct task *task, const char *name, const char *problem,
                              struct error *err)
{
    struct buffer text = {0};
    enum status status = type_format(task->input, &text);
    status = status == STATUS_OK ? error_set(err, STATUS_INVALID, "%s field \"%s\" of %.*s",
                                             problem, name, (int)text.size, (const char *)text.data)
                                 : error_set(err, STATUS_INVALID, "%s field \"%s\"", problem, name);
    buffer_free(&text);
    return status;
}

static bool is_named(const mf_named *named, const char *name)
{
    while (named != NULL && named->name != NULL && strcmp(named->name, name) != 0) {
        named++;
    }
    return named != NULL && named->name != NULL;
}

/* Without an instance, no value tells that names are wrong or missing. */
static enum status check_names(const struct task *task, const struct workflow_inputs *inputs,
                               struct error *err)
{
    const mf_named *all[] = {inputs->zip, inputs->bind};
    if (type_kind(task->input) != TYPE_RECORD || (inputs->zip == NULL && inputs->bind == NULL)) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (const mf_named *named = all[i]; named != NULL && named->name != NULL; named++) {
            if (field_type(task->input, named->name) == NULL) {
                return fail_field(task, named->name, "there is no", err);
            }
        }
    }
    for (size_t i = 0; inputs->list == NULL && i < type_field_count(task->input); i++) {
        const char *name = type_field_name(task->input, i);
        if (!type_field_is_optional(task->input, i) && !is_named(inputs->zip, name) &&
            !is_named(inputs->bind, name)) {
            return fail_field(task, name, "nothing is given for", err);
        }
    }
    return STATUS_OK;
}

static enum status check_types(const mf_workflow *wf, const struct task *task,
                               const struct workflow_inputs *inputs, struct error *err)
{
    const bool is_record = inputs->zip != NULL || inputs->bind != NULL;
    enum status status = STATUS_OK;
    if (inputs->one != NULL) {
        const struct type *type = workflow_known_type(wf, inputs->one);
        return type == NULL || type_fits(type, task->input)
                   ? STATUS_OK
                   : fail_type(type, task->input, "an input", err);
    }
    if (inputs->list != NULL && !is_record) {
        status = check_items(wf, inputs->list, task->input, "inputs", err);
    }
    if (status == STATUS_OK) {
        status = check_names(task, inputs, err);
    }
    if (status == STATUS_OK) {
        status = check_named(wf, task, inputs->zip, true, err);
    }
    return status == STATUS_OK ? check_named(wf, task, inputs->bind, false, err) : status;
}

/* ---- By their values --------------------------------------------------------------------------
 */

static enum status check_list(const mf_value *list, const char *name, struct error *err)
{
    if (list != NULL && mf_kind_of(list) == MF_LIST) {
        return STATUS_OK;
    }
    return *name == '\0' ? error_set(err, STATUS_INVALID, "its inputs are no list")
                         : error_set(err, STATUS_INVALID, "\"%s\" is no list", name);
}

/* All lists have the length of the first of them. */
static enum status count_inputs(const struct workflow_inputs *inputs, uint64_t *size_out,
                                struct error *err)
{
    const char *first = inputs->list != NULL ? "its inputs" : NULL;
    *size_out = inputs->list != NULL ? mf_count(inputs->list) : 0;
    for (const mf_named *zip = inputs->zip; zip != NULL && zip->name != NULL; zip++) {
        const enum status status = check_list(zip->value, zip->name, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (first == NULL) {
            first = zip->name;
            *size_out = mf_count(zip->value);
        } else if (mf_count(zip->value) != *size_out) {
            return error_set(err, STATUS_INVALID,
                             "lists that are zipped have different lengths: %s %" PRIu64 ", %s %zu",
                             first, *size_out, zip->name, mf_count(zip->value));
        }
    }
    return first != NULL ? STATUS_OK : error_set(err, STATUS_INVALID, "it has no inputs");
}

static enum status put_field(mf_value *pairs, size_t *count, const char *name,
                             const mf_value *value, struct error *err)
{
    if (value == NULL) {
        return error_set(err, STATUS_INVALID, "field \"%s\" has no value", name);
    }
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(pairs[2 * i].mf_private_as.text, name) == 0) {
            return error_set(err, STATUS_INVALID, "field \"%s\" is given twice", name);
        }
    }
    pairs[2 * *count] = value_text(MF_STR, name, (uint32_t)strlen(name));
    pairs[2 * *count + 1] = *value;
    ++*count;
    return STATUS_OK;
}

static size_t count_named(const mf_named *named)
{
    size_t count = 0;
    while (named != NULL && named[count].name != NULL) {
        count++;
    }
    return count;
}

/* The record of an instance, in the scratch arena: its input's fields, those zipped, those bound.
 */
static enum status join_record(mf_workflow *wf, const struct workflow_inputs *inputs,
                               uint64_t index, mf_value *record_out, struct error *err)
{
    const mf_value *base = inputs->list != NULL ? mf_item(inputs->list, index) : NULL;
    enum status status = STATUS_OK;
    size_t count = 0;
    if (base != NULL && mf_kind_of(base) != MF_MAP) {
        return error_set(err, STATUS_INVALID,
                         "no record, but zipped or bound fields are to stand in it");
    }
    const size_t capacity =
        (base != NULL ? mf_count(base) : 0) + count_named(inputs->zip) + count_named(inputs->bind);
    mf_value *pairs = arena_take(&wf->scratch, 2 * capacity * sizeof(*pairs) + 1);
    if (pairs == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory");
    }
    for (size_t i = 0; base != NULL && i < mf_count(base) && status == STATUS_OK; i++) {
        status = put_field(pairs, &count, mf_key(base, i), mf_item(base, i), err);
    }
    for (const mf_named *zip = inputs->zip; zip != NULL && zip->name != NULL && status == STATUS_OK;
         zip++) {
        status = put_field(pairs, &count, zip->name, mf_item(zip->value, index), err);
    }
    for (const mf_named *bind = inputs->bind;
         bind != NULL && bind->name != NULL && status == STATUS_OK; bind++) {
        status = put_field(pairs, &count, bind->name, bind->value, err);
    }
    *record_out = (mf_value){.mf_private_kind = MF_MAP,
                             .mf_private_count = (uint32_t)count,
                             .mf_private_as.values = pairs};
    return status;
}

static enum status pack_value(mf_workflow *wf, const struct task *task, const mf_value *value,
                              struct buffer *out, struct error *err)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = wf->launch_dir};
    mf_value converted;
    enum status status =
        type_convert(task->input, value, &conversion, &wf->scratch, &converted, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = value_encode(&converted, out);
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(err, status, "cannot be packed: %s", status_text(status));
}

static enum status pack_instance(mf_workflow *wf, const struct task *task,
                                 const struct workflow_inputs *inputs, uint64_t index,
                                 struct buffer *out, struct error *err)
{
    mf_value record;
    enum status status = STATUS_OK;
    arena_reset(&wf->scratch);
    if (inputs->zip == NULL && inputs->bind == NULL) {
        status = pack_value(wf, task, mf_item(inputs->list, index), out, err);
    } else {
        status = join_record(wf, inputs, index, &record, err);
        if (status == STATUS_OK) {
            status = pack_value(wf, task, &record, out, err);
        }
    }
    if (status != STATUS_OK) {
        error_prefix(err, "index %" PRIu64 ": ", index);
    }
    return status;
}

static enum status pack_list(mf_workflow *wf, const struct task *task,
                             const struct workflow_inputs *inputs, struct buffer *out,
                             uint64_t *size_out, struct error *err)
{
    enum status status = inputs->list != NULL ? check_list(inputs->list, "", err) : STATUS_OK;
    if (status == STATUS_OK) {
        status = count_inputs(inputs, size_out, err);
    }
    for (uint64_t i = 0; status == STATUS_OK && i < *size_out; i++) {
        status = pack_instance(wf, task, inputs, i, out, err);
    }
    return status;
}

/* Integers need no file. */
static enum status count_range(const struct task *task, const struct workflow_inputs *inputs,
                               uint64_t *size_out, struct error *err)
{
    struct formula formula;
    const enum type_kind kind = type_kind(task->input);
    if (inputs->list != NULL || inputs->zip != NULL || inputs->bind != NULL) {
        return error_set(err, STATUS_INVALID,
                         "range gives all of its inputs: there is no list, zip or bind beside it");
    }
    if (kind != TYPE_INT && kind != TYPE_FLOAT && kind != TYPE_ANY) {
        return error_set(err, STATUS_INVALID, "range gives integers, and the task takes others");
    }
    const enum status status = formula_parse_range(inputs->range, &formula, err);
    if (status != STATUS_OK) {
        error_prefix(err, "range: ");
        return status;
    }
    *size_out = formula.count;
    return STATUS_OK;
}

enum status workflow_pack_inputs(mf_workflow *wf, const struct task *task,
                                 const struct workflow_inputs *inputs, struct buffer *out,
                                 uint64_t *size_out, struct error *err)
{
    if (inputs->range != NULL) {
        return count_range(task, inputs, size_out, err);
    }
    const enum status status = check_types(wf, task, inputs, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (inputs->one == NULL) {
        return pack_list(wf, task, inputs, out, size_out, err);
    }
    *size_out = 1;
    arena_reset(&wf->scratch);
    return pack_value(wf, task, inputs->one, out, err);
}
