/* parameters.h - a workflow's parameters: the fields of its input, from words NAME=VALUE.
 *
 * Failure: texts name the parameter, what was found and what was expected; one that is not there,
 *          and what is missing, with those that there are.
 */
#ifndef CLI_PARAMETERS_H
#define CLI_PARAMETERS_H

#include <stddef.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"

/* Append the packed record. Values are read as text of their type (composite ones as JSON); the
 * relative paths of files start at `launch_dir`, which is absolute. */
MUST_CHECK enum status parameters_read(const struct workflow *workflow, const char *const *words,
                                       size_t word_count, const char *launch_dir,
                                       struct buffer *packed_out, struct error *err);

/* For people, on standard output: the command line, and a line a parameter. `job` is as a user
 * types it. */
void parameters_print_help(const char *job, const struct workflow *workflow);

#endif
