/* Values from and to JSON text. jansson reads; its tree is copied into ours. */
#include "shared/value.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- Reading -------------------------------------------------------------------------------- */

/* "line 2, column 5: ..." for the byte at `at`. */
static enum status fail_place(const char *text, size_t at, const char *problem, struct error *err)
{
    size_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    return error_set(err, STATUS_INVALID, "line %zu, column %zu: %s", line, at - line_start + 1,
                     problem);
}

/* Find where the container that is one too deep begins; jansson's tree has no places. */
static enum status fail_depth(const char *text, size_t size, struct error *err)
{
    unsigned depth = 0;
    size_t at = 0;
    bool is_in_string = false;
    for (; at < size && depth <= VALUE_DEPTH_MAX; at++) {
        const char c = text[at];
        if (is_in_string) {
            at += c == '\\' ? 1 : 0;
            is_in_string = c != '"';
        } else if (c == '"') {
            is_in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    assert(depth > VALUE_DEPTH_MAX);
    return fail_place(text, at - 1, "found more than 64 lists and maps in each other", err);
}

static enum status copy_text(struct arena *arena, const char *text, size_t size,
                             mf_value *value_out)
{
    if (size > UINT32_MAX) {
        return STATUS_NO_MEMORY;
    }
    const char *copy = arena_copy(arena, text, size);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    *value_out = value_text(MF_STR, copy, (uint32_t)size);
    return STATUS_OK;
}

static enum status copy_node(struct arena *arena, json_t *json, unsigned depth,
                             mf_value *value_out);

/* LIMIT: too deep. */
static enum status copy_list(struct arena *arena, json_t *json, unsigned depth, mf_value *value_out)
{
    const size_t count = json_array_size(json);
    mf_value *values = count <= UINT32_MAX ? arena_take(arena, count * sizeof(*values)) : NULL;
    if (values == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const enum status status = copy_node(arena, json_array_get(json, i), depth, &values[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *value_out = (mf_value){.mf_private_kind = MF_LIST,
                            .mf_private_count = (uint32_t)count,
                            .mf_private_as = {.values = values}};
    return STATUS_OK;
}

static enum status copy_map(struct arena *arena, json_t *json, unsigned depth, mf_value *value_out)
{
    const size_t count = json_object_size(json);
    mf_value *values = count <= UINT32_MAX ? arena_take(arena, 2 * count * sizeof(*values)) : NULL;
    if (values == NULL) {
        return STATUS_NO_MEMORY;
    }
    size_t i = 0;
    for (void *at = json_object_iter(json); at != NULL; at = json_object_iter_next(json, at)) {
        enum status status =
            copy_text(arena, json_object_iter_key(at), json_object_iter_key_len(at), &values[i]);
        if (status == STATUS_OK) {
            status = copy_node(arena, json_object_iter_value(at), depth, &values[i + 1]);
        }
        if (status != STATUS_OK) {
            return status;
        }
        i += 2;
    }
    *value_out = (mf_value){.mf_private_kind = MF_MAP,
                            .mf_private_count = (uint32_t)count,
                            .mf_private_as = {.values = values}};
    return STATUS_OK;
}

static enum status copy_node(struct arena *arena, json_t *json, unsigned depth, mf_value *value_out)
{
    switch (json_typeof(json)) {
    case JSON_NULL:
        *value_out = value_null();
        return STATUS_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *value_out = value_bool(json_is_true(json));
        return STATUS_OK;
    case JSON_INTEGER:
        *value_out = value_int(json_integer_value(json));
        return STATUS_OK;
    case JSON_REAL:
        *value_out = value_float(json_real_value(json));
        return STATUS_OK;
    case JSON_STRING:
        return copy_text(arena, json_string_value(json), json_string_length(json), value_out);
    case JSON_ARRAY:
        return depth == VALUE_DEPTH_MAX ? STATUS_LIMIT
                                        : copy_list(arena, json, depth + 1, value_out);
    case JSON_OBJECT:
        return depth == VALUE_DEPTH_MAX ? STATUS_LIMIT
                                        : copy_map(arena, json, depth + 1, value_out);
    }
    return STATUS_INVALID;
}

static enum status fail_parse(const json_error_t *problem, struct error *err)
{
    if (json_error_code(problem) == json_error_out_of_memory) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    return error_set(err, STATUS_INVALID, "line %d, column %d: %s", problem->line, problem->column,
                     problem->text);
}

enum status value_from_json(struct arena *arena, const char *text, size_t size, mf_value *value_out,
                            struct error *err)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t problem;
    /* jansson passes over a NUL that follows a number. */
    const char *nul = size > 0 ? memchr(text, '\0', size) : NULL;
    if (nul != NULL) {
        return fail_place(text, (size_t)(nul - text), "found a NUL", err);
    }
    json_t *json = json_loadb(text, size, flags, &problem);
    if (json == NULL) {
        return fail_parse(&problem, err);
    }
    mf_value value;
    enum status status = copy_node(arena, json, 0, &value);
    json_decref(json);
    if (status == STATUS_LIMIT) {
        return fail_depth(text, size, err);
    }
    if (status != STATUS_OK) {
        return error_set(err, status, "%s", status_text(status));
    }
    *value_out = value;
    return STATUS_OK;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static MUST_CHECK enum status append_literal(struct buffer *out, const char *text)
{
    return buffer_append(out, text, strlen(text));
}

static MUST_CHECK enum status append_escaped(struct buffer *out, unsigned char c)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *name = names; *name != '\0'; name += 2) {
        if ((unsigned char)name[0] == c) {
            const char escaped[2] = {'\\', name[1]};
            return buffer_append(out, escaped, sizeof(escaped));
        }
    }
    return buffer_printf(out, "\\u%04x", (unsigned)c);
}

static MUST_CHECK enum status append_string(struct buffer *out, const char *text, size_t size)
{
    enum status status = buffer_append_byte(out, '"');
    size_t start = 0; /* of what needs no escape and was not appended yet */
    for (size_t i = 0; i < size && status == STATUS_OK; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            status = buffer_append(out, text + start, i - start);
            start = i + 1;
            if (status == STATUS_OK) {
                status = append_escaped(out, c);
            }
        }
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, text + start, size - start);
    }
    return status == STATUS_OK ? buffer_append_byte(out, '"') : status;
}

static MUST_CHECK enum status append_base64(struct buffer *out, const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t count = size - i < 3 ? size - i : 3;
        uint32_t bits = (uint32_t)data[i] << 16;
        bits |= count > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        bits |= count > 2 ? (uint32_t)data[i + 2] : 0;
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              count > 1 ? digits[bits >> 6 & 63] : '=',
                              count > 2 ? digits[bits & 63] : '='};
        const enum status status = buffer_append(out, four, sizeof(four));
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static MUST_CHECK enum status append_bytes(struct buffer *out, const mf_value *value)
{
    enum status status = append_literal(out, "{\"base64\":\"");
    if (status == STATUS_OK) {
        status = append_base64(out, mf_bytes(value), mf_size(value));
    }
    return status == STATUS_OK ? append_literal(out, "\"}") : status;
}

static MUST_CHECK enum status append_float(struct buffer *out, double real)
{
    if (!isfinite(real)) {
        return append_literal(out, "null");
    }
    char text[VALUE_FLOAT_TEXT_SIZE];
    const int size = value_float_text(real, text);
    return buffer_append(out, text, (size_t)size);
}

static MUST_CHECK enum status append_value(struct buffer *out, const mf_value *value,
                                           unsigned depth);

/* The key (of a map) and the value of item `i`, with the comma before them. */
static MUST_CHECK enum status append_item(struct buffer *out, const mf_value *value, size_t i,
                                          unsigned depth)
{
    enum status status = i > 0 ? buffer_append_byte(out, ',') : STATUS_OK;
    if (status == STATUS_OK && mf_kind_of(value) == MF_MAP) {
        const mf_value *key = &value->mf_private_as.values[2 * i];
        status = append_string(out, mf_str(key), mf_size(key));
        if (status == STATUS_OK) {
            status = buffer_append_byte(out, ':');
        }
    }
    return status == STATUS_OK ? append_value(out, mf_item(value, i), depth) : status;
}

static MUST_CHECK enum status append_container(struct buffer *out, const mf_value *value,
                                               unsigned depth)
{
    if (depth == VALUE_DEPTH_MAX) {
        return STATUS_LIMIT;
    }
    const bool is_map = mf_kind_of(value) == MF_MAP;
    enum status status = buffer_append_byte(out, is_map ? '{' : '[');
    for (size_t i = 0; i < mf_count(value) && status == STATUS_OK; i++) {
        status = append_item(out, value, i, depth + 1);
    }
    return status == STATUS_OK ? buffer_append_byte(out, is_map ? '}' : ']') : status;
}

static enum status append_value(struct buffer *out, const mf_value *value, unsigned depth)
{
    switch (mf_kind_of(value)) {
    case MF_NULL:
        break;
    case MF_BOOL:
        return append_literal(out, mf_bool(value) ? "true" : "false");
    case MF_INT:
        return buffer_printf(out, "%" PRId64, mf_int(value));
    case MF_FLOAT:
        return append_float(out, mf_float(value));
    case MF_STR:
        return append_string(out, mf_str(value), mf_size(value));
    case MF_BYTES:
        return append_bytes(out, value);
    case MF_LIST:
    case MF_MAP:
        return append_container(out, value, depth);
    }
    return append_literal(out, "null");
}

enum status value_to_json(const mf_value *value, struct buffer *out)
{
    return append_value(out, value, 0);
}

enum status value_to_text(const mf_value *value, struct buffer *out)
{
    return mf_kind_of(value) == MF_STR ? buffer_append(out, mf_str(value), mf_size(value))
                                       : value_to_json(value, out);
}
