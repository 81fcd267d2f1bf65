#include "cli/sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/map_options_cli.h"
#include "cli/program_found.h"
#include "jobs/command/arguments.h"
#include "master/file.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/path.h"
#include "shared/quantity.h"
#include "shared/value.h"

#define ENV_PROGRAM "/usr/bin/env"
#define MODULES "python"
#define MODULE_FILE "wandb/__init__.py"

/* ---- The file ---------------------------------------------------------------------------------
 */

enum status sweep_check_words(const struct options *options, struct error *err)
{
    const size_t count = options->word_count - options->words_after;
    if (count == 0) {
        return error_set(err, STATUS_INVALID,
                         "mapfleet sweep: expected FILE.yaml (mapfleet sweep --help shows how)");
    }
    return count == 1 ? STATUS_OK
                      : error_set(err, STATUS_INVALID,
                                  "unexpected \"%s\": a command stands behind --, as in: mapfleet "
                                  "sweep %s -- %s",
                                  options->words[1], options->words[0], options->words[1]);
}

/* The last line says how many there were, unless there was one. */
static enum status say_problems(const struct problems *problems, struct error *err)
{
    const size_t kept = problems_kept(problems);
    if (problems->count == 1 && kept == 1) {
        return error_set(err, STATUS_INVALID, "%s", problems_text(problems, 0));
    }
    for (size_t i = 0; i < kept; i++) {
        log_error("%s", problems_text(problems, i));
    }
    return error_set(err, STATUS_INVALID, "%s: %zu things are wrong%s; nothing was started",
                     problems->path, problems->count,
                     problems->count > kept ? ", of which these are the first" : "");
}

enum status sweep_read(const struct options *options, const char *recorded, struct sweep *sweep_out,
                       struct error *err)
{
    *sweep_out = (struct sweep){.options = options};
    enum status status = sweep_check_words(options, err);
    if (status != STATUS_OK) {
        return status;
    }
    sweep_out->path = options->words[0];
    struct problems problems = {.path = sweep_out->path};
    status = recorded == NULL ? file_read(sweep_out->path, &sweep_out->text, err)
                              : buffer_append(&sweep_out->text, recorded, strlen(recorded));
    if (status == STATUS_OK) {
        status = buffer_append_byte(&sweep_out->text, '\0');
    }
    if (status == STATUS_OK) {
        status = sweep_file_read((const char *)sweep_out->text.data, sweep_out->text.size - 1,
                                 &problems, &sweep_out->file);
    }
    if (problems.count > 0) {
        status = say_problems(&problems, err);
    } else if (status == STATUS_NO_MEMORY) {
        status = error_set(err, status, "%s: out of memory", sweep_out->path);
    }
    problems_free(&problems);
    return status;
}

void sweep_free(struct sweep *sweep)
{
    sweep_file_destroy(sweep->file);
    buffer_free(&sweep->text);
    arena_free(&sweep->arena);
    *sweep = (struct sweep){.options = NULL};
}

/* ---- Options ----------------------------------------------------------------------------------
 */

static const enum option_id file_options[] = {
    OPTION_RETRIES, OPTION_TIMEOUT, OPTION_CPUS, OPTION_MEM, OPTION_GPUS, OPTION_MIN_SUCCESS_RATIO};

static enum option_id option_of(const char *name)
{
    size_t i = 0;
    while (strcmp(option_name(file_options[i]) + strlen("--"), name) != 0) {
        i++; /* the reader of the file knows no others */
    }
    return file_options[i];
}

/* A count that was given says what counts as success, too. */
static bool is_given(const struct options *given, enum option_id id)
{
    return options_has(given, id) ||
           (id == OPTION_MIN_SUCCESS_RATIO &&
            (options_has(given, OPTION_MIN_SUCCESSES) || options_has(given, OPTION_MAX_FAILURES)));
}

