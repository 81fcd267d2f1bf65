/* file_store_private.h - what the files of the store share: file_store.c, file_store_place.c (one
 * URL) and file_store_room.c (its bound).
 */
#ifndef WORKER_FILE_STORE_PRIVATE_H
#define WORKER_FILE_STORE_PRIVATE_H

#include "worker/file_store.h"

struct file_store {
    char dir[PATH_MAX];
    uint64_t size_max;
    int lock; /* shared */
};

/* The folder and one more name; false where that is too long, with the text. */
MUST_CHECK enum status store_path(const char *dir, const char *name, char path_out[PATH_MAX],
                                  struct error *err);

/* Open a file that may be removed while one waits for its lock, and lock it: what is given is what
 * stands at the path. STATUS_EXISTS: another holds the lock, and `waits` is false. */
MUST_CHECK enum status store_lock_file(const char *path, int flags, int operation, bool waits,
                                       int *file_out, struct error *err);

/* The folder of an entry was used just now. The kernel's own times are those of its last tick. */
void store_note_use(const char *entry);

/* Move away at once, then remove. */
void store_discard(const char *dir, const char *path);

/* A name of an entry: the size at its end, in bytes. */
uint64_t store_entry_size(const char *name);

#endif
