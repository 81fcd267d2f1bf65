#include "worker/pool_private.h"

#include "shared/resources.h"

uint64_t pool_mem(const struct pool *pool, uint64_t growth)
{
    return resources_mem(&pool->options.start->options, growth, pool->options.offer->all.mem);
}

/* Batches hold what they may hold for as long as their slot is busy. */
bool pool_has_room(const struct pool *pool, uint64_t *growth_max_out)
{
    uint64_t left = pool->options.offer->all.mem;
    bool is_free = false;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        const struct slot *slot = &pool->slots[i];
        is_free = is_free || slot->state == SLOT_FREE;
        left -= slot->state == SLOT_BUSY ? slot->mem : 0;
    }
    if (!is_free || pool_mem(pool, 0) > left) {
        return false;
    }
    *growth_max_out =
        resources_growth_max(&pool->options.start->options, pool->options.offer->all.mem, left);
    return true;
}
