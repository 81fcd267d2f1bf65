#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/command/arguments.h"
#include "jobs/command/command_private.h"

#define JSON_FILE "parameters.json"
#define PATH_SIZE 4096

/* How a parameter is named in the environment; NULL: not so. */
struct trial_name {
    char *name;  /* dotted */
    char *alias; /* with _ for what is no letter and no digit */
};

bool trial_is_of(const struct command *command)
{
    return command->trial.words != NULL;
}

/* ---- Names ------------------------------------------------------------------------------------
 */

/* One _ for each character, of however many bytes. */
static char *alias_of(const char *name)
{
    char *alias = strdup(name);
    char *end = alias;
    for (; alias != NULL && *name != '\0'; name++) {
        const bool goes_on = ((unsigned char)*name & 0xc0) == 0x80; /* UTF-8 */
        if (!goes_on) {
            *end++ = isalnum((unsigned char)*name) ? *name : '_';
        }
    }
    if (alias != NULL) {
        *end = '\0';
    }
    return alias;
}

/* Does another parameter have that name, or that alias? */
static bool clashes(const struct trial_name *names, size_t count, size_t own)
{
    for (size_t i = 0; i < count; i++) {
        if (i != own && (strcmp(names[i].name, names[own].alias) == 0 ||
                         strcmp(names[i].alias, names[own].alias) == 0)) {
            return true;
        }
    }
    return false;
}

/* Of two parameters of one name, which only JSON tells apart, neither is named. */
static bool is_doubled(const struct trial_name *names, size_t count, size_t own)
{
    for (size_t i = 0; i < count; i++) {
        if (i != own && strcmp(names[i].name, names[own].name) == 0) {
            return true;
        }
    }
    return false;
}

static void drop(char **text)
{
    free(*text);
    *text = NULL;
}

/* Which are not to be: aliases that clash, or are no other than the name, and names that no
 * variable has. All is compared before anything goes. */
static bool drop_some(struct trial_name *names, size_t count)
{
    bool *drops = calloc(2 * count + 1, sizeof(*drops));
    if (drops == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        drops[2 * i] = strchr(names[i].name, '=') != NULL || is_doubled(names, count, i);
        drops[2 * i + 1] = strcmp(names[i].name, names[i].alias) == 0 || clashes(names, count, i);
    }
    for (size_t i = 0; i < count; i++) {
        if (drops[2 * i]) {
            drop(&names[i].name);
        }
        if (drops[2 * i + 1]) {
            drop(&names[i].alias);
        }
    }
    free(drops);
    return true;
}

static bool make_names(struct trial *trial)
{
    const size_t count = mf_count(trial->paths);
    trial->names = calloc(count + 1, sizeof(*trial->names));
    if (trial->names == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char name[ARGUMENTS_NAME_SIZE];
        (void)arguments_name(mf_item(trial->paths, i), name); /* rank 0 has looked at its length */
        trial->names[i].name = strdup(name);
        trial->names[i].alias = alias_of(name);
        if (trial->names[i].name == NULL || trial->names[i].alias == NULL) {
            return false;
        }
    }
    return drop_some(trial->names, count);
}

/* ---- Once -------------------------------------------------------------------------------------
 */

/* Where it is not there, a script would take another module of that name, or none. */
static mf_status check_modules(mf_context *ctx, const char *modules)
{
    return *modules == '\0' || access(modules, R_OK | X_OK) == 0
               ? MF_OK
               : mf_fail(ctx, "the Python modules in %s: %s", modules, strerror(errno));
}

mf_status trial_set_up(mf_context *ctx, struct command *command, const mf_value *words,
                       const mf_value *trial)
{
    struct trial *own = &command->trial;
    struct arguments_use use;
    struct template_error err;
    const size_t count = mf_count(words);
    own->words = calloc(count + 1, sizeof(*own->words));
    own->paths = mf_field(trial, "paths");
    own->repeats = mf_int(mf_field(trial, "repeats"));
    own->modules = mf_str(mf_field(trial, "modules"));
    if (own->words == NULL || !make_names(own)) {
        return mf_fail(ctx, "no memory for a command line");
    }
    for (size_t i = 0; i < count; i++) {
        own->words[i] = mf_str(mf_item(words, i));
    }
    own->word_count = count;
    if (count == 0 || own->repeats < 1 ||
        !arguments_check(own->words, count, own->paths, &use, &err)) {
        return mf_fail(ctx, "%s", count == 0 || own->repeats < 1 ? "no command" : err.text);
    }
    own->has_place = use.has_place;
    return check_modules(ctx, own->modules);
}

