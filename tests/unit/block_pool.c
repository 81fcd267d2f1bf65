#include "shared/block_pool.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <string.h>

Test(block_pool, a_block_is_as_large_as_asked_for_and_aligned)
{
    static const size_t sizes[] = {0, 1, 4096, 4097, 1u << 20, (16u << 20), (16u << 20) + 1};
    struct block_pool pool = {0};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct block *block = block_pool_take(&pool, sizes[i]);
        cr_assert(ne(ptr, block, NULL));
        cr_expect(ge(sz, block->capacity, sizes[i]));
        cr_expect(eq(sz, (uintptr_t)block->bytes % _Alignof(max_align_t), 0));
        memset(block->bytes, 1, sizes[i]);
        block_pool_give(&pool, block);
    }
    block_pool_clear(&pool);
}

Test(block_pool, what_was_given_is_taken_again)
{
    struct block_pool pool = {0};
    struct block *small = block_pool_take(&pool, 100);
    struct block *large = block_pool_take(&pool, 100000);
    block_pool_give(&pool, small);
    block_pool_give(&pool, large);
    cr_expect(eq(ptr, block_pool_take(&pool, 70000), large));
    cr_expect(eq(ptr, block_pool_take(&pool, 4096), small));
    block_pool_give(&pool, small);
    block_pool_give(&pool, large);
    block_pool_clear(&pool);
}

Test(block_pool, what_is_kept_is_bounded)
{
    enum { COUNT = 20 };
    struct block_pool pool = {0};
    struct block *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = block_pool_take(&pool, 1u << 20);
        cr_assert(ne(ptr, blocks[i], NULL));
    }
    struct block *largest = block_pool_take(&pool, 16u << 20);
    for (int i = 0; i < COUNT; i++) {
        block_pool_give(&pool, blocks[i]);
    }
    block_pool_give(&pool, largest);
    cr_expect(eq(u32, pool.counts[8], BLOCK_KEPT_SIZE_MAX >> 20));
    cr_expect(eq(u32, pool.counts[12], 1)); /* one is kept, however large */
    block_pool_clear(&pool);
    cr_expect(eq(u32, pool.counts[8], 0));
}

Test(block_pool, a_size_that_memory_cannot_hold_is_null)
{
    struct block_pool pool = {0};
    cr_expect(eq(ptr, block_pool_take(&pool, SIZE_MAX), NULL));
    cr_expect(eq(ptr, block_pool_take(&pool, SIZE_MAX - 8), NULL));
    block_pool_give(&pool, NULL);
}

Test(block_pool, reserve_makes_room_for_that_many)
{
    struct block_pool pool = {0};
    cr_assert(eq(int, block_pool_reserve(&pool, 4000, 10), STATUS_OK));
    cr_expect(eq(u32, pool.counts[0], 10));
    cr_assert(eq(int, block_pool_reserve(&pool, 4000, 5), STATUS_OK));
    cr_expect(eq(u32, pool.counts[0], 10));
    block_pool_clear(&pool);
}
