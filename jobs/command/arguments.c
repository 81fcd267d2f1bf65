#include "jobs/command/arguments.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/command/template_private.h"

#define ENVVAR "${envvar:"

/* What stands before a parameter's name, and how its value follows. */
enum form { FORM_EQUALS, FORM_WORD, FORM_FLAG, FORM_JSON, FORM_JSON_FILE };

static const struct macro {
    const char *text;
    const char *before;
    enum form form;
} macros[] = {
    {"${args}", "--", FORM_EQUALS},
    {"${args_no_hyphens}", "", FORM_EQUALS},
    {"${args_no_equals}", "--", FORM_WORD},
    {"${args_no_boolean_flags}", "--", FORM_FLAG},
    {"${args_append_hydra}", "+", FORM_EQUALS},
    {"${args_override_hydra}", "++", FORM_EQUALS},
    {"${args_json}", "", FORM_JSON},
    {"${args_json_file}", "", FORM_JSON_FILE},
};

#define MACRO_COUNT (sizeof(macros) / sizeof(macros[0]))

static const struct macro *find_macro(const char *word)
{
    for (size_t i = 0; i < MACRO_COUNT; i++) {
        if (strcmp(macros[i].text, word) == 0) {
            return &macros[i];
        }
    }
    return NULL;
}

/* ---- Names and values ---------------------------------------------------------------------------
 */

bool arguments_name(const mf_value *path, char name[ARGUMENTS_NAME_SIZE])
{
    size_t size = 0;
    name[0] = '\0';
    for (size_t i = 0; i < mf_count(path) && size < ARGUMENTS_NAME_SIZE; i++) {
        size += (size_t)snprintf(name + size, ARGUMENTS_NAME_SIZE - size, "%s%s", i > 0 ? "." : "",
                                 mf_str(mf_item(path, i)));
    }
    return size < ARGUMENTS_NAME_SIZE;
}

/* NULL where it is left out. */
static const mf_value *value_at(const mf_value *record, const mf_value *path)
{
    for (size_t i = 0; i < mf_count(path) && record != NULL; i++) {
        record = mf_field(record, mf_str(mf_item(path, i)));
    }
    return record;
}

/* The path of the parameter of that name; NULL where there is none. */
static const mf_value *find_path(const mf_value *paths, struct piece name)
{
    char own[ARGUMENTS_NAME_SIZE];
    for (size_t i = 0; i < mf_count(paths); i++) {
        const mf_value *path = mf_item(paths, i);
        if (arguments_name(path, own) && strlen(own) == name.size &&
            memcmp(own, name.text, name.size) == 0) {
            return path;
        }
    }
    return NULL;
}

/* ---- Placeholders -------------------------------------------------------------------------------
 */

enum place { PLACE_NONE, PLACE_INDEX, PLACE_NUMBER, PLACE_SLOT, PLACE_PARAMETER };

struct placeholder {
    enum place place;
    const mf_value *path;
    struct piece inner;
};

/* What stands in the braces that open at `text`. */
static struct placeholder placeholder_at(const char *text, const mf_value *paths)
{
    static const struct {
        const char *name;
        enum place place;
    } places[] = {
        {"index", PLACE_INDEX}, {"#", PLACE_NUMBER}, {"slot", PLACE_SLOT}, {"%", PLACE_SLOT}};
    const size_t size = strcspn(text + 1, "{}");
    struct placeholder found = {.inner = {text + 1, size}};
    if (text[1 + size] != '}') {
        return found;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (strlen(places[i].name) == size && memcmp(places[i].name, text + 1, size) == 0) {
            found.place = places[i].place;
            return found;
        }
    }
    found.path = find_path(paths, found.inner);
    found.place = found.path != NULL ? PLACE_PARAMETER : PLACE_NONE;
    return found;
}

/* {{name}} at `text`: the size of all of it, or 0. */
static size_t escaped_size(const char *text, const mf_value *paths)
{
    if (text[0] != '{' || text[1] != '{') {
        return 0;
    }
    const struct placeholder inner = placeholder_at(text + 1, paths);
    return inner.place != PLACE_NONE && text[inner.inner.size + 3] == '}' ? inner.inner.size + 4
                                                                          : 0;
}

