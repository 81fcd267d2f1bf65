/* sweep_sampler.h - the sampler of a sweep with method: adaptive, or bayes. */
#ifndef CLI_SWEEP_SAMPLER_H
#define CLI_SWEEP_SAMPLER_H

#include "cli/request.h"
#include "shared/error.h"

/* Once the request is checked, and only where trials are to run: request->adaptive is then a
 * sampler that is ready. Nothing for any other run. */
MUST_CHECK enum status sweep_start_sampler(struct request *request, struct error *err);

#endif
