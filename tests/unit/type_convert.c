#include "shared/type.h"

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

/* ---- Helpers -------------------------------------------------------------------------------- */

#define EXPECT_STR(found, expected)                                                                \
    cr_expect(strcmp((found), (expected)) == 0, "expected \"%s\", found \"%s\"", (expected),       \
              (found))

static struct type *parse_fine(const char *text)
{
    struct type *type = NULL;
    struct error err = {""};
    cr_assert(eq(int, type_parse(text, &type, &err), STATUS_OK), "%s: %s", text, err.text);
    return type;
}

static mf_value from_json(struct arena *arena, const char *json)
{
    mf_value value = value_null();
    struct error err = {""};
    cr_assert(eq(int, value_from_json(arena, json, strlen(json), &value, &err), STATUS_OK),
              "%s: %s", json, err.text);
    return value;
}

static void expect_json(const mf_value *value, const char *expected)
{
    struct buffer buffer = {0};
    cr_assert(eq(int, value_to_json(value, &buffer), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&buffer, 0), STATUS_OK));
    EXPECT_STR((char *)buffer.data, expected);
    buffer_free(&buffer);
}

/* Convert `value`, of which the result is to be `expected` as JSON, or the error `error`. */
static void expect_conversion(const char *type_text, const mf_value *value,
                              const struct type_conversion *conversion, const char *expected,
                              const char *error)
{
    struct arena arena = {0};
    struct type *type = parse_fine(type_text);
    struct error err = {""};
    mf_value converted = value_int(77);
    const enum status status = type_convert(type, value, conversion, &arena, &converted, &err);
    if (error == NULL) {
        cr_expect(eq(int, status, STATUS_OK), "%s: %s", type_text, err.text);
        expect_json(&converted, expected);
        cr_expect(eq(int, type_check(type, &converted, NULL), STATUS_OK));
    } else {
        cr_expect(eq(int, status, STATUS_INVALID), "%s", type_text);
        EXPECT_STR(err.text, error);
        expect_json(&converted, "77");
        cr_expect(eq(int, type_convert(type, value, conversion, &arena, &converted, NULL),
                     STATUS_INVALID));
    }
    type_destroy(type);
    arena_free(&arena);
}

static void expect_data(const char *type_text, const char *json, const char *expected,
                        const char *error)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA, .base_dir = "/"};
    struct arena arena = {0};
    const mf_value value = from_json(&arena, json);
    expect_conversion(type_text, &value, &conversion, expected, error);
    arena_free(&arena);
}

static void expect_text(const char *type_text, const char *text, const char *expected,
                        const char *error)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_TEXT, .base_dir = "/"};
    const mf_value value = value_text(MF_STR, text, (uint32_t)strlen(text));
    expect_conversion(type_text, &value, &conversion, expected, error);
}

/* A row of a table: a record of text, here written as JSON. */
static void expect_row(const char *type_text, const char *json, const char *expected,
                       const char *error)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_TEXT, .base_dir = "/"};
    struct arena arena = {0};
    const mf_value value = from_json(&arena, json);
    expect_conversion(type_text, &value, &conversion, expected, error);
    arena_free(&arena);
}

/* ---- Converting data ------------------------------------------------------------------------ */

Test(convert_data, an_int_given_for_a_float_becomes_one_at_every_depth)
{
    expect_data("float", "1", "1.0", NULL);
    expect_data("float", "1.5", "1.5", NULL);
    expect_data("float?", "-3", "-3.0", NULL);
    expect_data("list<float>", "[1, 2.5]", "[1.0,2.5]", NULL);
    expect_data("{a: map<float>}", "{\"a\": {\"x\": 2}}", "{\"a\":{\"x\":2.0}}", NULL);
    expect_data("any", "1", "1", NULL);
}

Test(convert_data, a_float_is_no_int_and_text_is_no_number)
{
    expect_data("int", "1.0", NULL, "expected int, found float 1.0");
    expect_data("int", "\"1\"", NULL, "expected int, found str \"1\"");
    expect_data("float", "\"1\"", NULL, "expected float, found str \"1\"");
    expect_data("bool", "\"true\"", NULL, "expected bool, found str \"true\"");
    expect_data("list<int>", "\"[1]\"", NULL, "expected list<int>, found str \"[1]\"");
    expect_data("int?", "\"\"", NULL, "expected int?, found str \"\"");
    expect_data("str", "1", NULL, "expected str, found int 1");
    expect_data("{a?: int}", "{\"a\": \"\"}", NULL, "at .a: expected int, found str \"\"");
}

