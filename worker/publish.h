/* publish.h - files that an attempt made, moved to where the run keeps them.
 *
 * A file appears under its final name whole or not at all: it is renamed where working directory
 * and run directory share a file system, else copied under a temporary name and renamed then.
 *
 * Failure: texts name the file. What was published of the same value before stays; the next attempt
 *          writes other names, or the same ones again.
 */
#ifndef WORKER_PUBLISH_H
#define WORKER_PUBLISH_H

#include <stddef.h>

#include "shared/error.h"
#include "shared/writer.h"

/* STATUS_UNWRITABLE: the run directory's disk is full, read-only or fails, which is no fault of the
 * attempt. */
MUST_CHECK enum status publish_files(const char *run_dir, const struct writer_file *files,
                                     size_t file_count, struct error *err);

#endif
