/* Texts come back in the order of their indices, wherever they were held. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "master/print_order.h"

static void put(struct print_order *order, uint64_t index, const char *text)
{
    print_order_put(order, index, (const uint8_t *)text, strlen(text));
}

/* All that is due, with "." behind each; "@" for one that is elsewhere. */
static const char *due(struct print_order *order)
{
    static char text[256];
    struct buffer one = {0};
    uint64_t index;
    bool is_elsewhere;
    text[0] = '\0';
    while (print_order_next(order, &one, &index, &is_elsewhere)) {
        if (one.size > 0) {
            (void)strncat(text, (const char *)one.data, one.size);
        }
        (void)strcat(text, is_elsewhere ? "@." : ".");
    }
    buffer_free(&one);
    return text;
}

static void expect_order(size_t memory_max)
{
    struct print_order *order = print_order_create(0, memory_max);
    put(order, 2, "two");
    put(order, 1, "one");
    cr_expect_str_eq(due(order), "");
    print_order_pass(order, 3, 2);
    print_order_defer(order, 5, 1);
    put(order, 0, "zero");
    cr_expect_str_eq(due(order), "zero.one.two...@.");
    cr_expect(eq(u64, print_order_turn(order), 6));
    put(order, 7, "seven");
    put(order, 6, "");
    cr_expect_str_eq(due(order), ".seven.");
    cr_expect(eq(u64, print_order_lost(order), 0));
    print_order_destroy(order);
}

Test(print_order, texts_wait_for_their_turn_in_memory)
{
    expect_order(1000);
}

Test(print_order, texts_wait_for_their_turn_on_disk)
{
    expect_order(0);
}

Test(print_order, what_is_before_the_first_turn_is_not_given)
{
    struct print_order *order = print_order_create(2, 1000);
    put(order, 1, "one");
    print_order_defer(order, 0, 3);
    put(order, 3, "three");
    cr_expect_str_eq(due(order), "@.three.");
    print_order_destroy(order);
}

Test(print_order, a_turn_that_never_comes_is_skipped)
{
    struct print_order *order = print_order_create(0, 1000);
    put(order, 4, "four");
    put(order, 9, "nine");
    cr_expect_str_eq(due(order), "");
    cr_assert(print_order_skip(order));
    cr_expect_str_eq(due(order), "four.");
    cr_assert(print_order_skip(order));
    cr_expect_str_eq(due(order), "nine.");
    cr_expect(not(print_order_skip(order)));
    print_order_destroy(order);
}
