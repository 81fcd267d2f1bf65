#include "shared/fold.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/value.h"
#include "tests/unit/job_support.h"

TestSuite(fold, .timeout = 50);

/* ---- A job's own ------------------------------------------------------------------------------
 */

/* Neighbours only: "a-c" and "d-d" are "a-d". */
static mf_status neighbours(mf_context *ctx, const mf_value *left, const mf_value *right,
                            mf_writer *output)
{
    const int64_t end = mf_int(mf_item(left, 1));
    if (mf_int(mf_item(right, 0)) != end + 1) {
        return mf_fail(ctx, "not neighbours");
    }
    mf_begin_list(output);
    mf_put_value(output, mf_item(left, 0));
    mf_put_value(output, mf_item(right, 1));
    mf_end_list(output);
    return MF_OK;
}

static mf_status pair_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_list(output);
    mf_put_value(output, input);
    mf_put_value(output, input);
    mf_end_list(output);
    return MF_OK;
}

static mf_status text_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    mf_put_str(output, mf_json(ctx, input, NULL));
    return MF_OK;
}

static mf_status no_reason(mf_context *ctx, const mf_value *left, const mf_value *right,
                           mf_writer *output)
{
    (void)ctx;
    (void)left;
    (void)right;
    mf_begin_list(output); /* and left open */
    return MF_FAIL;
}

static mf_status folder(mf_context *ctx, const mf_value *left, const mf_value *right,
                        mf_writer *output)
{
    (void)left;
    mf_put_value(output, right);
    return mf_workdir(ctx) != NULL ? MF_OK : MF_FAIL;
}

static mf_status an_int(mf_context *ctx, const mf_value *left, const mf_value *right,
                        mf_writer *output)
{
    (void)ctx;
    (void)left;
    (void)right;
    mf_put_int(output, 5);
    return MF_OK;
}

/* Of two files the one whose path is the longer, and the path of one. */
static mf_status longer(mf_context *ctx, const mf_value *left, const mf_value *right,
                        mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, mf_size(left) > mf_size(right) ? left : right);
    return MF_OK;
}

static mf_status path_of(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_str(output, mf_path(input));
    return MF_OK;
}

static void job_function(mf_registry *job)
{
    mf_register_task(job, &(mf_task){.name = "task", .fn = task});
    mf_register_reducer(job, &(mf_reducer){.name = "neighbours",
                                           .combine = neighbours,
                                           .type = "list<int>",
                                           .input = "int",
                                           .output = "str",
                                           .lift = pair_of,
                                           .finish = text_of,
                                           .empty = "\"none\"",
                                           .is_ordered = true});
    mf_register_reducer(job, &(mf_reducer){.name = "longer",
                                           .combine = longer,
                                           .type = "file",
                                           .output = "str",
                                           .finish = path_of});
    mf_register_reducer(job, &(mf_reducer){.name = "wordless", .combine = no_reason});
    mf_register_reducer(job, &(mf_reducer){.name = "folder", .combine = folder});
    mf_register_reducer(job, &(mf_reducer){.name = "mistyped", .combine = an_int, .type = "str"});
}

/* ---- Folding ----------------------------------------------------------------------------------
 */

struct bench {
    struct job *job;
    struct reduction *reduction;
    struct arena arena;
    mf_value values; /* a list */
};

static struct bench bench_of(const char *reducer, const char *type_text, const char *json)
{
    struct bench bench = {.job = NULL};
    struct error err = {""};
    struct type *type = NULL;
    cr_assert(eq(int, job_build(job_function, "job", &bench.job, &err), STATUS_OK));
    cr_assert(eq(int, type_parse(type_text, &type, &err), STATUS_OK));
    cr_assert(eq(int, reduction_open(bench.job, reducer, type, &bench.reduction, &err), STATUS_OK),
              "%s", err.text);
    cr_assert(
        eq(int, value_from_json(&bench.arena, json, strlen(json), &bench.values, &err), STATUS_OK),
        "%s", err.text);
    type_destroy(type);
    return bench;
}

