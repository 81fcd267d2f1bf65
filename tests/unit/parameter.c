#include "shared/parameter.h"

#include <float.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#include "space_support.h"

#define DRAW_COUNT 100000

/* ---- Draws against the distribution functions of GSL -------------------------------------------
 */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorted. */
static double *draws_of(const char *definition, size_t count)
{
    char parameter[256];
    double *draws = malloc(count * sizeof(*draws));
    struct arena arena = {0};
    struct error err = {.text = ""};
    (void)snprintf(parameter, sizeof(parameter), "{\"path\":[\"x\"],%s}", definition);
    struct space *space = space_of(parameter, "");
    struct trials *trials = trials_of(space, TRIALS_RANDOM, 1, count);
    for (size_t i = 0; i < count; i++) {
        mf_value record;
        cr_assert(eq(int, trials_record(trials, i, &arena, &record, &err), STATUS_OK));
        draws[i] = mf_float(mf_field(&record, "x"));
        arena_reset(&arena);
    }
    arena_free(&arena);
    trials_destroy(trials);
    space_destroy(space);
    qsort(draws, count, sizeof(*draws), compare);
    return draws;
}

typedef double cdf(double x);

/* The largest distance between both distribution functions: the seed is fixed, so that this is a
 * number and no chance. 1.95 / sqrt(n) is passed by 999 of 1000 seeds, were the draws random. */
static void expect_distribution(const char *definition, cdf *function)
{
    double distance = 0;
    double *draws = draws_of(definition, DRAW_COUNT);
    for (size_t i = 0; i < DRAW_COUNT; i++) {
        const double at = function(draws[i]);
        distance = fmax(distance, fabs(at - (double)i / DRAW_COUNT));
        distance = fmax(distance, fabs((double)(i + 1) / DRAW_COUNT - at));
    }
    cr_expect(lt(dbl, distance, 1.95 / sqrt(DRAW_COUNT)), "%s", definition);
    free(draws);
}

/* Of values in steps: both are compared at the middle between two steps. */
static void expect_steps(const char *definition, double q, cdf *function)
{
    double *draws = draws_of(definition, DRAW_COUNT);
    double distance = 0;
    for (size_t i = 0; i + 1 < DRAW_COUNT; i++) {
        cr_assert(lt(dbl, fabs(draws[i] / q - rint(draws[i] / q)), 1e-6), "%s: %g", definition,
                  draws[i]);
        if (draws[i + 1] > draws[i]) {
            const double at = function(draws[i] + q / 2);
            distance = fmax(distance, fabs(at - (double)(i + 1) / DRAW_COUNT));
        }
    }
    cr_expect(lt(dbl, distance, 1.95 / sqrt(DRAW_COUNT)), "%s", definition);
    free(draws);
}

static double uniform(double x)
{
    return gsl_cdf_flat_P(x, -2, 5);
}

static double log_uniform(double x)
{
    return gsl_cdf_flat_P(log(x), log(1e-5), log(0.1));
}

static double exponents(double x)
{
    return gsl_cdf_flat_P(log(x), -4, 2);
}

static double inverted_exponents(double x)
{
    return gsl_cdf_flat_Q(-log(x), -4, 2);
}

static double normal(double x)
{
    return gsl_cdf_gaussian_P(x - 3, 0.5);
}

static double standard_normal(double x)
{
    return gsl_cdf_ugaussian_P(x);
}

static double log_normal(double x)
{
    return gsl_cdf_lognormal_P(x, 1, 0.5);
}

static double beta(double x)
{
    return gsl_cdf_beta_P(x, 2, 5);
}

static double narrow_beta(double x)
{
    return gsl_cdf_beta_P(x, 0.5, 0.5);
}

static double flat_beta(double x)
{
    return gsl_cdf_flat_P(x, 0, 1);
}

static double integers(double x)
{
    return gsl_cdf_flat_P(x, 9.5, 20.5); /* 10 to 20 */
}

