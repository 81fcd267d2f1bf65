/* pool_private.h - what a pool holds, for the files that it consists of: pool.c (slots, executors,
 * batches), pool_executors.c (their processes), pool_result.c (what a batch came to), pool_room.c
 * (is there room for one more?), pool_trim.c (what goes back of a batch that takes long),
 * pool_watch.c (what ends attempts: time, memory, the map's end), pool_capture.c (what they print)
 * and pool_reports.c (what they report of their metric).
 */
#ifndef WORKER_POOL_PRIVATE_H
#define WORKER_POOL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/report.h"
#include "shared/span.h"
#include "shared/stdio_record.h"
#include "worker/channel.h"
#include "worker/keeper.h"
#include "worker/places.h"
#include "worker/pool.h"
#include "worker/relay.h"
#include "worker/runner.h"

/* DEAD: its executor has ended, and results of its batches are still to be given. RETIRING: its
 * executor was told to leave. */
enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_FREE, SLOT_BUSY, SLOT_DEAD, SLOT_RETIRING };

/* Why we end an attempt. */
enum doom { DOOM_NONE, DOOM_TIMEOUT, DOOM_MEMORY, DOOM_CANCEL, DOOM_END, DOOM_STOP };

/* A channel, and the batch that was put into it. */
struct slot_batch {
    struct channel channel;
    struct pool_map *map;
    uint64_t lease;
    struct span spans[CHANNEL_SPAN_COUNT_MAX];
    size_t span_count;
    uint64_t instance_count;
    uint64_t put_us;
    uint64_t held_us; /* as the report has it */
    bool is_fold;     /* no instances: partial values to be folded */
    bool is_trimmed;
    bool is_begin_told; /* by pool_has_begun() */
    bool is_begin_seen; /* where attempts have a time limit */
    uint64_t look_us;   /* where its reports are watched: when to look for some again */
};

/* A slot has a batch, and may have a second one ahead, which its executor goes on to at once. They
 * are put into its channels in turns, and executed in that order. */
#define SLOT_BATCH_COUNT 2

struct slot {
    enum slot_state state;
    struct resources asked;          /* by attempts that it runs: cores and devices */
    uint64_t executor;               /* number of it; 0: none */
    pid_t pid;                       /* of it; 0: not told yet */
    int wait_status;                 /* of it, where DEAD */
    uint64_t free_us;                /* since when, where FREE */
    uint64_t weigh_us;               /* when its memory is next looked at */
    int bell;                        /* wakes the executor */
    int printed[STDIO_STREAM_COUNT]; /* what its attempt prints (capture.h); -1: not captured */
    struct slot_batch batches[SLOT_BATCH_COUNT];
    uint32_t next;        /* of them, where the next one is put */
    uint32_t batch_count; /* 0 unless BUSY or DEAD */
    /* Of its batches, where BUSY: */
    uint64_t mem;       /* bytes that an attempt may hold; 0: no bound */
    uint64_t seen_done; /* instances of the first done when last looked at, */
    uint64_t seen_us;   /* and since when the one after them runs, as far as was seen */
    enum doom doom;
    const struct slot_batch *doomed; /* of which an instance is being ended; NULL: none */
    uint64_t doomed_at;              /* number of that instance */
    uint64_t term_us; /* when it gets its SIGTERM, if it still runs; UINT64_MAX: never */
    uint64_t kill_us; /* where doomed: when it gets its SIGKILL */
    uint64_t cancel_grace_us;
    bool is_kill_sent;
    bool is_charged;    /* where DEAD: what its executor died of */
    uint64_t retire_us; /* where RETIRING: when it is killed */
};

/* Of a slot that has any: the first of its batches, and the last, which may be the same. */
static inline struct slot_batch *slot_first(struct slot *slot)
{
    return &slot->batches[(slot->next + SLOT_BATCH_COUNT - slot->batch_count) % SLOT_BATCH_COUNT];
}

