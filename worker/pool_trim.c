#include "worker/pool_private.h"

#include <string.h>

#include "shared/clock.h"

/* A batch that takes longer, some times what batches are cut for, holds an instance that is slow.
 */
#define TRIM_AFTER_US 10000

/* How long the slot's executor has been in the batch that it runs. */
static uint64_t ran_us(struct slot *slot, uint64_t now_us)
{
    const struct slot_batch *batch = slot_running(slot);
    return now_us - channel_began_us(&batch->channel, batch->put_us, now_us);
}

/* Of what may go back, the batch that stands last; NULL where there is none. */
static struct slot_batch *to_trim(struct slot *slot)
{
    if (slot->state != SLOT_BUSY || slot->doom != DOOM_NONE) {
        return NULL;
    }
    struct slot_batch *running = slot_running(slot);
    struct slot_batch *last = slot_last(slot);
    if (last != running && !last->is_trimmed) {
        return last;
    }
    return !running->is_trimmed && running->instance_count > 1 ? running : NULL;
}

/* Take what has not started out of the batch, and give it back at once: the slow instance may take
 * long. */
static bool trim(struct pool *pool, struct slot_batch *batch, struct pool_result *result)
{
    struct span kept_spans[CHANNEL_SPAN_COUNT_MAX];
    uint64_t kept = channel_trim(&batch->channel);
    kept = kept < batch->instance_count ? kept : batch->instance_count;
    batch->is_trimmed = true;
    pool_start_result(pool, result);
    result->map = batch->map;
    result->lease = batch->lease;
    result->goes_on = true;
    result->rest = pool->rest_spans;
    result->rest_count = pool_slice(batch, kept, batch->instance_count, pool->rest_spans);
    batch->span_count = pool_slice(batch, 0, kept, kept_spans);
    memcpy(batch->spans, kept_spans, batch->span_count * sizeof(*kept_spans));
    batch->instance_count = kept;
    return result->rest_count > 0;
}

/* Instances that the slot has not started. */
static uint64_t left_of(struct slot *slot)
{
    uint64_t left = 0;
    for (size_t i = 0; i < SLOT_BATCH_COUNT; i++) {
        const struct slot_batch *batch = &slot->batches[i];
        const bool is_held = slot->batch_count == SLOT_BATCH_COUNT || batch == slot_first(slot);
        const uint64_t claimed = is_held ? channel_claimed(&batch->channel) : 0;
        left += is_held && claimed < batch->instance_count ? batch->instance_count - claimed : 0;
    }
    return left;
}

bool pool_trim(struct pool *pool, uint64_t now_us, struct pool_result *result_out)
{
    struct slot *most = NULL;
    uint64_t most_left = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        const bool may = to_trim(slot) != NULL && ran_us(slot, now_us) >= TRIM_AFTER_US;
        const uint64_t left = may ? left_of(slot) : 0;
        if (left > most_left) {
            most_left = left;
            most = slot;
        }
    }
    return most != NULL && trim(pool, to_trim(most), result_out);
}

bool pool_trim_late(struct pool *pool, struct slot *slot, uint64_t now_us,
                    struct pool_result *result_out)
{
    struct slot_batch *batch = to_trim(slot);
    return batch != NULL && ran_us(slot, now_us) >= POOL_BATCH_US_MAX &&
           trim(pool, batch, result_out);
}

uint64_t pool_trim_deadline_us(const struct pool *pool)
{
    const uint64_t now_us = clock_us();
    uint64_t deadline_us = UINT64_MAX;
    if (pool->options.zygote == NULL) {
        return deadline_us;
    }
    const uint64_t after_us = pool_free_count(pool) > 0 ? TRIM_AFTER_US : POOL_BATCH_US_MAX;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (to_trim(slot) == NULL || left_of(slot) == 0) {
            continue;
        }
        const uint64_t due_us = now_us - ran_us(slot, now_us) + after_us;
        deadline_us = due_us < deadline_us ? due_us : deadline_us;
    }
    return deadline_us;
}