Test(parameter, draws_follow_the_continuous_distributions)
{
    expect_distribution("\"min\":-2.0,\"max\":5", uniform);
    expect_distribution("\"distribution\":\"log_uniform_values\",\"min\":1e-5,\"max\":0.1",
                        log_uniform);
    expect_distribution("\"distribution\":\"log_uniform\",\"min\":-4,\"max\":2", exponents);
    expect_distribution("\"distribution\":\"inv_log_uniform_values\",\"min\":1e-5,\"max\":0.1",
                        log_uniform);
    expect_distribution("\"distribution\":\"inv_log_uniform\",\"min\":-4,\"max\":2",
                        inverted_exponents);
    expect_distribution("\"distribution\":\"normal\",\"mu\":3,\"sigma\":0.5", normal);
    expect_distribution("\"distribution\":\"normal\"", standard_normal);
    expect_distribution("\"distribution\":\"log_normal\",\"mu\":1,\"sigma\":0.5", log_normal);
    expect_distribution("\"distribution\":\"beta\",\"a\":2,\"b\":5", beta);
    expect_distribution("\"distribution\":\"beta\",\"a\":0.5,\"b\":0.5", narrow_beta);
    expect_distribution("\"distribution\":\"beta\"", flat_beta);
}

Test(parameter, draws_in_steps_follow_the_rounded_distributions)
{
    expect_steps("\"min\":10,\"max\":20", 1, integers);
    expect_steps("\"distribution\":\"q_uniform\",\"min\":-2,\"max\":5,\"q\":0.05", 0.05, uniform);
    expect_steps("\"distribution\":\"q_log_uniform_values\",\"min\":1e-5,\"max\":0.1,\"q\":1e-3",
                 1e-3, log_uniform);
    expect_steps("\"distribution\":\"q_log_uniform\",\"min\":-4,\"max\":2,\"q\":0.25", 0.25,
                 exponents);
    expect_steps("\"distribution\":\"q_normal\",\"mu\":3,\"sigma\":0.5,\"q\":0.1", 0.1, normal);
    expect_steps("\"distribution\":\"q_log_normal\",\"mu\":1,\"sigma\":0.5", 1, log_normal);
    expect_steps("\"distribution\":\"q_beta\",\"a\":2,\"b\":5,\"q\":0.125", 0.125, beta);
}

/* ---- Values ------------------------------------------------------------------------------------
 */

static struct space *only_space;

static const struct parameter *parameter_of(const char *definition)
{
    char parameter[512];
    (void)snprintf(parameter, sizeof(parameter), "{\"path\":[\"x\"],%s}", definition);
    only_space = space_of(parameter, "");
    return &only_space->parameters[0];
}

static void expect_at(const char *definition, uint64_t bits, const char *expected)
{
    const mf_value value = parameter_value(parameter_of(definition), bits);
    expect_json(&value, expected);
    space_destroy(only_space);
}

#define HALF (UINT64_C(1) << 63)

Test(parameter, both_ends_of_int_uniform_are_drawn)
{
    expect_at("\"min\":3,\"max\":6", 0, "3");
    expect_at("\"min\":3,\"max\":6", UINT64_MAX, "6");
    expect_at("\"min\":3,\"max\":6", HALF - 1, "4");
    expect_at("\"min\":3,\"max\":6", HALF, "5");
    expect_at("\"min\":-9223372036854775808,\"max\":9223372036854775807", UINT64_MAX,
              "9223372036854775807");
    expect_at("\"min\":7,\"max\":7", HALF, "7");
}

Test(parameter, two_integers_mean_int_uniform_and_one_float_uniform)
{
    cr_expect(eq(int, parameter_of("\"min\":0,\"max\":1")->shape, SHAPE_INT_UNIFORM));
    space_destroy(only_space);
    cr_expect(eq(int, parameter_of("\"min\":0,\"max\":1.0")->shape, SHAPE_UNIFORM));
    space_destroy(only_space);
}

