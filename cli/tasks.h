/* tasks.h - mapfleet tasks: what a job registers. */
#ifndef CLI_TASKS_H
#define CLI_TASKS_H

#include "cli/options.h"

/* Gives the exit status. */
int tasks_main(const struct options *options);

#endif
