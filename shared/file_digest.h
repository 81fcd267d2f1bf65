/* file_digest.h - XXH3-128 of what a file or a folder holds.
 *
 * A folder's digest covers, sorted by name: the name of each entry below it, its kind, and the
 * content of files or the target of symbolic links. Neither times nor modes are in it.
 *
 * Failure: IO, with the path, where something cannot be read.
 */
#ifndef SHARED_FILE_DIGEST_H
#define SHARED_FILE_DIGEST_H

#include <stdint.h>

#include "shared/error.h"

#define FILE_DIGEST_SIZE 16 /* bytes, big-endian as XXH128_canonicalFromHash() */

MUST_CHECK enum status file_digest(const char *path, uint8_t digest_out[FILE_DIGEST_SIZE],
                                   struct error *err);

/* What gives the digest of one file; `context` is the caller's. */
typedef enum status file_digest_function(void *context, const char *path,
                                         uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err);

/* The files in it are digested by `digest_file`; NULL: by file_digest(). */
MUST_CHECK enum status file_digest_folder(const char *path, file_digest_function *digest_file,
                                          void *context, uint8_t digest_out[FILE_DIGEST_SIZE],
                                          struct error *err);

#endif
