/* master.h - the loop of rank 0: joins inputs, scheduler, log and transport.
 *
 *     STARTING --all READY--> RUNNING --DONE--> ENDING --all BYE--> OVER
 *        +------ a rank refuses, or the run directory can't be made ----^
 *
 * Every rank is told what will run, and answers that it can, before anything is written or
 * started. A turn takes what has come in, writes the accepted batches to the log, then sends out
 * what the scheduler wants. master_turn() never waits; the caller's loop waits.
 *
 * Ownership: what the options point at belongs to the caller and outlives the master.
 * Threads:   one.
 * Failure:   a log that cannot be written ends the run, resumable (exit 75). A malformed or late
 *            message is logged with the reason, and ignored.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "master/cache.h"
#include "master/inputs.h"
#include "master/run_file.h"
#include "shared/error.h"
#include "shared/transport.h"
#include "shared/wire.h"

#define MASTER_REPORT_INTERVAL_US 100000
/* How long a rank has to leave once it was told to. */
#define MASTER_LEAVE_US_MAX 10000000

struct master; /* fields: master.c */

struct master_options {
    struct transport *transport;
    const char *run_dir;         /* absolute; made when every rank is ready */
    struct run_description *run; /* all but state and verdict are filled in */
    struct inputs *inputs;
    uint64_t minimum;       /* successes that the map needs */
    bool rank_0_works;      /* beside being the master */
    bool is_progress_plain; /* lines on standard error while it runs */
    uint64_t report_interval_us;
    uint64_t slots;         /* of each rank, as the user asked; 0: by the machine */
    bool has_gpus_per_rank; /* the user said how many: */
    uint64_t gpus_per_rank;
    bool is_isolated; /* attempts run in executors */
    bool keeps_workdirs;
    const struct cache_options *cache; /* NULL: outputs are not kept */
};

MUST_CHECK enum status master_create(const struct master_options *options,
                                     struct master **master_out);
void master_destroy(struct master *master); /* NULL is allowed */

/* Tell every worker what will run. */
MUST_CHECK enum status master_start(struct master *master, uint64_t now_us, struct error *err);

MUST_CHECK enum status master_take_message(struct master *master, uint32_t rank,
                                           const struct wire_message *message, uint64_t now_us,
                                           struct error *err);

/* *did_something_out is false when the caller may wait, until master_deadline_us() at most. */
MUST_CHECK enum status master_turn(struct master *master, uint64_t now_us, bool *did_something_out,
                                   struct error *err);
uint64_t master_deadline_us(const struct master *master);
/* Readable when a turn has something to do; -1: there is none. */
int master_descriptor(const struct master *master);

bool master_is_over(const struct master *master);
/* Did every rank say BYE? Valid once it is over. */
bool master_is_clean(const struct master *master);
/* The run's exit status, once it is over. */
int master_exit_status(const struct master *master);

#endif
