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
#include "shared/wire.h"
#include "worker/runner.h"
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

/* Load the job that START names, and find its task. One that differs from rank 0's is refused. The
 * job is the caller's. */
MUST_CHECK enum status executor_load(const struct wire_start *start, struct job **job_out,
                                     const struct task **task_out, struct error *err);

/* What START says of how the task runs; channel and state are the caller's to fill in. */
struct runner_options executor_runner_options(const struct wire_start *start,
                                              const struct task *task);

/* Ring an eventfd. */
void executor_ring(int bell);

/* What a zygote and its executors run: PREPARE carries the START message of the run. Lives as long
 * as the process. */
struct zygote_duties executor_duties(void);

#endif
