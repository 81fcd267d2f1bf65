#include "shared/workflow_places.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define MUTATION_COUNT 20000

TestSuite(workflow_places, .timeout = 50);

static struct buffer pack(const struct workflow_place *places, size_t count)
{
    struct buffer bytes = {0};
    for (size_t i = 0; i < count; i++) {
        cr_assert(eq(int, workflow_places_pack(&places[i], &bytes), STATUS_OK));
    }
    return bytes;
}

static const struct workflow_place some[] = {
    {.offset = 5000000000, .size = 70000, .position = 0, .start = 0, .count = 10},
    {.offset = 100, .size = 30, .position = 4, .start = 20, .count = 3},
    {.offset = 100, .size = 30, .position = 0, .start = 10, .count = 4}};

Test(workflow_places, they_come_back_in_the_order_of_the_log)
{
    struct arena arena = {0};
    struct workflow_place *places = NULL;
    size_t count = 0;
    struct buffer bytes = pack(some, 3);
    cr_assert(
        eq(int, workflow_places_unpack(&bytes, 23, &arena, &places, &count, NULL), STATUS_OK));
    cr_assert(eq(sz, count, 3));
    cr_expect(eq(u64, places[0].start, 10));
    cr_expect(eq(u64, places[1].start, 20));
    cr_expect(eq(u64, places[1].position, 4));
    cr_expect(eq(u64, places[2].offset, 5000000000));
    arena_free(&arena);
    buffer_free(&bytes);
}

Test(workflow_places, none_are_none)
{
    struct arena arena = {0};
    struct workflow_place *places = NULL;
    size_t count = 1;
    const struct buffer bytes = {0};
    cr_assert(eq(int, workflow_places_unpack(&bytes, 0, &arena, &places, &count, NULL), STATUS_OK));
    cr_expect(eq(sz, count, 0));
    arena_free(&arena);
}

Test(workflow_places, instances_that_the_map_does_not_have_are_refused)
{
    struct arena arena = {0};
    struct workflow_place *places = NULL;
    size_t count = 0;
    struct buffer bytes = pack(some, 3);
    cr_expect(eq(int, workflow_places_unpack(&bytes, 22, &arena, &places, &count, NULL),
                 STATUS_PROTOCOL));
    arena_free(&arena);
    buffer_free(&bytes);
}

/* The sanitizers judge. */
Test(workflow_places, any_bytes_are_taken_or_refused)
{
    struct arena arena = {0};
    struct buffer bytes = pack(some, 3);
    srand(1);
    for (int i = 0; i < MUTATION_COUNT; i++) {
        struct workflow_place *places = NULL;
        size_t count = 0;
        struct buffer changed = {0};
        cr_assert(eq(int, buffer_append(&changed, bytes.data, bytes.size), STATUS_OK));
        changed.data[(size_t)rand() % changed.size] = (uint8_t)rand();
        changed.size -= rand() % 4 == 0 ? (size_t)rand() % changed.size : 0;
        arena_reset(&arena);
        const enum status status =
            workflow_places_unpack(&changed, 23, &arena, &places, &count, NULL);
        cr_assert(status == STATUS_OK || status == STATUS_PROTOCOL);
        buffer_free(&changed);
    }
    arena_free(&arena);
    buffer_free(&bytes);
}
