#include "shared/expression.h"

#include "space_support.h"

#define PARAMETERS                                                                                 \
    "{\"path\":[\"lr\"],\"value\":0.01},{\"path\":[\"optimizer\",\"lr\"],\"value\":0.5},"          \
    "{\"path\":[\"a.b\"],\"value\":3},{\"path\":[\"l1-weight\"],\"value\":7},"                     \
    "{\"path\":[\"opt\"],\"value\":\"sgd\"},{\"path\":[\"none\"],\"value\":null},"                 \
    "{\"path\":[\"sizes\"],\"value\":[4,5]},{\"path\":[\"sub\"],\"value\":{\"x\":{\"y\":9}}},"     \
    "{\"path\":[\"flag\"],\"value\":true},{\"path\":[\"n\"],\"value\":6}"

static bool evaluate(const char *expression, const char **error_out)
{
    static char error[512];
    char constraint[512];
    struct expression_fault fault = {.text = ""};
    struct expressions *expressions = NULL;
    (void)snprintf(constraint, sizeof(constraint), "\"%s\"", expression);
    struct space *space = space_of(PARAMETERS, constraint);
    cr_assert(eq(int, expressions_create(space, &expressions, &fault), STATUS_OK), "%s: %s",
              expression, fault.text);
    expressions_clear(expressions);
    for (size_t i = 0; i < space->count; i++) {
        expressions_set(expressions, i, mf_item(&space->parameters[i].values, 0));
    }
    const bool holds = expressions_constraint(expressions, 0);
    const char *reason = expressions_error(expressions);
    (void)snprintf(error, sizeof(error), "%s", reason != NULL ? reason : "");
    *error_out = error;
    expressions_destroy(expressions);
    space_destroy(space);
    return holds;
}

static void expect_verdict(const char *expression, bool holds)
{
    const char *error = "";
    cr_expect(eq(int, evaluate(expression, &error), holds), "%s: %s", expression, error);
    cr_expect(zero(strcmp(error, "")), "%s", error);
}

Test(expression, parameters_are_seen_by_their_dotted_names)
{
    expect_verdict("lr == 0.01", true);
    expect_verdict("optimizer.lr == 0.5 and a.b == 3", true);
    expect_verdict("n * a.b <= 18", true);
    expect_verdict("n * a.b < 18", false);
    expect_verdict("opt == 'sgd' or n == 0", true);
    expect_verdict("p['l1-weight'] == 7 and p[ 'optimizer.lr' ] > 0", true);
    expect_verdict("flag and not (n > 6)", true);
    expect_verdict("n % 4 == 2 and n // 4 == 1 and 2^3 == 8", true);
    expect_verdict("opt == 'lr'", false);
    expect_verdict("opt .. '-x' == 'sgd-x'", true);
    expect_verdict("1e-3 < lr", true);
}

Test(expression, null_is_nil_and_lists_and_records_are_tables)
{
    expect_verdict("none == nil", true);
    expect_verdict("sizes[1] == 4 and #sizes == 2", true);
    expect_verdict("sub.x.y == 9", true);
}

static void expect_failure(const char *expression, const char *reason)
{
    const char *error = "";
    cr_expect(not(evaluate(expression, &error)), "%s", expression);
    cr_expect(zero(strcmp(error, reason)), "found:    %s\nexpected: %s", error, reason);
}

Test(expression, one_that_fails_does_not_hold)
{
    expect_failure("none < 3", "none < 3: attempt to compare nil with number");
    expect_failure("n // 0 == 1", "n // 0 == 1: attempt to divide by zero");
    expect_failure("opt + 1 > 0",
                   "opt + 1 > 0: attempt to perform arithmetic on a string value (field 'opt')");
}

static void expect_refusal(const char *expression, const char *reason)
{
    char constraint[512];
    struct expression_fault fault = {.text = ""};
    struct expressions *expressions = NULL;
    (void)snprintf(constraint, sizeof(constraint), "\"%s\"", expression);
    struct space *space = space_of(PARAMETERS, constraint);
    cr_expect(eq(int, expressions_create(space, &expressions, &fault), STATUS_INVALID), "%s",
              expression);
    cr_expect(zero(strcmp(fault.text, reason)), "%s\nfound:    %s\nexpected: %s", expression,
              fault.text, reason);
    cr_expect(fault.is_constraint);
    space_destroy(space);
}

Test(expression, names_are_checked_before_anything_runs)
{
    expect_refusal("opt == 'sgd' or nn > 2", "nn is no parameter: did you mean n?");
    expect_refusal("optimizer.rl > 2", "optimizer.rl is no parameter: did you mean optimizer.lr?");
    expect_refusal("p['l1_weight'] > 2", "l1_weight is no parameter: did you mean l1-weight?");
    expect_refusal("p[opt] > 2", "p[...] takes the name of a parameter in quotes");
    expect_refusal("p > 2", "p is no parameter");
    expect_refusal("os.exit(1)", "os.exit is no parameter");
    expect_refusal("_G.print", "_G.print is no parameter");
}

Test(expression, what_is_no_expression_is_refused)
{
    expect_refusal("n > ", "unexpected symbol near <eof>");
    expect_refusal("(n > 2", "')' expected near <eof>");
    expect_refusal("n = 2", "<eof> expected near '='");
    expect_refusal("n) or (n", "<eof> expected near ')'");
    expect_refusal("n; n = 2", "\";\" is no part of an expression");
    expect_refusal("function() end", "\"function\" is no part of an expression");
    expect_refusal("n > 2 -- why", "\"--\" is no part of an expression");
    expect_refusal("opt:rep(99)", "\":\" is no part of an expression");
    expect_refusal("{n}", "\"{\" is no part of an expression");
    expect_refusal("opt == 'sgd", "a quote is not closed");
    expect_refusal("", "unexpected symbol near ')'");
}

/* Nothing that runs for long can be written in one expression without functions, so that a long
 * text is all there is to try. */
Test(expression, a_long_text_is_refused_or_ends)
{
    char expression[8192] = "n";
    char constraint[8300];
    struct expression_fault fault = {.text = ""};
    struct expressions *expressions = NULL;
    for (size_t at = 1; at < 8000; at += 2) {
        memcpy(expression + at, "+n", 3);
    }
    (void)snprintf(constraint, sizeof(constraint), "\"%s > 0\"", expression);
    struct space *space = space_of(PARAMETERS, constraint);
    cr_assert(eq(int, expressions_create(space, &expressions, &fault), STATUS_OK));
    expressions_clear(expressions);
    for (size_t i = 0; i < space->count; i++) {
        expressions_set(expressions, i, mf_item(&space->parameters[i].values, 0));
    }
    cr_expect(expressions_constraint(expressions, 0));
    expressions_destroy(expressions);
    space_destroy(space);
}

Test(expression, when_sees_what_stands_above_it_alone)
{
    struct expression_fault fault = {.text = ""};
    struct expressions *expressions = NULL;
    struct space *space = space_of("{\"path\":[\"a\"],\"value\":1,\"when\":\"b > 1\"},"
                                   "{\"path\":[\"b\"],\"value\":2}",
                                   "");
    cr_assert(eq(int, expressions_create(space, &expressions, &fault), STATUS_INVALID));
    cr_expect(
        zero(strcmp(fault.text, "b stands below: an expression of when sees what is above it")),
        "%s", fault.text);
    cr_expect(not(fault.is_constraint));
    cr_expect(eq(sz, fault.at, 0));
    space_destroy(space);
}
