#include "cli/exec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/program_found.h"
#include "jobs/command/command.h"
#include "shared/memory.h"

#define LISTS ":::"
#define PAIRED_LISTS ":::+"

/* ---- Words ------------------------------------------------------------------------------------
 */

static bool is_list(const char *word)
{
    return strcmp(word, LISTS) == 0 || strcmp(word, PAIRED_LISTS) == 0;
}

static enum status take_command(struct exec *exec, struct error *err)
{
    const struct options *options = exec->options;
    const bool is_lines = options_has(options, OPTION_COMMANDS);
    while (exec->command_count < options->word_count &&
           !is_list(options->words[exec->command_count])) {
        exec->command_count++;
    }
    exec->command = memory_take(exec->command_count + 1, sizeof(*exec->command));
    for (size_t i = 0; i < exec->command_count; i++) {
        exec->command[i] = (char *)(uintptr_t)options->words[i];
    }
    if (is_lines && options->word_count > 0) {
        return error_set(err, STATUS_INVALID,
                         "--commands has the command lines, so that \"%s\" has no place: give one "
                         "of the two",
                         options->words[0]);
    }
    if (!is_lines && exec->command_count == 0) {
        return error_set(err, STATUS_INVALID,
                         "mapfleet exec: expected a command, as in: mapfleet exec -- gzip {} ::: "
                         "a.log b.log (mapfleet exec --help shows more)");
    }
    return STATUS_OK;
}

static enum status take_lists(struct exec *exec, struct error *err)
{
    const struct options *options = exec->options;
    const size_t room = options->word_count - exec->command_count;
    exec->arguments = memory_take(room + 1, sizeof(*exec->arguments));
    for (size_t i = exec->command_count; i < options->word_count; i++) {
        const char *word = options->words[i];
        if (strcmp(word, "::::") == 0 || strcmp(word, "::::+") == 0) {
            return error_set(err, STATUS_INVALID,
                             "%s: files of inputs are given as --inputs FILE, or as --zip "
                             "NAME=FILE for each of several",
                             word);
        }
        if (!is_list(word)) {
            exec->arguments[exec->argument_list_count - 1].count++;
            continue;
        }
        const bool is_paired = strcmp(word, PAIRED_LISTS) == 0;
        if (is_paired && exec->argument_list_count == 0) {
            return error_set(err, STATUS_INVALID,
                             ":::+ goes along with a list before it, and "
                             "there is none");
        }
        exec->arguments[exec->argument_list_count++] =
            (struct inputs_arguments){.items = &options->words[i + 1], .is_paired = is_paired};
    }
    return STATUS_OK;
}

/* ---- Shell and command ------------------------------------------------------------------------
 */

static bool has_shell(const struct options *options)
{
    return options_has(options, OPTION_SHELL) || options_has(options, OPTION_COMMANDS);
}

static enum status choose_shell(struct exec *exec, struct error *err)
{
    if (!has_shell(exec->options)) {
        return STATUS_OK;
    }
    exec->shell = program_find("bash");
    if (exec->shell == NULL) {
        exec->shell = program_find("sh");
    }
    return exec->shell != NULL
               ? STATUS_OK
               : error_set(err, STATUS_NOT_FOUND, "--shell: no bash and no sh here");
}

static enum status check_forms(const struct options *options, struct error *err)
{
    const char *output = options->values[OPTION_OUTPUT];
    if (options_has(options, OPTION_OUTPUT_FILE) && output != NULL && strcmp(output, "none") != 0) {
        return error_set(err, STATUS_INVALID,
                         "--output %s and --output-file both say what the output is: give one of "
                         "them",
                         output);
    }
    return STATUS_OK;
}

enum status exec_parse(const struct options *options, struct exec *exec_out, struct error *err)
{
    struct template_error reason;
    *exec_out = (struct exec){.options = options};
    enum status status = take_command(exec_out, err);
    if (status == STATUS_OK) {
        status = take_lists(exec_out, err);
    }
    if (status == STATUS_OK) {
        status = choose_shell(exec_out, err);
    }
    if (status == STATUS_OK) {
        status = check_forms(options, err);
    }
    if (status == STATUS_OK && exec_out->command_count > 0 &&
        !template_parse(exec_out->command, exec_out->command_count, exec_out->shell != NULL,
                        &exec_out->template, &reason)) {
        status = error_set(err, STATUS_INVALID, "%s", reason.text);
    }
    return status;
}

