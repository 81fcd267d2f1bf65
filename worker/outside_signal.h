/* outside_signal.h - signals that a batch system sends to every process of a job.
 *
 * Slurm signals a whole step: scancel, preemption and --signal reach the executors too, and would
 * end attempts as if they had crashed, while the ranks were asked to bring the run to its end. In a
 * Slurm job, executors leave such signals to their rank. What an attempt has started gets them all
 * the same: an attempt that fails just then was ended, and did not fail by itself.
 *
 * What the zygote or the executor itself sends does as ever; so does a handler of the job's own.
 *
 * Threads: one per process; a signal may be delivered to any.
 */
#ifndef WORKER_OUTSIDE_SIGNAL_H
#define WORKER_OUTSIDE_SIGNAL_H

#include <stdbool.h>

/* In an executor, after the job was loaded. Does nothing outside of Slurm's jobs. */
void outside_signal_open(void);

/* Has one come within the last two seconds? */
bool outside_signal_came(void);

#endif
