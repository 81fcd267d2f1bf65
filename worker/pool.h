/* pool.h - the slots of a worker rank: batches go in, results come out.
 *
 *     slot:  EMPTY --fork--> STARTING --set up--> FREE --pool_start--> BUSY --its result--> FREE
 *              ^                 |                  |                    |
 *              +--- executor ended, for whatever reason; what it had finished counts ---+
 *
 * An executor runs attempts of any map that ask for as many cores and devices as it has. In a run
 * of one map there is one for each slot from the start. In others they are made as they are asked
 * for (pool_make_room()), and idle ones of another kind make way (RETIRING).
 *
 * Each slot has an executor of its own, forked by the zygote. When one dies inside a batch, what it
 * had finished counts, the instance that it was in costs one attempt, and the rest of the batch is
 * given back. Without a zygote there is one slot, and its batch runs in the rank itself, within
 * pool_collect().
 *
 * A busy slot may be given a second batch ahead, so that its executor goes on without waiting for
 * the rank. What ends an attempt, or takes back what has not started, ends or takes that first.
 *
 * Cores and devices belong to an executor for life (places.h). What the busy slots' attempts ask
 * for is never more, together, than the rank offers: cores, devices, and memory, which belongs to a
 * batch. One that has grown past what is left waits with the caller (pool_has_room()).
 *
 * Ownership: a batch is copied. A result is the pool's, and valid until the next call.
 * Threads:   one. Nothing here waits.
 * Failure:   of an executor, a result like any other. Of setups: pool_setup_error().
 */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/report.h"
#include "shared/wire.h"
#include "worker/offer.h"
#include "worker/runner.h"
#include "worker/unit_queue.h"
#include "worker/zygote.h"

#define POOL_FD_COUNT_MAX 3

struct pool; /* fields: pool.c */

struct pool_options {
    const struct wire_start *start; /* outlives the pool */
    uint32_t rank;                  /* this one */
    struct zygote *zygote;          /* prepared; NULL: run in this process */
    const struct job *job;          /* loaded here; only without a zygote */
    const struct offer *offer;      /* of at least one slot, of one without a zygote */
};

/* A map of which batches are run; the caller's, and there until no slot has one of it. */
struct pool_map {
    const struct wire_map *wire;
    const uint8_t *bytes; /* the message that defines it, at most CHANNEL_MAP_SIZE_MAX */
    size_t bytes_size;
    struct runner_map in_rank; /* only without a zygote */
    uint64_t batch_count;      /* that slots have, as the pool counts */
    bool is_fold_off;          /* the reducer has failed here: outputs leave as they are */
};

struct pool_result {
    struct pool_map *map; /* of which the batch is */
    uint64_t lease;
    struct report_batch batch; /* of what has a result; no instances: there is none */
    const struct report_failure *failures;
    size_t failure_count;
    const struct span *rest; /* given back: it never started */
    size_t rest_count;
    bool goes_on; /* the batch is not over: the rest is all there is */
    bool is_fold; /* of pool_start_fold(): the frame of `batch` is all there is; NULL: it failed */
};

/* One report of its metric, of an attempt that runs or has just ended. */
struct pool_report {
    struct pool_map *map;
    struct wire_metric report;
};

MUST_CHECK enum status pool_create(const struct pool_options *options, struct pool **pool_out,
                                   struct error *err);
/* Ends every executor. NULL is allowed. */
void pool_destroy(struct pool *pool);

uint32_t pool_slot_count(const struct pool *pool);
/* Slots that could start a batch at once. */
uint32_t pool_free_count(const struct pool *pool);
/* Is something left to start, for which a free slot lacks room? To be called after as much as fits
 * was started; what starts later says how long it was held up. */
void pool_note_held(struct pool *pool, bool is_held, uint64_t now_us);
/* May a batch of the map that has not grown start at once? *growth_max_out: and one that has so
 * many times. */
bool pool_has_room(const struct pool *pool, const struct pool_map *map, uint64_t *growth_max_out);
/* Where there is room, but no executor for it: make one, for up to so many further batches. What is
 * being made has its room. */
MUST_CHECK enum status pool_make_room(struct pool *pool, const struct pool_map *map, uint64_t count,
                                      uint64_t now_us, struct error *err);
