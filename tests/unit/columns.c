#include "cli/columns.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/value.h"

#define OK(call) cr_assert(eq(int, (call), STATUS_OK))

static struct arena arena;
static struct type *type;
static struct columns *columns;
static struct row_field fields[16];

static void start(const char *type_text, const char *prefix)
{
    OK(type_parse(type_text, &type, NULL));
    columns = columns_create(type, prefix);
}

static mf_value value_of(const char *json)
{
    mf_value value;
    OK(value_from_json(&arena, json, strlen(json), &value, NULL));
    return value;
}

static void see(const char *json)
{
    const mf_value value = value_of(json);
    OK(columns_see(columns, &value, NULL));
}

static void expect_names(const char *expected)
{
    char names[256] = "";
    columns_settle(columns);
    cr_assert(le(sz, columns_count(columns), sizeof(fields) / sizeof(fields[0])));
    columns_name(columns, fields);
    for (size_t i = 0; i < columns_count(columns); i++) {
        const size_t size = strlen(names);
        (void)snprintf(names + size, sizeof(names) - size, "%s%s", i > 0 ? " " : "",
                       fields[i].name);
    }
    cr_expect(strcmp(names, expected) == 0, "expected \"%s\", found \"%s\"", expected, names);
}

/* The row as a JSON list. */
static void expect_row(const char *json, const char *expected)
{
    struct buffer row = {0};
    const mf_value value = value_of(json);
    columns_fill(columns, &value, fields);
    for (size_t i = 0; i < columns_count(columns); i++) {
        OK(buffer_append_byte(&row, i > 0 ? ' ' : '['));
        OK(value_to_json(&fields[i].value, &row));
    }
    OK(buffer_append(&row, "]", 2));
    cr_expect(strcmp((const char *)row.data, expected) == 0, "%s: expected %s, found %s", json,
              expected, (const char *)row.data);
    buffer_free(&row);
}

static void finish(void)
{
    columns_destroy(columns);
    type_destroy(type);
    arena_free(&arena);
}

TestSuite(columns, .fini = finish);

Test(columns, records_within_records_are_columns_in_the_order_of_first_appearance)
{
    start("any", "");
    see("{\"a\":{\"x\":1},\"b\":[1,2]}");
    see("{\"b\":3,\"a\":{\"y\":{\"z\":2}},\"c\":4}");
    expect_names("a.x b a.y.z c");
    expect_row("{\"a\":{\"x\":1},\"b\":[1,2]}", "[1 [1,2] null null]");
    expect_row("{\"b\":3,\"a\":{\"y\":{\"z\":2}},\"c\":4}", "[null 3 2 4]");
}

Test(columns, a_null_or_an_empty_record_makes_a_column_where_nothing_else_has_one)
{
    start("any", "");
    see("{\"a\":null,\"b\":null,\"c\":{}}");
    see("{\"a\":{\"x\":1}}");
    expect_names("b c a.x");
    expect_row("{\"a\":null,\"b\":null,\"c\":{}}", "[null {} null]");
    expect_row("null", "[null null null]");
}

Test(columns, what_is_now_a_record_and_now_none_has_columns_for_both)
{
    start("any", "");
    see("{\"a\":1}");
    see("{\"a\":{\"x\":2}}");
    see("7");
    expect_names("a a.x output");
    expect_row("7", "[null null 7]");
    expect_row("{\"a\":{\"x\":2}}", "[null 2 null]");
}

Test(columns, what_is_no_record_is_the_column_output)
{
    start("int", "output.");
    cr_expect(not(columns_type_is_open(type)));
    expect_names("output");
    expect_row("3", "[3]");
}

Test(columns, a_declared_type_has_its_columns_before_any_value_and_needs_no_look_at_them)
{
    start("{b: {y: int, x?: float}?, a: list<{z: int}>}", "output.");
    cr_expect(not(columns_type_is_open(type)));
    expect_names("output.b.y output.b.x output.a");
    expect_row("{\"a\":[{\"z\":1}],\"b\":{\"y\":2}}", "[2 null [{\"z\":1}]]");
    expect_row("{\"a\":[],\"b\":null}", "[null null []]");
}

Test(columns, fields_that_a_type_leaves_open_are_known_by_the_values)
{
    start("{m: map<int>, a: any, b: int}", "");
    cr_expect(columns_type_is_open(type));
    see("{\"a\":1,\"b\":2,\"m\":{\"k\":3}}");
    expect_names("a b m.k");
}

Test(columns, no_values_have_the_column_output)
{
    start("any", "");
    cr_expect(columns_type_is_open(type));
    expect_names("output");
}

Test(columns, more_than_spreadsheets_take_are_refused)
{
    struct error err;
    char json[32];
    start("any", "");
    for (int i = 0; i < COLUMNS_MAX; i++) {
        (void)snprintf(json, sizeof(json), "{\"k%d\":1}", i);
        see(json);
    }
    const mf_value value = value_of("{\"one more\":1}");
    cr_assert(eq(int, columns_see(columns, &value, &err), STATUS_LIMIT));
    cr_expect(strcmp(err.text, "more than 16384 columns: --format jsonl has no such bound") == 0);
    see("{\"k0\":2,\"k7\":3}");
}