static void bench_end(struct bench *bench)
{
    arena_free(&bench->arena);
    reduction_destroy(bench->reduction);
    job_destroy(bench->job);
}

static struct fold *fold_of(const struct bench *bench)
{
    struct fold *fold = NULL;
    cr_assert(eq(int, fold_create(bench->reduction, &fold, NULL), STATUS_OK));
    return fold;
}

static enum status add(const struct bench *bench, struct fold *fold, size_t from, size_t to,
                       struct error *err)
{
    struct buffer packed = {0};
    size_t used;
    for (size_t i = from; i < to; i++) {
        cr_assert(eq(int, value_encode(mf_item(&bench->values, i), &packed), STATUS_OK));
    }
    const enum status status =
        fold_add(fold, packed.data, packed.size, (uint64_t)(to - from), &used, err);
    cr_expect(status != STATUS_OK || used == packed.size);
    buffer_free(&packed);
    return status;
}

static void expect_result(struct fold *fold, const char *expected, const char *what)
{
    struct buffer packed = {0};
    struct buffer json = {0};
    struct arena arena = {0};
    struct error err = {""};
    mf_value value;
    size_t used;
    cr_assert(eq(int, fold_finish(fold, &packed, &err), STATUS_OK), "%s: %s", what, err.text);
    cr_assert(
        eq(int, value_decode(&arena, packed.data, packed.size, &used, &value, &err), STATUS_OK));
    cr_assert(eq(int, value_to_json(&value, &json), STATUS_OK));
    cr_expect(json.size == strlen(expected) && memcmp(json.data, expected, json.size) == 0,
              "%s: %.*s, expected %s", what, (int)json.size, (const char *)json.data, expected);
    buffer_free(&packed);
    buffer_free(&json);
    arena_free(&arena);
}

/* Fold groups of that size for themselves, and merge what they write. */
static void expect_in_groups(const struct bench *bench, size_t group, const char *expected,
                             const char *what)
{
    struct error err = {""};
    struct fold *part = fold_of(bench);
    struct fold *all = fold_of(bench);
    const size_t count = mf_count(&bench->values);
    for (size_t i = 0; i < count; i += group) {
        struct buffer partial = {0};
        size_t used;
        fold_clear(part);
        cr_assert(
            eq(int, add(bench, part, i, i + group < count ? i + group : count, &err), STATUS_OK),
            "%s: %s", what, err.text);
        cr_assert(eq(int, fold_write(part, &partial, &err), STATUS_OK), "%s: %s", what, err.text);
        cr_assert(eq(int, value_skip(partial.data, partial.size, &used), STATUS_OK));
        cr_expect(eq(sz, used, partial.size));
        cr_assert(eq(int, fold_merge(all, partial.data, partial.size, &used, &err), STATUS_OK),
                  "%s: %s", what, err.text);
        cr_expect(eq(sz, used, partial.size));
        buffer_free(&partial);
    }
    expect_result(all, expected, what);
    fold_destroy(part);
    fold_destroy(all);
}

static void expect(const char *reducer, const char *type, const char *json, const char *expected)
{
    struct bench bench = bench_of(reducer, type, json);
    struct error err = {""};
    struct fold *fold = fold_of(&bench);
    cr_assert(eq(int, add(&bench, fold, 0, mf_count(&bench.values), &err), STATUS_OK), "%s",
              err.text);
    expect_result(fold, expected, reducer);
    fold_destroy(fold);
    for (size_t group = 1; group < 5; group++) {
        expect_in_groups(&bench, group, expected, reducer);
    }
    bench_end(&bench);
}

