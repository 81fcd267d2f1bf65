#include "cli/published.h"

#include <string.h>

#include "shared/path.h"
#include "shared/value.h"

struct resolve {
    const char *run_dir;
    struct arena *arena;
};

/* Can a value of this type hold a path at all? Saves copying all others. */
static bool has_paths(const struct type *type)
{
    switch (type_kind(type)) {
    case TYPE_FILE:
    case TYPE_DIR:
        return true;
    case TYPE_LIST:
    case TYPE_MAP:
        return has_paths(type_element(type));
    case TYPE_RECORD:
        for (size_t i = 0; i < type_field_count(type); i++) {
            if (has_paths(type_field_type(type, i))) {
                return true;
            }
        }
        return false;
    case TYPE_NULL:
    case TYPE_BOOL:
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_STR:
    case TYPE_BYTES:
    case TYPE_ANY:
        return false;
    }
    return false;
}

static bool resolve_path(const struct resolve *resolve, mf_value *value)
{
    const char *path = mf_str(value);
    if (mf_kind_of(value) != MF_STR || path[0] == '/' || path_is_url(path)) {
        return true;
    }
    const size_t folder_size = strlen(resolve->run_dir);
    const size_t size = folder_size + 1 + mf_size(value);
    char *text = arena_take(resolve->arena, size + 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, resolve->run_dir, folder_size);
    text[folder_size] = '/';
    memcpy(text + folder_size + 1, path, mf_size(value) + 1);
    *value = value_text(MF_STR, text, (uint32_t)size);
    return true;
}

static const struct type *field_type(const struct type *record, const char *name)
{
    for (size_t i = 0; i < type_field_count(record); i++) {
        if (strcmp(type_field_name(record, i), name) == 0) {
            return type_field_type(record, i);
        }
    }
    return NULL;
}

static bool resolve_value(const struct resolve *resolve, const struct type *type, mf_value *value);

/* The nodes of a container are shared with whoever decoded it: they are copied. */
static bool resolve_items(const struct resolve *resolve, const struct type *type, mf_value *value)
{
    const bool is_map = mf_kind_of(value) == MF_MAP;
    const size_t count = mf_count(value) * (is_map ? 2 : 1);
    mf_value *items = arena_take(resolve->arena, count * sizeof(*items) + 1);
    if (items == NULL) {
        return false;
    }
    memcpy(items, value->mf_private_as.values, count * sizeof(*items));
    for (size_t i = 0; i < mf_count(value); i++) {
        const struct type *element = type_kind(type) == TYPE_RECORD
                                         ? field_type(type, mf_key(value, i))
                                         : type_element(type);
        if (element != NULL && !resolve_value(resolve, element, &items[is_map ? 2 * i + 1 : i])) {
            return false;
        }
    }
    value->mf_private_as.values = items;
    return true;
}

static bool resolve_value(const struct resolve *resolve, const struct type *type, mf_value *value)
{
    if (!has_paths(type) || mf_is_null(value)) {
        return true;
    }
    if (mf_kind_of(value) == MF_LIST || mf_kind_of(value) == MF_MAP) {
        return resolve_items(resolve, type, value);
    }
    return resolve_path(resolve, value);
}

enum status published_resolve(const struct type *type, const char *run_dir, struct arena *arena,
                              mf_value *value, struct error *err)
{
    const struct resolve resolve = {.run_dir = run_dir, .arena = arena};
    return resolve_value(&resolve, type, value)
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory to print a value");
}
