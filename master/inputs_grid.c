/* --grid NAME=V1,V2,... as a formula: the axes, converted to the task's type. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "master/inputs_internal.h"
#include "shared/grid.h"
#include "shared/pack.h"
#include "shared/value.h"
#include "shared/value_make.h"

/* The grid that is made. */
struct making {
    const struct inputs_source *source;
    const struct type *type; /* of an element */
    struct arena arena;
    struct buffer packed;
};

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "inputs: %s", status_text(STATUS_NO_MEMORY));
}

/* Of the field of that name; NULL: any. */
static const struct type *field_type(const struct type *type, const char *name)
{
    if (type_kind(type) == TYPE_MAP) {
        return type_element(type);
    }
    for (size_t i = 0; type_kind(type) == TYPE_RECORD && i < type_field_count(type); i++) {
        if (strcmp(type_field_name(type, i), name) == 0) {
            return type_field_type(type, i);
        }
    }
    return NULL;
}

/* ---- Values -----------------------------------------------------------------------------------
 */

/* "a,b,c" as strings. */
static enum status split_texts(struct arena *arena, const char *text, mf_value *list_out,
                               struct error *err)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++) {
        count += *at == ',' ? 1 : 0;
    }
    mf_value *values = arena_take(arena, count * sizeof(*values));
    if (values == NULL || count > UINT32_MAX) {
        return fail_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const size_t size = strcspn(text, ",");
        const char *copy = arena_copy(arena, text, size);
        if (copy == NULL) {
            return fail_memory(err);
        }
        if (!value_is_utf8(copy, size)) {
            return error_set(err, STATUS_INVALID, "found bytes that are not UTF-8, expected text");
        }
        values[i] = value_text(MF_STR, copy, (uint32_t)size);
        text += size + 1;
    }
    *list_out = (mf_value){.mf_private_kind = MF_LIST,
                           .mf_private_count = (uint32_t)count,
                           .mf_private_as = {.values = values}};
    return STATUS_OK;
}

/* "1,2" as the inside of a JSON array. */
static enum status split_json(struct arena *arena, const char *text, mf_value *list_out,
                              struct error *err)
{
    struct buffer json = {0};
    enum status status = buffer_printf(&json, "[%s]", text);
    if (status == STATUS_OK) {
        status = value_from_json(arena, (const char *)json.data, json.size, list_out, err);
    } else {
        status = fail_memory(err);
    }
    buffer_free(&json);
    return status;
}

enum status inputs_read_values(const struct inputs_values *values, struct arena *arena,
                               mf_value *list_out, struct error *err)
{
    const struct type_conversion conversion = {.origin = values->is_json ? TYPE_ORIGIN_DATA
                                                                         : TYPE_ORIGIN_TEXT,
                                               .base_dir = values->launch_dir};
    const struct type *type = field_type(values->type, values->name);
    mf_value list = value_null();
    enum status status = values->is_json ? split_json(arena, values->text, &list, err)
                                         : split_texts(arena, values->text, &list, err);
    if (status != STATUS_OK) {
        return status;
    }
    *list_out = value_list_make(arena, mf_count(&list));
    if (mf_is_null(list_out)) {
        return fail_memory(err);
    }
    for (size_t i = 0; i < mf_count(&list) && status == STATUS_OK; i++) {
        mf_value value = *mf_item(&list, i);
        if (type != NULL) {
            status = type_convert(type, mf_item(&list, i), &conversion, arena, &value, err);
        }
        value_list_set(list_out, i, value);
    }
    return status;
}

static enum status pack_values(struct making *making, const mf_value *list, struct error *err)
{
    struct pack pack;
    pack_start(&pack, &making->packed);
    pack_array(&pack, mf_count(list));
    enum status status = pack_finish(&pack);
    for (size_t i = 0; i < mf_count(list) && status == STATUS_OK; i++) {
        status = value_encode(mf_item(list, i), &making->packed);
    }
    return status == STATUS_OK ? STATUS_OK : fail_memory(err);
}

static enum status begin_axis(struct making *making, const char *name, size_t size)
{
    struct pack pack;
    pack_start(&pack, &making->packed);
    pack_array(&pack, 2);
    pack_str(&pack, name, size);
    return pack_finish(&pack);
}

enum status inputs_split_axis(const char *text, struct arena *arena, struct inputs_values *values,
                              struct error *err)
{
    size_t size = 0;
    const enum status status = inputs_split_name("--grid", text, &size, err);
    if (status != STATUS_OK) {
        return status;
    }
    values->is_json = size > 1 && text[size - 1] == ':';
    values->text = text + size + 1;
    values->name = arena_copy(arena, text, size - (values->is_json ? 1 : 0));
    return values->name != NULL ? STATUS_OK : fail_memory(err);
}

