/* run_view.h - where a run stands, from its directory alone: while it runs, and after.
 *
 *     run_view_open --> run_view_update, run_view_facts, ... again --> run_view_close
 *
 * The log is read on from where the last update came to. A torn end is the normal sight of a write
 * in progress, and is looked at again.
 *
 * Ownership: the facts are views, valid until the next update.
 * Memory:    sets of instances (see history.h): what failed costs more than what succeeded.
 * Failure:   a log that is damaged in its middle counts up to there; the facts say so. Where a run
 *            that has ended has lost results by that, its counts are those of what is left.
 */
#ifndef MASTER_RUN_VIEW_H
#define MASTER_RUN_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/failures.h"
#include "master/run_file.h"
#include "shared/attempt.h"
#include "shared/error.h"

struct run_view;

/* What a rank has reported in the session that began last. */
struct run_view_rank {
    uint32_t rank;
    uint64_t reported_ms;    /* since 1970, by rank 0's clock */
    uint64_t instance_count; /* attempts */
    uint64_t lost_ms;        /* when it was lost, and has not reported since; 0: it was not */
    char *why;               /* where it was lost: how, and its host */
};

struct run_view_facts {
    const char *run_dir; /* as it was named */
    const struct run_description *run;
    enum run_state state; /* INTERRUPTED where it was cut off */
    bool is_live;         /* a process is at work in it */
    bool is_cut_off;      /* it ended without a word */
    bool has_exit;
    int exit_status;                       /* where has_exit: 0 or 1 */
    uint64_t counts[INSTANCE_STATE_COUNT]; /* as `results` would show them */
    uint64_t size;  /* instances of the run; of a workflow, of its maps so far */
    uint64_t ended; /* instances with a final result */
    uint64_t lost;  /* final results that were recorded, and the log no longer has */
    uint64_t attempts;
    uint64_t retries;
    double rate;          /* instances that end a second, of late; 0: none, or it does not run */
    uint64_t estimate_ms; /* since 1970: when all will have ended at this rate; 0: not known */
    const struct failures *failures;
    const struct run_view_rank *ranks; /* by number */
    size_t rank_count;
    const char *torn; /* what of the log is lost; NULL: nothing is */
};

MUST_CHECK enum status run_view_open(const char *run_dir, struct run_view **view_out,
                                     struct error *err);
MUST_CHECK enum status run_view_update(struct run_view *view, struct error *err);
struct run_view_facts run_view_facts(const struct run_view *view);
void run_view_close(struct run_view *view); /* NULL is allowed */

#endif
