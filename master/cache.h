/* cache.h - memoised outputs in one map: hits before anything starts, new outputs kept as they
 * come.
 *
 *     cache_create --> cache_skip ..., cache_look_up --> events: HITS and HOLD ..., LOOKED_UP
 *                  --> cache_take_batch ..., events: HITS (of those held), RUN
 *                  --> cache_destroy, which keeps what is left to keep
 *
 * A thread of its own makes the keys of all inputs, looks them up, and writes to the store, all of
 * which may block; the master's loop hands it batches and takes events from it, and never waits.
 *
 * Equal inputs run once: the first is their leader, and the others are held. When the leader has
 * succeeded, they share its output (an event HITS); when it failed for good, the caller takes the
 * next one off and lets that run, or has all share a failure that is permanent. This holds also
 * where the store cannot be used.
 *
 * Ownership: what the options point at belongs to the caller and outlives the cache. The inputs are
 *            the thread's from the creation to LOOKED_UP: the caller keeps his hands off them.
 * Threads:   the caller's one, which may be any, and the cache's.
 * Failure:   a store that cannot be opened, read or written is a warning; then there are no hits,
 *            or no more of them, and nothing is kept.
 */
#ifndef MASTER_CACHE_H
#define MASTER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/cache_mode.h"
#include "master/inputs.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/report.h"
#include "shared/span.h"
#include "shared/type.h"

#define CACHE_INPUT_COUNT_MAX ((uint64_t)UINT32_MAX - 1)

struct cache; /* fields: cache_private.h */

struct cache_options {
    enum cache_mode mode; /* not CACHE_OFF */
    const char *dir;      /* of the store; absolute */
    const uint8_t *base;  /* of the keys (shared/key.h) */
    size_t base_size;     /* bytes */
    const char *ignore;   /* fields of the input left out of the key; NULL: none */
    const struct type *input;
    const struct type *output;
    bool has_index;         /* the index is in the key, so that an attempt may ask for it */
    const char *paths_from; /* texts are paths from there (shared/key.h); NULL: they are texts */
    const char *task;       /* for messages */
    const char *run_dir;    /* where relative paths of outputs start */
    const char *launch_dir; /* where relative paths of inputs start; NULL: none are computed */
    struct inputs *inputs;  /* at most CACHE_INPUT_COUNT_MAX */
};

MUST_CHECK enum status cache_create(const struct cache_options *options, struct cache **cache_out);
/* Waits for what is not yet written; a store that blocks for longer than CACHE_END_S_MAX is left
 * behind, with a warning. NULL is allowed. */
#define CACHE_END_S_MAX 30
void cache_destroy(struct cache *cache);

/* These have ended before: they are neither looked up, nor equal to any. Before cache_look_up(). */
void cache_skip(struct cache *cache, uint64_t start, uint64_t count);

/* Begin to make keys and to look them up. */
MUST_CHECK enum status cache_look_up(struct cache *cache, struct error *err);

enum cache_event_kind {
    CACHE_EVENT_HITS, /* these instances have outputs: the frame, one for each, in order */
    CACHE_EVENT_HOLD, /* these wait for an equal one */
    CACHE_EVENT_RUN,  /* these were held, and there is nothing to share: each runs for itself */
    CACHE_EVENT_LOOKED_UP
};

struct cache_event {
    enum cache_event_kind kind;
    bool were_held; /* HITS: they waited for an equal one */
    struct span *spans;
    size_t span_count;
    uint64_t count; /* of the spans together */
    struct buffer frame;
    struct cache_event *next; /* of the queue */
};

/* The next event; NULL where there is none yet. To be freed by cache_event_free(). */
struct cache_event *cache_next_event(struct cache *cache);
void cache_event_free(struct cache_event *event); /* NULL is allowed */
/* Readable while there is an event. */
int cache_descriptor(const struct cache *cache);

/* Do batches come with their inputs? Where these hold files, which may change while they are read.
 */
bool cache_wants_inputs(const struct cache *cache);

/* A batch was accepted: keep its outputs, and share them with those that were held for them. What
 * is needed of it is copied; `inputs` are the packed ones of its instances, or NULL. */
void cache_take_batch(struct cache *cache, const struct report_batch *batch, const uint8_t *inputs,
                      size_t inputs_size);

/* An instance has failed for good, or cannot share its output: take off the next one that was held
 * for it, with the rest now held for that one. False where there is none. */
bool cache_take_equal(struct cache *cache, uint64_t index, uint64_t *next_out);

/* Is there any that was held, and whose HITS or RUN is yet to be taken, though what it was held for
 * has succeeded? */
bool cache_is_sharing(const struct cache *cache);

#endif
