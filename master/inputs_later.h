/* inputs_later.h - the inputs of a map that come while it runs: packed elements in memory. The log
 * holds them (RECORD_INPUTS); a new session reads them back from there.
 *
 *     create --> add, pack, add, pack ... --> destroy
 *
 * Threads: one.
 * Failure: what is added is checked to be whole values; on failure nothing has changed.
 */
#ifndef MASTER_INPUTS_LATER_H
#define MASTER_INPUTS_LATER_H

#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"

struct inputs_later; /* fields: inputs_later.c */

MUST_CHECK enum status inputs_later_create(struct inputs_later **later_out);
void inputs_later_destroy(struct inputs_later *later); /* NULL is allowed */

/* Append elements, packed one after the other: `count` of them, or INVALID. */
MUST_CHECK enum status inputs_later_add(struct inputs_later *later, const uint8_t *packed,
                                        size_t size, uint64_t count);
uint64_t inputs_later_count(const struct inputs_later *later);

/* Append the packed elements from `start`, `count` of them, all below the count. */
MUST_CHECK enum status inputs_later_pack(const struct inputs_later *later, uint64_t start,
                                         uint64_t count, struct buffer *out);

#endif
