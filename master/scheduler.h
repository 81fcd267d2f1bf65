/* scheduler.h - who gets which instances, and when: events in, actions out.
 *
 *     worker:  ABSENT --join--> PRESENT --lose--> LOST
 *     map:     RUNNING --out of reach under `stop`, or enough--> STOPPING --nothing leased--> DONE
 *                 +------------- every instance has ended ------------------------------------^
 *
 * Why nothing is lost or counted twice: an instance that may run is in exactly one place, the
 * ledger's ready set, a lease, or the queue of retries. It enters a lease only from the ready set,
 * by ledger_take(). It leaves a lease only by worker_shrink_lease(), in one of three ways: a batch
 * of the worker that holds this lease, whole and checked against it; the worker's answer to a
 * recall; or the loss of the worker, which empties all its leases at once. A lease is known by an
 * id that is never used again, so a late or doubled message names a lease that is gone, or
 * instances that it holds no more, and is ignored as a whole. A batch is taken or refused whole,
 * because its outputs are one frame that nobody cuts. Where it is_speculative, an instance may be
 * in a second lease as well: why that changes nothing stands above scheduler_copies.c.
 *
 * Threads: one. Reads no clock (time comes with each event, in microseconds, and never runs back),
 *          calls no MPI, touches no file; so the same code runs under a simulator.
 * Failure: of memory only (see shared/memory.h). Nonsense from a worker is ignored, with a reason.
 * Cost:    of an event, the spans that it names, each with the log of: the spans of its lease, the
 *          leases of its worker (never more than the instances that it holds), and the blocks of
 *          2^16 in which something failed. A retry costs the log of what waits for one; a loss,
 * what the worker held. Nothing else grows with the instances or the workers: who is idle and who
 * has most to give are counted and sorted as they change.
 */
#ifndef MASTER_SCHEDULER_H
#define MASTER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/lease.h"
#include "master/ledger.h"
#include "master/sizing.h"
#include "shared/map_options.h"
#include "shared/report.h"
#include "shared/wire.h"

struct scheduler; /* fields: scheduler_private.h */

struct scheduler_options {
    struct ledger_options ledger;
    struct sizing_options sizing;
    uint64_t minimum; /* successes that the map needs */
    enum map_policy policy;
    uint64_t concurrency;    /* instances leased at once; 0: no cap */
    uint64_t delay_us;       /* least time between two starts; 0: none */
    uint64_t retry_delay_us; /* doubled with each failure of an instance, at most 64 times it */
    uint32_t worker_count;   /* workers are named 0 .. worker_count - 1 */
    bool has_none_ahead;     /* a worker holds no more than its slots can start at once */
    bool is_speculative;     /* what runs for long at the end may run twice at once */
};

enum scheduler_action_kind {
    SCHEDULER_SEND_UNIT, /* send the spans to the worker, under this lease */
    SCHEDULER_RECALL,    /* ask the worker for up to `count` instances that have not started */
    SCHEDULER_END,       /* tell the worker to end its attempt at `index` of this lease */
    SCHEDULER_CANCEL,    /* tell every worker to end its attempts and give back what it holds */
    SCHEDULER_DONE       /* nothing is leased, nothing more will be */
};

struct scheduler_action {
    enum scheduler_action_kind kind;
    uint32_t worker;
    uint64_t lease;
    const struct span *spans; /* SEND_UNIT: valid until the next call */
    size_t span_count;
    uint64_t count; /* RECALL */
    uint64_t index; /* END */
};

MUST_CHECK enum status scheduler_create(struct scheduler_options options,
                                        struct scheduler **scheduler_out);
void scheduler_destroy(struct scheduler *scheduler); /* NULL is allowed */

/* Go on where earlier sessions of the run ended: before any worker joins. */
void scheduler_restore(struct scheduler *scheduler, struct history *history);

/* A worker is ready for units. Again after a loss is a new start with nothing held. */
void scheduler_join(struct scheduler *scheduler, uint32_t worker, uint32_t slots);

/* A batch of a report. `failures` are those of this batch, one for each instance without success,
 * in order; fates_out has room for as many, and is filled in. Gives NULL when the batch is to be
 * recorded, else why it is ignored; then no instance has changed. scheduler_copy_over is the one
 * reason that is to be expected: it was about an attempt that another has made needless. */
extern const char scheduler_copy_over[];
MUST_CHECK const char *scheduler_take_batch(struct scheduler *scheduler, uint32_t worker,
                                            uint64_t lease, const struct report_batch *batch,
                                            const struct report_failure *failures,
                                            struct ledger_fate *fates_out, uint64_t now_us);

/* Is this lease of one instance that began as a second copy? Then its attempt is to be recorded
 * under this number: copies have numbers of their own only for names and environment. To be asked
 * before the batch is taken. */
