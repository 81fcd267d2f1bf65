#include "cli/map_options_cli.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

#define WORDS_MAX 8

/* A task with something in every field, so that one that is overlaid by mistake shows. */
static struct map_options own_options(void)
{
    struct map_options own;
    memset(&own, 0, sizeof(own)); /* padding too: results are compared bytewise */
    own.retries = 1;
    own.system_retries = 2;
    own.retry_delay_ns = 3;
    own.timeout_ns = 4;
    own.mem = 5;
    own.mem_growth = 2;
    own.cpus = 6;
    own.gpus = 7;
    own.concurrency = 8;
    own.delay_ns = 9;
    own.grace_ns = 14;
    own.time_limit_ns = 15;
    own.lost_after_ns = UINT64_C(16000000000);
    own.unit_size = 10;
    own.seed = 11;
    own.output_size_max = 12;
    own.policy = POLICY_RUN_ALL;
    own.capture = MAP_CAPTURE_ALL;
    own.criterion.kind = CRITERION_MIN_SUCCESSES;
    own.criterion.count = 13;
    return own;
}

/* `line` is split at blanks. */
static enum status apply(const char *line, struct map_options *merged, struct error *err)
{
    char words[256];
    char verb[] = "map";
    char *argv[WORDS_MAX + 1] = {verb};
    int argc = 1;
    struct options options;

    cr_assert(strlen(line) < sizeof(words));
    (void)strcpy(words, line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        cr_assert(argc < WORDS_MAX);
        argv[argc++] = word;
    }
    cr_assert(options_parse(VERB_MAP, argc, argv, &options, err) == STATUS_OK, "%s", err->text);
    const enum status status = map_options_apply(&options, merged, err);
    options_free(&options);
    return status;
}

static struct map_options applied(const char *line)
{
    struct map_options merged = own_options();
    struct error err = {""};
    cr_assert(apply(line, &merged, &err) == STATUS_OK, "%s: %s", line, err.text);
    return merged;
}

static void expect_refused(const char *line, const char *text)
{
    const struct map_options own = own_options();
    struct map_options merged = own;
    struct error err = {""};
    cr_expect(apply(line, &merged, &err) == STATUS_INVALID, "taken: %s", line);
    cr_expect(strcmp(err.text, text) == 0, "%s: expected \"%s\", found \"%s\"", line, text,
              err.text);
    cr_expect(memcmp(&merged, &own, sizeof(own)) == 0, "%s left something behind", line);
}

/* ---- What is given -------------------------------------------------------------------------- */

Test(map_options_cli, without_options_the_tasks_own_stay)
{
    const struct map_options own = own_options();
    const struct map_options merged = applied("");
    cr_expect(memcmp(&merged, &own, sizeof(own)) == 0);
}

Test(map_options_cli, an_option_replaces_its_own_field_and_no_other)
{
    struct map_options own = own_options();
    const struct map_options merged = applied("--retries 5");
    own.retries = 5;
    cr_expect(memcmp(&merged, &own, sizeof(own)) == 0);
}

Test(map_options_cli, zero_replaces_a_larger_number)
{
    cr_expect(eq(u64, applied("--retries 0").retries, 0));
    cr_expect(eq(u64, applied("--system-retries 0").system_retries, 0));
    cr_expect(eq(u64, applied("--retry-delay 0").retry_delay_ns, 0));
    cr_expect(eq(u64, applied("--mem 0").mem, 0));
    cr_expect(eq(u64, applied("--gpus 0").gpus, 0));
    cr_expect(eq(u64, applied("--concurrency 0").concurrency, 0));
    cr_expect(eq(u64, applied("--delay 0").delay_ns, 0));
    cr_expect(eq(u64, applied("--grace 0").grace_ns, 0));
    cr_expect(eq(u64, applied("--time-limit 0").time_limit_ns, 0));
    cr_expect(eq(u64, applied("--lost-after 0").lost_after_ns, 0));
    cr_expect(eq(u64, applied("--seed 0").seed, 0));
}

Test(map_options_cli, each_number_has_its_unit)
{
    cr_expect(eq(u64, applied("--system-retries 4").system_retries, 4));
    cr_expect(eq(u64, applied("--retry-delay 500ms").retry_delay_ns, 500000000));
    cr_expect(eq(u64, applied("--concurrency 7").concurrency, 7));
    cr_expect(eq(u64, applied("--delay 20ms").delay_ns, 20000000));
    cr_expect(eq(u64, applied("--grace 3").grace_ns, UINT64_C(3000000000)));
    cr_expect(eq(u64, applied("--lost-after 1.5").lost_after_ns, UINT64_C(1500000000)));
    cr_expect(eq(u64, applied("--time-limit 2m").time_limit_ns, UINT64_C(120000000000)));
    cr_expect(eq(u64, applied("--mem 1Mi").mem, UINT64_C(1) << 20));
    cr_expect(eq(u64, applied("--mem 100Mi").mem, UINT64_C(100) << 20));
    cr_expect(eq(dbl, applied("--mem-growth 1.5").mem_growth, 1.5));
    cr_expect(eq(u64, applied("--cpus 8").cpus, 8));
    cr_expect(eq(u64, applied("--gpus 2").gpus, 2));
    cr_expect(eq(u64, applied("--max-output 1Ki").output_size_max, 1024));
    cr_expect(eq(u64, applied("--seed 9223372036854775807").seed, INT64_MAX));
    cr_expect(eq(u64, applied("--unit-size 100").unit_size, 100));
    cr_expect(eq(u64, applied("--unit-size auto").unit_size, 0));
}

