/* What running attempts report of their metric. Executors put reports into their channels; a rank
 * that finds some looks again every few milliseconds for as long as there are more, so that
 * executors need not ring for each. */
#include "worker/pool_private.h"

#include "shared/memory.h"

/* While reports come, the pool looks for more so often. */
#define LOOK_INTERVAL_US 10000
#define TAKE_COUNT 256

static void add_report(struct pool *pool, const struct slot_batch *batch,
                       const struct channel_report *report)
{
    struct span place = {.count = 0};
    if (report->at >= batch->instance_count ||
        pool_slice(batch, report->at, report->at + 1, &place) != 1) {
        return; /* somebody has written over the channel */
    }
    pool->reports = memory_grow(pool->reports, pool->report_count, &pool->report_capacity,
                                sizeof(*pool->reports));
    pool->reports[pool->report_count++] =
        (struct pool_report){.map = batch->map,
                             .report = {.lease = batch->lease,
                                        .index = place.start,
                                        .attempt = place.attempt,
                                        .step = report->step,
                                        .value = report->value,
                                        .is_hint = report->is_hint != 0}};
}

/* Gives whether there were any. */
static bool take_all(struct pool *pool, struct slot_batch *batch)
{
    struct channel_report reports[TAKE_COUNT];
    size_t count = channel_take_reports(&batch->channel, reports, TAKE_COUNT);
    const bool is_any = count > 0;
    while (count > 0) {
        for (size_t i = 0; i < count; i++) {
            add_report(pool, batch, &reports[i]);
        }
        count = count < TAKE_COUNT ? 0 : channel_take_reports(&batch->channel, reports, TAKE_COUNT);
    }
    return is_any;
}

void pool_take_last_reports(struct pool *pool, struct slot_batch *batch)
{
    if (pool_has_metric(batch->map)) {
        (void)take_all(pool, batch);
        channel_watch_reports(&batch->channel, false);
    }
}

static void look(struct pool *pool, struct slot_batch *batch, uint64_t now_us)
{
    if (take_all(pool, batch)) {
        channel_watch_reports(&batch->channel, true);
        batch->look_us = now_us + LOOK_INTERVAL_US;
    } else if (channel_are_reports_watched(&batch->channel) && now_us >= batch->look_us) {
        channel_watch_reports(&batch->channel, false);
        (void)take_all(pool, batch);
    }
}

static bool is_held(struct slot *slot, const struct slot_batch *batch)
{
    return slot->state == SLOT_BUSY &&
           (slot->batch_count == SLOT_BATCH_COUNT || batch == slot_first(slot));
}

void pool_look_for_reports(struct pool *pool, struct slot *slot, uint64_t now_us)
{
    for (size_t i = 0; i < SLOT_BATCH_COUNT; i++) {
        struct slot_batch *batch = &slot->batches[i];
        if (is_held(slot, batch) && pool_has_metric(batch->map)) {
            look(pool, batch, now_us);
        }
    }
}

uint64_t pool_reports_deadline_us(const struct pool *pool)
{
    uint64_t deadline_us = UINT64_MAX;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        for (size_t k = 0; k < SLOT_BATCH_COUNT; k++) {
            const struct slot_batch *batch = &slot->batches[k];
            if (is_held(slot, batch) && pool_has_metric(batch->map) &&
                channel_are_reports_watched(&batch->channel) && batch->look_us < deadline_us) {
                deadline_us = batch->look_us;
            }
        }
    }
    return deadline_us;
}

size_t pool_take_reports(struct pool *pool, const struct pool_report **reports_out)
{
    const size_t count = pool->report_count;
    *reports_out = pool->reports;
    pool->report_count = 0;
    return count;
}
