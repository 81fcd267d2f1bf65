#include "master/index_map.h"

#include <stdlib.h>

#include "shared/memory.h"

/* Fibonacci hashing: neighbouring indices, the common case, spread over the table. */
static size_t home_of(const struct index_map *map, uint64_t index)
{
    return (size_t)((index * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (map->capacity - 1);
}

static size_t find(const struct index_map *map, uint64_t index)
{
    size_t at = home_of(map, index);
    while (map->entries[at].is_used && map->entries[at].index != index) {
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

void index_map_free(struct index_map *map)
{
    free(map->entries);
    *map = (struct index_map){0};
}

static void resize(struct index_map *map, size_t capacity)
{
    struct index_map larger = {.entries = memory_take(capacity, sizeof(*larger.entries)),
                               .capacity = capacity,
                               .count = map->count};
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].is_used) {
            larger.entries[find(&larger, map->entries[i].index)] = map->entries[i];
        }
    }
    free(map->entries);
    *map = larger;
}

void index_map_put(struct index_map *map, uint64_t index, uint32_t value)
{
    if (2 * (map->count + 1) > map->capacity) {
        resize(map, map->capacity == 0 ? 16 : map->capacity * 2);
    }
    struct index_map_entry *entry = &map->entries[find(map, index)];
    map->count += entry->is_used ? 0 : 1;
    *entry = (struct index_map_entry){.index = index, .value = value, .is_used = true};
}

bool index_map_get(const struct index_map *map, uint64_t index, uint32_t *value_out)
{
    if (map->count == 0) {
        return false;
    }
    const struct index_map_entry *entry = &map->entries[find(map, index)];
    if (!entry->is_used) {
        return false;
    }
    *value_out = entry->value;
    return true;
}

void index_map_remove(struct index_map *map, uint64_t index)
{
    if (map->count == 0) {
        return;
    }
    const size_t mask = map->capacity - 1;
    size_t hole = find(map, index);
    if (!map->entries[hole].is_used) {
        return;
    }
    map->count--;
    /* An entry may fill the hole unless its home lies cyclically in (hole, its place]. */
    for (size_t at = (hole + 1) & mask; map->entries[at].is_used; at = (at + 1) & mask) {
        const size_t home = home_of(map, map->entries[at].index);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].is_used = false;
}