Test(convert_data, fields_keep_the_order_in_which_they_were_given)
{
    expect_data("{a: int, b?: float, c: any}", "{\"c\": [1], \"b\": 2, \"a\": 3}",
                "{\"c\":[1],\"b\":2.0,\"a\":3}", NULL);
    expect_data("{a: int, b?: float}", "{\"a\": 3}", "{\"a\":3}", NULL);
}

Test(convert_data, fields_that_are_missing_or_unknown_are_refused)
{
    expect_data("{a: int}", "{}", NULL, "at .a: expected int, found nothing");
    expect_data("{a: int}", "{\"a\": 1, \"b\": 1}", NULL,
                "at .b: found a field that {a: int} does not have");
    expect_data("list<{a: int}>", "[{\"a\": 1}, {\"a\": 1.5}]", NULL,
                "at [1].a: expected int, found float 1.5");
    expect_data("map<int>", "{\"a\": null}", NULL, "at .a: expected int, found null");
}

Test(convert_data, bytes_are_read_as_json_writes_them)
{
    expect_data("bytes", "{\"base64\": \"\"}", "{\"base64\":\"\"}", NULL);
    expect_data("bytes", "{\"base64\": \"AAEC/w==\"}", "{\"base64\":\"AAEC/w==\"}", NULL);
    expect_data("bytes", "{\"base64\": \"AAE=\"}", "{\"base64\":\"AAE=\"}", NULL);
    expect_data("bytes", "{\"base64\": \"AAEC\"}", "{\"base64\":\"AAEC\"}", NULL);
    expect_data("any", "{\"base64\": \"AA==\"}", "{\"base64\":\"AA==\"}", NULL);
    static const char *const bad[] = {"A",    "AA",   "AAA",  "AA=A", "=AAA",   "A===",
                                      "====", "AB==", "AAB=", "AA-_", "AA\\n=", "AA==AAAA"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"base64\": \"%s\"}", bad[i]);
        expect_data("bytes", json, NULL, "expected bytes, found text that is no base64");
    }
    expect_data("bytes", "{\"base64\": 1}", NULL, "expected bytes, found map of 1");
    expect_data("bytes", "{\"base64\": \"\", \"x\": 1}", NULL, "expected bytes, found map of 2");
    expect_data("bytes", "\"AA==\"", NULL, "expected bytes, found str \"AA==\"");
}

/* ---- Converting text ------------------------------------------------------------------------ */

Test(convert_text, is_read_as_the_declared_scalar)
{
    expect_text("int", "5", "5", NULL);
    expect_text("int", "+007", "7", NULL);
    expect_text("int", "-9223372036854775808", "-9223372036854775808", NULL);
    expect_text("float", "1", "1.0", NULL);
    expect_text("float", "-1.5e-3", "-0.0015", NULL);
    expect_text("bool", "true", "true", NULL);
    expect_text("bool", "false", "false", NULL);
    expect_text("str", "5", "\"5\"", NULL);
    expect_text("str", "", "\"\"", NULL);
    expect_text("any", "5", "\"5\"", NULL);
    expect_text("any", "", "\"\"", NULL);
    expect_text("bytes", "abc", "{\"base64\":\"YWJj\"}", NULL);
}

Test(convert_text, that_is_no_such_scalar_is_refused)
{
    expect_text("int", "", NULL, "expected int, found str \"\"");
    expect_text("int", " 5", NULL, "expected int, found str \" 5\"");
    expect_text("int", "5 ", NULL, "expected int, found str \"5 \"");
    expect_text("int", "5.0", NULL, "expected int, found str \"5.0\"");
    expect_text("int", "1e3", NULL, "expected int, found str \"1e3\"");
    expect_text("int", "0x10", NULL, "expected int, found str \"0x10\"");
    expect_text("int", "9223372036854775808", NULL,
                "expected int, found str \"9223372036854775808\", which is outside of 64 bits");
    expect_text("float", "nan", NULL, "expected float, found str \"nan\"");
    expect_text("float", "inf", NULL, "expected float, found str \"inf\"");
    expect_text("float", "1e999", NULL,
                "expected float, found str \"1e999\", which is outside of 64 bits");
    expect_text("float", "1,5", NULL, "expected float, found str \"1,5\"");
    expect_text("bool", "True", NULL, "expected bool, found str \"True\"");
    expect_text("bool", "1", NULL, "expected bool, found str \"1\"");
    expect_text("bool", "", NULL, "expected bool, found str \"\"");
    expect_text("null", "null", NULL, "expected null, found str \"null\"");
}

