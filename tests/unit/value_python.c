#include "shared/value_python.h"

#include <math.h>

#include "shared/value.h"
#include "space_support.h"

static void expect_text(const mf_value *value, const char *expected)
{
    struct buffer text = {0};
    cr_assert(eq(int, value_to_python(value, &text), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&text, 0), STATUS_OK));
    cr_expect(zero(strcmp((char *)text.data, expected)), "found %s, expected %s", (char *)text.data,
              expected);
    buffer_free(&text);
}

static void expect_python(const char *json, const char *expected)
{
    struct arena arena = {0};
    const mf_value value = json_value(&arena, json);
    expect_text(&value, expected);
    arena_free(&arena);
}

/* Each checked against Python's own str(). */
Test(value_python, scalars_are_written_as_python_writes_them)
{
    expect_python("null", "None");
    expect_python("true", "True");
    expect_python("false", "False");
    expect_python("-12", "-12");
    expect_python("\"a'b\"", "a'b");
    expect_python("1.0", "1.0");
    expect_python("1e-5", "1e-05");
    expect_python("0.0001", "0.0001");
    expect_python("0.00012", "0.00012");
    expect_python("0.00001234", "1.234e-05");
    expect_python("0.1", "0.1");
    expect_python("-0.0", "-0.0");
    expect_python("123456.789", "123456.789");
    expect_python("100.0", "100.0");
    expect_python("1e15", "1000000000000000.0");
    expect_python("1234567890123456.5", "1234567890123456.5");
    expect_python("9999999999999998.0", "9999999999999998.0");
    expect_python("1e16", "1e+16");
    expect_python("12345678901234567.0", "1.2345678901234568e+16");
    expect_python("1.5e300", "1.5e+300");
    expect_python("5e-324", "5e-324");
    expect_python("0.30000000000000004", "0.30000000000000004");
}

Test(value_python, containers_hold_representations)
{
    expect_python("[]", "[]");
    expect_python("{}", "{}");
    expect_python("[\"a\",\"b\"]", "['a', 'b']");
    expect_python("{\"x\":1,\"y\":[true,null,1e-5]}", "{'x': 1, 'y': [True, None, 1e-05]}");
    expect_python("[\"it's\"]", "[\"it's\"]");
    expect_python("[\"it's \\\"so\\\"\"]", "['it\\'s \"so\"']");
    expect_python("[\"a\\nb\\\\\\u0001\"]", "['a\\nb\\\\\\x01']");
    expect_python("[\"\\u00e4\"]", "['\xc3\xa4']");
}

Test(value_python, what_is_no_number_has_a_name)
{
    const mf_value nan_value = value_float(NAN);
    const mf_value infinite = value_float(-INFINITY);
    expect_text(&nan_value, "nan");
    expect_text(&infinite, "-inf");
}
