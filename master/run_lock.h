/* run_lock.h - one process at a time works on a run directory.
 *
 *     run_lock_take --> run_lock_is_held ... --> run_lock_release
 *
 * The file `lock` is locked with fcntl() where the file system knows how, and holds a stamp: who
 * holds the run, and a number that grows every RUN_LOCK_RENEW_MS, from a thread. A newcomer decides
 * by what it finds:
 *
 *     no stamp, and the lock is free                          it takes the run
 *     the same Slurm job, before it was started again         it takes the run
 *     a process of this host: gone / at work                  it takes the run / is refused
 *     the lock is free, and no other host has this folder     it takes the run
 *     anything else (another host, a stopped process)         it watches the stamp: renewed within
 *                                                             RUN_LOCK_STALE_MS, it is refused
 *
 * Who takes a run over replaces the stamp. The former holder, should it wake up after all, finds
 * that before it writes again: run_lock_is_held() looks at the file itself where the last renewal
 * is not fresh by a clock that goes on while the machine sleeps.
 *
 * Ownership: the lock owns its descriptor and thread.
 * Threads:   the caller's one, and one more, which calls no MPI and takes no signal.
 * Failure:   a stamp that can't be renewed is tried again; whoever is refused hears of whom by.
 */
#ifndef MASTER_RUN_LOCK_H
#define MASTER_RUN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

#define RUN_LOCK_NAME "lock"
#define RUN_LOCK_RENEW_MS 5000
#define RUN_LOCK_STALE_MS 30000

struct run_lock;

/* May wait for RUN_LOCK_STALE_MS. STATUS_EXISTS where another process is at work in the run,
 * STATUS_UNWRITABLE where the disk is full, read-only or fails. */
MUST_CHECK enum status run_lock_take(const char *run_dir, struct run_lock **lock_out,
                                     struct error *err);
/* Gives the run free, unless somebody has taken it over. NULL is allowed. */
void run_lock_release(struct run_lock *lock);

/* False, for ever after, once somebody has taken the run over: then nothing may be written. */
bool run_lock_is_held(struct run_lock *lock);

#endif
