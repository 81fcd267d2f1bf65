#include "worker/pool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/context.h"
#include "shared/memory.h"

struct pool {
    const struct job *job;
    void *state; /* of the job's setup */
    bool is_set_up;
    struct runner *runner;
    bool is_busy;
    uint64_t lease;
    struct batch batch;
    struct span spans[POOL_BATCH_SPAN_COUNT_MAX];
    uint64_t created_us;
};

/* A setup is an attempt of nothing: it may fail with a text, and has no index. */
static enum status set_up(struct pool *pool, struct error *err)
{
    if (pool->job->setup == NULL) {
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    struct writer *writer = NULL;
    struct mf_context *context = memory_take(1, sizeof(*context));
    status = writer_create(0, &writer);
    if (status != STATUS_OK) {
        goto done;
    }
    context->task = "setup";
    context->writer = writer;
    if (pool->job->setup(context, &pool->state) != MF_OK) {
        status = error_set(err, STATUS_INVALID, "the setup of job %s failed: %.*s", pool->job->name,
                           (int)context->text_size, context->text);
    }
    context_end(context);

done:
    writer_destroy(writer);
    free(context);
    pool->is_set_up = status == STATUS_OK;
    return status;
}

enum status pool_create(const struct job *job, const struct runner_options *options,
                        struct pool **pool_out, struct error *err)
{
    struct pool *pool = memory_take(1, sizeof(*pool));
    pool->job = job;
    pool->created_us = clock_us();
    enum status status = set_up(pool, err);
    if (status != STATUS_OK) {
        goto fail;
    }
    struct runner_options runner_options = *options;
    runner_options.state = pool->state;
    status = runner_create(&runner_options, &pool->runner);
    if (status != STATUS_OK) {
        (void)error_set(err, status, "no memory to run tasks in");
        goto fail;
    }
    *pool_out = pool;
    return STATUS_OK;

fail:
    pool_destroy(pool);
    return status;
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    runner_destroy(pool->runner);
    if (pool->is_set_up && pool->job->teardown != NULL) {
        pool->job->teardown(pool->state);
    }
    free(pool);
}

uint32_t pool_slot_count(const struct pool *pool)
{
    (void)pool;
    return 1;
}

uint32_t pool_free_count(const struct pool *pool)
{
    return pool->is_busy ? 0 : 1;
}

void pool_start(struct pool *pool, uint64_t lease, const struct batch *batch)
{
    assert(!pool->is_busy);
    assert(batch->span_count <= POOL_BATCH_SPAN_COUNT_MAX);
    memcpy(pool->spans, batch->spans, batch->span_count * sizeof(*batch->spans));
    pool->batch = *batch;
    pool->batch.spans = pool->spans;
    pool->lease = lease;
    pool->is_busy = true;
}

enum status pool_collect(struct pool *pool, struct pool_result *result_out, bool *is_result_out)
{
    *is_result_out = false;
    if (!pool->is_busy) {
        return STATUS_OK;
    }
    const uint64_t started_us = clock_us();
    const enum status status = runner_run(pool->runner, &pool->batch, &result_out->result);
    if (status != STATUS_OK) {
        return status;
    }
    result_out->lease = pool->lease;
    result_out->result.batch.slot = 0;
    result_out->result.batch.started_us = started_us - pool->created_us;
    result_out->result.batch.elapsed_us = clock_us() - started_us;
    pool->is_busy = false;
    *is_result_out = true;
    return STATUS_OK;
}