Test(convert_text, that_is_empty_is_null_where_null_is_allowed)
{
    expect_text("int?", "", "null", NULL);
    expect_text("int?", "5", "5", NULL);
    expect_text("str?", "", "null", NULL);
    expect_text("str?", "a", "\"a\"", NULL);
    expect_text("list<int>?", "", "null", NULL);
    expect_text("file?", "", "null", NULL);
    expect_text("null", "", "null", NULL);
    expect_text("int?", "null", NULL, "expected int?, found str \"null\"");
}

Test(convert_text, of_composite_types_is_json_and_data_within)
{
    expect_text("list<float>", "[1, 2.5]", "[1.0,2.5]", NULL);
    expect_text("map<int>", "{\"a\": 1}", "{\"a\":1}", NULL);
    expect_text("{a: int, b?: str}", "{\"a\": 1}", "{\"a\":1}", NULL);
    expect_text("list<any>", "[1, \"1\"]", "[1,\"1\"]", NULL);
    expect_text("list<int>?", "null", "null", NULL);
    expect_text("list<int>", "[\"1\"]", NULL, "at [0]: expected int, found str \"1\"");
    expect_text("list<int>", "5", NULL, "expected list<int>, found int 5");
    expect_text(
        "list<int>", "[1,", NULL,
        "expected list as JSON, found str \"[1,\" (line 1, column 3: ']' expected near end of "
        "file)");
    expect_text("{a: int}", "{\"a\":1,\"a\":2}", NULL,
                "expected record as JSON, found str \"{\"a\":1,\"a\":2}\" (line 1, column 10: "
                "duplicate object key near '\"a\"')");
}

Test(convert_text, of_a_row_is_read_field_by_field)
{
    expect_row("{n: int, x: float, ok: bool, name: str}",
               "{\"n\": \"1\", \"x\": \"2\", \"ok\": \"true\", \"name\": \"3\"}",
               "{\"n\":1,\"x\":2.0,\"ok\":true,\"name\":\"3\"}", NULL);
    expect_row("{a: list<int>}", "{\"a\": \"[1,2]\"}", "{\"a\":[1,2]}", NULL);
    expect_row("list<int>", "[\"1\", \"-2\"]", "[1,-2]", NULL);
    expect_row("map<int>", "{\"a\": \"1\"}", "{\"a\":1}", NULL);
    expect_row("any", "{\"a\": \"1\"}", "{\"a\":\"1\"}", NULL);
    expect_row("{n: int}", "{\"n\": \"x\"}", NULL, "at .n: expected int, found str \"x\"");
    expect_row("{n: int}", "{\"n\": \"1\", \"m\": \"2\"}", NULL,
               "at .m: found a field that {n: int} does not have");
    expect_row("int", "{\"n\": \"1\"}", NULL, "expected int, found map of 1");
    expect_row("{a: list<int>}", "{\"a\": \"[x]\"}", NULL,
               "at .a: expected list as JSON, found str \"[x]\" (line 1, column 2: invalid token "
               "near 'x')");
}

Test(convert_text, values_that_are_no_text_are_taken_as_data)
{
    expect_row("{n: int, x: float}", "{\"n\": 1, \"x\": 2}", "{\"n\":1,\"x\":2.0}", NULL);
    expect_row("{n: int}", "{\"n\": 1.5}", NULL, "at .n: expected int, found float 1.5");
}

Test(convert_text, an_empty_field_that_may_be_missing_is_left_out)
{
    expect_row("{a: int, b?: int}", "{\"a\": \"1\", \"b\": \"\"}", "{\"a\":1}", NULL);
    expect_row("{a?: file, b?: int}", "{\"a\": \"\", \"b\": \"2\"}", "{\"b\":2}", NULL);
    expect_row("{b?: str}", "{\"b\": \"\"}", "{\"b\":\"\"}", NULL);
    expect_row("{b?: any}", "{\"b\": \"\"}", "{\"b\":\"\"}", NULL);
    expect_row("{b?: int?}", "{\"b\": \"\"}", "{\"b\":null}", NULL);
    expect_row("{b: int?}", "{\"b\": \"\"}", "{\"b\":null}", NULL);
    expect_row("{b: int}", "{\"b\": \"\"}", NULL, "at .b: expected int, found str \"\"");
}

/* ---- Converting paths ----------------------------------------------------------------------- */

