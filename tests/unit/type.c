#include "shared/type.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

static void expect_parse_refused(const char *text, const char *error)
{
    struct type *type = NULL;
    struct error err = {""};
    cr_expect(eq(int, type_parse(text, &type, &err), STATUS_INVALID), "%s", text);
    EXPECT_STR(err.text, error);
    cr_expect(eq(ptr, type, NULL));
    cr_expect(eq(int, type_parse(text, &type, NULL), STATUS_INVALID), "%s", text);
}

/* The canonical text, which must parse to an equal type. */
static void expect_format(const char *text, const char *expected)
{
    struct type *type = parse_fine(text);
    struct buffer buffer = {0};
    cr_assert(eq(int, type_format(type, &buffer), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&buffer, 0), STATUS_OK));
    EXPECT_STR((char *)buffer.data, expected);
    struct type *again = parse_fine((char *)buffer.data);
    cr_expect(type_is_equal(type, again));
    buffer_free(&buffer);
    type_destroy(again);
    type_destroy(type);
}

static mf_value from_json(struct arena *arena, const char *json)
{
    mf_value value = value_null();
    struct error err = {""};
    cr_assert(eq(int, value_from_json(arena, json, strlen(json), &value, &err), STATUS_OK),
              "%s: %s", json, err.text);
    return value;
}

/* Both checks, of the tree and of its packed form; `error` is NULL where the value fits. */
static void expect_check(const char *type_text, const char *json, const char *error)
{
    struct arena arena = {0};
    struct buffer packed = {0};
    struct type *type = parse_fine(type_text);
    const mf_value value = from_json(&arena, json);
    cr_assert(eq(int, value_encode(&value, &packed), STATUS_OK));
    const enum status expected = error == NULL ? STATUS_OK : STATUS_INVALID;
    struct error err = {""};
    cr_expect(eq(int, type_check(type, &value, &err), (int)expected), "%s %s", type_text, json);
    EXPECT_STR(err.text, error == NULL ? "" : error);
    cr_expect(eq(int, type_check(type, &value, NULL), (int)expected));
    err.text[0] = '\0';
    cr_expect(
        eq(int, type_check_packed(type, packed.data, packed.size, &arena, &err), (int)expected),
        "%s %s", type_text, json);
    EXPECT_STR(err.text, error == NULL ? "" : error);
    type_destroy(type);
    buffer_free(&packed);
    arena_free(&arena);
}

#define FITS(type, json) expect_check(type, json, NULL)

/* ---- Parsing -------------------------------------------------------------------------------- */

Test(type_parse, every_kind_is_read_and_printed)
{
    static const char *const canonical[] = {"null",
                                            "bool",
                                            "int",
                                            "float",
                                            "str",
                                            "bytes",
                                            "file",
                                            "dir",
                                            "any",
                                            "{}",
                                            "int?",
                                            "list<int>",
                                            "map<str>",
                                            "list<map<list<int?>?>>?",
                                            "{a: int}",
                                            "{a: int, b?: float}",
                                            "{a: {b: {c: list<{d: any}>}}}?",
                                            "{list: int, any?: str?}",
                                            "{_a1: int, B: file}"};
    for (size_t i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++) {
        expect_format(canonical[i], canonical[i]);
    }
}

Test(type_parse, blanks_may_stand_between_tokens)
{
    expect_format("  int ", "int");
    expect_format("list < int > ?", "list<int>?");
    expect_format("{a:int,b?:float}", "{a: int, b?: float}");
    expect_format(" {\n\ta : int ,\n\tb ? : map < str >\r\n} ", "{a: int, b?: map<str>}");
    expect_format("{ }", "{}");
}

Test(type_parse, question_marks_say_no_more_than_one)
{
    expect_format("int??", "int?");
    expect_format("int? ?", "int?");
    expect_format("any?", "any");
    expect_format("null?", "null");
    expect_format("list<any?>?", "list<any>?");
}

