/* job_description.h - a job without its functions, as bytes: what a process in which the job is
 * loaded tells one that must not load it.
 *
 *     struct job --job_describe--> bytes --job_of_description--> struct job, functions NULL
 *
 * Ownership: the job is the caller's (job_destroy).
 * Failure:   a job's code ran in the process that wrote the bytes, so that they may be anything:
 *            what makes no sense is STATUS_PROTOCOL.
 */
#ifndef SHARED_JOB_DESCRIPTION_H
#define SHARED_JOB_DESCRIPTION_H

#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"

/* Longer ones are refused, by both sides. */
#define JOB_DESCRIPTION_SIZE_MAX ((size_t)4 << 20)

/* Append the description. LIMIT where it is too long. */
MUST_CHECK enum status job_describe(const struct job *job, struct buffer *out, struct error *err);

MUST_CHECK enum status job_of_description(const uint8_t *data, size_t size, struct job **job_out,
                                          struct error *err);

#endif
