#include "shared/quantity.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY (86400 * SECOND)
#define UNTOUCHED UINT64_C(77)

typedef enum status parse_function(const char *text, uint64_t *value_out, struct error *err);

static void expect_value(parse_function *parse, const char *text, uint64_t expected)
{
    struct error err = {""};
    uint64_t value = UNTOUCHED;
    const enum status status = parse(text, &value, &err);
    cr_expect(status == STATUS_OK, "%s: %s", text, err.text);
    cr_expect(value == expected, "%s: expected %lu, found %lu", text, expected, value);
}

static void expect_refused(parse_function *parse, const char *text, const char *part)
{
    struct error err = {""};
    uint64_t value = UNTOUCHED;
    cr_expect(parse(text, &value, &err) == STATUS_INVALID, "\"%s\" was taken as %lu", text, value);
    cr_expect(value == UNTOUCHED, "\"%s\" left %lu behind", text, value);
    cr_expect(strstr(err.text, part) != NULL, "\"%s\": no \"%s\" in: %s", text, part, err.text);
    cr_expect(strstr(err.text, text) != NULL, "\"%s\" is not named: %s", text, err.text);
    cr_expect(strstr(err.text, "expected") != NULL, "\"%s\": nothing expected: %s", text, err.text);
}

typedef const char *text_function(uint64_t value, char text[QUANTITY_TEXT_SIZE]);

static void expect_text(text_function *function, uint64_t value, const char *expected)
{
    char text[QUANTITY_TEXT_SIZE];
    cr_expect(function(value, text) == text);
    cr_expect(strcmp(text, expected) == 0, "%lu: expected \"%s\", found \"%s\"", value, expected,
              text);
}

static const char *const never_numbers[] = {
    "",    "-1",  "+1",  "1e3", "1E3", "0x10", " 5", "5 ", "5 s", "10x", "x",    ".",   "1.2.3",
    "1,5", "inf", "nan", "--5", "5\n", "s",    "Mi", "B",  "1sm", "ss",  "5s\t", "\xff"};

static void expect_no_number(parse_function *parse, const char *part)
{
    for (size_t i = 0; i < sizeof(never_numbers) / sizeof(never_numbers[0]); i++) {
        expect_refused(parse, never_numbers[i], part);
    }
}

/* ---- Times ---------------------------------------------------------------------------------- */

Test(quantity, a_time_is_a_decimal_with_a_unit_and_seconds_without)
{
    expect_value(quantity_parse_time, "0", 0);
    expect_value(quantity_parse_time, "90", 90 * SECOND);
    expect_value(quantity_parse_time, "90s", 90 * SECOND);
    expect_value(quantity_parse_time, "250ms", 250 * MS);
    expect_value(quantity_parse_time, "15m", 15 * 60 * SECOND);
    expect_value(quantity_parse_time, "2h", 7200 * SECOND);
    expect_value(quantity_parse_time, "1.5d", 36 * 3600 * SECOND);
    expect_value(quantity_parse_time, ".5", 500 * MS);
    expect_value(quantity_parse_time, "5.", 5 * SECOND);
    expect_value(quantity_parse_time, "0005", 5 * SECOND);
}

Test(quantity, times_are_exact)
{
    expect_value(quantity_parse_time, "0.1s", 100 * MS);
    expect_value(quantity_parse_time, "0.3", 300 * MS);
    expect_value(quantity_parse_time, "4.35ms", 4350000);
    expect_value(quantity_parse_time, "9007199.254740993", 9007199254740993); /* 2^53 + 1 */
    expect_value(quantity_parse_time, "9223372036.854775807", INT64_MAX);
}

Test(quantity, times_are_rounded_to_nanoseconds_but_never_to_none)
{
    expect_value(quantity_parse_time, "1.0000000014", SECOND + 1);
    expect_value(quantity_parse_time, "1.0000000015", SECOND + 2);
    expect_value(quantity_parse_time, "1.00000000149999999999999999999999", SECOND + 1);
    expect_value(quantity_parse_time, "0.0000000001", 1);
    expect_value(quantity_parse_time, "0.00000000000000000000000000000000000000001d", 1);
    expect_value(quantity_parse_time, "0.00000000000000000000000000000000000000000d", 0);
    expect_value(quantity_parse_time, "1.0000000001", SECOND);
}

Test(quantity, a_time_past_63_bits_of_nanoseconds_is_refused)
{
    expect_value(quantity_parse_time, "106751d", 106751 * DAY);
    expect_refused(quantity_parse_time, "106752d", "at most 106751d");
    expect_refused(quantity_parse_time, "9223372036.854775808", "too long");
    expect_refused(quantity_parse_time, "9223372036.8547758075", "too long");
    expect_refused(quantity_parse_time, "18446744074", "too long");
    expect_refused(quantity_parse_time, "99999999999999999999999", "too long");
}

