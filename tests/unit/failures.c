#include "master/failures.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

static struct failures *create(void)
{
    struct failures *failures = NULL;
    cr_assert(eq(int, failures_create(&failures), STATUS_OK));
    return failures;
}

static void add(struct failures *failures, uint64_t index, const char *text)
{
    failures_add(failures, index, FAILURE_ERROR, text, strlen(text));
}

static void expect_print(const struct failures *failures, size_t group_max, size_t range_max,
                         const char *expected)
{
    struct buffer out = {0};
    cr_assert(eq(int, failures_print(failures, group_max, range_max, &out), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&out, '\0'), STATUS_OK));
    cr_expect(strcmp((const char *)out.data, expected) == 0, "expected:\n%s\nfound:\n%s", expected,
              (const char *)out.data);
    buffer_free(&out);
}

/* ---- Groups --------------------------------------------------------------------------------- */

Test(failures, that_are_shared_name_their_index_and_are_no_attempts)
{
    struct failures *failures = create();
    add(failures, 3, "no");
    failures_share(failures, 4, FAILURE_ERROR, "no", 2);
    failures_share(failures, 5, FAILURE_ERROR, "never added", 11);
    cr_assert(eq(u64, failures_count(failures), 1));
    expect_print(failures, 10, 10, "[3-4]: error: no\n");
    failures_destroy(failures);
}

Test(failures, without_failures_nothing_is_printed)
{
    struct failures *failures = create();
    cr_expect(eq(u64, failures_count(failures), 0));
    expect_print(failures, 5, 5, "");
    failures_destroy(failures);
    failures_destroy(NULL);
}

Test(failures, equal_texts_are_one_group_of_index_ranges)
{
    struct failures *failures = create();
    add(failures, 3, "negative input");
    add(failures, 0, "negative input");
    add(failures, 1, "negative input");
    cr_expect(eq(u64, failures_count(failures), 3));
    expect_print(failures, 5, 5, "[0-1][3]: error: negative input\n");
    failures_destroy(failures);
}

Test(failures, equal_texts_of_two_classes_are_two_groups)
{
    struct failures *failures = create();
    failures_add(failures, 7, FAILURE_TIMEOUT, "after 2 s", 9);
    failures_add(failures, 7, FAILURE_KILLED, "after 2 s", 9);
    expect_print(failures, 5, 5, "[7]: timeout: after 2 s\n[7]: killed: after 2 s\n");
    failures_destroy(failures);
}

Test(failures, an_index_that_fails_twice_stands_in_its_group_once_and_counts_twice)
{
    struct failures *failures = create();
    add(failures, 4, "disk full");
    add(failures, 5, "no route");
    add(failures, 4, "disk full");
    cr_expect(eq(u64, failures_count(failures), 3));
    expect_print(failures, 5, 5, "[4]: error: disk full\n[5]: error: no route\n");
    failures_destroy(failures);
}

/* Reports come in any order; the list must read the same. */
Test(failures, the_most_frequent_group_comes_first_and_then_the_lowest_index)
{
    struct failures *failures = create();
    add(failures, 9, "rare");
    add(failures, 8, "rare too");
    add(failures, 1, "often");
    add(failures, 2, "often");
    add(failures, 8, "another");
    expect_print(failures, 5, 5,
                 "[1-2]: error: often\n[8]: error: another\n[8]: error: rare too\n"
                 "[9]: error: rare\n");
    failures_destroy(failures);
}

/* ---- What is cut ---------------------------------------------------------------------------- */

Test(failures, a_cut_list_counts_what_it_leaves_out)
{
    struct failures *failures = create();
    add(failures, 0, "a");
    add(failures, 1, "a");
    add(failures, 1, "a");
    add(failures, 2, "b");
    add(failures, 3, "b");
    add(failures, 4, "c");
    expect_print(failures, 1, 5, "[0-1]: error: a\n2 more groups (3 attempts)\n");
    expect_print(failures, 2, 5, "[0-1]: error: a\n[2-3]: error: b\n1 more group (1 attempt)\n");
    expect_print(failures, 0, 5, "3 more groups (6 attempts)\n");
    cr_expect(eq(sz, failures_group_count(failures), 3));
    failures_destroy(failures);
}

Test(failures, a_long_list_of_ranges_is_cut)
{
    struct failures *failures = create();
    for (uint64_t index = 0; index < 10; index += 2) {
        add(failures, index, "even");
    }
    expect_print(failures, 5, 2, "[0][2]...: error: even\n");
    expect_print(failures, 5, 5, "[0][2][4][6][8]: error: even\n");
    expect_print(failures, 5, 0, "...: error: even\n");
    failures_destroy(failures);
}

Test(failures, past_the_most_groups_attempts_are_only_counted)
{
    struct failures *failures = create();
    for (uint64_t index = 0; index < FAILURES_GROUP_COUNT_MAX; index++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "instance %" PRIu64, index);
        add(failures, index, text);
    }
    add(failures, 1000, "no room");
    add(failures, 0, "instance 0");
    expect_print(failures, 1, 5, "[0]: error: instance 0\n256 more groups (256 attempts)\n");
    add(failures, 1001, "no room either");
    expect_print(failures, 1, 5,
                 "[0]: error: instance 0\nat least 256 more groups (257 attempts)\n");
    cr_expect(eq(u64, failures_count(failures), FAILURES_GROUP_COUNT_MAX + 3));
    failures_destroy(failures);
}

/* ---- Texts ---------------------------------------------------------------------------------- */

Test(failures, line_breaks_become_bars)
{
    struct failures *failures = create();
    add(failures, 0, "\nfirst\r\nsecond\n\nthird\n");
    expect_print(failures, 5, 5, "[0]: error: first | second | third\n");
    failures_destroy(failures);
}

Test(failures, a_text_may_be_empty_or_hold_what_a_terminal_would_obey)
{
    struct failures *failures = create();
    struct buffer out = {0};
    failures_add(failures, 0, FAILURE_EXIT, NULL, 0);
    failures_add(failures, 1, FAILURE_EXIT, "", 0);
    failures_add(failures, 2, FAILURE_EXIT, "a\0b", 3);
    failures_add(failures, 3, FAILURE_EXIT, "a\0c", 3);
    cr_assert(eq(int, failures_print(failures, 5, 5, &out), STATUS_OK));
    static const char expected[] = "[0-1]: exit\n[2]: exit: a\xef\xbf\xbd"
                                   "b\n[3]: exit: a\xef\xbf\xbd"
                                   "c\n";
    cr_assert(eq(sz, out.size, sizeof(expected) - 1));
    cr_expect(memcmp(out.data, expected, out.size) == 0);
    buffer_free(&out);
    failures_destroy(failures);
}

Test(failures, indices_have_64_bits)
{
    struct failures *failures = create();
    add(failures, UINT64_C(1) << 40, "x");
    add(failures, (UINT64_C(1) << 40) + 1, "x");
    expect_print(failures, 5, 5, "[1099511627776-1099511627777]: error: x\n");
    failures_destroy(failures);
}
