/* report_sweep.h - what the page of a report shows of a sweep's trials: their parameters, and what
 * they reported.
 *
 * A JSON object: `metric` (its name, or null) and `maximise`; `parameters`, their names; `count`,
 * how many trials there are; and `trials`, of at most REPORT_TRIAL_COUNT_MAX the first: each a list
 * of its index, its state (or null), its value (or null) and the values of its parameters, null
 * where one was left out.
 */
#ifndef CLI_REPORT_SWEEP_H
#define CLI_REPORT_SWEEP_H

#include "master/run_file.h"
#include "shared/buffer.h"
#include "shared/error.h"

#define REPORT_TRIAL_COUNT_MAX 5000

/* `run` is of a sweep. As it may stand in a <script>. */
MUST_CHECK enum status report_sweep(const char *run_dir, const struct run_description *run,
                                    struct buffer *out, struct error *err);

#endif