/* "${envvar:NAME}" at `text`: the name; its size is 0 where there is none. */
static struct piece envvar_at(const char *text)
{
    const size_t head = strlen(ENVVAR);
    if (strncmp(text, ENVVAR, head) != 0) {
        return (struct piece){text, 0};
    }
    const size_t size = strcspn(text + head, "}");
    return (struct piece){text + head, text[head + size] == '}' ? size : 0};
}

/* ---- Checking -----------------------------------------------------------------------------------
 */

static bool is_macro_like(const char *word)
{
    const size_t size = strlen(word);
    return strncmp(word, "${", 2) == 0 && strchr(word, '}') == word + size - 1;
}

static bool refuse_macro(const char *word, struct template_error *err)
{
    char names[256] = "";
    for (size_t i = 0; i < MACRO_COUNT; i++) {
        const size_t size = strlen(names);
        (void)snprintf(names + size, sizeof(names) - size, "%s ", macros[i].text);
    }
    return template_fail(err,
                         "%.100s is no macro: expected ${env} ${interpreter} ${program} "
                         "%s${envvar:NAME}",
                         word, names);
}

static void note_placeholders(const char *word, const mf_value *paths, struct arguments_use *use)
{
    for (const char *at = word; *at != '\0'; at++) {
        const size_t escaped = escaped_size(at, paths);
        if (escaped > 0) {
            at += escaped - 1;
        } else if (*at == '{' && (at == word || at[-1] != '$')) {
            const enum place place = placeholder_at(at, paths).place;
            const bool is_parameter = place == PLACE_PARAMETER;
            use->has_placeholder = use->has_placeholder || is_parameter;
            use->has_other_form = use->has_other_form || is_parameter;
            use->has_place = use->has_place || (place != PLACE_NONE && !is_parameter);
        }
    }
}

bool arguments_check(const char *const *words, size_t word_count, const mf_value *paths,
                     struct arguments_use *use_out, struct template_error *err)
{
    struct arguments_use use = {.has_macro = false};
    for (size_t i = 0; i < word_count; i++) {
        const struct macro *macro = find_macro(words[i]);
        if (macro != NULL) {
            use.has_macro = true;
            use.has_other_form =
                use.has_other_form || (macro->form != FORM_JSON && macro->form != FORM_JSON_FILE);
            continue;
        }
        if (is_macro_like(words[i]) && envvar_at(words[i]).size == 0) {
            return refuse_macro(words[i], err);
        }
        note_placeholders(words[i], paths, &use);
        use.mentions_environment = use.mentions_environment || strstr(words[i], "MF_") != NULL ||
                                   strstr(words[i], "MAPFLEET_") != NULL;
    }
    *use_out = use;
    return true;
}

/* ---- Filling in ---------------------------------------------------------------------------------
 */

struct filling {
    const mf_value *paths;
    const struct arguments_trial *trial;
    struct word_list *out;
    struct template_error *err;
};

static void add(const struct filling *filling, const char *text)
{
    words_add(filling->out, text, strlen(text));
}

static bool add_text(const struct filling *filling, const char *text, size_t size)
{
    if (text == NULL) {
        return template_fail(filling->err, "no memory for a command line");
    }
    if (memchr(text, '\0', size) != NULL) {
        return template_fail(filling->err, "found a NUL, which no argument can hold");
    }
    words_add(filling->out, text, size);
    return true;
}

static bool add_value(const struct filling *filling, const mf_value *value)
{
    size_t size = 0;
    const char *text = filling->trial->python(filling->trial->context, value, &size);
    return add_text(filling, text, size);
}

/* --name=value, or what the macro makes of it. */
static bool add_parameter(const struct filling *filling, const struct macro *macro,
                          const mf_value *path, const mf_value *value)
{
    char name[ARGUMENTS_NAME_SIZE];
    const bool is_flag = macro->form == FORM_FLAG && mf_kind_of(value) == MF_BOOL;
    if (is_flag && !mf_bool(value)) {
        return true;
    }
    if (!arguments_name(path, name)) {
        return template_fail(filling->err, "the name of a parameter is longer than %d bytes",
                             ARGUMENTS_NAME_SIZE - 1);
    }
    add(filling, macro->before);
    add(filling, name);
    if (is_flag) {
        words_end(filling->out);
        return true;
    }
    if (macro->form == FORM_WORD) {
        words_end(filling->out);
    } else {
        add(filling, "=");
    }
    const bool is_good = add_value(filling, value);
    words_end(filling->out);
    return is_good;
}