struct folder {
    char path[PATH_MAX / 4];
    char text[PATH_MAX]; /* of the latest path in it */
};

static const char *in_folder(struct folder *folder, const char *name)
{
    (void)snprintf(folder->text, sizeof(folder->text), "%s/%s", folder->path, name);
    return folder->text;
}

static void make_file(struct folder *folder, const char *name)
{
    FILE *file = fopen(in_folder(folder, name), "w");
    cr_assert(file != NULL);
    cr_assert(eq(int, fclose(file), 0));
}

/* FOLDER: a.txt, sub/b.txt, far/deep, link -> far/deep, file_link -> a.txt */
static void make_folder(struct folder *folder)
{
    char made[] = "/tmp/mapfleet_type_XXXXXX";
    cr_assert(mkdtemp(made) != NULL);
    cr_assert(realpath(made, folder->text) != NULL);
    (void)snprintf(folder->path, sizeof(folder->path), "%.1000s", folder->text);
    make_file(folder, "a.txt");
    cr_assert(eq(int, mkdir(in_folder(folder, "sub"), 0700), 0));
    make_file(folder, "sub/b.txt");
    cr_assert(eq(int, mkdir(in_folder(folder, "far"), 0700), 0));
    cr_assert(eq(int, mkdir(in_folder(folder, "far/deep"), 0700), 0));
    cr_assert(eq(int, symlink("far/deep", in_folder(folder, "link")), 0));
    cr_assert(eq(int, symlink("a.txt", in_folder(folder, "file_link")), 0));
}

static void remove_folder(struct folder *folder)
{
    static const char *const names[] = {"a.txt", "sub/b.txt", "sub",       "far/deep",
                                        "far",   "link",      "file_link", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect(eq(int, remove(in_folder(folder, names[i])), 0), "%s", names[i]);
    }
}

/* `expected` is a path within the folder; `error` has a %s where the folder stands. */
static void expect_path(struct folder *folder, const char *type_text, const char *path,
                        const char *expected, const char *error)
{
    char json[PATH_MAX];
    char error_text[PATH_MAX] = "";
    (void)snprintf(json, sizeof(json), "\"%s%s%s\"", folder->path, *expected ? "/" : "", expected);
    if (error != NULL) {
        const char *at = strstr(error, "%s");
        (void)snprintf(error_text, sizeof(error_text), "%.*s%s%s",
                       at == NULL ? (int)strlen(error) : (int)(at - error), error,
                       at == NULL ? "" : folder->path, at == NULL ? "" : at + 2);
    }
    const mf_value value = value_text(MF_STR, path, (uint32_t)strlen(path));
    for (int origin = TYPE_ORIGIN_DATA; origin <= TYPE_ORIGIN_TEXT; origin++) {
        const struct type_conversion conversion = {.origin = (enum type_origin)origin,
                                                   .base_dir = folder->path};
        expect_conversion(type_text, &value, &conversion, json, error == NULL ? NULL : error_text);
    }
}

Test(convert_path, becomes_absolute_and_normalised)
{
    struct folder folder;
    make_folder(&folder);
    expect_path(&folder, "file", "a.txt", "a.txt", NULL);
    expect_path(&folder, "file?", "./sub//./b.txt", "sub/b.txt", NULL);
    expect_path(&folder, "file", "sub/../a.txt", "a.txt", NULL);
    expect_path(&folder, "dir", "sub", "sub", NULL);
    expect_path(&folder, "dir", "sub/", "sub", NULL);
    expect_path(&folder, "dir", ".", "", NULL);
    expect_path(&folder, "dir", "sub/..", "", NULL);
    char absolute[PATH_MAX];
    (void)snprintf(absolute, sizeof(absolute), "/..//%s/./sub/b.txt", folder.path);
    expect_path(&folder, "file", absolute, "sub/b.txt", NULL);
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA, .base_dir = "/tmp"};
    const mf_value root = value_text(MF_STR, "../..", 5);
    expect_conversion("dir", &root, &conversion, "\"/\"", NULL);
    remove_folder(&folder);
}

Test(convert_path, symbolic_links_stay_unless_the_way_leads_up_out_of_one)
{
    struct folder folder;
    make_folder(&folder);
    expect_path(&folder, "file", "file_link", "file_link", NULL);
    expect_path(&folder, "dir", "link", "link", NULL);
    expect_path(&folder, "dir", "link/.", "link", NULL);
    expect_path(&folder, "dir", "link/..", "far", NULL);
    expect_path(&folder, "file", "link/../../a.txt", "a.txt", NULL);
    remove_folder(&folder);
}

