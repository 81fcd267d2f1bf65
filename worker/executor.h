/* executor.h - the life of one executor process, and what it is told at its start.
 *
 *     setup --> batch, batch, ... --> its rank closes the doorbell, or kills it
 *
 * Ownership: all is the process's own. The job was loaded before it was forked.
 */
#ifndef WORKER_EXECUTOR_H
#define WORKER_EXECUTOR_H

#include "shared/error.h"
#include "shared/job.h"
#include "worker/zygote.h"

/* Descriptors of an executor, in the order in which the rank hands them over. */
enum executor_fd {
    EXECUTOR_CHANNEL,
    EXECUTOR_BELL,
    EXECUTOR_RANK_BELL,
    EXECUTOR_RELAY, /* becomes standard output and error */
    EXECUTOR_FD_COUNT
};

/* Run the job's setup, as an attempt of nothing. Its text is that of its failure. */
MUST_CHECK enum status executor_set_up(const struct job *job, void **state_out, struct error *err);

/* What a zygote and its executors run: PREPARE carries the START message of the run. Lives as long
 * as the process. */
struct zygote_duties executor_duties(void);

#endif
