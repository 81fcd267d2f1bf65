/* report.h - mapfleet report: a run as one page, or as a trace; and the page that each run leaves.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>

#include "cli/options.h"

#define REPORT_FILE "report.html"

/* Exit status: 0; 1 where it could not be written; 2 where the directory is none of a run. */
int report_main(const struct options *options);

/* At the end of a run: the page into its directory, and the trace where one was asked for. A folder
 * without a log has nothing to tell. Failures are warnings. */
void report_leave(const char *run_dir, const char *trace);

#endif
