/* cache_equal.h - which instances of a map have equal inputs, by their keys.
 *
 *     create --> add, for each instance in order --> seal --> take ...
 *
 * The first instance with a key is the leader of those that follow it. Once the outcome of a leader
 * is known, its followers are taken off one by one: each take gives the next one, which has the
 * rest behind it, so that it may become the leader itself.
 *
 * Memory:  8 to 16 bytes an instance until it is sealed, and 16 to 32 for each follower.
 * Threads: one at a time.
 * Failure: of create only.
 */
#ifndef MASTER_CACHE_EQUAL_H
#define MASTER_CACHE_EQUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/index_map.h"
#include "shared/error.h"
#include "shared/key.h"

#define CACHE_EQUAL_COUNT_MAX ((uint64_t)UINT32_MAX - 1)

struct cache_equal {
    uint32_t *slots;       /* hash table: 1 + index of a leader; 0: free */
    size_t slot_count;     /* a power of two */
    struct index_map next; /* the one behind an instance */
    struct index_map last; /* of a leader that has followers: the last of them */
};

/* For up to `count` instances. */
MUST_CHECK enum status cache_equal_create(struct cache_equal *equal, uint64_t count);
void cache_equal_free(struct cache_equal *equal); /* all zero is allowed */

/* The instance's leader: itself where the key is new. `keys` has those of all instances so far. */
uint32_t cache_equal_find(struct cache_equal *equal, const struct key *keys, uint32_t index);
/* Put it behind the leader and those that are behind it already. */
void cache_equal_follow(struct cache_equal *equal, uint32_t leader, uint32_t index);
void cache_equal_seal(struct cache_equal *equal);

/* Take off the one behind `index`. False where there is none. */
bool cache_equal_take(struct cache_equal *equal, uint64_t index, uint32_t *next_out);
/* Does any instance have followers? */
bool cache_equal_is_any(const struct cache_equal *equal);

#endif
