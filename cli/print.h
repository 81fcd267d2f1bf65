/* print.h - outputs of a run, one a row, in input order. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdint.h>

#include "shared/error.h"
#include "shared/type.h"

/* Print the outputs of a map as JSON Lines to standard output, null for a hole. Files of the run are
 * printed by their absolute paths. A reader that goes away ends the printing, and is no failure. */
MUST_CHECK enum status print_outputs(const char *run_dir, uint64_t map, uint64_t size,
                                     const struct type *output, struct error *err);

#endif
