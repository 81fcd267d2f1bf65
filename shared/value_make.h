/* value_make.h - values (mf_value trees) put together in an arena, piece by piece.
 *
 * Ownership: nodes lie in the caller's arena; texts are not copied, but by value_copy().
 * Failure:   where memory runs out, a list or map is null instead, and value_copy() says so.
 */
#ifndef SHARED_VALUE_MAKE_H
#define SHARED_VALUE_MAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

mf_value value_str(const char *text); /* NUL-terminated */

/* Of `count` items or pairs, all of them null; set them before the value is read. A map's keys must
 * all be set. */
mf_value value_list_make(struct arena *arena, size_t count);
mf_value value_map_make(struct arena *arena, size_t count);
void value_list_set(mf_value *list, size_t i, mf_value item);
void value_map_set(mf_value *map, size_t i, const char *key, mf_value item);

/* Of a list or map: count only the first `count`. */
void value_shorten(mf_value *value, size_t count);

/* The whole tree, texts included. */
MUST_CHECK enum status value_copy(struct arena *arena, const mf_value *value, mf_value *copy_out);

bool value_is_number(const mf_value *value); /* int or float; false for NULL */
/* Of the same kind and content; floats by value, maps with their keys in the same order. */
bool value_is_equal(const mf_value *a, const mf_value *b);

#endif
