#include "cli/npy.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define WIDE_INT ((int64_t)1 << 53) /* up to here, every int is a float */
#define HEADER_MULTIPLE 64

/* ---- What the values have in common ---------------------------------------------------------- */

static const char *const kind_names[] = {"nothing", "bool", "int", "float"};

static void see_hole(struct npy *npy, uint64_t index)
{
    npy->hole = npy->has_hole ? npy->hole : index;
    npy->has_hole = true;
}

static MUST_CHECK enum status refuse_mixture(const struct npy *npy, enum npy_kind kind,
                                             uint64_t index, struct error *err)
{
    return error_set(err, STATUS_INVALID,
                     "instance %" PRIu64 ": found %s, and %s before: an array has one kind of "
                     "number; --format csv takes both",
                     index, kind_names[kind], kind_names[npy->kind]);
}

static MUST_CHECK enum status refuse_length(uint64_t found, uint64_t expected, uint64_t index,
                                            struct error *err)
{
    return error_set(err, STATUS_INVALID,
                     "instance %" PRIu64 ": found a list of %" PRIu64 ", expected %" PRIu64
                     " as before: an array has rows of equal length; --format csv takes others",
                     index, found, expected);
}

static MUST_CHECK enum status refuse_depth(const char *found, const char *expected, uint64_t index,
                                           struct error *err)
{
    return error_set(err, STATUS_INVALID,
                     "instance %" PRIu64 ": found %s, expected %s as before: --format csv takes "
                     "both",
                     index, found, expected);
}

/* Bools are no numbers here: what was a bool would be 0 or 1 without a word. */
static MUST_CHECK enum status see_number(struct npy *npy, const mf_value *value, unsigned depth,
                                         uint64_t index, struct error *err)
{
    const enum npy_kind kind = mf_kind_of(value) == MF_BOOL  ? NPY_BOOL
                               : mf_kind_of(value) == MF_INT ? NPY_INT
                                                             : NPY_FLOAT;
    if (depth < npy->dimension_count) {
        return refuse_depth("a number", "a list", index, err);
    }
    npy->has_leaf = true;
    if (kind == NPY_INT) {
        npy->has_wide_int =
            npy->has_wide_int || mf_int(value) > WIDE_INT || mf_int(value) < -WIDE_INT;
    }
    const bool is_new = npy->kind == NPY_UNKNOWN || npy->kind == kind;
    const bool is_of_floats = npy->kind != NPY_BOOL && kind != NPY_BOOL;
    if (!is_new && !is_of_floats) {
        return refuse_mixture(npy, kind, index, err);
    }
    const enum npy_kind common = is_new ? kind : NPY_FLOAT;
    if (common == NPY_FLOAT && npy->has_wide_int) {
        return error_set(err, STATUS_INVALID,
                         "instance %" PRIu64 ": among floats and ints there is an int beyond 2^53, "
                         "which no float is equal to; --format csv takes it",
                         index);
    }
    npy->kind = common;
    return STATUS_OK;
}

static MUST_CHECK enum status see(struct npy *npy, const mf_value *value, unsigned depth,
                                  uint64_t index, struct error *err);

static MUST_CHECK enum status see_list(struct npy *npy, const mf_value *value, unsigned depth,
                                       uint64_t index, struct error *err)
{
    enum status status = STATUS_OK;
    if (depth == npy->dimension_count) {
        if (npy->has_leaf) {
            return refuse_depth("a list", "a number", index, err);
        }
        if (depth == NPY_DIMENSIONS_MAX) {
            return error_set(err, STATUS_LIMIT, "instance %" PRIu64 ": lists nest too deep", index);
        }
        npy->shape[npy->dimension_count++] = mf_count(value);
    }
    if (npy->shape[depth] != mf_count(value)) {
        return refuse_length(mf_count(value), npy->shape[depth], index, err);
    }
    for (size_t i = 0; i < mf_count(value) && status == STATUS_OK; i++) {
        status = see(npy, mf_item(value, i), depth + 1, index, err);
    }
    return status;
}

static MUST_CHECK enum status see(struct npy *npy, const mf_value *value, unsigned depth,
                                  uint64_t index, struct error *err)
{
    switch (mf_kind_of(value)) {
    case MF_NULL:
        see_hole(npy, index);
        return STATUS_OK;
    case MF_BOOL:
    case MF_INT:
    case MF_FLOAT:
        return see_number(npy, value, depth, index, err);
    case MF_LIST:
        return see_list(npy, value, depth, index, err);
    case MF_STR:
    case MF_BYTES:
    case MF_MAP:
        break;
    }
    return error_set(err, STATUS_INVALID,
                     "instance %" PRIu64 ": found a %s, expected numbers, or lists of them: "
                     "--format csv takes it",
                     index, mf_kind_of(value) == MF_MAP ? "record" : "text");
}

