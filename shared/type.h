/* type.h - the types of task interfaces: parse, print, and check values against them.
 *
 *     type = "null" "bool" "int" "float" "str" "bytes" "file" "dir" "any"
 *          | "list<" type ">" | "map<" type ">" | "{" [field {"," field}] "}" | type "?"
 *     field = name ["?"] ":" type           name = [A-Za-z_][A-Za-z0-9_]*
 *
 * Blanks may stand between tokens. `T??` is `T?`; `any?` and `null?` are `any` and `null`.
 * A field `b?: T` may be missing; one of type `T?` must be there and may be null. Types nest at
 * most VALUE_DEPTH_MAX deep, as values do.
 *
 * Ownership: a type owns its parts and never changes, so that it may be shared for reading.
 * Failure:   texts name the path within the value, what was found and what was expected, as in
 *            "at .points[3].x: expected float, found str \"abc\"".
 */
#ifndef SHARED_TYPE_H
#define SHARED_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

enum type_kind {
    TYPE_NULL,
    TYPE_BOOL,
    TYPE_INT,
    TYPE_FLOAT,
    TYPE_STR,
    TYPE_BYTES,
    TYPE_FILE,
    TYPE_DIR,
    TYPE_ANY,
    TYPE_LIST,
    TYPE_MAP,
    TYPE_RECORD
};

struct type; /* fields: type.c */

/* A bad text names the column (from 1), what stands there and what was expected. */
MUST_CHECK enum status type_parse(const char *text, struct type **type_out, struct error *err);
void type_destroy(struct type *type); /* NULL is allowed */

enum type_kind type_kind(const struct type *type);        /* of `T?` that of T */
bool type_is_optional(const struct type *type);           /* may it be null? */
const struct type *type_element(const struct type *type); /* of list<T> and map<T>; else NULL */
/* Fields of a record: how many; name, type and whether it may be missing, by position. */
size_t type_field_count(const struct type *type);
const char *type_field_name(const struct type *type, size_t i);
const struct type *type_field_type(const struct type *type, size_t i);
bool type_field_is_optional(const struct type *type, size_t i);

/* The canonical text: one blank after `:` and `,`, none elsewhere. */
MUST_CHECK enum status type_format(const struct type *type, struct buffer *out);
/* Do they take the same values? The order of a record's fields says nothing. */
bool type_is_equal(const struct type *a, const struct type *b);

/* May values of `from` be given for `to`, as far as the types alone say? What only a value can show
 * is granted: what an `any` holds, which keys a map has, whether a text is a path. A `T?` is never
 * a T: whether it holds a null today says nothing of tomorrow. */
bool type_fits(const struct type *from, const struct type *to);

/* Does the value have the type, to the letter (an int is no float)? */
MUST_CHECK enum status type_check(const struct type *type, const mf_value *value,
                                  struct error *err);

/* The same for one packed value that fills `size` bytes: scalars are checked by their first byte,
 * with no decoding; the arena is used for the rest. */
MUST_CHECK enum status type_check_packed(const struct type *type, const uint8_t *data, size_t size,
                                         struct arena *arena, struct error *err);

/* Is it, seen from its first bytes, a scalar of that kind (no str), and all of it? False may also
 * mean: look closer. Inline, because it is asked of every output. */
static inline bool type_is_packed_scalar(enum type_kind kind, const uint8_t *data, size_t size)
{
    const uint8_t first = size > 0 ? data[0] : 0xc1; /* which msgpack never uses */
    if (kind == TYPE_INT) {
        if (first <= 0x7f || first >= 0xe0) {
            return size == 1;
        }
        /* Four unsigned, then four signed, of 1, 2, 4 and 8 bytes; above 2^63 - 1 is none. */
        return first >= 0xcc && first <= 0xd3 && size == (size_t)1 + (1u << ((first - 0xcc) & 3)) &&
               !(first == 0xcf && data[1] > 0x7f);
    }
    if (kind == TYPE_FLOAT) {
        return (first == 0xcb && size == 9) || (first == 0xca && size == 5);
    }
    return size == 1 && ((kind == TYPE_NULL && first == 0xc0) ||
                         (kind == TYPE_BOOL && (first == 0xc2 || first == 0xc3)));
}

/* Where a value comes from decides how it may be read as the type. */
enum type_origin {
    /* JSON, msgpack, ranges: an int given for a float becomes one, and {"base64": "..."}, as bytes
     * are written in JSON, is read as bytes. */
    TYPE_ORIGIN_DATA,
    /* CSV, lines, grids: strings are read as the declared type where that is no string: no blanks,
     * [+-]?[0-9]+, decimals with exponent, true, false; as bytes they are themselves. Anything
     * composite is read as JSON. Empty text is null for a `T?`, and for a field `b?: T` whose T has
     * no empty text (not str, bytes, any) it is a field that is missing. What is no string is
     * taken as data. */
    TYPE_ORIGIN_TEXT
};

/* What conversion does with paths of `file` and `dir`: they must exist (a readable regular file, a
 * folder), and become absolute and normalised (no `.` or `..` or doubled slash; symbolic links
 * stay). URLs ("scheme://...") stay as they are, if they can be fetched (url.h), for which s3 needs
 * credentials in the environment. */
struct type_conversion {
    enum type_origin origin;
    const char *base_dir; /* relative paths start here; an absolute path */
};

/* Convert `value` to the type: the result is checked, in the arena, and has a record's fields in
 * the order in which they were given. Text of `any` stays text. What needs no change is not copied:
 * the result may point into what `value` points at. */
MUST_CHECK enum status type_convert(const struct type *type, const mf_value *value,
                                    const struct type_conversion *conversion, struct arena *arena,
                                    mf_value *value_out, struct error *err);

#endif
