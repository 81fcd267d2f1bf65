#include "master/retry_queue.h"

#include <stdlib.h>

#include "shared/memory.h"

static bool is_before(struct retry a, struct retry b)
{
    return a.due_us != b.due_us ? a.due_us < b.due_us : a.index < b.index;
}

static void swap(struct retry *a, struct retry *b)
{
    const struct retry kept = *a;
    *a = *b;
    *b = kept;
}

void retry_queue_free(struct retry_queue *queue)
{
    free(queue->heap);
    *queue = (struct retry_queue){0};
}

void retry_queue_put(struct retry_queue *queue, struct retry retry)
{
    queue->heap = memory_grow(queue->heap, queue->count, &queue->capacity, sizeof(*queue->heap));
    size_t at = queue->count++;
    queue->heap[at] = retry;
    for (; at > 0 && is_before(queue->heap[at], queue->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        swap(&queue->heap[at], &queue->heap[(at - 1) / 2]);
    }
}

static void sink(struct retry_queue *queue)
{
    size_t at = 0;
    for (;;) {
        size_t first = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < queue->count; child++) {
            if (is_before(queue->heap[child], queue->heap[first])) {
                first = child;
            }
        }
        if (first == at) {
            return;
        }
        swap(&queue->heap[at], &queue->heap[first]);
        at = first;
    }
}

bool retry_queue_take(struct retry_queue *queue, uint64_t now_us, uint64_t *index_out)
{
    if (queue->count == 0 || queue->heap[0].due_us > now_us) {
        return false;
    }
    *index_out = queue->heap[0].index;
    queue->heap[0] = queue->heap[--queue->count];
    sink(queue);
    return true;
}

uint64_t retry_queue_due_us(const struct retry_queue *queue)
{
    return queue->count == 0 ? UINT64_MAX : queue->heap[0].due_us;
}
