/* memory.h - growth of the bookkeeping that a run cannot go on without.
 *
 * Where a list of a few words cannot grow, there is nothing sensible left to do: the process ends
 * by abort(), after one line on standard error. What was recorded is in the run log, so that the
 * run can be resumed. Whatever grows with the user's data (inputs, outputs, messages) returns a
 * status instead.
 */
#ifndef SHARED_MEMORY_H
#define SHARED_MEMORY_H

#include <stddef.h>

/* calloc() and realloc() that do not fail. `count` times `size` is checked for overflow. */
void *memory_take(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *memory_resize(void *memory, size_t count, size_t size) __attribute__((returns_nonnull));

/* Room for one more element in an array of `count`: doubles *capacity when it is full.
 *     list = memory_grow(list, count, &capacity, sizeof(*list)); */
void *memory_grow(void *memory, size_t count, size_t *capacity, size_t size);

/* Have this process keep what it frees, up to some 64 MiB, for what it takes next. Without it,
 * messages of some MiB would go back to the kernel each time, and each page of the next one is
 * given and cleared anew. */
void memory_keep(void);

char *memory_copy_text(const char *text) __attribute__((returns_nonnull));

#endif
