/* run_liveness.h - is some process at work in a run directory? Asked from outside, by the stamp in
 * its file `lock`; nothing is written or locked.
 *
 *     no stamp, or one that gives the run free                nobody is
 *     a process of this machine                               as /proc tells
 *     any other                                               it is where it renews the stamp
 *
 * Failure: none; a file that cannot be read is one that nobody renews.
 */
#ifndef MASTER_RUN_LIVENESS_H
#define MASTER_RUN_LIVENESS_H

#include <stdbool.h>

/* Waits for a renewal, some RUN_LOCK_RENEW_MS, where nothing else can tell. */
bool run_liveness(const char *run_dir);

#endif
