/* cache_files.h - digests of files, remembered: a file that has not changed is read once.
 *
 * A digest is remembered under the file's path, with its size, times, inode and device, and holds
 * as long as these are the same. Of a file that changed in the last moments nothing is remembered,
 * since it could change again within the same tick of its clock. What was learned is kept in memory
 * until cache_files_save() puts it into the store.
 *
 * What a URL stands for is told apart by what its server says (cache_urls.h), asked each time.
 *
 * Ownership: the store belongs to the caller and outlives this; NULL: nothing is remembered on
 * disk. Threads:   that of the store. Failure:   IO where a file cannot be read, with its path. A
 * store that fails is as one without digests.
 */
#ifndef MASTER_CACHE_FILES_H
#define MASTER_CACHE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "master/cache_store.h"
#include "shared/error.h"
#include "shared/file_digest.h"
#include "shared/type.h"

struct cache_files; /* fields: cache_files.c */

MUST_CHECK enum status cache_files_create(struct cache_store *store,
                                          struct cache_files **files_out);
void cache_files_destroy(struct cache_files *files); /* NULL is allowed */

/* A key_digest (shared/key.h): `files` is a struct cache_files. Within a reading of the store,
 * where there is one. */
MUST_CHECK enum status cache_files_digest(void *files, bool is_folder, const char *path,
                                          uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err);

/* Ask servers for what is remote in these packed values, many at once, before their keys are made;
 * what was asked before is forgotten. */
void cache_files_ask(struct cache_files *files, const struct type *type, const uint8_t *values,
                     size_t size);

/* Another store from here on; NULL: none. */
void cache_files_use_store(struct cache_files *files, struct cache_store *store);
/* Is there anything to save? */
bool cache_files_has_learned(const struct cache_files *files);

/* How many files were read, rather than remembered. */
uint64_t cache_files_read_count(const struct cache_files *files);

/* Put what was learned into the store, as part of its write, and forget it here. */
MUST_CHECK enum status cache_files_save(struct cache_files *files, struct error *err);

/* When the digest was remembered, in hours since 1970; false where the bytes are none. */
bool cache_files_hour(const uint8_t *data, size_t size, uint32_t *hour_out);

#endif
