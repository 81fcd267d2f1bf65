/* inbox.h - arriving messages, put back into the order in which each sender sent them.
 *
 *                                   small
 *     head --> in its turn? --> whole? --------------------------------> ready --> take
 *                 |   ^            | large                                  ^
 *                 v   |            v                                        |
 *                 early          wanting --> start_body --> all parts ------+
 *
 * A message is a head of at most HEAD_SIZE_MAX bytes, which carries a small message whole; a larger
 * one follows as a body, in parts. MPI tells of finished receives in any order, so heads are
 * numbered by their sender and wait here for their turn; bodies have no number, because they are
 * received in the order of their heads, and MPI keeps that order between two ranks.
 *
 * Bodies are received within a limit in bytes, so that ten thousand reports at once do not take
 * the memory of ten thousand reports; but some may always start, so that large messages of dead
 * ranks, which never end, do not keep those of living ranks waiting.
 *
 * Ownership: a head's block and a body's block belong to the inbox until they are taken.
 * Threads:   one. Knows nothing of MPI.
 * Failure:   inbox_reserve can fail, the rest cannot. A malformed head is logged and ignored, and
 * as its number is missing, its sender has fallen silent.
 */
#ifndef SHARED_INBOX_H
#define SHARED_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/block_pool.h"
#include "shared/error.h"

/* Small enough for every network to send it at once (vader: 4096 with its own header). */
#define HEAD_SIZE_MAX ((size_t)4000)
#define HEAD_MAGIC UINT64_C(0x6d61706673743031)
#define HEAD_ROOM (HEAD_SIZE_MAX - sizeof(struct message_head)) /* for a small message */
#define MESSAGE_SIZE_MAX ((uint64_t)1 << 36)

#define BODY_SIZE_ACTIVE_MAX ((uint64_t)1 << 30)
#define BODY_COUNT_ALWAYS 64u

struct message_head {
    uint64_t magic;
    uint64_t sequence; /* from 0, for each pair of sender and receiver */
    uint64_t size;     /* of the message */
};

/* A message on its way. The fields are for reading only. */
struct arrival {
    struct arrival *next;         /* in early, coming, ready or free */
    struct arrival *next_wanting; /* in wanting */
    uint64_t sequence;
    uint64_t size;
    uint64_t received_size;  /* of the body */
    struct block *block;     /* NULL until the body is started */
    uint32_t parts_expected; /* of the body: 0 before it is started */
    uint32_t parts_received;
    uint32_t rank;
};

struct inbox_message {
    uint32_t rank;
    struct block *block; /* where data lies; goes back to the pool */
    uint8_t *data;
    size_t size;
};

struct inbox; /* fields: inbox.c */

/* `pool` is borrowed. */
MUST_CHECK enum status inbox_create(uint32_t rank_count, struct block_pool *pool,
                                    struct inbox **inbox_out);
void inbox_destroy(struct inbox *inbox); /* NULL is allowed */

/* Make room for this many heads. */
MUST_CHECK enum status inbox_reserve(struct inbox *inbox, uint32_t head_count);

/* A head of `size` bytes has arrived in `block`, which is taken over. Room must be reserved. */
void inbox_on_head(struct inbox *inbox, uint32_t rank, struct block *block, size_t size);

/* The next message whose body is to be received, or NULL. To be started before the next is asked
 * for. */
struct arrival *inbox_next_body(const struct inbox *inbox);
/* Its receives are posted into `block`, which is taken over. */
void inbox_start_body(struct inbox *inbox, struct arrival *arrival, struct block *block,
                      uint32_t part_count);
/* A part of `size` bytes has arrived. If the parts don't add up to the message, it is logged and
 * never delivered. `arrival` may be gone after. */
void inbox_on_part(struct inbox *inbox, struct arrival *arrival, size_t size);

/* The next message; false when there is none. */
bool inbox_take(struct inbox *inbox, struct inbox_message *message_out);

/* Forget what came from this rank, and ignore what still comes. Blocks of started bodies are left
 * alone for ever: MPI may still write to them. */
void inbox_abandon(struct inbox *inbox, uint32_t rank);

#endif
