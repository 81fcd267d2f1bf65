#include "shared/writer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

#define EXPECT_STR(found, expected)                                                                \
    cr_expect(strcmp((found), (expected)) == 0, "expected \"%s\", found \"%s\"", (expected),       \
              (found))

static struct writer *writer_fine(size_t size_max)
{
    struct writer *writer = NULL;
    cr_assert(eq(int, writer_create(size_max, &writer), STATUS_OK));
    writer_begin(writer);
    return writer;
}

static void expect_end_fails(struct writer *writer, enum status expected, const char *text)
{
    struct error err = {""};
    const size_t start = writer->value_start;
    cr_expect(eq(int, writer_end(writer, &err), (int)expected));
    EXPECT_STR(err.text, text);
    cr_expect(eq(sz, writer_size(writer), start));
    cr_expect(eq(sz, writer->file_count, 0));
}

static void end_fine(struct writer *writer)
{
    struct error err = {""};
    cr_assert(eq(int, writer_end(writer, &err), STATUS_OK), "%s", err.text);
}

/* The latest value as JSON, which must be all that it holds. */
static char *latest_json(const struct writer *writer)
{
    struct arena arena = {0};
    struct buffer json = {0};
    mf_value value;
    size_t used = 0;
    struct error err = {""};
    const size_t size = writer_size(writer) - writer->value_start;
    cr_assert(
        eq(int, value_decode(&arena, writer->data + writer->value_start, size, &used, &value, &err),
           STATUS_OK),
        "%s", err.text);
    cr_assert(eq(sz, used, size));
    cr_assert(eq(int, value_to_json(&value, &json), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&json, 0), STATUS_OK));
    arena_free(&arena);
    return (char *)json.data;
}

static void expect_latest(struct writer *writer, const char *expected)
{
    end_fine(writer);
    char *json = latest_json(writer);
    EXPECT_STR(json, expected);
    free(json);
}

static mf_value from_json(struct arena *arena, const char *json)
{
    mf_value value = value_null();
    struct error err = {""};
    cr_assert(eq(int, value_from_json(arena, json, strlen(json), &value, &err), STATUS_OK), "%s",
              err.text);
    return value;
}

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

/* ---- Failures ------------------------------------------------------------------------------- */

Test(writer_failure, no_output_and_more_than_one_are_told_apart)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    expect_end_fails(writer, STATUS_NOT_FOUND, "no output was written");
    writer_begin(writer);
    mf_put_int(&writer->face, 1);
    mf_put_int(&writer->face, 2);
    expect_end_fails(writer, STATUS_INVALID, "2 outputs were written, expected one");
    writer_begin(writer);
    mf_put_int(&writer->face, 3);
    expect_latest(writer, "3");
    writer_destroy(writer);
}

Test(writer_failure, a_container_left_open_is_refused)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_begin_list(&writer->face);
    mf_begin_list(&writer->face);
    mf_put_int(&writer->face, 1);
    expect_end_fails(writer, STATUS_INVALID, "2 lists or maps of the output were not ended");
    writer_begin(writer);
    mf_begin_list(&writer->face);
    expect_end_fails(writer, STATUS_INVALID, "1 lists or maps of the output were not ended");
    writer_destroy(writer);
}

Test(writer_failure, an_end_must_match_its_begin)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_end_list(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_list() without its begin");
    writer_begin(writer);
    mf_begin_list(out);
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_map() where a list is open");
    writer_begin(writer);
    mf_begin_map(out);
    mf_end_list(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_list() where a map is open");
    writer_begin(writer);
    mf_put_int(out, 1);
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "mf_end_map() without its begin");
    writer_destroy(writer);
}

Test(writer_failure, keys_and_values_of_a_map_must_alternate)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_key(out, "a");
    expect_end_fails(writer, STATUS_INVALID, "the key \"a\" was put outside of a map");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_key(out, "x");
    mf_begin_list(out);
    mf_put_key(out, "a");
    expect_end_fails(writer, STATUS_INVALID, "the key \"a\" was put outside of a map");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_key(out, "a");
    mf_put_key(out, "b");
    expect_end_fails(writer, STATUS_INVALID, "the key \"b\" was put where a value is due");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_int(out, 1);
    mf_put_key(out, "b");
    expect_end_fails(writer, STATUS_INVALID,
                     "the key \"b\" was put where a key for the last value is due");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_key(out, "a");
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "a map with 1 keys and 0 values");

    writer_begin(writer);
    mf_begin_map(out);
    mf_put_int(out, 1);
    mf_put_int(out, 2);
    mf_end_map(out);
    expect_end_fails(writer, STATUS_INVALID, "a map with 0 keys and 2 values");
    writer_destroy(writer);
}