Test(type_parse, what_is_no_type_is_refused_with_its_column)
{
    expect_parse_refused("", "column 1: expected a type, found the end");
    expect_parse_refused("  ", "column 3: expected a type, found the end");
    expect_parse_refused("integer", "column 1: expected a type, found 'integer'");
    expect_parse_refused("Int", "column 1: expected a type, found 'Int'");
    expect_parse_refused("record", "column 1: expected a type, found 'record'");
    expect_parse_refused("?", "column 1: expected a type, found '?'");
    expect_parse_refused("int float", "column 5: expected nothing more, found 'float'");
    expect_parse_refused("int,", "column 4: expected nothing more, found ','");
    expect_parse_refused("list", "column 5: expected '<', found the end");
    expect_parse_refused("list<>", "column 6: expected a type, found '>'");
    expect_parse_refused("list<int", "column 9: expected '>', found the end");
    expect_parse_refused("list<int>>", "column 10: expected nothing more, found '>'");
    expect_parse_refused("map<str, int>", "column 8: expected '>', found ','");
    expect_parse_refused("int<int>", "column 4: expected nothing more, found '<'");
    expect_parse_refused("[int]", "column 1: expected a type, found '['");
    expect_parse_refused("\xc3\xa4h", "column 1: expected a type, found '\xc3\xa4'");
}

Test(type_parse, a_record_that_is_malformed_is_refused_with_its_column)
{
    expect_parse_refused("{", "column 2: expected the name of a field, found the end");
    expect_parse_refused("{a}", "column 3: expected ':' or '?:', found '}'");
    expect_parse_refused("{a?}", "column 4: expected ':', found '}'");
    expect_parse_refused("{a??: int}", "column 4: expected ':', found '?'");
    expect_parse_refused("{a: }", "column 5: expected a type, found '}'");
    expect_parse_refused("{a: int", "column 8: expected ',' or '}', found the end");
    expect_parse_refused("{a: int b: int}", "column 9: expected ',' or '}', found 'b'");
    expect_parse_refused("{a: int,}", "column 9: expected the name of a field, found '}'");
    expect_parse_refused("{,}", "column 2: expected the name of a field, found ','");
    expect_parse_refused("{1: int}", "column 2: expected the name of a field, found '1'");
    expect_parse_refused("{a-b: int}", "column 3: expected ':' or '?:', found '-'");
    expect_parse_refused("{\"a\": int}", "column 2: expected the name of a field, found '\"'");
    expect_parse_refused("{a: int, b: str, a?: int}",
                         "column 1: the record has the field 'a' twice");
    expect_parse_refused("list<{b: {a: int, a: int}}>",
                         "column 10: the record has the field 'a' twice");
}

Test(type_parse, types_nest_as_deep_as_values_and_no_deeper)
{
    char text[8 * VALUE_DEPTH_MAX];
    for (unsigned depth = VALUE_DEPTH_MAX; depth <= VALUE_DEPTH_MAX + 1; depth++) {
        text[0] = '\0';
        for (unsigned i = 0; i < depth; i++) {
            strcat(text, "list<");
        }
        strcat(text, "int");
        memset(text + strlen(text) + 1, 0, 1);
        char *end = text + strlen(text);
        memset(end, '>', depth);
        end[depth] = '\0';
        if (depth == VALUE_DEPTH_MAX) {
            expect_format(text, text);
        } else {
            expect_parse_refused(text,
                                 "column 326: expected no more than 64 types in each other, found "
                                 "'int'");
        }
    }
}

Test(type_parse, parts_can_be_asked_for)
{
    struct type *type = parse_fine("{a: int?, b?: list<file>, c: any, d: null}?");
    cr_expect(eq(int, type_kind(type), TYPE_RECORD));
    cr_expect(type_is_optional(type));
    cr_expect(type_element(type) == NULL);
    cr_assert(eq(sz, type_field_count(type), 4));
    EXPECT_STR(type_field_name(type, 0), "a");
    cr_expect(eq(int, type_kind(type_field_type(type, 0)), TYPE_INT));
    cr_expect(type_is_optional(type_field_type(type, 0)));
    cr_expect(not(type_field_is_optional(type, 0)));
    EXPECT_STR(type_field_name(type, 1), "b");
    cr_expect(type_field_is_optional(type, 1));
    cr_expect(not(type_is_optional(type_field_type(type, 1))));
    cr_expect(eq(int, type_kind(type_element(type_field_type(type, 1))), TYPE_FILE));
    cr_expect(type_is_optional(type_field_type(type, 2)));
    cr_expect(type_is_optional(type_field_type(type, 3)));
    cr_expect(eq(sz, type_field_count(type_field_type(type, 0)), 0));
    type_destroy(type);
    type_destroy(NULL);
}

