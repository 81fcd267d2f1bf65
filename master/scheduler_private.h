/* scheduler_private.h - what the parts of the scheduler share.
 *
 *     scheduler.c           life; events: what happened to workers and to what they hold
 *     scheduler_dispatch.c  the verdict, and the next action: units, recalls, cancel, done
 *     scheduler_copies.c    second copies of attempts that run for long
 *     scheduler_workers.c   leases of a worker; who is idle, who has something to move
 */
#ifndef MASTER_SCHEDULER_PRIVATE_H
#define MASTER_SCHEDULER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/copies.h"
#include "master/durations.h"
#include "master/index_map.h"
#include "master/retry_queue.h"
#include "master/scheduler.h"

enum worker_state { WORKER_ABSENT, WORKER_PRESENT, WORKER_LOST };

/* A worker's leases stand in an array by id, which is the order in which they were made: one is
 * found by bisection, in memory that lies together. */
struct lease_entry {
    uint64_t id;
    struct lease *lease;
};

#define WORKER_NONE UINT32_MAX

struct worker {
    enum worker_state state;
    uint32_t slots;
    bool is_queued;        /* stands in the queue of those that may want work */
    bool has_none_to_give; /* answered a recall with nothing; until its next batch */
    uint32_t idle_slots;   /* as counted in the scheduler's sum */
    uint32_t recall_count; /* leases of which a recall is under way */
    uint64_t held;         /* instances in its leases */
    uint64_t finished;     /* of those, what had ended when it last told, unreported since */
    struct lease_entry *leases;
    size_t lease_count;
    size_t lease_capacity;
    struct sizing sizing;
    /* Where it has something to move, its place among such: */
    bool is_victim;
    uint16_t bucket;
    uint32_t next;
    uint32_t previous;
};

/* Workers that have something to move, by how long they would take for it: buckets that are a fifth
 * wide, and one bit for each that is not empty. Finding one that has about the most, and moving a
 * worker from bucket to bucket, costs the same however many workers there are. */
#define VICTIM_BUCKET_COUNT DURATION_CLASS_COUNT
struct victims {
    uint32_t first[VICTIM_BUCKET_COUNT]; /* WORKER_NONE: empty */
    uint64_t is_used[VICTIM_BUCKET_COUNT / 64];
};

enum scheduler_state { SCHEDULER_RUNNING, SCHEDULER_STOPPING, SCHEDULER_OVER };

struct scheduler {
    struct scheduler_options options;
    enum scheduler_state state;
    bool is_cancel_sent;
    bool is_held; /* by scheduler_hold() */
    /* Where there is a delay between starts: */
    uint64_t awaited_lease; /* handed out, and not heard to have begun; 0: none */
    uint64_t start_us;      /* when the next may go out */
    bool is_start_due;      /* nothing but the time is in its way */
    struct ledger *ledger;
    struct worker *workers;
    uint64_t slots_all;      /* of the workers present */
    uint64_t idle_slots_all; /* of those, what has nothing in it */
    uint32_t free_count;     /* workers with an idle slot */
    uint64_t asked_all;      /* instances that recalls under way have asked for */
    uint64_t lease_count_ever;
    struct lease *spare_leases;
    struct retry_queue retries;
    struct victims victims;
    /* Second copies: */
    struct durations durations;
    struct copies copies;
    struct retry_queue suspects; /* what has run for long, longest first: by when it began */
    struct index_map suspect_workers;
    struct holder *ends; /* who is to be told to end an attempt, and of which index */
    uint64_t *end_indices;
    size_t end_count;
    size_t end_capacity;
    size_t end_index_capacity;
    uint32_t *queue; /* ring of workers that may want work, in the order in which they asked */
    size_t queue_head;
    size_t queue_count;
    struct span spans[LEASE_SPAN_COUNT_MAX]; /* of the unit being made */
};

/* A worker may want work: at the end of the queue, unless it stands in it. */
void scheduler_queue_put(struct scheduler *scheduler, uint32_t worker);

/* ---- scheduler_workers.c: what workers hold ---- */

/* NULL where the worker holds no such lease. Costs log of its leases. */
struct lease *worker_lease(const struct worker *worker, uint64_t id);
/* A lease of the scheduler's spans, the newest of the worker. */
struct lease *worker_add_lease(struct scheduler *scheduler, struct worker *worker,
                               size_t span_count);
void worker_shrink_lease(struct worker *worker, struct lease *lease, struct span span);
/* Costs the worker's newer leases. */
void worker_end_lease(struct scheduler *scheduler, struct worker *worker, struct lease *lease);
/* The recall of a lease is under way, or has been answered. */
void worker_recall(struct scheduler *scheduler, struct worker *worker, struct lease *lease,
                   uint64_t count);
void worker_recalled(struct scheduler *scheduler, struct worker *worker, struct lease *lease);
/* Instances that a worker holds and has not finished, as far as is known. */
uint64_t worker_load(const struct worker *worker);
/* Instances that a worker holds and cannot have started, where moving them is worth it. */
uint64_t worker_movable(const struct worker *worker);
/* After anything of it has changed: bring the sums and its place among the victims up to date. */
void worker_touch(struct scheduler *scheduler, uint32_t id);

/* One that has about the most to move. False when there is none. */
bool victims_find(const struct scheduler *scheduler, uint32_t *worker_out);
void victims_init(struct victims *victims);

/* ---- scheduler_copies.c ---- */

/* What an instance that a lease holds is to that lease. */
enum copy_role { ROLE_ALONE, ROLE_ORIGINAL, ROLE_COPY, ROLE_LOSER };
enum copy_role copy_role(const struct scheduler *scheduler, const struct lease *lease,
                         uint64_t index);

/* The instance has ended by what `winner` said; the other is to be ended, and has yet to answer. */
void copy_decided(struct scheduler *scheduler, const struct lease *winner, uint64_t index);
/* The original is gone, the copy takes its place. */
void copy_promoted(struct scheduler *scheduler, struct lease *original, uint64_t index);
/* The copy is gone, or the loser has answered; `is_failed`: no other copy shall follow. */
void copy_over(struct scheduler *scheduler, struct lease *lease, uint64_t index, bool is_failed);

bool next_end(struct scheduler *scheduler, struct scheduler_action *action_out);
bool next_copy(struct scheduler *scheduler, uint64_t now_us, struct scheduler_action *action_out);

/* ---- scheduler_dispatch.c ---- */

/* How many instances may begin now. */
uint64_t scheduler_handout_max(struct scheduler *scheduler, uint64_t now_us);
/* The first in the queue that has an idle slot. False when none has. */
bool scheduler_find_idle(struct scheduler *scheduler, uint32_t *worker_out);
/* Move the first in the queue to its end. */
void scheduler_queue_rotate(struct scheduler *scheduler);

/* ---- scheduler.c ---- */

/* The lease of a worker that holds this instance, and the attempt that it is at; NULL: none. Costs
 * the worker's leases. */
struct lease *worker_lease_of_index(const struct worker *worker, uint64_t index,
                                    struct span *span_out);

#endif
