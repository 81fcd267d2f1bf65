#include "cli/columns.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "shared/memory.h"
#include "shared/value.h"

#define NONE SIZE_MAX
#define TABLE_SIZE_MIN 64

/* A name within a record. Nodes stand in one array; the first is the value itself. */
struct node {
    char *name; /* of the column: all names on the way to it; NULL: of the value itself */
    size_t key; /* where in `name` the last of them begins */
    size_t parent;
    uint64_t hash; /* of both */
    size_t order;  /* among what may be columns; NONE: it only has children so far */
    size_t column; /* NONE: it is none */
    bool has_children;
    bool has_value;
};

struct columns {
    const char *prefix;
    struct node *nodes;
    size_t node_count;
    size_t node_capacity;
    size_t *table;     /* of nodes by their hash, with room for twice as many at least */
    size_t table_size; /* a power of two */
    size_t order_count;
    size_t *sorted; /* nodes of the columns, once they are settled */
    size_t count;
};

/* ---- Names ----------------------------------------------------------------------------------- */

static uint64_t hash_of(size_t parent, const char *key)
{
    return XXH3_64bits_withSeed(key, strlen(key), parent);
}

static void table_put(struct columns *columns, size_t node)
{
    size_t at = columns->nodes[node].hash & (columns->table_size - 1);
    while (columns->table[at] != NONE) {
        at = (at + 1) & (columns->table_size - 1);
    }
    columns->table[at] = node;
}

static void table_grow(struct columns *columns)
{
    columns->table_size = columns->table_size == 0 ? TABLE_SIZE_MIN : 2 * columns->table_size;
    columns->table = memory_resize(columns->table, columns->table_size, sizeof(*columns->table));
    for (size_t i = 0; i < columns->table_size; i++) {
        columns->table[i] = NONE;
    }
    for (size_t i = 0; i < columns->node_count; i++) {
        table_put(columns, i);
    }
}

static size_t node_add(struct columns *columns, struct node node)
{
    columns->nodes = memory_grow(columns->nodes, columns->node_count, &columns->node_capacity,
                                 sizeof(*columns->nodes));
    node.order = NONE;
    node.column = NONE;
    columns->nodes[columns->node_count] = node;
    if (2 * columns->node_count >= columns->table_size) {
        table_grow(columns);
    }
    table_put(columns, columns->node_count);
    return columns->node_count++;
}

static size_t child_find(const struct columns *columns, size_t parent, const char *key)
{
    const uint64_t hash = hash_of(parent, key);
    for (size_t at = hash;; at++) {
        const size_t found = columns->table[at & (columns->table_size - 1)];
        const struct node *node = found != NONE ? &columns->nodes[found] : NULL;
        if (node == NULL || (node->hash == hash && node->parent == parent && node->name != NULL &&
                             strcmp(node->name + node->key, key) == 0)) {
            return found;
        }
    }
}

/* "prefix" + "a." + "b" */
static size_t child_add(struct columns *columns, size_t parent, const char *key)
{
    const char *before = columns->nodes[parent].name;
    const char *joint = before != NULL ? "." : "";
    before = before != NULL ? before : columns->prefix;
    const size_t before_size = strlen(before) + strlen(joint);
    const size_t size = before_size + strlen(key) + 1;
    char *name = memory_take(size, 1);
    (void)snprintf(name, size, "%s%s%s", before, joint, key);
    columns->nodes[parent].has_children = true;
    return node_add(columns, (struct node){.name = name,
                                           .key = before_size,
                                           .parent = parent,
                                           .hash = hash_of(parent, key)});
}

/* ---- What there is --------------------------------------------------------------------------- */

static void mark(struct columns *columns, size_t at, bool has_value)
{
    struct node *node = &columns->nodes[at];
    if (node->order == NONE) {
        node->order = columns->order_count++;
    }
    node->has_value = node->has_value || has_value;
}

static void declare(struct columns *columns, size_t at, const struct type *type)
{
    const size_t count = type_kind(type) == TYPE_RECORD ? type_field_count(type) : 0;
    for (size_t i = 0; i < count; i++) {
        declare(columns, child_add(columns, at, type_field_name(type, i)),
                type_field_type(type, i));
    }
    if (count == 0 && at != 0) {
        mark(columns, at, false);
    }
}