Test(parameter, multiples_of_q_are_decimal_and_an_integer_q_gives_integers)
{
    expect_at("\"distribution\":\"q_uniform\",\"min\":0,\"max\":0.3,\"q\":0.05", HALF, "0.15");
    expect_at("\"distribution\":\"q_uniform\",\"min\":0,\"max\":1.998,\"q\":0.001", HALF, "0.999");
    expect_at("\"distribution\":\"q_uniform\",\"min\":0,\"max\":6,\"q\":2", HALF + (HALF >> 4),
              "4");
    expect_at("\"distribution\":\"q_uniform\",\"min\":0.0,\"max\":7", HALF + (HALF >> 4), "4");
    expect_at("\"distribution\":\"q_normal\",\"mu\":-1.2,\"sigma\":0,\"q\":0.1", 5, "-1.2");
}

Test(parameter, ties_round_to_even)
{
    expect_at("\"distribution\":\"q_normal\",\"mu\":2.5,\"sigma\":0", HALF, "2");
    expect_at("\"distribution\":\"q_normal\",\"mu\":3.5,\"sigma\":0", HALF, "4");
}

Test(parameter, a_doubled_value_is_a_weight_where_it_is_drawn)
{
    expect_at("\"values\":[\"a\",\"b\",\"b\",\"b\"]", HALF / 2, "\"b\"");
    expect_at("\"values\":[\"a\",\"b\",\"b\",\"b\"]", HALF / 2 - 1, "\"a\"");
}

Test(parameter, probabilities_divide_the_range)
{
    const char *definition = "\"values\":[1,2,3],\"probabilities\":[0.5,0.25,0.25]";
    expect_at(definition, HALF - (HALF >> 20), "1");
    expect_at(definition, HALF, "2");
    expect_at(definition, HALF + HALF / 2, "3");
    expect_at(definition, UINT64_MAX, "3");
}

Test(parameter, a_lognormal_that_is_too_wide_ends_where_floats_do)
{
    const mf_value value =
        parameter_value(parameter_of("\"distribution\":\"log_normal\",\"sigma\":1000"), UINT64_MAX);
    cr_expect(eq(dbl, mf_float(&value), DBL_MAX));
    space_destroy(only_space);
}

/* ---- Refusals ----------------------------------------------------------------------------------
 */

static void expect_fault(const char *definition, const char *key, const char *text)
{
    struct arena arena = {0};
    struct parameter parameter = {.name = NULL};
    struct parameter_fault fault = {.text = ""};
    const mf_value value = json_value(&arena, definition);
    cr_expect(eq(int, parameter_read(&arena, &value, &parameter, &fault), STATUS_INVALID), "%s",
              definition);
    cr_expect(zero(strcmp(fault.key != NULL ? fault.key : "", key)), "%s: key %s", definition,
              fault.key);
    cr_expect(zero(strcmp(fault.text, text)), "found:    %s\nexpected: %s", fault.text, text);
    arena_free(&arena);
}

Test(parameter, keys_that_are_missing_or_do_not_belong_are_refused)
{
    expect_fault("{}", "", "expected value, values, or min and max (or a distribution)");
    expect_fault("{\"min\":1}", "", "min without max");
    expect_fault("{\"max\":1}", "", "max without min");
    expect_fault("{\"value\":1,\"values\":[1]}", "values", "constant has no values");
    expect_fault("{\"min\":1,\"max\":2,\"q\":1}", "q", "int_uniform has no q");
    expect_fault("{\"distribution\":\"normal\",\"min\":0}", "min", "normal has no min");
    expect_fault("{\"distribution\":\"uniform\",\"min\":0}", "", "uniform needs max");
    expect_fault("{\"distribution\":\"categorical\"}", "", "categorical needs values");
    expect_fault("{\"value\":1,\"vlaue\":2}", "vlaue", "no key of a parameter");
    expect_fault("3", "", "expected a record with value, values, or min and max");
}

Test(parameter, an_unknown_distribution_is_refused_with_those_there_are)
{
    expect_fault("{\"distribution\":\"gauss\"}", "distribution",
                 "found \"gauss\", expected one of: constant categorical int_uniform uniform "
                 "q_uniform log_uniform_values q_log_uniform_values log_uniform q_log_uniform "
                 "inv_log_uniform_values inv_log_uniform normal q_normal log_normal q_log_normal "
                 "beta q_beta");
}

