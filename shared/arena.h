/* arena.h - memory for many small objects that are given up together.
 *
 * Ownership: whoever declares the arena; objects in it live until the next reset or free.
 * Threads:   one.
 * Failure:   arena_take() gives NULL when memory runs out; what was taken before stays valid.
 *
 * A reset keeps the largest block, so that a steady loop allocates nothing.
 */
#ifndef SHARED_ARENA_H
#define SHARED_ARENA_H

#include <stddef.h>

struct arena_block;

/* All zero is an empty arena. */
struct arena {
    struct arena_block *block; /* the newest */
    size_t used;               /* of the newest block */
};

/* `size` bytes, aligned for any object; not cleared. */
void *arena_take(struct arena *arena, size_t size);
/* A copy of `size` bytes with a NUL behind it. */
char *arena_copy(struct arena *arena, const void *data, size_t size);
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
