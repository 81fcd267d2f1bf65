#include "shared/typed_paths.h"

#include <string.h>

#include "shared/path.h"
#include "shared/value.h"

struct walk {
    struct arena *arena;
    typed_path_visit *visit;
    void *context;
    bool is_of_urls; /* else of paths */
};

bool typed_paths_may_be(const struct type *type)
{
    switch (type_kind(type)) {
    case TYPE_FILE:
    case TYPE_DIR:
        return true;
    case TYPE_LIST:
    case TYPE_MAP:
        return typed_paths_may_be(type_element(type));
    case TYPE_RECORD:
        for (size_t i = 0; i < type_field_count(type); i++) {
            if (typed_paths_may_be(type_field_type(type, i))) {
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

static const struct type *field_type(const struct type *record, const char *name)
{
    for (size_t i = 0; i < type_field_count(record); i++) {
        if (strcmp(type_field_name(record, i), name) == 0) {
            return type_field_type(record, i);
        }
    }
    return NULL;
}

static enum status visit_value(const struct walk *walk, const struct type *type, mf_value *value,
                               struct error *err);

/* The nodes of a container are shared with whoever decoded it: they are copied. */
static enum status visit_items(const struct walk *walk, const struct type *type, mf_value *value,
                               struct error *err)
{
    const bool is_map = mf_kind_of(value) == MF_MAP;
    const size_t count = mf_count(value) * (is_map ? 2 : 1);
    mf_value *items = arena_take(walk->arena, count * sizeof(*items) + 1);
    if (items == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a value");
    }
    if (count > 0) {
        memcpy(items, value->mf_private_as.values, count * sizeof(*items));
    }
    for (size_t i = 0; i < mf_count(value); i++) {
        const struct type *element = type_kind(type) == TYPE_RECORD
                                         ? field_type(type, mf_key(value, i))
                                         : type_element(type);
        if (element != NULL) {
            const enum status status =
                visit_value(walk, element, &items[is_map ? 2 * i + 1 : i], err);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    value->mf_private_as.values = items;
    return STATUS_OK;
}

static enum status visit_value(const struct walk *walk, const struct type *type, mf_value *value,
                               struct error *err)
{
    if (!typed_paths_may_be(type) || mf_is_null(value)) {
        return STATUS_OK;
    }
    if (mf_kind_of(value) == MF_LIST || mf_kind_of(value) == MF_MAP) {
        return visit_items(walk, type, value, err);
    }
    if (mf_kind_of(value) != MF_STR || path_is_url(mf_str(value)) != walk->is_of_urls) {
        return STATUS_OK;
    }
    return walk->visit(walk->context, type_kind(type) == TYPE_DIR, value, err);
}

enum status typed_paths_visit(const struct type *type, struct arena *arena, typed_path_visit *visit,
                              void *context, mf_value *value, struct error *err)
{
    const struct walk walk = {.arena = arena, .visit = visit, .context = context};
    return visit_value(&walk, type, value, err);
}

enum status typed_paths_visit_urls(const struct type *type, struct arena *arena,
                                   typed_path_visit *visit, void *context, mf_value *value,
                                   struct error *err)
{
    const struct walk walk = {
        .arena = arena, .visit = visit, .context = context, .is_of_urls = true};
    return visit_value(&walk, type, value, err);
}

bool typed_paths_have_url(const struct type *type, const mf_value *value)
{
    if (type == NULL || !typed_paths_may_be(type) || mf_is_null(value)) {
        return false;
    }
    for (size_t i = 0; i < mf_count(value); i++) {
        const struct type *element = type_kind(type) == TYPE_RECORD
                                         ? field_type(type, mf_key(value, i))
                                         : type_element(type);
        if (typed_paths_have_url(element, mf_item(value, i))) {
            return true;
        }
    }
    return mf_kind_of(value) == MF_STR && path_is_url(mf_str(value));
}

struct resolve {
    const char *folder;
    struct arena *arena;
};

static enum status resolve_path(void *context, bool is_folder, mf_value *value, struct error *err)
{
    const struct resolve *resolve = context;
    const char *path = mf_str(value);
    (void)is_folder;
    if (path[0] == '/') {
        return STATUS_OK;
    }
    const size_t folder_size = strlen(resolve->folder);
    const size_t size = folder_size + 1 + mf_size(value);
    char *text = arena_take(resolve->arena, size + 1);
    if (text == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a value");
    }
    memcpy(text, resolve->folder, folder_size);
    text[folder_size] = '/';
    memcpy(text + folder_size + 1, path, mf_size(value) + 1);
    *value = value_text(MF_STR, text, (uint32_t)size);
    return STATUS_OK;
}

enum status typed_paths_resolve(const struct type *type, const char *folder, struct arena *arena,
                                mf_value *value, struct error *err)
{
    struct resolve resolve = {.folder = folder, .arena = arena};
    return typed_paths_visit(type, arena, resolve_path, &resolve, value, err);
}
