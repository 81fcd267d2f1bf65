/* Values against types, to the letter, and the texts that say what does not fit. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/type.h"
#include "shared/type_private.h"
#include "shared/value.h"

/* ---- Texts ---------------------------------------------------------------------------------- */

enum { PATH_TEXT_SIZE = 400, TYPE_TEXT_SIZE = 200, SHOWN_SIZE = 40 };

static bool is_plain_name(const char *key)
{
    static const char parts[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return *key != '\0' && !(*key >= '0' && *key <= '9') && key[strspn(key, parts)] == '\0';
}

/* Cut a text so that no character of it is split. */
static size_t cut(const char *text, size_t size, size_t size_max)
{
    if (size <= size_max) {
        return size;
    }
    size = size_max;
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80) {
        size--;
    }
    return size;
}

/* Texts go into one line of a log: what would break it is shown as '?'. */
static void copy_shown(const char *text, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        out[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
    }
    out[size] = '\0';
}

/* Append one step to the text of a path of `size` bytes; gives the new size. */
static size_t append_step(const struct type_path *step, char *text, size_t size)
{
    char key[SHOWN_SIZE + 1];
    const size_t room = PATH_TEXT_SIZE - size;
    int added = 0;
    if (step->key == NULL) {
        added = snprintf(text + size, room, "[%zu]", step->index);
    } else {
        copy_shown(step->key, cut(step->key, strlen(step->key), SHOWN_SIZE), key);
        added = snprintf(text + size, room, is_plain_name(key) ? ".%s" : "[\"%s\"]", key);
    }
    if (added < 0) {
        return size;
    }
    return (size_t)added < room ? size + (size_t)added : PATH_TEXT_SIZE - 1;
}

static size_t append_path(const struct type_path *path, char *text)
{
    if (path == NULL || path->outer == NULL) {
        return 0;
    }
    return append_step(path, text, append_path(path->outer, text));
}

