#include "cli/sweep_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/command/arguments.h"
#include "shared/value.h"
#include "shared/value_make.h"

#define ARGS "${args}"
#define HERE "./"

static const char *const default_command[] = {"${env}", "${interpreter}", "${program}", ARGS};

/* ---- The interpreter ----------------------------------------------------------------------------
 */

static bool is_in_path(const char *name)
{
    const char *list = getenv("PATH");
    for (const char *at = list != NULL ? list : "/bin:/usr/bin"; at != NULL;) {
        char path[4096];
        const size_t size = strcspn(at, ":");
        const int length = snprintf(path, sizeof(path), "%.*s/%s", (int)size, at, name);
        if (size > 0 && length > 0 && (size_t)length < sizeof(path) && access(path, X_OK) == 0) {
            return true;
        }
        at = at[size] == ':' ? at + size + 1 : NULL;
    }
    return false;
}

const char *sweep_interpreter(void)
{
    return is_in_path("python") ? "python" : "python3";
}

/* An executable file that is no Python starts itself. */
static bool needs_interpreter(const char *program)
{
    const size_t size = strlen(program);
    return (size >= 3 && strcmp(program + size - 3, ".py") == 0) || access(program, X_OK) != 0;
}

/* ---- What runs ----------------------------------------------------------------------------------
 */

struct source {
    const char *program; /* NULL: none */
    const char *const *words;
    const struct place *places; /* of the words; NULL: they do not stand in the file */
    size_t count;
    bool is_default;
    bool starts_itself; /* the default, without an interpreter */
    bool appends_args;
};

static bool has_macro(const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(words[i], "${", 2) == 0 && strchr(words[i], '}') != NULL) {
            return true;
        }
    }
    return false;
}

static enum status choose(const struct sweep_file *sweep,
                          const struct sweep_command_options *options, struct source *source,
                          struct error *err)
{
    *source =
        (struct source){.program = options->program != NULL ? options->program : sweep->program};
    if (options->word_count > 0) {
        const char *said = sweep->command != NULL ? "command"
                           : sweep->task != NULL  ? "task"
                                                  : "program";
        if (source->program != NULL || sweep->command != NULL || sweep->task != NULL) {
            return error_set(err, STATUS_INVALID,
                             "a command behind --, and the sweep says what runs by %s: leave one "
                             "of them out",
                             options->program != NULL ? "--program" : said);
        }
        source->words = options->words;
        source->count = options->word_count;
        source->appends_args = !options->is_by_env && !options->is_wandb &&
                               !has_macro(options->words, options->word_count);
        return STATUS_OK;
    }
    if (sweep->command != NULL) {
        source->words = sweep->command;
        source->places = sweep->command_places;
        source->count = sweep->command_count;
        return STATUS_OK;
    }
    source->words = default_command;
    source->count = sizeof(default_command) / sizeof(default_command[0]);
    source->is_default = true;
    return source->program != NULL
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "the sweep does not say what runs: name a program (program: in the "
                           "file, or --program), or give a command behind --");
}

/* One that is the same for all trials; NULL: it is none. */
static const char *fixed_word(const struct source *source, const char *interpreter,
                              const char *word)
{
    if (strcmp(word, "${env}") == 0) {
        return "/usr/bin/env";
    }
    if (strcmp(word, "${interpreter}") == 0) {
        return interpreter;
    }
    return strcmp(word, "${program}") == 0 ? source->program : NULL;
}

