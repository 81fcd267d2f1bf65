#include "cli/sweep_command.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>

#include "jobs/command/arguments.h"
#include "shared/shell_word.h"
#include "shared/value_python.h"
#include "space_support.h"

#define LINES_MAX 6
#define WORDS_MAX 16

/* ---- What stands for the executor
 * ---------------------------------------------------------------- */

static const char *text_of(struct arena *arena, size_t *size_out,
                           enum status (*make)(const mf_value *, struct buffer *),
                           const mf_value *value)
{
    struct buffer text = {0};
    cr_assert(eq(int, make(value, &text), STATUS_OK));
    const char *copy = arena_copy(arena, text.data, text.size);
    *size_out = text.size;
    buffer_free(&text);
    return copy;
}

static const char *python_of(void *context, const mf_value *value, size_t *size_out)
{
    return text_of(context, size_out, value_to_python, value);
}

static const char *json_of(void *context, const mf_value *value, size_t *size_out)
{
    return text_of(context, size_out, value_to_json, value);
}

static const char *json_file_of(void *context, const mf_value *record)
{
    (void)context;
    (void)record;
    return "parameters.json";
}

/* ---- The lines of a file
 * -------------------------------------------------------------------------- */

struct given {
    struct sweep_command_options options;
    const char *words[WORDS_MAX];
    char text[256];
};

