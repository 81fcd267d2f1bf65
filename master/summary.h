/* summary.h - what people read of a run on standard error when it ends. */
#ifndef MASTER_SUMMARY_H
#define MASTER_SUMMARY_H

#include "master/failures.h"
#include "master/run_file.h"

/* Verdict, counts by state, retries, time, rate, the failures, grouped, what the policy stop has
 * left out, the ranks that were lost (NULL: none), and the run directory; of an interrupted run,
 * how to go on with it. */
void summary_print(const struct run_description *run, const struct failures *failures,
                   const char *lost, const char *run_dir);
/* The last of these alone. */
void summary_print_how_to_go_on(const char *run_dir);

#endif
