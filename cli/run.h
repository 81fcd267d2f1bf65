/* run.h - `mapfleet run`: what its command line asks for, and the help of one workflow.
 *
 * Failure: whatever is wrong with the command line is found before anything starts, and named.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/request.h"
#include "shared/error.h"

/* As request_check(), of a workflow: its parameters become the request's one input. */
MUST_CHECK enum status run_check(struct request *request, struct error *err);

/* The parameters of the workflow that the words name. NOT_FOUND where they name none. */
MUST_CHECK enum status run_print_help(struct request *request, struct error *err);

#endif
