/* Values as they come, from JSON or as text, into the form that a type asks for. */
#include <string.h>
#include <unistd.h>

#include "shared/path.h"
#include "shared/remote_settings.h"
#include "shared/type.h"
#include "shared/type_private.h"
#include "shared/url.h"
#include "shared/value.h"

struct converter {
    enum type_origin origin;
    const char *base_dir;
    struct arena *arena;
    struct error *err;
};

static MUST_CHECK enum status convert(const struct converter *converter,
                                      const struct type_path *path, const struct type *type,
                                      const mf_value *value, mf_value *value_out);

static enum status fail_memory(const struct converter *converter)
{
    return error_set(converter->err, STATUS_NO_MEMORY, "out of memory");
}

/* ---- Files and folders ---------------------------------------------------------------------- */

static MUST_CHECK enum status check_path(const struct type *type, const char *resolved,
                                         const struct stat *found, const struct type_path *path,
                                         struct error *err)
{
    if (type->kind == TYPE_DIR) {
        return S_ISDIR(found->st_mode)
                   ? STATUS_OK
                   : type_fail(path, err, "expected dir, but %s is no folder", resolved);
    }
    if (!S_ISREG(found->st_mode)) {
        return type_fail(path, err, "expected file, but %s is no regular file", resolved);
    }
    if (access(resolved, R_OK) != 0) {
        return type_fail(path, err, "expected file, but %s cannot be read", resolved);
    }
    return STATUS_OK;
}

/* Nothing is asked of a server yet; but what cannot work is refused. */
static MUST_CHECK enum status check_url(const struct converter *converter,
                                        const struct type_path *path, const struct type *type,
                                        const char *text)
{
    struct error reason;
    struct url url;
    enum status status = url_check(text, type->kind == TYPE_DIR, &reason);
    if (status == STATUS_OK && url_parse(text, &url, &reason) == STATUS_OK &&
        url.scheme == URL_S3) {
        status = remote_settings_check_own_s3(&reason);
    }
    return status == STATUS_OK ? status : type_fail(path, converter->err, "%s", reason.text);
}

