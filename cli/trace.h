/* trace.h - a run as trace events (JSON), which Perfetto and chrome://tracing open: ranks are
 * processes, slots threads; see docs/report.md.
 *
 * Memory:  none to speak of: the log is read twice, and written as it is read.
 * Failure: text with the path. A file that is cut off by one is left, since viewers read it so.
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <stdbool.h>

#include "shared/error.h"

/* `is_quick` as chronicle_open() has it. `path` "-" is standard output. NOT_FOUND: no log. */
MUST_CHECK enum status trace_write(const char *run_dir, bool is_quick, const char *path,
                                   struct error *err);

#endif
