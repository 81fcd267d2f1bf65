#include "master/inputs_later.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/value.h"

struct inputs_later {
    struct buffer packed;
    struct buffer ends; /* of each element, where in `packed` it ends: size_t */
};

enum status inputs_later_create(struct inputs_later **later_out)
{
    *later_out = calloc(1, sizeof(**later_out));
    return *later_out != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void inputs_later_destroy(struct inputs_later *later)
{
    if (later != NULL) {
        buffer_free(&later->packed);
        buffer_free(&later->ends);
        free(later);
    }
}

uint64_t inputs_later_count(const struct inputs_later *later)
{
    return later->ends.size / sizeof(size_t);
}

/* Where element `index` begins, which is where the one before it ends. */
static size_t start_of(const struct inputs_later *later, uint64_t index)
{
    const size_t *ends = (const size_t *)(const void *)later->ends.data;
    return index > 0 ? ends[index - 1] : 0;
}

static enum status add_ends(struct inputs_later *later, const uint8_t *packed, size_t size,
                            uint64_t count)
{
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t used = 0;
        enum status status = at < size ? value_skip(packed + at, size - at, &used) : STATUS_INVALID;
        at += used;
        const size_t end = later->packed.size + at;
        if (status == STATUS_OK) {
            status = buffer_append(&later->ends, &end, sizeof(end));
        }
        if (status != STATUS_OK) {
            return status == STATUS_NO_MEMORY ? status : STATUS_INVALID;
        }
    }
    return at == size ? STATUS_OK : STATUS_INVALID;
}

enum status inputs_later_add(struct inputs_later *later, const uint8_t *packed, size_t size,
                             uint64_t count)
{
    const size_t ends_size = later->ends.size;
    enum status status = add_ends(later, packed, size, count);
    if (status == STATUS_OK) {
        status = buffer_append(&later->packed, packed, size);
    }
    if (status != STATUS_OK) {
        later->ends.size = ends_size;
    }
    return status;
}

enum status inputs_later_pack(const struct inputs_later *later, uint64_t start, uint64_t count,
                              struct buffer *out)
{
    assert(start <= inputs_later_count(later) && count <= inputs_later_count(later) - start);
    if (count == 0) {
        return STATUS_OK;
    }
    const size_t first = start_of(later, start);
    return buffer_append(out, later->packed.data + first, start_of(later, start + count) - first);
}
