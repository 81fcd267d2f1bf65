#include "worker/pool_private.h"

#include "shared/resources.h"

uint64_t pool_mem(const struct pool *pool, const struct pool_map *map, uint64_t growth)
{
    return resources_mem(&map->wire->options, growth, pool->options.offer->all.mem);
}

bool pool_is_for(const struct pool *pool, const struct slot *slot, const struct pool_map *map)
{
    return pool->options.zygote == NULL || (slot->asked.cpus == map->wire->options.cpus &&
                                            slot->asked.gpus == map->wire->options.gpus);
}

/* What attempts may hold they hold for as long as their slot is busy. An executor that is being
 * made has its room already. */
static struct resources what_is_left(const struct pool *pool)
{
    struct resources left = pool->options.offer->all;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        const struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_BUSY || slot->state == SLOT_STARTING) {
            left.cpus -= slot->asked.cpus;
            left.gpus -= slot->asked.gpus;
            left.mem -= slot->state == SLOT_BUSY ? slot->mem : 0;
        }
    }
    return left;
}

bool pool_fits(const struct pool *pool, const struct pool_map *map)
{
    const struct resources left = what_is_left(pool);
    return resources_fit(left, resources_asked(&map->wire->options), 1) == 1;
}

/* With a room for each executor of a run that is one map, only memory may be short. */
bool pool_has_room(const struct pool *pool, const struct pool_map *map, uint64_t *growth_max_out)
{
    bool is_free = false;
    for (uint32_t i = 0; i < pool->options.offer->slot_count && !is_free; i++) {
        const struct slot *slot = &pool->slots[i];
        is_free = slot->state == SLOT_FREE && pool_is_for(pool, slot, map);
    }
    if (!is_free || !pool_fits(pool, map)) {
        return false;
    }
    *growth_max_out = resources_growth_max(&map->wire->options, pool->options.offer->all.mem,
                                           what_is_left(pool).mem);
    return true;
}

/* ---- Executors for it -------------------------------------------------------------------------
 */

static uint64_t count_of(const struct pool *pool, const struct pool_map *map, enum slot_state state)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        const struct slot *slot = &pool->slots[i];
        count += slot->state == state && pool_is_for(pool, slot, map) ? 1 : 0;
    }
    return count;
}

bool pool_makes_room(const struct pool *pool, const struct pool_map *map)
{
    return count_of(pool, map, SLOT_STARTING) > 0;
}

static struct slot *find_empty(const struct pool *pool)
{
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        if (pool->slots[i].state == SLOT_EMPTY) {
            return &pool->slots[i];
        }
    }
    return NULL;
}

/* An idle one that is of no use to the map. */
static struct slot *find_other(const struct pool *pool, const struct pool_map *map)
{
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        if (pool->slots[i].state == SLOT_FREE && !pool_is_for(pool, &pool->slots[i], map)) {
            return &pool->slots[i];
        }
    }
    return NULL;
}

static MUST_CHECK enum status fork_for(struct pool *pool, const struct pool_map *map,
                                       bool *is_forked_out, struct error *err)
{
    struct slot *slot = find_empty(pool);
    *is_forked_out = false;
    if (slot == NULL) {
        return STATUS_OK;
    }
    const enum status status = pool_fork(pool, slot, resources_asked(&map->wire->options), err);
    *is_forked_out = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status pool_make_room(struct pool *pool, const struct pool_map *map, uint64_t count,
                           uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t making = count_of(pool, map, SLOT_STARTING) + pool_count_in(pool, SLOT_RETIRING);
    if (pool->options.zygote == NULL || pool->setup_error[0] != '\0' || pool->is_closing) {
        return STATUS_OK;
    }
    for (; making < count && status == STATUS_OK && pool_fits(pool, map); making++) {
        bool is_forked = false;
        if (pool_is_careful(pool) && pool_count_in(pool, SLOT_STARTING) > 0) {
            break;
        }
        status = fork_for(pool, map, &is_forked, err);
        struct slot *other = is_forked ? NULL : find_other(pool, map);
        if (!is_forked && other == NULL) {
            break;
        }
        if (other != NULL) {
            pool_retire(other, now_us);
        }
    }
    return status;
}
