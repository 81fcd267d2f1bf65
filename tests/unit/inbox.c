#include "shared/inbox.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/block_pool.h"
#include "shared/error.h"

#define LARGE ((uint64_t)100000)

struct fixture {
    struct block_pool pool;
    struct inbox *inbox;
};

static struct fixture *fixture_create(void)
{
    static struct fixture fixture;
    cr_assert(eq(int, inbox_create(3, &fixture.pool, &fixture.inbox), STATUS_OK));
    return &fixture;
}

static void fixture_destroy(struct fixture *f)
{
    inbox_destroy(f->inbox);
    block_pool_clear(&f->pool);
}

static void give_bytes(struct fixture *f, uint32_t rank, const void *bytes, size_t size)
{
    cr_assert(eq(int, inbox_reserve(f->inbox, 1), STATUS_OK));
    struct block *block = block_pool_take(&f->pool, HEAD_SIZE_MAX);
    cr_assert(ne(ptr, block, NULL));
    memset(block->bytes, 0xee, HEAD_SIZE_MAX);
    memcpy(block->bytes, bytes, size);
    inbox_on_head(f->inbox, rank, block, size);
}

/* The head of a message; a small one is filled with its number. */
static void give_head(struct fixture *f, uint32_t rank, uint64_t sequence, uint64_t size)
{
    const struct message_head head = {HEAD_MAGIC, sequence, size};
    uint8_t bytes[HEAD_SIZE_MAX];
    memset(bytes, (int)sequence, sizeof(bytes));
    memcpy(bytes, &head, sizeof(head));
    give_bytes(f, rank, bytes, sizeof(head) + (size <= HEAD_ROOM ? (size_t)size : 0));
}

static struct arrival *start_body(struct fixture *f, uint32_t part_count)
{
    struct arrival *arrival = inbox_next_body(f->inbox);
    cr_assert(ne(ptr, arrival, NULL));
    struct block *block = block_pool_take(&f->pool, arrival->size);
    cr_assert(ne(ptr, block, NULL));
    memset(block->bytes, (int)arrival->sequence, arrival->size);
    inbox_start_body(f->inbox, arrival, block, part_count);
    return arrival;
}

static void expect_message(struct fixture *f, uint32_t rank, uint64_t sequence, uint64_t size)
{
    struct inbox_message message;
    cr_assert(inbox_take(f->inbox, &message), "message %d of rank %d", (int)sequence, (int)rank);
    cr_expect(eq(u32, message.rank, rank));
    cr_assert(eq(sz, message.size, size));
    if (size > 0) {
        cr_expect(eq(u8, message.data[0], (uint8_t)sequence));
        cr_expect(eq(u8, message.data[size - 1], (uint8_t)sequence));
    }
    block_pool_give(&f->pool, message.block);
}

static void expect_none(struct fixture *f)
{
    struct inbox_message message;
    cr_expect(not(inbox_take(f->inbox, &message)));
}

/* Warnings are part of these tests, and not of their output. */
static void quiet(void)
{
    cr_assert(ne(ptr, freopen("/dev/null", "w", stderr), NULL));
}

Test(inbox, small_messages_of_each_sender_are_delivered_in_its_order)
{
    struct fixture *f = fixture_create();
    give_head(f, 1, 2, 30);
    give_head(f, 1, 1, 20);
    give_head(f, 2, 0, 0);
    expect_message(f, 2, 0, 0);
    expect_none(f);
    give_head(f, 1, 0, HEAD_ROOM);
    expect_message(f, 1, 0, HEAD_ROOM);
    expect_message(f, 1, 1, 20);
    expect_message(f, 1, 2, 30);
    expect_none(f);
    fixture_destroy(f);
}

Test(inbox, a_small_message_waits_for_the_body_before_it)
{
    struct fixture *f = fixture_create();
    give_head(f, 1, 0, LARGE);
    give_head(f, 1, 1, 10);
    give_head(f, 2, 0, 10);
    expect_message(f, 2, 0, 10);
    expect_none(f);
    struct arrival *arrival = start_body(f, 1);
    expect_none(f);
    inbox_on_part(f->inbox, arrival, LARGE);
    expect_message(f, 1, 0, LARGE);
    expect_message(f, 1, 1, 10);
    fixture_destroy(f);
}

/* MPI matches bodies in the order in which their receives are posted. */
Test(inbox, bodies_are_asked_for_in_the_order_of_their_heads)
{
    struct fixture *f = fixture_create();
    give_head(f, 1, 1, LARGE + 1);
    cr_expect(eq(ptr, inbox_next_body(f->inbox), NULL));
    give_head(f, 1, 0, LARGE);
    struct arrival *first = start_body(f, 1);
    struct arrival *second = start_body(f, 1);
    cr_expect(eq(u64, first->size, LARGE));
    cr_expect(eq(u64, second->size, LARGE + 1));
    inbox_on_part(f->inbox, second, LARGE + 1);
    expect_none(f);
    inbox_on_part(f->inbox, first, LARGE);
    expect_message(f, 1, 0, LARGE);
    expect_message(f, 1, 1, LARGE + 1);
    fixture_destroy(f);
}

