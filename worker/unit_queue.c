#include "worker/unit_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buffer.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/value.h"

/* No LZ4 block holds more than this many bytes for each of its own. */
#define EXPANSION_MAX 255u

static void destroy_unit(struct unit *unit)
{
    free(unit->spans);
    free(unit->inputs);
    free(unit);
}

/* A list of them. */
static void destroy_units(struct unit *unit)
{
    while (unit != NULL) {
        struct unit *next = unit->next;
        destroy_unit(unit);
        unit = next;
    }
}

void unit_queue_free(struct unit_queue *queue)
{
    destroy_units(queue->first);
    *queue = (struct unit_queue){0};
}

/* ---- Adding -----------------------------------------------------------------------------------
 */

/* How many bytes the first elements take. One that cannot be read takes all that is left: the
 * runner then fails the instances that have none. */
static size_t size_of_first(const uint8_t *inputs, size_t size, uint64_t count)
{
    size_t total = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t used;
        if (value_skip(inputs + total, size - total, &used) != STATUS_OK) {
            return size;
        }
        total += used;
    }
    return total;
}

static enum status unpack_inputs(const struct wire_unit *from, struct unit *unit, struct error *err)
{
    struct buffer inputs = {0};
    enum status status;
    if (from->packed_size == from->inputs_size) {
        status = buffer_append(&inputs, from->inputs, from->inputs_size);
    } else {
        const bool is_possible = from->packed_size / EXPANSION_MAX <= from->inputs_size;
        status = is_possible ? buffer_reserve(&inputs, (size_t)from->packed_size) : STATUS_INVALID;
    }
    if (status == STATUS_OK && from->packed_size != from->inputs_size) {
        status = lz4_frame_decompress_all(from->inputs, from->inputs_size,
                                          (size_t)from->packed_size, &inputs);
    }
    if (status != STATUS_OK || inputs.size != from->packed_size) {
        buffer_free(&inputs);
        return error_set(err, STATUS_PROTOCOL, "the inputs of a unit cannot be unpacked");
    }
    unit->inputs = buffer_take(&inputs, &unit->inputs_size);
    unit->has_inputs = true;
    unit->inputs_used = size_of_first(unit->inputs, unit->inputs_size, from->skip);
    return STATUS_OK;
}

static struct unit *create_unit(uint64_t lease, const struct span *spans, size_t span_count)
{
    struct unit *unit = memory_take(1, sizeof(*unit));
    unit->lease = lease;
    unit->growth = span_count > 0 ? spans[0].growth : 0;
    unit->span_count = span_count;
    unit->spans = memory_take(span_count, sizeof(*unit->spans));
    memcpy(unit->spans, spans, span_count * sizeof(*spans));
    return unit;
}

/* How many spans from `first` on have the same growth. */
static size_t alike(const struct unit *unit, size_t first)
{
    size_t count = 1;
    while (first + count < unit->span_count &&
           unit->spans[first + count].growth == unit->spans[first].growth) {
        count++;
    }
    return count;
}

/* The inputs of `part` stand at `at` in those of the whole. */
static enum status copy_inputs(struct unit *part, const struct unit *whole, size_t at)
{
    struct buffer inputs = {0};
    const uint64_t count = span_list_count(part->spans, part->span_count);
    const size_t size = size_of_first(whole->inputs + at, whole->inputs_size - at, count);
    const enum status status = buffer_append(&inputs, whole->inputs + at, size);
    if (status == STATUS_OK) {
        part->inputs = buffer_take(&inputs, &part->inputs_size);
        part->has_inputs = true;
    }
    return status;
}

/* A unit for each run of spans that have the same growth, in their order. */
static enum status split(const struct unit *whole, struct unit **parts_out)
{
    enum status status = STATUS_OK;
    size_t inputs_at = whole->inputs_used;
    size_t first = 0;
    while (first < whole->span_count && status == STATUS_OK) {
        const size_t count = alike(whole, first);
        struct unit *part = create_unit(whole->lease, whole->spans + first, count);
        if (whole->has_inputs) {
            status = copy_inputs(part, whole, inputs_at);
            inputs_at += part->inputs_size;
        }
        *parts_out = part;
        parts_out = &part->next;
        first += count;
    }
    return status;
}

enum status unit_queue_add(struct unit_queue *queue, const struct wire_unit *from, bool is_formula,
                           struct error *err)
{
    struct unit *unit = create_unit(from->lease, from->spans, from->span_count);
    enum status status = is_formula ? STATUS_OK : unpack_inputs(from, unit, err);
    if (status == STATUS_OK && unit->span_count > 0 && alike(unit, 0) < unit->span_count) {
        struct unit *parts = NULL;
        status = split(unit, &parts);
        if (status != STATUS_OK) {
            (void)error_set(err, status, "no memory for a unit");
        }
        destroy_unit(unit);
        unit = parts;
    }
    if (status != STATUS_OK) {
        destroy_units(unit);
        return status;
    }
    queue->count += span_list_count(from->spans, from->span_count);

    struct unit **at = &queue->first;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = unit;
    return STATUS_OK;
}

/* ---- Carving ----------------------------------------------------------------------------------
 */

/* A batch carries at most so many bytes of inputs, or one input. */
#define BATCH_INPUTS_SIZE_MAX ((size_t)16 << 20)

