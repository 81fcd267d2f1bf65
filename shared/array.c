#include "shared/array.h"

#include <stdlib.h>

#define CAPACITY_MIN ((size_t)8)

bool array_grow(void **memory, size_t *capacity, size_t count, size_t size)
{
    const size_t wanted = *capacity > 0 ? 2 * *capacity : CAPACITY_MIN;
    if (count < *capacity) {
        return true;
    }
    void *grown = reallocarray(*memory, wanted, size);
    if (grown == NULL) {
        return false;
    }
    *memory = grown;
    *capacity = wanted;
    return true;
}