static inline struct slot_batch *slot_last(struct slot *slot)
{
    return &slot->batches[(slot->next + SLOT_BATCH_COUNT - 1) % SLOT_BATCH_COUNT];
}

/* The one that the executor is in: the first that has not ended, or the last. */
static inline struct slot_batch *slot_running(struct slot *slot)
{
    struct slot_batch *first = slot_first(slot);
    return channel_has_ended(&first->channel) ? slot_last(slot) : first;
}

/* Some things are said in the first channel only, for as long as the executor lives. */
static inline struct channel_control *slot_control(const struct slot *slot)
{
    return slot->batches[0].channel.control;
}

struct pool {
    struct pool_options options;
    struct slot *slots;
    struct places places;
    uint64_t executor_count_ever;
    uint64_t created_us;
    uint64_t suspicion;
    uint64_t held_since_us; /* a slot is free, and what there is does not fit; 0: it is not so */
    int rank_bell;          /* executors ring it */
    struct relay relay;     /* takes what they print, where it is not captured */
    struct keeper *keeper;  /* of what they print; NULL: nothing is kept */
    uint64_t bound_us;      /* when it is next looked at how much they have printed */
    struct {
        struct stdio_entry entry;
        uint8_t *text;
    } words;                 /* what a dead executor's attempt had printed */
    unsigned setup_failures; /* in a row */
    /* Without a zygote: */
    struct runner *runner;
    const struct pool_map *map_in_rank; /* that it has turned to */
    void *state;
    /* The result that was given last: */
    struct report_failure *failures;
    size_t failure_count;
    size_t failure_capacity;
    struct pool_report *reports; /* that were not asked for yet */
    size_t report_count;
    size_t report_capacity;
    struct span result_spans[CHANNEL_SPAN_COUNT_MAX];
    struct span rest_spans[CHANNEL_SPAN_COUNT_MAX + 1];
    struct buffer frame;
    struct buffer texts;  /* of failures, where the channel is gone */
    struct buffer prints; /* the same of what was printed by mf_print() */
    char text[CHANNEL_TEXT_SIZE_MAX];
    uint8_t bits[CHANNEL_INSTANCE_COUNT_MAX / 8];
    uint8_t times[ATTEMPT_TIMES_COUNT_MAX * ATTEMPT_TIME_SIZE_MAX];
    char setup_error[CHANNEL_TEXT_SIZE_MAX + 1];
    bool is_ready;
    bool is_closing;
    bool is_set_up; /* without a zygote */
};

/* ---- pool_capture.c ---- */

MUST_CHECK enum status pool_capture_open(struct pool *pool, struct error *err);
void pool_capture_close(struct pool *pool);
/* Of a new executor. Those that are captured are the slot's. */
MUST_CHECK enum status pool_open_streams(struct pool *pool, struct slot *slot,
                                         int fds_out[STDIO_STREAM_COUNT], struct error *err);
/* Keep what the first instances of the batch have printed. PROTOCOL where that makes no sense. */
MUST_CHECK enum status pool_take_kept(struct pool *pool, const struct slot_batch *batch,
                                      uint64_t count);
/* Read what the slot's dead executor printed last, in number `at` of this batch (past the end: in
 * no attempt), and add its last lines to pool->text, of which text_size bytes are in use. Gives how
 * many are, then. */
size_t pool_take_words(struct pool *pool, struct slot *slot, const struct slot_batch *batch,
                       uint64_t at, size_t text_size);
/* The same for a setup, which has failed or ended its process: the text begins with what it said.
 */
size_t pool_take_setup_words(struct pool *pool, struct slot *slot);
/* They are those of this attempt: keep them. */
void pool_keep_words(struct pool *pool, const struct slot_batch *batch, uint64_t index,
                     uint64_t attempt);
/* Give back memory where attempts have printed much. */
void pool_bound_printed(struct pool *pool, uint64_t now_us);
/* When to do so; UINT64_MAX: never. */
uint64_t pool_bound_deadline_us(const struct pool *pool);

