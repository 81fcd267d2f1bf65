/* runner.h - runs the instances of a batch, one after the other, in this process.
 *
 *     runner_create --> runner_run, for each batch --> runner_destroy
 *
 * Outputs are packed and compressed where they are made: a batch ends as one LZ4 frame, a bit an
 * instance, and a failure for each instance without success.
 *
 * Ownership: the task, the paths and the state belong to the caller and outlive the runner. A
 *            result is the runner's, and valid until the next run.
 * Threads:   one.
 * Failure:   of an attempt, its own; of the runner (no memory for a frame), STATUS_NO_MEMORY.
 */
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/formula.h"
#include "shared/job.h"
#include "shared/map_options.h"
#include "shared/report.h"
#include "shared/span.h"

struct runner; /* fields: runner.c */

struct runner_options {
    const struct task *task;
    struct map_options map; /* seed, largest output */
    struct formula formula; /* of the inputs; FORMULA_NONE where batches carry them */
    uint64_t map_size;
    const char *run_dir;
    const char *launch_dir;
    void *state; /* of the job's setup */
};

struct batch {
    const struct span *spans;
    size_t span_count;
    uint64_t instance_count;
    const uint8_t *inputs; /* packed elements, one after the other; none for a formula */
    size_t inputs_size;
};

/* What became of a batch. Slot and times are the caller's to fill in. */
struct batch_result {
    struct report_batch batch;
    const struct report_failure *failures;
    size_t failure_count;
};

MUST_CHECK enum status runner_create(const struct runner_options *options,
                                     struct runner **runner_out);
void runner_destroy(struct runner *runner); /* NULL is allowed */

MUST_CHECK enum status runner_run(struct runner *runner, const struct batch *batch,
                                  struct batch_result *result_out);

#endif
