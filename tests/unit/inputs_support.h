/* inputs_support.h - what the tests of inputs share: files in a folder of the test's own, lists
 * opened from them, and their elements as JSON.
 *
 * Each Criterion test is a process of its own, so that one folder a process is one a test. */
#ifndef TESTS_UNIT_INPUTS_SUPPORT_H
#define TESTS_UNIT_INPUTS_SUPPORT_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/inputs.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/value.h"

#define UNUSED __attribute__((unused))

static char folder[64]; /* absolute */

static void folder_create(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/mapfleet-inputs-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(folder), NULL));
}

static void folder_remove(void)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert(eq(int, system(command), 0));
}

/* A text to compare with, or a path; valid until the next call. */
__attribute__((format(printf, 1, 2))) static const char *printed(const char *format, ...)
{
    static char text[4096];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cr_assert(lt(sz, (size_t)size, sizeof(text)));
    return text;
}

static const char *in_folder(const char *name)
{
    return printed("%s/%s", folder, name);
}

static void write_bytes(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(in_folder(name), "w");
    cr_assert(ne(ptr, file, NULL));
    cr_assert(eq(sz, fwrite(data, 1, size, file), size));
    cr_assert(eq(int, fclose(file), 0));
}

UNUSED static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

UNUSED static struct inputs_source file_source(const char *path)
{
    return (struct inputs_source){.kind = INPUTS_FILE, .path = path, .launch_dir = folder};
}

static enum status open_as(const struct inputs_source *source, const char *type_text,
                           struct inputs **inputs_out, struct error *err)
{
    struct type *type = NULL;
    cr_assert(eq(int, type_parse(type_text, &type, NULL), STATUS_OK));
    const enum status status = inputs_open(source, type, inputs_out, err);
    type_destroy(type);
    return status;
}

UNUSED static struct inputs *open_fine(const struct inputs_source *source, const char *type_text)
{
    struct inputs *inputs = NULL;
    struct error err = {.text = ""};
    const enum status status = open_as(source, type_text, &inputs, &err);
    cr_assert(eq(int, status, STATUS_OK), "refused: %s", err.text);
    return inputs;
}

/* All elements from `start`, as JSON Lines. */
UNUSED static const char *elements_json(struct inputs *inputs, uint64_t start, uint64_t count)
{
    static struct buffer json;
    struct buffer packed = {0};
    struct arena arena = {0};
    const struct span span = {.start = start, .count = count};
    struct error err = {.text = ""};
    const enum status status = inputs_pack(inputs, &span, count > 0 ? 1 : 0, &packed, &err);
    cr_assert(eq(int, status, STATUS_OK), "%s", err.text);
    buffer_clear(&json);
    size_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t used = 0;
        mf_value value;
        cr_assert(eq(int,
                     value_decode(&arena, packed.data + at, packed.size - at, &used, &value, NULL),
                     STATUS_OK));
        at += used;
        cr_assert(eq(int, value_to_json(&value, &json), STATUS_OK));
        cr_assert(eq(int, buffer_append_byte(&json, '\n'), STATUS_OK));
    }
    cr_assert(eq(sz, at, packed.size));
    cr_assert(eq(int, buffer_append_byte(&json, '\0'), STATUS_OK));
    buffer_free(&packed);
    arena_free(&arena);
    return (const char *)json.data;
}

UNUSED static void expect_text(const char *found, const char *expected)
{
    cr_expect(zero(strcmp(found, expected)), "found:\n%s\nexpected:\n%s", found, expected);
}

/* The source is accepted, and gives these elements, one a line. */
UNUSED static void expect_elements(struct inputs_source source, const char *type_text,
                                   const char *json)
{
    struct inputs *inputs = open_fine(&source, type_text);
    expect_text(elements_json(inputs, 0, inputs_count(inputs)), json);
    inputs_close(inputs);
}

UNUSED static void expect_refusal(struct inputs_source source, const char *type_text,
                                  const char *refusal)
{
    struct inputs *inputs = NULL;
    struct error err = {.text = ""};
    cr_expect(ne(int, open_as(&source, type_text, &inputs, &err), STATUS_OK));
    cr_expect(eq(ptr, inputs, NULL));
    expect_text(err.text, refusal);
}

/* The same for a file of that name, which is written first. */
UNUSED static void expect_file(const char *name, const char *text, const char *type_text,
                               const char *json)
{
    write_text(name, text);
    expect_elements(file_source(name), type_text, json);
}

UNUSED static void expect_file_refused(const char *name, const char *text, const char *type_text,
                                       const char *refusal)
{
    write_text(name, text);
    expect_refusal(file_source(name), type_text, refusal);
}

#endif
