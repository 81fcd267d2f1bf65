#include "worker/unit_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/extremes.h"
#include "shared/memory.h"

/* A batch carries at most so many bytes of inputs, or one input. */
#define BATCH_INPUTS_SIZE_MAX ((size_t)16 << 20)
/* Memory of inputs past this is not kept for the next unit. */
#define SPARE_SIZE_MAX (2 * BATCH_INPUTS_SIZE_MAX)

/* The largest memory that a unit has unpacked into serves the next one. */
static void destroy_unit(struct unit_queue *queue, struct unit *unit)
{
    struct buffer memory = unit_inputs_free(&unit->inputs);
    if (memory.capacity > queue->spare.capacity && memory.capacity <= SPARE_SIZE_MAX) {
        buffer_free(&queue->spare);
        queue->spare = memory;
    } else {
        buffer_free(&memory);
    }
    free(unit->spans);
    free(unit);
}

/* A list of them. */
static void destroy_units(struct unit_queue *queue, struct unit *unit)
{
    while (unit != NULL) {
        struct unit *next = unit->next;
        destroy_unit(queue, unit);
        unit = next;
    }
}

void unit_queue_free(struct unit_queue *queue)
{
    destroy_units(queue, queue->first);
    buffer_free(&queue->spare);
    *queue = (struct unit_queue){0};
}

/* ---- Adding -----------------------------------------------------------------------------------
 */

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

/* A unit for each run of spans that have the same growth, in their order. */
static enum status split(struct unit *whole, struct unit **parts_out, struct error *err)
{
    enum status status = STATUS_OK;
    size_t first = 0;
    while (first < whole->span_count && status == STATUS_OK) {
        const size_t span_count = alike(whole, first);
        struct unit *part = create_unit(whole->lease, whole->spans + first, span_count);
        part->has_inputs = whole->has_inputs;
        *parts_out = part;
        parts_out = &part->next;
        first += span_count;
        if (whole->has_inputs) {
            const uint8_t *packed;
            uint64_t count;
            size_t size;
            status = unit_inputs_next(&whole->inputs, span_list_count(part->spans, span_count),
                                      SIZE_MAX, &count, &packed, &size, err);
            status =
                status == STATUS_OK ? unit_inputs_copy(&part->inputs, packed, size, err) : status;
        }
    }
    return status;
}

enum status unit_queue_add(struct unit_queue *queue, const struct wire_unit *from, bool is_formula,
                           struct error *err)
{
    struct unit *unit = create_unit(from->lease, from->spans, from->span_count);
    unit->has_inputs = !is_formula;
    enum status status =
        is_formula ? STATUS_OK : unit_inputs_take(&unit->inputs, from, &queue->spare, err);
    if (status == STATUS_OK && unit->span_count > 0 && alike(unit, 0) < unit->span_count) {
        struct unit *parts = NULL;
        status = split(unit, &parts, err);
        destroy_unit(queue, unit);
        unit = parts;
    }
    if (status != STATUS_OK) {
        destroy_units(queue, unit);
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

/* Take that many from the front of the unit's spans. Gives how many spans were written. */
static size_t take_spans(struct unit *unit, uint64_t count, struct span *spans)
{
    size_t span_count = 0;
    while (count > 0) {
        struct span *span = &unit->spans[unit->first_span];
        const uint64_t taken = smaller(span->count, count);
        spans[span_count] = *span;
        spans[span_count++].count = taken;
        count -= taken;
        span->start += taken;
        span->count -= taken;
        unit->first_span += span->count == 0 ? 1 : 0;
    }
    return span_count;
}

enum status unit_queue_carve(struct unit_queue *queue, uint64_t growth_max, uint64_t count_max,
                             struct span *spans, size_t span_max, struct batch *batch_out,
                             uint64_t *lease_out, struct error *err)
{
    struct unit *unit = first_with_work(queue, growth_max);
    if (unit == NULL) {
        return STATUS_NOT_FOUND;
    }
    struct batch batch = {.spans = spans,
                          .instance_count = spans_room(unit, count_max, span_max),
                          .growth = unit->growth};
    if (unit->has_inputs) {
        const enum status status =
            unit_inputs_next(&unit->inputs, batch.instance_count, BATCH_INPUTS_SIZE_MAX,
                             &batch.instance_count, &batch.inputs, &batch.inputs_size, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    batch.span_count = take_spans(unit, batch.instance_count, spans);
    assert(batch.instance_count <= queue->count);
    queue->count -= batch.instance_count;
    unit->looked -= smaller(unit->looked, batch.instance_count);
    *batch_out = batch;
    *lease_out = unit->lease;
    return STATUS_OK;
}

/* ---- Looking ahead ----------------------------------------------------------------------------
 */

bool unit_queue_look(struct unit_queue *queue, uint64_t count_max, size_t size_max,
                     const uint8_t **inputs_out, size_t *size_out)
{
    for (struct unit *unit = queue->first; unit != NULL && count_max > 0; unit = unit->next) {
        const uint64_t count = spans_room(unit, count_max, unit->span_count);
        if (unit->has_inputs && unit->looked < count) {
            const uint64_t looked = unit_inputs_look(
                &unit->inputs, unit->looked, count - unit->looked, size_max, inputs_out, size_out);
            unit->looked += looked > 0 ? looked : 1;
            return true;
        }
        count_max -= count;
    }
    return false;
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
        destroy_unit(queue, unit);
    }
}
