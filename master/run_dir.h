/* run_dir.h - the folder of a run: its default name, and making it.
 *
 * Failure: texts name the path. A folder that exists is refused with STATUS_EXISTS.
 */
#ifndef MASTER_RUN_DIR_H
#define MASTER_RUN_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"

#define RUN_DIR_PARENT "mapfleet-runs"

struct run_dir_choice {
    const char *given;      /* absolute or from launch_dir; NULL: the default */
    const char *launch_dir; /* absolute */
    const char *job;
    const char *task;
    const char
        *tail;      /* of the default name, which then is always the same; NULL: time and chance */
    bool may_exist; /* the run may go on in it */
};

/* Where a run goes: as given, or by default launch_dir/mapfleet-runs/JOB-TASK-TAIL, where the tail
 * is YYYYMMDDThhmmssZ-XXXXXX unless it is said. Nothing is made. *path_out is absolute and to be
 * freed. */
MUST_CHECK enum status run_dir_choose(const struct run_dir_choice *choice, char **path_out,
                                      struct error *err);

enum run_dir_content {
    RUN_DIR_ABSENT,
    RUN_DIR_EMPTY, /* also what is left of a run that ended before it began */
    RUN_DIR_RUN,   /* a run has begun in it */
    RUN_DIR_OTHER
};

/* What is there? */
MUST_CHECK enum status run_dir_look(const char *path, enum run_dir_content *content_out,
                                    struct error *err);

/* What making it has made: this folder of the path and those in it, by the bytes of its own path.
 */
struct run_dir_made {
    size_t path_size; /* 0: nothing */
};

/* Make it, mode 0700, and the folders above it; all of them or none. STATUS_EXISTS where there is
 * something under its name. */
MUST_CHECK enum status run_dir_make(const char *path, struct run_dir_made *made_out,
                                    struct error *err);

/* Remove what a run that could not begin has written, and the folders that were made for it. */
void run_dir_remove(const char *path, const struct run_dir_made *made);

#endif
