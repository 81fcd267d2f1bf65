/* workflow_run.h - a workflow in the loop of rank 0: its process, and the maps that it asks for.
 *
 *     workflow_run_create --> workflow_run_turn ... (the process begins once the ranks are there)
 *         --> the master is told to finish --> workflow_run_destroy
 *
 * Ownership: master, zygote and request are the caller's and outlive it.
 * Threads:   one, the session's loop.
 * Failure:   a workflow that fails or crashes fails the run; one that departs from what is recorded
 *            of it ends the run as it was, and is refused.
 */
#ifndef CLI_WORKFLOW_RUN_H
#define CLI_WORKFLOW_RUN_H

#include <stdbool.h>

#include "cli/request.h"
#include "cli/session.h"
#include "master/master.h"
#include "shared/error.h"
#include "worker/zygote.h"

struct workflow_run; /* fields: workflow_run.c */

/* What the zygote of a workflow does; to be forked before MPI starts. */
struct zygote_duties workflow_run_duties(void);

/* Reads what earlier sessions have recorded, where the request goes on with a run. */
MUST_CHECK enum status workflow_run_create(struct master *master, struct zygote *zygote,
                                           const struct request *request,
                                           struct workflow_run **run_out, struct error *err);
void workflow_run_destroy(struct workflow_run *run); /* NULL is allowed */

/* For session_run_with(). */
struct session_guest workflow_run_guest(struct workflow_run *run);

/* Did it depart from what is recorded of it? Then the run is as it was, and was refused. */
bool workflow_run_has_departed(const struct workflow_run *run);

#endif