enum status sweep_lay_options(const struct sweep *sweep, struct options *given, struct error *err)
{
    for (size_t i = 0; i < sweep->file->option_count; i++) {
        const struct sweep_option *option = &sweep->file->options[i];
        const enum option_id id = option_of(option->name);
        struct options alone = {.verb = VERB_SWEEP};
        struct map_options ignored = {.cpus = 1, .mem_growth = 1};
        alone.values[id] = option->text;
        if (map_options_apply(&alone, &ignored, err) != STATUS_OK) {
            error_prefix(err, "%s:%u:%u: as ", sweep->path, option->place.line,
                         option->place.column);
            return STATUS_INVALID;
        }
        if (!is_given(given, id)) {
            given->values[id] = option->text;
        }
    }
    return STATUS_OK;
}

/* ---- What runs --------------------------------------------------------------------------------
 */

static enum status refuse_for(const struct options *given, const enum option_id *ids, size_t count,
                              const char *what, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (options_has(given, ids[i])) {
            return error_set(err, STATUS_INVALID, "%s is about a %s, and the sweep runs none",
                             option_name(ids[i]), what);
        }
    }
    return STATUS_OK;
}

static enum status check_task(const struct sweep *sweep, const struct options *given,
                              struct error *err)
{
    static const enum option_id ids[] = {OPTION_PROGRAM, OPTION_WANDB, OPTION_BY_ENV,
                                         OPTION_PERMANENT_EXIT, OPTION_KEEP_ORDER};
    if (sweep->options->words_after > 0) {
        return error_set(err, STATUS_INVALID,
                         "a command behind --, and the sweep says what runs by task: leave one of "
                         "them out");
    }
    return refuse_for(given, ids, sizeof(ids) / sizeof(ids[0]), "command", err);
}

/* The module of that name is installed, or in the build. */
static enum status find_modules(struct sweep *sweep, struct error *err)
{
    char file[PATH_MAX];
    path_of_module(MODULES "/" MODULE_FILE, file, sizeof(file));
    char *real = realpath(file, NULL);
    const size_t size = real != NULL ? strlen(real) - strlen("/" MODULE_FILE) : 0;
    if (real == NULL || size >= sizeof(sweep->modules)) {
        free(real);
        return error_set(err, STATUS_NOT_FOUND,
                         "--wandb: the module of that name is not installed: there is no %s", file);
    }
    memcpy(sweep->modules, real, size);
    sweep->modules[size] = '\0';
    free(real);
    return STATUS_OK;
}

static bool is_fixed_word(const char *word)
{
    return strchr(word, '{') == NULL;
}

/* Behind env stand its options, then variables, then the command. */
static enum status check_found(const struct sweep_command *command, size_t *at_out,
                               struct error *err)
{
    size_t at = 0;
    const bool is_env =
        strcmp(command->words[0], ENV_PROGRAM) == 0 || strcmp(command->words[0], "env") == 0;
    *at_out = 0;
    if (is_env && command->word_count > 1 && *command->words[1] == '-') {
        return program_check_found(command->words[0], err);
    }
    for (at = is_env ? 1 : 0; is_env && at < command->word_count; at++) {
        if (strchr(command->words[at], '=') == NULL) {
            break;
        }
    }
    *at_out = at;
    return at == command->word_count || !is_fixed_word(command->words[at])
               ? STATUS_OK
               : program_check_found(command->words[at], err);
}

/* Only the default command is known to run it here. */
static enum status check_program(const struct sweep *sweep, struct error *err)
{
    const char *given = sweep->options->values[OPTION_PROGRAM];
    const char *program = given != NULL ? given : sweep->file->program;
    const bool is_default = sweep->file->command == NULL && sweep->options->words_after == 0;
    return !is_default || program == NULL || access(program, F_OK) == 0
               ? STATUS_OK
               : error_set(err, STATUS_NOT_FOUND, "the program %s is not here", program);
}

static void prefix_place(const struct sweep *sweep, struct place place, struct error *err)
{
    if (place.line > 0) {
        error_prefix(err, "%s:%u:%u: ", sweep->path, place.line, place.column);
    } else {
        error_prefix(err, "%s: ", sweep->path);
    }
}

