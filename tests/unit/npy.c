#include "cli/npy.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/value.h"

#define OK(call) cr_assert(eq(int, (call), STATUS_OK))
#define HEADER_SIZE 128 /* of all arrays here */

static struct arena arena;
static struct npy npy;
static struct buffer out;

static mf_value value_of(const char *json)
{
    mf_value value;
    OK(value_from_json(&arena, json, strlen(json), &value, NULL));
    return value;
}

static void see(const char *json)
{
    const mf_value value = value_of(json);
    struct error err = {""};
    cr_assert(npy_see(&npy, &value, npy.count, &err) == STATUS_OK, "%s: %s", json, err.text);
}

static enum status settle(const char *type_text, struct error *err)
{
    struct type *type;
    OK(type_parse(type_text, &type, NULL));
    const enum status status = npy_settle(&npy, type, err);
    type_destroy(type);
    return status;
}

static void expect_header(const char *dict)
{
    struct error err = {""};
    cr_assert(settle("any", &err) == STATUS_OK, "%s", err.text);
    OK(npy_put_header(&npy, &out));
    cr_assert(eq(sz, out.size, HEADER_SIZE));
    cr_expect(memcmp(out.data, "\x93NUMPY\x01\x00\x76\x00", 10) == 0);
    cr_expect(memcmp(out.data + 10, dict, strlen(dict)) == 0, "expected %s, found %.117s", dict,
              (const char *)out.data + 10);
    cr_expect(eq(int, out.data[HEADER_SIZE - 1], '\n'));
    buffer_clear(&out);
}

static void put(const char *json)
{
    const mf_value value = value_of(json);
    OK(npy_put(&npy, &value, &out));
}

static void expect_refused(const char *json, const char *text)
{
    const mf_value value = value_of(json);
    struct error err = {""};
    cr_expect(eq(int, npy_see(&npy, &value, npy.count, &err), STATUS_INVALID));
    cr_expect(strcmp(err.text, text) == 0, "expected \"%s\", found \"%s\"", text, err.text);
}

static void start(void)
{
    npy = (struct npy){0};
    out = (struct buffer){0};
}

static void finish(void)
{
    arena_free(&arena);
    buffer_free(&out);
}

TestSuite(npy, .init = start, .fini = finish);

Test(npy, ints_are_int64)
{
    see("1");
    see("-2");
    expect_header("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), } ");
    put("1");
    put("-2");
    cr_expect(eq(sz, out.size, 16));
    cr_expect(memcmp(out.data, "\1\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff", 16) == 0);
}

Test(npy, bools_are_bytes)
{
    see("true");
    see("false");
    expect_header("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), } ");
    put("true");
    put("false");
    cr_expect(eq(sz, out.size, 2));
    cr_expect(memcmp(out.data, "\1\0", 2) == 0);
}

Test(npy, lists_are_rows_and_a_hole_among_floats_is_nan)
{
    see("[1.0, 2]");
    see("null");
    see("[null, 0.5]");
    expect_header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), } ");
    put("[1.0, 2]");
    put("null");
    put("[null, 0.5]");
    double found[6];
    cr_assert(eq(sz, out.size, sizeof(found)));
    memcpy(found, out.data, sizeof(found));
    cr_expect(eq(dbl, found[0], 1.0));
    cr_expect(eq(dbl, found[1], 2.0));
    cr_expect(isnan(found[2]) && isnan(found[3]) && isnan(found[4]));
    cr_expect(eq(dbl, found[5], 0.5));
}

Test(npy, a_hole_may_come_before_the_length_of_rows_is_known)
{
    see("[null, null]");
    see("[[1.0], [2.0]]");
    expect_header("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2, 1), } ");
    put("[null, null]");
    cr_expect(eq(sz, out.size, 16));
}

Test(npy, no_numbers_have_the_declared_type)
{
    struct error err;
    OK(settle("list<int>", &err));
    cr_expect(eq(int, npy.kind, NPY_INT));
    npy = (struct npy){0};
    OK(settle("any", &err));
    cr_expect(eq(int, npy.kind, NPY_FLOAT));
}

Test(npy, a_hole_among_ints_is_refused_with_the_way_round)
{
    struct error err = {""};
    see("1");
    see("null");
    cr_assert(eq(int, settle("int", &err), STATUS_INVALID));
    cr_expect(strcmp(err.text,
                     "instance 1 has no output, or a null in it, and no int says so: --state "
                     "succeeded,cached leaves out instances without, --format csv has empty "
                     "cells") == 0,
              "%s", err.text);
}

Test(npy, ragged_rows_are_refused_by_instance)
{
    see("[1, 2]");
    expect_refused("[1]", "instance 1: found a list of 1, expected 2 as before: an array has rows "
                          "of equal length; --format csv takes others");
    expect_refused("1", "instance 2: found a number, expected a list as before: --format csv takes "
                        "both");
    expect_refused("[1, [2]]", "instance 3: found a list, expected a number as before: --format "
                               "csv takes both");
}

Test(npy, texts_and_records_are_refused_by_instance)
{
    expect_refused("\"x\"", "instance 0: found a text, expected numbers, or lists of them: "
                            "--format csv takes it");
    expect_refused("{}", "instance 1: found a record, expected numbers, or lists of them: "
                         "--format csv takes it");
}

Test(npy, bools_among_numbers_are_refused)
{
    see("true");
    expect_refused("1", "instance 1: found int, and bool before: an array has one kind of number; "
                        "--format csv takes both");
}

Test(npy, an_int_that_no_float_is_equal_to_is_refused_among_floats)
{
    see("9007199254740993");
    expect_refused("0.5", "instance 1: among floats and ints there is an int beyond 2^53, which no "
                          "float is equal to; --format csv takes it");
}
