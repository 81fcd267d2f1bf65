#include "shared/memory.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/log.h"

static _Noreturn void end_without_memory(size_t count, size_t size)
{
    log_error("no memory for %zu x %zu bytes; the run can be resumed", count, size);
    abort();
}

void *memory_take(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) {
        end_without_memory(count, size);
    }
    return memory;
}

void *memory_resize(void *memory, size_t count, size_t size)
{
    void *resized = reallocarray(memory, count > 0 ? count : 1, size);
    if (resized == NULL) {
        end_without_memory(count, size);
    }
    return resized;
}

void *memory_grow(void *memory, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return memory;
    }
    const size_t wanted = *capacity == 0 ? 8 : *capacity * 2;
    memory = memory_resize(memory, wanted, size);
    *capacity = wanted;
    return memory;
}

void memory_keep(void)
{
    enum { MMAP_SIZE_MIN = 32 << 20, KEPT_SIZE_MAX = 64 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_SIZE_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_SIZE_MAX);
}

char *memory_copy_text(const char *text)
{
    const size_t size = strlen(text) + 1;
    return memcpy(memory_take(size, 1), text, size);
}