enum status type_fail(const struct type_path *path, struct error *err, const char *format, ...)
{
    if (err == NULL) {
        return STATUS_INVALID;
    }
    char path_text[PATH_TEXT_SIZE] = "";
    (void)append_path(path, path_text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    if (path_text[0] != '\0') {
        error_prefix(err, "at %s: ", path_text);
    }
    return STATUS_INVALID;
}

/* The type's text, cut; its kind where memory is short. */
static void show_type(const struct type *type, char text[TYPE_TEXT_SIZE])
{
    struct buffer buffer = {0};
    if (type_format(type, &buffer) == STATUS_OK) {
        const size_t shown_size =
            buffer.size < TYPE_TEXT_SIZE - 4 ? buffer.size : TYPE_TEXT_SIZE - 4;
        (void)snprintf(text, TYPE_TEXT_SIZE, "%.*s%s", (int)shown_size, (const char *)buffer.data,
                       shown_size < buffer.size ? "..." : "");
    } else {
        (void)snprintf(text, TYPE_TEXT_SIZE, "%s", type_kind_name(type_kind(type)));
    }
    buffer_free(&buffer);
}

const char *type_show(const mf_value *value, char text[TYPE_SHOW_SIZE])
{
    char shown[VALUE_FLOAT_TEXT_SIZE + SHOWN_SIZE + 1];
    switch (mf_kind_of(value)) {
    case MF_NULL:
        (void)snprintf(text, TYPE_SHOW_SIZE, "null");
        break;
    case MF_BOOL:
        (void)snprintf(text, TYPE_SHOW_SIZE, "bool %s", mf_bool(value) ? "true" : "false");
        break;
    case MF_INT:
        (void)snprintf(text, TYPE_SHOW_SIZE, "int %" PRId64, mf_int(value));
        break;
    case MF_FLOAT:
        (void)value_float_text(mf_float(value), shown);
        (void)snprintf(text, TYPE_SHOW_SIZE, "float %s", shown);
        break;
    case MF_STR:
        copy_shown(mf_str(value), cut(mf_str(value), mf_size(value), SHOWN_SIZE), shown);
        (void)snprintf(text, TYPE_SHOW_SIZE, "str \"%s\"%s", shown,
                       mf_size(value) > SHOWN_SIZE ? "..." : "");
        break;
    case MF_BYTES:
        (void)snprintf(text, TYPE_SHOW_SIZE, "bytes of size %zu", mf_size(value));
        break;
    case MF_LIST:
        (void)snprintf(text, TYPE_SHOW_SIZE, "list of %zu", mf_count(value));
        break;
    case MF_MAP:
        (void)snprintf(text, TYPE_SHOW_SIZE, "map of %zu", mf_count(value));
        break;
    }
    return text;
}

enum status type_fail_found(const struct type_path *path, const struct type *expected,
                            const mf_value *found, struct error *err)
{
    char type_text[TYPE_TEXT_SIZE];
    char found_text[TYPE_SHOW_SIZE];
    if (err == NULL) {
        return STATUS_INVALID;
    }
    show_type(expected, type_text);
    return type_fail(path, err, "expected %s, found %s", type_text, type_show(found, found_text));
}

enum status type_fail_missing(const struct type_path *path, const struct type *type,
                              const mf_value *value, struct error *err)
{
    char type_text[TYPE_TEXT_SIZE];
    for (size_t i = 0; i < type->field_count && err != NULL; i++) {
        const struct type_field *field = &type->fields[i];
        if (!field->is_optional && mf_field(value, field->name) == NULL) {
            const struct type_path step = {.outer = path, .key = field->name};
            show_type(field->type, type_text);
            return type_fail(&step, err, "expected %s, found nothing", type_text);
        }
    }
    return type_fail(path, err, "found a field twice");
}

enum status type_fail_unknown(const struct type_path *path, const struct type *record,
                              struct error *err)
{
    char type_text[TYPE_TEXT_SIZE];
    if (err == NULL) {
        return STATUS_INVALID;
    }
    show_type(record, type_text);
    return type_fail(path, err, "found a field that %s does not have", type_text);
}

/* ---- Trees ---------------------------------------------------------------------------------- */

static enum status check_elements(const struct type_path *path, const struct type *type,
                                  const mf_value *value, struct error *err)
{
    struct type_path step = {.outer = path};
    for (size_t i = 0; i < mf_count(value); i++) {
        step.index = i;
        step.key = mf_key(value, i);
        const enum status status = type_check_at(&step, type->element, mf_item(value, i), err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status check_record(const struct type_path *path, const struct type *type,
                                const mf_value *value, struct error *err)
{
    struct type_path step = {.outer = path};
    size_t required_count = 0;
    size_t hint = 0;
    for (size_t i = 0; i < mf_count(value); i++) {
        step.key = mf_key(value, i);
        const size_t position = type_field_find(type, step.key, hint);
        if (position == type->field_count) {
            return type_fail_unknown(&step, type, err);
        }
        const struct type_field *field = &type->fields[position];
        const enum status status = type_check_at(&step, field->type, mf_item(value, i), err);
        if (status != STATUS_OK) {
            return status;
        }
        required_count += field->is_optional ? 0 : 1;
        hint = position + 1;
    }
    /* No key stands twice, so that the number tells whether all are there. */
    return required_count == type->required_count ? STATUS_OK
                                                  : type_fail_missing(path, type, value, err);
}

/* The one kind of value that each kind of type takes. */
static const mf_kind kind_of_type[] = {
    [TYPE_NULL] = MF_NULL, [TYPE_BOOL] = MF_BOOL,   [TYPE_INT] = MF_INT,  [TYPE_FLOAT] = MF_FLOAT,
    [TYPE_STR] = MF_STR,   [TYPE_BYTES] = MF_BYTES, [TYPE_FILE] = MF_STR, [TYPE_DIR] = MF_STR,
    [TYPE_ANY] = MF_NULL,  [TYPE_LIST] = MF_LIST,   [TYPE_MAP] = MF_MAP,  [TYPE_RECORD] = MF_MAP,
};

enum status type_check_at(const struct type_path *path, const struct type *type,
                          const mf_value *value, struct error *err)
{
    if (type->kind == TYPE_ANY || (type->is_nullable && mf_is_null(value))) {
        return STATUS_OK;
    }
    if (mf_kind_of(value) != kind_of_type[type->kind]) {
        return type_fail_found(path, type, value, err);
    }
    if (type->kind == TYPE_RECORD) {
        return check_record(path, type, value, err);
    }
    return type->element != NULL ? check_elements(path, type, value, err) : STATUS_OK;
}

enum status type_check(const struct type *type, const mf_value *value, struct error *err)
{
    const struct type_path whole = {0};
    return type_check_at(&whole, type, value, err);
}

/* ---- Packed values -------------------------------------------------------------------------- */

static bool is_packed_str(const uint8_t *data, size_t size)
{
    const uint8_t first = data[0];
    size_t head_size = 1;
    size_t text_size = first & 0x1f;
    if (first >= 0xd9 && first <= 0xdb) {
        head_size = (size_t)1 + (1u << (first - 0xd9));
        text_size = 0;
        for (size_t i = 1; i < head_size && i < size; i++) {
            text_size = text_size << 8 | data[i];
        }
    } else if (first < 0xa0 || first > 0xbf) {
        return false;
    }
    return size >= head_size && size - head_size == text_size &&
           value_is_utf8((const char *)data + head_size, text_size);
}

/* Is it, seen without decoding, of that type? False may also mean: look closer. */
static bool is_packed_plainly(const struct type *type, const uint8_t *data, size_t size)
{
    if (size == 1 && data[0] == 0xc0) {
        return type_is_optional(type);
    }
    if (type->kind == TYPE_STR || type->kind == TYPE_FILE || type->kind == TYPE_DIR) {
        return size > 0 && is_packed_str(data, size);
    }
    return type_is_packed_scalar(type->kind, data, size);
}

enum status type_check_packed(const struct type *type, const uint8_t *data, size_t size,
                              struct arena *arena, struct error *err)
{
    if (is_packed_plainly(type, data, size)) {
        return STATUS_OK;
    }
    mf_value value;
    size_t used = 0;
    const enum status status = value_decode(arena, data, size, &used, &value, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (used != size) {
        return error_set(err, STATUS_INVALID, "at byte %zu: expected the end, found %zu bytes more",
                         used, size - used);
    }
    return type_check(type, &value, err);
}
