/* sweep.h - what `mapfleet sweep` asks for beyond a map: its file, its command, and its trials.
 *
 *     sweep_read --> sweep_lay_options, sweep_choose_command, sweep_choose_trials
 *                --> sweep_exec, sweep_put_identity, sweep_print_lines --> sweep_free
 *
 * The file is read from its path, or taken as a run has recorded it. What runs is a command, as
 * that of `mapfleet exec` but with macros for a trial's parameters, or a task.
 *
 * Ownership: options are the caller's, and outlive the sweep. Texts that sweep_lay_options() puts
 *            into options are the sweep's.
 * Failure:   whatever can be known before anything starts is refused here. Of a file, up to ten
 *            things that are wrong are said at once.
 */
#ifndef CLI_SWEEP_H
#define CLI_SWEEP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/exec.h"
#include "cli/options.h"
#include "cli/sweep_command.h"
#include "cli/sweep_file.h"
#include "cli/sweep_metric.h"
#include "master/inputs.h"
#include "master/run_file.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/trials_form.h"
#include "shared/type.h"

struct sweep {
    const struct options *options; /* that name the file, and say what runs */
    const char *path;
    struct buffer text; /* of the file, with a NUL behind it */
    struct sweep_file *file;
    struct arena arena;
    struct sweep_command command; /* no words: a task runs */
    struct exec exec;             /* the same for what runs commands */
    struct exec_trial trial;
    struct metric_options metric; /* its name is NULL: there is none */
    char modules[PATH_MAX];       /* the folder of --wandb; "": none */
    struct trials_form form;      /* its space is the file's */
};

/* Do the words name a file? */
MUST_CHECK enum status sweep_check_words(const struct options *options, struct error *err);

/* `recorded` is NULL where the file is to be read. What is wrong with it is said on standard error;
 * *err has the last word. *sweep_out is freed also where this fails. */
MUST_CHECK enum status sweep_read(const struct options *options, const char *recorded,
                                  struct sweep *sweep_out, struct error *err);
void sweep_free(struct sweep *sweep); /* all zero is allowed */

/* Fill in the options that the file gives and the command line does not. */
MUST_CHECK enum status sweep_lay_options(const struct sweep *sweep, struct options *given,
                                         struct error *err);

/* What runs: as it was recorded, or by the file and the options, and then it is looked for.
 * `given` are the options in force. */
MUST_CHECK enum status sweep_choose_command(struct sweep *sweep, const struct options *given,
                                            const struct run_sweep *recorded, struct error *err);

/* Which trials there are, and how many. */
MUST_CHECK enum status sweep_choose_trials(struct sweep *sweep, const struct options *given,
                                           uint64_t seed, struct error *err);
/* What --trials says; 0 where it was not given. */
MUST_CHECK enum status sweep_trials_given(const struct options *given, uint64_t *count_out,
                                          struct error *err);

/* The command, as that of an exec; NULL where a task runs. */
const struct exec *sweep_exec(const struct sweep *sweep);
/* Have equal inputs different outputs: do they depend on their place in the list? */
bool sweep_has_place(const struct sweep *sweep);

/* Append what may not change when the sweep is resumed, but for a task's constant. */
MUST_CHECK enum status sweep_put_identity(const struct sweep *sweep, struct buffer *out);

/* For the name of a run's folder: that of the file, without its ending; to be freed. */
char *sweep_base_name(const char *path);

/* What run.json says of it; to be freed by sweep_free_record(). */
MUST_CHECK enum status sweep_record(const struct sweep *sweep, struct run_sweep *record_out);
void sweep_free_record(struct run_sweep *record);

/* Its trials, with the type and the folder that make inputs of them. */
struct sweep_inputs {
    const struct inputs *inputs;
    const struct type *type;
    const char *launch_dir;
};

/* Can a command line be made of the first trial? Warns of expressions that have failed so far. */
MUST_CHECK enum status sweep_check_lines(const struct sweep *sweep,
                                         const struct sweep_inputs *inputs, struct error *err);
/* The first ten lines, the number of trials and the brackets, to standard output. Where a sampler
 * proposes them, one line that is made up, and says so. */
MUST_CHECK enum status sweep_print_lines(const struct sweep *sweep,
                                         const struct sweep_inputs *inputs, struct error *err);

#endif
