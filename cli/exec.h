/* exec.h - what `mapfleet exec` asks for beyond a map: the command line, and its literal inputs.
 *
 *     exec_parse --> exec_check_inputs, exec_source, exec_constant, exec_print_lines -->
 * exec_destroy
 *
 * Ownership: words point into argv, or into what a resume has read; they outlive this.
 * Failure:   whatever can be known before anything starts is refused here: no command, one that is
 *            not found, one into which no input is put, options that contradict each other.
 */
#ifndef CLI_EXEC_H
#define CLI_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "jobs/command/template.h"
#include "master/inputs.h"
#include "master/metric_options.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/map_options.h"

/* What commands of a sweep are told of its trials (COMMAND_CONSTANT). */
struct exec_trial {
    const mf_value *paths;
    uint64_t repeats;
    const char *modules;                 /* "": none */
    const struct metric_options *metric; /* its name is NULL: nothing is reported */
};

struct exec {
    const struct options *options; /* that say what the command is; the caller's */
    char **command;                /* its words; none where each input is a line */
    size_t command_count;
    struct inputs_arguments *arguments; /* the lists behind ::: */
    size_t argument_list_count;
    char *shell;                    /* absolute; NULL: none */
    struct template *template;      /* NULL: each input is a line, or there is a trial */
    const struct exec_trial *trial; /* NULL: it is of no sweep */
};

/* `options` are those of an exec, parsed. *exec_out is destroyed also where this fails. */
MUST_CHECK enum status exec_parse(const struct options *options, struct exec *exec_out,
                                  struct error *err);
void exec_destroy(struct exec *exec); /* all zero is allowed */

/* Is the command there, and is it told of its inputs? Before they are read. */
MUST_CHECK enum status exec_check_command(const struct exec *exec, struct error *err);

/* "run" or "files": the task of the job of commands. */
const char *exec_task(const struct exec *exec);
/* Does its line hold an input's place in the list, or the slot? */
bool exec_has_place(const struct exec *exec);
/* Are its inputs paths, of --files? Also of a run that is resumed. */
bool exec_has_paths(const struct exec *exec);
/* For the name of the run's folder; to be freed. */
char *exec_base_name(const struct exec *exec);

/* The last name of a path, for names of folders, or `otherwise`; to be freed. */
char *exec_plain_name(const char *path, size_t path_size, const char *otherwise);

/* What the inputs of commands have of their own. `exec` outlives the reading of them. */
void exec_fill_source(struct exec *exec, struct inputs_source *source);

/* Append the constant of the map, packed. `statuses` is --permanent-exit, or NULL. The part that
 * may not change when a run is resumed is the constant without it, and with map options of all
 * zero. */
MUST_CHECK enum status exec_constant(const struct exec *exec, const char *statuses,
                                     const struct map_options *map, struct buffer *out,
                                     struct error *err);

/* Append the texts that keys of kept outputs are made from, each with a NUL behind it; gives how
 * many. */
MUST_CHECK enum status exec_key_texts(const struct exec *exec, struct buffer *out,
                                      size_t *count_out);

/* The first ten lines, to standard output. The inputs are of that type, and begin in that folder.
 */
MUST_CHECK enum status exec_print_lines(const struct exec *exec, struct inputs *inputs,
                                        const struct type *type, const char *launch_dir,
                                        struct error *err);

#endif
