#include "shared/value_make.h"

#include <assert.h>
#include <string.h>

#include "shared/value.h"

mf_value value_str(const char *text)
{
    return value_text(MF_STR, text, (uint32_t)strlen(text));
}

static mf_value make(struct arena *arena, mf_kind kind, size_t count, size_t node_count)
{
    if (count > UINT32_MAX / 2) {
        return value_null();
    }
    mf_value *nodes = arena_take(arena, node_count * sizeof(*nodes) + 1);
    if (nodes == NULL) {
        return value_null();
    }
    for (size_t i = 0; i < node_count; i++) {
        nodes[i] = value_null();
    }
    return (mf_value){.mf_private_kind = kind,
                      .mf_private_count = (uint32_t)count,
                      .mf_private_as = {.values = nodes}};
}

mf_value value_list_make(struct arena *arena, size_t count)
{
    return make(arena, MF_LIST, count, count);
}

mf_value value_map_make(struct arena *arena, size_t count)
{
    return make(arena, MF_MAP, count, 2 * count);
}

/* The nodes came from an arena, so that they may be written. */
static mf_value *nodes_of(mf_value *value)
{
    return (mf_value *)(uintptr_t)value->mf_private_as.values;
}

void value_list_set(mf_value *list, size_t i, mf_value item)
{
    assert(mf_kind_of(list) == MF_LIST && i < mf_count(list));
    nodes_of(list)[i] = item;
}

void value_map_set(mf_value *map, size_t i, const char *key, mf_value item)
{
    assert(mf_kind_of(map) == MF_MAP && i < mf_count(map));
    nodes_of(map)[2 * i] = value_str(key);
    nodes_of(map)[2 * i + 1] = item;
}

void value_shorten(mf_value *value, size_t count)
{
    assert(mf_kind_of(value) >= MF_LIST && count <= mf_count(value));
    value->mf_private_count = (uint32_t)count;
}

static enum status copy_text(struct arena *arena, const mf_value *value, mf_value *copy_out)
{
    const char *text = arena_copy(arena, mf_str(value), mf_size(value));
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    *copy_out = value_text(mf_kind_of(value), text, value->mf_private_count);
    return STATUS_OK;
}

/* The depth of values is bounded where they are read. */
static enum status copy_nodes(struct arena *arena, const mf_value *value, mf_value *copy_out)
{
    const size_t count = mf_kind_of(value) == MF_MAP ? 2 * mf_count(value) : mf_count(value);
    mf_value copy = make(arena, mf_kind_of(value), mf_count(value), count);
    if (mf_is_null(&copy)) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const enum status status =
            value_copy(arena, &value->mf_private_as.values[i], &nodes_of(&copy)[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *copy_out = copy;
    return STATUS_OK;
}

enum status value_copy(struct arena *arena, const mf_value *value, mf_value *copy_out)
{
    switch (mf_kind_of(value)) {
    case MF_STR:
    case MF_BYTES:
        return copy_text(arena, value, copy_out);
    case MF_LIST:
    case MF_MAP:
        return copy_nodes(arena, value, copy_out);
    case MF_NULL:
    case MF_BOOL:
    case MF_INT:
    case MF_FLOAT:
        break;
    }
    *copy_out = *value;
    return STATUS_OK;
}

bool value_is_number(const mf_value *value)
{
    return value != NULL && (mf_kind_of(value) == MF_INT || mf_kind_of(value) == MF_FLOAT);
}

static bool are_nodes_equal(const mf_value *a, const mf_value *b)
{
    const size_t count = mf_kind_of(a) == MF_MAP ? 2 * mf_count(a) : mf_count(a);
    for (size_t i = 0; i < count; i++) {
        if (!value_is_equal(&a->mf_private_as.values[i], &b->mf_private_as.values[i])) {
            return false;
        }
    }
    return true;
}

bool value_is_equal(const mf_value *a, const mf_value *b)
{
    if (mf_kind_of(a) != mf_kind_of(b)) {
        return false;
    }
    switch (mf_kind_of(a)) {
    case MF_NULL:
        return true;
    case MF_BOOL:
        return mf_bool(a) == mf_bool(b);
    case MF_INT:
        return mf_int(a) == mf_int(b);
    case MF_FLOAT:
        return mf_float(a) == mf_float(b);
    case MF_STR:
    case MF_BYTES:
        return mf_size(a) == mf_size(b) && memcmp(mf_str(a), mf_str(b), mf_size(a)) == 0;
    case MF_LIST:
    case MF_MAP:
        return mf_count(a) == mf_count(b) && are_nodes_equal(a, b);
    }
    return false;
}
