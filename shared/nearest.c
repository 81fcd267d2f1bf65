#include "shared/nearest.h"

#include <assert.h>
#include <string.h>

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t nearest_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[NEAREST_SIZE_MAX + 1]; /* from the letters of `a` so far to the first j of `b` */
    assert(a_size <= NEAREST_SIZE_MAX && b_size <= NEAREST_SIZE_MAX);
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smallest(row[j] + 1, row[j - 1] + 1, replaced);
        }
    }
    return row[b_size];
}

const char *nearest_name(const char *name, size_t name_size, const char *const *names)
{
    const char *nearest = NULL;
    size_t best = name_size < 3 ? 1 : (name_size / 3 > 2 ? name_size / 3 : 2);
    for (; name_size <= NEAREST_SIZE_MAX && *names != NULL; names++) {
        const size_t size = strlen(*names);
        if (size > NEAREST_SIZE_MAX) {
            continue;
        }
        const size_t distance = nearest_distance(name, name_size, *names, size);
        const size_t longer = size > name_size ? size : name_size;
        if (distance < longer && (nearest == NULL ? distance <= best : distance < best)) {
            nearest = *names;
            best = distance;
        }
    }
    return nearest;
}
