/* cache_prune.h - what a store holds, and throwing out what was not used for long.
 *
 * An entry was last used when it was made or last hit, to the hour.
 *
 * Failure: as of the store.
 */
#ifndef MASTER_CACHE_PRUNE_H
#define MASTER_CACHE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "master/cache_store.h"
#include "shared/error.h"
#include "shared/key.h"

#define CACHE_HOUR_MS UINT64_C(3600000)

/* An entry was used: as part of the store's write. */
MUST_CHECK enum status cache_prune_note_use(struct cache_store *store, const struct key *key,
                                            uint64_t now_ms, struct error *err);

/* Was it noted in this hour already? Within a reading of the store. */
bool cache_prune_is_use_noted(struct cache_store *store, const struct key *key, uint64_t now_ms);

struct cache_stats {
    struct cache_store_sizes sizes;
    bool has_uses;
    uint64_t oldest_ms; /* since 1970: the last use that is longest ago */
    uint64_t newest_ms;
};
MUST_CHECK enum status cache_prune_stats(struct cache_store *store, struct cache_stats *stats_out,
                                         struct error *err);

struct cache_prune_options {
    bool has_age;
    uint64_t age_max_ms; /* entries that were not used for longer go */
    bool has_size;
    uint64_t size_max; /* bytes: then those that were not used for longest, until it is met */
    uint64_t now_ms;
};

struct cache_prune_result {
    uint64_t removed; /* entries */
    uint64_t kept;
    bool is_compact; /* the file has shrunk; else others are at it, and its free pages are used
                        again */
};

MUST_CHECK enum status cache_prune(struct cache_store *store,
                                   const struct cache_prune_options *options,
                                   struct cache_prune_result *result_out, struct error *err);

#endif
