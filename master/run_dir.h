/* run_dir.h - the folder of a run: its default name, and making it.
 *
 * Failure: texts name the path. A folder that exists is refused with STATUS_EXISTS.
 */
#ifndef MASTER_RUN_DIR_H
#define MASTER_RUN_DIR_H

#include "shared/error.h"

#define RUN_DIR_PARENT "mapfleet-runs"

/* Where a run goes: `given` (absolute or from launch_dir), or by default
 * launch_dir/mapfleet-runs/JOB-TASK-YYYYMMDDThhmmssZ-XXXXXX. Nothing is made, but a folder that is
 * there already is refused. *path_out is absolute and to be freed. */
MUST_CHECK enum status run_dir_choose(const char *given, const char *launch_dir, const char *job,
                                      const char *task, char **path_out, struct error *err);

/* Make it, mode 0700, and the folders above it. */
MUST_CHECK enum status run_dir_make(const char *path, struct error *err);

/* Remove one that was made but could not be filled; what was not written by a run stays. */
void run_dir_remove(const char *path);

#endif
