#include "shared/value.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

/* Bytes in a string literal, which may hold NULs. */
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

#define EXPECT_STR(found, expected)                                                                \
    cr_expect(strcmp((found), (expected)) == 0, "expected \"%s\", found \"%s\"", (expected),       \
              (found))

/* A copy with nothing behind it, so that a sanitizer sees each byte that is read too many. */
static uint8_t *tight_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    cr_assert(ne(ptr, copy, NULL));
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

static mf_value decode_fine(struct arena *arena, const uint8_t *data, size_t size)
{
    mf_value value = value_null();
    size_t used = 0;
    size_t skipped = 0;
    struct error err = {""};
    uint8_t *copy = tight_copy(data, size);
    cr_assert(eq(int, value_decode(arena, copy, size, &used, &value, &err), STATUS_OK), "%s",
              err.text);
    cr_assert(eq(sz, used, size));
    cr_assert(eq(int, value_skip(copy, size, &skipped), STATUS_OK));
    cr_assert(eq(sz, skipped, size));
    free(copy);
    return value;
}

static void expect_decode_fails(const uint8_t *data, size_t size, const char *text)
{
    struct arena arena = {0};
    mf_value value = value_null();
    size_t used = 77;
    struct error err = {""};
    uint8_t *copy = tight_copy(data, size);
    cr_expect(eq(int, value_decode(&arena, copy, size, &used, &value, &err), STATUS_INVALID));
    cr_expect(eq(sz, used, 77));
    if (text != NULL) {
        EXPECT_STR(err.text, text);
    }
    cr_expect(eq(int, value_decode(&arena, copy, size, &used, &value, NULL), STATUS_INVALID));
    free(copy);
    arena_free(&arena);
}

static void expect_skip_fails(const uint8_t *data, size_t size)
{
    size_t used = 77;
    uint8_t *copy = tight_copy(data, size);
    cr_expect(eq(int, value_skip(copy, size, &used), STATUS_INVALID));
    cr_expect(eq(sz, used, 77));
    free(copy);
}

/* Refused by both, and so is whatever it is cut to. */
static void expect_refused(const uint8_t *data, size_t size, const char *text)
{
    expect_decode_fails(data, size, text);
    expect_skip_fails(data, size);
}

static void expect_int(const uint8_t *data, size_t size, int64_t expected)
{
    struct arena arena = {0};
    const mf_value value = decode_fine(&arena, data, size);
    cr_expect(eq(int, mf_kind_of(&value), MF_INT));
    cr_expect(eq(i64, mf_int(&value), expected));
    arena_free(&arena);
}

static void expect_text(const uint8_t *data, size_t size, mf_kind kind, const char *text)
{
    struct arena arena = {0};
    const mf_value value = decode_fine(&arena, data, size);
    cr_expect(eq(int, mf_kind_of(&value), (int)kind));
    cr_expect(eq(sz, mf_size(&value), strlen(text)));
    EXPECT_STR(mf_str(&value), text);
    arena_free(&arena);
}

static char *json_of(const mf_value *value)
{
    struct buffer buffer = {0};
    cr_assert(eq(int, value_to_json(value, &buffer), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&buffer, 0), STATUS_OK));
    return (char *)buffer.data;
}

static void expect_json(const mf_value *value, const char *expected)
{
    char *text = json_of(value);
    EXPECT_STR(text, expected);
    free(text);
}

static mf_value parse_fine(struct arena *arena, const char *text, size_t size)
{
    mf_value value = value_null();
    struct error err = {""};
    char *copy = (char *)tight_copy((const uint8_t *)text, size);
    cr_assert(eq(int, value_from_json(arena, copy, size, &value, &err), STATUS_OK), "%s", err.text);
    free(copy);
    return value;
}

/* ---- Arena ---------------------------------------------------------------------------------- */

