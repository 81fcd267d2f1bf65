/* sweep_command.h - the command of a sweep: what its file says, and what the command line adds.
 *
 *     sweep_command_make --> words, in which macros of parameters stand for each trial to fill in
 *                            (jobs/command/arguments.h)
 *
 * ${env}, ${interpreter} and ${program} are the same for all trials, and are replaced here, once.
 *
 * Ownership: words lie in the caller's arena, or are the file's.
 * Failure:   INVALID: nothing says what runs, two things do, a macro is not known, or the command
 *            would never get its parameters.
 */
#ifndef CLI_SWEEP_COMMAND_H
#define CLI_SWEEP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/sweep_file.h"
#include "shared/arena.h"
#include "shared/error.h"

struct sweep_command_options {
    const char *program;      /* --program; NULL: not given */
    const char *const *words; /* behind -- */
    size_t word_count;
    bool is_by_env;
    bool is_wandb;
    const char *interpreter; /* what ${interpreter} is: sweep_interpreter() */
};

struct sweep_command {
    const char **words;
    size_t word_count;
    mf_value paths;     /* of the parameters: a list of lists of names */
    struct place fault; /* of what was refused; line 0: it stands in no particular place */
};

/* "python", or "python3" where there is no python in PATH. */
const char *sweep_interpreter(void);

/* The paths of a space, for the words. NO_MEMORY. */
MUST_CHECK enum status sweep_command_paths(const struct space *space, struct arena *arena,
                                           mf_value *paths_out);

/* Where word `i` of the command stands in the file; line 0: not there. */
struct place sweep_command_place(const struct sweep_file *sweep,
                                 const struct sweep_command_options *options, size_t i);

MUST_CHECK enum status sweep_command_make(const struct sweep_file *sweep,
                                          const struct sweep_command_options *options,
                                          struct arena *arena, struct sweep_command *command_out,
                                          struct error *err);

#endif