void trial_tear_down(struct command *command)
{
    struct trial *trial = &command->trial;
    for (size_t i = 0; trial->names != NULL && i < mf_count(trial->paths); i++) {
        free(trial->names[i].name);
        free(trial->names[i].alias);
    }
    free(trial->names);
    free(trial->words);
}

/* ---- Arguments --------------------------------------------------------------------------------
 */

/* What the callbacks of arguments_fill() work with. */
struct making {
    mf_context *ctx;
    char path[PATH_SIZE];
};

static const char *python_of(void *context, const mf_value *value, size_t *size_out)
{
    const struct making *making = context;
    return mf_python(making->ctx, value, size_out);
}

static const char *json_of(void *context, const mf_value *value, size_t *size_out)
{
    const struct making *making = context;
    return mf_json(making->ctx, value, size_out);
}

static const char *json_file_of(void *context, const mf_value *record)
{
    struct making *making = context;
    size_t size = 0;
    const char *workdir = mf_workdir(making->ctx);
    const char *text = mf_json(making->ctx, record, &size);
    if (workdir == NULL || text == NULL) {
        return NULL;
    }
    const int length = snprintf(making->path, PATH_SIZE, "%s/" JSON_FILE, workdir);
    FILE *file = length > 0 && length < PATH_SIZE ? fopen(making->path, "we") : NULL;
    if (file == NULL) {
        return NULL;
    }
    const bool is_written = fwrite(text, 1, size, file) == size && fputc('\n', file) != EOF;
    return fclose(file) == 0 && is_written ? making->path : NULL;
}

bool trial_fill(mf_context *ctx, struct command *command, const mf_value *record)
{
    const struct trial *own = &command->trial;
    struct making making = {.ctx = ctx};
    struct template_error err;
    const struct arguments_trial trial = {.record = record,
                                          .index = own->has_place ? mf_index(ctx) : 0,
                                          .slot = command->slot,
                                          .python = python_of,
                                          .json = json_of,
                                          .json_file = json_file_of,
                                          .context = &making};
    if (!arguments_fill(own->words, own->word_count, own->paths, &trial, &command->arguments,
                        &err)) {
        (void)mf_fail_permanently(ctx, "%s", err.text);
        return false;
    }
    return true;
}

/* ---- Environment ------------------------------------------------------------------------------
 */

static const mf_value *value_at(const mf_value *record, const mf_value *path)
{
    for (size_t i = 0; i < mf_count(path) && record != NULL; i++) {
        record = mf_kind_of(record) == MF_MAP ? mf_field(record, mf_str(mf_item(path, i))) : NULL;
    }
    return record;
}

static bool add_parameter(mf_context *ctx, struct command *command, const struct trial_name *name,
                          const mf_value *value)
{
    size_t size = 0;
    const char *text = mf_python(ctx, value, &size);
    if (text == NULL) {
        return false;
    }
    if (name->name != NULL) {
        command_add_variable(ctx, command, name->name, text, size);
    }
    if (name->alias != NULL) {
        command_add_variable(ctx, command, name->alias, text, size);
    }
    return true;
}

static void add_text(struct command *command, const char *text)
{
    words_add(&command->variables, text, strlen(text));
}

static void add_python(struct command *command)
{
    const char *modules = command->trial.modules;
    const char *others = getenv("PYTHONPATH");
    if (getenv("PYTHONUNBUFFERED") == NULL) { /* what a trial reports would wait in its buffer */
        add_text(command, "PYTHONUNBUFFERED=1");
        words_end(&command->variables);
    }
    if (*modules != '\0') {
        add_text(command, "PYTHONPATH=");
        add_text(command, modules);
        add_text(command, others != NULL && *others != '\0' ? ":" : "");
        add_text(command, others != NULL ? others : "");
        words_end(&command->variables);
    }
}

static void add_repeat(mf_context *ctx, struct command *command)
{
    char text[48];
    const int64_t repeats = command->trial.repeats;
    const uint64_t repeat = repeats > 1 ? mf_index(ctx) % (uint64_t)repeats : 0;
    (void)snprintf(text, sizeof(text), "MAPFLEET_REPEAT=%" PRIu64, repeat);
    add_text(command, text);
    words_end(&command->variables);
}

bool trial_add_variables(mf_context *ctx, struct command *command, const mf_value *record)
{
    const struct trial *trial = &command->trial;
    for (size_t i = 0; i < mf_count(trial->paths); i++) {
        const mf_value *value = value_at(record, mf_item(trial->paths, i));
        if (value != NULL && !add_parameter(ctx, command, &trial->names[i], value)) {
            return false;
        }
    }
    add_repeat(ctx, command);
    add_python(command);
    return true;
}
