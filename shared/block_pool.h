/* block_pool.h - memory for messages, used again and again.
 *
 *     take --> bytes[0 .. capacity) --> give --> take ...
 *
 * Sizes are rounded up to a power of two, and each such class keeps the blocks that came back, up
 * to BLOCK_KEPT_SIZE_MAX: a loop that takes what it gave allocates nothing. What is larger than
 * the largest class is allocated and freed each time.
 *
 * Ownership: a taken block is the caller's until it is given back.
 * Threads:   one.
 * Failure:   only memory. After block_pool_reserve(n), n takes of that size cannot fail.
 */
#ifndef SHARED_BLOCK_POOL_H
#define SHARED_BLOCK_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

#define BLOCK_SIZE_MIN ((size_t)4096)
#define BLOCK_CLASS_COUNT 13u                 /* 4 KiB ... 16 MiB */
#define BLOCK_KEPT_SIZE_MAX ((size_t)8 << 20) /* a class; but one block is always kept */

struct block {
    struct block *next; /* the owner's, to queue it */
    size_t capacity;    /* of bytes */
    _Alignas(max_align_t) uint8_t bytes[];
};

/* All zero is an empty pool. */
struct block_pool {
    struct block *kept[BLOCK_CLASS_COUNT];
    uint32_t counts[BLOCK_CLASS_COUNT];
};

/* NULL where there is no memory. */
struct block *block_pool_take(struct block_pool *pool, size_t size);
void block_pool_give(struct block_pool *pool, struct block *block); /* NULL is allowed */
/* `size` must fit in the largest class. */
MUST_CHECK enum status block_pool_reserve(struct block_pool *pool, size_t size, uint32_t count);
/* Free what is kept. */
void block_pool_clear(struct block_pool *pool);

#endif
