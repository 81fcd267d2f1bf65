#include "shared/trials.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "space_support.h"

/* ---- Grids --------------------------------------------------------------------------------------
 */

Test(trials, of_a_grid_the_last_name_is_fastest_and_nests_keep_their_place)
{
    EXPECT_GRID("{\"path\":[\"b\"],\"values\":[2,1]},"
                "{\"path\":[\"opt\",\"name\"],\"value\":\"sgd\"},"
                "{\"path\":[\"opt\",\"lr\"],\"values\":[0.1,1e-5]},"
                "{\"path\":[\"a\"],\"min\":3,\"max\":4}",
                "", "{\"b\":2,\"opt\":{\"name\":\"sgd\",\"lr\":0.1},\"a\":3}",
                "{\"b\":2,\"opt\":{\"name\":\"sgd\",\"lr\":0.1},\"a\":4}",
                "{\"b\":2,\"opt\":{\"name\":\"sgd\",\"lr\":1e-05},\"a\":3}",
                "{\"b\":2,\"opt\":{\"name\":\"sgd\",\"lr\":1e-05},\"a\":4}",
                "{\"b\":1,\"opt\":{\"name\":\"sgd\",\"lr\":0.1},\"a\":3}",
                "{\"b\":1,\"opt\":{\"name\":\"sgd\",\"lr\":0.1},\"a\":4}",
                "{\"b\":1,\"opt\":{\"name\":\"sgd\",\"lr\":1e-05},\"a\":3}",
                "{\"b\":1,\"opt\":{\"name\":\"sgd\",\"lr\":1e-05},\"a\":4}");
}

Test(trials, steps_of_a_grid_are_decimal_and_exclude_max)
{
    EXPECT_GRID("{\"path\":[\"x\"],\"distribution\":\"q_uniform\",\"min\":0.1,\"max\":0.4,"
                "\"q\":0.1}",
                "", "{\"x\":0.1}", "{\"x\":0.2}", "{\"x\":0.3}");
    EXPECT_GRID("{\"path\":[\"x\"],\"distribution\":\"q_uniform\",\"min\":0.0,\"max\":2}", "",
                "{\"x\":0}", "{\"x\":1}");
    EXPECT_GRID("{\"path\":[\"x\"],\"distribution\":\"q_uniform\",\"min\":0.5,\"max\":2}", "",
                "{\"x\":0.5}", "{\"x\":1.5}");
    EXPECT_GRID("{\"path\":[\"x\"],\"distribution\":\"q_uniform\",\"min\":1,\"max\":4}", "",
                "{\"x\":1}", "{\"x\":2}", "{\"x\":3}");
    EXPECT_GRID("{\"path\":[\"x\"],\"distribution\":\"q_uniform\",\"min\":0.5,\"max\":0.5,"
                "\"q\":0.1}",
                "", "{\"x\":0.5}");
    EXPECT_GRID("{\"path\":[\"x\"],\"distribution\":\"q_uniform\",\"min\":1e-3,\"max\":0.0035,"
                "\"q\":1e-3}",
                "", "{\"x\":0.001}", "{\"x\":0.002}", "{\"x\":0.003}");
}

Test(trials, a_doubled_value_of_a_grid_counts_once)
{
    EXPECT_GRID("{\"path\":[\"x\"],\"values\":[1,\"a\",1,\"1\",1.0,\"a\",true]}", "", "{\"x\":1}",
                "{\"x\":\"a\"}", "{\"x\":1.0}", "{\"x\":true}");
}

Test(trials, points_that_the_constraints_exclude_are_none)
{
    EXPECT_GRID("{\"path\":[\"a\"],\"values\":[1,2,3]},{\"path\":[\"b\"],\"values\":[1,2,3]}",
                "\"a * b <= 4\",\"a > b\"", "{\"a\":2,\"b\":1}", "{\"a\":3,\"b\":1}");
}

