#include "master/progress_text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <string.h>

#define SECOND_US UINT64_C(1000000)

static const struct progress_facts middle = {
    .state = "running",
    .size = 10000,
    .counts = {.succeeded = 4100, .cached = 97, .failed = 2, .timed_out = 1, .waiting = 4},
    .retries = 12,
    .running = 15,
    .slots = 16,
    .rank_count = 2,
    .lost_count = 1,
    .elapsed_us = 12345678,
    .rate = 830.4,
    .has_estimate = true,
    .earliest_us = 600 * SECOND_US,
    .latest_us = 720 * SECOND_US};

static const struct progress_facts beginning = {
    .state = "running", .size = 3, .running = 1, .slots = 1, .rank_count = 1};

typedef enum status text_of(const struct progress_facts *facts, struct buffer *out);

static char *text(text_of *make, const struct progress_facts *facts)
{
    static char text[1024];
    struct buffer out = {0};
    cr_assert(eq(int, (int)make(facts, &out), STATUS_OK));
    cr_assert(lt(sz, out.size, sizeof(text)));
    memcpy(text, out.data, out.size);
    text[out.size] = '\0';
    buffer_free(&out);
    return text;
}

Test(progress_text, a_plain_line_says_what_there_is_to_say)
{
    cr_expect(
        eq(str, text(progress_plain_text, &middle),
           "mapfleet: 4,200 of 10,000 done, 830/s, ends in 10 to 12 min, 15 of 16 slots busy, "
           "3 failed, 12 retries, 1 rank lost, 4 waiting"));
    cr_expect(
        eq(str, text(progress_plain_text, &beginning), "mapfleet: 0 of 3 done, 1 of 1 slots busy"));
}

Test(progress_text, one_is_not_several)
{
    struct progress_facts facts = beginning;
    facts.retries = 1;
    facts.lost_count = 2;
    cr_expect(eq(str, text(progress_plain_text, &facts),
                 "mapfleet: 0 of 3 done, 1 of 1 slots busy, 1 retry, 2 ranks lost"));
}

Test(progress_text, a_bar_is_as_wide_as_there_is_room)
{
    struct buffer out = {0};
    for (size_t width = 0; width < 300; width++) {
        buffer_clear(&out);
        cr_assert(eq(int, (int)progress_bar_text(&middle, width, &out), STATUS_OK));
        cr_expect(le(sz, out.size, width));
        for (size_t i = 0; i < out.size; i++) {
            cr_expect(out.data[i] >= ' ' && out.data[i] <= '~');
        }
    }
    cr_assert(eq(int, (int)buffer_append_byte(&out, '\0'), STATUS_OK));
    cr_expect(eq(str, (char *)out.data,
                 " 42% [===============>                        ]  4,200 of 10,000 done  830/s  "
                 "ends in 10 to 12 min  15 of 16 slots busy  3 failed  12 retries  1 rank lost  "
                 "4 waiting"));
    buffer_free(&out);
}

Test(progress_text, a_narrow_bar_keeps_what_matters_most)
{
    struct buffer out = {0};
    cr_assert(eq(int, (int)progress_bar_text(&middle, 79, &out), STATUS_OK));
    cr_assert(eq(int, (int)buffer_append_byte(&out, '\0'), STATUS_OK));
    cr_expect(eq(str, (char *)out.data,
                 " 42%  4,200 of 10,000 done  830/s  ends in 10 to 12 min  3 failed  1 rank lost"));
    buffer_free(&out);
}

Test(progress_text, a_hundred_percent_is_all)
{
    struct progress_facts facts = middle;
    facts.size = 100000;
    facts.counts = (struct ledger_counts){.succeeded = 99999};
    cr_expect(ne(ptr, strstr(text(progress_plain_text, &facts), "99,999 of 100,000"), NULL));
    struct buffer out = {0};
    cr_assert(eq(int, (int)progress_bar_text(&facts, 6, &out), STATUS_OK));
    cr_expect(eq(int, memcmp(out.data, " 99%", 4), 0));
    buffer_free(&out);
    facts.counts.succeeded++;
    cr_assert(eq(int, (int)progress_bar_text(&facts, 6, &out), STATUS_OK));
    cr_expect(eq(int, memcmp(out.data, "100%", 4), 0));
    buffer_free(&out);
}

Test(progress_text, json_is_json)
{
    json_t *object = json_loads(text(progress_json_text, &middle), 0, NULL);
    cr_assert(ne(ptr, object, NULL));
    const int compared = strcmp(json_string_value(json_object_get(object, "state")), "running");
    cr_expect(eq(int, compared, 0));
    cr_expect(eq(i64, json_integer_value(json_object_get(object, "done")), 4200));
    cr_expect(eq(i64, json_integer_value(json_object_get(object, "timed_out")), 1));
    cr_expect(eq(i64, json_integer_value(json_object_get(object, "ranks_lost")), 1));
    const json_t *span = json_object_get(object, "ends_in");
    cr_expect(epsilon_eq(dbl, json_real_value(json_array_get(span, 1)), 720, 1e-9));
    json_decref(object);
    object = json_loads(text(progress_json_text, &beginning), 0, NULL);
    cr_assert(ne(ptr, object, NULL));
    const bool is_null = json_is_null(json_object_get(object, "ends_in"));
    cr_expect(is_null);
    json_decref(object);
}

Test(progress_text, spans_are_rounded_as_far_as_they_are_known)
{
    static const struct {
        uint64_t earliest_us;
        uint64_t latest_us;
        char *text;
    } cases[] = {{0, 0, "1 s"},
                 {400000, 1400000, "1 s"},
                 {45 * SECOND_US, 47 * SECOND_US, "46 s"},
                 {45 * SECOND_US, 70 * SECOND_US, "45 to 70 s"},
                 {50 * SECOND_US, 180 * SECOND_US, "50 s to 3 min"},
                 {3600 * SECOND_US, 3660 * SECOND_US, "61 min"},
                 {7200 * SECOND_US, 7300 * SECOND_US, "2 h"},
                 {3600 * SECOND_US, UINT64_C(864000) * SECOND_US, "60 min to 10 d"},
                 {UINT64_C(1000000000000000000), UINT64_C(1000000000000000000), "11574074 d"}};
    char text[PROGRESS_SPAN_SIZE];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)progress_span_text(cases[i].earliest_us, cases[i].latest_us, text);
        cr_expect(eq(str, text, cases[i].text));
    }
}
