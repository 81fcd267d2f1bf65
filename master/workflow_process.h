/* workflow_process.h - the process in which a workflow function runs, beside rank 0.
 *
 *     BEGIN --> the function --MAP--> rank 0 --OVER--> outputs, read from the log --> ... --> END
 *
 * The functions of mapfleet.h that take an mf_workflow are here, too (workflow_calls.c and
 * workflow_values.c). Outputs do not pass through rank 0: the process finds them in the run's log.
 *
 * Ownership: all values live in the process until the function has returned.
 * Threads:   one.
 * Failure:   whatever the function does, it does to this process; rank 0 sees it end.
 */
#ifndef MASTER_WORKFLOW_PROCESS_H
#define MASTER_WORKFLOW_PROCESS_H

#include "shared/job.h"

/* Take BEGIN from the socket, run the workflow that it names, and say END. Gives the exit status of
 * the process: not 0 where rank 0 is gone, or talks nonsense. */
int workflow_process_run(const struct job *job, int socket);

#endif
