#include "worker/pool_private.h"

#include <signal.h>

#include "shared/clock.h"
#include "worker/limits.h"

/* How often a busy slot is looked at where attempts have a time limit. */
#define WATCH_INTERVAL_US 20000
/* The same for memory: soon enough to see growth of 1 GiB/s when it reaches the limit, */
#define WEIGH_INTERVAL_US_MIN 1000
#define WEIGH_INTERVAL_US_MAX 50000
#define GROWTH_BYTES_PER_US 1074
/* and never so often that looking takes more than this part of the rank's time. */
#define WEIGH_TIME_DIVISOR 4

enum status pool_kill(struct pool *pool, struct slot *slot, struct error *err)
{
    slot->is_kill_sent = true;
    return zygote_signal(pool->options.zygote, slot->executor, SIGKILL, err);
}

/* Start nothing of the batch that stands behind this one. False where the executor has gone on to
 * it. */
static bool hold_back_next(struct slot *slot, const struct slot_batch *batch)
{
    struct slot_batch *last = slot_last(slot);
    if (last == batch) {
        return true;
    }
    const bool is_held_back = channel_trim(&last->channel) == 0;
    last->is_trimmed = last->is_trimmed || is_held_back; /* else its rest has yet to go back */
    return is_held_back;
}

/* The instance with this number in the batch is charged; none after it is started. False where the
 * executor has just left the batch: then nothing is charged, and it is looked at again. */
MUST_CHECK static bool doom(struct slot *slot, struct slot_batch *batch, enum doom why, uint64_t at)
{
    if (!hold_back_next(slot, batch)) {
        return false;
    }
    slot->doom = why;
    slot->doomed = batch;
    (void)channel_trim(&batch->channel);
    slot->doomed_at = at < batch->instance_count ? at : batch->instance_count;
    return true;
}

static uint64_t later(uint64_t now_us, uint64_t by_us)
{
    return by_us < UINT64_MAX - now_us ? now_us + by_us : UINT64_MAX;
}

static enum status doom_gently(struct pool *pool, struct slot *slot, struct slot_batch *batch,
                               enum doom why, uint64_t kill_us, struct error *err)
{
    if (!doom(slot, batch, why, channel_done(&batch->channel))) {
        return STATUS_OK;
    }
    slot->kill_us = kill_us;
    return zygote_signal(pool->options.zygote, slot->executor, SIGTERM, err);
}

/* ---- Memory -----------------------------------------------------------------------------------
 */

/* All slots together take at most a part of the rank's time, whatever a look costs. */
static uint64_t weigh_interval_us(const struct pool *pool, uint64_t mem, uint64_t held,
                                  uint64_t cost_us)
{
    const uint64_t growing_us = held < mem ? (mem - held) / GROWTH_BYTES_PER_US : 0;
    const uint64_t affordable_us = cost_us * WEIGH_TIME_DIVISOR * pool->options.offer->slot_count;
    uint64_t interval_us = growing_us > WEIGH_INTERVAL_US_MIN ? growing_us : WEIGH_INTERVAL_US_MIN;
    interval_us = interval_us < WEIGH_INTERVAL_US_MAX ? interval_us : WEIGH_INTERVAL_US_MAX;
    return interval_us > affordable_us ? interval_us : affordable_us;
}

/* What grows is killed at once: with time to clean up it would grow on. The instance that held too
 * much is the one that ran before and after the look; where another has begun meanwhile, a further
 * look decides. */
static enum status watch_memory(struct pool *pool, struct slot *slot, uint64_t now_us,
                                struct error *err)
{
    const uint64_t mem = slot->mem;
    if (mem == 0 || slot->pid == 0 || slot->is_kill_sent || now_us < slot->weigh_us) {
        return STATUS_OK;
    }
    struct slot_batch *batch = slot_running(slot);
    const uint64_t start_us = clock_us();
    const uint64_t at = channel_done(&batch->channel);
    const uint64_t held = limits_held(slot->pid, mem);
    const uint64_t end_us = clock_us();
    slot->weigh_us = end_us + weigh_interval_us(pool, mem, held, end_us - start_us);
    if (held <= mem || channel_done(&batch->channel) != at || at >= batch->instance_count) {
        return STATUS_OK;
    }
    if (slot->doom == DOOM_NONE) {
        if (!doom(slot, batch, DOOM_MEMORY, at)) {
            return STATUS_OK;
        }
    }
    return pool_kill(pool, slot, err);
}

