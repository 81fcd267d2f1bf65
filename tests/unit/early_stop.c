#include "master/early_stop.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

static struct early_stop *make(struct early_stop_options options)
{
    struct early_stop *early_stop = NULL;
    struct error err = {.text = ""};
    options.eta = options.eta > 0 ? options.eta : 3;
    cr_assert(eq(int, early_stop_create(options, &early_stop, &err), STATUS_OK), "%s", err.text);
    return early_stop;
}

static void begin(struct early_stop *early_stop, uint64_t trial, uint64_t attempt)
{
    cr_assert(eq(int, early_stop_begin(early_stop, trial, attempt), STATUS_OK));
}

static struct early_stop_decision report(struct early_stop *early_stop, uint64_t trial,
                                         double value)
{
    struct early_stop_decision decision;
    cr_assert(eq(int, early_stop_report(early_stop, trial, 0, value, &decision), STATUS_OK));
    return decision;
}

/* Reports of a constant value up to the bracket of 3; is it stopped at the last? */
static bool reach_first(struct early_stop *early_stop, uint64_t trial, double value)
{
    begin(early_stop, trial, 0);
    cr_expect(not(report(early_stop, trial, value).is_stopped));
    cr_expect(not(report(early_stop, trial, value).is_stopped));
    return report(early_stop, trial, value).is_stopped;
}

static void expect_brackets(struct early_stop_options options, const uint64_t *expected,
                            size_t count)
{
    struct early_stop *early_stop = make(options);
    cr_assert(ge(sz, early_stop_bracket_count(early_stop), count));
    for (size_t i = 0; i < count; i++) {
        cr_expect(eq(u64, early_stop_bracket(early_stop, i), expected[i]));
    }
    early_stop_destroy(early_stop);
}

Test(early_stop, brackets_of_min_iter_multiply_and_those_of_max_iter_divide)
{
    expect_brackets((struct early_stop_options){.min_iter = 3}, (uint64_t[]){3, 9, 27, 81}, 4);
    expect_brackets((struct early_stop_options){.min_iter = 1, .eta = 1.5},
                    (uint64_t[]){1, 2, 3, 5, 7, 11}, 6);
    const struct early_stop_options fractions = {.max_iter = 27, .s = 2};
    expect_brackets(fractions, (uint64_t[]){3, 9}, 2);
    struct early_stop *early_stop = make(fractions);
    cr_expect(eq(sz, early_stop_bracket_count(early_stop), 2));
    early_stop_destroy(early_stop);
    early_stop = make((struct early_stop_options){.max_iter = 10, .s = 9});
    cr_expect(eq(sz, early_stop_bracket_count(early_stop), 2)); /* 1 and 3 */
    early_stop_destroy(early_stop);
}

/* Goal: what arrives later and is worse goes no further.
 * Method: nine trials of constant losses reach a bracket one after the other, the best first. */
Test(early_stop, in_ascending_order_of_loss_only_the_first_goes_on)
{
    struct early_stop *early_stop = make((struct early_stop_options){.min_iter = 3});
    cr_expect(not(reach_first(early_stop, 0, 1)));
    for (uint64_t trial = 1; trial < 9; trial++) {
        cr_expect(reach_first(early_stop, trial, 1 + (double)trial), "%d", (int)trial);
    }
    early_stop_destroy(early_stop);
}

/* The worst first: each is the best as it arrives. Once all report again, of nine the four with the
 * lowest losses are left. */
Test(early_stop, in_descending_order_each_goes_on_and_later_the_best_four_are_left)
{
    struct early_stop *early_stop =
        make((struct early_stop_options){.min_iter = 3, .is_strict = true});
    for (uint64_t trial = 0; trial < 9; trial++) {
        cr_expect(not(reach_first(early_stop, trial, 9 - (double)trial)), "%d", (int)trial);
    }
    for (uint64_t trial = 0; trial < 9; trial++) {
        const struct early_stop_decision decision = report(early_stop, trial, 9 - (double)trial);
        cr_expect(eq(int, decision.is_stopped, trial < 5), "%d", (int)trial);
        cr_expect(eq(u64, decision.bracket, 3));
        cr_expect(eq(dbl, decision.value, 9 - (double)trial));
        cr_expect(eq(dbl, decision.threshold, 4));
    }
    early_stop_destroy(early_stop);
}

Test(early_stop, of_three_that_have_arrived_two_go_on)
{
    struct early_stop *early_stop =
        make((struct early_stop_options){.min_iter = 3, .is_strict = true});
    for (uint64_t trial = 0; trial < 3; trial++) {
        (void)reach_first(early_stop, trial, 3 - (double)trial);
    }
    cr_expect(report(early_stop, 0, 3).is_stopped);
    cr_expect(not(report(early_stop, 1, 2).is_stopped));
    cr_expect(not(report(early_stop, 2, 1).is_stopped));
    early_stop_destroy(early_stop);
}

Test(early_stop, maximised_values_are_compared_the_other_way_round)
{
    struct early_stop *early_stop =
        make((struct early_stop_options){.min_iter = 3, .is_maximised = true, .is_strict = true});
    cr_expect(not(reach_first(early_stop, 0, 0.9)));
    cr_expect(reach_first(early_stop, 1, 0.8));
    cr_expect(not(reach_first(early_stop, 2, 0.95)));
    const struct early_stop_decision decision = report(early_stop, 2, 0.1);
    cr_expect(eq(dbl, decision.value, 0.95)); /* strict: its value at the bracket */
    early_stop_destroy(early_stop);
}