static void expect_failure(const char *reducer, const char *type, const char *json, const char *why)
{
    struct bench bench = bench_of(reducer, type, json);
    struct error err = {""};
    struct buffer packed = {0};
    struct fold *fold = fold_of(&bench);
    enum status status = add(&bench, fold, 0, mf_count(&bench.values), &err);
    if (status == STATUS_OK) {
        status = fold_finish(fold, &packed, &err);
    }
    cr_expect(status != STATUS_OK);
    cr_expect(strstr(err.text, why) != NULL, "%s: \"%s\" lacks \"%s\"", reducer, err.text, why);
    buffer_free(&packed);
    fold_destroy(fold);
    bench_end(&bench);
}

Test(fold, a_sum_of_ints_is_exact_and_fails_where_the_result_is_too_large)
{
    expect("sum", "int", "[1, -2, 300000000000]", "299999999999");
    expect("sum", "int", "[]", "0");
    expect("sum", "int?", "[null, 4, null]", "4");
    expect("sum", "int", "[9223372036854775807, 9223372036854775807, -9223372036854775807]",
           "9223372036854775807");
    expect("sum", "int", "[-9223372036854775808, -9223372036854775808, 9223372036854775807, 1]",
           "-9223372036854775808");
    expect_failure("sum", "int", "[9223372036854775807, 1]",
                   "reducer sum: the sum is larger than an int can be");
    expect_failure("sum", "int", "[-9223372036854775808, -1]", "the sum is less than an int");
}

Test(fold, a_sum_of_floats_is_rounded_once)
{
    expect("sum", "float", "[1.0, 1e100, 1.0, -1e100]", "2.0");
    expect("sum", "float?", "[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, null]", "1.0");
    expect("sum", "float", "[]", "0.0");
}

Test(fold, a_mean_leaves_nulls_out_and_is_null_of_nothing)
{
    expect("mean", "int?", "[1, 2, null]", "1.5");
    expect("mean", "int", "[9223372036854775807, 9223372036854775807]", "9.223372036854776e+18");
    expect("mean", "float", "[1.5, 2.5]", "2.0");
    expect("mean", "float", "[]", "null");
    expect("mean", "int?", "[null]", "null");
}

Test(fold, a_count_counts_nulls_too)
{
    expect("count", "any", "[1, null, [2, 3], {\"a\": 1}]", "4");
    expect("count", "any", "[]", "0");
}

Test(fold, min_and_max_take_numbers_and_texts)
{
    expect("min", "int", "[3, -5, 7]", "-5");
    expect("max", "int?", "[3, null, -5, 7, null]", "7");
    expect("min", "float", "[0.0, -0.0, 1.5]", "-0.0");
    expect("max", "float", "[-0.0, 0.0, -1.5]", "0.0");
    expect("max", "str", "[\"b\", \"ba\", \"\", \"a\"]", "\"ba\"");
    expect("min", "str", "[\"b\", \"\\u00e9\", \"ab\", \"a\"]", "\"a\"");
    expect("min", "int", "[]", "null");
    expect("max", "str?", "[null, null]", "null");
}

