/* arguments.h - the command line of a trial: macros that stand for its parameters, and
 * placeholders.
 *
 *     arguments_check (once) --> arguments_fill (for each trial)
 *
 * A word that is a macro becomes any number of words: ${args} is --name=value for each parameter,
 * ${args_json} one word of JSON; the others are listed in arguments.c. Within longer words,
 * ${envvar:NAME}, {index}, {#}, {slot}, {%} and the names of parameters in braces are replaced;
 * {{name}} is {name} itself, and every other brace stays as it is. What was put in is not searched
 * again.
 *
 * A trial's record holds nests as records; a parameter's path leads to its value, or to none where
 * it is left out. Paths are a list of lists of names, in the order of the file.
 *
 * Failure: texts say what was found and what was expected. Where memory runs out, so does
 *          words_list() of the words.
 */
#ifndef COMMAND_ARGUMENTS_H
#define COMMAND_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mapfleet.h>

#include "jobs/command/template.h"
#include "jobs/command/words.h"

/* How the words of a command get parameters. */
struct arguments_use {
    bool has_macro;      /* one that stands for parameters */
    bool has_other_form; /* of these, any but the two of JSON; or a placeholder of a parameter */
    bool has_placeholder;
    bool has_place;            /* a placeholder of the place in the list, or of the slot */
    bool mentions_environment; /* MF_ or MAPFLEET_ */
};

/* False for a macro that is not known, with the nearest. */
bool arguments_check(const char *const *words, size_t word_count, const mf_value *paths,
                     struct arguments_use *use_out, struct template_error *err);

struct arguments_trial {
    const mf_value *record;
    uint64_t index;
    uint64_t slot; /* from 1 */
    template_text *python;
    template_text *json;
    /* The path of a file that holds the record as JSON; NULL where it cannot be made. */
    const char *(*json_file)(void *context, const mf_value *record);
    void *context; /* of these three */
};

/* The words of the trial's command. False where a variable of the environment is not set, or a text
 * holds a NUL. */
bool arguments_fill(const char *const *words, size_t word_count, const mf_value *paths,
                    const struct arguments_trial *trial, struct word_list *out,
                    struct template_error *err);

/* "optimizer.lr", of at most ARGUMENTS_NAME_SIZE bytes; false where it is longer. */
#define ARGUMENTS_NAME_SIZE 1024
bool arguments_name(const mf_value *path, char name[ARGUMENTS_NAME_SIZE]);

#endif
