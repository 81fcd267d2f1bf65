#include "shared/criterion.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "shared/seed.h"

static uint64_t minimum_of_ratio(const char *text, uint64_t size)
{
    struct criterion criterion;
    struct error err;
    uint64_t minimum = UINT64_MAX;
    cr_assert(eq(int, criterion_parse_ratio(text, &criterion, &err), STATUS_OK), "%s", text);
    cr_assert(eq(int, criterion.kind, CRITERION_MIN_RATIO));
    cr_assert(eq(int, strcmp(criterion.ratio, text), 0));
    cr_assert(eq(int, criterion_minimum(&criterion, size, &minimum, &err), STATUS_OK));
    return minimum;
}

struct ratio_case {
    const char *text;
    uint64_t size;
    uint64_t minimum;
};

static void expect_minimums(const struct ratio_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_expect(eq(u64, minimum_of_ratio(cases[i].text, cases[i].size), cases[i].minimum),
                  "%s of %llu", cases[i].text, (unsigned long long)cases[i].size);
    }
}

#define EXPECT_MINIMUMS(cases) expect_minimums(cases, sizeof(cases) / sizeof(*(cases)))

/* Binary floating point gives 8 for the first one: 0.07 x 100 is 7.000000000000001 there. */
Test(criterion, the_ceiling_of_a_decimal_ratio_is_exact)
{
    static const struct ratio_case cases[] = {
        {"0.07", 100, 7}, {"0.8", 10, 8},    {"0.1", 10, 1},     {"0.99", 100, 99},
        {"0.6", 10, 6},   {"0.29", 100, 29}, {"0.57", 100, 57},  {"0.58", 100, 58},
        {"0.14", 50, 7},  {"0.7", 10, 7},    {"0.001", 1000, 1}, {"0.3", 10, 3},
    };
    EXPECT_MINIMUMS(cases);
}

Test(criterion, a_fraction_of_an_instance_counts_as_one)
{
    static const struct ratio_case cases[] = {
        {"0.071", 100, 8}, {"0.5", 3, 2},        {"0.01", 1, 1},
        {"0.9", 1, 1},     {"0.999", 1000, 999}, {"0.9991", 1000, 1000},
    };
    EXPECT_MINIMUMS(cases);
}

Test(criterion, zero_and_one_are_none_and_all)
{
    static const struct ratio_case cases[] = {
        {"0", 10, 0},       {"0.0", 10, 0}, {".0", 10, 0},   {"0.", 10, 0},
        {"00", 10, 0},      {"1", 10, 10},  {"1.0", 10, 10}, {"1.", 10, 10},
        {"01.000", 10, 10}, {"1", 0, 0},    {"0.5", 0, 0},   {"1.0", UINT64_MAX, UINT64_MAX},
    };
    EXPECT_MINIMUMS(cases);
}

#define NINES_60 "999999999999999999999999999999999999999999999999999999999999"
#define ZEROS_59 "00000000000000000000000000000000000000000000000000000000000"

Test(criterion, digits_beyond_any_floating_point_count)
{
    static const struct ratio_case cases[] = {
        {"0." NINES_60, 10, 10},
        {"0." ZEROS_59 "1", 10, 1},
        {"0." ZEROS_59 "0", 10, 0},
        {"0.5" ZEROS_59, 10, 5},
        {"0.50000000000000000000000000000000000000000000000000000001", 10, 6},
        {"0.07000000000000000000000000000000000000000000000000000000", 100, 7},
    };
    EXPECT_MINIMUMS(cases);
}

Test(criterion, maps_of_nearly_2_to_the_63_instances_are_exact_too)
{
    static const struct ratio_case cases[] = {
        {"0.5", INT64_MAX, (UINT64_C(1) << 62)},
        {"0.1", INT64_MAX, UINT64_C(922337203685477581)},
        {"0.9999999999999999999", INT64_MAX, INT64_MAX},
        {"0.99", UINT64_C(9223372036854775800), UINT64_C(9131138316486228042)},
        {"0." NINES_60, UINT64_MAX, UINT64_MAX},
        {"0." ZEROS_59 "1", UINT64_MAX, 1},
    };
    EXPECT_MINIMUMS(cases);
}

