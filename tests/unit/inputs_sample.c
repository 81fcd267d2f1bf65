/* --sample: draws from distributions that are written in one word. */
#include "master/inputs.h"
#include "shared/computed.h"
#include "shared/value_make.h"
#include "space_support.h"

#define SAMPLE_COUNT 20

static enum status opened(const char *const *grids, size_t count, const char *const *bounds,
                          const char *type_text, struct type **type_out, struct inputs **inputs_out,
                          struct error *err)
{
    const struct inputs_source source = {.kind = INPUTS_SAMPLE,
                                         .launch_dir = "/",
                                         .grids = grids,
                                         .grid_count = count,
                                         .bounds = bounds,
                                         .bound_count = bounds != NULL ? 1 : 0,
                                         .sample_count = SAMPLE_COUNT,
                                         .sample_seed = 1};
    cr_assert(eq(int, type_parse(type_text, type_out, err), STATUS_OK));
    return inputs_open(&source, *type_out, inputs_out, err);
}

/* Field x of each draw. */
static void draw(const char *grid, const char *type_text, mf_value values[SAMPLE_COUNT],
                 struct arena *arena)
{
    struct error err = {.text = ""};
    struct type *type = NULL;
    struct inputs *inputs = NULL;
    struct computed *computed = NULL;
    cr_assert(eq(int, opened(&grid, 1, NULL, type_text, &type, &inputs, &err), STATUS_OK), "%s: %s",
              grid, err.text);
    cr_assert(eq(u64, inputs_count(inputs), SAMPLE_COUNT));
    cr_assert(
        eq(int, computed_open(inputs_formula(inputs), type, "/", &computed, &err), STATUS_OK));
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        mf_value record;
        cr_assert(eq(int, computed_element(computed, i, &record, &err), STATUS_OK));
        cr_assert(eq(int, value_copy(arena, mf_field(&record, "x"), &values[i]), STATUS_OK));
    }
    computed_close(computed);
    inputs_close(inputs);
    type_destroy(type);
}