Test(quantity, what_is_no_time_is_refused)
{
    expect_no_number(quantity_parse_time, "ms, s, m, h, d");
    expect_refused(quantity_parse_time, "5S", "no time");
    expect_refused(quantity_parse_time, "5M", "no time");
    expect_refused(quantity_parse_time, "1h30m", "no time");
    expect_refused(quantity_parse_time, "5us", "no time");
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

Test(quantity, a_size_is_a_decimal_with_a_unit_and_bytes_without)
{
    expect_value(quantity_parse_size, "0", 0);
    expect_value(quantity_parse_size, "4096", 4096);
    expect_value(quantity_parse_size, "1K", 1000);
    expect_value(quantity_parse_size, "2M", 2000000);
    expect_value(quantity_parse_size, "1G", 1000000000);
    expect_value(quantity_parse_size, "3T", 3000000000000);
    expect_value(quantity_parse_size, "1Ki", 1024);
    expect_value(quantity_parse_size, "600Mi", UINT64_C(600) << 20);
    expect_value(quantity_parse_size, "1.5Gi", UINT64_C(3) << 29);
    expect_value(quantity_parse_size, "2Ti", UINT64_C(2) << 40);
}

Test(quantity, the_b_of_a_size_is_optional)
{
    expect_value(quantity_parse_size, "7B", 7);
    expect_value(quantity_parse_size, "1KB", 1000);
    expect_value(quantity_parse_size, "600MiB", UINT64_C(600) << 20);
    expect_refused(quantity_parse_size, "7BB", "no size");
    expect_refused(quantity_parse_size, "7BK", "no size");
}

Test(quantity, sizes_are_exact_and_rounded_up)
{
    expect_value(quantity_parse_size, "1.1K", 1100);
    expect_value(quantity_parse_size, "0.07M", 70000);
    expect_value(quantity_parse_size, "0.1Ki", 103); /* 102.4 */
    expect_value(quantity_parse_size, "0.0001", 1);
    expect_value(quantity_parse_size, "2.0", 2);
    expect_value(quantity_parse_size, "9007199254740993", 9007199254740993);
}

Test(quantity, a_size_past_63_bits_is_refused)
{
    expect_value(quantity_parse_size, "9223372036854775807", INT64_MAX);
    expect_value(quantity_parse_size, "8388607Ti", UINT64_C(8388607) << 40);
    expect_refused(quantity_parse_size, "8388608Ti", "less than 8388608Ti");
    expect_refused(quantity_parse_size, "9223372036854775807.1", "too large");
    expect_refused(quantity_parse_size, "18446744073709551616", "too large");
    expect_refused(quantity_parse_size, "16777216Ti", "too large"); /* 2^64 */
}

Test(quantity, what_is_no_size_is_refused)
{
    expect_no_number(quantity_parse_size, "K, M, G, T, Ki, Mi, Gi, Ti");
    expect_refused(quantity_parse_size, "1k", "no size");
    expect_refused(quantity_parse_size, "1mi", "no size");
    expect_refused(quantity_parse_size, "1P", "no size");
}

/* ---- Counts --------------------------------------------------------------------------------- */

Test(quantity, a_count_is_digits_only)
{
    expect_value(quantity_parse_count, "0", 0);
    expect_value(quantity_parse_count, "007", 7);
    expect_value(quantity_parse_count, "9223372036854775807", INT64_MAX);
    expect_no_number(quantity_parse_count, "expected digits");
    expect_refused(quantity_parse_count, "1.0", "no count");
    expect_refused(quantity_parse_count, "1K", "no count");
    expect_refused(quantity_parse_count, "9223372036854775808", "at most 9223372036854775807");
    expect_refused(quantity_parse_count, "18446744073709551617", "too large");
}

/* ---- For people ----------------------------------------------------------------------------- */

Test(quantity, times_read_well)
{
    expect_text(quantity_time_text, 0, "0 s");
    expect_text(quantity_time_text, 1, "1 ns");
    expect_text(quantity_time_text, 999, "999 ns");
    expect_text(quantity_time_text, 1500, "1.5 us");
    expect_text(quantity_time_text, 999700, "1 ms");
    expect_text(quantity_time_text, 12 * MS, "12 ms");
    expect_text(quantity_time_text, 999 * MS + MS / 2, "1 s");
    expect_text(quantity_time_text, 1500 * MS, "1.5 s");
    expect_text(quantity_time_text, 59940 * MS, "59.9 s");
    expect_text(quantity_time_text, 59960 * MS, "1 min");
    expect_text(quantity_time_text, 723 * SECOND, "12 min 3 s");
    expect_text(quantity_time_text, 3599 * SECOND + SECOND / 2, "1 h");
    expect_text(quantity_time_text, 7500 * SECOND, "2 h 5 min");
    expect_text(quantity_time_text, 50 * 3600 * SECOND, "2 d 2 h");
    expect_text(quantity_time_text, UINT64_MAX, "213504 d");
}

Test(quantity, sizes_read_well)
{
    expect_text(quantity_size_text, 0, "0 B");
    expect_text(quantity_size_text, 1023, "1023 B");
    expect_text(quantity_size_text, 1024, "1 KiB");
    expect_text(quantity_size_text, 1536, "1.5 KiB");
    expect_text(quantity_size_text, UINT64_C(600) << 20, "600 MiB");
    expect_text(quantity_size_text, (UINT64_C(1) << 20) - 1, "1 MiB");
    expect_text(quantity_size_text, UINT64_MAX, "16 EiB");
}

/* A limit that is 200M is not to be looked for as 191 MiB. */
Test(quantity, a_size_given_with_powers_of_1000_is_shown_with_them)
{
    static const struct {
        const char *given;
        const char *shown;
    } rows[] = {{"200M", "200 MB"},     {"200Mi", "200 MiB"},    {"1G", "1 GB"},
                {"1.5G", "1.5 GB"},     {"1.25G", "1.25 GB"},    {"1.05G", "1.05 GB"},
                {"1500M", "1.5 GB"},    {"64T", "64 TB"},        {"2000K", "2 MB"},
                {"2K", "2 kB"},         {"1K", "1000 B"},        {"1.25Gi", "1.25 GiB"},
                {"1.5Gi", "1.5 GiB"},   {"4Ti", "4 TiB"},        {"2000Mi", "2000 MiB"},
                {"1.333Gi", "1.3 GiB"}, {"8M", "8 MB"},          {"4000Ki", "4000 KiB"},
                {"1T", "1 TB"},         {"123456789", "118 MiB"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[QUANTITY_TEXT_SIZE];
        struct error err = {""};
        uint64_t bytes = 0;
        cr_assert(quantity_parse_size(rows[i].given, &bytes, &err) == STATUS_OK, "%s", err.text);
        cr_expect(strcmp(quantity_size_text(bytes, text), rows[i].shown) == 0, "%s reads \"%s\"",
                  rows[i].given, text);
    }
}

Test(quantity, counts_have_commas)
{
    expect_text(quantity_count_text, 0, "0");
    expect_text(quantity_count_text, 999, "999");
    expect_text(quantity_count_text, 1000, "1,000");
    expect_text(quantity_count_text, 1234567, "1,234,567");
    expect_text(quantity_count_text, UINT64_MAX, "18,446,744,073,709,551,615");
}

/* ---- Factors -------------------------------------------------------------------------------- */

Test(quantity, a_factor_is_a_decimal_from_1_on)
{
    static const struct {
        const char *text;
        double expected;
    } rows[] = {{"1", 1},     {"2", 2},        {"1.5", 1.5},        {"1.", 1},
                {"1.1", 1.1}, {"01.25", 1.25}, {"1000000", 1000000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {""};
        double factor = 0;
        cr_expect(quantity_parse_factor(rows[i].text, &factor, &err) == STATUS_OK, "%s", err.text);
        cr_expect(factor >= rows[i].expected && factor <= rows[i].expected, "%s gives %g",
                  rows[i].text, factor);
    }
}

Test(quantity, what_is_no_factor_is_refused)
{
    static const char *const more[] = {"0",  "0.5",       ".99",
                                       "2x", "1000000.1", "1000000000000000000000"};
    for (size_t i = 0; i < sizeof(never_numbers) / sizeof(never_numbers[0]) + 6; i++) {
        const size_t count = sizeof(never_numbers) / sizeof(never_numbers[0]);
        const char *text = i < count ? never_numbers[i] : more[i - count];
        struct error err = {""};
        double factor = 77;
        cr_expect(quantity_parse_factor(text, &factor, &err) == STATUS_INVALID, "\"%s\"", text);
        cr_expect(factor >= 77 && factor <= 77, "\"%s\" left %g behind", text, factor);
        cr_expect(strstr(err.text, "expected a decimal from 1") != NULL, "%s", err.text);
    }
}