/* Method: ratios of four digits, where integer arithmetic says what is right. */
Test(criterion, agrees_with_integer_arithmetic)
{
    uint64_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        char text[16];
        random = seed_mix(random);
        const uint64_t parts = random % 10001;
        const uint64_t size = (random >> 20) % 1000000;
        (void)snprintf(text, sizeof(text), "%u.%04u", (unsigned)(parts / 10000),
                       (unsigned)(parts % 10000));
        cr_assert(eq(u64, minimum_of_ratio(text, size), (parts * size + 9999) / 10000), "%s", text);
    }
}

Test(criterion, what_is_no_decimal_from_0_to_1_is_refused_with_its_text)
{
    static const char *const refused[] = {
        "NaN",       "nan",
        "inf",       "1.5",
        "1.0000001", "2",
        "10",        "11",
        "-1",        "-0.5",
        "+0.5",      "",
        ".",         "..",
        "0..",       "0.5.1",
        "1e-1",      "0x1",
        " 1",        "1 ",
        "0,5",       "80%",
        "1/2",       "0.5f",
        "0.5\n",     "1." ZEROS_59 "1",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        struct criterion criterion = {.kind = CRITERION_ALL, .count = 7};
        struct error err = {""};
        cr_expect(eq(int, criterion_parse_ratio(refused[i], &criterion, &err), STATUS_INVALID),
                  "\"%s\"", refused[i]);
        cr_expect(ne(ptr, strstr(err.text, refused[i]), NULL), "%s", err.text);
        cr_expect(eq(int, criterion.kind, CRITERION_ALL));
        cr_expect(eq(u64, criterion.count, 7));
    }
}

Test(criterion, a_ratio_that_is_too_long_to_keep_is_refused)
{
    char text[CRITERION_RATIO_TEXT_SIZE + 1] = "0.";
    struct criterion criterion;
    memset(text + 2, '5', CRITERION_RATIO_TEXT_SIZE - 2);
    cr_expect(eq(int, criterion_parse_ratio(text, &criterion, NULL), STATUS_INVALID));
    text[CRITERION_RATIO_TEXT_SIZE - 1] = '\0';
    cr_expect(eq(int, criterion_parse_ratio(text, &criterion, NULL), STATUS_OK));
}

static enum status minimum_of_count(enum criterion_kind kind, uint64_t count, uint64_t size,
                                    uint64_t *minimum_out)
{
    const struct criterion criterion = {.kind = kind, .count = count};
    struct error err;
    return criterion_minimum(&criterion, size, minimum_out, &err);
}

Test(criterion, without_one_every_instance_must_succeed)
{
    uint64_t minimum = 7;
    cr_assert(eq(int, minimum_of_count(CRITERION_ALL, 0, 10, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 10));
    cr_assert(eq(int, minimum_of_count(CRITERION_ALL, 0, 0, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 0));
}

Test(criterion, a_count_of_successes_is_the_minimum)
{
    uint64_t minimum = 7;
    cr_assert(eq(int, minimum_of_count(CRITERION_MIN_SUCCESSES, 3, 10, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 3));
    cr_assert(eq(int, minimum_of_count(CRITERION_MIN_SUCCESSES, 10, 10, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 10));
    cr_assert(eq(int, minimum_of_count(CRITERION_MIN_SUCCESSES, 0, 0, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 0));
}

Test(criterion, a_count_of_failures_leaves_the_rest_as_minimum)
{
    uint64_t minimum = 7;
    cr_assert(eq(int, minimum_of_count(CRITERION_MAX_FAILURES, 3, 10, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 7));
    cr_assert(eq(int, minimum_of_count(CRITERION_MAX_FAILURES, 10, 10, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 0));
}

Test(criterion, a_count_of_successes_above_the_size_is_refused)
{
    uint64_t minimum = 7;
    cr_expect(eq(int, minimum_of_count(CRITERION_MIN_SUCCESSES, 11, 10, &minimum), STATUS_INVALID));
    cr_expect(eq(int, minimum_of_count(CRITERION_MIN_SUCCESSES, 1, 0, &minimum), STATUS_INVALID));
    cr_expect(eq(u64, minimum, 7));
}

Test(criterion, more_failures_than_instances_tolerate_them_all)
{
    uint64_t minimum = 7;
    cr_assert(eq(int, minimum_of_count(CRITERION_MAX_FAILURES, 11, 10, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 0));
    minimum = 7;
    cr_assert(
        eq(int, minimum_of_count(CRITERION_MAX_FAILURES, UINT64_MAX, 0, &minimum), STATUS_OK));
    cr_expect(eq(u64, minimum, 0));
}
