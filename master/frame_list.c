#include "master/frame_list.h"

#include <stdbool.h>
#include <stdlib.h>

struct log_index_frame *frame_list_frames(const struct frame_list *list)
{
    return (struct log_index_frame *)(void *)list->frames.data;
}

struct log_index_span *frame_list_spans(const struct frame_list *list)
{
    return (struct log_index_span *)(void *)list->spans.data;
}

size_t frame_list_frame_count(const struct frame_list *list)
{
    return list->frames.size / sizeof(struct log_index_frame);
}

size_t frame_list_span_count(const struct frame_list *list)
{
    return list->spans.size / sizeof(struct log_index_span);
}

enum status frame_list_add(struct frame_list *list, struct log_index_frame frame)
{
    return buffer_append(&list->frames, &frame, sizeof(frame));
}

enum status frame_list_add_span(struct frame_list *list, uint64_t start, uint64_t count,
                                uint64_t *position)
{
    const uint64_t frame = frame_list_frame_count(list) - 1;
    const struct log_index_span span = {start, count, *position, frame};
    *position += count;
    if (list->spans.size > 0) {
        struct log_index_span *last = &frame_list_spans(list)[frame_list_span_count(list) - 1];
        if (last->frame == frame && last->start + last->count == start) {
            last->count += count;
            return STATUS_OK;
        }
    }
    return buffer_append(&list->spans, &span, sizeof(span));
}

/* One of all stands where its first instance does. */
static enum status add_partials(struct frame_list *list, const struct report_batch *batch)
{
    const uint64_t frame = frame_list_frame_count(list) - 1;
    struct report_run_walk walk = {.span = 0};
    struct report_run run;
    enum status status = STATUS_OK;
    for (uint64_t i = 0;
         i < batch->partial_count && status == STATUS_OK && report_next_run(batch, &walk, &run);
         i++) {
        const struct log_index_span span = {run.start, 1, i, frame};
        status = buffer_append(&list->spans, &span, sizeof(span));
    }
    return status;
}

enum status frame_list_add_batch(struct frame_list *list, const struct report_batch *batch)
{
    if (batch->partial_count > 0) {
        return add_partials(list, batch);
    }
    enum status status = STATUS_OK;
    uint64_t position = 0;
    uint64_t bit = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        if (batch->success_bits == NULL) {
            status = frame_list_add_span(list, span->start, span->count, &position);
        }
        for (uint64_t j = 0; j < span->count && batch->success_bits != NULL; j++, bit++) {
            if (status == STATUS_OK && report_batch_succeeded(batch, bit)) {
                status = frame_list_add_span(list, span->start + j, 1, &position);
            }
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    return status;
}

/* ---- Ordering ------------------------------------------------------------------------------- */

static int compare_spans(const void *left, const void *right, void *context)
{
    const struct log_index_span *a = left;
    const struct log_index_span *b = right;
    const struct log_index_frame *frames = context;
    const uint64_t map_a = frames[a->frame].map;
    const uint64_t map_b = frames[b->frame].map;
    if (map_a != map_b) {
        return map_a < map_b ? -1 : 1;
    }
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/* No instance succeeds twice; should a log say so, the output that stands first is taken, so that a
 * look-up has one answer. */
static size_t cut_overlaps(struct log_index_span *spans, size_t count,
                           const struct log_index_frame *frames)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct log_index_span span = spans[i];
        if (kept > 0 && frames[spans[kept - 1].frame].map == frames[span.frame].map) {
            const uint64_t next = spans[kept - 1].start + spans[kept - 1].count;
            const uint64_t cut = next > span.start ? next - span.start : 0;
            if (cut >= span.count) {
                continue;
            }
            span.start += cut;
            span.position += cut;
            span.count -= cut;
        }
        spans[kept++] = span;
    }
    return kept;
}

void frame_list_sort(struct frame_list *list)
{
    struct log_index_frame *frames = frame_list_frames(list);
    struct log_index_span *spans = frame_list_spans(list);
    const size_t count = frame_list_span_count(list);
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++) {
        is_sorted = compare_spans(&spans[i - 1], &spans[i], frames) < 0;
    }
    if (!is_sorted) {
        qsort_r(spans, count, sizeof(*spans), compare_spans, frames);
    }
    list->spans.size = cut_overlaps(spans, count, frames) * sizeof(*spans);
}

void frame_list_free(struct frame_list *list)
{
    buffer_free(&list->frames);
    buffer_free(&list->spans);
}
