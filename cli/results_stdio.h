/* results_stdio.h - `mapfleet results RUN --stdio I`: what the attempts of one instance printed.
 *
 * Works from the run directory alone, also of a live, unfinished or torn run.
 */
#ifndef CLI_RESULTS_STDIO_H
#define CLI_RESULTS_STDIO_H

#include <stdint.h>

#include "master/run_file.h"
#include "shared/error.h"

/* `text` is what the user gave as index. INVALID where it is none of a map of that size. */
MUST_CHECK enum status results_stdio_index(const char *text, uint64_t size, uint64_t *index_out,
                                           struct error *err);

/* Write all that is kept of it to standard output, as it is, by attempts; of each its standard
 * output first. Where nothing is, say so on standard error. */
MUST_CHECK enum status results_stdio_print(const char *run_dir, const struct run_description *run,
                                           uint64_t map, uint64_t index, struct error *err);

#endif
