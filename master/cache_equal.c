#include "master/cache_equal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum status cache_equal_create(struct cache_equal *equal, uint64_t count)
{
    assert(count <= CACHE_EQUAL_COUNT_MAX);
    size_t slot_count = 64;
    while (slot_count < 2 * count) {
        slot_count *= 2;
    }
    *equal = (struct cache_equal){.slots = calloc(slot_count, sizeof(*equal->slots)),
                                  .slot_count = slot_count};
    return equal->slots != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void cache_equal_free(struct cache_equal *equal)
{
    free(equal->slots);
    index_map_free(&equal->next);
    index_map_free(&equal->last);
    *equal = (struct cache_equal){0};
}

uint32_t cache_equal_find(struct cache_equal *equal, const struct key *keys, uint32_t index)
{
    uint64_t at;
    memcpy(&at, keys[index].bytes, sizeof(at)); /* a hash already */
    for (;; at++) {
        uint32_t *slot = &equal->slots[at & (equal->slot_count - 1)];
        if (*slot == 0) {
            *slot = index + 1;
            return index;
        }
        if (memcmp(keys[*slot - 1].bytes, keys[index].bytes, KEY_SIZE) == 0) {
            return *slot - 1;
        }
    }
}

void cache_equal_follow(struct cache_equal *equal, uint32_t leader, uint32_t index)
{
    uint32_t last = leader;
    (void)index_map_get(&equal->last, leader, &last);
    index_map_put(&equal->next, last, index);
    index_map_put(&equal->last, leader, index);
}

void cache_equal_seal(struct cache_equal *equal)
{
    free(equal->slots);
    equal->slots = NULL;
    equal->slot_count = 0;
    index_map_free(&equal->last);
}

bool cache_equal_take(struct cache_equal *equal, uint64_t index, uint32_t *next_out)
{
    if (!index_map_get(&equal->next, index, next_out)) {
        return false;
    }
    index_map_remove(&equal->next, index);
    return true;
}

bool cache_equal_is_any(const struct cache_equal *equal)
{
    return equal->next.count > 0;
}
