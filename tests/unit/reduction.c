#include "shared/reduction.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "tests/unit/job_support.h"

TestSuite(reduction, .timeout = 50);

static mf_status combine(mf_context *ctx, const mf_value *left, const mf_value *right,
                         mf_writer *output)
{
    (void)ctx;
    (void)right;
    mf_put_value(output, left);
    return MF_OK;
}

static void job_function(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "task", .fn = task});
    mf_register_reducer(job, &(mf_reducer){.name = "own", .combine = combine, .type = "float"});
    mf_register_reducer(job, &(mf_reducer){.name = "counted",
                                           .combine = combine,
                                           .type = "map<int>",
                                           .input = "str",
                                           .lift = task,
                                           .empty = "{}",
                                           .is_ordered = true});
}

static struct job *job_of(mf_job_function *function)
{
    struct job *job = NULL;
    struct error err = {""};
    cr_assert(eq(int, job_build(function, "job", &job, &err), STATUS_OK), "%s", err.text);
    return job;
}

/* The reduction of values of that type; NULL where it is refused, for the reason in `err`. */
static struct reduction *open(const struct job *job, const char *text, const char *type_text,
                              struct error *err)
{
    struct type *type = NULL;
    struct reduction *reduction = NULL;
    cr_assert(eq(int, type_parse(type_text, &type, NULL), STATUS_OK));
    const enum status status = reduction_open(job, text, type, &reduction, err);
    type_destroy(type);
    return status == STATUS_OK ? reduction : NULL;
}

static void expect_output(const struct job *job, const char *text, const char *type,
                          const char *output)
{
    struct error err = {""};
    struct buffer found = {0};
    struct reduction *reduction = open(job, text, type, &err);
    cr_assert(reduction != NULL, "%s of %s: %s", text, type, err.text);
    cr_assert(eq(int, type_format(reduction->output, &found), STATUS_OK));
    cr_expect(found.size == strlen(output) && memcmp(found.data, output, found.size) == 0,
              "%s of %s gives %.*s, expected %s", text, type, (int)found.size,
              (const char *)found.data, output);
    buffer_free(&found);
    reduction_destroy(reduction);
}

static void expect_refused(const struct job *job, const char *text, const char *type,
                           const char *why)
{
    struct error err = {""};
    struct reduction *reduction = open(job, text, type, &err);
    cr_assert(reduction == NULL, "%s of %s was taken", text, type);
    cr_expect(strstr(err.text, why) != NULL, "%s of %s: \"%s\" lacks \"%s\"", text, type, err.text,
              why);
}

Test(reduction, what_comes_of_values_follows_from_their_type)
{
    struct job *job = job_of(job_function);
    expect_output(job, "sum", "int", "int");
    expect_output(job, "sum", "float?", "float");
    expect_output(job, "count", "any", "int");
    expect_output(job, "min", "int", "int?");
    expect_output(job, "max", "str?", "str?");
    expect_output(job, "mean", "int", "float?");
    expect_output(job, "top_k(3)", "int?", "list<int>");
    expect_output(job, "top_k( 3 , score, ascending)", "{score: float}", "list<{score: float}>");
    expect_output(job, "top_k(3, ascending)", "float", "list<float>");
    expect_output(job, "concat", "list<int>", "list<int>");
    expect_output(job, "concat", "bytes", "bytes");
    expect_output(job, "histogram(-1, 2.5, 10)", "int",
                  "{below: int, counts: list<int>, above: int, nan: int}");
    job_destroy(job);
}

Test(reduction, a_job_s_own_gives_what_it_declares_and_null_for_nothing_unless_it_says_what)
{
    struct job *job = job_of(job_function);
    expect_output(job, "own", "float", "float?");
    expect_output(job, "counted", "str", "map<int>");
    job_destroy(job);
}

static void expect_description(const struct job *job, const char *text, const char *type,
                               const char *expected)
{
    struct error err = {""};
    struct buffer found = {0};
    struct reduction *reduction = open(job, text, type, &err);
    cr_assert(reduction != NULL, "%s of %s: %s", text, type, err.text);
    cr_assert(eq(int, reduction_describe(reduction, text, &found), STATUS_OK));
    cr_expect(found.size == strlen(expected) && memcmp(found.data, expected, found.size) == 0,
              "%s is %.*s, expected %s", text, (int)found.size, (const char *)found.data, expected);
    buffer_free(&found);
    reduction_destroy(reduction);
}

Test(reduction, what_makes_partial_values_such_is_described)
{
    struct job *job = job_of(job_function);
    expect_description(job, "top_k(3, ascending)", "float", "top_k(3, ascending)");
    expect_description(job, "counted", "str", "counted of map<int>, in order");
    expect_description(job, "own", "float", "own of float");
    job_destroy(job);
}