enum status npy_see(struct npy *npy, const mf_value *value, uint64_t index, struct error *err)
{
    npy->count++;
    return see(npy, value, 0, index, err);
}

enum status npy_settle(struct npy *npy, const struct type *type, struct error *err)
{
    while (type_kind(type) == TYPE_LIST) {
        type = type_element(type);
    }
    if (npy->kind == NPY_UNKNOWN) {
        npy->kind = type_kind(type) == TYPE_INT    ? NPY_INT
                    : type_kind(type) == TYPE_BOOL ? NPY_BOOL
                                                   : NPY_FLOAT;
    }
    if (npy->has_hole && npy->kind != NPY_FLOAT) {
        return error_set(err, STATUS_INVALID,
                         "instance %" PRIu64 " has no output, or a null in it, and no %s says so: "
                         "--state succeeded,cached leaves out instances without, --format csv has "
                         "empty cells",
                         npy->hole, kind_names[npy->kind]);
    }
    return STATUS_OK;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Version 1.0 of the format: magic, version, size of the header, a dict of Python's, blanks and a
 * newline, so that the data begin at a multiple of 64 bytes. */
enum status npy_put_header(const struct npy *npy, struct buffer *out)
{
    static const char *const codes[] = {[NPY_BOOL] = "|b1", [NPY_INT] = "<i8", [NPY_FLOAT] = "<f8"};
    struct buffer text = {0};
    enum status status =
        buffer_printf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (%" PRIu64 ",",
                      codes[npy->kind], npy->count);
    for (unsigned i = 0; i < npy->dimension_count && status == STATUS_OK; i++) {
        status = buffer_printf(&text, "%s%" PRIu64, i > 0 ? ", " : " ", npy->shape[i]);
    }
    if (status == STATUS_OK) {
        status = buffer_printf(&text, "), }");
    }
    const size_t before = 10;
    while (status == STATUS_OK && (before + text.size + 1) % HEADER_MULTIPLE != 0) {
        status = buffer_append_byte(&text, ' ');
    }
    if (status == STATUS_OK) {
        status = buffer_append_byte(&text, '\n');
    }
    if (status == STATUS_OK) {
        const uint8_t beginning[] = {0x93,
                                     'N',
                                     'U',
                                     'M',
                                     'P',
                                     'Y',
                                     1,
                                     0,
                                     (uint8_t)(text.size & 0xff),
                                     (uint8_t)(text.size >> 8)};
        status = buffer_append(out, beginning, sizeof(beginning));
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, text.data, text.size);
    }
    buffer_free(&text);
    return status;
}

static MUST_CHECK enum status put_float(double real, struct buffer *out)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    bits = htole64(bits);
    return buffer_append(out, &bits, sizeof(bits));
}

static MUST_CHECK enum status put_number(const struct npy *npy, const mf_value *value,
                                         struct buffer *out)
{
    if (npy->kind == NPY_BOOL) {
        return buffer_append_byte(out, mf_bool(value) ? 1 : 0);
    }
    if (npy->kind == NPY_INT) {
        const uint64_t bits = htole64((uint64_t)mf_int(value));
        return buffer_append(out, &bits, sizeof(bits));
    }
    return put_float(mf_kind_of(value) == MF_INT ? (double)mf_int(value) : mf_float(value), out);
}

static MUST_CHECK enum status put(const struct npy *npy, const mf_value *value, unsigned depth,
                                  struct buffer *out)
{
    enum status status = STATUS_OK;
    if (depth == npy->dimension_count) {
        return mf_is_null(value) ? put_float(NAN, out) : put_number(npy, value, out);
    }
    for (uint64_t i = 0; i < npy->shape[depth] && status == STATUS_OK; i++) {
        status = put(npy, mf_is_null(value) ? value : mf_item(value, (size_t)i), depth + 1, out);
    }
    return status;
}

enum status npy_put(const struct npy *npy, const mf_value *value, struct buffer *out)
{
    assert(npy->kind != NPY_UNKNOWN);
    return put(npy, value, 0, out);
}