Test(inbox, a_body_of_several_parts_is_delivered_once_it_is_whole)
{
    struct fixture *f = fixture_create();
    give_head(f, 1, 0, LARGE);
    struct arrival *arrival = start_body(f, 3);
    inbox_on_part(f->inbox, arrival, 40000);
    inbox_on_part(f->inbox, arrival, 20000);
    expect_none(f);
    inbox_on_part(f->inbox, arrival, 40000);
    expect_message(f, 1, 0, LARGE);
    fixture_destroy(f);
}

Test(inbox, malformed_heads_are_ignored, .init = quiet)
{
    struct fixture *f = fixture_create();
    const struct message_head heads[] = {
        {HEAD_MAGIC + 1, 0, 0},                /* magic */
        {HEAD_MAGIC, 0, 1},                    /* a message of 1 that is not there */
        {HEAD_MAGIC, 0, MESSAGE_SIZE_MAX + 1}, /* size */
        {HEAD_MAGIC, 0, UINT64_MAX},           /* size */
        {HEAD_MAGIC, 1u << 20, 0},             /* far ahead */
        {HEAD_MAGIC, UINT64_MAX, 0},           /* the past */
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        give_bytes(f, 1, &heads[i], sizeof(heads[i]));
    }
    uint8_t bytes[HEAD_SIZE_MAX] = {0};
    const struct message_head large = {HEAD_MAGIC, 0, LARGE};
    memcpy(bytes, &large, sizeof(large));
    give_bytes(f, 1, bytes, sizeof(large) + 1); /* a large one with a byte of its own */
    give_bytes(f, 1, bytes, sizeof(large) - 1);
    give_bytes(f, 1, bytes, 0);
    give_bytes(f, 1, bytes, HEAD_SIZE_MAX);

    expect_none(f);
    cr_expect(eq(ptr, inbox_next_body(f->inbox), NULL));
    give_head(f, 1, 0, 5);
    expect_message(f, 1, 0, 5);
    fixture_destroy(f);
}

Test(inbox, doubled_heads_are_ignored, .init = quiet)
{
    struct fixture *f = fixture_create();
    give_head(f, 1, 1, 5);
    give_head(f, 1, 1, 6);
    give_head(f, 1, 0, 7);
    give_head(f, 1, 0, 8);
    give_head(f, 1, 1, 9);
    expect_message(f, 1, 0, 7);
    expect_message(f, 1, 1, 5);
    expect_none(f);
    fixture_destroy(f);
}

Test(inbox, a_body_that_is_too_short_is_never_delivered, .init = quiet)
{
    struct fixture *f = fixture_create();
    give_head(f, 1, 0, LARGE);
    give_head(f, 1, 1, 5);
    give_head(f, 2, 0, 5);
    inbox_on_part(f->inbox, start_body(f, 1), LARGE - 1);
    expect_message(f, 2, 0, 5);
    expect_none(f);
    inbox_abandon(f->inbox, 1);
    fixture_destroy(f);
}

Test(inbox, nothing_of_an_abandoned_rank_is_delivered)
{
    struct fixture *f = fixture_create();
    give_head(f, 1, 0, 5);     /* ready */
    give_head(f, 1, 1, LARGE); /* receiving: its block is left to MPI */
    struct arrival *left = start_body(f, 2);
    struct block *block = left->block;
    inbox_on_part(f->inbox, left, 5);
    give_head(f, 1, 2, LARGE);     /* wanting */
    give_head(f, 2, 0, LARGE + 2); /* wanting, of another */
    give_head(f, 1, 3, LARGE);     /* wanting */
    give_head(f, 1, 4, 5);         /* coming */
    give_head(f, 1, 6, 5);         /* early */
    inbox_abandon(f->inbox, 1);
    expect_none(f);

    struct arrival *arrival = start_body(f, 1);
    cr_expect(eq(u32, arrival->rank, 2));
    cr_expect(eq(ptr, inbox_next_body(f->inbox), NULL));
    inbox_on_part(f->inbox, arrival, LARGE + 2);
    expect_message(f, 2, 0, LARGE + 2);
    give_head(f, 1, 5, 5);
    give_head(f, 1, 0, 5);
    expect_none(f);
    block_pool_give(&f->pool, block);
    fixture_destroy(f);
}

/* Goal: ten thousand reports at once do not take their memory at once, but large messages of dead
 * ranks cannot keep those of living ones waiting.
 * Method: messages of 100 MiB, whose blocks are never touched. */
Test(inbox, bodies_are_received_within_a_limit_in_bytes)
{
    const uint64_t size = (uint64_t)100 << 20;
    struct fixture *f = fixture_create();
    struct arrival *arrivals[BODY_COUNT_ALWAYS];
    struct block *block = block_pool_take(&f->pool, 0);
    for (uint32_t i = 0; i <= BODY_COUNT_ALWAYS; i++) {
        give_head(f, 1, i, size);
    }
    for (uint32_t i = 0; i < BODY_COUNT_ALWAYS; i++) {
        arrivals[i] = inbox_next_body(f->inbox);
        cr_assert(ne(ptr, arrivals[i], NULL));
        inbox_start_body(f->inbox, arrivals[i], i == 0 ? block : NULL, 1);
    }
    cr_expect(eq(ptr, inbox_next_body(f->inbox), NULL));
    inbox_on_part(f->inbox, arrivals[0], size);
    cr_expect(ne(ptr, inbox_next_body(f->inbox), NULL));
    fixture_destroy(f);
}