/* How many of the next `count_max` instances a batch may have, by the bytes of their inputs, and
 * those bytes. An element that cannot be read takes all that is left: the runner then fails the
 * instances that have none. */
static uint64_t count_that_fit(const struct unit *unit, uint64_t count_max, size_t *size_out)
{
    const uint8_t *at = unit->inputs + unit->inputs_used;
    const size_t all = unit->inputs_size - unit->inputs_used;
    size_t total = 0;
    for (uint64_t i = 0; i < count_max; i++) {
        size_t used;
        if (value_skip(at + total, all - total, &used) != STATUS_OK) {
            *size_out = all;
            return count_max;
        }
        if (i > 0 && total + used > BATCH_INPUTS_SIZE_MAX) {
            *size_out = total;
            return i;
        }
        total += used;
    }
    *size_out = total;
    return count_max;
}

static struct unit *first_with_work(const struct unit_queue *queue, uint64_t growth_max)
{
    struct unit *unit = queue->first;
    while (unit != NULL && (unit->first_span == unit->span_count || unit->growth > growth_max)) {
        unit = unit->next;
    }
    return unit;
}

bool unit_queue_has(const struct unit_queue *queue, uint64_t growth_max)
{
    return first_with_work(queue, growth_max) != NULL;
}

/* How many instances the next `span_max` spans hold, up to `count_max`. */
static uint64_t spans_room(const struct unit *unit, uint64_t count_max, size_t span_max)
{
    uint64_t room = 0;
    for (size_t i = 0; i < span_max && unit->first_span + i < unit->span_count; i++) {
        const uint64_t count = unit->spans[unit->first_span + i].count;
        if (count >= count_max - room) {
            return count_max;
        }
        room += count;
    }
    return room;
}

bool unit_queue_carve(struct unit_queue *queue, uint64_t growth_max, uint64_t count_max,
                      struct span *spans, size_t span_max, struct batch *batch_out,
                      uint64_t *lease_out)
{
    struct unit *unit = first_with_work(queue, growth_max);
    size_t span_count = 0;
    uint64_t count = 0;
    size_t inputs_size = 0;
    if (unit == NULL) {
        return false;
    }
    if (unit->has_inputs) {
        const uint64_t room = spans_room(unit, count_max, span_max);
        count_max = count_that_fit(unit, room, &inputs_size);
    }
    while (unit->first_span < unit->span_count && span_count < span_max && count < count_max) {
        struct span *span = &unit->spans[unit->first_span];
        const uint64_t room = count_max - count;
        const uint64_t taken = span->count < room ? span->count : room;
        spans[span_count] = *span;
        spans[span_count++].count = taken;
        count += taken;
        span->start += taken;
        span->count -= taken;
        unit->first_span += span->count == 0 ? 1 : 0;
    }
    assert(count <= queue->count);
    queue->count -= count;
    *batch_out = (struct batch){
        .spans = spans, .span_count = span_count, .instance_count = count, .growth = unit->growth};
    if (unit->has_inputs) {
        batch_out->inputs = unit->inputs + unit->inputs_used;
        batch_out->inputs_size = inputs_size;
        unit->inputs_used += batch_out->inputs_size;
    }
    *lease_out = unit->lease;
    return true;
}

/* ---- Giving back ------------------------------------------------------------------------------
 */

static void reverse(struct span *spans, size_t span_count)
{
    for (size_t i = 0; i < span_count / 2; i++) {
        const struct span kept = spans[i];
        spans[i] = spans[span_count - 1 - i];
        spans[span_count - 1 - i] = kept;
    }
}

/* What a lease brought in stands in order, so that its end is in its last unit that has any. */
static struct unit *last_with_work(const struct unit_queue *queue, uint64_t lease)
{
    struct unit *last = NULL;
    for (struct unit *unit = queue->first; unit != NULL; unit = unit->next) {
        if (unit->lease == lease && unit->first_span < unit->span_count) {
            last = unit;
        }
    }
    return last;
}

size_t unit_queue_give_back(struct unit_queue *queue, uint64_t lease, uint64_t count_max,
                            struct span *spans_out, size_t span_max)
{
    size_t span_count = 0;
    struct unit *unit = last_with_work(queue, lease);
    while (unit != NULL && span_count < span_max && count_max > 0) {
        struct span *span = &unit->spans[unit->span_count - 1];
        const uint64_t taken = span->count < count_max ? span->count : count_max;
        span->count -= taken;
        count_max -= taken;
        queue->count -= taken;
        spans_out[span_count] = *span;
        spans_out[span_count].start = span->start + span->count;
        spans_out[span_count++].count = taken;
        unit->span_count -= span->count == 0 ? 1 : 0;
        if (unit->first_span == unit->span_count) {
            unit = last_with_work(queue, lease);
        }
    }
    reverse(spans_out, span_count);
    return span_count;
}

void unit_queue_drop_started(struct unit_queue *queue)
{
    struct unit **at = &queue->first;
    while (*at != NULL) {
        struct unit *unit = *at;
        if (unit->first_span < unit->span_count) {
            at = &unit->next;
            continue;
        }
        *at = unit->next;
        destroy_unit(unit);
    }
}