/* JSON has no NaN, and prints it as null. */
Test(fold, a_nan_is_the_min_and_the_max_and_no_bin_and_not_among_the_top)
{
    static const uint8_t values[] = {0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0,  /* 1.0 */
                                     0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0,  /* NaN */
                                     0xcb, 0x40, 0x00, 0, 0, 0, 0, 0, 0}; /* 2.0 */
    const struct {
        const char *reducer;
        const char *expected;
    } cases[] = {{"min", "null"},
                 {"max", "null"},
                 {"sum", "null"},
                 {"top_k(5)", "[2.0,1.0]"},
                 {"histogram(0,2,2)", "{\"below\":0,\"counts\":[0,2],\"above\":0,\"nan\":1}"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench = bench_of(cases[i].reducer, "float", "[]");
        struct fold *fold = fold_of(&bench);
        size_t used;
        cr_assert(eq(int, fold_add(fold, values, sizeof(values), 3, &used, NULL), STATUS_OK));
        expect_result(fold, cases[i].expected, cases[i].reducer);
        fold_destroy(fold);
        bench_end(&bench);
    }
}

Test(fold, the_top_are_the_same_whoever_comes_first)
{
    expect("top_k(3)", "int", "[5, 1, 9, 7, 3, 9]", "[9,9,7]");
    expect("top_k(2, ascending)", "int?", "[5, null, 1, 9, 0]", "[0,1]");
    expect("top_k(9)", "str", "[\"b\", \"a\", \"c\"]", "[\"c\",\"b\",\"a\"]");
    expect("top_k(2)", "int", "[]", "[]");
    expect(
        "top_k(2, s)", "{n: str, s: int}",
        "[{\"n\":\"a\",\"s\":1},{\"n\":\"c\",\"s\":2},{\"n\":\"b\",\"s\":2},{\"n\":\"d\",\"s\":2}"
        "]",
        "[{\"n\":\"b\",\"s\":2},{\"n\":\"c\",\"s\":2}]");
    expect("top_k(3, s, ascending)", "map<any>", "[{\"s\":1.5},{\"t\":0},{\"s\":1},{\"s\":null}]",
           "[{\"s\":1},{\"s\":1.5}]");
    expect("top_k(1)", "any", "[9007199254740993, 9007199254740992.0]", "[9007199254740993]");
}

Test(fold, many_are_sorted_out_by_a_heap)
{
    struct buffer json = {0};
    cr_assert(eq(int, buffer_append(&json, "[", 1), STATUS_OK));
    for (int i = 0; i < 1000; i++) {
        cr_assert(
            eq(int, buffer_printf(&json, "%s%d", i > 0 ? "," : "", i * 7919 % 1000), STATUS_OK));
    }
    cr_assert(eq(int, buffer_append(&json, "]", 2), STATUS_OK));
    expect("top_k(5)", "int", (const char *)json.data, "[999,998,997,996,995]");
    buffer_free(&json);
}

Test(fold, concat_keeps_the_order)
{
    expect("concat", "list<int>", "[[1], [], [2, 3], [4]]", "[1,2,3,4]");
    expect("concat", "list<int>?", "[[1], null, [2]]", "[1,2]");
    expect("concat", "str", "[\"a\", \"\", \"bc\", \"d\"]", "\"abcd\"");
    expect("concat", "list<int>", "[]", "[]");
    expect("concat", "str", "[]", "\"\"");
}

Test(fold, long_lists_get_longer_headers)
{
    struct bench bench =
        bench_of("concat", "list<int>", "[[1,2,3,4,5,6,7,8,9,10],[1,2,3,4,5,6,7,8,9,10]]");
    struct fold *fold = fold_of(&bench);
    struct buffer packed = {0};
    for (int i = 0; i < 5000; i++) {
        cr_assert(eq(int, add(&bench, fold, 0, 2, NULL), STATUS_OK));
    }
    cr_assert(eq(int, fold_finish(fold, &packed, NULL), STATUS_OK));
    cr_expect(eq(u8, packed.data[0], 0xdd));
    cr_expect(eq(sz, packed.size, 5 + 100000));
    buffer_free(&packed);
    fold_destroy(fold);
    bench_end(&bench);
}

Test(fold, a_histogram_has_its_last_edge_and_counts_what_is_outside)
{
    expect("histogram(0, 10, 5)", "int", "[0, 1, 2, 9, 10, 11, -1, 5]",
           "{\"below\":1,\"counts\":[2,1,1,0,2],\"above\":1,\"nan\":0}");
    expect("histogram(0, 1, 2)", "float?", "[0.5, null, 0.49]",
           "{\"below\":0,\"counts\":[1,1],\"above\":0,\"nan\":0}");
    expect("histogram(0, 1, 2)", "float", "[]",
           "{\"below\":0,\"counts\":[0,0],\"above\":0,\"nan\":0}");
}

Test(fold, a_job_s_own_lifts_combines_neighbours_and_finishes)
{
    expect("neighbours", "int", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]", "\"[1,13]\"");
    expect("neighbours", "int", "[5]", "\"[5,5]\"");
    expect("neighbours", "int", "[]", "\"none\"");
}

