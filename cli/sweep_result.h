/* sweep_result.h - what is said of a sweep after it, and the file best.json.
 *
 * best.json is an object, replaced as a whole: index (the first instance of the configuration),
 * value, parameters, goal, metric and state; with several seeds also seeds and spread. There is
 * none where no trial that ended has a finite value.
 */
#ifndef CLI_SWEEP_RESULT_H
#define CLI_SWEEP_RESULT_H

#include "master/run_file.h"

#define SWEEP_BEST_NAME "best.json"

/* Write best.json, and tell on standard error of the five best, of how many failed or were stopped
 * early, and of how much each parameter matters. What goes wrong is warned of. Nothing where `run`,
 * which is as run.json has it, is no sweep with a metric. */
void sweep_result_tell(const char *run_dir, const struct run_description *run);

#endif
