/* master.h - the loop of rank 0: joins inputs, scheduler, log and transport.
 *
 *     STARTING --all READY--> RUNNING --DONE--> CONCLUDING --verdict--> ENDING --all BYE--> OVER
 *        +------ a rank refuses, or the run directory can't be made ------^
 *        +------ master_interrupt()
 *
 * Every rank is told what will run, and answers that it can, before anything is written or
 * started. A turn takes what has come in, writes the accepted batches to the log, then sends out
 * what the scheduler wants. master_turn() never waits; the caller's loop waits.
 *
 * Ownership: what the options point at belongs to the caller and outlives the master.
 * Threads:   one.
 * Failure:   while the log or files of attempts cannot be written, nothing is handed out; after
 *            patience_us the run ends, resumable (exit 75) and with the totals that its log has, as
 *            it does at once where another process has taken it over, whose run it then is. A
 *            malformed or late message is logged with the reason, and ignored. A rank that is lost
 *            (presence.h) costs what ran on it an attempt; with none left the run ends, resumable.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>

#include "master/cache.h"
#include "master/failures.h"
#include "master/inputs.h"
#include "master/library.h"
#include "master/log_sync.h"
#include "master/metric_options.h"
#include "master/printer.h"
#include "master/progress.h"
#include "master/replay.h"
#include "master/run_file.h"
#include "master/run_lock.h"
#include "master/trial_metrics.h"
#include "shared/error.h"
#include "shared/remote_settings.h"
#include "shared/transport.h"
#include "shared/wire.h"

#define MASTER_REPORT_INTERVAL_US 100000
/* How long a rank has to leave once it was told to. */
#define MASTER_LEAVE_US_MAX 10000000
#define MASTER_PATIENCE_US 60000000
/* The same where nothing is to be waited for. */
#define MASTER_LEAVE_AT_ONCE_US_MAX 1000000

struct master; /* fields: master.c */

struct master_options {
    struct transport *transport;
    const char *run_dir;         /* absolute; made when every rank is ready */
    struct run_description *run; /* all but state and verdict are filled in */
    struct inputs *inputs;       /* of the map that is the run; NULL: maps are begun while it runs,
                                    see master_maps.h */
    struct inputs *parameters;   /* of a workflow, a list of one; NULL: there are none */
    uint64_t start_us;           /* when the session began, by the clock of now_us */
    uint64_t minimum;            /* successes that the map needs */
    bool rank_0_works;           /* beside being the master */
    enum progress_form progress; /* on standard error, while it runs */
    struct run_lock *lock;       /* of a run directory that is there already; moved to the master */
    struct replay *replay;       /* of a run that goes on; what it holds is moved to the master */
    struct failures *failures;   /* what has failed in earlier sessions; moved to the master */
    bool revives_failed;         /* failed and timed-out instances get fresh budgets */
    enum sync_mode sync;
    uint64_t patience_us; /* how long a run directory that can't be written is waited for */
    uint64_t report_interval_us;
    uint64_t slots;         /* of each rank, as the user asked; 0: by the machine */
    bool has_gpus_per_rank; /* the user said how many: */
    uint64_t gpus_per_rank;
    bool is_isolated; /* attempts run in executors */
    bool keeps_workdirs;
    const uint8_t *constant; /* of the map, packed */
    size_t constant_size;    /* bytes; 0: it has none */
    struct printer *printer; /* of what attempts print; the caller's. NULL: nobody asks */
    const char *files_to;    /* as START says */
    const char *files_tag;
    struct remote_settings remote;       /* for workers */
    const struct cache_options *cache;   /* NULL: outputs are not kept */
    const struct metric_options *metric; /* of the map that is the run; NULL: it has none */
    const struct library *library; /* of the job, for ranks that lack it; NULL: it is not sent */
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

/* End the run early, to be resumed. With grace, attempts that run have the run's grace to end by
 * themselves; at once, they are killed. May come in any state, and again. `why` is for people. */
enum master_urgency { MASTER_WITH_GRACE, MASTER_AT_ONCE };
MUST_CHECK enum status master_interrupt(struct master *master, enum master_urgency urgency,
                                        const char *why, uint64_t now_us, struct error *err);

/* The job that this session runs in ends then, by the clock of now_us. May be told again. */
void master_set_job_end(struct master *master, uint64_t end_us);

/* This rank has come to its end, which the text, kept as it is, says for people. */
void master_rank_ended(struct master *master, uint32_t rank, const char *end, uint64_t now_us);

/* What the trials of a sweep have come to, those of earlier sessions included; NULL where the run
 * has no metric. Who calls trial_metrics_listen() takes the events, which come while messages are
 * taken, in a turn of its own. */
struct trial_metrics *master_trial_metrics(const struct master *master);

bool master_is_over(const struct master *master);
/* Did every rank say BYE, and was none lost? Valid once it is over. */
bool master_is_clean(const struct master *master);
/* The run's exit status, once it is over. */
int master_exit_status(const struct master *master);

#endif
