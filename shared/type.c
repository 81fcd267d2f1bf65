#include "shared/type.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/type_private.h"

void type_destroy(struct type *type)
{
    if (type == NULL) {
        return;
    }
    for (size_t i = 0; i < type->field_count; i++) {
        free(type->fields[i].name);
        type_destroy(type->fields[i].type);
    }
    type_destroy(type->element);
    free(type->fields);
    free(type->by_name);
    free(type);
}

enum type_kind type_kind(const struct type *type)
{
    return type->kind;
}

bool type_is_optional(const struct type *type)
{
    return type->is_nullable || type->kind == TYPE_ANY || type->kind == TYPE_NULL;
}

const struct type *type_element(const struct type *type)
{
    return type->element;
}

size_t type_field_count(const struct type *type)
{
    return type->field_count;
}

const char *type_field_name(const struct type *type, size_t i)
{
    assert(i < type->field_count);
    return type->fields[i].name;
}

const struct type *type_field_type(const struct type *type, size_t i)
{
    assert(i < type->field_count);
    return type->fields[i].type;
}

bool type_field_is_optional(const struct type *type, size_t i)
{
    assert(i < type->field_count);
    return type->fields[i].is_optional;
}

size_t type_field_find(const struct type *type, const char *name, size_t hint)
{
    if (hint < type->field_count && strcmp(type->fields[hint].name, name) == 0) {
        return hint;
    }
    size_t low = 0;
    size_t high = type->field_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const size_t position = type->by_name[middle];
        const int order = strcmp(type->fields[position].name, name);
        if (order == 0) {
            return position;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return type->field_count;
}

const char *type_kind_name(enum type_kind kind)
{
    static const char *const names[] = {
        [TYPE_NULL] = "null",   [TYPE_BOOL] = "bool", [TYPE_INT] = "int",
        [TYPE_FLOAT] = "float", [TYPE_STR] = "str",   [TYPE_BYTES] = "bytes",
        [TYPE_FILE] = "file",   [TYPE_DIR] = "dir",   [TYPE_ANY] = "any",
        [TYPE_LIST] = "list",   [TYPE_MAP] = "map",   [TYPE_RECORD] = "record",
    };
    return names[kind];
}

static MUST_CHECK enum status append_text(struct buffer *out, const char *text)
{
    return buffer_append(out, text, strlen(text));
}

static MUST_CHECK enum status format_fields(const struct type *type, struct buffer *out)
{
    enum status status = buffer_append_byte(out, '{');
    for (size_t i = 0; i < type->field_count && status == STATUS_OK; i++) {
        const struct type_field *field = &type->fields[i];
        status = buffer_printf(out, "%s%s%s: ", i > 0 ? ", " : "", field->name,
                               field->is_optional ? "?" : "");
        if (status == STATUS_OK) {
            status = type_format(field->type, out);
        }
    }
    return status == STATUS_OK ? buffer_append_byte(out, '}') : status;
}

enum status type_format(const struct type *type, struct buffer *out)
{
    enum status status = STATUS_OK;
    if (type->kind == TYPE_RECORD) {
        status = format_fields(type, out);
    } else {
        status = append_text(out, type_kind_name(type->kind));
        if (status == STATUS_OK && type->element != NULL) {
            status = buffer_append_byte(out, '<');
            if (status == STATUS_OK) {
                status = type_format(type->element, out);
            }
            if (status == STATUS_OK) {
                status = buffer_append_byte(out, '>');
            }
        }
    }
    return status == STATUS_OK && type->is_nullable ? buffer_append_byte(out, '?') : status;
}

static bool fields_are_equal(const struct type *a, const struct type *b)
{
    for (size_t i = 0; i < a->field_count; i++) {
        const struct type_field *left = &a->fields[a->by_name[i]];
        const struct type_field *right = &b->fields[b->by_name[i]];
        if (strcmp(left->name, right->name) != 0 || left->is_optional != right->is_optional ||
            !type_is_equal(left->type, right->type)) {
            return false;
        }
    }
    return true;
}

bool type_is_equal(const struct type *a, const struct type *b)
{
    if (a->kind != b->kind || a->is_nullable != b->is_nullable ||
        a->field_count != b->field_count) {
        return false;
    }
    if (a->element != NULL) {
        return type_is_equal(a->element, b->element);
    }
    return fields_are_equal(a, b);
}
