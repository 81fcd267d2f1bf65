#include "shared/value.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

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

/* Read as JSON, written as JSON. */
static void expect_json_gives(const char *text, const char *expected)
{
    struct arena arena = {0};
    const mf_value value = parse_fine(&arena, text, strlen(text));
    expect_json(&value, expected);
    arena_free(&arena);
}

/* The text of the error is to begin so. */
static void expect_json_refused(const char *text, size_t size, const char *error_start)
{
    struct arena arena = {0};
    mf_value value = value_int(5);
    struct error err = {""};
    cr_expect(eq(int, value_from_json(&arena, text, size, &value, &err), STATUS_INVALID), "%s",
              text);
    cr_expect(eq(int, strncmp(err.text, error_start, strlen(error_start)), 0),
              "%s: expected \"%s\", found \"%s\"", text, error_start, err.text);
    cr_expect(eq(i64, mf_int(&value), 5));
    cr_expect(eq(int, value_from_json(&arena, text, size, &value, NULL), STATUS_INVALID));
    arena_free(&arena);
}

#define JSON_REFUSED(literal, start) expect_json_refused(literal, sizeof(literal) - 1, start)

static void expect_float_text(double real, const char *expected)
{
    char text[VALUE_FLOAT_TEXT_SIZE];
    const int size = value_float_text(real, text);
    EXPECT_STR(text, expected);
    cr_expect(eq(sz, (size_t)size, strlen(expected)));
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static mf_kind json_kind(const char *text)
{
    struct arena arena = {0};
    const mf_value value = parse_fine(&arena, text, strlen(text));
    const mf_kind kind = mf_kind_of(&value);
    arena_free(&arena);
    return kind;
}

Test(json, a_number_is_an_int_only_without_fraction_and_exponent)
{
    cr_expect(eq(int, json_kind("1"), MF_INT));
    cr_expect(eq(int, json_kind("-0"), MF_INT));
    cr_expect(eq(int, json_kind("1.0"), MF_FLOAT));
    cr_expect(eq(int, json_kind("1e2"), MF_FLOAT));
    cr_expect(eq(int, json_kind("1E+2"), MF_FLOAT));
    expect_json_gives("1", "1");
    expect_json_gives("1.0", "1.0");
    expect_json_gives("1e2", "100.0");
    expect_json_gives("-0.0", "-0.0");
    expect_json_gives("0.1", "0.1");
    expect_json_gives("12345678901234567890.0", "1.2345678901234567e+19");
}

Test(json, integers_reach_to_64_bits_and_no_further)
{
    expect_json_gives("9223372036854775807", "9223372036854775807");
    expect_json_gives("-9223372036854775808", "-9223372036854775808");
    JSON_REFUSED("9223372036854775808", "line 1, column 19: too big integer");
    JSON_REFUSED("-9223372036854775809", "line 1, column 20: too big negative integer");
    JSON_REFUSED("[1, 18446744073709551616]", "line 1, column 24: too big integer");
}

Test(json, what_json_has_no_number_for_is_refused)
{
    JSON_REFUSED("NaN", "line 1, column 3: invalid token near 'NaN'");
    JSON_REFUSED("[1,NaN]", "line 1, column 6: invalid token near 'NaN'");
    JSON_REFUSED("Infinity", "line 1, column 8: invalid token");
    JSON_REFUSED("-Infinity", "line 1, column ");
    JSON_REFUSED("1e999", "line 1, column 5: real number overflow");
    JSON_REFUSED("-1e999", "line 1, column 6: real number overflow");
    JSON_REFUSED("01", "line 1, column 1: invalid token");
    JSON_REFUSED("+1", "line 1, column 1: invalid token");
    JSON_REFUSED(".5", "line 1, column 1: invalid token");
    JSON_REFUSED("1.", "line 1, column 2: invalid token");
    JSON_REFUSED("0x10", "line 1, column 2: ");
}

Test(json, half_a_surrogate_is_refused_and_a_whole_one_is_read)
{
    expect_json_gives("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
    JSON_REFUSED("\"\\ud83d\"", "line 1, column 8: invalid Unicode");
    JSON_REFUSED("\"\\ude00\"", "line 1, column 8: invalid Unicode");
    JSON_REFUSED("\"\\ud83d\\u0041\"", "line 1, column 14: invalid Unicode");
    JSON_REFUSED("\"\\ud83dx\"", "line 1, column 9: invalid Unicode");
    JSON_REFUSED("{\"\\ud83d\": 1}", "line 1, column ");
}

Test(json, text_that_is_not_utf8_is_refused)
{
    JSON_REFUSED("\"\xff\"", "line 1, column 1: unable to decode byte 0xff");
    JSON_REFUSED("\"\xc0\xaf\"", "line 1, column 1: unable to decode byte 0xc0");
    JSON_REFUSED("\"\xed\xa0\x80\"", "line 1, column 1: unable to decode byte 0xed");
    expect_json_gives("\"\xc3\xa4\"", "\"\xc3\xa4\"");
}

Test(json, a_nul_may_stand_in_text_but_not_in_a_key)
{
    struct arena arena = {0};
    const char text[] = "\"a\\u0000b\"";
    const mf_value value = parse_fine(&arena, text, strlen(text));
    cr_expect(eq(sz, mf_size(&value), 3));
    cr_expect(eq(int, memcmp(mf_str(&value), "a\0b", 4), 0));
    expect_json(&value, "\"a\\u0000b\"");
    JSON_REFUSED("{\"a\\u0000b\": 1}", "line 1, column 11: NUL byte in object key");
    JSON_REFUSED("\"a\0b\"", "line 1, column 3: found a NUL");
    JSON_REFUSED("[1,\n2\0]", "line 2, column 2: found a NUL");
    JSON_REFUSED("1\0", "line 1, column 2: found a NUL");
    arena_free(&arena);
}

Test(json, a_doubled_key_is_refused_at_every_depth)
{
    JSON_REFUSED("{\"a\":1,\"a\":2}", "line 1, column 10: duplicate object key near '\"a\"'");
    JSON_REFUSED("[{\"b\":\n{\"a\":1,\"a\":1}}]", "line 2, column 10: duplicate object key");
    JSON_REFUSED("{\"a\":1,\"\\u0061\":2}", "line 1, column 15: duplicate object key");
    expect_json_gives("{\"a\":{\"a\":1},\"A\":2}", "{\"a\":{\"a\":1},\"A\":2}");
}

Test(json, text_behind_the_value_is_refused_with_its_place)
{
    JSON_REFUSED("1 x", "line 1, column 3: end of file expected near 'x'");
    JSON_REFUSED("{}\n[]", "line 2, column 1: end of file expected near '['");
    JSON_REFUSED("[1,\n 2,\n 3}", "line 3, column 3: ']' expected near '}'");
    JSON_REFUSED("", "line 1, column 0: ");
    JSON_REFUSED("  ", "line 1, column 2: ");
    JSON_REFUSED("[1,]", "line 1, column 4: unexpected token near ']'");
    JSON_REFUSED("{\"a\":}", "line 1, column 6: ");
    JSON_REFUSED("\"abc", "line 1, column 4: premature end of input");
    JSON_REFUSED("nul", "line 1, column 3: invalid token");
    JSON_REFUSED("'a'", "line 1, column 1: invalid token");
    JSON_REFUSED("\xef\xbb\xbf"
                 "1",
                 "line 1, column 1: ");
    expect_json_gives(" \t\r\n 1 \n", "1");
}

Test(json, keys_keep_the_order_in_which_they_were_written)
{
    expect_json_gives("{\"z\": 1, \"a\": 2, \"m\": {\"y\": [], \"b\": {}}}",
                      "{\"z\":1,\"a\":2,\"m\":{\"y\":[],\"b\":{}}}");
    struct buffer many = {0};
    cr_assert(eq(int, buffer_append_byte(&many, '{'), STATUS_OK));
    for (unsigned i = 0; i < 500; i++) {
        cr_assert(eq(int, buffer_printf(&many, "%s\"k%u\":%u", i ? "," : "", i * 7919 % 500, i),
                     STATUS_OK));
    }
    cr_assert(eq(int, buffer_append(&many, "}", 2), STATUS_OK));
    expect_json_gives((char *)many.data, (char *)many.data);
    buffer_free(&many);
}

Test(json, lists_and_maps_nest_up_to_the_limit_and_no_deeper)
{
    char text[4 * VALUE_DEPTH_MAX];
    memset(text, '[', VALUE_DEPTH_MAX);
    memset(text + VALUE_DEPTH_MAX, ']', VALUE_DEPTH_MAX);
    text[2 * VALUE_DEPTH_MAX] = '\0';
    expect_json_gives(text, text);

    const size_t deep = (size_t)VALUE_DEPTH_MAX + 1;
    const char start[] = "[\"\\\"[[\",\n";
    memcpy(text, start, sizeof(start) - 1);
    memset(text + sizeof(start) - 1, '[', deep - 1);
    memset(text + sizeof(start) - 1 + deep - 1, ']', deep);
    expect_json_refused(text, sizeof(start) - 1 + 2 * deep - 1,
                        "line 2, column 64: found more than 64 lists and maps in each other");

    char *hostile = malloc(1000000);
    cr_assert(ne(ptr, hostile, NULL));
    memset(hostile, '[', 1000000);
    expect_json_refused(hostile, 1000000, "line 1, column ");
    free(hostile);
}

Test(json, text_is_escaped_only_where_it_must_be)
{
    const mf_value value = value_text(MF_STR, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa4", 13);
    expect_json(&value, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa4\"");
    expect_json_gives("{\"a\\nb\": \"\"}", "{\"a\\nb\":\"\"}");
}

Test(json, what_json_lacks_is_written_as_null_or_base64)
{
    mf_value value = value_float(NAN);
    expect_json(&value, "null");
    value = value_float(-INFINITY);
    expect_json(&value, "null");
    static const char *const expected[] = {"", "AA==", "AAE=", "AAEC", "AAEC/w=="};
    for (uint32_t size = 0; size < 5; size++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "{\"base64\":\"%s\"}", expected[size]);
        value = value_text(MF_BYTES, "\x00\x01\x02\xff", size);
        expect_json(&value, text);
    }
}

/* ---- Numbers and text ----------------------------------------------------------------------- */

Test(float_text, is_the_shortest_that_reads_back)
{
    expect_float_text(0.1, "0.1");
    expect_float_text(1, "1.0");
    expect_float_text(0, "0.0");
    expect_float_text(-0.0, "-0.0");
    expect_float_text(100000, "100000.0");
    expect_float_text(1e-5, "1e-05");
    expect_float_text(123456789012345, "123456789012345.0");
    expect_float_text(1e16, "1e+16");
    expect_float_text(1e22, "1e+22");
    expect_float_text(1e23, "1e+23");
    expect_float_text(0.1 + 0.2, "0.30000000000000004");
    expect_float_text(2.0 / 3, "0.6666666666666666");
    expect_float_text(9007199254740993.0, "9007199254740992.0");
    expect_float_text(DBL_MAX, "1.7976931348623157e+308");
    expect_float_text(DBL_MIN, "2.2250738585072014e-308");
    expect_float_text(5e-324, "5e-324");
    expect_float_text(1e-310, "1e-310");
    expect_float_text(NAN, "nan");
    expect_float_text(-INFINITY, "-inf");
}

Test(float_text, reads_back_whatever_the_bits)
{
    uint64_t random = 88172645463325252u;
    for (unsigned round = 0; round < 20000; round++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double real = 0;
        double back = 0;
        char text[VALUE_FLOAT_TEXT_SIZE];
        memcpy(&real, &random, sizeof(real));
        if (isfinite(real)) {
            const int size = value_float_text(real, text);
            cr_assert(eq(int, value_parse_float(text, (size_t)size, &back), STATUS_OK));
            cr_assert(eq(int, memcmp(&back, &real, sizeof(real)), 0), "%s", text);
        }
    }
}

Test(float_text, has_a_point_in_a_locale_with_a_comma)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    for (size_t i = 0; i < 3 && setlocale(LC_NUMERIC, names[i]) == NULL; i++) {
    }
    if (strcmp(localeconv()->decimal_point, ",") != 0) {
        cr_skip("no locale with a comma is installed");
    }
    double real = 0;
    expect_float_text(1.5, "1.5");
    cr_expect(eq(int, value_parse_float("1.5", 3, &real), STATUS_OK));
    cr_expect(eq(dbl, real, 1.5));
    cr_expect(eq(int, value_parse_float("1,5", 3, &real), STATUS_INVALID));
    (void)setlocale(LC_NUMERIC, "C");
}

static void expect_int_text(const char *text, enum status expected_status, int64_t expected)
{
    int64_t integer = 77;
    char *copy = (char *)tight_copy((const uint8_t *)text, strlen(text));
    cr_expect(eq(int, value_parse_int(copy, strlen(text), &integer), (int)expected_status), "%s",
              text);
    cr_expect(eq(i64, integer, expected_status == STATUS_OK ? expected : 77), "%s", text);
    free(copy);
}

Test(int_text, is_digits_with_at_most_a_sign)
{
    expect_int_text("0", STATUS_OK, 0);
    expect_int_text("+7", STATUS_OK, 7);
    expect_int_text("-007", STATUS_OK, -7);
    expect_int_text("9223372036854775807", STATUS_OK, INT64_MAX);
    expect_int_text("-9223372036854775808", STATUS_OK, INT64_MIN);
    expect_int_text("9223372036854775808", STATUS_LIMIT, 0);
    expect_int_text("-9223372036854775809", STATUS_LIMIT, 0);
    expect_int_text("99999999999999999999999", STATUS_LIMIT, 0);
    static const char *const refused[] = {"",    "+",   "-",       "--1",
                                          "1.0", "1e3", " 1",      "1 ",
                                          "0x1", "1_0", "a",       "99999999999999999999a",
                                          "1\n", "+-1", "\xd9\xa1"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        expect_int_text(refused[i], STATUS_INVALID, 0);
    }
}

static void expect_real(const char *text, enum status expected_status, double expected)
{
    double real = 77;
    char *copy = (char *)tight_copy((const uint8_t *)text, strlen(text));
    cr_expect(eq(int, value_parse_float(copy, strlen(text), &real), (int)expected_status), "%s",
              text);
    cr_expect(eq(dbl, real, expected_status == STATUS_OK ? expected : 77), "%s", text);
    free(copy);
}

Test(float_text, is_read_as_decimals_with_exponent)
{
    expect_real("1", STATUS_OK, 1);
    expect_real("+1.5", STATUS_OK, 1.5);
    expect_real("-.5", STATUS_OK, -0.5);
    expect_real("5.", STATUS_OK, 5);
    expect_real("1e3", STATUS_OK, 1000);
    expect_real("1.5E-3", STATUS_OK, 0.0015);
    expect_real("1e+3", STATUS_OK, 1000);
    expect_real("1e-999", STATUS_OK, 0);
    expect_real("1e999", STATUS_LIMIT, 0);
    static const char *const refused[] = {"",    ".",     "+",   "-.",    "1e",  "1e+", "e3",
                                          ".e3", " 1",    "1 ",  "nan",   "inf", "NaN", "infinity",
                                          "0x1", "1.2.3", "1,5", "1e3.5", "--1", "1f",  "1_0"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        expect_real(refused[i], STATUS_INVALID, 0);
    }
    char long_text[301];
    memset(long_text, '0', 300);
    long_text[1] = '.';
    long_text[299] = '1';
    long_text[300] = '\0';
    expect_real(long_text, STATUS_OK, 1e-298);
}

Test(utf8, is_judged_as_rfc_3629_says)
{
    static const char *const fine[] = {"",
                                       "abc",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "12345678\xc3\xa4"
                                       "12345678901234567"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xe0\xa0",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x90\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "1234567\xff",
                                      "12345678\xff",
                                      "123456789\xc3"};
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        char *copy = (char *)tight_copy((const uint8_t *)fine[i], strlen(fine[i]));
        cr_expect(value_is_utf8(copy, strlen(fine[i])), "%zu", i);
        free(copy);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *copy = (char *)tight_copy((const uint8_t *)bad[i], strlen(bad[i]));
        cr_expect(not(value_is_utf8(copy, strlen(bad[i]))), "%zu", i);
        free(copy);
    }
}

/* Long ASCII is looked at in blocks: a byte that is not UTF-8 is found wherever it stands, and a
 * character wherever it is cut. */
Test(value, one_bad_byte_in_a_long_text_is_found)
{
    enum { SIZE = 300 };
    char text[SIZE];
    memset(text, 'a', sizeof(text));
    cr_expect(value_is_utf8(text, sizeof(text)));
    for (size_t at = 0; at < SIZE; at++) {
        text[at] = '\xc3';
        cr_expect(not(value_is_utf8(text, sizeof(text))), "at %zu", at);
        if (at + 1 < SIZE) {
            text[at + 1] = '\xa4';
            cr_expect(value_is_utf8(text, sizeof(text)), "at %zu", at);
            cr_expect(not(value_is_utf8(text, at + 1)), "cut at %zu", at);
            text[at + 1] = 'a';
        }
        text[at] = 'a';
    }
}
