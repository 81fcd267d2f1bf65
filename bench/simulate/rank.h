/* rank.h - a modelled worker rank: takes units, runs batches in slots, gathers what has ended.
 *
 *     rank_take_unit --> queue --rank_advance--> slots --> finished --> (a report takes it)
 *                          +--> rank_give_back (answers to recalls)
 *
 * It does what worker/ does, with the same numbers: batches of some 8 ms that grow by a factor of
 * 16, a report each interval or at once when nothing is left to start, answers to recalls from the
 * back of the queue. A rank is brought up to date when something happens to it, and not in between:
 * rank_wake_ns() says when that must be at the latest.
 *
 * Far from the end of a large map, a rank may be modelled in bulk: its slots are one server as fast
 * as they all, and instances end in the order in which they were leased. It then does the same work
 * in the same time, with the same reports and units, but what it reports lies together. Once
 * rank_options.is_exact is set, each rank goes over to slots: each is somewhere in its instance.
 *
 * Threads: none. Failure: of memory only (see shared/memory.h).
 */
#ifndef BENCH_SIMULATE_RANK_H
#define BENCH_SIMULATE_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/simulate/draw.h"
#include "shared/attempt.h"
#include "shared/span.h"

/* What all ranks share. */
struct rank_options {
    const struct draw *draw;
    uint64_t interval_ns; /* between reports */
    uint64_t batch_ns;    /* of a batch's hand-over to its slot */
    double failures;      /* part of the attempts that fail */
    bool is_exact;        /* slot by slot */
};

/* Consecutive instances of a lease, at one attempt. */
struct part {
    uint64_t lease;
    struct span span;
};

/* A batch that has ended, or what is left of one. */
struct ended {
    uint64_t lease;
    struct span span;
    uint64_t elapsed_ns;
    double work_ns; /* of its instances, at speed 1 */
    bool is_success;
    bool is_unstarted; /* given back, never run */
    enum failure_class class;
};

struct running {
    struct part part;
    uint64_t begun_ns;
    double work_ns;
    bool is_trimmed;
    bool is_aborted;
    struct span rest; /* trimmed off */
};

struct due {
    uint64_t end_ns;
    uint32_t slot;
};

struct rank {
    uint32_t slots;
    double speed; /* 1: an instance takes what was drawn */
    bool is_present;
    bool is_bulk;
    double surplus_ns; /* in bulk: work that was done and has ended no instance yet */
    uint32_t life;     /* counts its losses: what was sent to a former life does not arrive */
    uint64_t silent_until_ns;
    struct part *queue; /* what has not been started, and in bulk what runs: from first on */
    size_t queue_first;
    size_t queue_parts;
    size_t queue_capacity;
    uint64_t queue_count;    /* instances */
    struct running *running; /* by slot */
    struct due *heap;        /* busy slots by the end of their batch */
    uint32_t busy;
    uint32_t *free_slots; /* a stack */
    struct ended *ended;  /* for the next report */
    size_t ended_count;
    size_t ended_capacity;
    double instance_ns; /* moving mean, as a worker keeps it */
    uint64_t batch_grown;
    uint64_t reported_ns;
    uint64_t wake_ns; /* the event that is set for it; UINT64_MAX: none */
    uint64_t now_ns;  /* up to which it has been brought */
    double idle_ns;   /* of its slots */
    uint64_t started; /* instances, ever, less those that were cut off again */
};

void rank_create(struct rank *rank, uint32_t slots, double speed);
/* Before it joins. */
void rank_start(struct rank *rank, const struct rank_options *options, uint64_t now_ns);
void rank_free(struct rank *rank);
/* All that it held is gone. */
void rank_forget(struct rank *rank, uint64_t now_ns);

void rank_advance(struct rank *rank, const struct rank_options *options, uint64_t now_ns);
void rank_take_unit(struct rank *rank, const struct rank_options *options, uint64_t lease,
                    const struct span *spans, size_t span_count, uint64_t now_ns);
/* The last `count_max` instances of a lease that have not started, in order. Gives how many spans
 * were written, at most `span_max`. */
size_t rank_give_back(struct rank *rank, uint64_t lease, uint64_t count_max, struct span *spans_out,
                      size_t span_max);
/* End the attempt that runs under this lease at this index, if one does. */
void rank_end(struct rank *rank, const struct rank_options *options, uint64_t lease, uint64_t index,
              uint64_t now_ns);
/* End everything that runs. What is in the queue stays, for rank_give_back(). */
void rank_cancel(struct rank *rank, const struct rank_options *options, uint64_t now_ns);

/* Instances that wait. */
uint64_t rank_unstarted(const struct rank *rank);

bool rank_is_report_due(const struct rank *rank, const struct rank_options *options,
                        uint64_t now_ns);
/* When something will have happened that the master must hear of. UINT64_MAX: never. */
uint64_t rank_wake_ns(const struct rank *rank, const struct rank_options *options);

/* The instance that a busy slot is in. */
struct span rank_current(const struct rank *rank, const struct rank_options *options, uint32_t slot,
                         uint64_t now_ns);

#endif
