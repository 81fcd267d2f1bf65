/* results.h - mapfleet results: the outputs of a run, or a record for each of its instances. */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include "cli/options.h"

/* Gives the exit status. */
int results_main(const struct options *options);

#endif