Test(reduction, values_of_another_type_are_refused)
{
    struct job *job = job_of(job_function);
    expect_refused(job, "sum", "str", "reducer sum: it takes int or float, and is given str");
    expect_refused(job, "min", "list<int>", "int, float or str");
    expect_refused(job, "concat", "int", "lists, str or bytes");
    expect_refused(job, "top_k(2)", "{a: int}", "without a FIELD");
    expect_refused(job, "top_k(2, b)", "{a: int}", "whose FIELD is");
    expect_refused(job, "top_k(2, a)", "{a: list<int>}", "whose FIELD is");
    expect_refused(job, "histogram(0,1,2)", "any", "int or float");
    expect_refused(job, "own", "str", "reducer own: it takes float, and is given str");
    expect_refused(job, "own", "int", "it takes float, and is given int");
    expect_refused(job, "own", "float?", "it takes float, and is given float?");
    job_destroy(job);
}

Test(reduction, texts_that_make_no_sense_are_refused)
{
    struct job *job = job_of(job_function);
    expect_refused(job, "", "int", "there is no reducer \"\"");
    expect_refused(job, "summ", "int", "there are sum, count, min");
    expect_refused(job, "summ", "int", "histogram, own, counted");
    expect_refused(job, "sum(1)", "int", "it has 1 arguments: it is written sum");
    expect_refused(job, "own(1)", "float", "takes no arguments");
    expect_refused(job, "top_k", "int", "it is written top_k(K)");
    expect_refused(job, "top_k(3", "int", "has no )");
    expect_refused(job, "top_k(0)", "int", "K is \"0\"");
    expect_refused(job, "top_k(-1)", "int", "K is \"-1\"");
    expect_refused(job, "top_k(3, a, b)", "{a: int}", "its order is \"b\"");
    expect_refused(job, "top_k(3, , ascending)", "{a: int}", "no name");
    expect_refused(job, "top_k(1,2,3,4,5,6)", "int", "more arguments than any");
    expect_refused(job, "histogram(0, 1)", "int", "it has 2 arguments");
    expect_refused(job, "histogram(1, 1, 2)", "int", "FROM has to be below TO");
    expect_refused(job, "histogram(0, x, 2)", "int", "TO is \"x\"");
    job_destroy(job);
}

/* ---- Registering ------------------------------------------------------------------------------
 */

static void without_combine(mf_registry *job)
{
    mf_register_reducer(job, &(mf_reducer){.name = "r"});
}

static void named_as_built_in(mf_registry *job)
{
    mf_register_reducer(job, &(mf_reducer){.name = "sum", .combine = combine});
}

static void without_lift(mf_registry *job)
{
    mf_register_reducer(
        job, &(mf_reducer){.name = "r", .combine = combine, .type = "int", .input = "str"});
}

static void without_finish(mf_registry *job)
{
    mf_register_reducer(
        job, &(mf_reducer){.name = "r", .combine = combine, .type = "int", .output = "str"});
}

static void with_a_bad_type(mf_registry *job)
{
    mf_register_reducer(job, &(mf_reducer){.name = "r", .combine = combine, .type = "itn"});
}

static void with_another_empty(mf_registry *job)
{
    mf_register_reducer(
        job, &(mf_reducer){.name = "r", .combine = combine, .type = "int", .empty = "\"a\""});
}

static void twice(mf_registry *job)
{
    job_function(job);
    job_function(job);
}

static void named_as_a_task(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "task", .fn = task});
    mf_register_reducer(job, &(mf_reducer){.name = "task", .combine = combine});
}

static void expect_no_job(mf_job_function *function, const char *why)
{
    struct job *job = NULL;
    struct error err = {""};
    cr_assert(job_build(function, "job", &job, &err) != STATUS_OK);
    cr_expect(strstr(err.text, why) != NULL, "\"%s\" lacks \"%s\"", err.text, why);
}

Test(reduction, a_reducer_that_cannot_work_makes_its_job_unusable)
{
    expect_no_job(without_combine, "reducer r: it has no combine");
    expect_no_job(named_as_built_in, "reducer sum: one of that name is built in");
    expect_no_job(without_lift, "reducer r: input and type differ, and there is no lift");
    expect_no_job(without_finish, "reducer r: output and type differ, and there is no finish");
    expect_no_job(with_a_bad_type, "reducer r: partial type \"itn\"");
    expect_no_job(with_another_empty, "reducer r: empty: ");
    expect_no_job(twice, "task is registered twice");
    expect_no_job(named_as_a_task, "task task is registered twice");
}