Test(inputs_sample, every_distribution_draws_numbers_within_its_limits)
{
    static const struct {
        const char *grid;
        double min, max;
        bool is_int;
    } rows[] = {
        {"x~uniform(0,1)", 0, 1, false},
        {"x~uniform(min=-2,max=-1)", -2, -1, false},
        {"x~int_uniform(3,5)", 3, 5, true},
        {"x~q_uniform(0,1,0.25)", 0, 1, false},
        {"x~q_uniform(8,64,q=8)", 8, 64, true},
        {"x~log_uniform_values(1e-5,0.1)", 1e-5, 0.1, false},
        {"x~q_log_uniform_values(8,1024,8)", 8, 1024, true},
        {"x~log_uniform(-3,-2)", 0.049, 0.136, false},
        {"x~q_log_uniform(0,5)", 1, 149, true},
        {"x~inv_log_uniform_values(0.9,0.999)", 0.9, 0.999, false},
        {"x~inv_log_uniform(0,5)", 0.006, 1, false},
        {"x~normal", -10, 10, false},
        {"x~normal()", -10, 10, false},
        {"x~normal(5,sigma=0)", 5, 5, false},
        {"x~q_normal(100,15,1)", 0, 200, true},
        {"x~log_normal(0,0.5)", 0, 100, false},
        {"x~q_log_normal(3,1,2)", 0, 10000, true},
        {"x~beta(2,5)", 0, 1, false},
        {"x~q_beta(2,5,0.1)", 0, 1, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = {0};
        mf_value values[SAMPLE_COUNT];
        draw(rows[i].grid, "any", values, &arena);
        for (size_t k = 0; k < SAMPLE_COUNT; k++) {
            cr_expect(eq(int, mf_kind_of(&values[k]), rows[i].is_int ? MF_INT : MF_FLOAT), "%s",
                      rows[i].grid);
            cr_expect(mf_float(&values[k]) >= rows[i].min && mf_float(&values[k]) <= rows[i].max,
                      "%s: %g", rows[i].grid, mf_float(&values[k]));
        }
        arena_free(&arena);
    }
}

Test(inputs_sample, listed_values_are_read_as_the_type_and_each_is_drawn)
{
    static const char *const grids[] = {"x~categorical(1,2)", "x=1,2", "x:=1,2"};
    for (size_t i = 0; i < 3; i++) {
        struct arena arena = {0};
        mf_value values[SAMPLE_COUNT];
        size_t ones = 0;
        draw(grids[i], "{x: float}", values, &arena);
        for (size_t k = 0; k < SAMPLE_COUNT; k++) {
            cr_assert(eq(int, mf_kind_of(&values[k]), MF_FLOAT));
            ones += mf_float(&values[k]) < 1.5 ? 1 : 0;
        }
        cr_expect(ones > 0 && ones < SAMPLE_COUNT);
        arena_free(&arena);
    }
}

Test(inputs_sample, text_of_any_stays_text)
{
    struct arena arena = {0};
    mf_value values[SAMPLE_COUNT];
    draw("x~constant(1.50)", "any", values, &arena);
    expect_json(&values[0], "\"1.50\"");
    arena_free(&arena);
}

Test(inputs_sample, what_makes_no_sense_is_refused)
{
    static const struct {
        const char *grid, *type, *text;
    } rows[] = {
        {"x~walk(0,1)", "any", "expected one of: constant"},
        {"x~uniform(2,1)", "any", "min 2 is above max 1"},
        {"x~uniform(0)", "any", "max"},
        {"x~uniform(0,one)", "any", "found \"one\", expected a number"},
        {"x~uniform(0,1,2)", "any", "expected no more arguments"},
        {"x~uniform(0,min=1)", "any", "min is given twice"},
        {"x~uniform(0,1", "any", "expected NAME~DISTRIBUTION(...)"},
        {"x~(0,1)", "any", "expected NAME~DISTRIBUTION(...)"},
        {"~uniform(0,1)", "any", "expected NAME~DISTRIBUTION(...)"},
        {"x~normal(min=0)", "any", "normal has no min"},
        {"x~log_uniform_values(0,1)", "any", "log_uniform_values"},
        {"x~constant(1,2)", "any", "found 2 values, expected one"},
        {"x~uniform(0,1)", "{x: int}", "expected int"},
        {"x~uniform(0,1)", "{y: float}", "x"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {.text = ""};
        struct type *type = NULL;
        struct inputs *inputs = NULL;
        const enum status status =
            opened(&rows[i].grid, 1, NULL, rows[i].type, &type, &inputs, &err);
        cr_expect(eq(int, status, STATUS_INVALID), "%s", rows[i].grid);
        cr_expect(ne(ptr, strstr(err.text, rows[i].text), NULL), "%s: %s", rows[i].grid, err.text);
        inputs_close(inputs);
        type_destroy(type);
    }
}

Test(inputs_sample, a_name_that_is_given_twice_is_refused_also_where_it_is_bound)
{
    static const char *const twice[] = {"x~uniform(0,1)", "x=1,2"};
    static const char *const bound[] = {"x=1"};
    struct error err = {.text = ""};
    struct type *type = NULL;
    struct inputs *inputs = NULL;
    cr_expect(eq(int, opened(twice, 2, NULL, "any", &type, &inputs, &err), STATUS_INVALID));
    cr_expect(eq(str, err.text, "--grid x: the name is given twice"));
    type_destroy(type);
    cr_expect(eq(int, opened(twice, 1, bound, "any", &type, &inputs, &err), STATUS_INVALID));
    cr_expect(eq(str, err.text, "--bind x: the name is given twice"));
    type_destroy(type);
    cr_expect(eq(int, opened(NULL, 0, NULL, "any", &type, &inputs, &err), STATUS_INVALID));
    type_destroy(type);
}