Test(trials, points_that_are_the_same_without_what_is_left_out_are_one)
{
    EXPECT_GRID("{\"path\":[\"opt\"],\"values\":[\"adam\",\"sgd\"]},"
                "{\"path\":[\"momentum\"],\"values\":[0,0.9],\"when\":\"opt == 'sgd'\"},"
                "{\"path\":[\"lr\"],\"values\":[1,2]}",
                "", "{\"opt\":\"adam\",\"lr\":1}", "{\"opt\":\"adam\",\"lr\":2}",
                "{\"opt\":\"sgd\",\"momentum\":0,\"lr\":1}",
                "{\"opt\":\"sgd\",\"momentum\":0,\"lr\":2}",
                "{\"opt\":\"sgd\",\"momentum\":0.9,\"lr\":1}",
                "{\"opt\":\"sgd\",\"momentum\":0.9,\"lr\":2}");
}

Test(trials, a_nest_of_which_all_is_left_out_is_left_out)
{
    EXPECT_GRID("{\"path\":[\"a\"],\"values\":[1,2]},"
                "{\"path\":[\"n\",\"b\"],\"value\":3,\"when\":\"a == 2\"}",
                "", "{\"a\":1}", "{\"a\":2,\"n\":{\"b\":3}}");
}

Test(trials, fewer_trials_of_a_grid_are_its_first_points)
{
    struct space *space = space_of("{\"path\":[\"a\"],\"min\":0,\"max\":9}", "\"a % 2 == 1\"");
    struct trials *trials = trials_of(space, TRIALS_GRID, 0, 3);
    cr_expect(eq(u64, trials_count(trials), 3));
    expect_record(trials, 2, "{\"a\":5}");
    trials_destroy(trials);
    trials = trials_of(space, TRIALS_GRID, 0, 100);
    cr_expect(eq(u64, trials_count(trials), 5));
    trials_destroy(trials);
    space_destroy(space);
}

Test(trials, a_large_grid_is_never_listed)
{
    struct space *space = space_of("{\"path\":[\"a\"],\"min\":0,\"max\":3037000498},"
                                   "{\"path\":[\"b\"],\"min\":0,\"max\":3037000498}",
                                   "");
    struct trials *trials = trials_of(space, TRIALS_GRID, 0, 0);
    cr_expect(eq(u64, trials_count(trials), UINT64_C(3037000499) * UINT64_C(3037000499)));
    expect_record(trials, trials_count(trials) - 1, "{\"a\":3037000498,\"b\":3037000498}");
    trials_destroy(trials);
    space_destroy(space);
}

Test(trials, what_is_no_grid_is_refused)
{
    expect_trials_refusal("{\"path\":[\"x\"],\"min\":0.0,\"max\":1}", "", TRIALS_GRID, 0,
                          "x: a range without steps is no grid: list values, or use q_uniform");
    expect_trials_refusal("{\"path\":[\"n\",\"x\"],\"distribution\":\"q_normal\"}", "", TRIALS_GRID,
                          0, "n.x: a grid takes value, values, int_uniform and q_uniform only");
    expect_trials_refusal("{\"path\":[\"x\"],\"values\":[1,2],\"probabilities\":[0.5,0.5]}", "",
                          TRIALS_GRID, 0,
                          "x: probabilities mean nothing in a grid, which takes each value once");
    expect_trials_refusal("{\"path\":[\"a\"],\"min\":0,\"max\":9223372036854775806},"
                          "{\"path\":[\"b\"],\"values\":[1,2]}",
                          "", TRIALS_GRID, 0, "b: the grid has more than 2^63 - 1 points with it");
    expect_trials_refusal("{\"path\":[\"a\"],\"values\":[1,2]}", "\"a > 2\"", TRIALS_GRID, 0,
                          "none of the 2 points of the grid satisfies the constraints");
}

/* ---- Random -------------------------------------------------------------------------------------
 */

