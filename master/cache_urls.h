/* cache_urls.h - what servers say of URLs (remote_identity()), asked for many at once.
 *
 *     cache_urls_ask, of the inputs of a part --> cache_urls_identity of each URL in them --> ask
 * ...
 *
 * A server answers in some milliseconds, near or far, and many at once as soon as one: so a part's
 * URLs are asked for by several threads, and its keys are made then.
 *
 * Ownership: types and inputs are the caller's.
 * Threads:   the caller's one, and those that ask, which are gone when cache_urls_ask() returns.
 * Failure:   of a URL, when its identity is wanted; texts name it.
 */
#ifndef MASTER_CACHE_URLS_H
#define MASTER_CACHE_URLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/remote.h"
#include "shared/type.h"

struct cache_urls;

MUST_CHECK enum status cache_urls_create(struct cache_urls **urls_out);
void cache_urls_destroy(struct cache_urls *urls); /* NULL is allowed */

/* Forget what was asked before, and ask for each URL in these packed values. */
void cache_urls_ask(struct cache_urls *urls, const struct type *type, const uint8_t *values,
                    size_t size);

/* As it was asked for; what was not is asked for now. */
MUST_CHECK enum status cache_urls_identity(struct cache_urls *urls, bool is_folder, const char *url,
                                           uint8_t digest_out[REMOTE_DIGEST_SIZE],
                                           struct error *err);

#endif
