/* array.h - growth of what grows with the user's data: memory.h's, for those who can say that there
 * is none.
 */
#ifndef SHARED_ARRAY_H
#define SHARED_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"

/* Room for one more element of `size` bytes in an array of `count`: doubles *capacity when it is
 * full. False, with nothing changed, where there is no memory.
 *     void *memory = list;
 *     const bool has_room = array_grow(&memory, &capacity, count, sizeof(*list));
 *     list = memory; */
MUST_CHECK bool array_grow(void **memory, size_t *capacity, size_t count, size_t size);

#endif
