#include "shared/type.h"

#include <string.h>

#include "shared/type_private.h"

static bool is_text(enum type_kind kind)
{
    return kind == TYPE_STR || kind == TYPE_FILE || kind == TYPE_DIR;
}

/* Every field of the one has its place in the other, and what that needs is there. */
static bool record_fits(const struct type *from, const struct type *to)
{
    for (size_t i = 0; i < from->field_count; i++) {
        const struct type_field *field = &from->fields[i];
        const size_t at = type_field_find(to, field->name, i);
        if (at == to->field_count || !type_fits(field->type, to->fields[at].type) ||
            (field->is_optional && !to->fields[at].is_optional)) {
            return false;
        }
    }
    for (size_t i = 0; i < to->field_count; i++) {
        if (!to->fields[i].is_optional &&
            type_field_find(from, to->fields[i].name, i) == from->field_count) {
            return false;
        }
    }
    return true;
}

static bool fields_fit(const struct type *from, const struct type *element)
{
    for (size_t i = 0; i < from->field_count; i++) {
        if (!type_fits(from->fields[i].type, element)) {
            return false;
        }
    }
    return true;
}

bool type_fits(const struct type *from, const struct type *to)
{
    if (from->kind == TYPE_ANY || to->kind == TYPE_ANY) {
        return true;
    }
    if (type_is_optional(from) && !type_is_optional(to)) {
        return false;
    }
    if (from->kind == TYPE_NULL || (is_text(from->kind) && is_text(to->kind)) ||
        (from->kind == TYPE_INT && to->kind == TYPE_FLOAT) ||
        (from->kind == TYPE_MAP && to->kind == TYPE_RECORD)) {
        return true;
    }
    if (from->kind == TYPE_RECORD && to->kind == TYPE_MAP) {
        return fields_fit(from, to->element);
    }
    if (from->kind != to->kind) {
        return false;
    }
    if (from->element != NULL) {
        return type_fits(from->element, to->element);
    }
    return from->kind != TYPE_RECORD || record_fits(from, to);
}
