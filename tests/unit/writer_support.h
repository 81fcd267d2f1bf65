/* writer_support.h - what the tests of the writer share: one that must work, and what it holds.
 */
#ifndef TESTS_UNIT_WRITER_SUPPORT_H
#define TESTS_UNIT_WRITER_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/value.h"
#include "shared/writer.h"

#define UNUSED __attribute__((unused))

#define EXPECT_STR(found, expected)                                                                \
    cr_expect(strcmp((found), (expected)) == 0, "expected \"%s\", found \"%s\"", (expected),       \
              (found))

UNUSED static struct writer *writer_fine(size_t size_max)
{
    struct writer *writer = NULL;
    cr_assert(eq(int, writer_create(size_max, &writer), STATUS_OK));
    writer_begin(writer);
    return writer;
}

UNUSED static void expect_end_fails(struct writer *writer, enum status expected, const char *text)
{
    struct error err = {""};
    const size_t start = writer->value_start;
    cr_expect(eq(int, writer_end(writer, &err), (int)expected));
    EXPECT_STR(err.text, text);
    cr_expect(eq(sz, writer_size(writer), start));
    cr_expect(eq(sz, writer->file_count, 0));
}

UNUSED static void end_fine(struct writer *writer)
{
    struct error err = {""};
    cr_assert(eq(int, writer_end(writer, &err), STATUS_OK), "%s", err.text);
}

/* The latest value as JSON, which must be all that it holds. */
UNUSED static char *latest_json(const struct writer *writer)
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

UNUSED static void expect_latest(struct writer *writer, const char *expected)
{
    end_fine(writer);
    char *json = latest_json(writer);
    EXPECT_STR(json, expected);
    free(json);
}

UNUSED static mf_value from_json(struct arena *arena, const char *json)
{
    mf_value value = value_null();
    struct error err = {""};
    cr_assert(eq(int, value_from_json(arena, json, strlen(json), &value, &err), STATUS_OK), "%s",
              err.text);
    return value;
}

#endif