static bool is_record(const mf_value *value)
{
    return mf_kind_of(value) == MF_MAP && mf_count(value) > 0;
}

static MUST_CHECK enum status see(struct columns *columns, size_t at, const mf_value *value)
{
    enum status status = STATUS_OK;
    if (!is_record(value)) {
        mark(columns, at, !mf_is_null(value) && mf_kind_of(value) != MF_MAP);
        return STATUS_OK;
    }
    for (size_t i = 0; i < mf_count(value) && status == STATUS_OK; i++) {
        size_t child = child_find(columns, at, mf_key(value, i));
        if (child == NONE) {
            if (columns->node_count > COLUMNS_MAX) {
                return STATUS_LIMIT;
            }
            child = child_add(columns, at, mf_key(value, i));
        }
        status = see(columns, child, mf_item(value, i));
    }
    return status;
}

/* ---- The face -------------------------------------------------------------------------------- */

struct columns *columns_create(const struct type *type, const char *prefix)
{
    struct columns *columns = memory_take(1, sizeof(*columns));
    columns->prefix = prefix;
    (void)node_add(columns, (struct node){.parent = NONE});
    declare(columns, 0, type);
    return columns;
}

void columns_destroy(struct columns *columns)
{
    if (columns == NULL) {
        return;
    }
    for (size_t i = 0; i < columns->node_count; i++) {
        free(columns->nodes[i].name);
    }
    free(columns->nodes);
    free(columns->table);
    free(columns->sorted);
    free(columns);
}

bool columns_type_is_open(const struct type *type)
{
    const enum type_kind kind = type_kind(type);
    if (kind == TYPE_ANY || kind == TYPE_MAP) {
        return true;
    }
    for (size_t i = 0; kind == TYPE_RECORD && i < type_field_count(type); i++) {
        if (columns_type_is_open(type_field_type(type, i))) {
            return true;
        }
    }
    return kind == TYPE_RECORD && type_field_count(type) == 0;
}

enum status columns_see(struct columns *columns, const mf_value *value, struct error *err)
{
    assert(columns->sorted == NULL);
    const enum status status = see(columns, 0, value);
    return status == STATUS_OK
               ? status
               : error_set(err, status, "more than %d columns: --format jsonl has no such bound",
                           COLUMNS_MAX);
}

void columns_settle(struct columns *columns)
{
    columns->sorted = memory_take(columns->order_count + 1, sizeof(*columns->sorted));
    for (size_t i = 0; i < columns->order_count; i++) {
        columns->sorted[i] = NONE;
    }
    for (size_t i = 0; i < columns->node_count; i++) {
        const struct node *node = &columns->nodes[i];
        if (node->order != NONE && (node->has_value || !node->has_children)) {
            columns->sorted[node->order] = i;
        }
    }
    for (size_t i = 0; i < columns->order_count; i++) {
        if (columns->sorted[i] != NONE) {
            columns->nodes[columns->sorted[i]].column = columns->count;
            columns->sorted[columns->count++] = columns->sorted[i];
        }
    }
    if (columns->count == 0) {
        columns->nodes[0].column = 0;
        columns->sorted[columns->count++] = 0;
    }
}

size_t columns_count(const struct columns *columns)
{
    return columns->count;
}

void columns_name(const struct columns *columns, struct row_field *fields)
{
    for (size_t i = 0; i < columns->count; i++) {
        const char *name = columns->nodes[columns->sorted[i]].name;
        fields[i].name = name != NULL ? name : "output";
    }
}

static void fill(struct columns *columns, size_t at, const mf_value *value,
                 struct row_field *fields)
{
    if (!is_record(value)) {
        const size_t column = columns->nodes[at].column;
        if (column != NONE) {
            fields[column].value = *value;
        }
        return;
    }
    for (size_t i = 0; i < mf_count(value); i++) {
        const size_t child = child_find(columns, at, mf_key(value, i));
        assert(child != NONE);
        fill(columns, child, mf_item(value, i), fields);
    }
}

void columns_fill(struct columns *columns, const mf_value *value, struct row_field *fields)
{
    for (size_t i = 0; i < columns->count; i++) {
        fields[i].value = value_null();
    }
    fill(columns, 0, value, fields);
}