Test(map_options_cli, policies_have_names)
{
    cr_expect(eq(int, applied("--policy stop").policy, POLICY_STOP));
    cr_expect(eq(int, applied("--policy run-all").policy, POLICY_RUN_ALL));
    cr_expect(eq(int, applied("--policy enough").policy, POLICY_ENOUGH));
}

Test(map_options_cli, what_is_captured_has_names)
{
    cr_expect(eq(int, applied("").capture, MAP_CAPTURE_ALL), "the task's own");
    cr_expect(eq(int, applied("--capture failed").capture, MAP_CAPTURE_FAILED));
    cr_expect(eq(int, applied("--capture all").capture, MAP_CAPTURE_ALL));
    cr_expect(eq(int, applied("--capture none").capture, MAP_CAPTURE_NONE));
    cr_expect(eq(int, applied("--capture discard").capture, MAP_CAPTURE_DISCARD));
}

Test(map_options_cli, a_criterion_replaces_one_of_another_kind)
{
    const struct criterion ratio = applied("--min-success-ratio 0.07").criterion;
    cr_expect(eq(int, ratio.kind, CRITERION_MIN_RATIO));
    cr_expect(strcmp(ratio.ratio, "0.07") == 0);

    const struct criterion failures = applied("--max-failures 0").criterion;
    cr_expect(eq(int, failures.kind, CRITERION_MAX_FAILURES));
    cr_expect(eq(u64, failures.count, 0));

    const struct criterion successes = applied("--min-successes 3").criterion;
    cr_expect(eq(int, successes.kind, CRITERION_MIN_SUCCESSES));
    cr_expect(eq(u64, successes.count, 3));
}

/* ---- Refusals ------------------------------------------------------------------------------- */

Test(map_options_cli, resources_are_whole_and_growth_does_not_shrink)
{
    expect_refused("--cpus 0", "--cpus: \"0\" is none: expected a whole number above 0");
    expect_refused("--cpus 1.5", "--cpus: \"1.5\" is no count: expected digits");
    expect_refused("--gpus -1", "--gpus: \"-1\" is no count: expected digits");
    expect_refused("--mem-growth 0.5",
                   "--mem-growth: \"0.5\" is no factor: expected a decimal from "
                   "1 to 1000000, such as 2 or 1.5");
    expect_refused("--mem-growth two",
                   "--mem-growth: \"two\" is no factor: expected a decimal from "
                   "1 to 1000000, such as 2 or 1.5");
}

Test(map_options_cli, two_criteria_are_refused_by_name)
{
    expect_refused("--min-successes 3 --min-success-ratio 0.5",
                   "--min-success-ratio and --min-successes both say what counts as success: "
                   "expected one of them");
    expect_refused("--max-failures 3 --min-successes 2",
                   "--min-successes and --max-failures both say what counts as success: expected "
                   "one of them");
}

Test(map_options_cli, a_refusal_names_the_option_the_value_and_what_was_expected)
{
    expect_refused("--retries x", "--retries: \"x\" is no count: expected digits");
    expect_refused("--retries=", "--retries: \"\" is no count: expected digits");
    expect_refused("--system-retries -1", "--system-retries: \"-1\" is no count: expected digits");
    expect_refused("--min-successes 1.5", "--min-successes: \"1.5\" is no count: expected digits");
    expect_refused("--max-failures 50%", "--max-failures: \"50%\" is no count: expected digits");
    expect_refused("--seed 9223372036854775808",
                   "--seed: 9223372036854775808 is too large: expected at most "
                   "9223372036854775807");
    expect_refused("--min-success-ratio 80%",
                   "--min-success-ratio: \"80%\" is no ratio: expected a decimal from 0 to 1");
    expect_refused("--retry-delay 2sec",
                   "--retry-delay: \"2sec\" is no time: expected a decimal with ms, s, m, h, d or "
                   "no unit (seconds), such as 90, 1.5s or 15m");
}

Test(map_options_cli, a_unit_or_an_output_of_nothing_is_refused)
{
    expect_refused("--unit-size 0",
                   "--unit-size: \"0\" is no unit size: expected auto or a count above 0");
    expect_refused("--unit-size many",
                   "--unit-size: \"many\" is no unit size: expected auto or a count above 0");
    expect_refused("--mem 10",
                   "--mem: \"10\" is 10 bytes: expected at least 1Mi (10M, 2Gi), or 0: no bound");
    expect_refused("--mem 1023Ki", "--mem: \"1023Ki\" is 1047552 bytes: expected at least 1Mi "
                                   "(10M, 2Gi), or 0: no bound");
    expect_refused("--max-output 0",
                   "--max-output: \"0\" leaves room for none: expected a size above 0");
}

Test(map_options_cli, what_came_before_a_refusal_is_not_applied)
{
    expect_refused("--retries 5 --policy stop --unit-size x",
                   "--unit-size: \"x\" is no unit size: expected auto or a count above 0");
}