void exec_destroy(struct exec *exec)
{
    free(exec->command);
    free(exec->arguments);
    free(exec->shell);
    template_destroy(exec->template);
    *exec = (struct exec){.options = NULL};
}

/* "gzip {}" in one word: nobody has a program of such a name. */
static bool is_whole_line(const char *word)
{
    const size_t size = strcspn(word, " \t");
    return word[size] != '\0' && memchr(word, '{', size) == NULL;
}

/* Does the line itself say that its input comes another way? */
static bool mentions_environment(const struct exec *exec)
{
    for (size_t i = 0; i < exec->command_count; i++) {
        if (strstr(exec->command[i], "MAPFLEET_") != NULL ||
            strstr(exec->command[i], "MF_") != NULL) {
            return true;
        }
    }
    return false;
}

/* --files a.sh b.sh -- lint {}, where a shell has taken the glob: b.sh would be the command. */
static bool is_split_glob(const struct exec *exec)
{
    const char *glob = exec->options->values[OPTION_FILES];
    bool has_end = false;
    for (size_t i = 1; i < exec->command_count; i++) {
        has_end = has_end || strcmp(exec->command[i], "--") == 0;
    }
    return has_end && glob != NULL && strpbrk(glob, "*?[") == NULL &&
           access(exec->command[0], F_OK) == 0;
}

enum status exec_check_command(const struct exec *exec, struct error *err)
{
    const struct options *options = exec->options;
    if (exec->template == NULL) {
        return STATUS_OK;
    }
    if (is_split_glob(exec)) {
        return error_set(err, STATUS_INVALID,
                         "unexpected \"%s\": quote the glob of --files, or the shell expands it",
                         exec->command[0]);
    }
    if (exec->shell == NULL &&
        (!template_has_placeholder_first(exec->template) || is_whole_line(exec->command[0]))) {
        const enum status status = program_check_found(exec->command[0], err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (template_has_placeholder(exec->template) || options_has(options, OPTION_RANGE) ||
        options_has(options, OPTION_STDIN) || options_has(options, OPTION_BY_ENV) ||
        mentions_environment(exec)) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
                     "the command has no placeholder, and would run the same line for each input: "
                     "put {} where the input belongs, or say how it gets there (--stdin value, "
                     "--by-env)");
}

/* ---- Names ------------------------------------------------------------------------------------
 */

const char *exec_task(const struct exec *exec)
{
    return options_has(exec->options, OPTION_OUTPUT_FILE) ? COMMAND_TASK_FILES : COMMAND_TASK_RUN;
}

bool exec_has_place(const struct exec *exec)
{
    return exec->template != NULL && template_has_place(exec->template);
}

bool exec_has_paths(const struct exec *exec)
{
    return options_has(exec->options, OPTION_FILES);
}

/* The last name of the first word of the line. */
char *exec_base_name(const struct exec *exec)
{
    const char *word = exec->command_count > 0 ? exec->command[0] : "commands";
    return exec_plain_name(word, strcspn(word, " \t\n;|&"), "command");
}

/* Of what no shell and no file system minds. */
char *exec_plain_name(const char *path, size_t path_size, const char *otherwise)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *slash = memrchr(path, '/', path_size);
    const char *at = slash != NULL ? slash + 1 : path;
    const size_t size = path_size - (size_t)(at - path);
    char *name = memory_take(size + strlen(otherwise) + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < size && used < 64; i++) {
        if (strchr(plain, at[i]) != NULL && (used > 0 || at[i] != '.')) {
            name[used++] = at[i];
        }
    }
    if (used == 0) {
        memcpy(name, otherwise, strlen(otherwise) + 1);
    }
    return name;
}

/* ---- Inputs -----------------------------------------------------------------------------------
 */

static enum status check_element(void *context, const mf_value *element, struct error *err)
{
    const struct exec *exec = context;
    struct template_error reason;
    if (exec->template != NULL && !template_check(exec->template, element, &reason)) {
        return error_set(err, STATUS_INVALID, "%s", reason.text);
    }
    return STATUS_OK;
}

void exec_fill_source(struct exec *exec, struct inputs_source *source)
{
    source->is_text_default = true;
    source->takes_bytes = true;
    source->arguments = exec->arguments;
    source->argument_list_count = exec->argument_list_count;
    source->check = check_element;
    source->check_context = exec;
    if (options_has(exec->options, OPTION_COMMANDS)) {
        source->path = exec->options->values[OPTION_COMMANDS];
        source->format = INPUTS_FORMAT_TXT;
        source->skips_comments = true;
    }
}