/* ---- Time -------------------------------------------------------------------------------------
 */

/* The attempt that runs is seen to have begun when the batch was, or when the one before it had
 * ended. */
static void see_attempt(struct slot *slot, struct slot_batch *batch, uint64_t now_us)
{
    const uint64_t done = channel_done(&batch->channel);
    if (!batch->is_begin_seen) {
        slot->seen_us = channel_began_us(&batch->channel, batch->put_us, now_us);
        batch->is_begin_seen = slot->seen_us < now_us;
    }
    if (done != slot->seen_done) {
        slot->seen_done = done;
        slot->seen_us = now_us;
    }
    /* The time of an attempt counts from when it has its files: others may have been before it in
     * waiting for the same. */
    const uint64_t staged_us = channel_staged_us(&batch->channel);
    if (staged_us > slot->seen_us && staged_us <= now_us) {
        slot->seen_us = staged_us;
    }
}

static enum status watch_time(struct pool *pool, struct slot *slot, uint64_t now_us,
                              struct error *err)
{
    struct slot_batch *batch = slot_running(slot);
    const uint64_t timeout_us = batch->map->wire->options.timeout_ns / 1000;
    const uint64_t grace_us = pool->options.start->options.grace_ns / 1000;
    if (slot->doom != DOOM_NONE) {
        const bool is_over = now_us >= slot->kill_us || channel_has_ended(&slot->doomed->channel);
        return is_over && !slot->is_kill_sent ? pool_kill(pool, slot, err) : STATUS_OK;
    }
    if (now_us >= slot->term_us) {
        return doom_gently(pool, slot, batch, DOOM_CANCEL, later(now_us, slot->cancel_grace_us),
                           err);
    }
    if (timeout_us == 0 || batch != slot_first(slot)) {
        return STATUS_OK; /* the first is about to be taken, and what was seen is of it */
    }
    if (pool->options.start->remote_size > 0 && channel_waits(&batch->channel)) {
        return STATUS_OK; /* bounded by what a server may take */
    }
    see_attempt(slot, batch, now_us);
    return now_us - slot->seen_us >= timeout_us
               ? doom_gently(pool, slot, batch, DOOM_TIMEOUT, later(now_us, grace_us), err)
               : STATUS_OK;
}

enum status pool_watch(struct pool *pool, struct slot *slot, uint64_t now_us, struct error *err)
{
    const enum status status = watch_memory(pool, slot, now_us, err);
    return status == STATUS_OK ? watch_time(pool, slot, now_us, err) : status;
}

/* ---- The map's end, and when to look again ----------------------------------------------------
 */

/* An attempt that is being ended already may be so sooner now, but for the reason that it had. */
static enum status cancel_slot(struct pool *pool, struct slot *slot, const struct wire_cancel *how,
                               uint64_t now_us, struct error *err)
{
    const uint64_t term_us = later(now_us, how->run_on_us);
    const uint64_t kill_us = later(term_us, how->grace_us);
    struct slot_batch *batch = slot_running(slot);
    (void)hold_back_next(slot, batch);
    (void)channel_trim(&batch->channel);
    batch->is_trimmed = true;
    if (slot->doom == DOOM_NONE && channel_has_ended(&slot_last(slot)->channel)) {
        return STATUS_OK;
    }
    if (slot->doom == DOOM_NONE && kill_us == now_us) {
        (void)!doom(slot, batch, DOOM_CANCEL, channel_done(&batch->channel));
    }
    if (slot->doom == DOOM_NONE && term_us < slot->term_us) {
        slot->term_us = term_us;
        slot->cancel_grace_us = how->grace_us;
    } else if (slot->doom != DOOM_NONE && kill_us < slot->kill_us) {
        slot->kill_us = kill_us;
    }
    return pool_watch(pool, slot, now_us, err);
}

