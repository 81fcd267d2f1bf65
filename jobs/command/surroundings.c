#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jobs/command/command_private.h"

#define VARIABLE_SIZE_MAX ((size_t)64 << 10)
#define PREFIX "MF_"
#define METRICS "MAPFLEET_METRICS="

/* ---- Arguments --------------------------------------------------------------------------------
 */

static const char *text_of(void *context, const mf_value *value, size_t *size_out)
{
    return mf_text(context, value, size_out);
}

/* SHELL -c LINE, where the line may be the input itself. */
static void put_shell(struct command *command, const mf_value *line)
{
    words_clear(&command->arguments);
    words_add(&command->arguments, command->shell, strlen(command->shell));
    words_end(&command->arguments);
    words_add(&command->arguments, "-c", 2);
    words_end(&command->arguments);
    words_add(&command->arguments, mf_str(line), mf_size(line));
    words_end(&command->arguments);
}

static bool fill(mf_context *ctx, struct command *command, const mf_value *input)
{
    struct template_error err;
    struct template_input from = {
        .value = input, .slot = command->slot, .text = text_of, .context = ctx};
    if (template_has_place(command->template)) {
        from.index = mf_index(ctx);
    }
    if (!template_fill(command->template, &from, &command->arguments, &err)) {
        (void)mf_fail_permanently(ctx, "%s", err.text);
        return false;
    }
    return true;
}

/* The line was filled in as the only word: SHELL -c goes before it. */
static bool wrap_in_shell(mf_context *ctx, struct command *command)
{
    struct word_list line = command->arguments;
    command->arguments = (struct word_list){.count = 0};
    const mf_value text = {.mf_private_kind = MF_BYTES,
                           .mf_private_count = (uint32_t)(line.size > 0 ? line.size - 1 : 0),
                           .mf_private_as = {.text = line.text}};
    const bool is_short = line.size <= UINT32_MAX;
    if (is_short) {
        put_shell(command, &text);
    } else {
        (void)mf_fail_permanently(ctx, "the command line is longer than 4 GiB");
    }
    words_free(&line);
    return is_short;
}

char **command_arguments(mf_context *ctx, struct command *command, const mf_value *input)
{
    if (trial_is_of(command)) {
        if (!trial_fill(ctx, command, input)) {
            return NULL;
        }
    } else if (command->template == NULL) {
        put_shell(command, input);
    } else if (!fill(ctx, command, input) ||
               (command->shell != NULL && !wrap_in_shell(ctx, command))) {
        return NULL;
    }
    char **arguments = words_list(&command->arguments);
    if (arguments == NULL) {
        (void)mf_fail(ctx, "no memory for a command line");
    } else if (arguments[0] == NULL || *arguments[0] == '\0') {
        (void)mf_fail_permanently(ctx, "the command line is empty");
        return NULL;
    }
    return arguments;
}

/* ---- Environment ------------------------------------------------------------------------------
 */

/* What no variable can hold is left out. */
void command_add_variable(mf_context *ctx, struct command *command, const char *name,
                          const char *text, size_t size)
{
    if (size > VARIABLE_SIZE_MAX || memchr(text, '\0', size) != NULL) {
        mf_log(ctx,
               "the field %s is not in the environment: it is longer than 64 KiB, or has a NUL",
               name);
        return;
    }
    words_add(&command->variables, PREFIX, strlen(PREFIX));
    words_add(&command->variables, name, strlen(name));
    words_add(&command->variables, "=", 1);
    words_add(&command->variables, text, size);
    words_end(&command->variables);
}

static bool add_variable(mf_context *ctx, struct command *command, const char *name,
                         const mf_value *value)
{
    size_t size = mf_size(value);
    const bool is_text = mf_kind_of(value) == MF_STR || mf_kind_of(value) == MF_BYTES;
    const char *text = is_text ? mf_str(value) : mf_text(ctx, value, &size);
    if (text != NULL) {
        command_add_variable(ctx, command, name, text, size);
    }
    return text != NULL;
}