#define THREE                                                                                      \
    "{\"path\":[\"a\"],\"min\":0.0,\"max\":1},{\"path\":[\"b\"],\"values\":[1,2,3]},"              \
    "{\"path\":[\"c\"],\"distribution\":\"normal\"}"

/* Field `name` of the record, as a number. */
static double number_of(struct trials *trials, uint64_t index, const char *name)
{
    struct arena arena = {0};
    struct error err = {.text = ""};
    mf_value record;
    cr_assert(eq(int, trials_record(trials, index, &arena, &record, &err), STATUS_OK));
    const double number = mf_float(mf_field(&record, name));
    arena_free(&arena);
    return number;
}

Test(trials, a_random_trial_depends_on_seed_and_index_alone)
{
    struct space *space = space_of(THREE, "");
    struct trials *few = trials_of(space, TRIALS_RANDOM, 7, 10);
    struct trials *many = trials_of(space, TRIALS_RANDOM, 7, 1000);
    struct trials *other = trials_of(space, TRIALS_RANDOM, 8, 10);
    for (uint64_t i = 10; i-- > 0;) {
        char *text = record_text(few, i);
        expect_record(many, i, text);
        cr_expect(ne(dbl, number_of(few, i, "a"), number_of(other, i, "a")));
        free(text);
    }
    trials_destroy(few);
    trials_destroy(many);
    trials_destroy(other);
    space_destroy(space);
}

/* These texts are fixed: a resumed sweep goes on with the trials that it began with. */
Test(trials, the_draws_of_a_seed_never_change)
{
    struct space *space = space_of("{\"path\":[\"a\"],\"min\":0.0,\"max\":1},"
                                   "{\"path\":[\"b\"],\"values\":[1,2,3]},"
                                   "{\"path\":[\"c\"],\"min\":0,\"max\":999999}",
                                   "");
    struct trials *trials = trials_of(space, TRIALS_RANDOM, 0, 2);
    expect_record(trials, 0, "{\"a\":0.3127194531662596,\"b\":1,\"c\":856648}");
    expect_record(trials, 1, "{\"a\":0.5978990084977057,\"b\":3,\"c\":154045}");
    trials_destroy(trials);
    space_destroy(space);
}

Test(trials, a_parameter_that_is_added_leaves_the_draws_of_the_others_alone)
{
    struct space *space = space_of(THREE, "");
    struct space *more = space_of("{\"path\":[\"z\"],\"min\":0,\"max\":9}," THREE, "");
    struct trials *trials = trials_of(space, TRIALS_RANDOM, 7, 100);
    struct trials *others = trials_of(more, TRIALS_RANDOM, 7, 100);
    for (uint64_t i = 0; i < 100; i++) {
        cr_expect(eq(dbl, number_of(trials, i, "a"), number_of(others, i, "a")));
        cr_expect(eq(dbl, number_of(trials, i, "b"), number_of(others, i, "b")));
        cr_expect(eq(dbl, number_of(trials, i, "c"), number_of(others, i, "c")));
    }
    trials_destroy(trials);
    trials_destroy(others);
    space_destroy(space);
    space_destroy(more);
}

Test(trials, a_draw_that_breaks_a_constraint_is_repeated)
{
    struct space *space = space_of("{\"path\":[\"a\"],\"min\":0.0,\"max\":1},"
                                   "{\"path\":[\"b\"],\"min\":0.0,\"max\":1,\"when\":\"a > 0.95\"}",
                                   "\"a > 0.9\"");
    struct trials *trials = trials_of(space, TRIALS_RANDOM, 0, 200);
    for (uint64_t i = 0; i < 200; i++) {
        char *text = record_text(trials, i);
        const double a = number_of(trials, i, "a");
        cr_expect(gt(dbl, a, 0.9));
        cr_expect(eq(int, strstr(text, "\"b\"") != NULL, a > 0.95), "%s", text);
        free(text);
    }
    trials_destroy(trials);
    space_destroy(space);
}

