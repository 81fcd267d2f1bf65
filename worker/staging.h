/* staging.h - the files of inputs that are URLs, fetched before an attempt needs them.
 *
 *     staging_create --> for each attempt: staging_take, (the attempt), staging_release --> destroy
 *
 * What an attempt has taken stays where it is until staging_release(). A URL is asked for once a
 * run and node (file_store.h): what was checked since this process's rank began is taken as it is.
 *
 * Ownership: a staging copies its settings.
 * Threads:   one. Blocks, for as long as servers take: it is for executors.
 * Failure:   texts name the URL.
 */
#ifndef WORKER_STAGING_H
#define WORKER_STAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/remote.h"
#include "shared/type.h"

struct staging;

/* The rank begins: before it forks its zygote. */
void staging_begin(void);
/* What was fetched goes, if no process of this user needs it any more, and nobody has named a
 * folder for it. */
void staging_leave(void);

/* Nothing is opened before it is needed. */
MUST_CHECK enum status staging_create(const struct remote_settings *settings,
                                      struct staging **staging_out);
void staging_destroy(struct staging *staging); /* NULL is allowed */

/* Fetch all URLs of the value, and put local paths in their places. */
MUST_CHECK enum status staging_take(struct staging *staging, const struct type *type,
                                    struct arena *arena, mf_value *value, struct error *err);
void staging_release(struct staging *staging);

/* The identity (remote.h) of a URL that was taken and not released. False: there is none. */
MUST_CHECK bool staging_identity(const struct staging *staging, const char *url,
                                 uint8_t digest_out[REMOTE_DIGEST_SIZE]);

/* For what is put, too. */
MUST_CHECK enum status staging_remote(struct staging *staging, struct remote **remote_out,
                                      struct error *err);

#endif
