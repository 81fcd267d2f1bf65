#include "shared/type.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static bool fits(const char *from, const char *to)
{
    struct type *left = NULL;
    struct type *right = NULL;
    cr_assert(eq(int, type_parse(from, &left, NULL), STATUS_OK), "%s", from);
    cr_assert(eq(int, type_parse(to, &right, NULL), STATUS_OK), "%s", to);
    const bool does = type_fits(left, right);
    type_destroy(left);
    type_destroy(right);
    return does;
}

#define EXPECT_FITS(from, to) cr_expect(fits(from, to), "%s for %s", from, to)
#define EXPECT_NOT(from, to) cr_expect(fits(from, to) == false, "%s for %s", from, to)

Test(type_fits, a_type_fits_itself)
{
    const char *const types[] = {"null", "bool", "int",        "float?",
                                 "str",  "any",  "list<int?>", "map<{a: int, b?: str}>"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        EXPECT_FITS(types[i], types[i]);
    }
}

Test(type_fits, what_may_be_null_is_given_only_where_null_is_taken)
{
    EXPECT_NOT("list<int?>", "list<int>");
    EXPECT_NOT("int?", "int");
    EXPECT_NOT("{a: int?}", "{a: int}");
    EXPECT_NOT("null", "int");
    EXPECT_FITS("list<int>", "list<int?>");
    EXPECT_FITS("int", "int?");
    EXPECT_FITS("null", "int?");
}

Test(type_fits, what_only_a_value_can_show_is_granted)
{
    EXPECT_FITS("any", "int");
    EXPECT_FITS("list<any>", "list<{a: int}>");
    EXPECT_FITS("int?", "any");
    EXPECT_FITS("map<int>", "{a: int}");
    EXPECT_FITS("str", "file");
    EXPECT_FITS("dir", "str");
}

Test(type_fits, ints_are_floats_and_not_the_other_way)
{
    EXPECT_FITS("list<int>", "list<float>");
    EXPECT_NOT("float", "int");
}

Test(type_fits, kinds_that_differ_do_not_fit)
{
    EXPECT_NOT("str", "int");
    EXPECT_NOT("list<int>", "int");
    EXPECT_NOT("list<list<int>>", "list<int>");
    EXPECT_NOT("bytes", "str");
    EXPECT_NOT("{a: int}", "list<int>");
}

Test(type_fits, records_have_every_field_that_is_needed_and_no_other)
{
    EXPECT_FITS("{b: str, a: int}", "{a: int, b: str}");
    EXPECT_FITS("{a: int}", "{a: int, b?: str}");
    EXPECT_FITS("{a: int}", "{a?: int}");
    EXPECT_NOT("{a: int}", "{a: int, b: str}");
    EXPECT_NOT("{a: int, c: int}", "{a: int}");
    EXPECT_NOT("{a?: int}", "{a: int}");
    EXPECT_FITS("{a: int, b: int}", "map<float>");
    EXPECT_NOT("{a: int, b: str}", "map<float>");
}
