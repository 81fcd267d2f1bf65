#include "worker/pool_private.h"

#include <string.h>

#include "shared/clock.h"

/* A batch that takes longer, some times what batches are cut for, holds an instance that is slow.
 */
#define TRIM_AFTER_US 10000

/* Has the batch run for so long since its executor took it up, with more than one instance? */
static bool may_trim(const struct slot *slot, uint64_t after_us, uint64_t now_us)
{
    return slot->state == SLOT_BUSY && slot->doom == DOOM_NONE && !slot->is_trimmed &&
           slot->instance_count > 1 &&
           now_us >= channel_began_us(&slot->channel, slot->started_us, now_us) + after_us;
}

/* Take what has not started out of the slot's batch, and give it back at once: the slow instance
 * may take long. */
static bool trim(struct pool *pool, struct slot *slot, struct pool_result *result)
{
    struct span kept_spans[CHANNEL_SPAN_COUNT_MAX];
    uint64_t kept = channel_trim(&slot->channel);
    kept = kept < slot->instance_count ? kept : slot->instance_count;
    slot->is_trimmed = true;
    pool_start_result(pool, result);
    result->lease = slot->lease;
    result->goes_on = true;
    result->rest = pool->rest_spans;
    result->rest_count = pool_slice(slot, kept, slot->instance_count, pool->rest_spans);
    slot->span_count = pool_slice(slot, 0, kept, kept_spans);
    memcpy(slot->spans, kept_spans, slot->span_count * sizeof(*kept_spans));
    slot->instance_count = kept;
    return result->rest_count > 0;
}

bool pool_trim(struct pool *pool, uint64_t now_us, struct pool_result *result_out)
{
    struct slot *most = NULL;
    uint64_t most_left = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        const uint64_t claimed = slot->state == SLOT_BUSY ? channel_claimed(&slot->channel) : 0;
        if (may_trim(slot, TRIM_AFTER_US, now_us) && claimed < slot->instance_count &&
            slot->instance_count - claimed > most_left) {
            most_left = slot->instance_count - claimed;
            most = slot;
        }
    }
    return most != NULL && trim(pool, most, result_out);
}

bool pool_trim_late(struct pool *pool, struct slot *slot, uint64_t now_us,
                    struct pool_result *result_out)
{
    return may_trim(slot, POOL_BATCH_US_MAX, now_us) && trim(pool, slot, result_out);
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
        const struct slot *slot = &pool->slots[i];
        if (!may_trim(slot, 0, now_us)) {
            continue;
        }
        const uint64_t began_us = channel_began_us(&slot->channel, slot->started_us, now_us);
        if (began_us + after_us < deadline_us) {
            deadline_us = began_us + after_us;
        }
    }
    return deadline_us;
}
