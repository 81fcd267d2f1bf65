#include "shared/inbox.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/log.h"

/* Receives that are posted are some hundreds, so heads cannot be further out of order than a few
 * times that. It bounds what a sender of nonsense can make us keep. */
#define SEQUENCE_AHEAD_MAX (1u << 14)

struct arrival_queue {
    struct arrival *first;
    struct arrival *last; /* undefined when empty */
};

struct inbox_peer {
    uint64_t sequence;           /* of the next head in its turn */
    struct arrival *early;       /* heads ahead of their turn, by sequence */
    struct arrival_queue coming; /* in turn, and not yet ready */
    bool is_abandoned;
};

struct inbox {
    struct block_pool *pool;
    struct inbox_peer *peers;
    uint32_t rank_count;
    uint32_t free_count;
    struct arrival *free;
    struct arrival_queue ready;
    struct arrival *wanting_first; /* linked by next_wanting; each sender's in order */
    struct arrival *wanting_last;  /* undefined when empty */
    uint64_t active_size;          /* of started bodies */
    uint32_t active_count;
};

static void queue_push(struct arrival_queue *queue, struct arrival *arrival)
{
    arrival->next = NULL;
    if (queue->first == NULL) {
        queue->first = arrival;
    } else {
        queue->last->next = arrival;
    }
    queue->last = arrival;
}

static struct arrival *queue_pop(struct arrival_queue *queue)
{
    struct arrival *arrival = queue->first;
    if (arrival != NULL) {
        queue->first = arrival->next;
    }
    return arrival;
}

enum status inbox_create(uint32_t rank_count, struct block_pool *pool, struct inbox **inbox_out)
{
    struct inbox *inbox = calloc(1, sizeof(*inbox));
    if (inbox == NULL) {
        return STATUS_NO_MEMORY;
    }
    inbox->peers = calloc(rank_count, sizeof(*inbox->peers));
    if (inbox->peers == NULL) {
        inbox_destroy(inbox);
        return STATUS_NO_MEMORY;
    }
    inbox->pool = pool;
    inbox->rank_count = rank_count;
    *inbox_out = inbox;
    return STATUS_OK;
}

static void arrival_recycle(struct inbox *inbox, struct arrival *arrival)
{
    arrival->next = inbox->free;
    inbox->free = arrival;
    inbox->free_count++;
}

static bool is_whole(const struct arrival *arrival)
{
    return arrival->block != NULL && arrival->received_size == arrival->size &&
           arrival->parts_received == arrival->parts_expected;
}

static bool is_receiving(const struct arrival *arrival)
{
    return arrival->parts_received < arrival->parts_expected;
}

/* Give up an arrival that is in no list. A block that MPI may still write to is left alone. */
static void arrival_drop(struct inbox *inbox, struct arrival *arrival)
{
    if (!is_receiving(arrival)) {
        block_pool_give(inbox->pool, arrival->block);
    } else {
        inbox->active_size -= arrival->size;
        inbox->active_count--;
    }
    arrival_recycle(inbox, arrival);
}

static void arrivals_drop(struct inbox *inbox, struct arrival *first)
{
    while (first != NULL) {
        struct arrival *next = first->next;
        arrival_drop(inbox, first);
        first = next;
    }
}

void inbox_destroy(struct inbox *inbox)
{
    if (inbox == NULL) {
        return;
    }
    for (uint32_t rank = 0; inbox->peers != NULL && rank < inbox->rank_count; rank++) {
        arrivals_drop(inbox, inbox->peers[rank].early);
        arrivals_drop(inbox, inbox->peers[rank].coming.first);
    }
    arrivals_drop(inbox, inbox->ready.first);
    while (inbox->free != NULL) {
        struct arrival *next = inbox->free->next;
        free(inbox->free);
        inbox->free = next;
    }
    free(inbox->peers);
    free(inbox);
}

enum status inbox_reserve(struct inbox *inbox, uint32_t head_count)
{
    while (inbox->free_count < head_count) {
        struct arrival *arrival = malloc(sizeof(*arrival));
        if (arrival == NULL) {
            return STATUS_NO_MEMORY;
        }
        arrival_recycle(inbox, arrival);
    }
    return STATUS_OK;
}

static void want_body(struct inbox *inbox, struct arrival *arrival)
{
    arrival->next_wanting = NULL;
    if (inbox->wanting_first == NULL) {
        inbox->wanting_first = arrival;
    } else {
        inbox->wanting_last->next_wanting = arrival;
    }
    inbox->wanting_last = arrival;
}

/* Messages are delivered in the order of their heads: a small one waits for the body before it. */
static void peer_deliver(struct inbox *inbox, struct inbox_peer *peer)
{
    while (peer->coming.first != NULL && is_whole(peer->coming.first)) {
        queue_push(&inbox->ready, queue_pop(&peer->coming));
    }
}

static void peer_take_turns(struct inbox *inbox, struct inbox_peer *peer)
{
    while (peer->early != NULL && peer->early->sequence == peer->sequence) {
        struct arrival *arrival = peer->early;
        peer->early = arrival->next;
        peer->sequence++;
        queue_push(&peer->coming, arrival);
        if (!is_whole(arrival)) {
            want_body(inbox, arrival);
        }
    }
    peer_deliver(inbox, peer);
}

