/* publish.h - files that an attempt made, brought to where the run keeps them.
 *
 * A file appears under its final name whole or not at all: it is renamed where working directory
 * and target share a file system, else copied under a temporary name and renamed then; to a URL it
 * is put in one request.
 *
 * Failure: texts name the file. What was published of the same value before is taken back.
 */
#ifndef WORKER_PUBLISH_H
#define WORKER_PUBLISH_H

#include <stddef.h>

#include "shared/error.h"
#include "shared/writer.h"
#include "worker/staging.h"

struct publish_target {
    const char *run_dir;     /* of relative names */
    struct staging *staging; /* for URLs; NULL where no name is one */
};

/* STATUS_UNWRITABLE: the disk of the run directory, or of the folder that was asked for, is full,
 * read-only or fails, which is no fault of the attempt. */
MUST_CHECK enum status publish_files(const struct publish_target *target,
                                     const struct writer_file *files, size_t file_count,
                                     struct error *err);

#endif
