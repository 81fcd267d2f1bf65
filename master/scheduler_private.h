/* scheduler_private.h - what the two halves of the scheduler share.
 *
 *     scheduler.c           life; events: what happened to workers and to what they hold
 *     scheduler_dispatch.c  the verdict, and the next action: units, recalls, cancel, done
 */
#ifndef MASTER_SCHEDULER_PRIVATE_H
#define MASTER_SCHEDULER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/retry_queue.h"
#include "master/scheduler.h"

enum worker_state { WORKER_ABSENT, WORKER_PRESENT, WORKER_LOST };

struct worker {
    enum worker_state state;
    uint32_t slots;
    bool is_queued;        /* stands in the queue of those that may want work */
    bool has_none_to_give; /* answered a recall with nothing; until its next batch */
    uint64_t held;         /* instances in its leases */
    struct lease *leases;  /* oldest first */
    struct sizing sizing;
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
    uint64_t slots_all; /* of the workers present */
    uint64_t lease_count_ever;
    struct lease *spare_leases;
    struct retry_queue retries;
    uint32_t *queue; /* ring of workers that may want work, in the order in which they asked */
    size_t queue_head;
    size_t queue_count;
    struct span spans[LEASE_SPAN_COUNT_MAX]; /* of the unit being made */
};

/* A worker may want work: at the end of the queue, unless it stands in it. */
void scheduler_queue_put(struct scheduler *scheduler, uint32_t worker);

#endif
