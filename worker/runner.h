/* runner.h - runs the instances of a batch, one after the other, in this process.
 *
 *     runner_create --> runner_turn_to for each map, runner_use, runner_run for each batch
 *                   --> runner_destroy
 *
 * A channel holds the batch and takes the results (channel.h): outputs are packed into it as they
 * are made, a bit says success, and at the end they are compressed to one LZ4 frame. Where the map
 * is reduced they are folded first (fold.h).
 *
 * Ownership: the task, the paths, the state and the channels belong to the caller and outlive the
 *            runner.
 * Threads:   one.
 * Failure:   of an attempt, its own. A channel that somebody has written over ends the process by
 *            abort(), in the attempt that did it.
 */
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/context.h"
#include "shared/environment.h"
#include "shared/error.h"
#include "shared/formula.h"
#include "shared/job.h"
#include "shared/map_options.h"
#include "shared/remote_settings.h"
#include "worker/channel.h"
#include "worker/printed.h"

struct runner; /* fields: runner_private.h */

/* What is of one map. The texts outlive its batches. */
struct runner_map {
    uint64_t number;
    const struct task *task;
    struct map_options options; /* seed, memory */
    struct formula formula;     /* of the inputs; FORMULA_NONE where batches carry them */
    uint64_t size;
    const uint8_t *key_base; /* as MAP said */
    size_t key_base_size;
    const char *metric; /* as MAP said */
    bool needs_report;
    const struct job *job; /* whose reducer it may be */
    const char *reducer;   /* as MAP said; NULL, "": it is not reduced */
};

struct runner_options {
    uint64_t output_size_max; /* bytes of one output */
    enum map_capture capture;
    uint64_t cpus;     /* of an attempt */
    uint64_t map_size; /* that a setup is told */
    const char *run_dir;
    const char *launch_dir;
    const char *files_to; /* as START says */
    const char *files_tag;
    struct remote_settings remote;
    const char *workdirs;      /* folder of working directories */
    const char *kept_workdirs; /* the same where they stay; NULL: they do not */
    uint32_t rank;
    uint32_t slot;         /* from 1 */
    uint64_t batch_us_max; /* nothing more of a batch is started after it; UINT64_MAX: no bound */
    void *state;           /* of the job's setup */
    const mf_value *constant; /* what the map gives to all instances; NULL: nothing */
    bool is_printed;          /* what attempts print by mf_print() is wanted */
    struct channel *channel;  /* until runner_use() */
    int rank_bell;            /* wakes the rank; 0: there is none to wake */
    struct printed *printed;  /* NULL: what attempts print is not looked at */
};

MUST_CHECK enum status runner_create(const struct runner_options *options,
                                     struct runner **runner_out);
void runner_destroy(struct runner *runner); /* NULL is allowed */

/* The next batches are of this map. On failure, which is one of memory, none may be run. */
MUST_CHECK enum status runner_turn_to(struct runner *runner, const struct runner_map *map);

/* What these options say of the process, and of the context of every attempt and of a setup, in a
 * map of that size. */
struct environment runner_environment(const struct runner_options *options, uint64_t map_size);
void runner_fill_context(const struct runner_options *options, struct mf_context *context);

/* The next batch is in this channel. */
void runner_use(struct runner *runner, struct channel *channel);

/* Run the batch that was put last into the channel, as far as it can be claimed, and finish it. */
void runner_run(struct runner *runner);

/* Attempts have left so much memory behind that this process should run no further one. */
bool runner_is_spent(const struct runner *runner);

#endif
