#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/foreign_options.h"
#include "cli/launch_foreign.h"
#include "cli/options.h"
#include "cli/options_private.h"
#include "shared/memory.h"
#include "shared/nearest.h"

/* ---- What is nearly an option ---------------------------------------------------------------- */

#define NAME_SIZE_MAX 32
#define WORD_SIZE_MIN 7   /* with its dashes: shorter ones are no whole words */
#define PLURAL_DISTANCE 3 /* from -y to -ies */

/* Does an option begin as `name` does? Where little else differs, the last letter of a longer name
 * may be another: the plural of --retry is --retries. */
static bool is_beginning_of(const char *name, size_t name_size, const char *option, size_t distance)
{
    const bool may_differ = name_size >= WORD_SIZE_MIN && distance <= PLURAL_DISTANCE;
    return name_size > 2 && strncmp(name, option, name_size - (may_differ ? 1 : 0)) == 0;
}

/* NULL where no option of the verb is so near that it is likely to be meant: two letters away, or
 * as many as a third of the name, or the rest of it is missing. */
static const char *nearest_option(enum verb verb, const char *name, size_t name_size)
{
    const char *nearest = NULL;
    size_t order_min = SIZE_MAX;
    for (size_t i = 0; i < OPTION_COUNT && name_size <= NAME_SIZE_MAX; i++) {
        const char *option = options_table[i].name;
        const size_t distance = nearest_distance(name, name_size, option, strlen(option));
        const size_t allowed = name_size / 3 > 2 ? name_size / 3 : 2;
        const bool is_beginning = is_beginning_of(name, name_size, option, distance);
        const size_t order = distance + (is_beginning ? 0 : NAME_SIZE_MAX); /* these come first */
        if (options_is_of(&options_table[i], verb) && order < order_min &&
            (distance <= allowed || is_beginning)) {
            nearest = option;
            order_min = order;
        }
    }
    return nearest;
}

static enum status unknown_option(enum verb verb, const char *name, size_t name_size,
                                  struct error *err)
{
    const char *nearest = nearest_option(verb, name, name_size);
    if (nearest != NULL) {
        return error_set(err, STATUS_INVALID, "unknown option %.*s: did you mean %s?",
                         (int)name_size, name, nearest);
    }
    return error_set(err, STATUS_INVALID, "unknown option %.*s: mapfleet %s --help lists all",
                     (int)name_size, name, options_verbs[verb].name);
}

static enum status other_verbs_option(enum verb verb, const struct option *option,
                                      struct error *err)
{
    enum verb owner = VERB_MAP;
    while (!options_is_of(option, owner)) {
        owner++;
    }
    return error_set(err, STATUS_INVALID,
                     "%s is an option of mapfleet %s, and mapfleet %s has none "
                     "of that name",
                     option->name, options_verbs[owner].name, options_verbs[verb].name);
}

/* Who launches has used mpirun or srun before. One dash and a name ("-np") is their style, and
 * would be read as one of our letters with its value. */
static enum status check_foreign(enum verb verb, const char *word, const struct option *option,
                                 struct error *err)
{
    const char *hint = verb == VERB_LAUNCH ? launch_foreign_hint(word) : NULL;
    const bool is_word_of_letters = word[1] != '-' && word[2] != '\0';
    return hint != NULL && (option == NULL || is_word_of_letters)
               ? error_set(err, STATUS_INVALID, "mapfleet launch has no %.*s: %s",
                           (int)strcspn(word, "="), word, hint)
               : STATUS_OK;
}

/* ---- Parsing -------------------------------------------------------------------------------- */

static const struct option *find_long(const char *name, size_t name_size)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(options_table[i].name) == name_size &&
            memcmp(options_table[i].name, name, name_size) == 0) {
            return &options_table[i];
        }
    }
    return NULL;
}

static const struct option *find_short(char letter)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options_table[i].letter == letter) {
            return &options_table[i];
        }
    }
    return NULL;
}

/* Is it one of the words of `list`, which stand between bars? */
static bool is_listed(const char *list, const char *word)
{
    const size_t size = strlen(word);
    while (list != NULL) {
        if (strncmp(list, word, size) == 0 && (list[size] == '|' || list[size] == '\0')) {
            return true;
        }
        list = strchr(list, '|');
        list = list == NULL ? NULL : list + 1;
    }
    return false;
}

/* "jsonl|json|csv" as "jsonl, json or csv". */
#define CHOICES_TEXT_SIZE 96
static const char *choices_text(const char *choices, char text[CHOICES_TEXT_SIZE])
{
    size_t size = 0;
    for (const char *at = choices; *at != '\0' && size + 5 < CHOICES_TEXT_SIZE; at++) {
        if (*at != '|') {
            text[size++] = *at;
            continue;
        }
        const char *joint = strchr(at + 1, '|') == NULL ? " or " : ", ";
        memcpy(text + size, joint, strlen(joint));
        size += strlen(joint);
    }
    text[size] = '\0';
    return text;
}

const char *options_choices(const struct option *option, enum verb verb)
{
    const bool is_refusing = (option->refusing >> verb & 1) != 0;
    return is_refusing ? option->choices + strlen(option->refused) + 1 : option->choices;
}