bool scheduler_is_copy(const struct scheduler *scheduler, uint32_t worker, uint64_t lease,
                       uint64_t index, uint64_t *attempt_out);

/* Does the worker hold this attempt? Safe on any values. */
bool scheduler_holds(const struct scheduler *scheduler, uint32_t worker, uint64_t lease,
                     uint64_t index, uint64_t attempt);
/* The attempt, which the worker holds and which has no second copy, is ended as a success; whatever
 * it still comes to does not count. Where maps are stopped early none may be speculative. */
void scheduler_stop_early(struct scheduler *scheduler, uint32_t worker, uint64_t lease,
                          uint64_t index);
/* Is this lease's attempt one that was ended so, and has yet to answer? */
bool scheduler_is_stopped_early(const struct scheduler *scheduler, uint32_t worker, uint64_t lease,
                                uint64_t index);

/* What a worker's slots are in, and for how long. What has finished in a batch that one slow
 * instance holds up is no load: the worker can take more in its place. Only where the scheduler
 * is_speculative, and at the end of the map, does this cost more than a look. */
void scheduler_beat(struct scheduler *scheduler, uint32_t worker, const struct wire_beat *beat,
                    uint64_t now_us);

/* The answer to a recall, or to CANCEL: instances that were not started, none at all included.
 * Gives NULL or why it was ignored. */
MUST_CHECK const char *scheduler_take_returned(struct scheduler *scheduler, uint32_t worker,
                                               uint64_t lease, const struct span *spans,
                                               size_t span_count, uint64_t now_us);

/* The worker is gone. Of what it held, the `running` instances (ascending; as its last beat named
 * them) are charged with a system failure; on_charged is called with each. */
typedef void scheduler_charged(void *context, uint64_t index, struct ledger_fate fate);
void scheduler_lose(struct scheduler *scheduler, uint32_t worker, const uint64_t *running,
                    size_t running_count, scheduler_charged *on_charged, void *context,
                    uint64_t now_us);

/* An attempt has begun on a worker: with a delay between starts, it counts from here, or from the
 * attempt's result where that comes first. */
void scheduler_begun(struct scheduler *scheduler, uint32_t worker, uint64_t index, uint64_t now_us);

/* Instances that need not run (ledger.h): from outputs that were kept; or they wait for one with an
 * equal input, until they share its output or its permanent failure, or are to run themselves. */
void scheduler_cache(struct scheduler *scheduler, uint64_t start, uint64_t count, bool were_held);
void scheduler_hold_equal(struct scheduler *scheduler, uint64_t start, uint64_t count);
void scheduler_fail_held(struct scheduler *scheduler, uint64_t index);
void scheduler_release(struct scheduler *scheduler, uint64_t start, uint64_t count);

/* Where instances come while the map runs (ledger.comes_later): those below `available` are there,
 * and may be handed out. Never fewer than before; also before scheduler_restore(). */
void scheduler_raise(struct scheduler *scheduler, uint64_t available);
/* No more will come. Those that are there are all of the map, which needs so many successes; the
 * others stay TO_COME, and do not count. */
void scheduler_close(struct scheduler *scheduler, uint64_t minimum);
/* How many can run at once: slots of the workers that are present, under the cap on concurrency. */
uint64_t scheduler_places(const struct scheduler *scheduler);

/* Has it been stopped, or is it done? Then nothing that comes would be handed out. */
bool scheduler_is_stopping(const struct scheduler *scheduler);

/* Start nothing more, as after a signal: CANCEL, and DONE when nothing is leased. */
void scheduler_stop(struct scheduler *scheduler);

/* The same with another CANCEL, where the first one has let attempts run on. */
void scheduler_cancel_again(struct scheduler *scheduler);

/* Hand out no more than one further instance, and none where any was handed out ever. */
void scheduler_hold(struct scheduler *scheduler);

/* The next thing to do. False when there is none until another event, or until
 * scheduler_deadline_us(). */
MUST_CHECK bool scheduler_next(struct scheduler *scheduler, uint64_t now_us,
                               struct scheduler_action *action_out);

/* When scheduler_next() may have something to do without any event; UINT64_MAX: never. */
uint64_t scheduler_deadline_us(const struct scheduler *scheduler);

/* Is the minimum reached, or out of reach? */
bool scheduler_has_minimum(const struct scheduler *scheduler);
bool scheduler_is_out_of_reach(const struct scheduler *scheduler);
/* Is the map's end known, whatever the instances that have not ended would come to? */
bool scheduler_has_verdict(const struct scheduler *scheduler);
struct ledger_counts scheduler_counts(const struct scheduler *scheduler);
const struct ledger *scheduler_ledger(const struct scheduler *scheduler);
/* Instances that a worker holds. */
uint64_t scheduler_held(const struct scheduler *scheduler, uint32_t worker);

#endif
