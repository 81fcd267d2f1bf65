#include "cli/options.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Helpers -------------------------------------------------------------------------------- */

#define HELP_WIDTH_MAX 100
#define HELP_SIZE_MAX 16384
#define SCREEN_WIDTH 80
#define SCREEN_HEIGHT 24

/* Words up to the first NULL, without the verb. */
#define LINE(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static enum status parse(enum verb verb, const char *const *words, struct options *options,
                         struct error *err)
{
    char *argv[16];
    int argc = 1;
    argv[0] = (char *)(uintptr_t)verb_name(verb);
    for (; words[argc - 1] != NULL; argc++) {
        cr_assert(argc < 15);
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    argv[argc] = NULL;
    return options_parse(verb, argc, argv, options, err);
}

static struct options parsed(enum verb verb, const char *const *words)
{
    struct options options;
    struct error err = {""};
    cr_assert(parse(verb, words, &options, &err) == STATUS_OK, "%s", err.text);
    return options;
}

static void expect_refused(enum verb verb, const char *const *words, const char *text)
{
    struct options options = {.word_count = 77};
    struct error err = {""};
    cr_expect(parse(verb, words, &options, &err) == STATUS_INVALID, "taken: %s", words[0]);
    cr_expect(strcmp(err.text, text) == 0, "%s: expected \"%s\", found \"%s\"", words[0], text,
              err.text);
    cr_expect(eq(sz, options.word_count, 77));
}

static void expect_str(const char *found, const char *expected)
{
    cr_assert(ne(ptr, (void *)(uintptr_t)found, NULL), "expected \"%s\"", expected);
    cr_expect(strcmp(found, expected) == 0, "expected \"%s\", found \"%s\"", expected, found);
}

/* ---- Verbs ---------------------------------------------------------------------------------- */

Test(options, verbs_are_known_by_name)
{
    enum verb verb;
    for (int i = 0; i < VERB_COUNT; i++) {
        cr_assert(verb_by_name(verb_name((enum verb)i), &verb));
        cr_expect(eq(int, verb, i));
    }
    cr_expect(not(verb_by_name("mop", &verb)));
    cr_expect(not(verb_by_name("", &verb)));
}

/* ---- Values --------------------------------------------------------------------------------- */

Test(options, a_value_stands_behind_its_option_or_behind_an_equals_sign)
{
    struct options options =
        parsed(VERB_MAP, LINE("basics:square", "--retries", "2", "--seed=7", "--inputs", "-"));
    expect_str(options.values[OPTION_RETRIES], "2");
    expect_str(options.values[OPTION_SEED], "7");
    expect_str(options.values[OPTION_INPUTS], "-");
    cr_expect(not(options_has(&options, OPTION_RANGE)));
    cr_assert(eq(sz, options.word_count, 1));
    expect_str(options.words[0], "basics:square");
    options_free(&options);
}

Test(options, a_value_may_begin_with_a_dash_or_hold_an_equals_sign)
{
    struct options options =
        parsed(VERB_MAP, LINE("--range", "-5:5", "--inputs=a=b", "--colsep=--", "--run-dir="));
    expect_str(options.values[OPTION_RANGE], "-5:5");
    expect_str(options.values[OPTION_INPUTS], "a=b");
    expect_str(options.values[OPTION_COLSEP], "--");
    expect_str(options.values[OPTION_RUN_DIR], "");
    options_free(&options);
}

Test(options, the_last_of_an_option_counts)
{
    struct options options = parsed(VERB_MAP, LINE("--retries", "1", "--retries=2"));
    expect_str(options.values[OPTION_RETRIES], "2");
    options_free(&options);
}

Test(options, files_may_be_repeated)
{
    struct options options = parsed(VERB_MAP, LINE("--files", "*.jpg", "x", "--files=*.png"));
    cr_assert(eq(sz, options.use_count, 2));
    expect_str(options.uses[0].value, "*.jpg");
    expect_str(options.uses[1].value, "*.png");
    expect_str(options.values[OPTION_FILES], "*.png");
    options_free(&options);
}

Test(options, an_optional_value_is_attached_or_absent)
{
    struct options bare = parsed(VERB_MAP, LINE("--print", "none"));
    expect_str(bare.values[OPTION_PRINT], "");
    cr_assert(eq(sz, bare.word_count, 1));
    expect_str(bare.words[0], "none");
    options_free(&bare);

    struct options attached = parsed(VERB_MAP, LINE("--print=none"));
    expect_str(attached.values[OPTION_PRINT], "none");
    options_free(&attached);
}

Test(options, two_dashes_end_the_options)
{
    struct options options =
        parsed(VERB_MAP, LINE("a", "-", "--seed=1", "--", "--retries", "--", "b"));
    cr_assert(eq(sz, options.word_count, 5));
    cr_expect(eq(sz, options.words_after, 3));
    expect_str(options.words[0], "a");
    expect_str(options.words[1], "-");
    expect_str(options.words[2], "--retries");
    expect_str(options.words[3], "--");
    expect_str(options.words[4], "b");
    cr_expect(options_has(&options, OPTION_SEED));
    cr_expect(not(options_has(&options, OPTION_RETRIES)));
    options_free(&options);
}

Test(options, help_has_a_letter)
{
    struct options options = parsed(VERB_TASKS, LINE("-h"));
    cr_expect(options_has(&options, OPTION_HELP));
    options_free(&options);
}

Test(options, no_words_are_no_error)
{
    struct options options;
    struct error err;
    char verb[] = "map";
    char *argv[] = {verb, NULL};
    cr_assert(eq(int, options_parse(VERB_MAP, 1, argv, &options, &err), STATUS_OK));
    cr_expect(eq(sz, options.word_count, 0));
    options_free(&options);
    options_free(&options); /* all zero is allowed */
}

/* ---- Refusals ------------------------------------------------------------------------------- */

Test(options, an_unknown_option_names_the_nearest)
{
    expect_refused(VERB_MAP, LINE("--retrys", "1"),
                   "unknown option --retrys: did you mean --retries?");
    expect_refused(VERB_MAP, LINE("--min-succes=1"),
                   "unknown option --min-succes: did you mean --min-successes?");
    expect_refused(VERB_MAP, LINE("--min-sucess-ratio"),
                   "unknown option --min-sucess-ratio: did you mean --min-success-ratio?");
    expect_refused(VERB_MAP, LINE("--max"), "unknown option --max: did you mean --max-output?");
    expect_refused(VERB_RESULTS, LINE("--tabel"), "unknown option --tabel: did you mean --table?");
    expect_refused(VERB_MAP, LINE("--retry", "2"),
                   "unknown option --retry: did you mean --retries?");
    expect_refused(VERB_MAP, LINE("--retry-", "2"),
                   "unknown option --retry-: did you mean --retry-delay?");
    expect_refused(VERB_MAP, LINE("--input", "x"),
                   "unknown option --input: did you mean --inputs?");
}

Test(options, two_sources_of_inputs_are_refused_by_name)
{
    expect_refused(VERB_MAP, LINE("--range", "0:2", "--range=5:6"),
                   "--range 0:2 and --range 5:6 are two sources of inputs: give one of them");
    expect_refused(VERB_MAP, LINE("--inputs", "a.csv", "--inputs", "b.csv"),
                   "--inputs a.csv and --inputs b.csv are two sources of inputs: give one of them");
}

Test(options, the_same_source_of_inputs_may_be_given_twice)
{
    struct options options = parsed(VERB_MAP, LINE("--range", "0:2", "--range=0:2"));
    expect_str(options.values[OPTION_RANGE], "0:2");
    options_free(&options);
}

Test(options, an_unknown_option_with_none_near_points_at_the_help)
{
    expect_refused(VERB_MAP, LINE("--xyzzy"),
                   "unknown option --xyzzy: mapfleet map --help lists all");
    expect_refused(VERB_MAP, LINE("-q"), "unknown option -q: mapfleet map --help lists all");
    expect_refused(VERB_MAP, LINE("--an-option-whose-name-is-longer-than-any=3"),
                   "unknown option --an-option-whose-name-is-longer-than-any: mapfleet map --help "
                   "lists all");
}

Test(options, an_option_of_another_verb_says_whose_it_is)
{
    expect_refused(
        VERB_MAP, LINE("--table"),
        "--table is an option of mapfleet results, and mapfleet map has none of that name");
    expect_refused(
        VERB_TASKS, LINE("--retries", "1"),
        "--retries is an option of mapfleet map, and mapfleet tasks has none of that name");
}

Test(options, a_missing_value_is_refused)
{
    expect_refused(VERB_MAP, LINE("--retries"),
                   "--retries needs a value: expected --retries COUNT");
    expect_refused(VERB_MAP, LINE("--range", "--print"),
                   "--range needs a value: expected --range A:B[:STEP]");
    expect_refused(VERB_MAP, LINE("--seed", "--"), "--seed needs a value: expected --seed NUMBER");
}

Test(options, a_value_where_none_belongs_is_refused)
{
    expect_refused(VERB_MAP, LINE("--no-header=yes"),
                   "--no-header takes no value, and \"yes\" was given");
    expect_refused(VERB_MAP, LINE("--no-header="),
                   "--no-header takes no value, and \"\" was given");
    expect_refused(VERB_MAP, LINE("-hx"), "--help takes no value, and \"x\" was given");
}

Test(options, a_value_that_is_no_choice_is_refused)
{
    expect_refused(VERB_MAP, LINE("--policy=fast"),
                   "--policy: \"fast\" is unknown: expected stop, run-all or enough");
    expect_refused(VERB_MAP, LINE("--progress", "dots"),
                   "--progress: \"dots\" is unknown: expected auto, bar, plain, json or none");
    expect_refused(VERB_MAP, LINE("--print="), "--print: \"\" is unknown: expected json or none");
    expect_refused(VERB_MAP, LINE("--policy", "run"),
                   "--policy: \"run\" is unknown: expected stop, run-all or enough");
    expect_refused(VERB_MAP, LINE("--input-format=yaml"),
                   "--input-format: \"yaml\" is unknown: expected jsonl, json, csv, tsv, txt or "
                   "msgpack");
}

Test(options, what_only_commands_can_print_is_refused_with_the_reason)
{
    expect_refused(VERB_MAP, LINE("--print=live"),
                   "--print: \"live\" is about what commands print, and a map runs none: expected "
                   "json or none");
    expect_refused(VERB_MAP, LINE("--print=ordered"),
                   "--print: \"ordered\" is about what commands print, and a map runs none: "
                   "expected json or none");
}

/* ---- Help ----------------------------------------------------------------------------------- */

/* What a help function writes; criterion redirects once a test. */
static const char *read_output(void)
{
    static char output[HELP_SIZE_MAX];
    (void)fflush(stdout);
    FILE *file = cr_get_redirected_stdout();
    const size_t size = fread(output, 1, sizeof(output) - 1, file);
    output[size] = '\0';
    return output;
}

static void expect_narrow(const char *text)
{
    while (*text != '\0') {
        const size_t size = strcspn(text, "\n");
        cr_expect(size <= HELP_WIDTH_MAX, "%zu columns: %.*s", size, (int)size, text);
        cr_expect(size == 0 || text[size - 1] != ' ', "blank at the end: %.*s", (int)size, text);
        text += size + (text[size] == '\n' ? 1 : 0);
    }
}

Test(options, the_help_of_map_begins_with_examples_and_has_each_option, .init = cr_redirect_stdout)
{
    options_print_help(VERB_MAP);
    const char *help = read_output();
    static const char beginning[] =
        "Example:\n"
        "  mapfleet map basics:square --range 0:1000 --print\n"
        "  mpirun -n 4 mapfleet map basics:square --range 0:1000 --print\n";
    cr_expect(strncmp(help, beginning, strlen(beginning)) == 0);
    for (int id = 0; id <= OPTION_PROGRESS; id++) {
        cr_expect(strstr(help, option_name((enum option_id)id)) != NULL, "no %s",
                  option_name((enum option_id)id));
    }
    cr_expect(strstr(help, "--table") == NULL);
    expect_narrow(help);
}

Test(options, the_help_of_exec_has_those_of_map_and_its_own, .init = cr_redirect_stdout)
{
    options_print_help(VERB_EXEC);
    const char *help = read_output();
    for (int id = 0; id <= OPTION_KEEP_ORDER; id++) {
        if (id == OPTION_CONSTANT) {
            cr_expect(strstr(help, "--constant") == NULL); /* of commands, that is their line */
            continue;
        }
        cr_expect(strstr(help, option_name((enum option_id)id)) != NULL, "no %s",
                  option_name((enum option_id)id));
    }
    expect_narrow(help);
}

Test(options, the_help_of_sweep_begins_with_examples_and_has_no_inputs, .init = cr_redirect_stdout)
{
    options_print_help(VERB_SWEEP);
    const char *help = read_output();
    static const char beginning[] = "Example:\n"
                                    "  mapfleet sweep sweep.yaml --dry-run\n";
    cr_expect(strncmp(help, beginning, strlen(beginning)) == 0);
    for (int id = OPTION_MIN_SUCCESS_RATIO; id <= OPTION_PROGRESS; id++) {
        cr_expect(strstr(help, option_name((enum option_id)id)) != NULL, "no %s",
                  option_name((enum option_id)id));
    }
    for (int id = OPTION_TRIALS; id <= OPTION_WANDB; id++) {
        cr_expect(strstr(help, option_name((enum option_id)id)) != NULL, "no %s",
                  option_name((enum option_id)id));
    }
    cr_expect(strstr(help, "--inputs") == NULL && strstr(help, "--range") == NULL);
    expect_narrow(help);
}

Test(options, options_of_a_sweep_stand_before_its_command)
{
    struct options options =
        parsed(VERB_SWEEP, LINE("a.yaml", "--trials", "2", "--", "train", "--retries", "3"));
    expect_str(options.values[OPTION_TRIALS], "2");
    cr_expect(options.values[OPTION_RETRIES] == NULL);
    cr_assert(eq(sz, options.word_count, 4));
    cr_assert(eq(sz, options.words_after, 3));
    options_free(&options);
}

Test(options, options_of_exec_end_at_the_command)
{
    struct options options =
        parsed(VERB_EXEC, LINE("--retries", "2", "gzip", "-9", "{}", ":::", "--retries"));
    expect_str(options.values[OPTION_RETRIES], "2");
    cr_assert(eq(sz, options.word_count, 5));
    expect_str(options.words[1], "-9");
    expect_str(options.words[4], "--retries");
    options_free(&options);
}

Test(options, what_gnu_parallel_calls_otherwise_is_refused_with_our_name)
{
    expect_refused(VERB_EXEC, LINE("--halt", "now"),
                   "--halt: --policy stop ends the run at the first failure, --max-failures N "
                   "after N, --policy enough at enough successes");
    expect_refused(VERB_EXEC, LINE("-a", "x"),
                   "-a, --arg-file: --inputs FILE, or --zip NAME=FILE for each of several");
    expect_refused(VERB_EXEC, LINE("--jobs=3"), "--jobs: -j N, slots of each rank");
}

Test(options, the_help_of_cache_has_its_options_alone, .init = cr_redirect_stdout)
{
    options_print_help(VERB_CACHE);
    const char *help = read_output();
    cr_expect(strstr(help, "--cache-dir") != NULL);
    for (int id = OPTION_OLDER_THAN; id <= OPTION_MAX_SIZE; id++) {
        cr_expect(strstr(help, option_name((enum option_id)id)) != NULL);
    }
    cr_expect(strstr(help, "--cache-version") == NULL);
    expect_narrow(help);
}

Test(options, the_help_of_results_has_its_options_alone, .init = cr_redirect_stdout)
{
    options_print_help(VERB_RESULTS);
    const char *help = read_output();
    for (int id = OPTION_TABLE; id <= OPTION_MAP; id++) {
        cr_expect(strstr(help, option_name((enum option_id)id)) != NULL);
    }
    cr_expect(strstr(help, "--retries") == NULL);
    expect_narrow(help);
}

Test(options, the_help_of_tasks_is_short, .init = cr_redirect_stdout)
{
    options_print_help(VERB_TASKS);
    const char *help = read_output();
    cr_expect(strncmp(help, "Example:\n  mapfleet tasks", 25) == 0);
    expect_narrow(help);
}

Test(options, the_overview_names_every_verb_within_a_screen, .init = cr_redirect_stdout)
{
    options_print_overview();
    const char *overview = read_output();
    for (int verb = 0; verb < VERB_COUNT; verb++) {
        char usage[32];
        (void)snprintf(usage, sizeof(usage), "\n  %s ", verb_name((enum verb)verb));
        cr_expect(strstr(overview, usage) != NULL, "no %s", usage);
    }
    size_t line_count = 0;
    for (const char *line = overview; *line != '\0'; line_count++) {
        const size_t size = strcspn(line, "\n");
        cr_expect(size <= SCREEN_WIDTH, "%zu columns: %.*s", size, (int)size, line);
        line += size + (line[size] == '\n' ? 1 : 0);
    }
    cr_expect(le(sz, line_count, SCREEN_HEIGHT));
    expect_narrow(overview);
}

Test(options, resume_takes_what_a_map_was_asked_for_but_for_its_inputs)
{
    cr_expect(option_is_remembered(OPTION_RETRIES));
    cr_expect(option_is_remembered(OPTION_MIN_SUCCESSES));
    cr_expect(option_is_remembered(OPTION_SLOTS));
    cr_expect(option_is_remembered(OPTION_SYNC));
    static const enum option_id forgotten[] = {OPTION_HELP,     OPTION_RANGE,  OPTION_INPUTS,
                                               OPTION_RUN_DIR,  OPTION_RESUME, OPTION_PRINT,
                                               OPTION_PROGRESS, OPTION_FAILED, OPTION_TABLE};
    for (size_t i = 0; i < sizeof(forgotten) / sizeof(forgotten[0]); i++) {
        cr_expect(not(option_is_remembered(forgotten[i])), "%s", option_name(forgotten[i]));
    }
    expect_refused(
        VERB_RESUME, LINE("RUN", "--range", "0:3"),
        "--range is an option of mapfleet map, and mapfleet resume has none of that name");
    expect_refused(VERB_MAP, LINE("--failed"),
                   "--failed is an option of mapfleet resume, and mapfleet map has none of that "
                   "name");
}

Test(options, an_option_stands_as_one_word)
{
    char *words[] = {option_word(OPTION_RETRIES, "3"), option_word(OPTION_RETRIES, ""),
                     option_word(OPTION_NO_HEADER, ""), option_word(OPTION_RESUME, ""),
                     option_word(OPTION_RESUME, "failed")};
    static const char *const expected[] = {"--retries=3", "--retries=", "--no-header", "--resume",
                                           "--resume=failed"};
    for (size_t i = 0; i < 5; i++) {
        cr_expect(strcmp(words[i], expected[i]) == 0, "%s", words[i]);
        free(words[i]);
    }
}

Test(options, the_help_of_resume_is_narrow, .init = cr_redirect_stdout)
{
    options_print_help(VERB_RESUME);
    const char *help = read_output();
    cr_expect(strstr(help, "--failed") != NULL && strstr(help, "--retries") != NULL);
    cr_expect(strstr(help, "--range 0") == NULL);
    expect_narrow(help);
}
