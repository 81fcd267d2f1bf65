#include "shared/formula.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static struct formula parsed(const char *text)
{
    struct formula formula = {0};
    struct error err = {.text = ""};
    const enum status status = formula_parse_range(text, &formula, &err);
    cr_assert(eq(int, status, STATUS_OK), "refused: %s", err.text);
    cr_assert(eq(int, formula.kind, FORMULA_RANGE));
    return formula;
}

static int64_t element(const struct formula *formula, uint64_t index)
{
    const mf_value value = formula_value(formula, index);
    cr_assert(eq(int, mf_kind_of(&value), MF_INT));
    return value.mf_private_as.integer;
}

static void expect_refusal(const char *text, const char *refusal)
{
    struct formula untouched = {.count = 77};
    struct error err = {.text = ""};
    cr_expect(eq(int, formula_parse_range(text, &untouched, &err), STATUS_INVALID), "%s", text);
    cr_expect(zero(strcmp(err.text, refusal)), "found: %s\nexpected: %s", err.text, refusal);
    cr_expect(eq(u64, untouched.count, 77));
}

Test(formula, a_range_has_its_start_and_not_its_end)
{
    const struct formula range = parsed("3:7");
    cr_expect(eq(u64, range.count, 4));
    cr_expect(eq(i64, element(&range, 0), 3));
    cr_expect(eq(i64, element(&range, 3), 6));
}

Test(formula, a_start_that_is_left_out_is_0)
{
    const struct formula range = parsed(":5");
    cr_expect(eq(u64, range.count, 5));
    cr_expect(eq(i64, element(&range, 0), 0));
}

/* What Python's range() says, for all small starts, ends and steps. */
Test(formula, count_and_elements_are_those_of_pythons_range)
{
    for (int start = -7; start <= 7; start++) {
        for (int end = -7; end <= 7; end++) {
            for (int step = -4; step <= 4; step++) {
                if (step == 0) {
                    continue;
                }
                char text[64];
                (void)snprintf(text, sizeof(text), "%d:%d:%d", start, end, step);
                const struct formula range = parsed(text);
                uint64_t index = 0;
                for (int i = start; step > 0 ? i < end : i > end; i += step) {
                    cr_assert(eq(i64, element(&range, index), i), "%s", text);
                    index++;
                }
                cr_assert(eq(u64, range.count, index), "%s", text);
            }
        }
    }
}

Test(formula, signs_may_be_written)
{
    const struct formula range = parsed("+2:-4:-2");
    cr_expect(eq(u64, range.count, 3));
    cr_expect(eq(i64, element(&range, 2), -2));
}

Test(formula, the_largest_range_has_2_to_the_63_less_one_elements)
{
    const struct formula range = parsed("0:9223372036854775807");
    cr_expect(eq(u64, range.count, INT64_MAX));
    cr_expect(eq(i64, element(&range, range.count - 1), INT64_MAX - 1));
    expect_refusal("-1:9223372036854775807",
                   "range \"-1:9223372036854775807\": found 9223372036854775808 elements, "
                   "expected at most 2^63 - 1");
}

Test(formula, a_range_may_span_all_integers_in_steps)
{
    const struct formula up = parsed("-9223372036854775808:9223372036854775807:3");
    cr_expect(eq(u64, up.count, UINT64_C(6148914691236517205)));
    cr_expect(eq(i64, element(&up, 0), INT64_MIN));
    cr_expect(eq(i64, element(&up, up.count - 1), INT64_C(9223372036854775804)));

    const struct formula down =
        parsed("9223372036854775807:-9223372036854775808:-9223372036854775808");
    cr_expect(eq(u64, down.count, 2));
    cr_expect(eq(i64, element(&down, 1), -1));
}

Test(formula, elements_of_a_float_task_are_floats)
{
    struct formula range = parsed("0:3");
    cr_expect(not(range.is_float));
    range.is_float = true;
    const mf_value value = formula_value(&range, 2);
    cr_expect(eq(int, mf_kind_of(&value), MF_FLOAT));
    cr_expect(eq(dbl, value.mf_private_as.real, 2.0));
}

Test(formula, a_missing_end_is_refused)
{
    expect_refusal("5:", "range \"5:\": its end is missing, expected A:B or A:B:STEP");
    expect_refusal(":", "range \":\": its end is missing, expected A:B or A:B:STEP");
    expect_refusal("5::2", "range \"5::2\": its end is missing, expected A:B or A:B:STEP");
}

Test(formula, other_than_two_or_three_parts_are_refused)
{
    expect_refusal("", "range \"\": expected A:B or A:B:STEP");
    expect_refusal("5", "range \"5\": expected A:B or A:B:STEP");
    expect_refusal("1:2:3:4", "range \"1:2:3:4\": expected A:B or A:B:STEP");
}

Test(formula, a_step_of_0_or_none_behind_its_colon_is_refused)
{
    expect_refusal("0:9:0", "range \"0:9:0\": its step is 0");
    expect_refusal("0:9:", "range \"0:9:\": its step is missing, expected A:B or A:B:STEP");
}

Test(formula, what_is_no_integer_of_64_bits_is_refused)
{
    expect_refusal("0:x", "range \"0:x\": found \"x\" as its end, expected an integer");
    expect_refusal("0:1e3", "range \"0:1e3\": found \"1e3\" as its end, expected an integer");
    expect_refusal(" 0:3", "range \" 0:3\": found \" 0\" as its start, expected an integer");
    expect_refusal("0:3:1.5", "range \"0:3:1.5\": found \"1.5\" as its step, expected an integer");
    expect_refusal("0:9223372036854775808",
                   "range \"0:9223372036854775808\": found \"9223372036854775808\" as its end, "
                   "expected an integer of 64 bits");
}
