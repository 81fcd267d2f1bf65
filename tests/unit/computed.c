/* Elements of formulas: trials as a task's type, and what is refused of bytes from outside. */
#include "shared/computed.h"

#include "master/inputs.h"
#include "shared/trials_form.h"
#include "space_support.h"

#define LR "{\"path\":[\"lr\"],\"values\":[1,2]}"
#define DEPTH "{\"path\":[\"tree\",\"depth\"],\"min\":2,\"max\":3}"

struct bench {
    struct trials_form form;
    struct type *type;
    struct inputs *inputs;
};

static enum status opened(const char *parameters, enum trials_method method, uint64_t count,
                          uint64_t repeats, const char *type, struct bench *bench,
                          struct error *err)
{
    *bench = (struct bench){.form = {.space = space_of(parameters, ""),
                                     .options = {.method = method, .count = count},
                                     .repeats = repeats}};
    const struct inputs_source source = {
        .kind = INPUTS_TRIALS, .launch_dir = "/", .trials = &bench->form};
    cr_assert(eq(int, type_parse(type, &bench->type, err), STATUS_OK));
    return inputs_open(&source, bench->type, &bench->inputs, err);
}

static void closed(struct bench *bench)
{
    inputs_close(bench->inputs);
    trials_form_free(&bench->form);
    type_destroy(bench->type);
}

static void expect_elements(struct bench *bench, const char *const *json, size_t count)
{
    struct computed *computed = NULL;
    struct error err = {.text = ""};
    const struct formula *formula = inputs_formula(bench->inputs);
    cr_assert(eq(u64, formula->count, count));
    cr_assert(eq(int, computed_open(formula, bench->type, "/", &computed, &err), STATUS_OK));
    for (size_t i = count; i-- > 0;) {
        mf_value value;
        cr_assert(eq(int, computed_value(formula, computed, i, &value, &err), STATUS_OK));
        expect_json(&value, json[i]);
    }
    computed_close(computed);
}

Test(computed, trials_are_given_as_the_type_and_as_often_as_they_are_repeated)
{
    static const char *const json[] = {
        "{\"lr\":1.0,\"tree\":{\"depth\":2}}", "{\"lr\":1.0,\"tree\":{\"depth\":2}}",
        "{\"lr\":1.0,\"tree\":{\"depth\":3}}", "{\"lr\":1.0,\"tree\":{\"depth\":3}}",
        "{\"lr\":2.0,\"tree\":{\"depth\":2}}", "{\"lr\":2.0,\"tree\":{\"depth\":2}}"};
    struct bench bench;
    struct error err = {.text = ""};
    cr_assert(
        eq(int,
           opened(LR "," DEPTH, TRIALS_GRID, 3, 2, "{lr: float, tree: {depth: int}}", &bench, &err),
           STATUS_OK),
        "%s", err.text);
    expect_elements(&bench, json, 6);
    closed(&bench);
}

