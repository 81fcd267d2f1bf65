/* cache_entry.h - one memoised output, as the store keeps it: the output, and the files it names.
 *
 *     cache_entry_encode --> store --> cache_entry_decode --> cache_entry_verify
 *
 * Paths in an output are absolute, so that they hold in any run, and each has the digest of what
 * was there: a hit counts only where it still is.
 *
 * Ownership: a decoded entry is views into its bytes.
 * Failure:   safe on any bytes: an entry that was not written under this key, or not as a whole, or
 *            whose output has another type, is INVALID. Files that are gone or changed are
 *            NOT_FOUND, with the path. Texts do not name the store.
 */
#ifndef MASTER_CACHE_ENTRY_H
#define MASTER_CACHE_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "master/cache_files.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/key.h"
#include "shared/type.h"

struct cache_entry {
    uint64_t made_ms;
    const uint8_t *output; /* packed */
    size_t output_size;
    const uint8_t *files; /* packed list of [path, is it a folder, digest] */
    size_t files_size;
};

struct cache_entry_options {
    const struct type *output;
    const char *run_dir; /* where relative paths of outputs start */
    struct cache_files *files;
    struct arena *arena; /* reset by each call */
};

/* Append the entry. A file of the output that cannot be read is IO. */
MUST_CHECK enum status cache_entry_encode(const struct cache_entry_options *options,
                                          const struct key *key, uint64_t made_ms,
                                          const uint8_t *output, size_t output_size,
                                          struct buffer *out, struct error *err);

MUST_CHECK enum status cache_entry_decode(const struct cache_entry_options *options,
                                          const struct key *key, const uint8_t *data, size_t size,
                                          struct cache_entry *entry_out, struct error *err);

MUST_CHECK enum status cache_entry_verify(const struct cache_entry_options *options,
                                          const struct cache_entry *entry, struct error *err);

#endif
