/* master_private.h - what the files of the master share.
 *
 *     master.c         life; messages in, turns, units out
 *     master_start.c   START, READY, and the making of the run
 *     master_report.c  what workers report, into the ledger and the log
 *     master_cache.c   memoised outputs: hits, and instances that wait for an equal one
 *     master_end.c     the verdict, STOP, and giving up
 */
#ifndef MASTER_MASTER_PRIVATE_H
#define MASTER_MASTER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/cache.h"
#include "master/failures.h"
#include "master/ledger.h"
#include "master/master.h"
#include "master/placement.h"
#include "master/record.h"
#include "master/run_log.h"
#include "master/scheduler.h"
#include "shared/buffer.h"
#include "shared/report.h"

#define EXIT_FAILED 1
#define EXIT_REFUSED 2
#define EXIT_RESUMABLE 75
#define PROGRESS_FIRST_US 2000000
#define MAP_NUMBER 0

enum master_state { MASTER_STARTING, MASTER_RUNNING, MASTER_ENDING, MASTER_OVER };

struct master {
    struct master_options options;
    enum master_state state;
    struct scheduler *scheduler;
    struct failures *failures;
    struct run_log *log;
    struct cache *cache; /* NULL: none */
    bool *is_waited_for; /* by rank: READY while starting, BYE while ending */
    uint32_t waited_count;
    uint32_t *slots;            /* by rank, as READY said */
    bool *has_left;             /* by rank: it has said BYE */
    char *refusal;              /* the first rank that cannot work, and why */
    char *setup_failure;        /* the first rank on which the job's setup failed, and why */
    struct placement placement; /* ranks that are too small for the task */
    uint32_t present_count;     /* workers that are in the run */
    int exit_status;
    bool is_clean;
    uint64_t started_us; /* when the first unit could go out */
    uint64_t ending_us;
    uint64_t progress_us; /* when the next line of progress is due */
    uint64_t attempts;
    uint64_t retries;
    struct buffer packed;      /* inputs of the unit being sent */
    struct buffer frame;       /* the same, compressed */
    struct ledger_fate *fates; /* of the report being taken */
    struct record_outcome *outcomes;
    size_t fate_capacity;
    struct report_batch *taken; /* batches of the report that were accepted */
    size_t taken_capacity;
    struct report_failure *taken_failures;
    size_t taken_failure_capacity;
};

/* ---- master.c ---- */

/* Is this rank one that works? */
bool master_is_worker(const struct master *master, uint32_t rank);
MUST_CHECK enum status master_send(struct master *master, uint32_t rank,
                                   const struct wire_message *message, struct error *err);
/* To every worker that has not left. */
MUST_CHECK enum status master_send_to_workers(struct master *master,
                                              const struct wire_message *message,
                                              struct error *err);
/* Wait for an answer of every worker that has not left. */
void master_wait_for_all(struct master *master);
void master_heard_from(struct master *master, uint32_t rank);

/* ---- master_start.c ---- */

MUST_CHECK enum status master_on_ready(struct master *master, uint32_t rank,
                                       const struct wire_ready *ready, uint64_t now_us,
                                       struct error *err);

/* Those that are ready may be given work. */
void master_join_workers(struct master *master);

/* ---- master_cache.c ---- All do nothing where outputs are not kept. */

MUST_CHECK enum status master_cache_create(struct master *master);
/* Look up all inputs; the workers join when that is done. False where there is nothing to wait
 * for. */
MUST_CHECK bool master_cache_start(struct master *master);
/* Take what the cache has found. Fails where the log does. */
MUST_CHECK enum status master_cache_turn(struct master *master, bool *did_something,
                                         struct error *err);
void master_cache_take_batch(struct master *master, const struct report_batch *batch);
/* To be told of every failure. Fails where the log does. */
MUST_CHECK enum status master_cache_take_failure(struct master *master,
                                                 const struct report_failure *failure,
                                                 const struct ledger_fate *fate, struct error *err);

/* ---- master_report.c ---- */

/* Fails where the log does. */
MUST_CHECK enum status master_on_report(struct master *master, uint32_t rank,
                                        const struct report *report, uint64_t now_us,
                                        struct error *err);
void master_on_returned(struct master *master, uint32_t rank, const struct wire_returned *returned,
                        uint64_t now_us);

/* ---- master_end.c ---- */

/* Tell every worker to leave. Nothing that follows can change the exit status. */
MUST_CHECK enum status master_end(struct master *master, int exit_status, uint64_t now_us,
                                  struct error *err);
/* The map is done: the verdict is on disk before anybody hears of it. */
MUST_CHECK enum status master_conclude(struct master *master, uint64_t now_us, struct error *err);
/* The run cannot go on here: it ends without a verdict, and can be resumed. */
MUST_CHECK enum status master_give_up(struct master *master, const char *reason, uint64_t now_us,
                                      struct error *err);

#endif
