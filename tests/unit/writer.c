#include "shared/writer.h"

#include "writer_support.h"

/* ---- Values --------------------------------------------------------------------------------- */

Test(writer, scalars_are_written_as_the_canonical_encoding)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    static const struct {
        int64_t integer;
        size_t size;
    } ints[] = {{0, 1},
                {127, 1},
                {128, 2},
                {255, 2},
                {256, 3},
                {65535, 3},
                {65536, 5},
                {UINT32_MAX, 5},
                {INT64_MAX, 9},
                {-32, 1},
                {-33, 2},
                {INT8_MIN, 2},
                {INT16_MIN, 3},
                {INT32_MIN, 5},
                {INT64_MIN, 9},
                {INT8_MIN - 1, 3},
                {INT16_MIN - 1, 5},
                {(int64_t)INT32_MIN - 1, 9},
                {(int64_t)UINT32_MAX + 1, 9}};
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%" PRId64, ints[i].integer);
        writer_begin(writer);
        mf_put_int(out, ints[i].integer);
        cr_expect(eq(sz, writer_size(writer) - writer->value_start, ints[i].size));
        expect_latest(writer, text);
    }
    writer_begin(writer);
    mf_put_float(out, -0.1);
    expect_latest(writer, "-0.1");
    writer_begin(writer);
    mf_put_bool(out, true);
    expect_latest(writer, "true");
    writer_begin(writer);
    mf_put_null(out);
    expect_latest(writer, "null");
    writer_destroy(writer);
    writer_destroy(NULL);
}

Test(writer, text_and_bytes_are_written_with_any_size)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_str(out, "a\xc3\xa4");
    expect_latest(writer, "\"a\xc3\xa4\"");
    writer_begin(writer);
    mf_put_text(out, "a\0b", 3);
    expect_latest(writer, "\"a\\u0000b\"");
    writer_begin(writer);
    mf_put_text(out, NULL, 0);
    expect_latest(writer, "\"\"");
    writer_begin(writer);
    mf_put_bytes(out, "\xff\xfe", 2);
    expect_latest(writer, "{\"base64\":\"//4=\"}");
    writer_begin(writer);
    mf_put_bytes(out, NULL, 0);
    expect_latest(writer, "{\"base64\":\"\"}");
    static const size_t sizes[] = {31, 32, 255, 256, 65535, 65536, 1000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = malloc(sizes[i] + 3);
        cr_assert(ne(ptr, text, NULL));
        memset(text, 'x', sizes[i] + 2);
        writer_begin(writer);
        mf_put_text(out, text, sizes[i]);
        text[0] = text[sizes[i] + 1] = '"';
        text[sizes[i] + 2] = '\0';
        expect_latest(writer, text);
        free(text);
    }
    writer_destroy(writer);
}

Test(writer, values_stand_one_after_the_other)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    for (int i = 0; i < 100000; i++) {
        writer_begin(writer);
        mf_put_int(&writer->face, i % 100);
        cr_assert(eq(int, writer_end(writer, NULL), STATUS_OK));
    }
    cr_assert(eq(sz, writer_size(writer), 100000));
    for (size_t i = 0; i < 100000; i++) {
        cr_assert(eq(u8, writer->data[i], (uint8_t)(i % 100)));
    }
    const size_t capacity = writer->capacity;
    writer_clear(writer);
    cr_expect(eq(sz, writer_size(writer), 0));
    cr_expect(eq(sz, writer->capacity, capacity));
    writer_destroy(writer);
}

Test(writer, containers_nest)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_begin_map(out);
    mf_put_key(out, "a");
    mf_begin_list(out);
    mf_put_int(out, 1);
    mf_begin_list(out);
    mf_end_list(out);
    mf_begin_map(out);
    mf_put_key(out, "x");
    mf_put_null(out);
    mf_end_map(out);
    mf_put_str(out, "z");
    mf_end_list(out);
    mf_put_key(out, "b");
    mf_put_float(out, 1);
    mf_end_map(out);
    expect_latest(writer, "{\"a\":[1,[],{\"x\":null},\"z\"],\"b\":1.0}");
    writer_destroy(writer);
}

Test(writer, whole_values_are_put_at_any_place)
{
    struct arena arena = {0};
    const char json[] = "{\"a\":[1,2.5,\"x\"],\"b\":{\"c\":null,\"d\":[]}}";
    const mf_value value = from_json(&arena, json);
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_value(out, &value);
    expect_latest(writer, json);
    writer_begin(writer);
    mf_begin_list(out);
    mf_put_value(out, mf_field(&value, "b"));
    mf_put_value(out, mf_field(&value, "not_there"));
    mf_end_list(out);
    expect_latest(writer, "[{\"c\":null,\"d\":[]},null]");
    writer_destroy(writer);
    arena_free(&arena);
}

static void expect_bytes(const struct writer *writer, const char *bytes, size_t size)
{
    const size_t found_size = writer_size(writer) - writer->value_start;
    cr_assert(ge(sz, found_size, size));
    cr_expect(eq(int, memcmp(writer->data + writer->value_start, bytes, size), 0));
}

