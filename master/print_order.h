/* print_order.h - texts that are ready before their turn: given back in the order of their indices.
 *
 *     print_order_put, print_order_pass ... --> print_order_next ...
 *
 * Texts are held in memory up to a limit, and past that in an unnamed file.
 *
 * Ownership: texts are copied.
 * Threads:   one.
 * Failure:   a text for which there is no room is lost, and counted; its turn comes all the same.
 */
#ifndef MASTER_PRINT_ORDER_H
#define MASTER_PRINT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"

struct print_order; /* fields: print_order.c */

/* The first turn is that of index `first`. */
struct print_order *print_order_create(uint64_t first, size_t memory_max);
void print_order_destroy(struct print_order *order); /* NULL is allowed */

/* The text of this index, before whose turn nothing else is said of it. */
void print_order_put(struct print_order *order, uint64_t index, const uint8_t *text, size_t size);
/* These have no text. */
void print_order_pass(struct print_order *order, uint64_t start, uint64_t count);
/* These have a text that is elsewhere: print_order_next() says so. */
void print_order_defer(struct print_order *order, uint64_t start, uint64_t count);

/* Whose turn it is: if all is known of it, its text goes into the buffer (which may be empty), and
 * the next one's turn comes. *is_elsewhere_out: it has none here. */
bool print_order_next(struct print_order *order, struct buffer *text_out, uint64_t *index_out,
                      bool *is_elsewhere_out);
/* Let the turn pass to the next of which something is known. False where there is none. */
bool print_order_skip(struct print_order *order);

uint64_t print_order_turn(const struct print_order *order);
uint64_t print_order_lost(const struct print_order *order);

#endif
