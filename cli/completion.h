/* completion.h - what a shell has to know to complete words of mapfleet, from the table of options.
 *
 * The functions of the shell that use it stand in cli/completion/; both together are a file that is
 * installed.
 *
 * Failure: of the file, as ferror() tells.
 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include <stdio.h>

/* Three functions, each of which prints words:
 *     _mapfleet_options VERB        options that the verb knows
 *     _mapfleet_value VERB OPTION   what its value is, see below; nothing where it has none
 *     _mapfleet_word VERB           what the verb's first word is, likewise
 * and the variable _mapfleet_verbs.
 *
 * What a value or word is: `words A B` one of these, `list A B` some of these with commas between,
 * `file`, `folder`, `task`, `workflow`, `job`, `run`, `verb`, `command`, or `none` of these.
 * `attached` before that: the value may be left out, and stands behind an equals sign only. */
void completion_write_bash(FILE *out);

/* The variable _mapfleet_verbs, of words VERB:SUMMARY, the function _mapfleet_word as above, and
 *     _mapfleet_arguments VERB      sets `arguments` to what _arguments takes */
void completion_write_zsh(FILE *out);

#endif
