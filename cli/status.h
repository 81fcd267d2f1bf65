/* status.h - mapfleet status: where a run stands, from its directory alone. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/options.h"

/* Gives the run's exit status: 0 or 1 of a run with a verdict, 75 of one that is live, interrupted
 * or was cut off; 2 where the directory is none of a run. */
int status_main(const struct options *options);

#endif
