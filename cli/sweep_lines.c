/* The command lines of a sweep's first trials: of sweep --dry-run, and before one starts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/sweep.h"
#include "jobs/command/arguments.h"
#include "shared/computed.h"
#include "shared/log.h"
#include "shared/shell_word.h"
#include "shared/value.h"
#include "shared/value_python.h"

#define LINE_COUNT_MAX 10
/* Behind a line, for people; to a shell it is a comment. */
#define MADE_UP "  # made up: a sampler proposes the trials"
#define BRACKET_COUNT_MAX 4
/* Of trials whose expressions are looked at before the sweep starts. */
#define LOOK_COUNT_MAX 1000

struct lines {
    const struct sweep *sweep;
    struct computed *computed;
    struct arena arena; /* of a trial's texts */
    struct word_list words;
    struct buffer out;
};

static bool is_adaptive(const struct sweep *sweep)
{
    return sweep->file->method == SWEEP_ADAPTIVE;
}

/* ---- One line ---------------------------------------------------------------------------------
 */

static const char *text_of(struct lines *lines, size_t *size_out,
                           enum status (*make)(const mf_value *, struct buffer *),
                           const mf_value *value)
{
    struct buffer text = {0};
    const char *copy = NULL;
    if (make(value, &text) == STATUS_OK) {
        copy = arena_copy(&lines->arena, text.data, text.size);
        *size_out = text.size;
    }
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

/* In the working directory of an attempt, which is not there yet. */
static const char *json_file_of(void *context, const mf_value *record)
{
    (void)context;
    (void)record;
    return "parameters.json";
}

static enum status put_words(struct lines *lines)
{
    char **words = words_list(&lines->words);
    enum status status = words != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; status == STATUS_OK && words[i] != NULL; i++) {
        status = i > 0 ? buffer_append_byte(&lines->out, ' ') : STATUS_OK;
        if (status == STATUS_OK) {
            status = shell_word_put(&lines->out, words[i]);
        }
    }
    return status;
}

/* A task has no command: its line is its input. */
static enum status put_input(struct lines *lines, const mf_value *record)
{
    const enum status status = buffer_printf(&lines->out, "%s ", lines->sweep->file->task);
    return status == STATUS_OK ? value_to_json(record, &lines->out) : status;
}

static enum status put_line(struct lines *lines, uint64_t index, const mf_value *record,
                            struct error *err)
{
    const struct sweep_command *command = &lines->sweep->command;
    struct template_error reason;
    const struct arguments_trial trial = {.record = record,
                                          .index = index,
                                          .slot = 1,
                                          .python = python_of,
                                          .json = json_of,
                                          .json_file = json_file_of,
                                          .context = lines};
    enum status status = STATUS_OK;
    if (command->word_count == 0) {
        status = put_input(lines, record);
    } else if (arguments_fill(command->words, command->word_count, &command->paths, &trial,
                              &lines->words, &reason)) {
        status = put_words(lines);
    } else {
        return error_set(err, STATUS_INVALID, "trial %" PRIu64 ": %s", index, reason.text);
    }
    if (status == STATUS_OK) {
        status = buffer_printf(&lines->out, "%s\n", is_adaptive(lines->sweep) ? MADE_UP : "");
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "no memory for a line");
}

/* ---- Lines ------------------------------------------------------------------------------------
 */

static enum status open_lines(const struct sweep *sweep, const struct sweep_inputs *inputs,
                              struct lines *lines, struct error *err)
{
    *lines = (struct lines){.sweep = sweep};
    return computed_open(inputs_formula(inputs->inputs), inputs->type, inputs->launch_dir,
                         &lines->computed, err);
}

static void close_lines(struct lines *lines)
{
    computed_close(lines->computed);
    arena_free(&lines->arena);
    words_free(&lines->words);
    buffer_free(&lines->out);
}

static enum status put_lines(struct lines *lines, uint64_t count, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        mf_value record;
        arena_reset(&lines->arena);
        status = computed_element(lines->computed, i, &record, err);
        if (status == STATUS_OK) {
            status = put_line(lines, i, &record, err);
        } else if (status == STATUS_LIMIT && i > 0) { /* it fails when its turn comes */
            status = buffer_printf(&lines->out, "# %s\n", err->text);
        }
    }
    return status;
}

static void warn_of_expressions(const struct lines *lines)
{
    const char *reason = computed_expression_error(lines->computed);
    if (reason != NULL) {
        log_warning("%s: an expression has failed, which counts as not satisfied: %s",
                    lines->sweep->path, reason);
    }
}

static uint64_t at_most(uint64_t count, uint64_t max)
{
    return count < max ? count : max;
}

enum status sweep_check_lines(const struct sweep *sweep, const struct sweep_inputs *inputs,
                              struct error *err)
{
    struct lines lines;
    const uint64_t count = inputs_count(inputs->inputs);
    enum status status = open_lines(sweep, inputs, &lines, err);
    if (status == STATUS_OK) {
        status = put_lines(&lines, at_most(count, 1), err);
    }
    for (uint64_t i = 1; status == STATUS_OK && i < at_most(count, LOOK_COUNT_MAX); i++) {
        mf_value ignored;
        struct error later; /* a trial whose draws are in vain fails when its turn comes */
        if (computed_element(lines.computed, i, &ignored, &later) != STATUS_OK) {
            break;
        }
    }
    warn_of_expressions(&lines);
    close_lines(&lines);
    return status;
}

static enum status put_brackets(struct lines *lines, struct error *err)
{
    struct early_stop *early_stop = NULL;
    if (!lines->sweep->file->has_early_stop) {
        return STATUS_OK;
    }
    enum status status = early_stop_create(lines->sweep->file->early_stop, &early_stop, err);
    if (status == STATUS_OK) {
        status = buffer_printf(&lines->out, "brackets");
    }
    for (size_t i = 0;
         status == STATUS_OK && i < BRACKET_COUNT_MAX && i < early_stop_bracket_count(early_stop);
         i++) {
        status = buffer_printf(&lines->out, " %" PRIu64, early_stop_bracket(early_stop, i));
    }
    early_stop_destroy(early_stop);
    return status == STATUS_OK ? buffer_append_byte(&lines->out, '\n') : status;
}

enum status sweep_print_lines(const struct sweep *sweep, const struct sweep_inputs *inputs,
                              struct error *err)
{
    struct lines lines;
    const uint64_t count = inputs_count(inputs->inputs);
    enum status status = open_lines(sweep, inputs, &lines, err);
    if (status == STATUS_OK) {
        status = put_lines(&lines, at_most(count, is_adaptive(sweep) ? 1 : LINE_COUNT_MAX), err);
    }
    if (status == STATUS_OK) {
        status = buffer_printf(&lines.out, "%" PRIu64 " trials\n", count);
    }
    if (status == STATUS_OK) {
        status = put_brackets(&lines, err);
    }
    if (status == STATUS_OK) {
        (void)fwrite(lines.out.data, 1, lines.out.size, stdout);
        (void)fflush(stdout);
    }
    close_lines(&lines);
    return status;
}
