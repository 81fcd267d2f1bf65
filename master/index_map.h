/* index_map.h - a small hash map from instance indices to 32-bit numbers.
 *
 * Open addressing with linear probing; removal moves the entries behind it up, so that a map that
 * is filled and emptied for days keeps its speed. Failure: none (see shared/memory.h).
 */
#ifndef MASTER_INDEX_MAP_H
#define MASTER_INDEX_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_map_entry {
    uint64_t index;
    uint32_t value;
    bool is_used;
};

/* All zero is the empty map. */
struct index_map {
    struct index_map_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

void index_map_free(struct index_map *map);
void index_map_put(struct index_map *map, uint64_t index, uint32_t value); /* or replace */
bool index_map_get(const struct index_map *map, uint64_t index, uint32_t *value_out);
void index_map_remove(struct index_map *map, uint64_t index); /* nothing where it is not there */

#endif
