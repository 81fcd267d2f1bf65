#include "cli/importance.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>

TestSuite(importance, .timeout = 20);

#define COUNT 40

static char texts[COUNT][32];
static struct importance_setting settings[COUNT];
static double values[COUNT];

static void set(size_t i, double number, double value)
{
    (void)snprintf(texts[i], sizeof(texts[i]), "%g", number);
    settings[i] = (struct importance_setting){.level = texts[i], .number = number};
    values[i] = value;
}

Test(importance, numbers_that_order_the_trials_explain_all_in_either_direction)
{
    for (size_t i = 0; i < COUNT; i++) {
        set(i, (double)i, exp((double)i / 4));
    }
    cr_expect(epsilon_eq(dbl, importance_of(settings, values, COUNT), 1, 1e-12));
    for (size_t i = 0; i < COUNT; i++) {
        set(i, (double)i, i == 0 ? INFINITY : -(double)i);
    }
    cr_expect(epsilon_eq(dbl, importance_of(settings, values, COUNT), 1, 1e-12));
}

/* Spearman's own formula where nothing is equal: 1 - 6 sum(d^2) / (n (n^2 - 1)). */
Test(importance, of_numbers_it_is_the_square_of_the_rank_correlation)
{
    double squares = 0;
    for (size_t i = 0; i < COUNT; i++) {
        const size_t other = i * 7 % COUNT; /* 7 and 40 have no common divisor */
        set(i, (double)i, (double)other);
        squares += ((double)i - (double)other) * ((double)i - (double)other);
    }
    const double n = COUNT;
    const double rho = 1 - 6 * squares / (n * (n * n - 1));
    cr_expect(epsilon_eq(dbl, importance_of(settings, values, COUNT), rho * rho, 1e-12));
}

/* Two levels of three, ranks 1 2 3 and 4 5 6: between 13.5, all 17.5, within (17.5 - 13.5) / 4. */
Test(importance, of_levels_it_is_epsilon_squared)
{
    static const char *const names[] = {"adam", "sgd"};
    for (size_t i = 0; i < 6; i++) {
        set(i, NAN, (double)i);
        settings[i].level = names[i / 3];
    }
    cr_expect(epsilon_eq(dbl, importance_of(settings, values, 6), (13.5 - 1) / 17.5, 1e-12));
}

Test(importance, of_few_trials_numbers_that_are_all_different_are_of_a_range)
{
    for (size_t i = 0; i < 9; i++) {
        set(i, 0.1 * (double)i, -(double)i);
    }
    cr_expect(epsilon_eq(dbl, importance_of(settings, values, 9), 1, 1e-12));
    cr_expect(epsilon_eq(dbl, importance_of(settings, values, 5), 1, 1e-12));
    settings[4].number = NAN;
    cr_expect(isnan(importance_of(settings, values, 9)), "texts, of which each has one trial");
}

Test(importance, few_numbers_are_levels_so_that_a_best_one_in_the_middle_counts)
{
    for (size_t i = 0; i < COUNT; i++) {
        const double level = (double)(i % 5);
        set(i, level, (level - 2) * (level - 2) + 1e-6 * (double)i);
    }
    cr_expect(gt(dbl, importance_of(settings, values, COUNT), 0.8));
}

Test(importance, what_changes_nothing_has_about_none)
{
    for (size_t i = 0; i < COUNT; i++) {
        set(i, (double)(i % 2), (double)(i / 2));
    }
    cr_expect(lt(dbl, importance_of(settings, values, COUNT), 0.01));
}

Test(importance, where_nothing_can_be_compared_there_is_none)
{
    for (size_t i = 0; i < COUNT; i++) {
        set(i, (double)i, 1);
    }
    cr_expect(isnan(importance_of(settings, values, COUNT)), "values are equal");
    cr_expect(isnan(importance_of(settings, values, 0)));
    for (size_t i = 0; i < COUNT; i++) {
        set(i, 3, (double)i);
    }
    cr_expect(isnan(importance_of(settings, values, COUNT)), "one level");
    cr_expect(isnan(importance_of(settings, values, 2)), "two trials");
    for (size_t i = 0; i < 4; i++) {
        set(i, (double)i, (double)i);
    }
    cr_expect(isnan(importance_of(settings, values, 4)), "each has a level of its own");
}