static bool are_equal(const char *a, const char *b)
{
    struct type *left = parse_fine(a);
    struct type *right = parse_fine(b);
    const bool is_equal = type_is_equal(left, right);
    cr_expect(eq(int, type_is_equal(right, left), is_equal));
    type_destroy(left);
    type_destroy(right);
    return is_equal;
}

Test(type_is_equal, holds_for_types_that_take_the_same_values)
{
    cr_expect(are_equal("list<int>", "list < int >"));
    cr_expect(are_equal("any?", "any"));
    cr_expect(are_equal("{a: int, b?: str}", "{b?: str, a: int}"));
    cr_expect(are_equal("{}", "{}"));
    cr_expect(not(are_equal("int", "float")));
    cr_expect(not(are_equal("int", "int?")));
    cr_expect(not(are_equal("list<int>", "map<int>")));
    cr_expect(not(are_equal("list<int>", "list<int?>")));
    cr_expect(not(are_equal("{a: int}", "{a?: int}")));
    cr_expect(not(are_equal("{a: int}", "{b: int}")));
    cr_expect(not(are_equal("{a: int}", "{a: int, b: int}")));
    cr_expect(not(are_equal("{a: int}", "{a: float}")));
    cr_expect(not(are_equal("file", "str")));
}

/* ---- Checking ------------------------------------------------------------------------------- */

Test(type_check, scalars_fit_their_own_type_to_the_letter)
{
    FITS("null", "null");
    FITS("bool", "true");
    FITS("bool", "false");
    FITS("int", "0");
    FITS("int", "-9223372036854775808");
    FITS("int", "9223372036854775807");
    FITS("float", "1.0");
    FITS("str", "\"abc\"");
    FITS("str", "\"\"");
    FITS("file", "\"/a\"");
    FITS("dir", "\"/a\"");
    expect_check("int", "1.0", "expected int, found float 1.0");
    expect_check("float", "1", "expected float, found int 1");
    expect_check("bool", "1", "expected bool, found int 1");
    expect_check("int", "true", "expected int, found bool true");
    expect_check("str", "null", "expected str, found null");
    expect_check("null", "0", "expected null, found int 0");
    expect_check("int", "\"5\"", "expected int, found str \"5\"");
    expect_check("file", "[]", "expected file, found list of 0");
    expect_check("bytes", "\"a\"", "expected bytes, found str \"a\"");
    expect_check("str", "{\"base64\": \"\"}", "expected str, found map of 1");
}

Test(type_check, integers_and_text_of_every_width_fit_in_packed_form)
{
    static const char *const ints[] = {"127",        "128",   "256",  "65536",  "4294967296",
                                       "-32",        "-33",   "-129", "-32769", "-2147483649",
                                       "4294967295", "65535", "255"};
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        FITS("int", ints[i]);
        FITS("any", ints[i]);
    }
    static const size_t sizes[] = {0, 31, 32, 255, 256, 65535, 65536};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *json = malloc(sizes[i] + 3);
        cr_assert(ne(ptr, json, NULL));
        memset(json, 'x', sizes[i] + 2);
        json[0] = json[sizes[i] + 1] = '"';
        json[sizes[i] + 2] = '\0';
        FITS("str", json);
        free(json);
    }
}

static void expect_packed(const char *type_text, const void *data, size_t size, const char *error)
{
    struct arena arena = {0};
    struct error err = {""};
    struct type *type = parse_fine(type_text);
    uint8_t *copy = malloc(size > 0 ? size : 1);
    cr_assert(ne(ptr, copy, NULL));
    memcpy(copy, data, size);
    cr_expect(eq(int, type_check_packed(type, copy, size, &arena, &err),
                 error == NULL ? STATUS_OK : STATUS_INVALID));
    EXPECT_STR(err.text, error == NULL ? "" : error);
    free(copy);
    type_destroy(type);
    arena_free(&arena);
}

#define PACKED(literal) (literal), sizeof(literal) - 1

