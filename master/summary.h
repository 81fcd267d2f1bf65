/* summary.h - what people read of a run on standard error: lines of progress, and the end. */
#ifndef MASTER_SUMMARY_H
#define MASTER_SUMMARY_H

#include <stdint.h>

#include "master/failures.h"
#include "master/ledger.h"
#include "master/run_file.h"

/* Instances that need no more attempts, so far. */
uint64_t summary_done(const struct ledger_counts *counts);

/* One line: done of all, rate, failed, waiting. The rate is that of this session, which began
 * `elapsed_us` ago with `done_before` of them. */
void summary_print_progress(const struct ledger_counts *counts, uint64_t size, uint64_t done_before,
                            uint64_t elapsed_us);

/* Verdict, counts by state, retries, time, rate, the failures, grouped, what the policy stop has
 * left out, the ranks that were lost (NULL: none), and the run directory; of an interrupted run,
 * how to go on with it. */
void summary_print(const struct run_description *run, const struct failures *failures,
                   const char *lost, const char *run_dir);
/* The last of these alone. */
void summary_print_how_to_go_on(const char *run_dir);

#endif