enum status pool_cancel(struct pool *pool, const struct pool_map *map,
                        const struct wire_cancel *how, uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < pool->options.offer->slot_count && status == STATUS_OK; i++) {
        struct slot *slot = &pool->slots[i];
        if (pool->options.zygote == NULL || slot->state != SLOT_BUSY) {
            continue;
        }
        if (map == NULL || slot_running(slot)->map == map) {
            status = cancel_slot(pool, slot, how, now_us, err);
        } else if (slot_last(slot)->map == map) {
            (void)hold_back_next(slot, slot_running(slot));
        }
    }
    return status;
}

/* Number of an instance within the slot's batch; false where it is not in it. */
static bool find_in_batch(const struct slot_batch *batch, uint64_t index, uint64_t *at_out)
{
    uint64_t at = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        if (index >= span->start && index - span->start < span->count) {
            *at_out = at + (index - span->start);
            return true;
        }
        at += span->count;
    }
    return false;
}

/* In one of the slot's batches, where the instance may be in it. */
static enum status end_in_batch(struct pool *pool, struct slot *slot, struct slot_batch *batch,
                                const struct wire_end *end, uint64_t now_us, struct error *err)
{
    const uint64_t grace_us = pool->options.start->options.grace_ns / 1000;
    uint64_t at;
    if (channel_has_ended(&batch->channel) || !find_in_batch(batch, end->index, &at)) {
        return STATUS_OK;
    }
    if (at < channel_done(&batch->channel) || channel_trim(&batch->channel) <= at) {
        return STATUS_OK; /* it has its result, or is not started */
    }
    return end->is_stop ? doom_gently(pool, slot, batch, DOOM_STOP, later(now_us, grace_us), err)
                        : doom_gently(pool, slot, batch, DOOM_END, now_us, err);
}

enum status pool_end(struct pool *pool, const struct pool_map *map, const struct wire_end *end,
                     uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < pool->options.offer->slot_count && pool->options.zygote != NULL; i++) {
        struct slot *slot = &pool->slots[i];
        for (size_t k = 0; k < SLOT_BATCH_COUNT && status == STATUS_OK; k++) {
            struct slot_batch *batch = &slot->batches[k];
            const bool is_held =
                slot->state == SLOT_BUSY &&
                (slot->batch_count == SLOT_BATCH_COUNT || batch == slot_last(slot));
            if (is_held && batch->map == map && batch->lease == end->lease &&
                slot->doom == DOOM_NONE) {
                status = end_in_batch(pool, slot, batch, end, now_us, err);
            }
        }
    }
    return status;
}

uint64_t pool_deadline_us(const struct pool *pool)
{
    uint64_t deadline_us = UINT64_MAX;
    bool is_watched = false;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_RETIRING && !slot->is_kill_sent && slot->retire_us < deadline_us) {
            deadline_us = slot->retire_us;
        }
        if (slot->state != SLOT_BUSY) {
            continue;
        }
        is_watched = is_watched || slot->doom != DOOM_NONE ||
                     slot_first(slot)->map->wire->options.timeout_ns > 0 ||
                     slot_last(slot)->map->wire->options.timeout_ns > 0;
        if (slot->doom == DOOM_NONE && slot->term_us < deadline_us) {
            deadline_us = slot->term_us;
        }
        if (slot->mem > 0 && slot->pid != 0 && !slot->is_kill_sent &&
            slot->weigh_us < deadline_us) {
            deadline_us = slot->weigh_us;
        }
    }
    const uint64_t bound_us = pool_bound_deadline_us(pool);
    deadline_us = bound_us < deadline_us ? bound_us : deadline_us;
    const uint64_t reports_us = pool_reports_deadline_us(pool);
    deadline_us = reports_us < deadline_us ? reports_us : deadline_us;
    const uint64_t trim_us = pool_trim_deadline_us(pool);
    deadline_us = trim_us < deadline_us ? trim_us : deadline_us;
    const uint64_t watch_us = is_watched ? clock_us() + WATCH_INTERVAL_US : UINT64_MAX;
    return watch_us < deadline_us ? watch_us : deadline_us;
}
