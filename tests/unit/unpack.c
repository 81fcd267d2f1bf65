#include "shared/unpack.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "shared/pack.h"

#define OK(call) cr_assert(eq(int, (call), STATUS_OK))

static const uint64_t uints[] = {
    0, 1, 127, 128, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t)1 << 32, INT64_MAX, UINT64_MAX};
static const int64_t ints[] = {0,      -1,     -32,       -33,       -128,      -129,
                               -32768, -32769, INT32_MIN, INT64_MIN, INT64_MAX, 128};
static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One of everything, into `buffer`. */
static void pack_all(struct buffer *buffer)
{
    struct pack out;
    pack_start(&out, buffer);
    pack_array(&out, 9);
    pack_nil(&out);
    pack_bool(&out, true);
    pack_bool(&out, false);
    pack_uint(&out, 70000);
    pack_int(&out, -70000);
    pack_float(&out, 0.25);
    pack_text(&out, "text");
    pack_bytes(&out, "\x00\xff", 2);
    pack_map(&out, 1);
    pack_text(&out, "key");
    pack_array(&out, 0);
    OK(pack_finish(&out));
}

static void unpack_all(struct unpack *in)
{
    size_t size = 0;
    unpack_array_of(in, 9);
    const bool is_nil = unpack_nil(in);
    const bool yes = unpack_bool(in);
    const bool no = unpack_bool(in);
    const uint64_t positive = unpack_uint(in);
    const int64_t negative = unpack_int(in);
    const double real = unpack_float(in);
    (void)unpack_str(in, &size);
    (void)unpack_bin(in, &size);
    if (unpack_map(in) != 1) {
        unpack_fail(in);
    }
    unpack_key(in, "key");
    unpack_array_of(in, 0);
    if (unpack_is_done(in)) {
        cr_expect(is_nil && yes && !no);
        cr_expect(eq(u64, positive, 70000));
        cr_expect(eq(i64, negative, -70000));
        cr_expect(eq(dbl, real, 0.25));
    }
}

Test(unpack, integers_of_every_width_come_back)
{
    struct buffer buffer = {0};
    struct pack out;
    pack_start(&out, &buffer);
    for (size_t i = 0; i < COUNT(uints); i++) {
        pack_uint(&out, uints[i]);
    }
    for (size_t i = 0; i < COUNT(ints); i++) {
        pack_int(&out, ints[i]);
    }
    OK(pack_finish(&out));
    struct unpack in = unpack_start(buffer.data, buffer.size);
    for (size_t i = 0; i < COUNT(uints); i++) {
        cr_expect(eq(u64, unpack_uint(&in), uints[i]));
    }
    for (size_t i = 0; i < COUNT(ints); i++) {
        cr_expect(eq(i64, unpack_int(&in), ints[i]));
    }
    cr_expect(unpack_is_done(&in));
    buffer_free(&buffer);
}

Test(unpack, signed_encodings_of_positive_integers_are_taken)
{
    const uint8_t bytes[] = {0xd0, 0x05, 0xd3, 0, 0, 0, 0, 0, 0, 1, 0};
    struct unpack in = unpack_start(bytes, sizeof(bytes));
    cr_expect(eq(u64, unpack_uint(&in), 5));
    cr_expect(eq(u64, unpack_uint(&in), 256));
    cr_expect(unpack_is_done(&in));
}

Test(unpack, integers_outside_the_range_that_is_asked_for_fail)
{
    const uint8_t negative[] = {0xff};
    struct unpack in = unpack_start(negative, sizeof(negative));
    cr_expect(eq(u64, unpack_uint(&in), 0));
    cr_expect(in.failed);

    const uint8_t large[] = {0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0};
    in = unpack_start(large, sizeof(large));
    cr_expect(eq(i64, unpack_int(&in), 0));
    cr_expect(in.failed);

    const uint8_t eight[] = {8};
    in = unpack_start(eight, sizeof(eight));
    cr_expect(eq(u64, unpack_uint_max(&in, 8), 8));
    in = unpack_start(eight, sizeof(eight));
    cr_expect(eq(u64, unpack_uint_max(&in, 7), 0));
    cr_expect(in.failed);
}

Test(unpack, floats_of_both_widths_and_integers_read_as_floats)
{
    const uint8_t bytes[] = {0xca, 0x3e, 0x80, 0, 0, 0xcb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0, 0xfe, 7};
    struct unpack in = unpack_start(bytes, sizeof(bytes));
    cr_expect(eq(dbl, unpack_float(&in), 0.25));
    cr_expect(eq(dbl, unpack_float(&in), -1.5));
    cr_expect(eq(dbl, unpack_float(&in), -2.0));
    cr_expect(eq(dbl, unpack_float(&in), 7.0));
    cr_expect(unpack_is_done(&in));
}

Test(unpack, texts_and_bytes_of_every_header_come_back)
{
    static char content[65536];
    struct buffer buffer = {0};
    struct pack out;
    memset(content, 'x', sizeof(content));
    pack_start(&out, &buffer);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        pack_str(&out, content, sizes[i]);
        pack_bytes(&out, content, sizes[i]);
    }
    OK(pack_finish(&out));
    struct unpack in = unpack_start(buffer.data, buffer.size);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t size = 0;
        const char *text = unpack_str(&in, &size);
        cr_assert(eq(sz, size, sizes[i]));
        cr_expect(memcmp(text, content, size) == 0);
        const uint8_t *bytes = unpack_bin(&in, &size);
        cr_assert(eq(sz, size, sizes[i]));
        cr_expect(memcmp(bytes, content, size) == 0);
    }
    cr_expect(unpack_is_done(&in));
    buffer_free(&buffer);
}

