#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/command/command_private.h"

static bool is_word(const mf_value *value, const char *word)
{
    return strcmp(mf_str(value), word) == 0;
}

static void take_forms(struct command *command, const mf_value *constant)
{
    const mf_value *form = mf_field(constant, "stdin");
    const mf_value *output = mf_field(constant, "output");
    const mf_value *capture = mf_field(constant, "capture");
    command->stdin_form = is_word(form, "json")    ? STDIN_JSON
                          : is_word(form, "value") ? STDIN_VALUE
                                                   : STDIN_NONE;
    command->output_form = is_word(output, "str")     ? OUTPUT_STR
                           : is_word(output, "json")  ? OUTPUT_JSON
                           : is_word(output, "lines") ? OUTPUT_LINES
                           : is_word(output, "none")  ? OUTPUT_NONE
                                                      : OUTPUT_TEXT;
    command->keeps_all = is_word(capture, "all");
    command->keeps_failed = command->keeps_all || is_word(capture, "failed");
    command->passes_on = is_word(capture, "none") && command->output_form == OUTPUT_NONE;
}

/* Where standard output is nobody's, it is looked at all the same, and passed on. */
static void take_metric(struct command *command, const mf_value *metric)
{
    command->metric.file = -1;
    command->metric.events = -1;
    if (mf_kind_of(metric) != MF_MAP) {
        return;
    }
    command->metric_name = mf_str(mf_field(metric, "name"));
    command->metric_hint = mf_str(mf_field(metric, "hint"));
    command->needs_report = mf_bool(mf_field(metric, "is_required"));
    command->copies_on = command->passes_on;
    command->passes_on = false;
}

static void take_permanent(struct command *command, const mf_value *list)
{
    for (size_t i = 0; i < mf_count(list); i++) {
        const int64_t status = mf_int(mf_item(list, i));
        if (status > 0 && status < EXIT_STATUS_COUNT) {
            command->is_permanent[status] = true;
        }
    }
}

static mf_status take_words(mf_context *ctx, struct command *command, const mf_value *words)
{
    struct template_error err = {""};
    const size_t count = mf_count(words);
    char **texts = calloc(count + 1, sizeof(*texts));
    if (texts == NULL) {
        return mf_fail(ctx, "no memory for a command line");
    }
    for (size_t i = 0; i < count; i++) {
        texts[i] = (char *)(uintptr_t)mf_str(mf_item(words, i));
    }
    const bool is_good = count == 0 || template_parse(texts, count, command->shell != NULL,
                                                      &command->template, &err);
    free(texts);
    return is_good ? MF_OK : mf_fail(ctx, "%s", err.text);
}

static bool is_program(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

/* Once for all attempts. Where it isn't found, each of them fails as it would anyway. */
static char *find_program(const char *name)
{
    const char *list = getenv("PATH");
    if (strchr(name, '/') != NULL || list == NULL) {
        return NULL;
    }
    while (true) {
        char *path = NULL;
        const size_t size = strcspn(list, ":");
        if (size > 0 && asprintf(&path, "%.*s/%s", (int)size, list, name) >= 0) {
            if (is_program(path)) {
                return path;
            }
            free(path);
        }
        if (list[size] == '\0') {
            return NULL;
        }
        list += size + 1;
    }
}

static bool has_placeholder_first(const struct command *command)
{
    return trial_is_of(command) ? strchr(command->trial.words[0], '{') != NULL
                                : template_has_placeholder_first(command->template);
}

mf_status command_set_up(mf_context *ctx, void **state)
{
    const mf_value *constant = mf_constant(ctx);
    struct command *command = calloc(1, sizeof(*command));
    if (constant == NULL || command == NULL) {
        free(command);
        return mf_fail(ctx, constant == NULL ? "no command is given" : "no memory for a command");
    }
    const mf_value *words = mf_field(constant, "words");
    const char *shell = mf_str(mf_field(constant, "shell"));
    const char *slot = getenv("MAPFLEET_SLOT");
    *state = command;
    command->shell = *shell != '\0' ? shell : NULL;
    command->slot = slot != NULL ? strtoull(slot, NULL, 10) : 0;
    command->files = mf_field(constant, "files");
    command->output_size_max = (size_t)mf_int(mf_field(constant, "output_size_max"));
    command->grace_ms = mf_int(mf_field(constant, "grace_ms"));
    take_forms(command, constant);
    if (mf_field(constant, "metric") != NULL) {
        take_metric(command, mf_field(constant, "metric"));
    }
    take_permanent(command, mf_field(constant, "permanent"));
    command->out = command_open_output();
    if (command->out < 0) {
        return mf_fail(ctx, "no memory for what commands print: %s", strerror(errno));
    }
    const mf_value *trial = mf_field(constant, "trial");
    const mf_status status = mf_is_null(trial) ? take_words(ctx, command, words)
                                               : trial_set_up(ctx, command, words, trial);
    if (status == MF_OK && command->shell != NULL) {
        command->program = strdup(command->shell);
    } else if (status == MF_OK && !has_placeholder_first(command)) {
        command->program = find_program(mf_str(mf_item(words, 0)));
    }
    return status;
}

void command_tear_down(void *state)
{
    struct command *command = state;
    if (command == NULL) {
        return;
    }
    command_metric_free(&command->metric);
    template_destroy(command->template);
    trial_tear_down(command);
    words_free(&command->arguments);
    words_free(&command->variables);
    free(command->environment);
    free(command->program);
    free(command->text);
    (void)close(command->out);
    free(command);
}