static enum status make_command(struct sweep *sweep, struct error *err)
{
    const struct options *options = sweep->options;
    const struct sweep_command_options command = {
        .program = options->values[OPTION_PROGRAM],
        .words = options->words + (options->word_count - options->words_after),
        .word_count = options->words_after,
        .is_by_env = options_has(options, OPTION_BY_ENV),
        .is_wandb = options_has(options, OPTION_WANDB),
        .interpreter = sweep_interpreter(),
    };
    size_t at = 0;
    enum status status =
        sweep_command_make(sweep->file, &command, &sweep->arena, &sweep->command, err);
    struct place place = sweep->command.fault;
    if (status == STATUS_OK) {
        status = check_program(sweep, err);
        if (status == STATUS_OK) {
            status = check_found(&sweep->command, &at, err);
        }
        place = sweep_command_place(sweep->file, &command, at);
    }
    if (status != STATUS_OK) {
        prefix_place(sweep, place, err);
    } else if (!command.is_wandb && sweep_imports_wandb(&sweep->command, &sweep->arena)) {
        log_info("the program imports wandb: --wandb runs it without that service, and makes "
                 "reports of what it logs");
    }
    return status;
}

static enum status take_recorded(struct sweep *sweep, const struct run_sweep *recorded,
                                 struct error *err)
{
    struct sweep_command *command = &sweep->command;
    command->words =
        arena_take(&sweep->arena, (recorded->command_count + 1) * sizeof(*command->words));
    for (size_t i = 0; command->words != NULL && i < recorded->command_count; i++) {
        const char *word = recorded->command[i];
        command->words[i] = arena_copy(&sweep->arena, word, strlen(word));
        if (command->words[i] == NULL) {
            command->words = NULL;
        }
    }
    command->word_count = recorded->command_count;
    if (command->words == NULL ||
        sweep_command_paths(sweep->file->space, &sweep->arena, &command->paths) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a command line");
    }
    return recorded->command_count > 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, RUN_FILE_NAME ": sweep.command: no command");
}

static enum status check_names(const struct sweep *sweep, struct error *err)
{
    for (size_t i = 0; i < sweep->file->space->count; i++) {
        if (strlen(sweep->file->space->parameters[i].name) >= ARGUMENTS_NAME_SIZE) {
            return error_set(err, STATUS_INVALID,
                             "%s: the name of a parameter is longer than %d bytes: %.60s...",
                             sweep->path, ARGUMENTS_NAME_SIZE - 1,
                             sweep->file->space->parameters[i].name);
        }
    }
    return STATUS_OK;
}

static void choose_metric(struct sweep *sweep)
{
    sweep->metric = sweep_metric_make(sweep->file, &sweep->command,
                                      options_has(sweep->options, OPTION_WANDB), &sweep->arena);
}

enum status sweep_choose_command(struct sweep *sweep, const struct options *given,
                                 const struct run_sweep *recorded, struct error *err)
{
    static const enum option_id constant[] = {OPTION_CONSTANT};
    if (sweep->file->task != NULL) {
        choose_metric(sweep);
        return check_task(sweep, given, err);
    }
    enum status status = refuse_for(given, constant, 1, "task", err);
    if (status == STATUS_OK) {
        status = check_names(sweep, err);
    }
    if (status == STATUS_OK && options_has(sweep->options, OPTION_WANDB)) {
        status = find_modules(sweep, err);
    }
    if (status == STATUS_OK) {
        status = recorded != NULL ? take_recorded(sweep, recorded, err) : make_command(sweep, err);
    }
    choose_metric(sweep);
    sweep->trial = (struct exec_trial){.paths = &sweep->command.paths,
                                       .repeats = sweep->file->seeds,
                                       .modules = sweep->modules,
                                       .metric = &sweep->metric};
    sweep->exec = (struct exec){.options = sweep->options,
                                .command = (char **)(uintptr_t)sweep->command.words,
                                .command_count = sweep->command.word_count,
                                .trial = &sweep->trial};
    return status;
}

const struct exec *sweep_exec(const struct sweep *sweep)
{
    return sweep->command.word_count > 0 ? &sweep->exec : NULL;
}

bool sweep_has_place(const struct sweep *sweep)
{
    struct arguments_use use;
    struct template_error ignored;
    const struct sweep_command *command = &sweep->command;
    return sweep->file->seeds > 1 ||
           (command->word_count > 0 &&
            arguments_check(command->words, command->word_count, &command->paths, &use, &ignored) &&
            use.has_place);
}

