/* nearest.h - the name that was likely meant, for messages about one that is not known. */
#ifndef SHARED_NEAREST_H
#define SHARED_NEAREST_H

#include <stddef.h>

#define NEAREST_SIZE_MAX 64 /* longer names are compared with nothing */

/* How many letters to add, drop or replace (Levenshtein). Both are at most NEAREST_SIZE_MAX. */
size_t nearest_distance(const char *a, size_t a_size, const char *b, size_t b_size);

/* The nearest of the names (NULL behind the last; NULL among them is not allowed), where it is two
 * letters away at most (of one or two letters: one), or a third of the name. NULL where none is. */
const char *nearest_name(const char *name, size_t name_size, const char *const *names);

#endif