Test(writer_failure, text_that_is_not_utf8_is_refused)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_str(&writer->face, "a\xff");
    expect_end_fails(writer, STATUS_INVALID, "a str that is not UTF-8 was put; use mf_put_bytes()");
    writer_begin(writer);
    mf_begin_map(&writer->face);
    mf_put_key(&writer->face, "\xff");
    expect_end_fails(writer, STATUS_INVALID, "a key that is not UTF-8 was put");
    writer_destroy(writer);
}

Test(writer_failure, null_pointers_are_refused)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_str(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a str was put from NULL");
    writer_begin(writer);
    mf_put_text(out, NULL, 1);
    expect_end_fails(writer, STATUS_INVALID, "a str was put from NULL");
    writer_begin(writer);
    mf_put_bytes(out, NULL, 1);
    expect_end_fails(writer, STATUS_INVALID, "bytes were put from NULL");
    writer_begin(writer);
    mf_put_key(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a key was put from NULL");
    writer_begin(writer);
    mf_put_path(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a path was put from NULL");
    writer_begin(writer);
    mf_put_file(out, NULL);
    expect_end_fails(writer, STATUS_INVALID, "a file was put without a path");
    writer_destroy(writer);
}

Test(writer_failure, a_value_may_be_as_large_as_the_limit_and_no_larger)
{
    struct writer *writer = writer_fine(10);
    mf_writer *out = &writer->face;
    mf_put_str(out, "123456789");
    end_fine(writer);
    writer_begin(writer);
    mf_put_str(out, "1234567890");
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    writer_begin(writer);
    mf_put_bytes(out, "12345678901", 11);
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    writer_begin(writer);
    mf_begin_list(out);
    for (int i = 0; i < 9; i++) {
        mf_put_int(out, 1);
    }
    mf_end_list(out);
    end_fine(writer);
    writer_begin(writer);
    mf_begin_list(out);
    for (int i = 0; i < 10; i++) {
        mf_put_int(out, 1);
    }
    mf_end_list(out);
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    struct arena arena = {0};
    const mf_value value = from_json(&arena, "[1,2,3,4,5,6,7,8,9,0]");
    writer_begin(writer);
    mf_put_value(out, &value);
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 10 bytes");
    arena_free(&arena);
    writer_destroy(writer);
}

/* Goal: a task that writes without end is stopped at its limit, not when memory is gone. */
Test(writer_failure, a_value_that_grows_without_end_takes_no_memory_without_end)
{
    struct writer *writer = writer_fine(100000);
    mf_begin_list(&writer->face);
    for (int i = 0; i < 10000000; i++) {
        mf_put_int(&writer->face, i);
    }
    mf_end_list(&writer->face);
    cr_expect(le(sz, writer->capacity, 400000));
    expect_end_fails(writer, STATUS_LIMIT, "the output is larger than 100000 bytes");
    writer_destroy(writer);
}

Test(writer_failure, the_first_one_is_told_and_what_follows_is_dropped)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_writer *out = &writer->face;
    mf_put_str(out, "\xff");
    const size_t size = writer_size(writer);
    mf_put_int(out, 1);
    mf_put_float(out, 1);
    mf_put_bool(out, true);
    mf_put_null(out);
    mf_put_str(out, "a");
    mf_put_bytes(out, "a", 1);
    mf_begin_list(out);
    mf_end_map(out);
    mf_put_key(out, NULL);
    mf_put_file(out, "none");
    mf_put_path(out, "/none");
    const mf_value value = value_int(5);
    mf_put_value(out, &value);
    cr_expect(eq(sz, writer_size(writer), size));
    expect_end_fails(writer, STATUS_INVALID, "a str that is not UTF-8 was put; use mf_put_bytes()");
    writer_begin(writer);
    mf_put_int(out, 7);
    expect_latest(writer, "7");
    writer_destroy(writer);
}

Test(writer_failure, only_the_value_that_failed_is_taken_back)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_int(&writer->face, 1);
    end_fine(writer);
    writer_begin(writer);
    mf_put_str(&writer->face, "abc");
    mf_put_str(&writer->face, "def");
    expect_end_fails(writer, STATUS_INVALID, "2 outputs were written, expected one");
    writer_begin(writer);
    mf_put_int(&writer->face, 2);
    end_fine(writer);
    cr_assert(eq(sz, writer_size(writer), 2));
    cr_expect(eq(int, memcmp(writer->data, "\x01\x02", 2), 0));
    writer_destroy(writer);
}

