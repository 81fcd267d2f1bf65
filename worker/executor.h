/* executor.h - the life of one executor process, and what it is told at its start.
 *
 *     setup --> batch, batch, ... --> its rank closes the doorbell, or kills it
 *
 * Ownership: all is the process's own. The job was loaded before it was forked.
 */
#ifndef WORKER_EXECUTOR_H
#define WORKER_EXECUTOR_H

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"
#include "shared/wire.h"
#include "worker/runner.h"
#include "worker/zygote.h"

/* Descriptors of an executor, in the order in which the rank hands them over. */
enum executor_fd {
    EXECUTOR_CHANNEL,       /* batches come by these two in turns */
    EXECUTOR_CHANNEL_AHEAD, /* only the first of them says what is said once (channel.h) */
    EXECUTOR_BELL,
    EXECUTOR_RANK_BELL,
    EXECUTOR_STDOUT, /* these two become standard output and error; */
    EXECUTOR_STDERR, /* they are files in memory where that is captured (capture.h) */
    EXECUTOR_FD_COUNT
};

/* Set this process's environment, and run the job's setup, as an attempt of nothing. Its text is
 * that of its failure. */
MUST_CHECK enum status executor_set_up(const struct job *job, const struct runner_options *options,
                                       void **state_out, struct error *err);

/* Go to the launch directory, load the job that START names, and see that it has the task of
 * START's map. `library` is where the job lies here; "": where it lies for rank 0. NO_JOB where it
 * doesn't, or another does; a host without the launch directory is refused, too. The job is the
 * caller's. */
MUST_CHECK enum status executor_load(const struct wire_start *start, const char *library,
                                     struct job **job_out, struct error *err);

/* A map, as a runner has to know it. NOT_FOUND where the job has no such task. */
MUST_CHECK enum status executor_map(const struct job *job, const struct wire_map *map,
                                    struct runner_map *map_out, struct error *err);

/* The rank whose attempts these are, and its slot of them, from 1. */
struct executor_place {
    uint32_t rank;
    uint32_t slot;
};

/* What START says of how tasks run; cpus, channel and state are the caller's to fill in. Working
 * directories have this process's folder for the slot, which is emptied. */
struct runner_options executor_runner_options(const struct wire_start *start,
                                              struct executor_place place);

/* The rank's side of PREPARE: have the zygote load what START, encoded here, names; `library` as
 * for executor_load(), of a job that was sent. */
MUST_CHECK enum status executor_prepare(struct zygote *zygote, uint32_t rank,
                                        const struct buffer *start, const char *library,
                                        struct error *err);

/* Where working directories are kept; "" where none was made that is kept. Valid until the next
 * call. */
const char *executor_kept_workdirs(void);
/* Remove all others, and what was fetched (staging.h). For the rank, when no executor is left. */
void executor_remove_workdirs(void);

/* Ring an eventfd. */
void executor_ring(int bell);

/* What a zygote and its executors run. Lives as long as the process. Called before the zygote is
 * forked, so that both know the name of the folder for working directories. */
struct zygote_duties executor_duties(void);

#endif
