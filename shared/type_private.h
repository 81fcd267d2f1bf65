/* type_private.h - what a type is made of, for the files type*.c only. */
#ifndef SHARED_TYPE_PRIVATE_H
#define SHARED_TYPE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

struct type_field {
    char *name;
    struct type *type;
    bool is_optional;
};

struct type {
    enum type_kind kind;
    bool is_nullable;     /* written `T?`; never set for any and null, which are so by nature */
    struct type *element; /* list, map */
    struct type_field *fields;
    size_t field_count;
    size_t required_count; /* fields that must be there */
    size_t *by_name;       /* positions in `fields`, sorted by name */
};

/* The word of a scalar kind, or of `list` and `map`; "record" for a record. */
const char *type_kind_name(enum type_kind kind);

/* Position of the field of that name, or field_count. `hint` is where it is likely to be. */
size_t type_field_find(const struct type *type, const char *name, size_t hint);

/* The way from the whole value to a part of it, as a list from the part outwards. */
struct type_path {
    const struct type_path *outer; /* NULL: this is the whole, and the rest says nothing */
    const char *key;               /* NULL: an item of a list */
    size_t index;
};

/* "at PATH: expected TYPE, found VALUE" */
enum status type_fail_found(const struct type_path *path, const struct type *expected,
                            const mf_value *found, struct error *err);
/* "at PATH: NOTE" */
enum status type_fail(const struct type_path *path, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Name the first field of the record `type` that must be there and that `value` lacks. */
enum status type_fail_missing(const struct type_path *path, const struct type *type,
                              const mf_value *value, struct error *err);
enum status type_fail_unknown(const struct type_path *path, const struct type *record,
                              struct error *err);
/* How a value is shown in texts: `str "abc"`, `int 5`, `list of 3`. */
#define TYPE_SHOW_SIZE 128
const char *type_show(const mf_value *value, char text[TYPE_SHOW_SIZE]);

/* The same as type_check(), for a part of a value. */
enum status type_check_at(const struct type_path *path, const struct type *type,
                          const mf_value *value, struct error *err);

#endif
