/* worker.h - a worker rank: takes units from the master, has its pool run them, reports.
 *
 *     WAITING --START--> PREPARING --set up--> READY --UNIT ...--> READY --STOP--> LEAVING --> GONE
 *                                              |  ^                                             ^
 *                           REJOIN --> RESETTING -+                                             |
 *                                              +-- cannot go on --> OUT ---------STOP-----------+
 *
 * A rank that was taken for lost ends what it has, forgets it, and is READY anew. One that cannot
 * go on says so, and waits for the others' end, because MPI ends for all together. One that has
 * lost rank 0 ends: at once where both are of one host, else after three times --lost-after,
 * because a master whose disk hangs should not lose its workers for it.
 *
 * worker_turn() does what there is to do and never waits; the caller's loop waits. Results gather
 * per lease and leave as one report each report interval, at once when nothing is left to start,
 * and when they grow large. A unit is cut into batches that take a slot some milliseconds.
 *
 * Ownership: the transport is the caller's.
 * Threads:   one.
 * Failure:   what the worker cannot do it tells the master in READY; a malformed message is logged
 *            and ignored. What fails later is for the caller to tell by worker_fail(), unless it is
 *            the transport: that ends the worker.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/transport.h"
#include "shared/wire.h"
#include "worker/pool.h"
#include "worker/zygote.h"

/* Beats leave so often, and more often where silence is judged sooner. */
#define WORKER_BEAT_INTERVAL_US 1000000

struct worker; /* fields: worker_private.h */

/* `zygote` may be NULL: then attempts run in the rank itself. */
MUST_CHECK enum status worker_create(struct transport *transport, struct zygote *zygote,
                                     struct worker **worker_out);
void worker_destroy(struct worker *worker); /* NULL is allowed */

MUST_CHECK enum status worker_take_message(struct worker *worker,
                                           const struct wire_message *message, uint64_t now_us,
                                           struct error *err);

/* A START that this program cannot even read: answer with the reason. */
MUST_CHECK enum status worker_refuse(struct worker *worker, const char *reason, struct error *err);

/* End all attempts at once, before the master says so: mpirun ends this rank in a moment. */
MUST_CHECK enum status worker_end_attempts(struct worker *worker, uint64_t now_us,
                                           struct error *err);

/* *did_something_out is false when the caller may wait, until worker_deadline_us() at most. */
MUST_CHECK enum status worker_turn(struct worker *worker, uint64_t now_us, bool *did_something_out,
                                   struct error *err);
uint64_t worker_deadline_us(const struct worker *worker);
/* Descriptors that are readable when there is something to do; gives how many. */
size_t worker_descriptors(const struct worker *worker, struct pollfd fds_out[POOL_FD_COUNT_MAX]);

/* Has every slot a batch, and is there more, so that no message is needed soon? */
bool worker_is_fed(const struct worker *worker);
/* Is there nothing left for it to do? */
bool worker_is_gone(const struct worker *worker);
/* Because rank 0 was lost? And if it was told to leave: were no ranks lost, so that MPI can be
 * ended in its way? */
bool worker_is_orphaned(const struct worker *worker);
bool worker_may_finalize(const struct worker *worker);

/* Rank 0 is of this host, and its process is watched. */
void worker_watch_master(struct worker *worker);
/* Rank 0 has come to its end, which the text, kept as it is, says for people. */
void worker_master_ended(struct worker *worker, const char *end, uint64_t now_us);

/* It cannot go on, for this reason: what it was in ends, and it leaves the run. */
MUST_CHECK enum status worker_fail(struct worker *worker, const char *reason, uint64_t now_us,
                                   struct error *err);

#endif
