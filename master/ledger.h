/* ledger.h - the truth about every instance of one map, and the only code that changes it.
 *
 *                 take                succeed
 *     READY ---------------> LEASED -----------> SUCCEEDED
 *       ^ ^                   | | | \-- stop_early --> STOPPED_EARLY
 *       | +----- give_back ---+ | +-- fail, budget used up or permanent --> FAILED, TIMED_OUT
 *       |                       |
 *       +--- retry --- WAITING <+-- fail, budget left
 *
 *     READY ---- hold ---> WAITING, for an instance with an equal input
 *     READY or held ------ cache --------> CACHED
 *     held --------------- fail_held ----> FAILED
 *
 *                                    ledger_abort, from LEASED: ABORTED
 *
 *     TO_COME --- raise ---> READY, where instances come while the map runs
 *
 * State is bits: a set of instances costs what its runs cost, an attempt counter exists only in
 * blocks of 2^16 instances in which something failed. What was never taken is one number, and so is
 * what is there.
 *
 * Threads:   one. Nothing here reads a clock or does I/O.
 * Failure:   none (see shared/memory.h); a move that the drawing lacks is a caller's bug. Who may
 *            report on an instance is for the leases to know (scheduler.h); the ledger counts.
 * Cost:      of each call, the spans that it is given, plus log of the failures that are on record.
 */
#ifndef MASTER_LEDGER_H
#define MASTER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/history.h"
#include "shared/attempt.h"
#include "shared/error.h"
#include "shared/span.h"

struct ledger; /* fields: ledger.c */

struct ledger_options {
    uint64_t size; /* instances */
    uint64_t retries;
    uint64_t system_retries;
    bool is_mem_growing; /* count failures of class memory, and tell them with what is taken */
    bool comes_later;    /* no instance is there before ledger_raise() */
};

/* How many instances stand where. They add up to the size. */
struct ledger_counts {
    uint64_t ready;
    uint64_t leased;
    uint64_t waiting; /* between attempts, or for an equal one */
    uint64_t succeeded;
    uint64_t cached;
    uint64_t stopped_early;
    uint64_t failed;
    uint64_t timed_out;
    uint64_t aborted;
    uint64_t to_come; /* not there yet: nothing is known of them, and they cannot be taken */
};

/* What a failure did to its instance. */
struct ledger_fate {
    bool is_final;
    bool is_superseded; /* the instance has ended by another attempt: nothing was done to it */
    enum instance_state state; /* where is_final */
    uint64_t task_failures;    /* this one included */
    uint64_t system_failures;
    uint64_t attempts_max; /* the M of "attempt K of M", ledger_attempts_max() */
};

MUST_CHECK enum status ledger_create(struct ledger_options options, struct ledger **ledger_out);
void ledger_destroy(struct ledger *ledger); /* NULL is allowed */

struct ledger_counts ledger_counts(const struct ledger *ledger);
/* Instances that have ended: every state from SUCCEEDED on. */
uint64_t ledger_ended(const struct ledger *ledger);

/* Those below `available` are there from now on: never fewer than before, and not above the size.
 */
void ledger_raise(struct ledger *ledger, uint64_t available);
/* How many are there. */
uint64_t ledger_available(const struct ledger *ledger);

/* Take up to `count_max` ready instances, lowest index first, into at most `span_max` spans, each
 * with the number of the attempt that is due, and with its growth: how many attempts of the present
 * budgets have failed for their memory, where the options say so. An instance that last failed on
 * `worker` is passed over where `may_pass_over`. Gives the number of spans. */
size_t ledger_take(struct ledger *ledger, uint64_t count_max, uint32_t worker, bool may_pass_over,
                   struct span *spans_out, size_t span_max);

/* Back to READY, free of charge. */
void ledger_give_back(struct ledger *ledger, uint64_t start, uint64_t count);

void ledger_succeed(struct ledger *ledger, uint64_t start, uint64_t count);

/* The attempt of a leased instance is being ended, as a success. */
void ledger_stop_early(struct ledger *ledger, uint64_t index);

/* One attempt of a leased instance failed on `worker`. Where the fate isn't final the instance
 * waits, until ledger_retry(). Aborted attempts are ledger_abort(). */
struct ledger_fate ledger_fail(struct ledger *ledger, uint64_t index, enum failure_class class,
                               bool is_permanent, uint32_t worker);
void ledger_retry(struct ledger *ledger, uint64_t index);
/* Where the next attempt of it runs already: from WAITING to LEASED. */
void ledger_resume(struct ledger *ledger, uint64_t index);

/* Ready instances wait, until ledger_retry(): they hold no place. */
void ledger_hold(struct ledger *ledger, uint64_t start, uint64_t count);
/* They have an output that was kept: without an attempt, from READY, or where they were held. */
void ledger_cache(struct ledger *ledger, uint64_t start, uint64_t count, bool were_held);
/* One that was held shares a permanent failure. */
void ledger_fail_held(struct ledger *ledger, uint64_t index);

/* An attempt was ended by us, and the instance will not run again in this session. */
void ledger_abort(struct ledger *ledger, uint64_t index);

/* Take up what a log says, before anything is taken; the sets are moved out of the history. Who has
 * ended stays so, everybody else who is there is READY, with the attempts that it has used. What
 * the log names is there (ledger_raise() comes before). */
void ledger_restore(struct ledger *ledger, struct history *history);

/* Instances that have not ended, but of which an attempt has, under the present budgets. Walks
 * every block of 2^16 instances in which something failed: for the end of a run. */
uint64_t ledger_begun(const struct ledger *ledger);

/* Attempts of an instance that ended by themselves, but for a success: its next attempt's number.
 */
uint64_t ledger_attempts(const struct ledger *ledger, uint64_t index);
/* How many it may have, as far as is known: its retries, and one more for each system failure;
 * where these have used their budget up, those that it had. */
uint64_t ledger_attempts_max(const struct ledger *ledger, uint64_t index);
/* How often an attempt of it has gone past its memory, where that makes its `mem` grow. */
uint64_t ledger_growth(const struct ledger *ledger, uint64_t index);

#endif