/* What starts itself is the file that lies here, not one of that name in PATH. */
static enum status mind_interpreter(struct source *source, struct arena *arena)
{
    source->starts_itself = source->is_default && !needs_interpreter(source->program);
    if (!source->starts_itself || strchr(source->program, '/') != NULL) {
        return STATUS_OK;
    }
    const size_t size = strlen(source->program);
    char *here = arena_take(arena, strlen(HERE) + size + 1);
    if (here == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(here, HERE, strlen(HERE));
    memcpy(here + strlen(HERE), source->program, size + 1);
    source->program = here;
    return STATUS_OK;
}

struct place sweep_command_place(const struct sweep_file *sweep,
                                 const struct sweep_command_options *options, size_t i)
{
    const struct place none = {0};
    if (options->word_count > 0) {
        return none;
    }
    if (sweep->command != NULL) {
        return i < sweep->command_count ? sweep->command_places[i] : none;
    }
    return options->program == NULL ? sweep->program_place : none;
}

static enum status fill_words(const struct source *source, const char *interpreter,
                              struct arena *arena, struct sweep_command *command, struct error *err)
{
    command->words = arena_take(arena, (source->count + 1) * sizeof(*command->words));
    if (command->words == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < source->count; i++) {
        const char *word = source->words[i];
        const char *fixed = fixed_word(source, interpreter, word);
        if (source->starts_itself && strcmp(word, "${interpreter}") == 0) {
            continue;
        }
        if (fixed == NULL && strcmp(word, "${program}") == 0) {
            command->fault = source->places != NULL ? source->places[i] : command->fault;
            return error_set(err, STATUS_INVALID,
                             "the command has ${program}, and no program is named (program: in the "
                             "file, or --program)");
        }
        command->words[command->word_count++] = fixed != NULL ? fixed : word;
    }
    if (source->appends_args) {
        command->words[command->word_count++] = ARGS;
    }
    return STATUS_OK;
}

/* ---- Checks -------------------------------------------------------------------------------------
 */

enum status sweep_command_paths(const struct space *space, struct arena *arena, mf_value *paths_out)
{
    *paths_out = value_list_make(arena, space->count);
    if (mf_is_null(paths_out)) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < space->count; i++) {
        const struct parameter *parameter = &space->parameters[i];
        mf_value path = value_list_make(arena, parameter->path_count);
        if (mf_is_null(&path)) {
            return STATUS_NO_MEMORY;
        }
        for (size_t j = 0; j < parameter->path_count; j++) {
            value_list_set(&path, j, value_str(parameter->path[j]));
        }
        value_list_set(paths_out, i, path);
    }
    return STATUS_OK;
}

static enum status check_use(const struct sweep_file *sweep,
                             const struct sweep_command_options *options,
                             const struct arguments_use *use, struct error *err)
{
    const char *doubled = space_doubled_name(sweep->space);
    const bool is_elsewhere = use->mentions_environment || options->is_by_env || options->is_wandb;
    if (!use->has_macro && !use->has_placeholder && !is_elsewhere) {
        return error_set(err, STATUS_INVALID,
                         "the command never gets its parameters, and would run with other ones "
                         "than the sweep's: give it ${args}, or say how else they get there "
                         "(--by-env, --wandb)");
    }
    if (doubled != NULL && (use->has_other_form || is_elsewhere)) {
        return error_set(err, STATUS_INVALID,
                         "two parameters are named %s, a nest's and a plain one: only ${args_json} "
                         "and ${args_json_file} tell them apart",
                         doubled);
    }
    return STATUS_OK;
}

/* The word that arguments_check() refuses. */
static size_t first_bad(const struct sweep_command *command)
{
    struct arguments_use use;
    struct template_error reason;
    size_t i = 0;
    while (i < command->word_count &&
           arguments_check(&command->words[i], 1, &command->paths, &use, &reason)) {
        i++;
    }
    return i;
}

enum status sweep_command_make(const struct sweep_file *sweep,
                               const struct sweep_command_options *options, struct arena *arena,
                               struct sweep_command *command_out, struct error *err)
{
    struct source source;
    struct arguments_use use;
    struct template_error reason;
    *command_out = (struct sweep_command){.word_count = 0};
    enum status status = choose(sweep, options, &source, err);
    if (status == STATUS_OK) {
        status = mind_interpreter(&source, arena);
    }
    if (status == STATUS_OK) {
        status = fill_words(&source, options->interpreter, arena, command_out, err);
    }
    if (status == STATUS_OK) {
        status = sweep_command_paths(sweep->space, arena, &command_out->paths);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!arguments_check(command_out->words, command_out->word_count, &command_out->paths, &use,
                         &reason)) {
        command_out->fault = sweep_command_place(sweep, options, first_bad(command_out));
        return error_set(err, STATUS_INVALID, "%s", reason.text);
    }
    status = check_use(sweep, options, &use, err);
    if (status != STATUS_OK) {
        command_out->fault = sweep_command_place(sweep, options, 0);
    }
    return status;
}
