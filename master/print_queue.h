/* print_queue.h - entries on their way from one thread to another: in memory up to a limit, and
 * past that in an unnamed file. Who puts never waits for who takes.
 *
 *     put, put, ... --> take, take, ... --> (closed, and nothing left)
 *
 * Ownership: an entry is copied; what is taken is in the taker's buffer.
 * Threads:   one puts, one takes.
 * Failure:   an entry that finds no room in the file is dropped; print_queue_dropped() counts them.
 */
#ifndef MASTER_PRINT_QUEUE_H
#define MASTER_PRINT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"

struct print_queue; /* fields: print_queue.c */

struct print_queue *print_queue_create(size_t memory_max);
void print_queue_destroy(struct print_queue *queue); /* NULL is allowed */

void print_queue_put(struct print_queue *queue, const struct buffer *entry);
/* Nothing more is put. */
void print_queue_close(struct print_queue *queue);

/* Wait for the next entry, which replaces what is in the buffer. False where there is none, and
 * none will come. */
bool print_queue_take(struct print_queue *queue, struct buffer *entry_out);
/* Is none there now? */
bool print_queue_is_empty(struct print_queue *queue);

uint64_t print_queue_dropped(struct print_queue *queue);

#endif
