#include "worker/unit_inputs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/lz4_frame.h"
#include "shared/value.h"

static enum status fail(struct error *err)
{
    return error_set(err, STATUS_PROTOCOL, "the inputs of a unit cannot be unpacked");
}

static enum status fail_memory(struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "no memory for a unit's inputs");
}

enum status unit_inputs_copy(struct unit_inputs *inputs, const uint8_t *packed, size_t size,
                             struct error *err)
{
    buffer_clear(&inputs->packed);
    return buffer_append(&inputs->packed, packed, size) == STATUS_OK ? STATUS_OK : fail_memory(err);
}

enum status unit_inputs_take(struct unit_inputs *inputs, const struct wire_unit *unit,
                             struct buffer *memory, struct error *err)
{
    *inputs = (struct unit_inputs){.skip = unit->skip, .packed = *memory};
    *memory = (struct buffer){0};
    buffer_clear(&inputs->packed);
    if (unit->packed_size == unit->inputs_size) {
        return unit_inputs_copy(inputs, unit->inputs, unit->inputs_size, err);
    }
    if (unit->inputs_size == 0) {
        return fail(err);
    }
    inputs->frames = malloc(unit->inputs_size);
    if (inputs->frames == NULL) {
        return fail_memory(err);
    }
    memcpy(inputs->frames, unit->inputs, unit->inputs_size);
    inputs->frames_size = unit->inputs_size;
    inputs->packed_left = unit->packed_size;
    return STATUS_OK;
}

struct buffer unit_inputs_free(struct unit_inputs *inputs)
{
    const struct buffer memory = inputs->packed;
    free(inputs->frames);
    *inputs = (struct unit_inputs){0};
    return memory;
}

static bool is_frame_left(const struct unit_inputs *inputs)
{
    return inputs->frames_used < inputs->frames_size;
}

/* What was given out goes, and the next frame comes behind what is left. */
static enum status unpack_frame(struct unit_inputs *inputs, struct error *err)
{
    struct buffer *packed = &inputs->packed;
    if (inputs->used > 0) {
        packed->size -= inputs->used;
        memmove(packed->data, packed->data + inputs->used, packed->size);
        inputs->used = 0;
    }
    const size_t before = packed->size;
    size_t used = 0;
    const size_t left = inputs->packed_left < SIZE_MAX ? (size_t)inputs->packed_left : SIZE_MAX;
    const enum status status =
        lz4_frame_decompress_first(inputs->frames + inputs->frames_used,
                                   inputs->frames_size - inputs->frames_used, left, packed, &used);
    if (status != STATUS_OK) {
        return status == STATUS_NO_MEMORY ? fail_memory(err) : fail(err);
    }
    inputs->frames_used += used;
    inputs->packed_left -= packed->size - before;
    return is_frame_left(inputs) || inputs->packed_left == 0 ? STATUS_OK : fail(err);
}

/* The size of the element that stands `at` bytes behind what was given out, which may be in a frame
 * that is to be unpacked; 0: it cannot be read. */
static enum status measure(struct unit_inputs *inputs, size_t at, size_t *size_out,
                           struct error *err)
{
    enum status status = STATUS_OK;
    *size_out = 0;
    while (status == STATUS_OK) {
        const struct buffer *packed = &inputs->packed;
        const size_t start = inputs->used + at;
        if (packed->size > start &&
            value_skip(packed->data + start, packed->size - start, size_out) == STATUS_OK) {
            return STATUS_OK;
        }
        *size_out = 0;
        if (!is_frame_left(inputs)) {
            return STATUS_OK;
        }
        status = unpack_frame(inputs, err);
    }
    return status;
}

/* Those that come before the unit's own. */
static enum status pass_over(struct unit_inputs *inputs, struct error *err)
{
    enum status status = STATUS_OK;
    while (inputs->skip > 0 && status == STATUS_OK) {
        size_t size;
        status = measure(inputs, 0, &size, err);
        inputs->used = size > 0 ? inputs->used + size : inputs->packed.size;
        inputs->skip = size > 0 ? inputs->skip - 1 : 0;
    }
    return status;
}

enum status unit_inputs_next(struct unit_inputs *inputs, uint64_t count_max, size_t size_max,
                             uint64_t *count_out, const uint8_t **packed_out, size_t *size_out,
                             struct error *err)
{
    size_t total = 0;
    uint64_t count = 0;
    enum status status = pass_over(inputs, err);
    while (count < count_max && status == STATUS_OK) {
        size_t size;
        status = measure(inputs, total, &size, err);
        if (status == STATUS_OK && size == 0) {
            total = inputs->packed.size - inputs->used;
            count = count_max;
        } else if (count > 0 && (total >= size_max || size > size_max - total)) {
            break;
        } else {
            total += size;
            count++;
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    *count_out = count;
    *size_out = total;
    *packed_out = total > 0 ? inputs->packed.data + inputs->used : NULL;
    inputs->used += total;
    return STATUS_OK;
}

uint64_t unit_inputs_look(struct unit_inputs *inputs, uint64_t skip, uint64_t count_max,
                          size_t size_max, const uint8_t **packed_out, size_t *size_out)
{
    struct error ignored;
    size_t start = 0;
    size_t total = 0;
    uint64_t count = 0;
    enum status status = pass_over(inputs, &ignored);
    while (count < skip + count_max && status == STATUS_OK) {
        size_t size;
        status = measure(inputs, start + total, &size, &ignored);
        if (status != STATUS_OK || size == 0 || (count >= skip && size > size_max - total)) {
            break;
        }
        start += count < skip ? size : 0;
        total += count < skip ? 0 : size;
        count++;
    }
    *packed_out = total > 0 ? inputs->packed.data + inputs->used + start : NULL;
    *size_out = total;
    return count > skip ? count - skip : 0;
}
