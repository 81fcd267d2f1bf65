#include "cli/completion.h"

#include <stdbool.h>
#include <string.h>

#include "cli/options.h"
#include "cli/options_private.h"
#include "master/instances.h"

/* ---- What stands where ----------------------------------------------------------------------- */

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What is known of an argument by its name in the help. */
static const char *argument_kind(const char *argument)
{
    static const char *const files[] = {"FILE", "FILE.html", "FILE.yaml", "GLOB", "SWEEP.yaml"};
    static const char *const folders[] = {"DIR", "PATH", "WHERE"};
    if (is_one_of(argument, files, sizeof(files) / sizeof(files[0]))) {
        return "file";
    }
    return is_one_of(argument, folders, sizeof(folders) / sizeof(folders[0])) ? "folder" : "none";
}

/* The first word of a verb that is not in brackets, as its usage names it. */
static const char *first_word(enum verb verb, char word[32])
{
    const char *at = options_verbs[verb].arguments;
    while (*at == '[') {
        at += strcspn(at, "]");
        at += strspn(at, "] ");
    }
    const size_t size = strcspn(at, " ");
    const size_t room = size < 31 ? size : 31;
    memcpy(word, at, room);
    word[room] = '\0';
    return word;
}

static void put_words(const char *choices, FILE *out)
{
    for (const char *at = choices; *at != '\0'; at++) {
        (void)fputc(*at == '|' ? ' ' : *at, out);
    }
}

static void put_states(FILE *out)
{
    for (unsigned i = 0; i < INSTANCE_STATE_COUNT; i++) {
        (void)fprintf(out, "%s%s", i > 0 ? " " : "", instance_state_name((enum instance_state)i));
    }
}

static void put_word_functions(FILE *out)
{
    static const char *const kinds[][2] = {
        {"JOB:TASK", "task"}, {"JOB[:WORKFLOW]", "workflow"},
        {"JOB", "job"},       {"RUN", "run"},
        {"VERB", "verb"},     {"--", "command"},
    };
    (void)fputs("_mapfleet_word() {\n    case $1 in\n", out);
    for (size_t verb = 0; verb < VERB_COUNT; verb++) {
        char word[32];
        const char *kind = argument_kind(first_word((enum verb)verb, word));
        (void)fprintf(out, "    %s) echo '", options_verbs[verb].name);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            kind = strcmp(word, kinds[i][0]) == 0 ? kinds[i][1] : kind;
        }
        if (strchr(word, '|') != NULL) {
            (void)fputs("words ", out);
            put_words(word, out);
        } else {
            (void)fputs(kind, out);
        }
        (void)fputs("' ;;\n", out);
    }
    (void)fputs("    esac\n}\n", out);
}

/* ---- bash ------------------------------------------------------------------------------------ */

static void put_bash_options(FILE *out)
{
    (void)fputs("_mapfleet_options() {\n    case $1 in\n", out);
    for (size_t verb = 0; verb < VERB_COUNT; verb++) {
        (void)fprintf(out, "    %s) echo '", options_verbs[verb].name);
        for (size_t i = 0; i < OPTION_COUNT; i++) {
            const struct option *option = &options_table[i];
            if (!options_is_of(option, (enum verb)verb)) {
                continue;
            }
            (void)fprintf(out, "%s ", option->name);
            if (option->letter != '\0') {
                (void)fprintf(out, "-%c ", option->letter);
            }
        }
        (void)fputs("' ;;\n", out);
    }
    (void)fputs("    esac\n}\n", out);
}

static void put_bash_value(const struct option *option, enum verb verb, FILE *out)
{
    (void)fprintf(out, "    '%s %s'", options_verbs[verb].name, option->name);
    if (option->letter != '\0') {
        (void)fprintf(out, "|'%s -%c'", options_verbs[verb].name, option->letter);
    }
    (void)fprintf(out, ") echo '%s", option->value == VALUE_OPTIONAL ? "attached " : "");
    if (option->choices != NULL) {
        (void)fputs("words ", out);
        put_words(options_choices(option, verb), out);
    } else if (option == &options_table[OPTION_STATE]) {
        (void)fputs("list ", out);
        put_states(out);
    } else {
        (void)fputs(argument_kind(option->argument), out);
    }
    (void)fputs("' ;;\n", out);
}

