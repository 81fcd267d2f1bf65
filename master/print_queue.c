#include "master/print_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "master/spool.h"
#include "shared/memory.h"

struct node {
    struct node *next;
    size_t size;
    uint8_t data[];
};

/* Entries in memory are older than those in the file: while any is there, what is put goes there.
 */
struct print_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t memory_max;
    size_t memory; /* bytes of the entries in memory */
    struct node *first;
    struct node *last;
    struct spool spool; /* entries, each behind its size */
    uint64_t spool_read;
    uint64_t dropped;
    bool is_closed;
};

struct print_queue *print_queue_create(size_t memory_max)
{
    struct print_queue *queue = memory_take(1, sizeof(*queue));
    queue->memory_max = memory_max;
    queue->spool = SPOOL_NONE;
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_cond_init(&queue->changed, NULL);
    return queue;
}

void print_queue_destroy(struct print_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    while (queue->first != NULL) {
        struct node *node = queue->first;
        queue->first = node->next;
        free(node);
    }
    spool_close(&queue->spool);
    (void)pthread_cond_destroy(&queue->changed);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* ---- Putting ----------------------------------------------------------------------------------
 */

static bool is_spooled(const struct print_queue *queue)
{
    return queue->spool_read < queue->spool.size;
}

static bool put_into_memory(struct print_queue *queue, const struct buffer *entry)
{
    struct node *node = malloc(sizeof(*node) + entry->size);
    if (node == NULL) {
        return false;
    }
    node->next = NULL;
    node->size = entry->size;
    memcpy(node->data, entry->data, entry->size);
    if (queue->last != NULL) {
        queue->last->next = node;
    } else {
        queue->first = node;
    }
    queue->last = node;
    queue->memory += entry->size;
    return true;
}

static bool put_into_file(struct print_queue *queue, const struct buffer *entry)
{
    struct error ignored;
    const uint64_t size = entry->size;
    const uint64_t before = queue->spool.size;
    if (spool_append(&queue->spool, (const uint8_t *)&size, sizeof(size), &ignored) == STATUS_OK &&
        spool_append(&queue->spool, entry->data, entry->size, &ignored) == STATUS_OK) {
        return true;
    }
    queue->spool.size = before; /* what was written behind it is written over */
    return false;
}

void print_queue_put(struct print_queue *queue, const struct buffer *entry)
{
    (void)pthread_mutex_lock(&queue->lock);
    const bool fits = !is_spooled(queue) && queue->memory + entry->size <= queue->memory_max;
    const bool is_put = (fits && put_into_memory(queue, entry)) || put_into_file(queue, entry);
    queue->dropped += is_put ? 0 : 1;
    (void)pthread_cond_signal(&queue->changed);
    (void)pthread_mutex_unlock(&queue->lock);
}

void print_queue_close(struct print_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->is_closed = true;
    (void)pthread_cond_signal(&queue->changed);
    (void)pthread_mutex_unlock(&queue->lock);
}

/* ---- Taking -----------------------------------------------------------------------------------
 */

static bool take_from_memory(struct print_queue *queue, struct buffer *entry_out)
{
    struct node *node = queue->first;
    queue->first = node->next;
    queue->last = node->next == NULL ? NULL : queue->last;
    queue->memory -= node->size;
    const bool is_taken = buffer_append(entry_out, node->data, node->size) == STATUS_OK;
    free(node);
    return is_taken;
}

/* The file begins again when all of it was read. */
static bool take_from_file(struct print_queue *queue, struct buffer *entry_out)
{
    struct error ignored;
    uint64_t size = 0;
    bool is_taken = spool_read(&queue->spool, queue->spool_read, (uint8_t *)&size, sizeof(size),
                               &ignored) == STATUS_OK &&
                    buffer_reserve(entry_out, (size_t)size) == STATUS_OK &&
                    spool_read(&queue->spool, queue->spool_read + sizeof(size), entry_out->data,
                               (size_t)size, &ignored) == STATUS_OK;
    if (is_taken) {
        entry_out->size = (size_t)size;
        queue->spool_read += sizeof(size) + size;
    } else {
        queue->spool_read = queue->spool.size; /* where the next begins is not known */
    }
    if (!is_spooled(queue)) {
        spool_close(&queue->spool);
        queue->spool_read = 0;
    }
    return is_taken;
}

bool print_queue_take(struct print_queue *queue, struct buffer *entry_out)
{
    bool is_taken = false;
    buffer_clear(entry_out);
    (void)pthread_mutex_lock(&queue->lock);
    while (!is_taken) {
        while (queue->first == NULL && !is_spooled(queue) && !queue->is_closed) {
            (void)pthread_cond_wait(&queue->changed, &queue->lock);
        }
        if (queue->first == NULL && !is_spooled(queue)) {
            break;
        }
        is_taken = queue->first != NULL ? take_from_memory(queue, entry_out)
                                        : take_from_file(queue, entry_out);
        queue->dropped += is_taken ? 0 : 1;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return is_taken;
}

bool print_queue_is_empty(struct print_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    const bool is_empty = queue->first == NULL && !is_spooled(queue);
    (void)pthread_mutex_unlock(&queue->lock);
    return is_empty;
}

uint64_t print_queue_dropped(struct print_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    const uint64_t dropped = queue->dropped;
    (void)pthread_mutex_unlock(&queue->lock);
    return dropped;
}