Test(trials, a_constraint_that_no_draw_satisfies_is_refused_before_anything_starts)
{
    expect_trials_refusal("{\"path\":[\"a\"],\"min\":0.0,\"max\":1}", "\"a > 1\"", TRIALS_RANDOM, 5,
                          "trial 0: none of 10000 draws satisfies the constraints");
}

Test(trials, an_expression_that_fails_does_not_hold_and_says_so_once)
{
    struct space *space = space_of("{\"path\":[\"a\"],\"values\":[1,\"x\",2]}", "\"a < 2\"");
    struct trials *trials = trials_of(space, TRIALS_GRID, 0, 0);
    cr_expect(eq(u64, trials_count(trials), 1));
    cr_expect(zero(strcmp(trials_expression_error(trials),
                          "a < 2: attempt to compare string with number")),
              "%s", trials_expression_error(trials));
    trials_destroy(trials);
    space_destroy(space);
}

Test(trials, an_expression_that_is_none_is_refused_with_its_place)
{
    expect_trials_refusal("{\"path\":[\"a\"],\"values\":[1]}", "\"a <\"", TRIALS_GRID, 0,
                          "constraint a <: unexpected symbol near <eof>");
    expect_trials_refusal("{\"path\":[\"a\"],\"value\":1},"
                          "{\"path\":[\"b\"],\"value\":1,\"when\":\"aa\"}",
                          "", TRIALS_GRID, 0, "b: when: aa is no parameter: did you mean a?");
}

/* ---- Quasi-random -------------------------------------------------------------------------------
 */

/* Floor, and the origin is a point: else some level would be hit once more, and another less. */
Test(trials, of_sobols_first_powers_of_two_each_level_is_hit_equally_often)
{
    struct space *space = space_of("{\"path\":[\"a\"],\"min\":0,\"max\":7},"
                                   "{\"path\":[\"b\"],\"values\":[\"x\",\"y\",\"z\",\"w\"]},"
                                   "{\"path\":[\"k\"],\"value\":0},"
                                   "{\"path\":[\"c\"],\"min\":1,\"max\":64}",
                                   "");
    struct trials *trials = trials_of(space, TRIALS_QUASI, 0, 64);
    int hits[3][65] = {{0}};
    for (uint64_t i = 0; i < 64; i++) {
        char *text = record_text(trials, i);
        hits[0][(int)number_of(trials, i, "a")]++;
        hits[1][strchr("xyzw", strstr(text, "\"b\":\"")[5]) - "xyzw"]++;
        hits[2][(int)number_of(trials, i, "c")]++;
        free(text);
    }
    for (int level = 0; level < 8; level++) {
        cr_expect(eq(int, hits[0][level], 8));
    }
    for (int level = 0; level < 4; level++) {
        cr_expect(eq(int, hits[1][level], 16));
    }
    for (int level = 1; level <= 64; level++) {
        cr_expect(eq(int, hits[2][level], 1));
    }
    trials_destroy(trials);
    space_destroy(space);
}

Test(trials, quasi_random_points_are_the_same_in_any_order)
{
    struct space *space = space_of(THREE, "");
    struct trials *forwards = trials_of(space, TRIALS_QUASI, 0, 50);
    struct trials *backwards = trials_of(space, TRIALS_QUASI, 0, 50);
    for (uint64_t i = 50; i-- > 0;) {
        char *text = record_text(backwards, i);
        expect_record(forwards, i, text);
        free(text);
    }
    trials_destroy(forwards);
    trials_destroy(backwards);
    space_destroy(space);
}

Test(trials, the_first_points_of_a_normal_distribution_are_not_far_out)
{
    struct space *space = space_of("{\"path\":[\"c\"],\"distribution\":\"normal\"}", "");
    struct trials *trials = trials_of(space, TRIALS_QUASI, 0, 256);
    for (uint64_t i = 0; i < 256; i++) {
        cr_expect(lt(dbl, fabs(number_of(trials, i, "c")), 3.5));
    }
    trials_destroy(trials);
    space_destroy(space);
}