/* The options of a file's first line: "# mapfleet sweep FILE.yaml --wandb -- python train.py". */
static void read_options(const char *file, struct given *given)
{
    static const char head[] = "# mapfleet sweep FILE.yaml ";
    bool is_behind = false;
    given->options = (struct sweep_command_options){.interpreter = "python"};
    if (strncmp(file, head, strlen(head)) != 0) {
        return;
    }
    file += strlen(head);
    (void)snprintf(given->text, sizeof(given->text), "%.*s", (int)strcspn(file, "\n"), file);
    for (char *word = strtok(given->text, " "); word != NULL; word = strtok(NULL, " ")) {
        if (is_behind) {
            cr_assert(lt(sz, given->options.word_count, WORDS_MAX));
            given->words[given->options.word_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            is_behind = true;
        } else {
            given->options.is_by_env = given->options.is_by_env || strcmp(word, "--by-env") == 0;
            given->options.is_wandb = given->options.is_wandb || strcmp(word, "--wandb") == 0;
        }
    }
    given->options.words = given->words;
}

static void put_words(struct buffer *out, struct word_list *words)
{
    char **list = words_list(words);
    cr_assert(ne(ptr, list, NULL));
    for (size_t i = 0; list[i] != NULL; i++) {
        cr_assert(eq(int, i > 0 ? buffer_append_byte(out, ' ') : STATUS_OK, STATUS_OK));
        cr_assert(eq(int, shell_word_put(out, list[i]), STATUS_OK));
    }
    cr_assert(eq(int, buffer_append_byte(out, '\n'), STATUS_OK));
}

static void put_line(struct buffer *out, const struct sweep_command *command,
                     const mf_value *record, uint64_t index)
{
    struct arena arena = {0};
    struct word_list words = {.count = 0};
    struct template_error err = {.text = ""};
    const struct arguments_trial trial = {.record = record,
                                          .index = index,
                                          .slot = 1,
                                          .python = python_of,
                                          .json = json_of,
                                          .json_file = json_file_of,
                                          .context = &arena};
    cr_assert(
        arguments_fill(command->words, command->word_count, &command->paths, &trial, &words, &err),
        "%s", err.text);
    put_words(out, &words);
    words_free(&words);
    arena_free(&arena);
}

/* A task has no command: its line is its input. */
static void put_input(struct buffer *out, const struct sweep_file *sweep, const mf_value *record)
{
    cr_assert(eq(int, buffer_printf(out, "%s ", sweep->task), STATUS_OK));
    cr_assert(eq(int, value_to_json(record, out), STATUS_OK));
    cr_assert(eq(int, buffer_append_byte(out, '\n'), STATUS_OK));
}

/* An adaptive sweep has no trials before it runs: a random one is made up. */
static void put_trials(struct buffer *out, const struct sweep_file *sweep,
                       const struct sweep_command *command)
{
    static const enum trials_method methods[] = {[SWEEP_GRID] = TRIALS_GRID,
                                                 [SWEEP_RANDOM] = TRIALS_RANDOM,
                                                 [SWEEP_QUASI] = TRIALS_QUASI,
                                                 [SWEEP_ADAPTIVE] = TRIALS_RANDOM};
    struct error err = {.text = ""};
    struct arena arena = {0};
    const bool is_adaptive = sweep->method == SWEEP_ADAPTIVE;
    struct trials *trials =
        trials_of(sweep->space, methods[sweep->method], 0, is_adaptive ? 1 : sweep->run_cap);
    for (uint64_t i = 0; i < trials_count(trials) && i < LINES_MAX; i++) {
        mf_value record;
        cr_assert(eq(int, trials_record(trials, i, &arena, &record, &err), STATUS_OK));
        if (sweep->task != NULL) {
            put_input(out, sweep, &record);
        } else {
            put_line(out, command, &record, i);
        }
    }
    if (!is_adaptive) {
        cr_assert(
            eq(int, buffer_printf(out, "%" PRIu64 " trials\n", trials_count(trials) * sweep->seeds),
               STATUS_OK));
    }
    trials_destroy(trials);
    arena_free(&arena);
}

static void put_brackets(struct buffer *out, const struct sweep_file *sweep)
{
    struct early_stop *early_stop = NULL;
    struct error err = {.text = ""};
    if (!sweep->has_early_stop) {
        return;
    }
    cr_assert(eq(int, early_stop_create(sweep->early_stop, &early_stop, &err), STATUS_OK));
    cr_assert(eq(int, buffer_printf(out, "brackets"), STATUS_OK));
    for (size_t i = 0; i < early_stop_bracket_count(early_stop) && i < 4; i++) {
        cr_assert(
            eq(int, buffer_printf(out, " %" PRIu64, early_stop_bracket(early_stop, i)), STATUS_OK));
    }
    cr_assert(eq(int, buffer_append_byte(out, '\n'), STATUS_OK));
    early_stop_destroy(early_stop);
}

/* The first lines, the number of trials, and the brackets; to be freed. */
static char *lines_of(const char *name, const char *file)
{
    struct given given;
    struct buffer out = {0};
    struct arena arena = {0};
    struct error err = {.text = ""};
    struct sweep_command command = {.word_count = 0};
    struct problems problems = {.path = name};
    struct sweep_file *sweep = NULL;
    read_options(file, &given);
    const enum status status = sweep_file_read(file, strlen(file), &problems, &sweep);
    cr_assert(eq(int, status, STATUS_OK), "%s",
              problems_kept(&problems) > 0 ? problems_text(&problems, 0) : name);
    if (sweep->task == NULL) {
        cr_assert(
            eq(int, sweep_command_make(sweep, &given.options, &arena, &command, &err), STATUS_OK),
            "%s: %s", name, err.text);
    }
    put_trials(&out, sweep, &command);
    put_brackets(&out, sweep);
    cr_assert(eq(int, buffer_append_byte(&out, 0), STATUS_OK));
    problems_free(&problems);
    sweep_file_destroy(sweep);
    arena_free(&arena);
    return (char *)out.data;
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    cr_assert(ne(ptr, file, NULL), "%s", path);
    cr_assert(ge(i64, getdelim(&text, &size, '\0', file), 0), "%s", path);
    (void)fclose(file);
    return text;
}

/* Goal: what reaches a program is what the page on sweeps says, word for word.
 * Method: files written after those of public repositories, with every key, distribution and macro
 * in at least one. NAME.txt holds the lines of NAME.yaml; SWEEPS_WRITE=1 writes anew what is to be
 * looked at then. */
static void check_file(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", MF_SWEEPS, name);
    char *file = read_whole(path);
    char *found = lines_of(name, file);
    (void)snprintf(path, sizeof(path), "%s/%.*s.txt", MF_SWEEPS,
                   (int)(strlen(name) - strlen(".yaml")), name);
    if (getenv("SWEEPS_WRITE") != NULL) {
        FILE *out = fopen(path, "w");
        cr_assert(ne(ptr, out, NULL));
        (void)fputs(found, out);
        (void)fclose(out);
    }
    char *expected = read_whole(path);
    cr_expect(strcmp(found, expected) == 0, "%s\nfound:\n%s\nexpected:\n%s", name, found, expected);
    free(file);
    free(found);
    free(expected);
}

Test(sweep_command, lines_of_twenty_files_are_word_for_word_what_is_expected)
{
    size_t count = 0;
    DIR *folder = opendir(MF_SWEEPS);
    cr_assert(ne(ptr, folder, NULL));
    cr_assert(eq(int, setenv("SWEEP_DATA", "/data sets", 1), 0));
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const size_t size = strlen(entry->d_name);
        if (size > 5 && strcmp(entry->d_name + size - 5, ".yaml") == 0) {
            check_file(entry->d_name);
            count++;
        }
    }
    (void)closedir(folder);
    cr_expect(ge(sz, count, 20));
}

/* ---- Refusals
 * ------------------------------------------------------------------------------------- */