Test(writer, rewind_takes_back_what_was_begun_and_its_error)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_int(&writer->face, 1);
    end_fine(writer);
    writer_begin(writer);
    mf_begin_map(&writer->face);
    mf_put_key(&writer->face, "\xff");
    writer_rewind(writer);
    cr_expect(eq(sz, writer_size(writer), 1));
    mf_put_int(&writer->face, 2);
    end_fine(writer);
    cr_expect(eq(sz, writer_size(writer), 2));
    writer_destroy(writer);
}

/* ---- Files ---------------------------------------------------------------------------------- */

struct folder {
    char path[PATH_MAX / 4];
    char workdir[PATH_MAX / 2];
    char text[2 * PATH_MAX]; /* of the latest path in it */
};

static const char *in_folder(struct folder *folder, const char *name)
{
    (void)snprintf(folder->text, sizeof(folder->text), "%s/%s", folder->path, name);
    return folder->text;
}

static void make_file(struct folder *folder, const char *name)
{
    FILE *file = fopen(in_folder(folder, name), "w");
    cr_assert(file != NULL, "%s", name);
    cr_assert(eq(int, fclose(file), 0));
}

/* FOLDER: secret, work2/x, work (the working directory) with a.jpg, sub/b.tar.gz and links. */
static void make_folder(struct folder *folder)
{
    char made[] = "/tmp/mapfleet_writer_XXXXXX";
    cr_assert(mkdtemp(made) != NULL);
    cr_assert(realpath(made, folder->text) != NULL);
    (void)snprintf(folder->path, sizeof(folder->path), "%.1000s", folder->text);
    (void)snprintf(folder->workdir, sizeof(folder->workdir), "%s/work", folder->path);
    cr_assert(eq(int, mkdir(in_folder(folder, "work"), 0700), 0));
    cr_assert(eq(int, mkdir(in_folder(folder, "work2"), 0700), 0));
    cr_assert(eq(int, mkdir(in_folder(folder, "work/sub"), 0700), 0));
    make_file(folder, "secret");
    make_file(folder, "work2/x");
    make_file(folder, "work/a.jpg");
    make_file(folder, "work/sub/b.tar.gz");
    cr_assert(eq(int, symlink("../secret", in_folder(folder, "work/out")), 0));
    cr_assert(eq(int, symlink("a.jpg", in_folder(folder, "work/in.png")), 0));
    cr_assert(eq(int, symlink("..", in_folder(folder, "work/up")), 0));
}

static void remove_folder(struct folder *folder)
{
    static const char *const names[] = {
        "work/up",    "work/in.png", "work/out", "work/sub/b.tar.gz",
        "work/a.jpg", "work/sub",    "work2/x",  "secret",
        "work2",      "work",        ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect(eq(int, remove(in_folder(folder, names[i])), 0), "%s", names[i]);
    }
}

static struct writer *writer_in(const struct folder *folder)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    writer->attempt = (struct writer_attempt){
        .index = 3, .attempt = 1, .workdir = folder->workdir, .launch_dir = folder->path};
    return writer;
}

Test(writer_file, is_published_under_index_attempt_ordinal_and_its_ending)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    mf_begin_list(&writer->face);
    mf_put_file(&writer->face, "a.jpg");
    mf_put_file(&writer->face, "./sub/../sub/b.tar.gz");
    mf_end_list(&writer->face);
    expect_latest(writer, "[\"files/000003-1-1.jpg\",\"files/000003-1-2.gz\"]");
    cr_assert(eq(sz, writer->file_count, 2));
    EXPECT_STR(writer->files[0].source, in_folder(&folder, "work/a.jpg"));
    EXPECT_STR(writer->files[0].published, "files/000003-1-1.jpg");
    EXPECT_STR(writer->files[1].source, in_folder(&folder, "work/sub/b.tar.gz"));
    EXPECT_STR(writer->files[1].published, "files/000003-1-2.gz");

    writer->attempt.index = 12345678;
    writer->attempt.attempt = 0;
    writer_begin(writer);
    cr_expect(eq(sz, writer->file_count, 0));
    mf_put_file(&writer->face, in_folder(&folder, "work/a.jpg"));
    expect_latest(writer, "\"files/12345678-0-1.jpg\"");
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_file, that_is_put_twice_is_published_once)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    mf_begin_list(&writer->face);
    mf_put_file(&writer->face, "a.jpg");
    mf_put_file(&writer->face, "in.png");
    mf_end_list(&writer->face);
    expect_latest(writer, "[\"files/000003-1-1.jpg\",\"files/000003-1-1.jpg\"]");
    cr_expect(eq(sz, writer->file_count, 1));
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_file, has_an_ending_that_is_safe_and_short)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    static const struct {
        const char *name;
        const char *published;
    } cases[] = {{"plain", "\"files/000003-1-1\""},
                 {".hidden", "\"files/000003-1-1\""},
                 {"dot.", "\"files/000003-1-1.\""},
                 {"a.b c$\xc3\xa4", "\"files/000003-1-1.b_c___\""},
                 {"a.A-z_09", "\"files/000003-1-1.A-z_09\""},
                 {"a.123456789012345", "\"files/000003-1-1.123456789012345\""},
                 {"a.1234567890123456", "\"files/000003-1-1.123456789012345\""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "work/%s", cases[i].name);
        make_file(&folder, path);
        writer_begin(writer);
        mf_put_file(&writer->face, cases[i].name);
        expect_latest(writer, cases[i].published);
        cr_expect(eq(int, remove(in_folder(&folder, path)), 0));
    }
    writer_destroy(writer);
    remove_folder(&folder);
}

