/* program_found.h - is the program of a command there? Asked on rank 0, before anything starts.
 *
 * Failure: NOT_FOUND, with a text that says what else may be meant.
 */
#ifndef CLI_PROGRAM_FOUND_H
#define CLI_PROGRAM_FOUND_H

#include "shared/error.h"

/* Where a program of that name is, in $PATH unless it has a slash; to be freed. NULL: nowhere. */
char *program_find(const char *name);

/* Is the first word of a command a program? */
MUST_CHECK enum status program_check_found(const char *name, struct error *err);

#endif