/* "NAME=V1,V2" or "NAME:=JSON,JSON". */
static enum status put_axis(struct making *making, const char *text, struct error *err)
{
    struct inputs_values values = {.type = making->type, .launch_dir = making->source->launch_dir};
    mf_value list;
    if (inputs_is_distribution(text)) {
        return error_set(err, STATUS_INVALID,
                         "--grid \"%s\": a distribution has no values to combine: --sample COUNT "
                         "draws from it",
                         text);
    }
    enum status status = inputs_split_axis(text, &making->arena, &values, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = inputs_read_values(&values, &making->arena, &list, err);
    if (status == STATUS_OK) {
        status = begin_axis(making, values.name, strlen(values.name)) == STATUS_OK
                     ? pack_values(making, &list, err)
                     : fail_memory(err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "--grid %s: ", values.name);
    }
    return status;
}

/* A bound field is an axis with one value. */
static enum status put_bounds(struct making *making, struct error *err)
{
    const mf_value *bound = NULL;
    enum status status =
        inputs_convert_bounds(making->source, making->type, &making->arena, &bound, err);
    for (size_t i = 0; i < making->source->bound_count && status == STATUS_OK; i++) {
        const mf_value one = {.mf_private_kind = MF_LIST,
                              .mf_private_count = 1,
                              .mf_private_as = {.values = &bound[2 * i + 1]}};
        const char *name = mf_str(&bound[2 * i]);
        status = begin_axis(making, name, strlen(name)) == STATUS_OK
                     ? pack_values(making, &one, err)
                     : fail_memory(err);
    }
    return status;
}

enum status inputs_convert_bounds(const struct inputs_source *source, const struct type *type,
                                  struct arena *arena, const mf_value **bound_out,
                                  struct error *err)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = source->launch_dir};
    const mf_value *bound = NULL;
    enum status status = inputs_parse_bounds(source, arena, &bound, err);
    mf_value *converted = arena_take(arena, (2 * source->bound_count + 1) * sizeof(*converted));
    if (status == STATUS_OK && converted == NULL) {
        status = fail_memory(err);
    }
    for (size_t i = 0; i < source->bound_count && status == STATUS_OK; i++) {
        const char *name = mf_str(&bound[2 * i]);
        const struct type *own = field_type(type, name);
        converted[2 * i] = bound[2 * i];
        converted[2 * i + 1] = bound[2 * i + 1];
        if (own != NULL) {
            status = type_convert(own, &bound[2 * i + 1], &conversion, arena, &converted[2 * i + 1],
                                  err);
        }
        if (status != STATUS_OK) {
            error_prefix(err, "--bind %s: ", name);
        }
    }
    *bound_out = converted;
    return status;
}

/* ---- Checks -----------------------------------------------------------------------------------
 */

/* Each value of each axis stands in one of these elements: what is true of them is of all. */
static enum status check_elements(const struct making *making, struct grid *grid, struct error *err)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = making->source->launch_dir};
    struct arena arena = {0};
    enum status status = STATUS_OK;
    uint64_t stride = grid_count(grid);
    for (size_t axis = 0; axis < grid_axis_count(grid) && status == STATUS_OK; axis++) {
        const size_t count = mf_count(grid_axis_values(grid, axis));
        assert(count > 0);
        stride /= count;
        for (size_t i = 0; i < count && status == STATUS_OK; i++) {
            const mf_value element = grid_value(grid, stride * i);
            mf_value same;
            arena_reset(&arena);
            status = type_convert(making->type, &element, &conversion, &arena, &same, err);
            if (status == STATUS_OK && making->source->check != NULL) {
                status = making->source->check(making->source->check_context, &element, err);
            }
        }
    }
    arena_free(&arena);
    if (status != STATUS_OK) {
        error_prefix(err, "--grid: ");
    }
    return status;
}

static enum status make(struct making *making, struct formula *formula_out, struct error *err)
{
    const struct inputs_source *source = making->source;
    struct grid *grid = NULL;
    struct pack pack;
    pack_start(&pack, &making->packed);
    pack_array(&pack, source->grid_count + source->bound_count);
    enum status status = pack_finish(&pack);
    for (size_t i = 0; i < source->grid_count && status == STATUS_OK; i++) {
        status = put_axis(making, source->grids[i], err);
    }
    if (status == STATUS_OK) {
        status = put_bounds(making, err);
    }
    if (status == STATUS_OK) {
        status = grid_open(making->packed.data, making->packed.size, &grid, err);
        if (status != STATUS_OK) {
            error_prefix(err, "--grid: ");
        }
    }
    if (status == STATUS_OK) {
        status = check_elements(making, grid, err);
    }
    if (status == STATUS_OK) {
        *formula_out = (struct formula){.kind = FORMULA_GRID, .step = 1, .count = grid_count(grid)};
        formula_out->packed = buffer_take(&making->packed, &formula_out->packed_size);
    }
    grid_close(grid);
    return status;
}

enum status inputs_make_grid(const struct inputs_source *source, const struct type *type,
                             struct formula *formula_out, struct error *err)
{
    struct making making = {.source = source, .type = type};
    const enum status status = make(&making, formula_out, err);
    arena_free(&making.arena);
    buffer_free(&making.packed);
    return status;
}
