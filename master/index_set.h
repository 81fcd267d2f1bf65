/* index_set.h - a set of instance indices, as a compressed bitset.
 *
 * Indices have 64 bits; each block of 2^32 of them is one CRoaring bitmap, made when something is
 * first put into it. A set that is filled in order costs a few bytes a block of 2^16.
 *
 * Ownership: the set owns its bitmaps.
 * Failure:   none (see shared/memory.h).
 * Cost:      of adding or removing a range, the number of blocks of 2^16 that it touches.
 */
#ifndef MASTER_INDEX_SET_H
#define MASTER_INDEX_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct roaring_bitmap_s;

/* All zero is the empty set. */
struct index_set {
    struct roaring_bitmap_s **blocks; /* NULL where nothing was ever put */
    size_t block_count;
    uint64_t count; /* members */
};

void index_set_free(struct index_set *set); /* the set is empty after */

/* Ranges must be new to the set, or wholly in it: the count is kept by their length. */
void index_set_add(struct index_set *set, uint64_t start, uint64_t count);
void index_set_remove(struct index_set *set, uint64_t start, uint64_t count);
/* Any ranges: those that are not in it yet, or those that are. */
void index_set_put(struct index_set *set, uint64_t start, uint64_t count);
void index_set_drop(struct index_set *set, uint64_t start, uint64_t count);
/* Take out all that `other` holds. */
void index_set_subtract(struct index_set *set, const struct index_set *other);
bool index_set_contains(const struct index_set *set, uint64_t index);
/* How many of the range's indices are members. */
uint64_t index_set_count_in(const struct index_set *set, uint64_t start, uint64_t count);

/* One more than the highest member; 0 where there is none. */
uint64_t index_set_end(const struct index_set *set);

/* The lowest member that is at least `from`. False when there is none. */
bool index_set_next(const struct index_set *set, uint64_t from, uint64_t *index_out);

/* The lowest run of members that starts at or after `from`, cut at `count_max`. False when there is
 * none. Costs log of its length, and the blocks of 2^16 that it touches. */
bool index_set_next_run(const struct index_set *set, uint64_t from, uint64_t count_max,
                        uint64_t *start_out, uint64_t *count_out);

#endif