static void expect_refusal_at(const char *file, const char *refusal, unsigned line, unsigned column)
{
    struct given given;
    struct arena arena = {0};
    struct error err = {.text = ""};
    struct sweep_command command;
    struct problems problems = {.path = "s.yaml"};
    struct sweep_file *sweep = NULL;
    read_options(file, &given);
    cr_assert(eq(int, sweep_file_read(file, strlen(file), &problems, &sweep), STATUS_OK), "%s",
              file);
    cr_expect(
        eq(int, sweep_command_make(sweep, &given.options, &arena, &command, &err), STATUS_INVALID),
        "%s", file);
    cr_expect(strcmp(err.text, refusal) == 0, "found:    %s\nexpected: %s", err.text, refusal);
    if (line > 0) {
        cr_expect(eq(uint, command.fault.line, line), "%s", file);
        cr_expect(eq(uint, command.fault.column, column), "%s", file);
    }
    sweep_file_destroy(sweep);
    arena_free(&arena);
}

static void expect_refusal(const char *file, const char *refusal)
{
    expect_refusal_at(file, refusal, 0, 0);
}

#define GRID "method: grid\nparameters: {lr: {values: [1, 2]}}\n"
#define WITH(options) "# mapfleet sweep FILE.yaml " options "\n"

Test(sweep_command, something_has_to_say_what_runs_and_not_two)
{
    expect_refusal(GRID, "the sweep does not say what runs: name a program (program: in the file, "
                         "or --program), or give a command behind --");
    expect_refusal(WITH("-- ./a") GRID "program: t.py\n",
                   "a command behind --, and the sweep says what runs by program: leave one of "
                   "them out");
    expect_refusal(WITH("-- ./a") GRID "command: [./t]\n",
                   "a command behind --, and the sweep says what runs by command: leave one of "
                   "them out");
    expect_refusal(WITH("-- ./a") GRID "task: a:b\n",
                   "a command behind --, and the sweep says what runs by task: leave one of them "
                   "out");
    expect_refusal_at(GRID "command: [python, \"${program}\", \"${args}\"]\n",
                      "the command has ${program}, and no program is named (program: in the file, "
                      "or --program)",
                      3, 20);
}

Test(sweep_command, a_command_that_never_gets_its_parameters_is_refused)
{
    const char *refusal = "the command never gets its parameters, and would run with other ones "
                          "than the sweep's: give it ${args}, or say how else they get there "
                          "(--by-env, --wandb)";
    expect_refusal_at(GRID "command: [python, train.py]\n", refusal, 3, 11);
    expect_refusal(GRID "command: [python, train.py, \"{other}\", \"${envvar:HOME}\"]\n", refusal);
    expect_refusal(GRID "command: [python, train.py, \"{{lr}}\"]\n", refusal);
    expect_refusal(GRID "command: [python, train.py, \"--a=${args}\"]\n", refusal);
}

Test(sweep_command, a_macro_that_is_not_known_is_refused)
{
    expect_refusal_at(GRID "command: [python, train.py, \"${arg}\"]\n",
                      "${arg} is no macro: expected ${env} ${interpreter} ${program} ${args} "
                      "${args_no_hyphens} ${args_no_equals} ${args_no_boolean_flags} "
                      "${args_append_hydra} ${args_override_hydra} ${args_json} "
                      "${args_json_file} ${envvar:NAME}",
                      3, 30);
}

Test(sweep_command, two_parameters_of_one_dotted_name_need_json)
{
    const char *refusal = "two parameters are named a.b, a nest's and a plain one: only "
                          "${args_json} and ${args_json_file} tell them apart";
#define DOUBLED "method: grid\nparameters: {a.b: {value: 1}, a: {parameters: {b: {value: 2}}}}\n"
    expect_refusal(DOUBLED "program: t.py\n", refusal);
    expect_refusal(DOUBLED "command: [./t, \"${args_json}\", \"{a.b}\"]\n", refusal);
    expect_refusal(WITH("--by-env") DOUBLED "command: [./t]\n", refusal);
}

Test(sweep_command, a_variable_that_is_not_set_fails_its_trial)
{
    static const char *const words[] = {"./t", "${envvar:SWEEP_NOT_SET}"};
    struct word_list out = {.count = 0};
    struct template_error err = {.text = ""};
    const mf_value none = value_null();
    const struct arguments_trial trial = {.record = &none};
    cr_expect(not(arguments_fill(words, 2, &none, &trial, &out, &err)));
    cr_expect(strcmp(err.text, "${envvar:SWEEP_NOT_SET}: the environment has no such variable") ==
                  0,
              "%s", err.text);
    words_free(&out);
}
