#include "shared/block_pool.h"

#include <assert.h>
#include <stdlib.h>

/* BLOCK_CLASS_COUNT for what is larger than all classes. */
static uint32_t class_of(size_t size)
{
    uint32_t size_class = 0;
    while (size_class < BLOCK_CLASS_COUNT && BLOCK_SIZE_MIN << size_class < size) {
        size_class++;
    }
    return size_class;
}

static struct block *block_create(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct block)) {
        return NULL;
    }
    struct block *block = malloc(sizeof(*block) + capacity);
    if (block != NULL) {
        block->next = NULL;
        block->capacity = capacity;
    }
    return block;
}

static void keep(struct block_pool *pool, uint32_t size_class, struct block *block)
{
    block->next = pool->kept[size_class];
    pool->kept[size_class] = block;
    pool->counts[size_class]++;
}

struct block *block_pool_take(struct block_pool *pool, size_t size)
{
    const uint32_t size_class = class_of(size);
    if (size_class == BLOCK_CLASS_COUNT) {
        return block_create(size);
    }
    struct block *block = pool->kept[size_class];
    if (block == NULL) {
        return block_create(BLOCK_SIZE_MIN << size_class);
    }
    pool->kept[size_class] = block->next;
    pool->counts[size_class]--;
    block->next = NULL;
    return block;
}

void block_pool_give(struct block_pool *pool, struct block *block)
{
    if (block == NULL) {
        return;
    }
    const uint32_t size_class = class_of(block->capacity);
    if (size_class == BLOCK_CLASS_COUNT) {
        free(block);
        return;
    }
    const size_t kept_size = (pool->counts[size_class] + (size_t)1) * block->capacity;
    if (pool->counts[size_class] > 0 && kept_size > BLOCK_KEPT_SIZE_MAX) {
        free(block);
        return;
    }
    keep(pool, size_class, block);
}

enum status block_pool_reserve(struct block_pool *pool, size_t size, uint32_t count)
{
    const uint32_t size_class = class_of(size);
    assert(size_class < BLOCK_CLASS_COUNT);
    while (pool->counts[size_class] < count) {
        struct block *block = block_create(BLOCK_SIZE_MIN << size_class);
        if (block == NULL) {
            return STATUS_NO_MEMORY;
        }
        keep(pool, size_class, block);
    }
    return STATUS_OK;
}

void block_pool_clear(struct block_pool *pool)
{
    for (uint32_t size_class = 0; size_class < BLOCK_CLASS_COUNT; size_class++) {
        while (pool->kept[size_class] != NULL) {
            struct block *block = pool->kept[size_class];
            pool->kept[size_class] = block->next;
            free(block);
        }
        pool->counts[size_class] = 0;
    }
}