Test(writer, the_header_of_a_list_is_the_shortest_for_its_count)
{
    static const struct {
        unsigned count;
        const char *header;
        size_t header_size;
    } cases[] = {{0, "\x90", 1},
                 {1, "\x91", 1},
                 {15, "\x9f", 1},
                 {16, "\xdc\x00\x10", 3},
                 {65535, "\xdc\xff\xff", 3},
                 {65536, "\xdd\x00\x01\x00\x00", 5}};
    struct writer *writer = writer_fine(SIZE_MAX);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        writer_begin(writer);
        mf_begin_list(&writer->face);
        for (unsigned k = 0; k < cases[i].count; k++) {
            mf_put_int(&writer->face, k % 128);
        }
        mf_end_list(&writer->face);
        end_fine(writer);
        expect_bytes(writer, cases[i].header, cases[i].header_size);
        const size_t size = writer_size(writer) - writer->value_start;
        cr_expect(eq(sz, size, cases[i].header_size + cases[i].count));
        size_t used = 0;
        cr_expect(eq(int, value_skip(writer->data + writer->value_start, size, &used), STATUS_OK));
        cr_expect(eq(sz, used, size));
        if (cases[i].count > 0) {
            cr_expect(eq(u8, writer->data[writer_size(writer) - 1],
                         (uint8_t)((cases[i].count - 1) % 128)));
        }
    }
    writer_destroy(writer);
}

Test(writer, the_header_of_a_map_is_the_shortest_for_its_count)
{
    static const struct {
        unsigned count;
        const char *header;
        size_t header_size;
    } cases[] = {
        {0, "\x80", 1}, {15, "\x8f", 1}, {16, "\xde\x00\x10", 3}, {8000, "\xde\x1f\x40", 3}};
    struct writer *writer = writer_fine(SIZE_MAX);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        writer_begin(writer);
        mf_begin_map(&writer->face);
        for (unsigned k = 0; k < cases[i].count; k++) {
            char key[16];
            (void)snprintf(key, sizeof(key), "k%04u", k);
            mf_put_key(&writer->face, key);
            mf_put_bool(&writer->face, true);
        }
        mf_end_map(&writer->face);
        end_fine(writer);
        expect_bytes(writer, cases[i].header, cases[i].header_size);
        cr_expect(eq(sz, writer_size(writer) - writer->value_start,
                     cases[i].header_size + (size_t)7 * cases[i].count));
        free(latest_json(writer));
    }
    writer_destroy(writer);
}

Test(writer, a_container_with_much_content_keeps_a_long_header)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    char *text = malloc(70000);
    cr_assert(ne(ptr, text, NULL));
    memset(text, 'x', 70000);
    for (int is_map = 0; is_map <= 1; is_map++) {
        writer_begin(writer);
        if (is_map) {
            mf_begin_map(out);
            mf_put_key(out, "k");
        } else {
            mf_begin_list(out);
        }
        mf_put_text(out, text, 70000);
        if (is_map) {
            mf_end_map(out);
        } else {
            mf_end_list(out);
        }
        end_fine(writer);
        expect_bytes(writer, is_map ? "\xdf\x00\x00\x00\x01" : "\xdd\x00\x00\x00\x01", 5);
        free(latest_json(writer));
    }
    free(text);
    writer_destroy(writer);
}

static void put_nested(mf_writer *out, unsigned depth, bool is_map)
{
    for (unsigned i = 0; i < depth; i++) {
        if (is_map) {
            mf_begin_map(out);
            mf_put_key(out, "k");
        } else {
            mf_begin_list(out);
        }
    }
    mf_put_int(out, 1);
    for (unsigned i = 0; i < depth; i++) {
        if (is_map) {
            mf_end_map(out);
        } else {
            mf_end_list(out);
        }
    }
}

Test(writer, containers_nest_up_to_the_limit_and_no_deeper)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    for (int is_map = 0; is_map <= 1; is_map++) {
        writer_begin(writer);
        put_nested(&writer->face, VALUE_DEPTH_MAX, is_map);
        end_fine(writer);
        free(latest_json(writer));
        writer_begin(writer);
        put_nested(&writer->face, VALUE_DEPTH_MAX + 1, is_map);
        expect_end_fails(writer, STATUS_INVALID, "the output nests more than 64 deep");
    }
    writer_destroy(writer);
}

Test(writer, a_whole_value_counts_with_the_depth_around_it)
{
    struct arena arena = {0};
    const mf_value value = from_json(&arena, "[[1]]");
    struct writer *writer = writer_fine(SIZE_MAX);
    for (unsigned depth = VALUE_DEPTH_MAX - 2; depth <= VALUE_DEPTH_MAX - 1; depth++) {
        writer_begin(writer);
        for (unsigned i = 0; i < depth; i++) {
            mf_begin_list(&writer->face);
        }
        mf_put_value(&writer->face, &value);
        for (unsigned i = 0; i < depth; i++) {
            mf_end_list(&writer->face);
        }
        if (depth == VALUE_DEPTH_MAX - 2) {
            end_fine(writer);
            free(latest_json(writer));
        } else {
            expect_end_fails(writer, STATUS_INVALID, "the output nests more than 64 deep");
        }
    }
    writer_destroy(writer);
    arena_free(&arena);
}