static bool add_json(const struct filling *filling, const struct macro *macro)
{
    const struct arguments_trial *trial = filling->trial;
    size_t size = 0;
    if (macro->form == FORM_JSON) {
        const char *text = trial->json(trial->context, trial->record, &size);
        if (!add_text(filling, text, size)) {
            return false;
        }
    } else {
        const char *path = trial->json_file(trial->context, trial->record);
        if (path == NULL) {
            return template_fail(filling->err, "the file of the parameters cannot be written");
        }
        add(filling, path);
    }
    words_end(filling->out);
    return true;
}

static bool add_macro(const struct filling *filling, const struct macro *macro)
{
    if (macro->form == FORM_JSON || macro->form == FORM_JSON_FILE) {
        return add_json(filling, macro);
    }
    for (size_t i = 0; i < mf_count(filling->paths); i++) {
        const mf_value *path = mf_item(filling->paths, i);
        const mf_value *value = value_at(filling->trial->record, path);
        if (value != NULL && !add_parameter(filling, macro, path, value)) {
            return false;
        }
    }
    return true;
}

static bool add_variable(const struct filling *filling, struct piece name)
{
    char copy[256];
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)name.size, name.text);
    const char *value = getenv(copy);
    if (value == NULL) {
        return template_fail(filling->err, "%s%s}: the environment has no such variable", ENVVAR,
                             copy);
    }
    add(filling, value);
    return true;
}

static bool add_placeholder(const struct filling *filling, const struct placeholder *found)
{
    char number[24];
    uint64_t value = filling->trial->index;
    if (found->place == PLACE_PARAMETER) {
        const mf_value *parameter = value_at(filling->trial->record, found->path);
        return parameter == NULL || add_value(filling, parameter); /* left out: nothing */
    }
    value = found->place == PLACE_NUMBER ? value + 1 : value;
    value = found->place == PLACE_SLOT ? filling->trial->slot : value;
    (void)snprintf(number, sizeof(number), "%" PRIu64, value);
    add(filling, number);
    return true;
}

/* What begins at `at`, if anything is replaced there. Its size goes to *size_out. */
static bool add_piece(const struct filling *filling, const char *word, const char *at,
                      size_t *size_out)
{
    const struct piece variable = envvar_at(at);
    if (variable.size > 0) {
        *size_out = strlen(ENVVAR) + variable.size + 1;
        return add_variable(filling, variable);
    }
    const size_t escaped = escaped_size(at, filling->paths);
    if (escaped > 0) {
        *size_out = escaped;
        words_add(filling->out, at + 1, escaped - 2);
        return true;
    }
    if (*at == '{' && (at == word || at[-1] != '$')) {
        const struct placeholder found = placeholder_at(at, filling->paths);
        if (found.place != PLACE_NONE) {
            *size_out = found.inner.size + 2;
            return add_placeholder(filling, &found);
        }
    }
    words_add(filling->out, at, 1);
    *size_out = 1;
    return true;
}

static bool add_word(const struct filling *filling, const char *word)
{
    for (const char *at = word; *at != '\0';) {
        size_t size = 1;
        if (!add_piece(filling, word, at, &size)) {
            return false;
        }
        at += size;
    }
    words_end(filling->out);
    return true;
}

bool arguments_fill(const char *const *words, size_t word_count, const mf_value *paths,
                    const struct arguments_trial *trial, struct word_list *out,
                    struct template_error *err)
{
    const struct filling filling = {.paths = paths, .trial = trial, .out = out, .err = err};
    words_clear(out);
    for (size_t i = 0; i < word_count; i++) {
        const struct macro *macro = find_macro(words[i]);
        if (!(macro != NULL ? add_macro(&filling, macro) : add_word(&filling, words[i]))) {
            return false;
        }
    }
    return true;
}
