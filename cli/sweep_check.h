/* sweep_check.h - `mapfleet sweep` as a request: checked as a map is, and taken up by a resume.
 *
 *     mapfleet sweep FILE.yaml          sweep_check (as request_check())
 *     mapfleet sweep FILE.yaml --resume the same, with the file as the run has recorded it
 *     mapfleet resume RUN               sweep_take_up, sweep_take_inputs, ... (cli/resume.c)
 *
 * Failure: whatever is wrong is found before anything starts, and named.
 */
#ifndef CLI_SWEEP_CHECK_H
#define CLI_SWEEP_CHECK_H

#include "cli/request.h"
#include "shared/error.h"

MUST_CHECK enum status sweep_check(struct request *request, struct error *err);

/* Of a recorded sweep: its file and its command, where request->recorded_options are those that it
 * was started with. */
MUST_CHECK enum status sweep_take_up(struct request *request, struct error *err);

/* Of a recorded sweep: its trials, or more of them where --trials says so (request->grows). Of
 * other runs, --trials is refused. */
MUST_CHECK enum status sweep_take_inputs(struct request *request, struct error *err);
/* Trials that are drawn from a seed keep it. Once request->map is known. */
MUST_CHECK enum status sweep_compare_seed(const struct request *request, struct error *err);

#endif