static bool add_fields(mf_context *ctx, struct command *command, const mf_value *input)
{
    words_clear(&command->variables);
    if (trial_is_of(command)) {
        return trial_add_variables(ctx, command, input);
    }
    for (size_t i = 0; mf_kind_of(input) == MF_MAP && i < mf_count(input); i++) {
        const char *name = mf_key(input, i);
        if (strchr(name, '=') == NULL && !add_variable(ctx, command, name, mf_item(input, i))) {
            return false;
        }
    }
    return true;
}

static bool add_metric(mf_context *ctx, struct command *command)
{
    if (command->metric_name == NULL) {
        return true;
    }
    const char *path = command_metric_path(ctx, command);
    if (path == NULL) {
        return false;
    }
    words_add(&command->variables, METRICS, strlen(METRICS));
    words_add(&command->variables, path, strlen(path));
    words_end(&command->variables);
    return true;
}

/* Is there one of that name among them? */
static bool is_replaced(char *const *variables, const char *variable)
{
    const size_t size = strcspn(variable, "=");
    for (; *variables != NULL; variables++) {
        if (strncmp(*variables, variable, size) == 0 && (*variables)[size] == '=') {
            return true;
        }
    }
    return false;
}

/* Of two variables of one name a program sees the first, and a shell the last: so there is one. */
static void fill_environment(struct command *command, char *const *base, char *const *variables)
{
    char **at = command->environment;
    for (; *base != NULL; base++) {
        const bool may_be = trial_is_of(command) || strncmp(*base, PREFIX, strlen(PREFIX)) == 0;
        if (!may_be || !is_replaced(variables, *base)) {
            *at++ = *base;
        }
    }
    memcpy(at, variables, (command->variables.count + 1) * sizeof(*variables));
}

char **command_environment(mf_context *ctx, struct command *command, const mf_value *input)
{
    char *const *base = mf_environment(ctx);
    size_t base_count = 0;
    if (base == NULL || !add_fields(ctx, command, input) || !add_metric(ctx, command)) {
        return NULL;
    }
    char **variables = words_list(&command->variables);
    while (base[base_count] != NULL) {
        base_count++;
    }
    const size_t count = base_count + command->variables.count + 1;
    if (count > command->environment_capacity) {
        char **grown = realloc(command->environment, count * sizeof(*grown));
        command->environment_capacity = grown != NULL ? count : command->environment_capacity;
        command->environment = grown != NULL ? grown : command->environment;
    }
    if (variables == NULL || count > command->environment_capacity) {
        (void)mf_fail(ctx, "no memory for the environment of a command");
        return NULL;
    }
    fill_environment(command, base, variables);
    return command->environment;
}

/* ---- Standard input ---------------------------------------------------------------------------
 */

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        const ssize_t count = write(fd, text, size);
        if (count < 0 && errno != EINTR) {
            return false;
        }
        text += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return true;
}

int command_stdin(mf_context *ctx, const struct command *command, const mf_value *input)
{
    if (command->stdin_form == STDIN_NONE) {
        return -1;
    }
    size_t size = mf_size(input);
    const bool is_bytes = mf_kind_of(input) == MF_BYTES && command->stdin_form == STDIN_VALUE;
    const char *text = is_bytes                            ? mf_str(input)
                       : command->stdin_form == STDIN_JSON ? mf_json(ctx, input, &size)
                                                           : mf_text(ctx, input, &size);
    const int fd = text != NULL ? memfd_create("mapfleet-stdin", MFD_CLOEXEC) : -1;
    if (fd >= 0 && write_all(fd, text, size) && write_all(fd, "\n", 1) &&
        lseek(fd, 0, SEEK_SET) == 0) {
        return fd;
    }
    (void)mf_fail(ctx, "no memory for the standard input of a command: %s", strerror(errno));
    if (fd >= 0) {
        (void)close(fd);
    }
    return -2;
}
