/* describe.h - what a job registers, without running a line of it here.
 *
 * The zygote loads the job and tells; this process only waits. Whatever the job does meanwhile
 * (crash, exit, hang, print, change signals), it does to the zygote. What it prints goes to
 * standard error.
 *
 * Ownership: the job is the caller's (job_destroy). It has no functions.
 * Failure:   INVALID with what happened. A zygote that did not answer is of no further use.
 */
#ifndef WORKER_DESCRIBE_H
#define WORKER_DESCRIBE_H

#include <stdint.h>

#include "shared/error.h"
#include "shared/job.h"
#include "worker/zygote.h"

/* How long a job may take to load for a run: a minute, or what $MAPFLEET_LOAD_PATIENCE says. Fails
 * where that is no time. */
MUST_CHECK enum status describe_patience(uint64_t *time_us_out, struct error *err);
/* The text for one that took longer. */
enum status describe_too_long(const char *path, uint64_t time_us_max, struct error *err);

/* `job` is what a user typed, "" being the built-in job. `time_us_max` bounds the loading; 0: no
 * bound. After some seconds it is said what is waited for. */
MUST_CHECK enum status describe_job(struct zygote *zygote, const char *job, uint64_t time_us_max,
                                    struct job **job_out, struct error *err);

/* The text for a zygote that has ended while it loaded a job, by its path; "": the built-in one. */
enum status describe_end(struct zygote *zygote, const char *path, struct error *err);

#endif
