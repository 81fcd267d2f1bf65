/* --grid NAME=V1,V2,... as a formula: the axes, converted to the task's type. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "master/inputs_internal.h"
#include "shared/grid.h"
#include "shared/pack.h"
#include "shared/value.h"

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
static enum status split_texts(struct making *making, const char *text, mf_value *list_out,
                               struct error *err)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++) {
        count += *at == ',' ? 1 : 0;
    }
    mf_value *values = arena_take(&making->arena, count * sizeof(*values));
    if (values == NULL || count > UINT32_MAX) {
        return fail_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const size_t size = strcspn(text, ",");
        const char *copy = arena_copy(&making->arena, text, size);
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
static enum status split_json(struct making *making, const char *text, mf_value *list_out,
                              struct error *err)
{
    struct buffer json = {0};
    enum status status = buffer_printf(&json, "[%s]", text);
    if (status == STATUS_OK) {
        status = value_from_json(&making->arena, (const char *)json.data, json.size, list_out, err);
    } else {
        status = fail_memory(err);
    }
    buffer_free(&json);
    return status;
}

static enum status put_values(struct making *making, const struct type *type, const mf_value *list,
                              bool is_text, struct error *err)
{
    const struct type_conversion conversion = {.origin =
                                                   is_text ? TYPE_ORIGIN_TEXT : TYPE_ORIGIN_DATA,
                                               .base_dir = making->source->launch_dir};
    struct pack pack;
    pack_start(&pack, &making->packed);
    pack_array(&pack, mf_count(list));
    enum status status = pack_finish(&pack);
    for (size_t i = 0; i < mf_count(list) && status == STATUS_OK; i++) {
        mf_value value = *mf_item(list, i);
        if (type != NULL) {
            status = type_convert(type, mf_item(list, i), &conversion, &making->arena, &value, err);
        }
        if (status == STATUS_OK) {
            status =
                value_encode(&value, &making->packed) == STATUS_OK ? STATUS_OK : fail_memory(err);
        }
    }
    return status;
}

static enum status begin_axis(struct making *making, const char *name, size_t size)
{
    struct pack pack;
    pack_start(&pack, &making->packed);
    pack_array(&pack, 2);
    pack_str(&pack, name, size);
    return pack_finish(&pack);
}

/* "NAME=V1,V2" or "NAME:=JSON,JSON". */
static enum status put_axis(struct making *making, const char *text, struct error *err)
{
    size_t name_size = 0;
    mf_value list = value_null();
    enum status status = inputs_split_name("--grid", text, &name_size, err);
    if (status != STATUS_OK) {
        return status;
    }
    const char *values = text + name_size + 1;
    const bool is_json = name_size > 1 && text[name_size - 1] == ':';
    name_size -= is_json ? 1 : 0;
    const char *name = arena_copy(&making->arena, text, name_size);
    if (name == NULL) {
        return fail_memory(err);
    }
    if (memchr(name, '~', name_size) != NULL) {
        return error_set(err, STATUS_INVALID,
                         "--grid \"%s\": a distribution has no values to combine", text);
    }
    status =
        is_json ? split_json(making, values, &list, err) : split_texts(making, values, &list, err);
    if (status == STATUS_OK) {
        status = begin_axis(making, name, name_size) == STATUS_OK ? STATUS_OK : fail_memory(err);
    }
    if (status == STATUS_OK) {
        status = put_values(making, field_type(making->type, name), &list, !is_json, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "--grid %s: ", name);
    }
    return status;
}

/* A bound field is an axis with one value. */
static enum status put_bounds(struct making *making, struct error *err)
{
    const mf_value *bound = NULL;
    enum status status = inputs_parse_bounds(making->source, &making->arena, &bound, err);
    for (size_t i = 0; i < making->source->bound_count && status == STATUS_OK; i++) {
        const mf_value one = {.mf_private_kind = MF_LIST,
                              .mf_private_count = 1,
                              .mf_private_as = {.values = &bound[2 * i + 1]}};
        const char *name = mf_str(&bound[2 * i]);
        status = begin_axis(making, name, strlen(name)) == STATUS_OK ? STATUS_OK : fail_memory(err);
        if (status == STATUS_OK) {
            status = put_values(making, field_type(making->type, name), &one, false, err);
        }
        if (status != STATUS_OK) {
            error_prefix(err, "--bind %s: ", name);
        }
    }
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
