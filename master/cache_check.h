/* cache_check.h - is a store's data file sound, so that LMDB may be trusted with it?
 *
 * LMDB believes what its file says: a page number or an offset that is wrong makes it read or write
 * outside its memory, in the process of the master. So each page that can be reached is looked at
 * first: it is in the file, reached once, of the kind that is expected, and every offset and size
 * in it stays inside. What entries hold is for their own checksums.
 *
 * The file's form is that of LMDB 0.9 on little-endian machines with 64 bits; on others nothing is
 * looked at.
 *
 * Failure: INVALID, with the path and what is wrong.
 */
#ifndef MASTER_CACHE_CHECK_H
#define MASTER_CACHE_CHECK_H

#include <stdint.h>

#include "shared/error.h"

/* The first two pages, before LMDB sees the file. One that is not there or empty is sound. */
MUST_CHECK enum status cache_check_head(const char *path, struct error *err);

/* All pages of the state that transaction `id` left, which a reader must hold meanwhile. Every key
 * of a named table has `key_size` bytes. */
MUST_CHECK enum status cache_check_pages(const char *path, uint64_t id, uint32_t key_size,
                                         struct error *err);

#endif
