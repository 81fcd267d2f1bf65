/* library.h - a job's library as bytes, to be sent to ranks that lack it.
 *
 * It is read once, before anything starts, so that the master's loop need not.
 *
 * Ownership: the library owns its bytes.
 * Failure:   a file that cannot be read, is too large, or is no longer what it was when the job was
 *            loaded, is refused with the path.
 */
#ifndef MASTER_LIBRARY_H
#define MASTER_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/job.h"

#define LIBRARY_SIZE_MAX ((size_t)1 << 30)
#define LIBRARY_TOKEN_SIZE 33

struct library {
    uint8_t *bytes;
    size_t size;
    char token[LIBRARY_TOKEN_SIZE]; /* of 128 random bits, for the places where it will lie */
};

/* All zero is none. */
MUST_CHECK enum status library_read(const char *path, const uint8_t digest[JOB_DIGEST_SIZE],
                                    struct library *library_out, struct error *err);
void library_free(struct library *library);

#endif
