#include "shared/trials_form.h"

#include <string.h>

#include "shared/value.h"
#include "shared/value_make.h"

static const char *const method_names[] = {[TRIALS_GRID] = "grid",
                                           [TRIALS_RANDOM] = "random",
                                           [TRIALS_QUASI] = "quasi",
                                           [TRIALS_ADAPTIVE] = "adaptive"};

#define METHOD_COUNT (sizeof(method_names) / sizeof(method_names[0]))

const char *trials_method_name(enum trials_method method)
{
    return method_names[method];
}

static mf_value number(uint64_t value)
{
    return (mf_value){.mf_private_kind = MF_INT, .mf_private_as = {.integer = (int64_t)value}};
}

enum status trials_form_write(const struct trials_form *form, struct buffer *out)
{
    struct arena arena = {0};
    mf_value space;
    mf_value value = value_map_make(&arena, 5);
    enum status status =
        mf_is_null(&value) ? STATUS_NO_MEMORY : space_value(form->space, &arena, &space);
    if (status == STATUS_OK) {
        value_map_set(&value, 0, "method", value_str(trials_method_name(form->options.method)));
        value_map_set(&value, 1, "seed", number(form->options.seed));
        value_map_set(&value, 2, "trials", number(form->options.count));
        value_map_set(&value, 3, "repeats", number(form->repeats));
        value_map_set(&value, 4, "space", space);
        status = value_encode(&value, out);
    }
    arena_free(&arena);
    return status;
}

/* False where it is missing, no whole number, or less than `min`. */
static bool get_number(const mf_value *value, const char *name, int64_t min, uint64_t *number_out)
{
    const mf_value *field = mf_field(value, name);
    if (field == NULL || mf_kind_of(field) != MF_INT || mf_int(field) < min) {
        return false;
    }
    *number_out = (uint64_t)mf_int(field);
    return true;
}

static bool get_method(const mf_value *value, enum trials_method *method_out)
{
    const mf_value *field = mf_field(value, "method");
    for (size_t i = 0; field != NULL && i < METHOD_COUNT; i++) {
        if (strcmp(mf_str(field), method_names[i]) == 0) {
            *method_out = (enum trials_method)i;
            return true;
        }
    }
    return false;
}

static enum status read_value(const mf_value *value, struct trials_form *form, struct error *err)
{
    if (mf_kind_of(value) != MF_MAP || mf_field(value, "space") == NULL ||
        mf_kind_of(mf_field(value, "space")) != MF_MAP ||
        !get_method(value, &form->options.method) ||
        !get_number(value, "seed", 0, &form->options.seed) ||
        !get_number(value, "trials", 0, &form->options.count) ||
        !get_number(value, "repeats", 1, &form->repeats)) {
        return error_set(err, STATUS_INVALID, "trials are malformed");
    }
    return space_from_value(mf_field(value, "space"), &form->space, err);
}

enum status trials_form_read(const uint8_t *packed, size_t size, struct trials_form *form_out,
                             struct error *err)
{
    struct arena arena = {0};
    mf_value value;
    size_t used = 0;
    *form_out = (struct trials_form){.repeats = 1};
    enum status status = value_decode(&arena, packed, size, &used, &value, err);
    if (status == STATUS_OK && used != size) {
        status = error_set(err, STATUS_INVALID, "trials are malformed");
    }
    if (status == STATUS_OK) {
        status = read_value(&value, form_out, err);
    }
    arena_free(&arena);
    return status;
}

void trials_form_free(struct trials_form *form)
{
    space_destroy(form->space);
    *form = (struct trials_form){.repeats = 1};
}