Test(unpack, a_value_of_another_kind_fails_and_the_failure_stays)
{
    const uint8_t bytes[] = {0xc3, 1, 2};
    struct unpack in = unpack_start(bytes, sizeof(bytes));
    size_t size = 99;
    cr_expect(eq(u64, unpack_uint(&in), 0));
    cr_expect(in.failed);
    cr_expect(eq(u64, unpack_uint(&in), 0));
    cr_expect(unpack_str(&in, &size) != NULL);
    cr_expect(eq(sz, size, 0));
    cr_expect(eq(u32, unpack_array(&in), 0));
    cr_expect(unpack_nil(&in) == false);
    cr_expect(unpack_is_done(&in) == false);
}

Test(unpack, a_count_that_the_bytes_cannot_hold_fails)
{
    const uint8_t array[] = {0xdd, 0xff, 0xff, 0xff, 0xff, 0, 0};
    const uint8_t map[] = {0x82, 0, 0, 0};
    const uint8_t pairs[] = {0x82, 0, 0, 0, 0};
    struct unpack in = unpack_start(array, sizeof(array));
    cr_expect(eq(u32, unpack_array(&in), 0));
    cr_expect(in.failed);
    in = unpack_start(map, sizeof(map));
    cr_expect(eq(u32, unpack_map(&in), 0));
    cr_expect(in.failed);
    in = unpack_start(pairs, sizeof(pairs));
    cr_expect(eq(u32, unpack_map(&in), 2));
    cr_expect(in.failed == false);
}

Test(unpack, reading_what_is_cut_at_any_byte_fails)
{
    struct buffer buffer = {0};
    pack_all(&buffer);
    struct unpack whole = unpack_start(buffer.data, buffer.size);
    unpack_all(&whole);
    cr_assert(unpack_is_done(&whole));
    for (size_t size = 0; size < buffer.size; size++) {
        struct unpack in = unpack_start(buffer.data, size);
        unpack_all(&in);
        cr_assert(in.failed, "cut to %zu bytes", size);
    }
    buffer_free(&buffer);
}

Test(unpack, skipping_passes_over_exactly_one_value)
{
    struct buffer buffer = {0};
    pack_all(&buffer);
    OK(buffer_append_byte(&buffer, 42));
    struct unpack in = unpack_start(buffer.data, buffer.size);
    unpack_skip(&in);
    cr_expect(eq(u64, unpack_uint(&in), 42));
    cr_expect(unpack_is_done(&in));

    const uint8_t extensions[] = {0xd4, 1, 0, 0xd8, 1, 0,    0, 0, 0, 0, 0,    0, 0, 0, 0, 0,
                                  0,    0, 0, 0,    0, 0xc7, 2, 9, 0, 0, 0xca, 0, 0, 0, 0, 42};
    in = unpack_start(extensions, sizeof(extensions));
    for (unsigned i = 0; i < 4; i++) {
        unpack_skip(&in);
    }
    cr_expect(eq(u64, unpack_uint(&in), 42));
    cr_expect(unpack_is_done(&in));
    buffer_free(&buffer);
}

Test(unpack, skipping_ends_at_the_depth_that_is_allowed)
{
    uint8_t nested[UNPACK_DEPTH_MAX + 1];
    memset(nested, 0x91, sizeof(nested));
    nested[UNPACK_DEPTH_MAX - 1] = 0;
    struct unpack in = unpack_start(nested, UNPACK_DEPTH_MAX);
    unpack_skip(&in);
    cr_expect(unpack_is_done(&in));
    nested[UNPACK_DEPTH_MAX - 1] = 0x91;
    nested[UNPACK_DEPTH_MAX] = 0;
    in = unpack_start(nested, sizeof(nested));
    unpack_skip(&in);
    cr_expect(in.failed);
}

Test(unpack, any_bytes_can_be_read)
{
    uint8_t bytes[24];
    uint32_t random = 7;
    for (unsigned round = 0; round < 100000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(random >> 24);
        }
        struct unpack in = unpack_start(bytes, sizeof(bytes));
        unpack_skip(&in);
        in = unpack_start(bytes, sizeof(bytes));
        unpack_all(&in);
        cr_assert(in.at <= in.end);
    }
}

Test(unpack, a_key_has_to_be_the_very_one)
{
    const uint8_t bytes[] = {0xa2, 'a', 'b'};
    const char *wrong[] = {"a", "abc", "ba", ""};
    struct unpack in = unpack_start(bytes, sizeof(bytes));
    unpack_key(&in, "ab");
    cr_expect(unpack_is_done(&in));
    for (size_t i = 0; i < COUNT(wrong); i++) {
        in = unpack_start(bytes, sizeof(bytes));
        unpack_key(&in, wrong[i]);
        cr_expect(in.failed);
    }
}

Test(unpack, nothing_at_all_is_done_and_holds_no_value)
{
    struct unpack in = unpack_start(NULL, 0);
    cr_expect(unpack_is_done(&in));
    unpack_skip(&in);
    cr_expect(in.failed);
}
