/* The trials of a sweep as a formula: checked against the task's type, and counted. */
#include <inttypes.h>
#include <stdlib.h>

#include "master/inputs_internal.h"
#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/trials_form.h"

#define MIDDLE (UINT64_MAX / 2 + 1) /* of a distribution */

/* ---- The type ---------------------------------------------------------------------------------
 */

/* A record with a value of each parameter is made, and then one with each other value. */
struct checking {
    const struct inputs_source *source;
    const struct type *type;
    mf_value *values;
    bool *is_there;
    struct arena arena;
};

static enum status check_record(struct checking *checking, struct error *err)
{
    const struct inputs_source *source = checking->source;
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = source->launch_dir};
    mf_value record;
    mf_value element;
    arena_reset(&checking->arena);
    if (space_record(source->trials->space, checking->values, checking->is_there, &checking->arena,
                     &record) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "inputs: %s", status_text(STATUS_NO_MEMORY));
    }
    enum status status =
        type_convert(checking->type, &record, &conversion, &checking->arena, &element, err);
    if (status == STATUS_OK && source->check != NULL) {
        status = source->check(source->check_context, &element, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "a trial: ");
    }
    return status;
}

/* Listed values may be of any type; the others of a parameter are all numbers of one. */
static enum status check_values(struct checking *checking, size_t i, struct error *err)
{
    const struct parameter *parameter = &checking->source->trials->space->parameters[i];
    const bool is_listed =
        parameter->shape == SHAPE_CONSTANT || parameter->shape == SHAPE_CATEGORICAL;
    enum status status = STATUS_OK;
    for (size_t k = 0; is_listed && k < mf_count(&parameter->values) && status == STATUS_OK; k++) {
        checking->values[i] = *mf_item(&parameter->values, k);
        status = check_record(checking, err);
    }
    checking->values[i] = parameter_value(parameter, MIDDLE);
    if (status == STATUS_OK) {
        status = check_record(checking, err);
    }
    if (status == STATUS_OK && parameter->when != NULL) {
        checking->is_there[i] = false;
        status = check_record(checking, err);
        checking->is_there[i] = true;
    }
    return status;
}

/* What a type says of a record, it says of each field for itself: where the values of each
 * parameter are good beside one of every other, all trials are. */
static enum status check_type(const struct inputs_source *source, const struct type *type,
                              struct error *err)
{
    const struct space *space = source->trials->space;
    struct checking checking = {.source = source,
                                .type = type,
                                .values = memory_take(space->count + 1, sizeof(*checking.values)),
                                .is_there =
                                    memory_take(space->count + 1, sizeof(*checking.is_there))};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < space->count; i++) {
        checking.values[i] = parameter_value(&space->parameters[i], MIDDLE);
        checking.is_there[i] = true;
    }
    for (size_t i = 0; i < space->count && status == STATUS_OK; i++) {
        status = check_values(&checking, i, err);
    }
    arena_free(&checking.arena);
    free(checking.values);
    free(checking.is_there);
    return status;
}

/* ---- The formula ------------------------------------------------------------------------------
 */

static enum status count_instances(const struct trials_form *form, uint64_t *count_out,
                                   struct error *err)
{
    struct trials *trials = NULL;
    const enum status status = trials_create(form->space, form->options, &trials, err);
    if (status != STATUS_OK) {
        return status;
    }
    const uint64_t count = trials_count(trials);
    trials_destroy(trials);
    if (count > FORMULA_COUNT_MAX / form->repeats) {
        return error_set(err, STATUS_INVALID,
                         "%" PRIu64 " trials, each %" PRIu64 " times, are more than 2^63 - 1",
                         count, form->repeats);
    }
    *count_out = count * form->repeats;
    return STATUS_OK;
}

static enum status make_formula(const struct trials_form *form, struct formula *formula_out,
                                struct error *err)
{
    struct buffer packed = {0};
    uint64_t count = 0;
    enum status status = count_instances(form, &count, err);
    if (status == STATUS_OK && trials_form_write(form, &packed) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "inputs: %s", status_text(STATUS_NO_MEMORY));
    }
    if (status == STATUS_OK && packed.size > FORMULA_PACKED_SIZE_MAX) {
        status = error_set(err, STATUS_INVALID,
                           "the parameters take %zu bytes, packed; at most %zu are possible",
                           packed.size, FORMULA_PACKED_SIZE_MAX);
    }
    if (status == STATUS_OK) {
        *formula_out = (struct formula){.kind = FORMULA_TRIALS, .step = 1, .count = count};
        formula_out->packed = buffer_take(&packed, &formula_out->packed_size);
    }
    buffer_free(&packed);
    return status;
}

enum status inputs_make_trials(const struct inputs_source *source, const struct type *type,
                               struct formula *formula_out, struct error *err)
{
    const enum status status = check_type(source, type, err);
    return status == STATUS_OK ? make_formula(source->trials, formula_out, err) : status;
}

enum status inputs_trials_come_later(const struct formula *formula, bool *come_later_out,
                                     struct error *err)
{
    struct trials_form form;
    *come_later_out = false;
    if (formula->kind != FORMULA_TRIALS) {
        return STATUS_OK;
    }
    const enum status status = trials_form_read(formula->packed, formula->packed_size, &form, err);
    *come_later_out = status == STATUS_OK && form.options.method == TRIALS_ADAPTIVE;
    trials_form_free(&form);
    return status;
}

enum status inputs_grow_formula(const struct formula *recorded, uint64_t trial_count,
                                struct formula *formula_out, struct error *err)
{
    struct trials_form form;
    enum status status = trials_form_read(recorded->packed, recorded->packed_size, &form, err);
    if (status == STATUS_OK) {
        form.options.count = trial_count;
        status = make_formula(&form, formula_out, err);
    }
    trials_form_free(&form);
    return status;
}