/* ---- pool_reports.c ---- */

static inline bool pool_has_metric(const struct pool_map *map)
{
    return map->wire->metric != NULL && *map->wire->metric != '\0';
}
/* Of a batch that is about to be taken. */
void pool_take_last_reports(struct pool *pool, struct slot_batch *batch);
/* Of the batches that the slot has. */
void pool_look_for_reports(struct pool *pool, struct slot *slot, uint64_t now_us);
/* When to do so; UINT64_MAX: when a bell rings. */
uint64_t pool_reports_deadline_us(const struct pool *pool);

/* ---- pool_room.c ---- */

/* Bytes that an attempt of a batch may hold that has grown so many times; 0: no bound. */
uint64_t pool_mem(const struct pool *pool, const struct pool_map *map, uint64_t growth);
/* Does the slot's executor have the cores and devices that attempts of the map ask for? */
bool pool_is_for(const struct pool *pool, const struct slot *slot, const struct pool_map *map);
/* Is as much left of what the rank offers? */
bool pool_fits(const struct pool *pool, const struct pool_map *map);

/* ---- pool_executors.c ---- */

uint32_t pool_count_in(const struct pool *pool, enum slot_state state);
void pool_close_slot(struct pool *pool, struct slot *slot);
/* NOT_FOUND where other executors have its cores or devices. */
MUST_CHECK enum status pool_fork(struct pool *pool, struct slot *slot, struct resources asked,
                                 struct error *err);
/* The executors that are there from the start. */
MUST_CHECK enum status pool_fill_slots(struct pool *pool, struct error *err);
/* Are executors tried one at a time? A setup that fails shall not fail once a slot. */
bool pool_is_careful(const struct pool *pool);
/* An idle executor leaves. */
void pool_retire(struct slot *slot, uint64_t now_us);
MUST_CHECK enum status pool_mind_retiring(struct pool *pool, struct slot *slot, uint64_t now_us,
                                          struct error *err);
void pool_look_at_setup(struct pool *pool, struct slot *slot);
MUST_CHECK enum status pool_take_events(struct pool *pool, struct error *err);

/* ---- pool_watch.c ---- */

/* Nothing that the executor does from here on can be believed or waited for. */
MUST_CHECK enum status pool_kill(struct pool *pool, struct slot *slot, struct error *err);
/* Of a busy slot: end its attempt where it is past its time or its memory. */
MUST_CHECK enum status pool_watch(struct pool *pool, struct slot *slot, uint64_t now_us,
                                  struct error *err);

/* ---- pool_result.c ---- */

/* Instances [from, to) of a batch, as spans. */
size_t pool_slice(const struct slot_batch *batch, uint64_t from, uint64_t to,
                  struct span *spans_out);
/* Nothing is in the result yet. */
void pool_start_result(struct pool *pool, struct pool_result *result);
/* Of a slot's first batch, which came to its end. No result where it cannot be believed: its
 * executor is killed, and its end tells the rest. */
MUST_CHECK enum status pool_take_ended(struct pool *pool, struct slot *slot, uint64_t now_us,
                                       struct pool_result *result, bool *is_result,
                                       struct error *err);
/* Of the first batch of a slot whose executor has died: what it had finished counts, the instance
 * that it was in is charged, the rest goes back. */
void pool_take_dead(struct pool *pool, struct slot *slot, uint64_t now_us,
                    struct pool_result *result);

/* ---- pool_trim.c ---- */

/* After so long what has not started of a batch goes back, whoever is free: it was made for some
 * milliseconds, and now holds an instance that is slow. */
#define POOL_BATCH_US_MAX 50000

/* Of a busy slot. False where nothing goes back. */
MUST_CHECK bool pool_trim_late(struct pool *pool, struct slot *slot, uint64_t now_us,
                               struct pool_result *result_out);
/* When pool_trim() or pool_trim_late() may find something; UINT64_MAX: never. */
uint64_t pool_trim_deadline_us(const struct pool *pool);

#endif
