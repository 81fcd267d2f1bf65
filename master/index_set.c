#include "master/index_set.h"

#include <assert.h>
#include <roaring/roaring.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define BLOCK_BITS 32
#define BLOCK_SIZE (UINT64_C(1) << BLOCK_BITS)

/* Calls for the parts of a range that lie in one block each. */
struct part {
    size_t block;
    uint32_t first;
    uint32_t last; /* included, since 2^32 has no 32 bits */
    uint64_t count;
};

static bool next_part(uint64_t *start, uint64_t *count, struct part *part_out)
{
    if (*count == 0) {
        return false;
    }
    const uint64_t offset = *start % BLOCK_SIZE;
    const uint64_t room = BLOCK_SIZE - offset;
    const uint64_t length = *count < room ? *count : room;
    *part_out = (struct part){.block = (size_t)(*start >> BLOCK_BITS),
                              .first = (uint32_t)offset,
                              .last = (uint32_t)(offset + length - 1),
                              .count = length};
    *start += length;
    *count -= length;
    return true;
}

static roaring_bitmap_t *block_to_fill(struct index_set *set, size_t block)
{
    if (block >= set->block_count) {
        set->blocks = memory_resize(set->blocks, block + 1, sizeof(roaring_bitmap_t *));
        memset(&set->blocks[set->block_count], 0,
               (block + 1 - set->block_count) * sizeof(roaring_bitmap_t *));
        set->block_count = block + 1;
    }
    if (set->blocks[block] == NULL) {
        set->blocks[block] = roaring_bitmap_create();
        assert(set->blocks[block] != NULL);
    }
    return set->blocks[block];
}

static const roaring_bitmap_t *block_at(const struct index_set *set, size_t block)
{
    return block < set->block_count ? set->blocks[block] : NULL;
}

void index_set_free(struct index_set *set)
{
    for (size_t i = 0; i < set->block_count; i++) {
        if (set->blocks[i] != NULL) {
            roaring_bitmap_free(set->blocks[i]);
        }
    }
    free(set->blocks);
    *set = (struct index_set){0};
}

void index_set_add(struct index_set *set, uint64_t start, uint64_t count)
{
    struct part part;
    set->count += count;
    while (next_part(&start, &count, &part)) {
        roaring_bitmap_add_range_closed(block_to_fill(set, part.block), part.first, part.last);
    }
}

void index_set_remove(struct index_set *set, uint64_t start, uint64_t count)
{
    struct part part;
    assert(count <= set->count);
    set->count -= count;
    while (next_part(&start, &count, &part)) {
        assert(part.block < set->block_count && set->blocks[part.block] != NULL);
        roaring_bitmap_remove_range_closed(set->blocks[part.block], part.first, part.last);
    }
}

void index_set_put(struct index_set *set, uint64_t start, uint64_t count)
{
    const uint64_t there = set->count > 0 ? index_set_count_in(set, start, count) : 0;
    index_set_add(set, start, count);
    set->count -= there;
}

void index_set_drop(struct index_set *set, uint64_t start, uint64_t count)
{
    struct part part;
    set->count -= set->count > 0 ? index_set_count_in(set, start, count) : 0;
    while (next_part(&start, &count, &part) && part.block < set->block_count) {
        if (set->blocks[part.block] != NULL) {
            roaring_bitmap_remove_range_closed(set->blocks[part.block], part.first, part.last);
        }
    }
}

void index_set_subtract(struct index_set *set, const struct index_set *other)
{
    for (size_t i = 0; i < set->block_count && i < other->block_count; i++) {
        if (set->blocks[i] != NULL && other->blocks[i] != NULL) {
            set->count -= roaring_bitmap_and_cardinality(set->blocks[i], other->blocks[i]);
            roaring_bitmap_andnot_inplace(set->blocks[i], other->blocks[i]);
        }
    }
}

uint64_t index_set_end(const struct index_set *set)
{
    for (size_t i = set->block_count; i > 0; i--) {
        const roaring_bitmap_t *block = set->blocks[i - 1];
        if (block != NULL && !roaring_bitmap_is_empty(block)) {
            return ((uint64_t)(i - 1) << BLOCK_BITS) + roaring_bitmap_maximum(block) + 1;
        }
    }
    return 0;
}

bool index_set_contains(const struct index_set *set, uint64_t index)
{
    const roaring_bitmap_t *block = block_at(set, (size_t)(index >> BLOCK_BITS));
    return block != NULL && roaring_bitmap_contains(block, (uint32_t)index);
}

uint64_t index_set_count_in(const struct index_set *set, uint64_t start, uint64_t count)
{
    struct part part;
    uint64_t found = 0;
    while (next_part(&start, &count, &part) && part.block < set->block_count) {
        const roaring_bitmap_t *block = set->blocks[part.block];
        if (block != NULL) {
            found += roaring_bitmap_range_cardinality(block, part.first, (uint64_t)part.last + 1);
        }
    }
    return found;
}

bool index_set_next(const struct index_set *set, uint64_t from, uint64_t *index_out)
{
    uint32_t offset = (uint32_t)from;
    for (size_t i = (size_t)(from >> BLOCK_BITS); i < set->block_count; i++, offset = 0) {
        roaring_uint32_iterator_t iterator;
        if (set->blocks[i] == NULL) {
            continue;
        }
        roaring_init_iterator(set->blocks[i], &iterator);
        if (roaring_move_uint32_iterator_equalorlarger(&iterator, offset)) {
            *index_out = ((uint64_t)i << BLOCK_BITS) + iterator.current_value;
            return true;
        }
    }
    return false;
}

/* By counting: in Debian 12, roaring_bitmap_contains_range() asserts beyond the last member. */
static bool is_full(const roaring_bitmap_t *block, uint64_t start, uint64_t end)
{
    return roaring_bitmap_range_cardinality(block, start, end) == end - start;
}

/* How many of the `count_max` indices from `start` on, which is a member, are members without a
 * gap. Looks twice as far each time, then halves: never at the members one by one. */
static uint64_t run_length(const roaring_bitmap_t *block, uint64_t start, uint64_t count_max)
{
    uint64_t known = 1;
    uint64_t beyond = count_max + 1; /* so many are too many */
    while (known < count_max && beyond > count_max) {
        const uint64_t tried = known <= count_max / 2 ? 2 * known : count_max;
        if (is_full(block, start + known, start + tried)) {
            known = tried;
        } else {
            beyond = tried;
        }
    }
    while (beyond <= count_max && beyond - known > 1) {
        const uint64_t middle = known + (beyond - known) / 2;
        if (is_full(block, start + known, start + middle)) {
            known = middle;
        } else {
            beyond = middle;
        }
    }
    return known;
}

bool index_set_next_run(const struct index_set *set, uint64_t from, uint64_t count_max,
                        uint64_t *start_out, uint64_t *count_out)
{
    uint64_t start;
    if (count_max == 0 || !index_set_next(set, from, &start)) {
        return false;
    }
    /* A run ends at the end of its block at the latest: the next call gives the rest. */
    const uint64_t offset = start % BLOCK_SIZE;
    const uint64_t room = BLOCK_SIZE - offset;
    *start_out = start;
    *count_out =
        run_length(set->blocks[start >> BLOCK_BITS], offset, count_max < room ? count_max : room);
    return true;
}
