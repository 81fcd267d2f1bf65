/* file_store.h - what was fetched, once for all attempts and ranks of a user on a node.
 *
 *     DIR/lock                      held by every process that uses the store
 *     DIR/size                      bytes that are kept or reserved; held while it changes
 *     DIR/urls/KEY                  what is known of a URL: its entry, and when that was checked
 *     DIR/urls/KEY.part, .tree      a content, a folder, that is coming
 *     DIR/urls/KEY.about            what the part is of
 *     DIR/entries/KEY-RANDOM-SIZE/NAME   a content that is whole
 *     DIR/trash/                    what is being removed
 *
 *     file_store_open --> file_store_lock (a place) --> file_store_pin, of what is there
 *                                                   \-> file_store_part, it is filled, _keep, _pin
 *                                     file_store_unlock            file_store_unpin --> _close
 *
 * Whoever is at a place has it alone, so that a content is fetched once; others wait, and find it.
 * An entry that is pinned is never thrown out. Both are locks of the kernel on open files: a
 * process that is killed holds none any more. An entry comes into being by a rename, whole.
 *
 * The store is bounded in bytes: where room is needed, what was used longest ago is thrown out.
 * Only what is pinned may go past the bound.
 *
 * Ownership: a place and a pin are the caller's, to be given back.
 * Threads:   one a store; any number of processes.
 * Failure:   texts name the path. UNWRITABLE is the disk of the store, which is not that of the
 * run.
 */
#ifndef WORKER_FILE_STORE_H
#define WORKER_FILE_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/remote.h"

#define FILE_STORE_KEY_SIZE 16

struct file_store;

/* The folder is made, mode 0700, where it is not there; one that is not this user's is refused.
 * `size_max` is in bytes; 0: a quarter of the file system, at most 10 GiB. */
MUST_CHECK enum status file_store_open(const char *dir, uint64_t size_max,
                                       struct file_store **store_out, struct error *err);
void file_store_close(struct file_store *store); /* NULL is allowed */

/* Where a store is that nobody has named: below $TMPDIR or /tmp, one for each user. */
void file_store_default_dir(char dir_out[PATH_MAX]);
/* Remove the folder, if nobody uses it any more. */
void file_store_leave(const char *dir);

/* What is known of a content. */
struct file_store_record {
    char entry[128];     /* name of the folder; "": there is none */
    uint64_t checked_ms; /* when the server was last asked, by clock_day_ms() */
    struct remote_about about;
    bool has_identity;
    uint8_t identity[REMOTE_DIGEST_SIZE];
};

struct file_store_place {
    int lock;
    char path[PATH_MAX]; /* DIR/urls/KEY */
    struct file_store_record record;
};

/* Waits until nobody else is at it. */
MUST_CHECK enum status file_store_lock(struct file_store *store,
                                       const uint8_t key[FILE_STORE_KEY_SIZE],
                                       struct file_store_place *place_out, struct error *err);
void file_store_unlock(struct file_store_place *place);

/* Write the record down. */
MUST_CHECK enum status file_store_note(struct file_store_place *place, struct error *err);

/* The part that is coming, opened for reading and writing; with what it is of, where that was
 * noted: else its bytes are not to be used. */
MUST_CHECK enum status file_store_part(struct file_store_place *place, int *file_out,
                                       struct remote_about *about_out, uint64_t *size_out,
                                       struct error *err);
MUST_CHECK enum status file_store_note_part(struct file_store_place *place,
                                            const struct remote_about *about, struct error *err);
/* The path of a folder that is coming, made where it is not there. `of` says which state of the
 * server it is: one of another state is emptied first. */
MUST_CHECK enum status file_store_tree(struct file_store_place *place,
                                       const uint8_t of[REMOTE_DIGEST_SIZE],
                                       char path_out[PATH_MAX], struct error *err);

/* What is coming goes: its disk is full. */
void file_store_drop(struct file_store_place *place);

/* Room for so many bytes, which count from now on. LIMIT where they are more than the bound. */
MUST_CHECK enum status file_store_reserve(struct file_store *store, uint64_t size,
                                          struct error *err);
/* They did not come. */
void file_store_release(struct file_store *store, uint64_t size);
/* Throw out all that is not in use, and what is coming at places at which nobody is; gives whether
 * there was any. */
bool file_store_empty(struct file_store *store);

/* What has come, part or tree, is whole: it becomes the place's entry, under this name, and is
 * noted with the place's record. `size` is in bytes, and was reserved. */
MUST_CHECK enum status file_store_keep(struct file_store *store, struct file_store_place *place,
                                       bool is_tree, const char *name, uint64_t size,
                                       struct error *err);

/* Use the place's entry: it stays until it is unpinned, or this process ends. NOT_FOUND: it is
 * gone. The path is that of the content. */
MUST_CHECK enum status file_store_pin(struct file_store *store,
                                      const struct file_store_place *place, int *pin_out,
                                      char path_out[PATH_MAX], struct error *err);
void file_store_unpin(int pin);

#endif
