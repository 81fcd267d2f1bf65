/* log_sync.h - gets the log onto the disk from a thread of its own, so that the loop never waits.
 *
 *     log_sync_create --> log_sync_written ... log_sync_is_done --> log_sync_destroy
 *
 * Group commit: what was written since the last sync goes out with the next one. By SYNC_INTERVAL
 * that is within LOG_SYNC_INTERVAL_MS of the first byte that is not on disk; by SYNC_ALWAYS at
 * once; by SYNC_NONE only on log_sync_hurry().
 *
 * A sync that failed may have dropped what it was to save, and the next one would not tell: the
 * kernel reports an error once and takes the pages for clean. So before it is tried again, the
 * bytes since the last good sync are written again, from what the file holds.
 *
 * Ownership: the descriptor is the caller's, and open until log_sync_destroy().
 * Threads:   the caller's one, and one more, which calls no MPI and takes no signal.
 * Failure:   log_sync_failure() says why the last sync failed, until one succeeds.
 */
#ifndef MASTER_LOG_SYNC_H
#define MASTER_LOG_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

#define LOG_SYNC_INTERVAL_MS 1000

enum sync_mode { SYNC_INTERVAL, SYNC_ALWAYS, SYNC_NONE };

struct log_sync;

/* `size` bytes of the file are on disk already, or as good as. */
MUST_CHECK enum status log_sync_create(int file, uint64_t size, enum sync_mode mode,
                                       struct log_sync **sync_out, struct error *err);
/* Syncs what is left, but by SYNC_NONE, and waits for it, but not for ever: a disk that never
 * answers costs a thread. */
void log_sync_destroy(struct log_sync *sync); /* NULL is allowed */

/* The file's first `size` bytes are whole records and will not change. */
void log_sync_written(struct log_sync *sync, uint64_t size);
/* Sync now what was written so far, whatever the mode. */
void log_sync_hurry(struct log_sync *sync);
/* Are the first `size` bytes on disk? */
bool log_sync_is_done(struct log_sync *sync, uint64_t size);
/* Did the last sync fail? Fills in the reason. */
bool log_sync_failure(struct log_sync *sync, struct error *reason_out);

#endif
