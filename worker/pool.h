/* pool.h - the slots of a worker rank: batches go in, results come out.
 *
 *     pool_create --> pool_start (while pool_free_count) --> pool_collect --> pool_destroy
 *
 * A slot runs its batch in this process, when pool_collect() is called: there is one.
 *
 * Ownership: a batch's spans are copied; its inputs must stay until it was collected. A result is
 *            the pool's, and valid until the next call of pool_start() or pool_collect().
 * Threads:   one.
 */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "worker/runner.h"

#define POOL_BATCH_SPAN_COUNT_MAX 64

struct pool; /* fields: pool.c */

struct pool_result {
    uint64_t lease;
    struct batch_result result;
};

/* Runs the job's setup, whose failure is the pool's. */
MUST_CHECK enum status pool_create(const struct job *job, const struct runner_options *options,
                                   struct pool **pool_out, struct error *err);
/* Runs the job's teardown. NULL is allowed. */
void pool_destroy(struct pool *pool);

uint32_t pool_slot_count(const struct pool *pool);
uint32_t pool_free_count(const struct pool *pool);
void pool_start(struct pool *pool, uint64_t lease, const struct batch *batch);

/* A batch that has ended. False when there is none. STATUS_NO_MEMORY: its frame found no room. */
MUST_CHECK enum status pool_collect(struct pool *pool, struct pool_result *result_out,
                                    bool *is_result_out);

#endif
