/* cache_store.h - the tables of memoised outputs on disk: an LMDB environment in a folder.
 *
 *     open --> begin_read, get ..., end_read
 *              put, remove ... commit            --> close
 *
 * Three tables, each under keys of CACHE_STORE_KEY_SIZE bytes: what was memoised, when it was last
 * used, and the digests of files that were read (cache_entry.h, cache_files.h).
 *
 * Processes of one host share a store: readers see the last commit, one writes at a time. A store
 * that a process of another host uses is refused (cache_stamp.h), and so is one that is damaged
 * (cache_check.h): nothing is changed in it then.
 *
 * Ownership: the store owns its files. What get gives is valid until the end of the reading, or the
 *            next change in the same transaction.
 * Threads:   one at a time for each, which may block: never the master's loop. Several of one
 * folder may be open in a process, each in a thread of its own. Failure:   texts name the folder.
 * EXISTS: in use on another host; INVALID: damaged; LIMIT: full; IO: anything else. After a failed
 * put or commit, what was put since the last commit is gone.
 */
#ifndef MASTER_CACHE_STORE_H
#define MASTER_CACHE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

#define CACHE_STORE_KEY_SIZE 16
#define CACHE_STORE_DATA_NAME "data.mdb"
#define CACHE_STORE_LOCK_NAME "lock.mdb"

enum cache_table { CACHE_TABLE_ENTRIES, CACHE_TABLE_USES, CACHE_TABLE_DIGESTS };
enum { CACHE_TABLE_COUNT = CACHE_TABLE_DIGESTS + 1 };

struct cache_store; /* fields: cache_store.c */

/* The folder of --cache-dir, made absolute; by default $XDG_CACHE_HOME/mapfleet, or
 * ~/.cache/mapfleet. *path_out is to be freed. */
MUST_CHECK enum status cache_store_choose(const char *given, const char *launch_dir,
                                          char **path_out, struct error *err);

/* Made where it is not there, mode 0700. `is_cancelled` ends the wait for another host's stamp; it
 * may be NULL. */
MUST_CHECK enum status cache_store_open(const char *dir, const atomic_bool *is_cancelled,
                                        struct cache_store **store_out, struct error *err);
void cache_store_close(struct cache_store *store); /* without a commit; NULL is allowed */

/* Is there a store in the folder? */
bool cache_store_is_there(const char *dir);

MUST_CHECK enum status cache_store_begin_read(struct cache_store *store, struct error *err);
void cache_store_end_read(struct cache_store *store);

/* NOT_FOUND, without a text, where the table has no such key. Reads what was put and not yet
 * committed too; needs a reading or a write that has begun. */
MUST_CHECK enum status cache_store_get(struct cache_store *store, enum cache_table table,
                                       const uint8_t key[CACHE_STORE_KEY_SIZE],
                                       const uint8_t **data_out, size_t *size_out,
                                       struct error *err);

/* A write begins with the first put or remove, and ends with the commit. */
MUST_CHECK enum status cache_store_put(struct cache_store *store, enum cache_table table,
                                       const uint8_t key[CACHE_STORE_KEY_SIZE], const void *data,
                                       size_t size, struct error *err);
/* Nothing where there is no such key. */
MUST_CHECK enum status cache_store_remove(struct cache_store *store, enum cache_table table,
                                          const uint8_t key[CACHE_STORE_KEY_SIZE],
                                          struct error *err);
MUST_CHECK enum status cache_store_commit(struct cache_store *store, struct error *err);

/* Call with each of a table, in the order of keys, from the first one behind `after` (NULL: the
 * first), until it gives false. Needs a reading or a write that has begun. */
typedef bool cache_store_visit(void *context, const uint8_t key[CACHE_STORE_KEY_SIZE],
                               const uint8_t *data, size_t size);
MUST_CHECK enum status cache_store_each(struct cache_store *store, enum cache_table table,
                                        const uint8_t *after, cache_store_visit *visit,
                                        void *context, struct error *err);

struct cache_store_sizes {
    uint64_t counts[CACHE_TABLE_COUNT];
    uint64_t used;      /* bytes of the pages that hold something */
    uint64_t file;      /* bytes that the data file takes on disk */
    uint64_t page_size; /* bytes */
};
MUST_CHECK enum status cache_store_measure(struct cache_store *store,
                                           struct cache_store_sizes *sizes_out, struct error *err);

/* Write the data file anew without its free pages. Only with nobody else at it: *is_done_out. */
MUST_CHECK enum status cache_store_compact(struct cache_store *store, bool *is_done_out,
                                           struct error *err);

#endif