Test(type_check, a_packed_value_must_fill_its_bytes_and_be_whole)
{
    expect_packed("int", PACKED("\x01\x02"), "at byte 1: expected the end, found 1 bytes more");
    expect_packed("int", PACKED(""), "at byte 0: found the end of the data, expected a value");
    expect_packed("int", PACKED("\xcd\x01"),
                  "at byte 0: found the end of the data, expected the rest of a number or count");
    expect_packed("int", PACKED("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
                  "at byte 0: found an int above 2^63 - 1, expected one of 64 bits with sign");
    expect_packed("int", PACKED("\xcf\x7f\x00\x00\x00\x00\x00\x00\x00"), NULL);
    expect_packed("float", PACKED("\xca\x3f\xc0\x00\x00"), NULL);
    expect_packed("float", PACKED("\xcb\x3f\xc0\x00\x00"),
                  "at byte 0: found the end of the data, expected the rest of a number or count");
    expect_packed("bool", PACKED("\xc3\xc3"), "at byte 1: expected the end, found 1 bytes more");
    expect_packed("null", PACKED("\xc0"), NULL);
    expect_packed("int?", PACKED("\xc0"), NULL);
    expect_packed("int", PACKED("\xc0"), "expected int, found null");
    expect_packed("str",
                  PACKED("\xa2"
                         "a"),
                  "at byte 0: found a str of 2, expected what 1 bytes can hold");
    expect_packed("str",
                  PACKED("\xa1"
                         "ab"),
                  "at byte 2: expected the end, found 1 bytes more");
    expect_packed("str", PACKED("\xdb\x00\x00"),
                  "at byte 0: found the end of the data, expected the rest of a number or count");
    expect_packed("str", PACKED("\xa1\xff"),
                  "at byte 1: found other bytes, expected a str in UTF-8");
    expect_packed("bytes", PACKED("\xc4\x01\xff"), NULL);
    expect_packed("any", PACKED("\x91\xc1"),
                  "at byte 1: found the byte 0xc1, expected null, bool, int, float, str, bytes, "
                  "list or map");
    expect_packed("list<int>", PACKED("\x92\x01\xc0"), "at [1]: expected int, found null");
}

Test(type_check, null_fits_where_the_type_says_so)
{
    FITS("int?", "null");
    FITS("int?", "5");
    FITS("any", "null");
    FITS("list<int?>", "[1, null]");
    FITS("{a: int?}", "{\"a\": null}");
    FITS("{}?", "null");
    expect_check("int", "null", "expected int, found null");
    expect_check("list<int>?", "[null]", "at [0]: expected int, found null");
    expect_check("{a?: int}", "{\"a\": null}", "at .a: expected int, found null");
    expect_check("int?", "1.5", "expected int?, found float 1.5");
}

Test(type_check, elements_of_lists_and_maps_are_checked)
{
    FITS("list<int>", "[]");
    FITS("list<int>", "[1,2,3]");
    FITS("map<float>", "{}");
    FITS("map<float>", "{\"any name\": 1.5}");
    FITS("list<any>", "[1, \"a\", [null]]");
    FITS("any", "{\"a\": [1, {\"b\": null}]}");
    expect_check("list<int>", "{}", "expected list<int>, found map of 0");
    expect_check("map<int>", "[]", "expected map<int>, found list of 0");
    expect_check("list<int>", "[1,2,\"x\"]", "at [2]: expected int, found str \"x\"");
    expect_check("map<int>", "{\"a\": 1, \"b c\": 2.0}",
                 "at [\"b c\"]: expected int, found float 2.0");
}

Test(type_check, a_record_has_the_required_fields_and_no_others)
{
    FITS("{}", "{}");
    FITS("{a: int, b?: str}", "{\"a\": 1}");
    FITS("{a: int, b?: str}", "{\"b\": \"x\", \"a\": 1}");
    expect_check("{a: int, b?: str}", "{\"b\": \"x\"}", "at .a: expected int, found nothing");
    expect_check("{a: int?}", "{}", "at .a: expected int?, found nothing");
    expect_check("{a: int, b: list<str>}", "{\"a\": 1}",
                 "at .b: expected list<str>, found nothing");
    expect_check("{a: int}", "{\"a\": 1, \"z\": 2}",
                 "at .z: found a field that {a: int} does not have");
    expect_check("{}", "{\"\": 2}", "at [\"\"]: found a field that {} does not have");
    expect_check("{a: int}", "[]", "expected {a: int}, found list of 0");
    expect_check("{a?: int}", "{\"a\": \"\"}", "at .a: expected int, found str \"\"");
}

Test(type_check, fields_are_found_in_any_order)
{
    struct buffer type = {0};
    struct buffer json = {0};
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(eq(int, buffer_printf(&type, "%sf%u: int", i ? ", " : "{", i), STATUS_OK));
        cr_assert(
            eq(int, buffer_printf(&json, "%s\"f%u\": 1", i ? ", " : "{", i * 37 % 100), STATUS_OK));
    }
    cr_assert(eq(int, buffer_append(&type, "}", 2), STATUS_OK));
    cr_assert(eq(int, buffer_append(&json, "}", 2), STATUS_OK));
    FITS((char *)type.data, (char *)json.data);
    buffer_free(&type);
    buffer_free(&json);
}