Test(convert_path, must_name_what_exists_and_is_of_the_kind)
{
    struct folder folder;
    make_folder(&folder);
    expect_path(&folder, "file", "none", "",
                "expected file, but %s/none: No such file or directory");
    expect_path(&folder, "dir", "none", "", "expected dir, but %s/none: No such file or directory");
    expect_path(&folder, "file", "none/../a.txt", "",
                "expected file, but %s/none/../a.txt: No such file or directory");
    expect_path(&folder, "file", "a.txt/", "", "expected file, but %s/a.txt/: Not a directory");
    expect_path(&folder, "file", "sub", "", "expected file, but %s/sub is no regular file");
    expect_path(&folder, "dir", "a.txt", "", "expected dir, but %s/a.txt is no folder");
    expect_path(&folder, "file", "", "", "expected file, but the path is empty");
    expect_path(&folder, "file", "/dev/null", "",
                "expected file, but /dev/null is no regular file");
    remove_folder(&folder);
}

Test(convert_path, a_file_that_cannot_be_read_is_refused)
{
    struct folder folder;
    make_folder(&folder);
    cr_assert(eq(int, chmod(in_folder(&folder, "a.txt"), 0), 0));
    if (access(in_folder(&folder, "a.txt"), R_OK) != 0) { /* root reads everything */
        expect_path(&folder, "file", "a.txt", "", "expected file, but %s/a.txt cannot be read");
    }
    remove_folder(&folder);
}

Test(convert_path, the_place_within_the_value_is_named)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA, .base_dir = "/tmp"};
    struct arena arena = {0};
    mf_value value = from_json(&arena, "{\"images\": [\"/\", \"/no_such_place\"]}");
    expect_conversion("{images: list<dir>}", &value, &conversion, NULL,
                      "at .images[1]: expected dir, but /no_such_place: No such file or directory");
    value = from_json(&arena, "[1]");
    expect_conversion("list<file>", &value, &conversion, NULL,
                      "at [0]: expected file, found int 1");
    arena_free(&arena);
}

Test(convert_path, a_path_with_a_nul_or_too_long_is_refused)
{
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA, .base_dir = "/"};
    const mf_value with_nul = value_text(MF_STR, "tmp\0x", 5);
    expect_conversion("dir", &with_nul, &conversion, NULL, "expected dir, found a path with a NUL");
    char text[2 * PATH_MAX];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    const mf_value too_long = value_text(MF_STR, text, sizeof(text) - 1);
    expect_conversion("file", &too_long, &conversion, NULL,
                      "expected file, but "
                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: "
                      "the path is too long");
}

Test(convert_path, urls_stay_as_they_are)
{
    expect_data("file", "\"https://example.org/a/../b\"", "\"https://example.org/a/../b\"", NULL);
    cr_assert(eq(int, setenv("AWS_ACCESS_KEY_ID", "id", 1), 0));
    cr_assert(eq(int, setenv("AWS_SECRET_ACCESS_KEY", "secret", 1), 0));
    expect_text("dir", "s3://bucket", "\"s3://bucket\"", NULL);
    expect_data("str", "\"git+ssh://x\"", "\"git+ssh://x\"", NULL);
    expect_data("file", "\"1s3://bucket\"", NULL,
                "expected file, but /1s3://bucket: No such file or directory");
    expect_data("file", "\"://bucket\"", NULL,
                "expected file, but /://bucket: No such file or directory");
    expect_data("file", "\"https:/x\"", NULL,
                "expected file, but /https:/x: No such file or directory");
}

Test(convert_path, what_cannot_be_fetched_is_refused)
{
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)unsetenv("AWS_SECRET_ACCESS_KEY");
    expect_data("{a: list<file>}", "{\"a\": [\"http://host/x\", \"git+ssh://x\"]}", NULL,
                "at .a[1]: git+ssh://x: the scheme \"git+ssh\" is not supported: expected http, "
                "https, s3 or a path");
    expect_data("dir", "\"http://host/x\"", NULL,
                "http://host/x: a dir cannot be fetched by http: expected s3://BUCKET/PREFIX or a "
                "path");
    expect_data("file", "\"s3://bucket/x\"", NULL,
                "no credentials for s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set in "
                "the environment (files below ~/.aws are not read)");
}

Test(convert_path, text_of_any_is_no_path)
{
    expect_data("any", "\"./a\"", "\"./a\"", NULL);
    expect_data("str", "\"./a\"", "\"./a\"", NULL);
}
