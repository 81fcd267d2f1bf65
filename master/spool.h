/* spool.h - a file that grows at its end and is read anywhere: unnamed at first, saved later.
 *
 *     spool_append ... --> spool_save --> spool_read ...
 *     spool_open -----------------------> spool_read ...
 *
 * Ownership: the spool owns its file. An unnamed one vanishes with the process, however that ends.
 * Threads:   one.
 * Failure:   texts name the file; a save that failed leaves the spool as it was, and no file.
 */
#ifndef MASTER_SPOOL_H
#define MASTER_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

struct spool {
    int file;      /* -1: none yet; the first append makes an unnamed one */
    char *name;    /* of the file, for error texts; NULL where there is none */
    uint64_t size; /* bytes */
};

#define SPOOL_NONE ((struct spool){.file = -1})

/* A file that exists, for reading. `size` is left at 0, for the caller to count. STATUS_NOT_FOUND
 * where there is none. */
MUST_CHECK enum status spool_open(const char *dir, const char *name, struct spool *spool_out,
                                  struct error *err);
void spool_close(struct spool *spool); /* the spool is SPOOL_NONE after */

MUST_CHECK enum status spool_append(struct spool *spool, const uint8_t *data, size_t size,
                                    struct error *err);
/* `size` bytes from `offset`, all of them. */
MUST_CHECK enum status spool_read(const struct spool *spool, uint64_t offset, uint8_t *data,
                                  size_t size, struct error *err);

/* Write and sync a copy of that name in the directory, and go on with it. */
MUST_CHECK enum status spool_save(struct spool *spool, const char *dir, const char *name,
                                  struct error *err);

#endif