Test(arena, what_was_taken_is_aligned_and_stays_until_the_reset)
{
    struct arena arena = {0};
    unsigned char *taken[300];
    for (size_t i = 0; i < 300; i++) {
        taken[i] = arena_take(&arena, i);
        cr_assert(ne(ptr, taken[i], NULL));
        cr_assert(eq(sz, (uintptr_t)taken[i] % _Alignof(max_align_t), 0));
        memset(taken[i], (int)(i % 256), i);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t k = 0; k < i; k++) {
            cr_assert(eq(int, taken[i][k], (int)(i % 256)));
        }
    }
    arena_free(&arena);
    cr_expect(eq(ptr, arena.block, NULL));
}

Test(arena, a_steady_loop_takes_the_same_memory_again)
{
    struct arena arena = {0};
    for (int i = 0; i < 100; i++) {
        cr_assert(ne(ptr, arena_take(&arena, 1000), NULL));
    }
    arena_reset(&arena);
    void *first = arena_take(&arena, 1000);
    void *block = arena.block;
    for (int round = 0; round < 100; round++) {
        arena_reset(&arena);
        cr_assert(eq(ptr, arena_take(&arena, 1000), first));
        cr_assert(eq(ptr, arena.block, block));
    }
    arena_free(&arena);
}

Test(arena, a_copy_ends_with_a_nul_and_an_impossible_size_is_refused)
{
    struct arena arena = {0};
    char *copy = arena_copy(&arena, "abc", 2);
    EXPECT_STR(copy, "ab");
    copy = arena_copy(&arena, NULL, 0);
    EXPECT_STR(copy, "");
    cr_expect(eq(ptr, arena_take(&arena, SIZE_MAX), NULL));
    cr_expect(eq(ptr, arena_copy(&arena, "", SIZE_MAX), NULL));
    arena_free(&arena);
}

Test(arena, an_empty_one_can_be_reset_and_freed)
{
    struct arena arena = {0};
    arena_reset(&arena);
    arena_free(&arena);
    arena_free(&arena);
    cr_expect(eq(ptr, arena.block, NULL));
}

/* ---- Decoding and skipping ------------------------------------------------------------------ */

Test(decode, integers_of_every_width_are_read)
{
    expect_int(BYTES("\x00"), 0);
    expect_int(BYTES("\x7f"), 127);
    expect_int(BYTES("\xe0"), -32);
    expect_int(BYTES("\xff"), -1);
    expect_int(BYTES("\xcc\xff"), 255);
    expect_int(BYTES("\xcd\x01\x02"), 0x0102);
    expect_int(BYTES("\xce\xff\xff\xff\xff"), UINT32_MAX);
    expect_int(BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX);
    expect_int(BYTES("\xd0\x80"), -128);
    expect_int(BYTES("\xd0\x7f"), 127);
    expect_int(BYTES("\xd1\x80\x00"), INT16_MIN);
    expect_int(BYTES("\xd2\x80\x00\x00\x00"), INT32_MIN);
    expect_int(BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), INT64_MIN);
    expect_int(BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x01"), 1);
}

