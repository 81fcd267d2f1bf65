/* request.h - what a command line asks for: parsed, checked, and nothing of it started.
 *
 *     options_parse --> request_check --> (the run) --> request_free
 *
 * Ownership: the request owns its job, inputs and texts; options point into argv.
 * Failure:   whatever is wrong with a command line is found here, and named.
 */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/cache_options.h"
#include "cli/options.h"
#include "master/inputs.h"
#include "shared/error.h"
#include "shared/job.h"
#include "shared/map_options.h"
#include "worker/zygote.h"

/* All that rank 0 has checked before anything starts. */
struct request {
    struct options options;
    char launch_dir[PATH_MAX];
    struct job *job;
    const struct task *task;
    struct map_options map;
    struct inputs *inputs;
    uint64_t minimum;
    uint64_t slots;         /* of each rank; 0: by the machine */
    bool has_gpus_per_rank; /* --gpus-per-rank was given: */
    uint64_t gpus_per_rank;
    char *run_dir;
    struct cache_request cache;
    char job_digest[2 * JOB_DIGEST_SIZE + 1];
};

/* `options` are parsed; all the rest is filled in. The zygote loads the job, and this process does
 * not, unless attempts run in it too. */
MUST_CHECK enum status request_check(struct request *request, struct zygote *zygote,
                                     struct error *err);
void request_free(struct request *request);

#endif
