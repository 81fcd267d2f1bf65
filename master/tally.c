#include "master/tally.h"

uint64_t tally_success_us(const struct report_batch *batch)
{
    if (batch->success_count == batch->instance_count) {
        return batch->elapsed_us;
    }
    return (uint64_t)((double)batch->elapsed_us * (double)batch->success_count /
                      (double)batch->instance_count);
}

void tally_batch(struct tally *tally, const struct report_batch *batch,
                 const struct report_failure *failures, size_t failure_count)
{
    tally->attempts += batch->instance_count;
    tally->success_count += batch->success_count;
    tally->success_us += tally_success_us(batch);
    for (size_t i = 0; i < batch->span_count; i++) {
        tally->retries += batch->spans[i].attempt > 0 ? batch->spans[i].count : 0;
    }
    for (size_t i = 0; i < failure_count; i++) {
        const bool is_aborted = failures[i].class == FAILURE_ABORTED;
        tally->attempts -= is_aborted ? 1 : 0;
        tally->retries -= is_aborted && failures[i].attempt > 0 ? 1 : 0;
    }
}

void tally_loss(struct tally *tally, const struct report_failure *failure)
{
    tally->attempts++;
    tally->retries += failure->attempt > 0 ? 1 : 0;
}

void tally_stop(struct tally *tally, uint64_t attempt)
{
    tally->attempts++;
    tally->retries += attempt > 0 ? 1 : 0;
}