static enum status check_choice(const struct option *option, enum verb verb, const char *value,
                                struct error *err)
{
    char text[CHOICES_TEXT_SIZE];
    if (option->choices == NULL || is_listed(options_choices(option, verb), value)) {
        return STATUS_OK;
    }
    const bool is_refused = is_listed(option->refused, value);
    return error_set(err, STATUS_INVALID, "%s: \"%s\" %s: expected %s", option->name, value,
                     is_refused ? option->reason : "is unknown",
                     choices_text(options_choices(option, verb), text));
}

/* Where the parser stands. */
struct cursor {
    enum verb verb;
    int argc;
    char **argv;
    int at; /* the word that is read */
};

/* The value of the option at the cursor, which moves over it where it is a word of its own.
 * `attached` is what the option's own word holds, NULL where it holds nothing. What starts with
 * two dashes is an option that somebody forgot a value before, unless it is attached. */
static enum status take_value(const struct option *option, const char *attached,
                              struct cursor *cursor, const char **value_out, struct error *err)
{
    *value_out = attached == NULL ? "" : attached;
    switch (option->value) {
    case VALUE_NONE:
        if (attached != NULL) {
            return error_set(err, STATUS_INVALID, "%s takes no value, and \"%s\" was given",
                             option->name, attached);
        }
        return STATUS_OK;
    case VALUE_OPTIONAL:
        return attached == NULL ? STATUS_OK : check_choice(option, cursor->verb, attached, err);
    case VALUE_REQUIRED:
        if (attached == NULL) {
            const char *next = cursor->at + 1 < cursor->argc ? cursor->argv[cursor->at + 1] : "--";
            if (strncmp(next, "--", 2) == 0) {
                return error_set(err, STATUS_INVALID, "%s needs a value: expected %s %s",
                                 option->name, option->name, option->argument);
            }
            *value_out = next;
            cursor->at++;
        }
        return check_choice(option, cursor->verb, *value_out, err);
    }
    assert(false);
    return STATUS_INVALID;
}

/* Of these the last one does not count: half of the work would be left out without a word. */
static bool is_second_source(const struct options *options, enum option_id id, const char *value)
{
    return (id == OPTION_INPUTS || id == OPTION_RANGE) && options_has(options, id) &&
           strcmp(options->values[id], value) != 0;
}

static enum status parse_option(struct options *options, struct cursor *cursor, struct error *err)
{
    const char *word = cursor->argv[cursor->at];
    const struct option *option;
    const char *attached = NULL;
    size_t name_size;
    if (word[1] == '-') {
        name_size = strcspn(word, "=");
        option = find_long(word, name_size);
        attached = word[name_size] == '=' ? word + name_size + 1 : NULL;
    } else {
        name_size = 2;
        option = find_short(word[1]);
        attached = word[2] != '\0' ? word + 2 : NULL;
    }
    if (check_foreign(options->verb, word, option, err) != STATUS_OK) {
        return STATUS_INVALID;
    }
    if (options->verb == VERB_EXEC && foreign_option_advice(word) != NULL) {
        return error_set(err, STATUS_INVALID, "%s", foreign_option_advice(word));
    }
    if (option == NULL) {
        return unknown_option(options->verb, word, word[1] == '-' ? name_size : strlen(word), err);
    }
    if (!options_is_of(option, options->verb)) {
        return other_verbs_option(options->verb, option, err);
    }
    const char *value;
    const enum status status = take_value(option, attached, cursor, &value, err);
    if (status != STATUS_OK) {
        return status;
    }
    const enum option_id id = (enum option_id)(option - options_table);
    if (is_second_source(options, id, value)) {
        return error_set(err, STATUS_INVALID,
                         "%s %s and %s %s are two sources of inputs: give one of them",
                         option->name, options->values[id], option->name, value);
    }
    options->values[id] = value;
    if (option->is_repeatable) {
        options->uses[options->use_count++] = (struct option_use){.id = id, .value = value};
    }
    return STATUS_OK;
}

enum status options_parse(enum verb verb, int argc, char **argv, struct options *options_out,
                          struct error *err)
{
    struct options options = {.verb = verb};
    const size_t room = (size_t)(argc > 0 ? argc : 1);
    struct cursor cursor = {.verb = verb, .argc = argc, .argv = argv, .at = 1};
    bool is_ended = false;
    options.uses = memory_take(room, sizeof(*options.uses));
    options.words = memory_take(room, sizeof(*options.words));

    for (; cursor.at < argc; cursor.at++) {
        const char *word = argv[cursor.at];
        if (is_ended || word[0] != '-' || word[1] == '\0') {
            options.words[options.word_count++] = word;
            options.words_after += is_ended ? 1 : 0;
            is_ended = is_ended || verb == VERB_LAUNCH || verb == VERB_EXEC;
        } else if (strcmp(word, "--") == 0) {
            is_ended = true;
        } else {
            const enum status status = parse_option(&options, &cursor, err);
            if (status != STATUS_OK) {
                options_free(&options);
                return status;
            }
        }
    }
    *options_out = options;
    return STATUS_OK;
}

const char **options_uses(const struct options *options, enum option_id id, size_t *count_out)
{
    const char **values = memory_take(options->use_count + 1, sizeof(*values));
    *count_out = 0;
    for (size_t i = 0; i < options->use_count; i++) {
        if (options->uses[i].id == id) {
            values[(*count_out)++] = options->uses[i].value;
        }
    }
    return values;
}

void options_free(struct options *options)
{
    free(options->uses);
    free(options->words);
    *options = (struct options){.verb = options->verb};
}
