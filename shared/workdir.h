/* workdir.h - working directories of attempts, in one folder for each rank and run.
 *
 *     TMPDIR/mapfleet-PID-RANDOM/               of a rank: workdir_choose(), a name and no more
 *         slot-1/                               of an executor
 *             17-0/                             of an attempt: workdir_make(), workdir_remove()
 *     TMPDIR/mapfleet-PID-RANDOM-kept/17-0/     the same, where attempts' folders are kept
 *
 * The name is chosen before anything runs. So what an attempt that died has left behind is found
 * without asking it, and all that a run made can be removed at its end. Nobody can take the name
 * before us, since nobody can guess it; folders are ours alone (mode 0700).
 *
 * Failure: texts name the folder.
 */
#ifndef SHARED_WORKDIR_H
#define SHARED_WORKDIR_H

#include <limits.h>
#include <stdint.h>

#include "shared/error.h"

/* The node's temporary folder: $TMPDIR where that is an absolute path, else /tmp. */
const char *workdir_base(void);

/* A name below it. */
void workdir_choose(char folder_out[PATH_MAX]);

/* The executor's folder in that of its rank; the rank's own for folders that are kept. Slots count
 * from 1. A path that is too long becomes "". */
void workdir_of_slot(const char *rank_folder, uint32_t slot, char folder_out[PATH_MAX]);
void workdir_of_kept(const char *rank_folder, char folder_out[PATH_MAX]);

/* Make `name` in the folder, and the folder and its parent where they are not there yet. What
 * stands there by that name is removed first. */
MUST_CHECK enum status workdir_make(const char *folder, const char *name, char path_out[PATH_MAX],
                                    struct error *err);

/* Remove the folder with all that is in it, as far as that is possible; other file systems that are
 * mounted in it are left alone. Nothing where it isn't there. */
void workdir_remove(const char *path);

#endif