static MUST_CHECK enum status convert_path(const struct converter *converter,
                                           const struct type_path *path, const struct type *type,
                                           const mf_value *value, mf_value *value_out)
{
    const char *text = mf_str(value);
    if (strlen(text) != mf_size(value)) {
        return type_fail(path, converter->err, "expected %s, found a path with a NUL",
                         type_kind_name(type->kind));
    }
    if (path_is_url(text)) {
        *value_out = *value;
        return check_url(converter, path, type, text);
    }
    char resolved[PATH_MAX];
    struct stat found;
    struct error reason;
    enum status status = path_resolve(converter->base_dir, text, resolved, &found, &reason);
    if (status != STATUS_OK) {
        return type_fail(path, converter->err, "expected %s, but %s", type_kind_name(type->kind),
                         reason.text);
    }
    status = check_path(type, resolved, &found, path, converter->err);
    if (status != STATUS_OK) {
        return status;
    }
    const size_t size = strlen(resolved);
    const char *copy = arena_copy(converter->arena, resolved, size);
    if (copy == NULL) {
        return fail_memory(converter);
    }
    *value_out = value_text(MF_STR, copy, (uint32_t)size);
    return STATUS_OK;
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

/* The six bits of a base64 digit; 64 for what is none. */
static uint32_t base64_bits(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    return c == '+' ? 62 : (c == '/' ? 63 : 64);
}

/* Strictly RFC 4648: padded, and nothing but zeros in the bits that are left over. */
static bool base64_read(const char *text, size_t size, char *out)
{
    const size_t padding =
        size >= 4 && text[size - 1] == '=' ? (text[size - 2] == '=' ? 2u : 1u) : 0;
    if (size % 4 != 0) {
        return false;
    }
    uint32_t bits = 0;
    for (size_t i = 0; i < size; i++) {
        const uint32_t digit = i < size - padding ? base64_bits(text[i]) : 0;
        if (digit == 64) {
            return false;
        }
        bits = bits << 6 | digit;
        if (i % 4 == 3) {
            const size_t kept = i + 1 == size ? 3 - padding : 3;
            if ((bits & ((1u << (8 * (3 - kept))) - 1)) != 0) {
                return false;
            }
            for (size_t k = 0; k < kept; k++) {
                *out++ = (char)(bits >> (16 - 8 * k) & 0xff);
            }
            bits = 0;
        }
    }
    *out = '\0';
    return true;
}

/* Bytes as JSON writes them: {"base64": "..."}. */
static MUST_CHECK enum status convert_base64(const struct converter *converter,
                                             const struct type_path *path, const struct type *type,
                                             const mf_value *value, mf_value *value_out)
{
    const mf_value *text = mf_field(value, "base64");
    if (text == NULL || mf_kind_of(text) != MF_STR || mf_count(value) != 1) {
        return type_fail_found(path, type, value, converter->err);
    }
    const size_t size = mf_size(text);
    char *data = arena_take(converter->arena, size + 1);
    if (data == NULL) {
        return fail_memory(converter);
    }
    if (!base64_read(mf_str(text), size, data)) {
        return type_fail(path, converter->err, "expected bytes, found text that is no base64");
    }
    const char *padding = memchr(mf_str(text), '=', size);
    const size_t padding_size = padding == NULL ? 0 : (size_t)(mf_str(text) + size - padding);
    *value_out = value_text(MF_BYTES, data, (uint32_t)(size / 4 * 3 - padding_size));
    return STATUS_OK;
}

/* ---- Composites ----------------------------------------------------------------------------- */

static MUST_CHECK enum status convert_elements(const struct converter *converter,
                                               const struct type_path *path,
                                               const struct type *type, const mf_value *value,
                                               mf_value *value_out)
{
    const size_t step_size = mf_kind_of(value) == MF_MAP ? 2 : 1;
    const size_t count = mf_count(value);
    mf_value *values = arena_take(converter->arena, step_size * count * sizeof(*values));
    if (values == NULL) {
        return fail_memory(converter);
    }
    struct type_path step = {.outer = path};
    mf_value *at = values;
    for (size_t i = 0; i < count; i++) {
        step.index = i;
        step.key = mf_key(value, i);
        if (step.key != NULL) {
            *at++ = value->mf_private_as.values[2 * i];
        }
        const enum status status =
            convert(converter, &step, type->element, mf_item(value, i), at++);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *value_out = *value;
    value_out->mf_private_as.values = values;
    return STATUS_OK;
}

/* A table has every field in every row, so that empty text is the one way to leave one out. */
static bool is_left_out(const struct converter *converter, const struct type_field *field,
                        const mf_value *value)
{
    const enum type_kind kind = field->type->kind;
    return converter->origin == TYPE_ORIGIN_TEXT && field->is_optional &&
           mf_kind_of(value) == MF_STR && mf_size(value) == 0 && !type_is_optional(field->type) &&
           kind != TYPE_STR && kind != TYPE_BYTES;
}

static MUST_CHECK enum status convert_record(const struct converter *converter,
                                             const struct type_path *path, const struct type *type,
                                             const mf_value *value, mf_value *value_out)
{
    mf_value *values = arena_take(converter->arena, 2 * mf_count(value) * sizeof(*values));
    if (values == NULL) {
        return fail_memory(converter);
    }
    struct type_path step = {.outer = path};
    size_t required_count = 0;
    size_t hint = 0;
    uint32_t kept_count = 0;
    for (size_t i = 0; i < mf_count(value); i++) {
        step.key = mf_key(value, i);
        const size_t position = type_field_find(type, step.key, hint);
        if (position == type->field_count) {
            return type_fail_unknown(&step, type, converter->err);
        }
        const struct type_field *field = &type->fields[position];
        hint = position + 1;
        if (is_left_out(converter, field, mf_item(value, i))) {
            continue;
        }
        const enum status status = convert(converter, &step, field->type, mf_item(value, i),
                                           &values[2 * (size_t)kept_count + 1]);
        if (status != STATUS_OK) {
            return status;
        }
        values[2 * (size_t)kept_count] = value->mf_private_as.values[2 * i];
        kept_count++;
        required_count += field->is_optional ? 0 : 1;
    }
    if (required_count != type->required_count) {
        return type_fail_missing(path, type, value, converter->err);
    }
    *value_out = (mf_value){.mf_private_kind = MF_MAP,
                            .mf_private_count = kept_count,
                            .mf_private_as = {.values = values}};
    return STATUS_OK;
}

/* ---- Text ----------------------------------------------------------------------------------- */

static MUST_CHECK enum status convert_json(const struct converter *converter,
                                           const struct type_path *path, const struct type *type,
                                           const mf_value *value, mf_value *value_out)
{
    struct error reason;
    mf_value parsed;
    const enum status status =
        value_from_json(converter->arena, mf_str(value), mf_size(value), &parsed, &reason);
    if (status == STATUS_NO_MEMORY) {
        return fail_memory(converter);
    }
    if (status != STATUS_OK) {
        char found[TYPE_SHOW_SIZE];
        return type_fail(path, converter->err, "expected %s as JSON, found %s (%s)",
                         type_kind_name(type->kind), type_show(value, found), reason.text);
    }
    struct converter of_data = *converter;
    of_data.origin = TYPE_ORIGIN_DATA;
    return convert(&of_data, path, type, &parsed, value_out);
}

/* INVALID: it is no such text. LIMIT: it is a number outside the type's range. */
static MUST_CHECK enum status read_scalar(enum type_kind kind, const char *text, size_t size,
                                          mf_value *value_out)
{
    int64_t integer = 0;
    double real = 0;
    enum status status = STATUS_INVALID;
    if (kind == TYPE_BOOL) {
        const bool is_true = size == strlen("true") && memcmp(text, "true", size) == 0;
        const bool is_false = size == strlen("false") && memcmp(text, "false", size) == 0;
        *value_out = value_bool(is_true);
        return is_true || is_false ? STATUS_OK : STATUS_INVALID;
    }
    if (kind == TYPE_INT) {
        status = value_parse_int(text, size, &integer);
        *value_out = value_int(integer);
    } else if (kind == TYPE_FLOAT) {
        status = value_parse_float(text, size, &real);
        *value_out = value_float(real);
    }
    return status;
}

static MUST_CHECK enum status convert_scalar_text(const struct converter *converter,
                                                  const struct type_path *path,
                                                  const struct type *type, const mf_value *value,
                                                  mf_value *value_out)
{
    const enum status status = read_scalar(type->kind, mf_str(value), mf_size(value), value_out);
    if (status == STATUS_NO_MEMORY) {
        return fail_memory(converter);
    }
    if (status == STATUS_LIMIT) {
        char found[TYPE_SHOW_SIZE];
        return type_fail(path, converter->err, "expected %s, found %s, which is outside of 64 bits",
                         type_kind_name(type->kind), type_show(value, found));
    }
    return status == STATUS_OK ? STATUS_OK : type_fail_found(path, type, value, converter->err);
}

static MUST_CHECK enum status convert_text(const struct converter *converter,
                                           const struct type_path *path, const struct type *type,
                                           const mf_value *value, mf_value *value_out)
{
    if (mf_size(value) == 0 && type_is_optional(type) && type->kind != TYPE_ANY) {
        *value_out = value_null();
        return STATUS_OK;
    }
    switch (type->kind) {
    case TYPE_STR:
    case TYPE_ANY:
        *value_out = *value;
        return STATUS_OK;
    case TYPE_BYTES:
        *value_out = value_text(MF_BYTES, mf_str(value), (uint32_t)mf_size(value));
        return STATUS_OK;
    case TYPE_FILE:
    case TYPE_DIR:
        return convert_path(converter, path, type, value, value_out);
    case TYPE_LIST:
    case TYPE_MAP:
    case TYPE_RECORD:
        return convert_json(converter, path, type, value, value_out);
    case TYPE_NULL:
    case TYPE_BOOL:
    case TYPE_INT:
    case TYPE_FLOAT:
        break;
    }
    return convert_scalar_text(converter, path, type, value, value_out);
}

/* ---- Any value ------------------------------------------------------------------------------ */

static enum status convert(const struct converter *converter, const struct type_path *path,
                           const struct type *type, const mf_value *value, mf_value *value_out)
{
    const mf_kind kind = mf_kind_of(value);
    if (kind == MF_STR && converter->origin == TYPE_ORIGIN_TEXT) {
        return convert_text(converter, path, type, value, value_out);
    }
    if (kind == MF_INT && type->kind == TYPE_FLOAT) {
        *value_out = value_float((double)mf_int(value));
        return STATUS_OK;
    }
    if (kind == MF_STR && (type->kind == TYPE_FILE || type->kind == TYPE_DIR)) {
        return convert_path(converter, path, type, value, value_out);
    }
    if (kind == MF_MAP && type->kind == TYPE_BYTES) {
        return convert_base64(converter, path, type, value, value_out);
    }
    if (kind == MF_MAP && type->kind == TYPE_RECORD) {
        return convert_record(converter, path, type, value, value_out);
    }
    if ((kind == MF_MAP && type->kind == TYPE_MAP) ||
        (kind == MF_LIST && type->kind == TYPE_LIST)) {
        return convert_elements(converter, path, type, value, value_out);
    }
    *value_out = *value;
    return type_check_at(path, type, value, converter->err);
}

enum status type_convert(const struct type *type, const mf_value *value,
                         const struct type_conversion *conversion, struct arena *arena,
                         mf_value *value_out, struct error *err)
{
    const struct converter converter = {
        .origin = conversion->origin, .base_dir = conversion->base_dir, .arena = arena, .err = err};
    const struct type_path whole = {0};
    mf_value converted;
    const enum status status = convert(&converter, &whole, type, value, &converted);
    if (status == STATUS_OK) {
        *value_out = converted;
    }
    return status;
}
