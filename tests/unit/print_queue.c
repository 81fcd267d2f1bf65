/* Entries come out as they went in, from memory and from the file behind it. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "master/print_queue.h"

static void put(struct print_queue *queue, const char *text)
{
    struct buffer entry = {0};
    cr_assert(buffer_append(&entry, text, strlen(text)) == STATUS_OK);
    print_queue_put(queue, &entry);
    buffer_free(&entry);
}

static void expect_next(struct print_queue *queue, const char *text)
{
    struct buffer entry = {0};
    cr_assert(print_queue_take(queue, &entry));
    cr_expect(entry.size == strlen(text) && memcmp(entry.data, text, entry.size) == 0, "%.*s",
              (int)entry.size, (const char *)entry.data);
    buffer_free(&entry);
}

static void expect_fifo(size_t memory_max)
{
    struct print_queue *queue = print_queue_create(memory_max);
    struct buffer none = {0};
    put(queue, "one");
    put(queue, "two");
    put(queue, "three");
    expect_next(queue, "one");
    put(queue, "four");
    expect_next(queue, "two");
    expect_next(queue, "three");
    expect_next(queue, "four");
    cr_expect(print_queue_is_empty(queue));
    put(queue, "five");
    print_queue_close(queue);
    expect_next(queue, "five");
    cr_expect(not(print_queue_take(queue, &none)));
    cr_expect(eq(u64, print_queue_dropped(queue), 0));
    buffer_free(&none);
    print_queue_destroy(queue);
}

Test(print_queue, entries_keep_their_order_in_memory)
{
    expect_fifo(1000);
}

Test(print_queue, entries_keep_their_order_past_what_memory_may_hold)
{
    expect_fifo(4);
}

Test(print_queue, entries_keep_their_order_on_disk)
{
    expect_fifo(0);
}
