/* cache_private.h - what the files of the cache share.
 *
 *     cache.c         life; the queues between the caller and the thread; the caller's side
 *     cache_lookup.c  the thread: keys, equal inputs, hits
 *     cache_keep.c    the thread: outputs of batches into the store, and to those that were held
 */
#ifndef MASTER_CACHE_PRIVATE_H
#define MASTER_CACHE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "master/cache.h"
#include "master/cache_entry.h"
#include "master/cache_equal.h"
#include "master/cache_files.h"
#include "master/cache_store.h"
#include "master/index_set.h"
#include "shared/key.h"

/* One that has succeeded, and those that were held for it. */
struct cache_share {
    uint64_t leader;
    size_t first; /* in the job's held ones */
    size_t count;
};

/* What the caller hands to the thread. */
struct cache_job {
    bool is_lookup; /* else a batch: */
    bool reads_place;
    struct buffer spans;        /* of struct span: its instances */
    struct buffer bits;         /* their success; empty: all */
    struct buffer frame;        /* outputs of the successes */
    struct buffer inputs;       /* packed, of all instances; empty where they are not needed */
    struct cache_share *shares; /* in the order of the successes */
    size_t share_count;
    size_t share_capacity;
    uint64_t *held; /* the instances that the shares name */
    size_t held_count;
    size_t held_capacity;
    struct cache_job *next;
};

struct cache {
    struct cache_options options;
    /* between both, under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t has_job; /* or it is to end */
    pthread_cond_t has_room;
    struct cache_job *jobs;
    struct cache_job **jobs_end;
    size_t job_bytes;
    struct cache_event *events;
    struct cache_event **events_end;
    size_t event_bytes;
    bool is_ending;
    atomic_bool is_cancelled; /* the same, for whoever does not hold the mutex */
    int bell;                 /* readable while there are events */
    pthread_t thread;
    bool has_thread;
    struct index_set skipped; /* the caller's until it starts the thread, the thread's then */
    uint64_t sharing;         /* the caller's: held ones that jobs have and no event yet named */
    /* the caller's, once all is looked up; the thread's until then */
    struct cache_equal equal;
    bool has_warned_of_place;
    bool has_warned_of_backlog;
    bool wants_inputs;
    /* the thread's */
    struct cache_store *store; /* NULL: not usable */
    struct cache_files *files;
    struct key_maker *maker;
    struct arena arena;
    struct key *keys;      /* of each instance; all zero: it has none */
    uint8_t *hits;         /* a bit an instance, while looking up */
    struct buffer packed;  /* inputs of a part of the map */
    struct buffer outputs; /* of a frame, decoded or to be made */
    struct span *found;    /* hits of a part of the map, and those that are held */
    size_t found_count;
    struct span *waiting;
    size_t waiting_count;
    struct buffer entries; /* to be put: struct cache_pending, then the entry, ... */
    struct buffer touched; /* of struct key: hits of which the use is to be noted */
    uint64_t unusable;     /* entries that were no hits all the same */
    uint64_t unreadable;   /* inputs without a key */
    uint64_t not_kept;     /* outputs, for a file of their own or of their input */
};

/* ---- cache.c ---- */

/* Hand over an event; waits where the caller is far behind. The event is the caller's then. */
void cache_emit(struct cache *cache, struct cache_event *event);
/* Nobody waits for a result any more. */
bool cache_is_ending(struct cache *cache);
/* The store failed: say so, and go on without. */
void cache_drop_store(struct cache *cache, const char *reason);
struct cache_entry_options cache_entry_options_of(struct cache *cache);

/* Put an instance behind those before it; there is room for one more span. */
void cache_spans_add(struct span *spans, size_t *span_count, uint64_t index);
/* An event with a copy of the spans, and the packed outputs as a frame; either may be NULL. NULL
 * where there is no memory for the frame. */
struct cache_event *cache_event_make(enum cache_event_kind kind, const struct span *spans,
                                     size_t span_count, const struct buffer *outputs);

/* ---- cache_lookup.c ---- */

void cache_run_lookup(struct cache *cache);
#define CACHE_PART_COUNT 4096u /* instances whose keys are made and looked up in one go */
bool cache_key_is_none(const struct key *key);

/* ---- cache_keep.c ---- */

void cache_run_batch(struct cache *cache, struct cache_job *job);
/* Write what has gathered. */
void cache_commit(struct cache *cache);
bool cache_has_gathered(const struct cache *cache);

#endif