/* With strict: false, the best so far counts, also of reports after the bracket. */
Test(early_stop, without_strict_the_best_so_far_counts)
{
    struct early_stop *early_stop = make((struct early_stop_options){.min_iter = 3});
    cr_expect(not(reach_first(early_stop, 0, 2)));
    begin(early_stop, 1, 0);
    (void)report(early_stop, 1, 1);
    (void)report(early_stop, 1, 7);
    cr_expect(not(report(early_stop, 1, 7).is_stopped)); /* 1 is below 2 */
    early_stop_destroy(early_stop);

    early_stop = make((struct early_stop_options){.min_iter = 3, .is_strict = true});
    cr_expect(not(reach_first(early_stop, 0, 2)));
    begin(early_stop, 1, 0);
    (void)report(early_stop, 1, 1);
    (void)report(early_stop, 1, 7);
    cr_expect(report(early_stop, 1, 7).is_stopped);
    early_stop_destroy(early_stop);
}

Test(early_stop, what_is_no_number_counts_as_worst)
{
    struct early_stop *early_stop =
        make((struct early_stop_options){.min_iter = 3, .is_strict = true});
    cr_expect(not(reach_first(early_stop, 0, 5)));
    cr_expect(reach_first(early_stop, 1, NAN));
    cr_expect(not(reach_first(early_stop, 2, 4)));
    cr_expect(reach_first(early_stop, 3, -INFINITY));
    early_stop_destroy(early_stop);
}

Test(early_stop, a_new_attempt_begins_with_no_reports)
{
    struct early_stop *early_stop =
        make((struct early_stop_options){.min_iter = 3, .is_strict = true});
    struct early_stop_decision decision;
    cr_expect(not(reach_first(early_stop, 0, 5)));
    early_stop_end(early_stop, 0);
    begin(early_stop, 0, 1);
    cr_expect(not(reach_first(early_stop, 1, 9))); /* the first now: the 5 is forgotten */
    cr_assert(eq(int, early_stop_report(early_stop, 0, 1, 1, &decision), STATUS_OK));
    cr_expect(eq(u64, decision.bracket, 0));
    early_stop_destroy(early_stop);
}

Test(early_stop, late_reports_and_those_of_another_attempt_decide_nothing)
{
    struct early_stop *early_stop =
        make((struct early_stop_options){.min_iter = 1, .is_strict = true});
    struct early_stop_decision decision;
    begin(early_stop, 0, 0);
    cr_expect(not(report(early_stop, 0, 1).is_stopped));
    begin(early_stop, 1, 3);
    cr_assert(eq(int, early_stop_report(early_stop, 1, 2, 9, &decision), STATUS_OK));
    cr_expect(not(decision.is_stopped));
    cr_assert(eq(int, early_stop_report(early_stop, 1, 3, 9, &decision), STATUS_OK));
    cr_expect(decision.is_stopped);
    early_stop_end(early_stop, 1);
    cr_assert(eq(int, early_stop_report(early_stop, 1, 3, 9, &decision), STATUS_OK));
    cr_expect(not(decision.is_stopped));
    cr_expect(not(report(early_stop, 77, 9).is_stopped));
    early_stop_destroy(early_stop);
}

/* A failed trial's values stay: 1 has ended, and is what 2 is compared with. */
Test(early_stop, values_of_ended_trials_go_on_to_count)
{
    struct early_stop *early_stop =
        make((struct early_stop_options){.min_iter = 3, .is_strict = true});
    cr_expect(not(reach_first(early_stop, 0, 1)));
    early_stop_end(early_stop, 0);
    cr_expect(reach_first(early_stop, 1, 2));
    early_stop_destroy(early_stop);
}

static void expect_refusal(struct early_stop_options options, const char *refusal)
{
    struct early_stop *early_stop = NULL;
    struct error err = {.text = ""};
    cr_expect(eq(int, early_stop_create(options, &early_stop, &err), STATUS_INVALID));
    cr_expect(zero(strcmp(err.text, refusal)), "found: %s", err.text);
}

Test(early_stop, options_that_make_no_sense_are_refused)
{
    expect_refusal((struct early_stop_options){.min_iter = 3, .eta = 1},
                   "eta: found 1, expected more than 1");
    expect_refusal((struct early_stop_options){.min_iter = 3, .max_iter = 9, .eta = 3},
                   "min_iter and max_iter: expected one of them (min_iter is the first bracket; "
                   "max_iter is divided by eta, s times)");
    expect_refusal((struct early_stop_options){.eta = 3}, "expected min_iter, or max_iter and s");
    expect_refusal((struct early_stop_options){.min_iter = 3, .s = 2, .eta = 3},
                   "s belongs to max_iter, and min_iter is given");
    expect_refusal((struct early_stop_options){.max_iter = 3, .eta = 3},
                   "max_iter needs s, the number of brackets");
    expect_refusal((struct early_stop_options){.max_iter = 2, .s = 1, .eta = 3},
                   "no bracket: 2 reports divided by eta 3 are less than 1");
}
