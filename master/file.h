/* file.h - small files of the run directory, read and replaced as a whole.
 *
 * Failure: texts name the path.
 */
#ifndef MASTER_FILE_H
#define MASTER_FILE_H

#include <stddef.h>

#include "shared/buffer.h"
#include "shared/error.h"

/* Append what the file holds. STATUS_NOT_FOUND where there is none. */
MUST_CHECK enum status file_read(const char *path, struct buffer *out, struct error *err);

/* Put a file of that name into the directory: whoever reads it, also after a power cut, finds the
 * old one or the whole new one. */
MUST_CHECK enum status file_replace(const char *dir, const char *name, const void *data,
                                    size_t size, struct error *err);

/* Have the names in the directory outlive a power cut. */
MUST_CHECK enum status file_sync_directory(const char *dir, struct error *err);

#endif
