/* results.h - `mapfleet results RUN`: the outputs of a run, or a record for each of its instances.
 *
 * Works from the run directory alone, also of a live, unfinished or torn run: a hole is null.
 */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include "cli/options.h"

/* Gives the exit status: 0 where it could print, 2 where it refuses, 1 where printing failed. */
int results_main(const struct options *options);

#endif
