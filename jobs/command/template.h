/* template.h - a command line with placeholders: parsed once, filled in for each input.
 *
 *     template_parse --> template_check, template_fill (for each input) --> template_destroy
 *
 * {} is the input, {name} a field of it, {1} the first item or field; each with a part of a path
 * (path_part.h) behind it. {#} counts from 1, {index} from 0, {%} and {slot} are the slot. After a
 * $ no brace is a placeholder, {{name}} is {name} itself, and every other brace stays as it is.
 * What was put in is not searched again.
 *
 * For a shell all words are one line, and what is put in is quoted for the place where it stands:
 * between quotes of each kind, backquotes or outside of them, but not for here-documents, whose
 * text a shell takes as it is. A brace behind a backslash is none.
 *
 * Ownership: a template copies its words.
 * Failure:   texts say what was found and what was expected; of an input, without its index.
 */
#ifndef COMMAND_TEMPLATE_H
#define COMMAND_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mapfleet.h>

#include "jobs/command/words.h"

struct template; /* fields: template.c */

struct template_error {
    char text[512];
};

/* False where it cannot be understood, or memory ran out. */
bool template_parse(char *const *words, size_t word_count, bool is_shell,
                    struct template **template_out, struct template_error *err);
void template_destroy(struct template *template); /* NULL is allowed */

/* Is there a placeholder at all? One of an input's place in the list? And in the first word? */
bool template_has_placeholder(const struct template *template);
bool template_has_place(const struct template *template);
bool template_has_placeholder_first(const struct template *template);

/* Does the input have what the placeholders name, and no NUL in it? Words of a command are text. */
bool template_check(const struct template *template, const mf_value *input,
                    struct template_error *err);

/* Gives the text of a value that is no string (mf_text()); NULL where memory ran out. */
typedef const char *template_text(void *context, const mf_value *value, size_t *size_out);

struct template_input {
    const mf_value *value;
    uint64_t index;
    uint64_t slot; /* from 1 */
    template_text *text;
    void *context; /* of `text` */
};

/* The words of the command, or of a shell's line, which is one word. False as template_check(). */
bool template_fill(const struct template *template, const struct template_input *input,
                   struct word_list *words, struct template_error *err);

#endif