Test(fold, a_failure_of_a_job_s_own_names_it)
{
    expect_failure("neighbours", "int", "[1, 3]", "reducer neighbours: combine failed: not neig");
    expect_failure("wordless", "any", "[1, 3]", "wordless: combine failed, and did not say why");
    expect_failure("mistyped", "str", "[\"a\", \"b\"]",
                   "what combine gave: expected str, found int");
    expect_failure("folder", "any", "[1, 2]", "a reducer has no folder of its own");
}

/* The paths of files that were given back start in the run directory. */
Test(fold, a_job_s_own_is_given_absolute_paths)
{
    const char *const values[] = {"[\"files/1\"]", "[\"files/1\", \"/a/path\"]"};
    const char *const results[] = {"\"/run/files/1\"", "\"/run/files/1\""};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct bench bench = bench_of("longer", "file", values[i]);
        bench.reduction->run_dir = "/run";
        struct fold *fold = fold_of(&bench);
        cr_expect(eq(int, add(&bench, fold, 0, i + 1, NULL), STATUS_OK));
        expect_result(fold, results[i], "longer");
        fold_destroy(fold);
        bench_end(&bench);
    }
}

Test(fold, it_can_be_used_again_after_a_failure)
{
    struct bench bench = bench_of("neighbours", "int", "[1, 3, 4]");
    struct fold *fold = fold_of(&bench);
    cr_expect(add(&bench, fold, 0, 2, NULL) != STATUS_OK);
    fold_clear(fold);
    cr_expect(eq(int, add(&bench, fold, 1, 3, NULL), STATUS_OK));
    expect_result(fold, "\"[3,4]\"", "neighbours");
    fold_destroy(fold);
    bench_end(&bench);
}

/* As where the job has changed since it was recorded. */
Test(fold, a_partial_value_of_another_type_reaches_no_function_of_the_job)
{
    const uint8_t five[] = {5};
    struct bench bench = bench_of("neighbours", "int", "[]");
    struct fold *fold = fold_of(&bench);
    struct error err = {""};
    size_t used;
    cr_expect(fold_merge(fold, five, sizeof(five), &used, &err) != STATUS_OK);
    cr_expect(
        eq(str, err.text, "reducer neighbours: a partial value: expected list<int>, found int 5"));
    fold_destroy(fold);
    bench_end(&bench);
}

/* Whatever a partial value's bytes are, it is taken or refused. */
Test(fold, any_bytes_are_merged_or_refused)
{
    const char *const reducers[] = {
        "sum", "count", "min", "mean", "top_k(2)", "concat", "histogram(0,1,3)", "neighbours"};
    srand(11);
    for (size_t i = 0; i < sizeof(reducers) / sizeof(reducers[0]); i++) {
        const char *type = strcmp(reducers[i], "concat") == 0 ? "list<int>"
                           : i % 2 == 0                       ? "float"
                                                              : "int";
        struct bench bench =
            bench_of(reducers[i], strcmp(reducers[i], "neighbours") == 0 ? "int" : type, "[]");
        struct fold *fold = fold_of(&bench);
        for (int round = 0; round < 2000; round++) {
            uint8_t bytes[24];
            size_t used;
            struct buffer out = {0};
            for (size_t k = 0; k < sizeof(bytes); k++) {
                bytes[k] = (uint8_t)(rand() % 3 == 0 ? 0x90 + rand() % 8 : rand());
            }
            fold_clear(fold);
            if (fold_merge(fold, bytes, (size_t)rand() % sizeof(bytes), &used, NULL) == STATUS_OK) {
                (void)!fold_finish(fold, &out, NULL);
            }
            buffer_free(&out);
        }
        fold_destroy(fold);
        bench_end(&bench);
    }
}