Test(trials, more_than_40_dimensions_are_haltons_and_hit_thirds_equally_often)
{
    char parameters[4096] = "";
    for (int i = 0; i < 50; i++) {
        const size_t size = strlen(parameters);
        (void)snprintf(parameters + size, sizeof(parameters) - size,
                       "%s{\"path\":[\"p%d\"],\"values\":[0,1,2]}", i > 0 ? "," : "", i);
    }
    struct space *space = space_of(parameters, "");
    struct trials *trials = trials_of(space, TRIALS_QUASI, 0, 27);
    int hits[3] = {0};
    for (uint64_t i = 0; i < 27; i++) {
        hits[(int)number_of(trials, i, "p1")]++; /* the dimension of base 3 */
    }
    cr_expect(eq(int, hits[0], 9));
    cr_expect(eq(int, hits[1], 9));
    cr_expect(eq(int, hits[2], 9));
    trials_destroy(trials);
    space_destroy(space);
}

/* ---- The form that travels ----------------------------------------------------------------------
 */

Test(trials, a_space_that_has_travelled_gives_the_same_trials)
{
    struct arena arena = {0};
    struct error err = {.text = ""};
    struct buffer bytes = {0};
    size_t used = 0;
    mf_value form;
    struct space *read = NULL;
    struct space *space = space_of(THREE ",{\"path\":[\"n\",\"d\"],\"distribution\":\"q_beta\","
                                         "\"q\":0.25,\"when\":\"b == 2\"}",
                                   "\"a > 0.5\"");
    cr_assert(eq(int, space_value(space, &arena, &form), STATUS_OK));
    cr_assert(eq(int, value_encode(&form, &bytes), STATUS_OK));
    cr_assert(eq(int, value_decode(&arena, bytes.data, bytes.size, &used, &form, &err), STATUS_OK));
    cr_assert(eq(int, space_from_value(&form, &read, &err), STATUS_OK), "%s", err.text);
    struct trials *here = trials_of(space, TRIALS_RANDOM, 3, 50);
    struct trials *there = trials_of(read, TRIALS_RANDOM, 3, 50);
    for (uint64_t i = 0; i < 50; i++) {
        char *text = record_text(here, i);
        expect_record(there, i, text);
        free(text);
    }
    trials_destroy(here);
    trials_destroy(there);
    space_destroy(space);
    space_destroy(read);
    buffer_free(&bytes);
    arena_free(&arena);
}

static void expect_form_refusal(const char *json, const char *refusal)
{
    struct arena arena = {0};
    struct error err = {.text = ""};
    struct space *space = NULL;
    const mf_value value = json_value(&arena, json);
    cr_expect(eq(int, space_from_value(&value, &space, &err), STATUS_INVALID), "%s", json);
    cr_expect(zero(strcmp(err.text, refusal)), "found:    %s\nexpected: %s", err.text, refusal);
    arena_free(&arena);
}

Test(trials, a_form_that_makes_no_sense_is_refused)
{
    expect_form_refusal("[]", "expected parameters and constraints");
    expect_form_refusal("{\"parameters\":[{}],\"constraints\":[]}", "a parameter without a path");
    expect_form_refusal("{\"parameters\":[{\"path\":[1],\"value\":1}],\"constraints\":[]}",
                        "a parameter without a path");
    expect_form_refusal("{\"parameters\":[{\"path\":[\"a\"],\"min\":1}],\"constraints\":[]}",
                        "parameter a: min without max");
    expect_form_refusal("{\"parameters\":[{\"path\":[\"a\"],\"value\":1},"
                        "{\"path\":[\"a\"],\"value\":1}],\"constraints\":[]}",
                        "parameter a: stands twice");
    expect_form_refusal("{\"parameters\":[],\"constraints\":[1]}", "a constraint that is no text");
}