Test(decode, an_integer_above_the_largest_int_is_refused)
{
    expect_refused(BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
                   "at byte 0: found an int above 2^63 - 1, expected one of 64 bits with sign");
    expect_refused(BYTES("\x92\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
                   "at byte 2: found an int above 2^63 - 1, expected one of 64 bits with sign");
}

Test(decode, null_and_booleans_are_read)
{
    struct arena arena = {0};
    mf_value value = decode_fine(&arena, BYTES("\xc0"));
    cr_expect(mf_is_null(&value));
    value = decode_fine(&arena, BYTES("\xc2"));
    cr_expect(eq(int, mf_kind_of(&value), MF_BOOL));
    cr_expect(not(mf_bool(&value)));
    value = decode_fine(&arena, BYTES("\xc3"));
    cr_expect(mf_bool(&value));
    arena_free(&arena);
}

Test(decode, floats_of_both_widths_become_doubles)
{
    struct arena arena = {0};
    mf_value value = decode_fine(&arena, BYTES("\xca\x3f\xc0\x00\x00"));
    cr_expect(eq(int, mf_kind_of(&value), MF_FLOAT));
    cr_expect(eq(dbl, mf_float(&value), 1.5));
    value = decode_fine(&arena, BYTES("\xcb\xbf\xb9\x99\x99\x99\x99\x99\x9a"));
    cr_expect(eq(dbl, mf_float(&value), -0.1));
    value = decode_fine(&arena, BYTES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"));
    cr_expect(isinf(mf_float(&value)));
    value = decode_fine(&arena, BYTES("\xca\x7f\xc0\x00\x00"));
    cr_expect(isnan(mf_float(&value)));
    arena_free(&arena);
}

Test(decode, text_and_bytes_are_read_under_each_header)
{
    expect_text(BYTES("\xa0"), MF_STR, "");
    expect_text(BYTES("\xa3"
                      "abc"),
                MF_STR, "abc");
    expect_text(BYTES("\xd9\x03"
                      "abc"),
                MF_STR, "abc");
    expect_text(BYTES("\xda\x00\x03"
                      "abc"),
                MF_STR, "abc");
    expect_text(BYTES("\xdb\x00\x00\x00\x03"
                      "abc"),
                MF_STR, "abc");
    expect_text(BYTES("\xc4\x00"), MF_BYTES, "");
    expect_text(BYTES("\xc4\x02\xff\xfe"), MF_BYTES, "\xff\xfe");
    expect_text(BYTES("\xc5\x00\x02"
                      "ab"),
                MF_BYTES, "ab");
    expect_text(BYTES("\xc6\x00\x00\x00\x02"
                      "ab"),
                MF_BYTES, "ab");
}

Test(decode, containers_are_read_under_each_header)
{
    struct arena arena = {0};
    mf_value value = decode_fine(&arena, BYTES("\x90"));
    expect_json(&value, "[]");
    value = decode_fine(&arena, BYTES("\x80"));
    expect_json(&value, "{}");
    value = decode_fine(&arena, BYTES("\x92\x01\xa1"
                                      "a"));
    expect_json(&value, "[1,\"a\"]");
    value = decode_fine(&arena, BYTES("\xdc\x00\x01\xc3"));
    expect_json(&value, "[true]");
    value = decode_fine(&arena, BYTES("\xdd\x00\x00\x00\x02\x01\x90"));
    expect_json(&value, "[1,[]]");
    value = decode_fine(&arena, BYTES("\x82\xa1"
                                      "b\x01\xa1"
                                      "a\x02"));
    expect_json(&value, "{\"b\":1,\"a\":2}");
    value = decode_fine(&arena, BYTES("\xde\x00\x01\xa1"
                                      "a\xc0"));
    expect_json(&value, "{\"a\":null}");
    value = decode_fine(&arena, BYTES("\xdf\x00\x00\x00\x01\xd9\x01"
                                      "a\x80"));
    expect_json(&value, "{\"a\":{}}");
    arena_free(&arena);
}

Test(decode, only_the_first_value_is_taken)
{
    struct arena arena = {0};
    mf_value value = value_null();
    size_t used = 0;
    cr_assert(eq(int, value_decode(&arena, BYTES("\x92\x01\x02\x03\xc1"), &used, &value, NULL),
                 STATUS_OK));
    cr_expect(eq(sz, used, 3));
    cr_assert(eq(int, value_skip(BYTES("\x92\x01\x02\x03\xc1"), &used), STATUS_OK));
    cr_expect(eq(sz, used, 3));
    arena_free(&arena);
}

/* Goal: whatever form is cut wherever, both readers refuse it and read no byte too many (which the
 * sanitizers watch). Method: each form of msgpack, cut to each length below its own. */
Test(decode, every_form_is_refused_when_it_is_cut_at_any_byte)
{
    static const struct {
        const uint8_t *data;
        size_t size;
    } forms[] = {
        {BYTES("\x05")},
        {BYTES("\xcc\xff")},
        {BYTES("\xcd\x01\x02")},
        {BYTES("\xce\x01\x02\x03\x04")},
        {BYTES("\xcf\x01\x02\x03\x04\x05\x06\x07\x08")},
        {BYTES("\xd0\x80")},
        {BYTES("\xd1\x80\x00")},
        {BYTES("\xd2\x80\x00\x00\x00")},
        {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00")},
        {BYTES("\xca\x3f\xc0\x00\x00")},
        {BYTES("\xcb\xbf\xb9\x99\x99\x99\x99\x99\x9a")},
        {BYTES("\xa3xyz")},
        {BYTES("\xd9\x03xyz")},
        {BYTES("\xda\x00\x03xyz")},
        {BYTES("\xdb\x00\x00\x00\x03xyz")},
        {BYTES("\xc4\x03xyz")},
        {BYTES("\xc5\x00\x03xyz")},
        {BYTES("\xc6\x00\x00\x00\x03xyz")},
        {BYTES("\x93\x01\x02\xa1x")},
        {BYTES("\xdc\x00\x02\xcc\xff\x91\x01")},
        {BYTES("\xdd\x00\x00\x00\x02\x81\xa1x\xa2yz\x90")},
        {BYTES("\x82\xa1x\x01\xa1y\x92\x01\x02")},
        {BYTES("\xde\x00\x01\xa1x\xcb\xbf\xb9\x99\x99\x99\x99\x99\x9a")},
        {BYTES("\xdf\x00\x00\x00\x01\xd9\x01x\xc4\x01z")},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct arena arena = {0};
        (void)decode_fine(&arena, forms[i].data, forms[i].size);
        arena_free(&arena);
        for (size_t size = 0; size < forms[i].size; size++) {
            expect_refused(forms[i].data, size, NULL);
        }
    }
}

Test(decode, the_text_of_an_error_says_where_what_was_found_and_expected)
{
    expect_refused(BYTES(""), "at byte 0: found the end of the data, expected a value");
    expect_refused(BYTES("\x91\xcd\x01"),
                   "at byte 1: found the end of the data, expected the rest of a number or count");
    expect_refused(BYTES("\xa5"
                         "abc"),
                   "at byte 0: found a str of 5, expected what 3 bytes can hold");
    expect_refused(BYTES("\x92\x01\xc1"),
                   "at byte 2: found the byte 0xc1, expected null, bool, int, float, str, bytes, "
                   "list or map");
}

Test(decode, ext_types_are_refused)
{
    expect_refused(BYTES("\xd4\x01\x02"), "at byte 0: found an ext, expected null, bool, int, "
                                          "float, str, bytes, list or map");
    for (int first = 0xd4; first <= 0xd8; first++) {
        const uint8_t data[20] = {(uint8_t)first};
        expect_refused(data, sizeof(data), NULL);
    }
    expect_refused(BYTES("\xc7\x01\x05\x06"), NULL);
    expect_refused(BYTES("\xc8\x00\x01\x05\x06"), NULL);
    expect_refused(BYTES("\xc9\x00\x00\x00\x01\x05\x06"), NULL);
}

/* Goal: a count from outside never decides how much is allocated. Method: counts of up to 2^32 - 1
 * with few bytes behind; the sanitizers would see 64 GiB being asked for. */
Test(decode, a_count_that_the_data_cannot_hold_is_refused_before_anything_is_allocated)
{
    expect_refused(BYTES("\xdd\xff\xff\xff\xff\x01\x02"),
                   "at byte 0: found a list of 4294967295, expected what 2 bytes can hold");
    expect_refused(BYTES("\xdf\xff\xff\xff\xff\xa1"
                         "a\x02"),
                   "at byte 0: found a map of 4294967295, expected what 3 bytes can hold");
    expect_refused(BYTES("\xdf\x00\x00\x00\x02\xa1"
                         "a\x02"),
                   "at byte 0: found a map of 2, expected what 3 bytes can hold");
    expect_refused(BYTES("\xdb\xff\xff\xff\xff"
                         "ab"),
                   "at byte 0: found a str of 4294967295, expected what 2 bytes can hold");
    expect_refused(BYTES("\xc6\xff\xff\xff\xff"
                         "ab"),
                   "at byte 0: found a bytes of 4294967295, expected what 2 bytes can hold");
    expect_refused(BYTES("\xdc\xff\xff"),
                   "at byte 0: found a list of 65535, expected what 0 bytes can hold");
    expect_refused(BYTES("\x9f\x01"),
                   "at byte 0: found a list of 15, expected what 1 bytes can hold");
    struct arena arena = {0};
    mf_value value;
    size_t used = 0;
    cr_expect(eq(int, value_decode(&arena, BYTES("\xdd\xff\xff\xff\xff\x01"), &used, &value, NULL),
                 STATUS_INVALID));
    cr_expect(eq(ptr, arena.block, NULL));
}

/* `depth` containers in each other, lists or maps of the key "k", with a 1 in the innermost. */
static size_t nested(uint8_t *data, unsigned depth, bool is_map)
{
    size_t size = 0;
    for (unsigned i = 0; i < depth; i++) {
        data[size++] = is_map ? 0x81 : 0x91;
        if (is_map) {
            data[size++] = 0xa1;
            data[size++] = 'k';
        }
    }
    data[size++] = 1;
    return size;
}

Test(decode, containers_nest_up_to_the_limit_and_no_deeper)
{
    for (int is_map = 0; is_map <= 1; is_map++) {
        uint8_t data[4 * VALUE_DEPTH_MAX];
        struct arena arena = {0};
        size_t size = nested(data, VALUE_DEPTH_MAX, is_map);
        const mf_value value = decode_fine(&arena, data, size);
        struct buffer packed = {0};
        cr_assert(eq(int, value_encode(&value, &packed), STATUS_OK));
        cr_expect(eq(sz, packed.size, size));
        cr_expect(eq(int, memcmp(packed.data, data, size), 0));
        buffer_free(&packed);
        arena_free(&arena);
        size = nested(data, VALUE_DEPTH_MAX + 1, is_map);
        expect_refused(data, size,
                       is_map
                           ? "at byte 192: found a map, expected no more than 64 of them in each "
                             "other"
                           : "at byte 64: found a list, expected no more than 64 of them in each "
                             "other");
    }
}

Test(decode, an_empty_list_one_too_deep_is_refused_too)
{
    uint8_t data[VALUE_DEPTH_MAX + 2];
    memset(data, 0x91, sizeof(data));
    data[VALUE_DEPTH_MAX] = 0x90;
    expect_refused(data, VALUE_DEPTH_MAX + 1, NULL);
    data[VALUE_DEPTH_MAX - 1] = 0x90;
    struct arena arena = {0};
    (void)decode_fine(&arena, data, VALUE_DEPTH_MAX);
    arena_free(&arena);
}

Test(decode, a_key_that_is_no_str_is_refused)
{
    expect_refused(BYTES("\x81\x01\x02"), "at byte 1: found an int, expected a str as key");
    expect_refused(BYTES("\x81\xc4\x01"
                         "a\x02"),
                   "at byte 1: found a bytes, expected a str as key");
    expect_refused(BYTES("\x82\xa1"
                         "a\x02\x90\x01"),
                   "at byte 4: found a list, expected a str as key");
    expect_refused(BYTES("\x81\xa1"
                         "a\x81\xc0\x01"),
                   "at byte 4: found null, expected a str as key");
    struct arena arena = {0};
    (void)decode_fine(&arena, BYTES("\x92\x81\xa1"
                                    "a\x92\x01\x02\x03"));
    arena_free(&arena);
}

Test(decode, a_doubled_key_is_refused_among_few_and_among_many)
{
    expect_decode_fails(BYTES("\x82\xa1"
                              "a\x01\xa1"
                              "a\x02"),
                        "in the map at byte 1: found the key \"a\" twice");
    struct buffer many = {0};
    for (unsigned doubled = 0; doubled <= 1; doubled++) {
        buffer_clear(&many);
        const uint8_t head[] = {0xde, 0x03, 0xe8};
        cr_assert(eq(int, buffer_append(&many, head, sizeof(head)), STATUS_OK));
        for (unsigned i = 0; i < 1000; i++) {
            const unsigned name = doubled && i == 999 ? 500 : i;
            cr_assert(eq(int, buffer_printf(&many, "\xa4k%03u\x01", name), STATUS_OK));
        }
        if (doubled) {
            expect_decode_fails(many.data, many.size,
                                "in the map at byte 3: found the key \"k500\" twice");
        } else {
            struct arena arena = {0};
            const mf_value value = decode_fine(&arena, many.data, many.size);
            cr_expect(eq(sz, mf_count(&value), 1000));
            EXPECT_STR(mf_key(&value, 999), "k999");
            arena_free(&arena);
        }
    }
    buffer_free(&many);
}

Test(decode, a_key_with_a_nul_is_refused)
{
    expect_decode_fails(BYTES("\x81\xa3"
                              "a\0b\x01"),
                        "at byte 2: found a key with a NUL, expected one without");
}

Test(decode, text_that_is_not_utf8_is_refused_as_value_and_as_key)
{
    expect_decode_fails(BYTES("\xa1\xff"), "at byte 1: found other bytes, expected a str in UTF-8");
    expect_decode_fails(BYTES("\x81\xa1\xff\x01"),
                        "at byte 2: found other bytes, expected a str in UTF-8");
    struct arena arena = {0};
    const mf_value value = decode_fine(&arena, BYTES("\xc4\x01\xff"));
    cr_expect(eq(int, mf_kind_of(&value), MF_BYTES));
    arena_free(&arena);
}

Test(decode, nothing_of_a_tree_points_at_the_source)
{
    struct arena arena = {0};
    uint8_t data[] = "\x81\xa1k\xa3xyz";
    mf_value value;
    size_t used = 0;
    cr_assert(
        eq(int, value_decode(&arena, data, sizeof(data) - 1, &used, &value, NULL), STATUS_OK));
    memset(data, 0, sizeof(data));
    expect_json(&value, "{\"k\":\"xyz\"}");
    arena_free(&arena);
}

/* Goal: no bytes whatever lead a reader astray. Method: random bytes, biased to containers; what
 * the decoder takes, skipping takes with the same size, and it is encoded and read again. */
Test(decode, random_bytes_never_harm_and_both_readers_agree)
{
    uint64_t random = 88172645463325252u;
    struct arena arena = {0};
    for (unsigned round = 0; round < 50000; round++) {
        uint8_t data[24];
        for (size_t i = 0; i < sizeof(data); i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            data[i] = (uint8_t)(random >> 16);
            if (random % 3 == 0) {
                data[i] = (uint8_t)(0x80 | (data[i] & 0x23));
            }
        }
        arena_reset(&arena);
        mf_value value;
        size_t used = 0;
        size_t skipped = 0;
        const size_t size = random % (sizeof(data) + 1);
        uint8_t *copy = tight_copy(data, size);
        const enum status skip_status = value_skip(copy, size, &skipped);
        if (value_decode(&arena, copy, size, &used, &value, NULL) == STATUS_OK) {
            cr_assert(eq(int, skip_status, STATUS_OK));
            cr_assert(eq(sz, used, skipped));
            struct buffer packed = {0};
            cr_assert(eq(int, value_encode(&value, &packed), STATUS_OK));
            cr_assert(le(sz, packed.size, 2 * size)); /* float32 grows to float64 */
            (void)decode_fine(&arena, packed.data, packed.size);
            buffer_free(&packed);
        }
        free(copy);
    }
    arena_free(&arena);
}

/* ---- Encoding ------------------------------------------------------------------------------- */

static void expect_packed(const mf_value *value, const uint8_t *data, size_t size)
{
    struct buffer packed = {0};
    cr_assert(eq(int, value_encode(value, &packed), STATUS_OK));
    cr_assert(eq(sz, packed.size, size));
    cr_expect(eq(int, memcmp(packed.data, data, size), 0));
    buffer_free(&packed);
}

/* Goal: our encoding is the canonical one. Method: msgpack-c packs each value beside us. */
Test(encode, integers_are_as_msgpack_c_packs_them)
{
    int64_t edges[600];
    size_t count = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int more = -1; more <= 1; more++) {
            const uint64_t edge = (UINT64_C(1) << bit) + (uint64_t)(int64_t)more;
            edges[count++] = (int64_t)edge;
            edges[count++] = (int64_t)(0 - edge);
        }
    }
    for (int64_t i = -33; i <= 33; i++) {
        edges[count++] = i;
    }
    for (size_t i = 0; i < count; i++) {
        msgpack_sbuffer expected;
        msgpack_sbuffer_init(&expected);
        msgpack_packer packer;
        msgpack_packer_init(&packer, &expected, msgpack_sbuffer_write);
        msgpack_pack_int64(&packer, edges[i]);
        const mf_value value = value_int(edges[i]);
        expect_packed(&value, (const uint8_t *)expected.data, expected.size);
        cr_expect(eq(sz, value_packed_size(&value, 0), expected.size));
        expect_int((const uint8_t *)expected.data, expected.size, edges[i]);
        msgpack_sbuffer_destroy(&expected);
    }
}

Test(encode, headers_are_the_shortest)
{
    static const struct {
        mf_kind kind;
        uint32_t count;
        const uint8_t *data;
        size_t size;
    } cases[] = {
        {MF_STR, 0, BYTES("\xa0")},
        {MF_STR, 31, BYTES("\xbf")},
        {MF_STR, 32, BYTES("\xd9\x20")},
        {MF_STR, 255, BYTES("\xd9\xff")},
        {MF_STR, 256, BYTES("\xda\x01\x00")},
        {MF_STR, 65535, BYTES("\xda\xff\xff")},
        {MF_STR, 65536, BYTES("\xdb\x00\x01\x00\x00")},
        {MF_BYTES, 0, BYTES("\xc4\x00")},
        {MF_BYTES, 255, BYTES("\xc4\xff")},
        {MF_BYTES, 256, BYTES("\xc5\x01\x00")},
        {MF_BYTES, 65536, BYTES("\xc6\x00\x01\x00\x00")},
        {MF_LIST, 0, BYTES("\x90")},
        {MF_LIST, 15, BYTES("\x9f")},
        {MF_LIST, 16, BYTES("\xdc\x00\x10")},
        {MF_LIST, 65535, BYTES("\xdc\xff\xff")},
        {MF_LIST, 65536, BYTES("\xdd\x00\x01\x00\x00")},
        {MF_MAP, 0, BYTES("\x80")},
        {MF_MAP, 15, BYTES("\x8f")},
        {MF_MAP, 16, BYTES("\xde\x00\x10")},
        {MF_MAP, 65536, BYTES("\xdf\x00\x01\x00\x00")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t data[VALUE_HEADER_SIZE_MAX];
        const uint8_t *end = value_pack_header(cases[i].kind, cases[i].count, data);
        cr_assert(eq(sz, (size_t)(end - data), cases[i].size));
        cr_expect(eq(int, memcmp(data, cases[i].data, cases[i].size), 0));
    }
}

Test(encode, scalars_text_and_containers_are_packed_and_appended)
{
    mf_value nodes[] = {value_text(MF_STR, "a", 1), value_null(), value_text(MF_STR, "b", 1),
                        value_bool(true)};
    const mf_value map = {
        .mf_private_kind = MF_MAP, .mf_private_count = 2, .mf_private_as = {.values = nodes}};
    mf_value items[] = {map, value_float(1.5), value_text(MF_BYTES, "\0\xff", 2)};
    const mf_value list = {
        .mf_private_kind = MF_LIST, .mf_private_count = 3, .mf_private_as = {.values = items}};
    expect_packed(&list, BYTES("\x93\x82\xa1"
                               "a\xc0\xa1"
                               "b\xc3\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xc4\x02\x00\xff"));
    struct buffer two = {0};
    cr_assert(eq(int, value_encode(&nodes[1], &two), STATUS_OK));
    cr_assert(eq(int, value_encode(&nodes[3], &two), STATUS_OK));
    cr_assert(eq(sz, two.size, 2));
    cr_expect(eq(int, memcmp(two.data, "\xc0\xc3", 2), 0));
    buffer_free(&two);
}

Test(encode, a_tree_that_is_too_deep_is_refused_and_appends_nothing)
{
    mf_value nodes[VALUE_DEPTH_MAX + 2];
    nodes[0] = value_int(1);
    for (size_t i = 1; i < VALUE_DEPTH_MAX + 2; i++) {
        nodes[i] = (mf_value){.mf_private_kind = MF_LIST,
                              .mf_private_count = 1,
                              .mf_private_as = {.values = &nodes[i - 1]}};
    }
    struct buffer packed = {0};
    cr_expect(eq(int, value_encode(&nodes[VALUE_DEPTH_MAX], &packed), STATUS_OK));
    cr_expect(eq(sz, packed.size, VALUE_DEPTH_MAX + 1));
    cr_expect(eq(int, value_encode(&nodes[VALUE_DEPTH_MAX + 1], &packed), STATUS_LIMIT));
    cr_expect(eq(sz, packed.size, VALUE_DEPTH_MAX + 1));
    cr_expect(eq(int, value_to_json(&nodes[VALUE_DEPTH_MAX], &packed), STATUS_OK));
    cr_expect(eq(int, value_to_json(&nodes[VALUE_DEPTH_MAX + 1], &packed), STATUS_LIMIT));
    cr_expect(eq(sz, value_packed_size(&nodes[2], 2), 3));
    cr_expect(eq(sz, value_packed_size(&nodes[2], 1), 0));
    buffer_free(&packed);
}

/* ---- Readers -------------------------------------------------------------------------------- */

Test(readers, ints_and_floats_convert_and_other_kinds_read_as_nothing)
{
    mf_value value = value_float(2.9);
    cr_expect(eq(i64, mf_int(&value), 2));
    value = value_float(-2.9);
    cr_expect(eq(i64, mf_int(&value), -2));
    value = value_float(1e300);
    cr_expect(eq(i64, mf_int(&value), INT64_MAX));
    value = value_float(-1e300);
    cr_expect(eq(i64, mf_int(&value), INT64_MIN));
    value = value_float(0x1p63);
    cr_expect(eq(i64, mf_int(&value), INT64_MAX));
    value = value_float(NAN);
    cr_expect(eq(i64, mf_int(&value), 0));
    value = value_int(-3);
    cr_expect(eq(dbl, mf_float(&value), -3));
    cr_expect(not(mf_bool(&value)));
    EXPECT_STR(mf_str(&value), "");
    cr_expect(eq(sz, mf_size(&value), 0));
    cr_expect(eq(sz, mf_count(&value), 0));
    cr_expect(mf_item(&value, 0) == NULL);
    cr_expect(mf_key(&value, 0) == NULL);
    cr_expect(mf_field(&value, "a") == NULL);
    value = value_text(MF_STR, "7", 1);
    cr_expect(eq(i64, mf_int(&value), 0));
    cr_expect(eq(dbl, mf_float(&value), 0));
    cr_expect(mf_field(NULL, "a") == NULL);
}

Test(readers, fields_and_items_are_found_and_missing_ones_are_null)
{
    struct arena arena = {0};
    const char text[] = "{\"ab\": 1, \"a\": [5, 6], \"n\": null}";
    const mf_value value = parse_fine(&arena, text, strlen(text));
    cr_expect(eq(i64, mf_int(mf_field(&value, "ab")), 1));
    const mf_value *list = mf_field(&value, "a");
    cr_assert(eq(sz, mf_count(list), 2));
    cr_expect(eq(i64, mf_int(mf_item(list, 1)), 6));
    cr_expect(mf_item(list, 2) == NULL);
    cr_expect(mf_key(list, 0) == NULL);
    cr_expect(mf_field(&value, "abc") == NULL);
    cr_expect(mf_is_null(mf_field(&value, "n")));
    cr_expect(mf_is_null(mf_field(&value, "zz")));
    EXPECT_STR(mf_key(&value, 2), "n");
    cr_expect(eq(i64, mf_int(mf_item(&value, 0)), 1));
    arena_free(&arena);
}
