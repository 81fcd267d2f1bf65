#include "shared/buffer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "shared/error.h"

Test(buffer, appended_bytes_are_kept_in_order_as_it_grows)
{
    struct buffer b = {0};
    for (unsigned i = 0; i < 10000; i++) {
        cr_assert(eq(int, buffer_append_byte(&b, (uint8_t)i), STATUS_OK));
    }
    cr_assert(eq(sz, b.size, 10000));
    cr_expect(le(sz, b.size, b.capacity));
    for (unsigned i = 0; i < 10000; i++) {
        cr_assert(eq(u8, b.data[i], (uint8_t)i));
    }
    buffer_free(&b);
    cr_expect(eq(ptr, b.data, NULL));
}

Test(buffer, appending_nothing_to_an_empty_buffer_reserves_nothing)
{
    struct buffer b = {0};
    cr_assert(eq(int, buffer_append(&b, NULL, 0), STATUS_OK));
    cr_expect(eq(sz, b.capacity, 0));
    buffer_free(&b);
}

Test(buffer, growth_at_least_doubles)
{
    struct buffer b = {0};
    cr_assert(eq(int, buffer_reserve(&b, 1000), STATUS_OK));
    cr_assert(eq(sz, b.capacity, 1000));
    b.size = 1000;
    cr_assert(eq(int, buffer_append_byte(&b, 0), STATUS_OK));
    cr_expect(ge(sz, b.capacity, 2000));
    buffer_free(&b);
}

Test(buffer, a_size_that_overflows_is_refused_and_changes_nothing)
{
    struct buffer b = {0};
    cr_assert(eq(int, buffer_append(&b, "abc", 3), STATUS_OK));
    const struct buffer before = b;
    cr_expect(eq(int, buffer_reserve(&b, SIZE_MAX), STATUS_LIMIT));
    cr_expect(eq(ptr, b.data, before.data));
    cr_expect(eq(sz, b.size, before.size));
    cr_expect(eq(sz, b.capacity, before.capacity));
    buffer_free(&b);
}

Test(buffer, printf_appends_short_and_long_texts_without_a_nul)
{
    struct buffer b = {0};
    cr_assert(eq(int, buffer_printf(&b, "%d:", 42), STATUS_OK));
    cr_assert(eq(sz, b.size, 3));
    cr_assert(eq(int, buffer_printf(&b, "%500s", "x"), STATUS_OK));
    cr_assert(eq(sz, b.size, 503));
    cr_expect(eq(int, memcmp(b.data, "42: ", 4), 0));
    cr_expect(eq(u8, b.data[502], 'x'));
    buffer_free(&b);
}

Test(buffer, clear_keeps_the_memory)
{
    struct buffer b = {0};
    cr_assert(eq(int, buffer_append(&b, "abc", 3), STATUS_OK));
    const size_t capacity = b.capacity;
    buffer_clear(&b);
    cr_expect(eq(sz, b.size, 0));
    cr_expect(eq(sz, b.capacity, capacity));
    buffer_free(&b);
}

Test(buffer, take_moves_the_bytes_out)
{
    struct buffer b = {0};
    cr_assert(eq(int, buffer_append(&b, "abc", 3), STATUS_OK));
    size_t size = 0;
    uint8_t *data = buffer_take(&b, &size);
    cr_assert(eq(sz, size, 3));
    cr_expect(eq(int, memcmp(data, "abc", 3), 0));
    cr_expect(eq(ptr, b.data, NULL));
    cr_expect(eq(sz, b.capacity, 0));
    free(data);
}

Test(buffer, msgpack_packs_into_it)
{
    struct buffer b = {0};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &b, buffer_msgpack_write);
    cr_assert(eq(int, msgpack_pack_array(&packer, 2), 0));
    cr_assert(eq(int, msgpack_pack_int(&packer, 7), 0));
    cr_assert(eq(int, msgpack_pack_nil(&packer), 0));
    cr_assert(eq(sz, b.size, 3));
    cr_expect(eq(int, memcmp(b.data, "\x92\x07\xc0", 3), 0));
    buffer_free(&b);
}