static void expect_file_fails(struct writer *writer, const char *path, const char *problem)
{
    char text[1024];
    (void)snprintf(text, sizeof(text), "%.500s: %s", path, problem);
    writer_begin(writer);
    mf_put_file(&writer->face, path);
    expect_end_fails(writer, STATUS_INVALID, text);
}

Test(writer_file, must_be_a_regular_file_in_the_working_directory)
{
    static const char outside[] = "the file lies outside of the working directory";
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    expect_file_fails(writer, "none", "No such file or directory");
    expect_file_fails(writer, "../secret", outside);
    expect_file_fails(writer, in_folder(&folder, "secret"), outside);
    expect_file_fails(writer, in_folder(&folder, "work2/x"), outside);
    expect_file_fails(writer, "out", outside);
    expect_file_fails(writer, "up/secret", outside);
    expect_file_fails(writer, ".", outside);
    expect_file_fails(writer, "sub", "no regular file");
    writer_begin(writer);
    mf_put_file(&writer->face, "");
    expect_end_fails(writer, STATUS_INVALID, "a file was put without a path");
    writer_begin(writer);
    mf_put_file(&writer->face, "up/work/a.jpg");
    expect_latest(writer, "\"files/000003-1-1.jpg\"");
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_file, needs_a_working_directory)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    expect_file_fails(writer, "a.jpg", "a file was put before mf_workdir() was asked for");
    writer_destroy(writer);
}

Test(writer_file, of_a_value_that_is_taken_back_is_forgotten)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    mf_put_file(&writer->face, "a.jpg");
    mf_put_int(&writer->face, 1);
    expect_end_fails(writer, STATUS_INVALID, "2 outputs were written, expected one");
    writer_begin(writer);
    mf_put_file(&writer->face, "a.jpg");
    writer_rewind(writer);
    cr_expect(eq(sz, writer->file_count, 0));
    mf_put_file(&writer->face, "a.jpg");
    end_fine(writer);
    cr_expect(eq(sz, writer->file_count, 1));
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_path, becomes_absolute_and_is_not_published)
{
    struct folder folder;
    make_folder(&folder);
    struct writer *writer = writer_in(&folder);
    char expected[2 * PATH_MAX + 4];
    mf_put_path(&writer->face, "./work2//x");
    (void)snprintf(expected, sizeof(expected), "\"%s\"", in_folder(&folder, "work2/x"));
    expect_latest(writer, expected);
    writer_begin(writer);
    mf_put_path(&writer->face, in_folder(&folder, "work2/"));
    (void)snprintf(expected, sizeof(expected), "\"%s\"", in_folder(&folder, "work2"));
    expect_latest(writer, expected);
    cr_expect(eq(sz, writer->file_count, 0));
    writer_destroy(writer);
    remove_folder(&folder);
}

Test(writer_path, must_exist_as_a_file_or_folder)
{
    struct writer *writer = writer_fine(SIZE_MAX);
    mf_put_path(&writer->face, "/no_such_place");
    expect_end_fails(writer, STATUS_INVALID, "/no_such_place: No such file or directory");
    writer_begin(writer);
    mf_put_path(&writer->face, "");
    expect_end_fails(writer, STATUS_INVALID, "the path is empty");
    writer_begin(writer);
    mf_put_path(&writer->face, "relative");
    expect_end_fails(writer, STATUS_INVALID, "relative: the path is not absolute");
    writer_begin(writer);
    mf_put_path(&writer->face, "/dev/null");
    expect_end_fails(writer, STATUS_INVALID, "/dev/null: neither a file nor a folder");
    writer_destroy(writer);
}
