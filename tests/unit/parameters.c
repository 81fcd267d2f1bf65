#include "cli/parameters.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/value.h"

#define WORDS_MAX 8

static struct workflow workflow_of(const char *input)
{
    static char name[] = "wf";
    struct workflow workflow = {.name = name};
    cr_assert(eq(int, type_parse(input, &workflow.input, NULL), STATUS_OK));
    return workflow;
}

/* `words` end with NULL. */
static enum status read_words(const char *input, const char *const *words, struct buffer *packed,
                              struct error *err)
{
    struct workflow workflow = workflow_of(input);
    size_t count = 0;
    while (words[count] != NULL) {
        count++;
    }
    const enum status status = parameters_read(&workflow, words, count, "/tmp", packed, err);
    type_destroy(workflow.input);
    return status;
}

static void expect_read(const char *input, const char *const *words, const char *json)
{
    struct buffer packed = {0};
    struct buffer text = {0};
    struct arena arena = {0};
    struct error err = {""};
    mf_value record;
    size_t used = 0;
    cr_assert(eq(int, read_words(input, words, &packed, &err), STATUS_OK), "%s", err.text);
    cr_assert(
        eq(int, value_decode(&arena, packed.data, packed.size, &used, &record, &err), STATUS_OK));
    cr_assert(eq(int, value_to_json(&record, &text), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(&text, '\0'), STATUS_OK));
    cr_expect(strcmp((const char *)text.data, json) == 0, "found %s, expected %s",
              (const char *)text.data, json);
    arena_free(&arena);
    buffer_free(&packed);
    buffer_free(&text);
}

static void expect_refused(const char *input, const char *const *words, const char *text)
{
    struct buffer packed = {0};
    struct error err = {""};
    cr_expect(read_words(input, words, &packed, &err) != STATUS_OK);
    cr_expect(strstr(err.text, text) != NULL, "found \"%s\", expected \"%s\"", err.text, text);
    buffer_free(&packed);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const char *const nothing[] = {NULL};

Test(parameters, each_is_read_as_its_type)
{
    expect_read("{n: int, x: float, s: str, b: bool, xs: list<int>, r: {a: int}}",
                WORDS("n=3", "x=2", "s=5", "b=true", "xs=[1,2]", "r={\"a\":1}"),
                "{\"n\":3,\"x\":2.0,\"s\":\"5\",\"b\":true,\"xs\":[1,2],\"r\":{\"a\":1}}");
}

Test(parameters, they_stand_in_the_order_of_the_type)
{
    expect_read("{a: int, b: int}", WORDS("b=2", "a=1"), "{\"a\":1,\"b\":2}");
}

Test(parameters, those_that_may_be_left_out_are)
{
    expect_read("{a?: int, b?: str}", WORDS("b="), "{\"b\":\"\"}");
    expect_read("{a?: int}", nothing, "{}");
    expect_read("{}", nothing, "{}");
}

Test(parameters, a_value_may_hold_an_equals_sign)
{
    expect_read("{query: str}", WORDS("query=a=b"), "{\"query\":\"a=b\"}");
}

Test(parameters, an_empty_text_is_null_where_that_is_taken)
{
    expect_read("{a: int?}", WORDS("a="), "{\"a\":null}");
}

Test(parameters, a_relative_path_starts_at_the_launch_directory)
{
    expect_read("{d: dir}", WORDS("d=."), "{\"d\":\"/tmp\"}");
}

Test(parameters, a_value_of_another_type_is_refused_by_name)
{
    expect_refused("{n: int}", WORDS("n=three"), "parameter n: expected int, found str \"three\"");
    expect_refused("{xs: list<int>}", WORDS("xs=[1,\"two\"]"),
                   "parameter xs: at [1]: expected int");
    expect_refused("{xs: list<int>}", WORDS("xs=[1"), "parameter xs: ");
    expect_refused("{f: file}", WORDS("f=/no/such/file"), "parameter f: ");
}

Test(parameters, an_unknown_one_is_refused_with_those_that_there_are)
{
    expect_refused("{query: str, n?: int}", WORDS("qeury=x"),
                   "unknown parameter \"qeury\"; parameters of workflow wf: query: str, n?: int");
    expect_refused("{}", WORDS("x=1"), "unknown parameter \"x\"; parameters of workflow wf: none");
}

Test(parameters, a_missing_one_is_refused_by_name)
{
    expect_refused("{query: str, n: int}", WORDS("query=x"),
                   "no value for parameter \"n\"; parameters of workflow wf: query: str, n: int");
}

Test(parameters, one_that_is_given_twice_is_refused)
{
    expect_refused("{n: int}", WORDS("n=1", "n=2"), "parameter n is given twice: \"1\" and \"2\"");
}

Test(parameters, a_word_without_a_name_is_refused)
{
    expect_refused("{n: int}", WORDS("3"), "expected NAME=VALUE, found \"3\"");
    expect_refused("{n: int}", WORDS("=3"), "unknown parameter \"\"");
}

Test(parameters, bytes_that_are_no_text_are_refused)
{
    expect_refused("{s: str}", WORDS("s=\xff"), "is not UTF-8");
}