/* ---- Trials -----------------------------------------------------------------------------------
 */

enum status sweep_trials_given(const struct options *given, uint64_t *count_out, struct error *err)
{
    const char *text = given->values[OPTION_TRIALS];
    *count_out = 0;
    if (text != NULL &&
        (quantity_parse_count(text, count_out, NULL) != STATUS_OK || *count_out == 0)) {
        return error_set(err, STATUS_INVALID,
                         "--trials: \"%s\": expected a whole number above 0, at most 2^63 - 1",
                         text);
    }
    return STATUS_OK;
}

enum status sweep_choose_trials(struct sweep *sweep, const struct options *given, uint64_t seed,
                                struct error *err)
{
    static const enum trials_method methods[] = {[SWEEP_GRID] = TRIALS_GRID,
                                                 [SWEEP_RANDOM] = TRIALS_RANDOM,
                                                 [SWEEP_QUASI] = TRIALS_QUASI,
                                                 [SWEEP_ADAPTIVE] = TRIALS_ADAPTIVE};
    const struct sweep_file *file = sweep->file;
    uint64_t count = 0;
    const enum status status = sweep_trials_given(given, &count, err);
    if (status != STATUS_OK) {
        return status;
    }
    count = count > 0 ? count : file->run_cap;
    if (file->method != SWEEP_GRID && count == 0) {
        return error_set(err, STATUS_INVALID,
                         "%s: without an end: give --trials COUNT, or run_cap in the file",
                         sweep->path);
    }
    sweep->form = (struct trials_form){
        .space = file->space,
        .options = {.method = methods[file->method], .seed = seed, .count = count},
        .repeats = file->seeds};
    return STATUS_OK;
}

char *sweep_base_name(const char *path)
{
    const char *dot = strrchr(path, '.');
    const bool is_yaml = dot != NULL && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
    return exec_plain_name(path, is_yaml ? (size_t)(dot - path) : strlen(path), "sweep");
}

/* ---- Records ----------------------------------------------------------------------------------
 */

static enum status put_text(struct buffer *out, const char *text)
{
    return buffer_append(out, text, strlen(text) + 1);
}

enum status sweep_put_identity(const struct sweep *sweep, struct buffer *out)
{
    static const enum option_id ids[] = {OPTION_PROGRAM, OPTION_WANDB, OPTION_BY_ENV};
    const struct options *options = sweep->options;
    enum status status = buffer_append(out, sweep->text.data, sweep->text.size);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && status == STATUS_OK; i++) {
        const char *value = options->values[ids[i]];
        status = put_text(out, value == NULL ? "-" : *value == '\0' ? "+" : value);
    }
    for (size_t i = 1; i < options->word_count && status == STATUS_OK; i++) {
        status = put_text(out, options->words[i]);
    }
    return status;
}

enum status sweep_record(const struct sweep *sweep, struct run_sweep *record_out)
{
    struct buffer labels = {0};
    size_t size;
    enum status status = value_to_json(&sweep->file->labels, &labels);
    if (status == STATUS_OK) {
        status = buffer_append_byte(&labels, '\0');
    }
    if (status != STATUS_OK) {
        buffer_free(&labels);
        return status;
    }
    *record_out = (struct run_sweep){.path = memory_copy_text(sweep->path),
                                     .text = memory_copy_text((const char *)sweep->text.data),
                                     .labels = (char *)buffer_take(&labels, &size),
                                     .command_count = sweep->command.word_count};
    record_out->command = memory_take(record_out->command_count + 1, sizeof(*record_out->command));
    for (size_t i = 0; i < record_out->command_count; i++) {
        record_out->command[i] = memory_copy_text(sweep->command.words[i]);
    }
    return STATUS_OK;
}

void sweep_free_record(struct run_sweep *record)
{
    for (size_t i = 0; i < record->command_count; i++) {
        free(record->command[i]);
    }
    free(record->command);
    free(record->path);
    free(record->text);
    free(record->labels);
    *record = (struct run_sweep){.path = NULL};
}
