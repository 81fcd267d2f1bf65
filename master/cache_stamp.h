/* cache_stamp.h - which host uses a store: a file in it that says so, renewed while it is in use.
 *
 *     take --> held, renewed by a thread of its own --> release
 *                  +-- another host has taken it: no longer held
 *
 * LMDB is not safe for two hosts at once over a network file system, but any number of processes of
 * one host may share a store. Clocks of hosts differ, so none is compared: who finds another host's
 * stamp watches it. One that changes is alive; one that stays the same for `stale_ms`, by the
 * watcher's own clock, is taken over.
 *
 * A host is its boot and its namespace of processes, since LMDB knows its users by process id.
 * Processes of one host hold a shared lock on a second file; the last one to leave removes the
 * stamp.
 *
 * Threads: one, and the one that renews.
 * Failure: EXISTS where another host uses the store; IO, with the path.
 */
#ifndef MASTER_CACHE_STAMP_H
#define MASTER_CACHE_STAMP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

#define CACHE_STAMP_NAME "in-use"
#define CACHE_STAMP_LOCK_NAME "users"
#define CACHE_STAMP_RENEW_MS 5000
#define CACHE_STAMP_STALE_MS 30000

struct cache_stamp; /* fields: cache_stamp.c */

struct cache_stamp_options {
    const char *dir;
    uint32_t renew_ms;
    uint32_t stale_ms;
    const atomic_bool *is_cancelled; /* stop waiting for another host's stamp; NULL: never */
};

MUST_CHECK enum status cache_stamp_take(const struct cache_stamp_options *options,
                                        struct cache_stamp **stamp_out, struct error *err);
void cache_stamp_release(struct cache_stamp *stamp); /* NULL is allowed */

/* False once another host has taken the store, as after a long sleep of this one. */
bool cache_stamp_is_held(const struct cache_stamp *stamp);

/* Keep all other processes of this host out, until the release. False where there are any. */
MUST_CHECK bool cache_stamp_make_exclusive(struct cache_stamp *stamp);

#endif
