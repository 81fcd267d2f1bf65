/* retry_queue.h - instances between attempts, by the time at which they are due.
 *
 * A binary heap: of equal times the lowest index comes first. Cost: log of its length.
 */
#ifndef MASTER_RETRY_QUEUE_H
#define MASTER_RETRY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retry {
    uint64_t due_us;
    uint64_t index;
};

/* All zero is an empty queue. */
struct retry_queue {
    struct retry *heap;
    size_t count;
    size_t capacity;
};

void retry_queue_free(struct retry_queue *queue);
void retry_queue_put(struct retry_queue *queue, struct retry retry);
/* Take the first one that is due at `now_us`. False when none is. */
bool retry_queue_take(struct retry_queue *queue, uint64_t now_us, uint64_t *index_out);
/* When the first one is due; UINT64_MAX where the queue is empty. */
uint64_t retry_queue_due_us(const struct retry_queue *queue);

#endif
