/* frame_list.h - the data frames of a log and whose outputs they hold, as they are found.
 *
 *     frame_list_add, frame_list_add_batch, for each frame in the order of the log
 *         --> frame_list_sort --> the arrays --> frame_list_free, unless they were moved out
 *
 * Ownership: the list owns its arrays.
 * Failure:   NO_MEMORY.
 */
#ifndef MASTER_FRAME_LIST_H
#define MASTER_FRAME_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "master/log_index.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/report.h"

/* All zero is an empty one. */
struct frame_list {
    struct buffer frames;
    struct buffer spans; /* in the order of the log, until they are sorted */
};

struct log_index_frame *frame_list_frames(const struct frame_list *list);
size_t frame_list_frame_count(const struct frame_list *list);
struct log_index_span *frame_list_spans(const struct frame_list *list);
size_t frame_list_span_count(const struct frame_list *list);

MUST_CHECK enum status frame_list_add(struct frame_list *list, struct log_index_frame frame);
/* Instances of the newest frame, behind those that it has already; joined to them where they are
 * the next ones. *position is how many it has. */
MUST_CHECK enum status frame_list_add_span(struct frame_list *list, uint64_t start, uint64_t count,
                                           uint64_t *position);
/* What the newest frame holds of the batch: its instances that succeeded, or its partial values. */
MUST_CHECK enum status frame_list_add_batch(struct frame_list *list,
                                            const struct report_batch *batch);

/* Spans by map and start, and apart from each other. */
void frame_list_sort(struct frame_list *list);
void frame_list_free(struct frame_list *list);

#endif
