#include "shared/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE_MIN ((size_t)4096)

struct arena_block {
    struct arena_block *previous;
    size_t size; /* of data */
    alignas(max_align_t) unsigned char data[];
};

/* Blocks double, so that taking n bytes piece by piece costs log n calls of malloc(). */
static struct arena_block *block_create(const struct arena_block *previous, size_t size)
{
    const size_t size_doubled = previous == NULL ? BLOCK_SIZE_MIN : 2 * previous->size;
    const size_t size_taken = size > size_doubled ? size : size_doubled;
    struct arena_block *block = malloc(sizeof(*block) + size_taken);
    if (block != NULL) {
        block->size = size_taken;
    }
    return block;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 4) {
        return NULL;
    }
    const size_t size_aligned = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (arena->block == NULL || arena->block->size - arena->used < size_aligned) {
        struct arena_block *block = block_create(arena->block, size_aligned);
        if (block == NULL) {
            return NULL;
        }
        block->previous = arena->block;
        arena->block = block;
        arena->used = 0;
    }
    void *taken = arena->block->data + arena->used;
    arena->used += size_aligned;
    return taken;
}

char *arena_copy(struct arena *arena, const void *data, size_t size)
{
    char *copy = size < SIZE_MAX ? arena_take(arena, size + 1) : NULL;
    if (copy != NULL) {
        if (size > 0) {
            memcpy(copy, data, size);
        }
        copy[size] = '\0';
    }
    return copy;
}

static void blocks_free(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *previous = block->previous;
        free(block);
        block = previous;
    }
}

void arena_reset(struct arena *arena)
{
    if (arena->block != NULL) {
        /* Each block is larger than those before it, so the newest is the one to keep. */
        blocks_free(arena->block->previous);
        arena->block->previous = NULL;
    }
    arena->used = 0;
}

void arena_free(struct arena *arena)
{
    blocks_free(arena->block);
    *arena = (struct arena){0};
}