/* Where in `early` a sequence belongs; NULL if one of that number is there already. */
static struct arrival **early_place(struct inbox_peer *peer, uint64_t sequence)
{
    struct arrival **place = &peer->early;
    while (*place != NULL && (*place)->sequence < sequence) {
        place = &(*place)->next;
    }
    if (*place != NULL && (*place)->sequence == sequence) {
        return NULL;
    }
    return place;
}

static bool ignore_head(const struct inbox_peer *peer, const struct message_head *head,
                        uint32_t rank, size_t size)
{
    const char *reason = NULL;
    if (size < sizeof(*head)) {
        reason = "short";
    } else if (head->magic != HEAD_MAGIC) {
        reason = "magic";
    } else if (head->size > MESSAGE_SIZE_MAX) {
        reason = "size";
    } else if (size != sizeof(*head) + (head->size <= HEAD_ROOM ? head->size : 0)) {
        reason = "length";
    } else if (head->sequence - peer->sequence >= SEQUENCE_AHEAD_MAX) {
        reason = "sequence"; /* a number of the past is large, too: the difference wraps */
    }
    if (reason != NULL) {
        log_warning("message ignored reason=%s rank=%" PRIu32 " bytes=%zu", reason, rank, size);
    }
    return reason != NULL;
}

static struct arrival *arrival_create(struct inbox *inbox, uint32_t rank,
                                      const struct message_head *head, struct block *block)
{
    struct arrival *arrival = inbox->free;
    assert(arrival != NULL); /* inbox_reserve() */
    inbox->free = arrival->next;
    inbox->free_count--;
    *arrival = (struct arrival){.sequence = head->sequence, .size = head->size, .rank = rank};
    if (head->size <= HEAD_ROOM) {
        arrival->block = block;
        arrival->received_size = head->size;
    } else {
        block_pool_give(inbox->pool, block);
    }
    return arrival;
}

void inbox_on_head(struct inbox *inbox, uint32_t rank, struct block *block, size_t size)
{
    assert(rank < inbox->rank_count);
    assert(size <= HEAD_SIZE_MAX);
    struct inbox_peer *peer = &inbox->peers[rank];
    struct message_head head = {0};
    memcpy(&head, block->bytes, size < sizeof(head) ? size : sizeof(head));
    if (peer->is_abandoned || ignore_head(peer, &head, rank, size)) {
        block_pool_give(inbox->pool, block);
        return;
    }
    struct arrival **place = early_place(peer, head.sequence);
    if (place == NULL) {
        log_warning("message ignored reason=doubled rank=%" PRIu32 " bytes=%zu", rank, size);
        block_pool_give(inbox->pool, block);
        return;
    }
    struct arrival *arrival = arrival_create(inbox, rank, &head, block);
    arrival->next = *place;
    *place = arrival;
    peer_take_turns(inbox, peer);
}

struct arrival *inbox_next_body(const struct inbox *inbox)
{
    struct arrival *arrival = inbox->wanting_first;
    if (arrival == NULL) {
        return NULL;
    }
    const bool is_admitted = inbox->active_count < BODY_COUNT_ALWAYS ||
                             inbox->active_size + arrival->size <= BODY_SIZE_ACTIVE_MAX;
    return is_admitted ? arrival : NULL;
}

void inbox_start_body(struct inbox *inbox, struct arrival *arrival, struct block *block,
                      uint32_t part_count)
{
    assert(arrival == inbox->wanting_first);
    assert(part_count > 0);
    inbox->wanting_first = arrival->next_wanting;
    arrival->block = block;
    arrival->parts_expected = part_count;
    inbox->active_size += arrival->size;
    inbox->active_count++;
}

void inbox_on_part(struct inbox *inbox, struct arrival *arrival, size_t size)
{
    assert(is_receiving(arrival));
    arrival->received_size += size;
    arrival->parts_received++;
    if (is_receiving(arrival)) {
        return;
    }
    inbox->active_size -= arrival->size;
    inbox->active_count--;
    if (!is_whole(arrival)) {
        log_warning("message ignored reason=body rank=%" PRIu32 " bytes=%" PRIu64
                    " expected=%" PRIu64,
                    arrival->rank, arrival->received_size, arrival->size);
    }
    peer_deliver(inbox, &inbox->peers[arrival->rank]);
}

bool inbox_take(struct inbox *inbox, struct inbox_message *message_out)
{
    struct arrival *arrival = queue_pop(&inbox->ready);
    while (arrival != NULL && inbox->peers[arrival->rank].is_abandoned) {
        arrival_drop(inbox, arrival);
        arrival = queue_pop(&inbox->ready);
    }
    if (arrival == NULL) {
        return false;
    }
    const size_t offset = arrival->parts_expected == 0 ? sizeof(struct message_head) : 0;
    *message_out = (struct inbox_message){
        .rank = arrival->rank,
        .block = arrival->block,
        .data = arrival->block->bytes + offset,
        .size = arrival->size,
    };
    arrival_recycle(inbox, arrival);
    return true;
}

void inbox_abandon(struct inbox *inbox, uint32_t rank)
{
    assert(rank < inbox->rank_count);
    struct inbox_peer *peer = &inbox->peers[rank];
    peer->is_abandoned = true;

    struct arrival *wanting = inbox->wanting_first;
    inbox->wanting_first = NULL;
    while (wanting != NULL) {
        struct arrival *next = wanting->next_wanting;
        if (wanting->rank != rank) {
            want_body(inbox, wanting);
        }
        wanting = next;
    }
    arrivals_drop(inbox, peer->early);
    arrivals_drop(inbox, peer->coming.first);
    peer->early = NULL;
    peer->coming.first = NULL;
}