Test(computed, trials_that_no_task_takes_are_refused_before_they_are_drawn)
{
    static const struct {
        const char *parameters, *type, *text;
    } rows[] = {
        {LR, "{lr: str}", ".lr"},
        {LR, "{lr: float, depth: int}", "depth"},
        {LR "," DEPTH, "{lr: float}", "tree"},
        {"{\"path\":[\"x\"],\"min\":0.5,\"max\":1}", "{x: int}", ".x"},
        {"{\"path\":[\"x\"],\"values\":[1,\"a\"]}", "{x: int}", ".x"},
        {LR ",{\"path\":[\"m\"],\"values\":[1],\"when\":\"lr > 1\"}", "{lr: int, m: int}", "m"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench bench;
        struct error err = {.text = ""};
        cr_expect(eq(int,
                     opened(rows[i].parameters, TRIALS_RANDOM, 5, 1, rows[i].type, &bench, &err),
                     STATUS_INVALID),
                  "%s", rows[i].parameters);
        cr_expect(ne(ptr, strstr(err.text, rows[i].text), NULL), "%s", err.text);
        closed(&bench);
    }
}

Test(computed, more_trials_begin_with_the_fewer)
{
    struct bench bench;
    struct inputs *grown = NULL;
    struct error err = {.text = ""};
    const char *const x = "{\"path\":[\"x\"],\"min\":0.0,\"max\":1}";
    cr_assert(eq(int, opened(x, TRIALS_RANDOM, 3, 2, "any", &bench, &err), STATUS_OK));
    cr_assert(eq(int, inputs_grow(inputs_formula(bench.inputs), 5, &grown, &err), STATUS_OK));
    cr_expect(eq(u64, inputs_count(grown), 10));
    struct computed *few = NULL;
    struct computed *many = NULL;
    cr_assert(eq(int, computed_open(inputs_formula(bench.inputs), bench.type, "/", &few, &err),
                 STATUS_OK));
    cr_assert(
        eq(int, computed_open(inputs_formula(grown), bench.type, "/", &many, &err), STATUS_OK));
    for (uint64_t i = 0; i < 6; i++) {
        mf_value a;
        mf_value b;
        cr_assert(eq(int, computed_element(few, i, &a, &err), STATUS_OK));
        cr_assert(eq(int, computed_element(many, i, &b, &err), STATUS_OK));
        cr_expect(eq(dbl, mf_float(mf_field(&a, "x")), mf_float(mf_field(&b, "x"))));
    }
    mf_value beyond;
    cr_expect(eq(int, computed_element(few, 6, &beyond, &err), STATUS_INVALID));
    computed_close(few);
    computed_close(many);
    inputs_close(grown);
    closed(&bench);
}

Test(computed, bytes_that_are_no_trials_are_refused)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        "{\"method\":\"random\",\"seed\":0,\"trials\":1,\"repeats\":1}",
        "{\"method\":\"walk\",\"seed\":0,\"trials\":1,\"repeats\":1,\"space\":{}}",
        "{\"method\":\"random\",\"seed\":-1,\"trials\":1,\"repeats\":1,\"space\":{}}",
        "{\"method\":\"random\",\"seed\":0,\"trials\":1,\"repeats\":0,\"space\":{}}",
        "{\"method\":\"random\",\"seed\":0,\"trials\":1,\"repeats\":1,\"space\":[]}",
        "{\"method\":\"random\",\"seed\":0,\"trials\":2,\"repeats\":1,\"space\":"
        "{\"parameters\":[" LR "],\"constraints\":[]}}", /* not as many as the formula says */
    };
    struct error err = {.text = ""};
    struct type *any = NULL;
    cr_assert(eq(int, type_parse("any", &any, &err), STATUS_OK));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = {0};
        struct buffer packed = {0};
        struct computed *computed = NULL;
        const mf_value value = json_value(&arena, rows[i]);
        cr_assert(eq(int, value_encode(&value, &packed), STATUS_OK));
        const struct formula formula = {.kind = FORMULA_TRIALS,
                                        .step = 1,
                                        .count = 1,
                                        .packed = packed.data,
                                        .packed_size = packed.size};
        cr_expect(eq(int, computed_open(&formula, any, "/", &computed, &err), STATUS_INVALID), "%s",
                  rows[i]);
        buffer_free(&packed);
        arena_free(&arena);
    }
    type_destroy(any);
}

Test(computed, a_range_needs_nothing_to_be_opened)
{
    const struct formula range = {.kind = FORMULA_RANGE, .start = 5, .step = 2, .count = 3};
    struct computed *computed = NULL;
    struct error err = {.text = ""};
    mf_value value;
    cr_assert(eq(int, computed_open(&range, NULL, NULL, &computed, &err), STATUS_OK));
    cr_assert(eq(ptr, computed, NULL));
    cr_assert(eq(int, computed_value(&range, computed, 2, &value, &err), STATUS_OK));
    cr_expect(eq(i64, mf_int(&value), 9));
}