Test(type_check, the_text_of_an_error_names_the_path)
{
    expect_check("{points: list<{x: float, y: float}>}",
                 "{\"points\": [{\"x\": 1.0, \"y\": 2.0}, {\"x\": \"abc\", \"y\": 1.5}]}",
                 "at .points[1].x: expected float, found str \"abc\"");
    expect_check("list<map<list<int>>>", "[{}, {\"a-b\": [1, 2, 3.5]}]",
                 "at [1][\"a-b\"][2]: expected int, found float 3.5");
    expect_check("list<{a: int}>", "[{\"a\": 1}, {}]", "at [1].a: expected int, found nothing");
}

Test(type_check, what_was_found_is_shown_cut_and_on_one_line)
{
    expect_check("int", "\"a\\nb\\u0000c\"", "expected int, found str \"a?b?c\"");
    expect_check("int", "\"1234567890123456789012345678901234567890\"",
                 "expected int, found str \"1234567890123456789012345678901234567890\"");
    expect_check("int", "\"123456789012345678901234567890123456789\xc3\xa4\"",
                 "expected int, found str \"123456789012345678901234567890123456789\"...");
    char json[5000] = "{\"";
    memset(json + 2, 'k', 4000);
    strcpy(json + 4002, "\": 1}");
    expect_check("map<str>", json,
                 "at .kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk: expected str, found int 1");
}

Test(type_check, a_long_path_and_a_long_type_leave_room_for_the_rest)
{
    struct buffer type = {0};
    struct buffer json = {0};
    for (unsigned i = 0; i < 60; i++) {
        cr_assert(eq(int, buffer_printf(&type, "{a_rather_long_name_of_a_field: "), STATUS_OK));
        cr_assert(eq(int, buffer_printf(&json, "{\"a_rather_long_name_of_a_field\": "), STATUS_OK));
    }
    cr_assert(eq(int, buffer_printf(&type, "int"), STATUS_OK));
    cr_assert(eq(int, buffer_printf(&json, "\"x\""), STATUS_OK));
    for (unsigned i = 0; i < 60; i++) {
        cr_assert(eq(int, buffer_append_byte(&type, '}'), STATUS_OK));
        cr_assert(eq(int, buffer_append_byte(&json, '}'), STATUS_OK));
    }
    cr_assert(eq(int, buffer_append_byte(&type, 0), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&json, 0), STATUS_OK));
    struct arena arena = {0};
    struct error err = {""};
    struct type *parsed = parse_fine((char *)type.data);
    mf_value value = from_json(&arena, (char *)json.data);
    cr_expect(eq(int, type_check(parsed, &value, &err), STATUS_INVALID));
    cr_expect(strstr(err.text, ": expected int, found str \"x\"") != NULL, "%s", err.text);
    value = value_int(1);
    cr_expect(eq(int, type_check(parsed, &value, &err), STATUS_INVALID));
    cr_expect(strstr(err.text, "..., found int 1") != NULL, "%s", err.text);
    type_destroy(parsed);
    arena_free(&arena);
    buffer_free(&type);
    buffer_free(&json);
}
