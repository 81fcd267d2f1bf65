/* workflow_zygote.h - the process of a workflow, forked by a zygote of its own beside rank 0.
 *
 *     workflow_zygote_start --PREPARE--> job loaded --FORK--> the process runs --> its end
 *
 * It is another zygote than that of rank 0's attempts, where that works too, so that neither hears
 * of the other's. What the function prints goes to rank 0's standard error.
 *
 * Ownership: the zygote is the caller's; it outlives this.
 * Threads:   one.
 * Failure:   a job that cannot be loaded, or a zygote that is gone, is told as the process's end,
 *            with a text.
 */
#ifndef WORKER_WORKFLOW_ZYGOTE_H
#define WORKER_WORKFLOW_ZYGOTE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/job.h"
#include "worker/zygote.h"

#define WORKFLOW_ZYGOTE_FD_COUNT 2

/* What the zygote and the process do: `run` is the process's life, with its end of the socket; what
 * it returns is its exit status. */
typedef int workflow_life(const struct job *job, int socket);
struct zygote_duties workflow_zygote_duties(workflow_life *run);

struct workflow_zygote; /* fields: workflow_zygote.c */

/* Load the job, from the folder in which the run was started, and fork the process, to which
 * *socket_out leads; it may be written to from now on. */
MUST_CHECK enum status workflow_zygote_start(struct zygote *zygote, const struct job *job,
                                             const char *launch_dir,
                                             struct workflow_zygote **process_out, int *socket_out,
                                             struct error *err);
/* Ends the process, if it runs. NULL is allowed. */
void workflow_zygote_destroy(struct workflow_zygote *process);

/* Pass on what it prints, and look after it. True once it has ended: *wait_status_out as waitpid()
 * tells. Where it could not begin the text says why, and is "" else. */
MUST_CHECK bool workflow_zygote_turn(struct workflow_zygote *process, int *wait_status_out,
                                     struct error *err);
void workflow_zygote_descriptors(const struct workflow_zygote *process,
                                 struct pollfd fds[WORKFLOW_ZYGOTE_FD_COUNT]);

#endif
