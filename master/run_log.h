/* run_log.h - the writing side of log.lz4, the append-only record of a run.
 *
 *     run_log_create / run_log_append_to --> run_log_append ... run_log_flush --> run_log_close
 *
 * Records gather in memory and reach the file at run_log_flush(), or by themselves past 1 MiB; the
 * master flushes at the end of each turn of its loop, before it acts on what it recorded. A record
 * with many bytes of frames is written at once, with what has gathered before it, so that its
 * frames are not copied. While the file can't be written, records go on gathering, frames included:
 * run_log_flush() alone tells.
 *
 * Ownership: the log owns its file and what gathers.
 * Threads:   one; run_log_descriptor() may be synced from another while the log is open.
 * Failure:   a failed write leaves the file with a torn tail at most, which readers cut. The log
 *            remembers how far it is good: what was not written stays gathered, and the next flush
 *            writes it over the torn tail.
 */
#ifndef MASTER_RUN_LOG_H
#define MASTER_RUN_LOG_H

#include <stdint.h>

#include "master/record.h"
#include "shared/error.h"

struct run_log;

#define RUN_LOG_NAME "log.lz4"

/* Make log.lz4 in the run directory; it must not exist (STATUS_EXISTS). */
MUST_CHECK enum status run_log_create(const char *run_dir, struct run_log **log_out,
                                      struct error *err);
/* Go on behind the first `good_size` bytes of an existing log; the rest is cut off. */
MUST_CHECK enum status run_log_append_to(const char *run_dir, uint64_t good_size,
                                         struct run_log **log_out, struct error *err);
/* On failure the record is not in the log. */
MUST_CHECK enum status run_log_append(struct run_log *log, const struct record *record,
                                      struct error *err);
MUST_CHECK enum status run_log_flush(struct run_log *log, struct error *err);
/* Flush, and have the file on disk. */
MUST_CHECK enum status run_log_sync(struct run_log *log, struct error *err);
uint64_t run_log_size(const struct run_log *log);    /* bytes, with those that gather */
uint64_t run_log_written(const struct run_log *log); /* bytes, without them */
int run_log_descriptor(const struct run_log *log);   /* for a sync by another thread */
void run_log_close(struct run_log *log);             /* without flushing; NULL is allowed */

#endif