/* Partial values of the map, frames behind each other, become one in an executor: beside batches
 * that run or ahead of others. It is the caller that looks whether there is room (either kind of).
 */
void pool_start_fold(struct pool *pool, struct pool_map *map, const struct buffer *frames,
                     uint64_t now_us);
/* Is an executor for it being made? */
bool pool_makes_room(const struct pool *pool, const struct pool_map *map);
bool pool_is_idle(const struct pool *pool); /* no slot is busy */

/* Has any setup succeeded? */
bool pool_is_ready(const struct pool *pool);
/* The text of a setup that failed twice in a row; NULL where none did. */
const char *pool_setup_error(const struct pool *pool);

/* How many instances the next batch may have: one for a while after an executor has written over
 * its channel, so that the instance that does it is found. */
uint64_t pool_batch_count_max(struct pool *pool);

/* Start a batch for which there is room in a free slot. */
void pool_start(struct pool *pool, struct pool_map *map, uint64_t lease, const struct batch *batch,
                uint64_t now_us);

/* The same for a second batch in a busy slot: is there room, and start it there. There is none
 * where attempts have a limit of memory. */
bool pool_has_room_ahead(const struct pool *pool, const struct pool_map *map);
void pool_start_ahead(struct pool *pool, struct pool_map *map, uint64_t lease,
                      const struct batch *batch, uint64_t now_us);

/* See what executors have done, end attempts that are past their time, and give a batch that has
 * ended. */
MUST_CHECK enum status pool_collect(struct pool *pool, uint64_t now_us,
                                    struct pool_result *result_out, bool *is_result_out,
                                    struct error *err);

/* What attempts have reported since the last call, as far as pool_collect() has seen it; valid
 * until the pool's next. What a result's attempts have reported is there when the result is. */
size_t pool_take_reports(struct pool *pool, const struct pool_report **reports_out);

/* Write out what is kept of what attempts have printed: before a report leaves that names them. */
void pool_flush(struct pool *pool);

/* Take what has not started from the slot that has most of it, of those whose batch has run for
 * long: it is the result's rest. False where none has any. */
MUST_CHECK bool pool_trim(struct pool *pool, uint64_t now_us, struct pool_result *result_out);

/* Instances of the map that have ended in batches that have not: about. */
uint64_t pool_finished(const struct pool *pool, const struct pool_map *map);

/* Of this map, or of all (NULL): start no further instance of the batches that run, and end the
 * attempts in them; what is ended so is aborted. Again, to end them sooner. In the rank itself
 * nothing can be ended. */
MUST_CHECK enum status pool_cancel(struct pool *pool, const struct pool_map *map,
                                   const struct wire_cancel *how, uint64_t now_us,
                                   struct error *err);

/* End the attempt of one instance, if it runs; its result says aborted. What stands behind it in
 * its batch goes back. One that is stopped early has the grace between its SIGTERM and SIGKILL. */
MUST_CHECK enum status pool_end(struct pool *pool, const struct pool_map *map,
                                const struct wire_end *end, uint64_t now_us, struct error *err);

/* Has an attempt begun in a slot since it was last asked? And is one about to, so that it is worth
 * asking again in a moment? Together one look a batch. */
bool pool_has_begun(struct pool *pool, bool *is_about_to_out);

struct pool_running {
    const struct pool_map *map;
    struct wire_running running;
};

/* Which instance each slot is in, if any; gives how many, at most pool_slot_count(). Not sorted. */
size_t pool_running(const struct pool *pool, uint64_t now_us, struct pool_running *running_out);

/* A map of which no slot has a batch is about to go. */
void pool_forget(struct pool *pool, const struct pool_map *map);

/* Nothing more will come: executors run the job's teardown and leave. pool_collect() is called
 * until pool_is_closed(), or for as long as the caller has patience. */
void pool_close(struct pool *pool);
bool pool_is_closed(const struct pool *pool);

/* Descriptors that are readable when pool_collect() may find something; gives how many. */
size_t pool_descriptors(const struct pool *pool, struct pollfd fds_out[POOL_FD_COUNT_MAX]);
/* When pool_collect() should be called without any of that; UINT64_MAX: never. */
uint64_t pool_deadline_us(const struct pool *pool);

#endif