Test(parameter, ranges_that_are_none_are_refused)
{
    expect_fault("{\"min\":2,\"max\":1}", "min", "min 2 is above max 1");
    expect_fault("{\"min\":2.5,\"max\":1}", "min", "min 2.5 is above max 1");
    expect_fault("{\"min\":\"a\",\"max\":1}", "min", "found \"a\", expected a number");
    expect_fault("{\"distribution\":\"int_uniform\",\"min\":1.5,\"max\":3}", "min",
                 "found 1.5, expected an integer");
    expect_fault("{\"distribution\":\"log_uniform_values\",\"min\":0,\"max\":1}", "min",
                 "found 0, expected more than 0 for log_uniform_values");
    expect_fault("{\"distribution\":\"log_uniform\",\"min\":0.001,\"max\":0.1}", "min",
                 "min and max of log_uniform are exponents: from 0.001 to 0.1 it draws from 1.001 "
                 "to 1.105; log_uniform_values takes the limits themselves");
    expect_fault("{\"distribution\":\"log_uniform\",\"min\":0,\"max\":1000}", "max",
                 "min and max of log_uniform are exponents, and exp(0) to exp(1000) is no range");
    expect_fault("{\"distribution\":\"q_uniform\",\"min\":0,\"max\":1,\"q\":0}", "q",
                 "found 0, expected more than 0");
    expect_fault("{\"distribution\":\"normal\",\"sigma\":-1}", "sigma",
                 "found -1, expected at least 0");
    expect_fault("{\"distribution\":\"beta\",\"b\":0}", "b", "found 0, expected more than 0");
}

Test(parameter, lists_of_values_are_checked)
{
    expect_fault("{\"values\":[]}", "values", "found [], expected a list of at least one");
    expect_fault("{\"values\":3}", "values", "found 3, expected a list of at least one");
    expect_fault("{\"values\":[1,2],\"probabilities\":[1]}", "probabilities",
                 "found [1], expected a list of 2 numbers, as values");
    expect_fault("{\"values\":[1,2],\"probabilities\":[0.5,0.4]}", "probabilities",
                 "their sum is 0.9, expected 1");
    expect_fault("{\"values\":[1,2],\"probabilities\":[1.5,-0.5]}", "probabilities",
                 "found -0.5, expected a number of at least 0");
}

Test(parameter, a_range_of_one_value_and_a_sigma_of_0_are_accepted)
{
    expect_at("\"min\":0.5,\"max\":0.5", HALF, "0.5");
    expect_at("\"distribution\":\"log_uniform_values\",\"min\":0.5,\"max\":0.5", 77, "0.5");
    expect_at("\"distribution\":\"normal\",\"mu\":2,\"sigma\":0", 3, "2.0");
}

/* ---- Values from elsewhere ----------------------------------------------------------------------
 */

static void expect_accepted(const char *definition, const char *json, bool is_accepted)
{
    char text[128];
    struct arena arena = {0};
    const mf_value value = json_value(&arena, json);
    const struct parameter *parameter = parameter_of(definition);
    cr_expect(eq(int, parameter_accepts(parameter, &value, text, sizeof(text)), is_accepted),
              "%s: %s", definition, json);
    space_destroy(only_space);
    arena_free(&arena);
}

Test(parameter, a_value_outside_of_its_definition_is_not_accepted)
{
    expect_accepted("\"min\":1,\"max\":3", "3", true);
    expect_accepted("\"min\":1,\"max\":3", "4", false);
    expect_accepted("\"min\":1,\"max\":3", "2.0", false);
    expect_accepted("\"min\":0.0,\"max\":1", "1.0", true);
    expect_accepted("\"min\":0.0,\"max\":1", "1.1", false);
    expect_accepted("\"values\":[\"a\",1]", "1", true);
    expect_accepted("\"values\":[\"a\",1]", "\"b\"", false);
    expect_accepted("\"value\":true", "true", true);
    expect_accepted("\"value\":true", "1", false);
    expect_accepted("\"distribution\":\"beta\"", "1.5", false);
    expect_accepted("\"distribution\":\"log_normal\"", "-1.0", false);
    expect_accepted("\"distribution\":\"normal\"", "\"x\"", false);
}