static void put_bash_values(FILE *out)
{
    (void)fputs("_mapfleet_value() {\n    case \"$1 $2\" in\n", out);
    for (size_t verb = 0; verb < VERB_COUNT; verb++) {
        for (size_t i = 0; i < OPTION_COUNT; i++) {
            const struct option *option = &options_table[i];
            if (options_is_of(option, (enum verb)verb) && option->value != VALUE_NONE) {
                put_bash_value(option, (enum verb)verb, out);
            }
        }
    }
    (void)fputs("    esac\n}\n", out);
}

void completion_write_bash(FILE *out)
{
    (void)fputs("_mapfleet_verbs='help ", out);
    for (size_t verb = 0; verb < VERB_COUNT; verb++) {
        (void)fprintf(out, "%s ", options_verbs[verb].name);
    }
    (void)fputs("'\n", out);
    put_bash_options(out);
    put_bash_values(out);
    put_word_functions(out);
}

/* ---- zsh ------------------------------------------------------------------------------------- */

/* Within single quotes, where brackets and colons are of _arguments. */
static void put_zsh_text(const char *text, FILE *out)
{
    for (const char *at = text; *at != '\0' && *at != '\n'; at++) {
        if (*at == '\'') {
            (void)fputs("'\\''", out);
        } else if (strchr("[]:\\", *at) != NULL) {
            (void)fprintf(out, "\\%c", *at);
        } else {
            (void)fputc(*at, out);
        }
    }
}

static void put_zsh_value(const struct option *option, enum verb verb, FILE *out)
{
    const char *kind = argument_kind(option->argument);
    (void)fputs(option->value == VALUE_OPTIONAL ? "::" : ":", out);
    put_zsh_text(option->argument, out);
    if (option->choices != NULL) {
        (void)fputs(":(", out);
        put_words(options_choices(option, verb), out);
        (void)fputc(')', out);
    } else if (option == &options_table[OPTION_STATE]) {
        (void)fputs(":_values -s , state ", out);
        put_states(out);
    } else if (strcmp(kind, "none") != 0) {
        (void)fputs(strcmp(kind, "file") == 0 ? ":_files" : ":_files -/", out);
    } else {
        (void)fputs(": ", out);
    }
}

static void put_zsh_option(const struct option *option, enum verb verb, FILE *out)
{
    static const char *const endings[] = {
        [VALUE_NONE] = "", [VALUE_REQUIRED] = "=", [VALUE_OPTIONAL] = "=-"};
    (void)fputs("        ", out);
    if (option->letter != '\0') {
        (void)fprintf(out, "'(-%c %s)'{-%c%s,%s%s}'", option->letter, option->name, option->letter,
                      option->value == VALUE_NONE ? "" : "+", option->name, endings[option->value]);
    } else {
        (void)fprintf(out, "'%s%s%s", option->is_repeatable ? "*" : "", option->name,
                      endings[option->value]);
    }
    (void)fputc('[', out);
    put_zsh_text(option->help, out);
    (void)fputc(']', out);
    if (option->value != VALUE_NONE) {
        put_zsh_value(option, verb, out);
    }
    (void)fputs("'\n", out);
}

void completion_write_zsh(FILE *out)
{
    (void)fputs("_mapfleet_verbs=(\n", out);
    for (size_t verb = 0; verb < VERB_COUNT; verb++) {
        (void)fprintf(out, "    '%s:", options_verbs[verb].name);
        put_zsh_text(options_verbs[verb].summary, out);
        (void)fputs("'\n", out);
    }
    (void)fputs("    'help:Explain a verb.'\n)\n_mapfleet_arguments() {\n    case $1 in\n", out);
    for (size_t verb = 0; verb < VERB_COUNT; verb++) {
        (void)fprintf(out, "    %s)\n        arguments=(\n", options_verbs[verb].name);
        for (size_t i = 0; i < OPTION_COUNT; i++) {
            if (options_is_of(&options_table[i], (enum verb)verb)) {
                put_zsh_option(&options_table[i], (enum verb)verb, out);
            }
        }
        (void)fputs("        ) ;;\n", out);
    }
    (void)fputs("    esac\n}\n", out);
    put_word_functions(out);
}
