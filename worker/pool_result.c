#include "worker/pool_private.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/quantity.h"

/* After an executor has damaged its channel, so many batches have one instance each, so that the
 * instance that does it is found. */
#define SUSPICION_COUNT (UINT64_C(2) * CHANNEL_INSTANCE_COUNT_MAX)

size_t pool_slice(const struct slot_batch *batch, uint64_t from, uint64_t to,
                  struct span *spans_out)
{
    size_t count = 0;
    uint64_t at = 0;
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        const uint64_t start = from > at ? from : at;
        const uint64_t end = to < at + span->count ? to : at + span->count;
        if (start < end) {
            spans_out[count++] = (struct span){.start = span->start + (start - at),
                                               .count = end - start,
                                               .attempt = span->attempt};
        }
        at += span->count;
    }
    return count;
}

static void add_failure(void *context, const struct report_failure *failure)
{
    struct pool *pool = context;
    pool->failures = memory_grow(pool->failures, pool->failure_count, &pool->failure_capacity,
                                 sizeof(*pool->failures));
    pool->failures[pool->failure_count++] = *failure;
}

/* Is every failure that of an instance without success, in order? */
static bool failures_fit(const struct pool *pool, const struct slot_batch *batch,
                         const struct channel_result *found)
{
    const uint64_t count = found->instance_count;
    const uint8_t *bits = found->success_bits;
    size_t failed = 0;
    uint64_t at = 0;
    if (pool->failure_count == 0 && found->success_count == count) {
        return true; /* which is most often so, and needs no look at each */
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct span *span = &batch->spans[i];
        for (uint64_t k = 0; k < span->count && at < count; k++, at++) {
            if ((bits[at / 8] >> (at % 8) & 1) != 0) {
                continue;
            }
            if (failed == pool->failure_count || pool->failures[failed].index != span->start + k ||
                pool->failures[failed].attempt != span->attempt) {
                return false;
            }
            failed++;
        }
    }
    return failed == pool->failure_count;
}

void pool_start_result(struct pool *pool, struct pool_result *result)
{
    pool->failure_count = 0;
    buffer_clear(&pool->frame);
    *result = (struct pool_result){.lease = 0};
}

/* The first `count` instances have the results that stand in `found`. */
static void fill_batch(struct pool *pool, struct slot *slot, const struct channel_result *found,
                       uint64_t count, uint64_t now_us, struct pool_result *result)
{
    const struct slot_batch *batch = slot_first(slot);
    result->map = batch->map;
    result->lease = batch->lease;
    result->batch = (struct report_batch){
        .spans = pool->result_spans,
        .span_count = pool_slice(batch, 0, count, pool->result_spans),
        .instance_count = count,
        .success_count = found->success_count,
        .frame = found->success_count > 0 ? found->frame : NULL,
        .frame_size = found->success_count > 0 ? found->frame_size : 0,
        .slot = (uint32_t)(slot - pool->slots),
        .started_us = channel_began_us(&batch->channel, batch->put_us, now_us) - pool->created_us,
        .elapsed_us = channel_ran_us(&batch->channel, batch->put_us, now_us),
        .held_us = batch->held_us,
        .reads_place = channel_reads_place(&batch->channel),
        .partial_count = found->partial_count,
    };
    result->batch.times_size =
        channel_take_times(&batch->channel, count, result->batch.elapsed_us, pool->times);
    result->batch.times = result->batch.times_size > 0 ? pool->times : NULL;
    if (found->success_count < count) {
        memcpy(pool->bits, found->success_bits, (size_t)(count + 7) / 8);
        if (count % 8 != 0) {
            pool->bits[count / 8] &= (uint8_t)((1u << count % 8) - 1);
        }
        result->batch.success_bits = pool->bits;
    }
    result->failures = pool->failures;
    result->failure_count = pool->failure_count;
    result->rest = pool->rest_spans;
}

/* What the instances of the result have printed by mf_print(), of which the last may have no word
 * there. A copy where the channel goes with its executor. */
static void fill_prints(struct pool *pool, const struct slot_batch *batch, bool has_died,
                        struct report_batch *result)
{
    const uint64_t count = result->instance_count;
    const uint8_t *data = NULL;
    size_t size = 0;
    bool is_short = false;
    enum status status = channel_take_prints(&batch->channel, count, &data, &size);
    if (status != STATUS_OK && has_died && count > 0) {
        is_short = true;
        status = channel_take_prints(&batch->channel, count - 1, &data, &size);
    }
    if (status != STATUS_OK || (size == 0 && !is_short)) {
        return;
    }
    if (has_died) {
        static const uint8_t empty[] = {0xc4, 0}; /* of a msgpack bin */
        buffer_clear(&pool->prints);
        if (buffer_append(&pool->prints, data, size) != STATUS_OK ||
            (is_short && buffer_append(&pool->prints, empty, sizeof(empty)) != STATUS_OK)) {
            return;
        }
        data = pool->prints.data;
        size = pool->prints.size;
    }
    result->prints = data;
    result->prints_size = size;
}

/* Nothing of the batch can be believed, but for whose fault it was, where that is known. */
static void give_all_back(struct pool *pool, struct slot *slot, uint64_t culprit,
                          const struct report_failure *failure, uint64_t now_us,
                          struct pool_result *result)
{
    static const uint8_t none[1] = {0};
    const struct slot_batch *batch = slot_first(slot);
    const struct channel_result found = {.success_bits = none};
    pool_start_result(pool, result);
    pool->suspicion = SUSPICION_COUNT;
    fill_batch(pool, slot, &found, 0, now_us, result);
    result->rest_count = pool_slice(batch, 0, culprit, pool->rest_spans);
    if (culprit < batch->instance_count) {
        result->batch.span_count = pool_slice(batch, culprit, culprit + 1, pool->result_spans);
        result->batch.instance_count = 1;
        pool->bits[0] = 0;
        result->batch.success_bits = pool->bits;
        add_failure(pool, failure);
        pool->failures[0].index = pool->result_spans[0].start;
        pool->failures[0].attempt = pool->result_spans[0].attempt;
        result->failures = pool->failures;
        result->failure_count = 1;
        pool_keep_words(pool, batch, pool->failures[0].index, pool->failures[0].attempt);
        result->rest_count += pool_slice(batch, culprit + 1, batch->instance_count,
                                         pool->rest_spans + result->rest_count);
    }
}

/* A reducer that fails here is not tried again: no instance is to blame, and rank 0, which then
 * folds all outputs, comes upon the same failure, if it is one of these values. */
static void give_up_folding(struct pool_map *map, const char *why)
{
    if (!map->is_fold_off) {
        log_warning("a reducer failed map=%" PRIu64 " reducer=\"%s\": %s; outputs are sent one by "
                    "one, and reduced beside the master",
                    map->wire->number, map->wire->reducer, why);
    }
    map->is_fold_off = true;
}

static void mind_fold(const struct slot_batch *batch, const struct channel_result *found)
{
    struct error why;
    const char *reducer = batch->map->wire->reducer;
    const bool is_reduced = reducer != NULL && *reducer != '\0';
    if (is_reduced && found->success_count > 0 && found->partial_count == 0 &&
        channel_may_fold(&batch->channel)) {
        channel_fold_error(&batch->channel, &why);
        give_up_folding(batch->map, why.text);
    }
}

static bool is_fold_sound(const struct slot_batch *batch, const struct report_batch *result)
{
    const char *reducer = batch->map->wire->reducer;
    const bool is_reduced = reducer != NULL && *reducer != '\0';
    return result->partial_count == 0 || (is_reduced && report_partials_fit(result));
}

/* The next one has been running since about now. */
static void slot_drop_first(struct slot *slot, uint64_t now_us)
{
    slot_first(slot)->map->batch_count--;
    slot->batch_count--;
    slot->seen_done = 0;
    slot->seen_us = now_us;
    if (slot->batch_count == 0) {
        slot->state = SLOT_FREE;
        slot->free_us = now_us;
    }
}

/* Partial values that became one, or did not. */
static void fill_fold(struct pool *pool, struct slot *slot, bool has_died,
                      struct pool_result *result)
{
    const struct slot_batch *batch = slot_first(slot);
    const uint8_t *frame = NULL;
    size_t frame_size = 0;
    struct error why;
    pool_start_result(pool, result);
    result->map = batch->map;
    result->is_fold = true;
    if (!has_died && channel_take_fold(&batch->channel, &frame, &frame_size)) {
        result->batch.frame = frame;
        result->batch.frame_size = frame_size;
    } else if (!has_died) {
        channel_fold_error(&batch->channel, &why);
        give_up_folding(batch->map, why.text);
    }
}

enum status pool_take_ended(struct pool *pool, struct slot *slot, uint64_t now_us,
                            struct pool_result *result, bool *is_result, struct error *err)
{
    struct channel_result found;
    struct error reason;
    struct slot_batch *batch = slot_first(slot);
    if (batch->is_fold) {
        fill_fold(pool, slot, false, result);
        slot_drop_first(slot, now_us);
        *is_result = true;
        return STATUS_OK;
    }
    pool_start_result(pool, result);
    pool_take_last_reports(pool, batch);
    if (channel_take_result(&batch->channel, batch->instance_count, false, add_failure, pool,
                            &found, &reason) != STATUS_OK ||
        !failures_fit(pool, batch, &found) ||
        pool_take_kept(pool, batch, found.instance_count) != STATUS_OK) {
        return pool_kill(pool, slot, err); /* its end will tell the rest */
    }
    fill_batch(pool, slot, &found, found.instance_count, clock_us(),
               result); /* it has ended since */
    if (!is_fold_sound(batch, &result->batch)) {
        return pool_kill(pool, slot, err);
    }
    mind_fold(batch, &found);
    fill_prints(pool, batch, false, &result->batch);
    result->rest_count =
        pool_slice(batch, found.instance_count, batch->instance_count, pool->rest_spans);
    slot_drop_first(slot, now_us);
    *is_result = true;
    return STATUS_OK;
}

/* ---- Of an executor that has died -----------------------------------------------------------
 */

static struct report_failure failure_of_end(struct pool *pool, struct slot *slot,
                                            const struct slot_batch *batch)
{
    const int status = slot->wait_status;
    const enum doom doom = slot->doomed == batch ? slot->doom : DOOM_NONE;
    struct report_failure failure = {.class = FAILURE_EXIT, .text = pool->text};
    if (doom == DOOM_TIMEOUT) {
        failure.class = FAILURE_TIMEOUT;
        (void)snprintf(pool->text, sizeof(pool->text), "ran longer than its timeout");
    } else if (doom == DOOM_MEMORY) {
        char limit[QUANTITY_TEXT_SIZE];
        failure.class = FAILURE_MEMORY;
        (void)snprintf(pool->text, sizeof(pool->text), "past its limit of %s",
                       quantity_size_text(slot->mem, limit));
    } else if (doom == DOOM_END) {
        failure.class = FAILURE_ABORTED;
        (void)snprintf(pool->text, sizeof(pool->text), "another attempt has the result");
    } else if (doom == DOOM_STOP) {
        failure.class = FAILURE_ABORTED;
        (void)snprintf(pool->text, sizeof(pool->text), "stopped early");
    } else if (doom == DOOM_CANCEL) {
        failure.class = FAILURE_ABORTED;
        (void)snprintf(pool->text, sizeof(pool->text), "ended with the map");
    } else if (WIFEXITED(status)) {
        (void)snprintf(pool->text, sizeof(pool->text), "left with exit status %d",
                       WEXITSTATUS(status));
    } else if (WTERMSIG(status) == SIGKILL && !slot->is_kill_sent) {
        failure.class = FAILURE_KILLED;
        (void)snprintf(pool->text, sizeof(pool->text),
                       "killed by SIGKILL, which mapfleet did not send");
    } else if (slot->is_kill_sent) {
        failure.class = FAILURE_CRASH;
        (void)snprintf(pool->text, sizeof(pool->text),
                       "wrote over memory that it shares with its rank");
    } else {
        failure.class = FAILURE_CRASH;
        (void)snprintf(pool->text, sizeof(pool->text), "SIG%s (%s)", sigabbrev_np(WTERMSIG(status)),
                       strsignal(WTERMSIG(status)));
    }
    const uint64_t at = doom != DOOM_NONE ? slot->doomed_at : channel_done(&batch->channel);
    failure.text_size = pool_take_words(pool, slot, batch, at, strlen(pool->text));
    return failure;
}

static enum status compress_found(struct pool *pool, struct channel_result *found)
{
    if (found->success_count == 0) {
        return STATUS_OK;
    }
    const enum status status =
        lz4_frame_compress(found->outputs, found->outputs_size, &pool->frame);
    found->frame = pool->frame.data;
    found->frame_size = pool->frame.size;
    return status;
}

/* The texts of failures stand in the channel, which goes with its executor. */
static void keep_texts(struct pool *pool)
{
    size_t at = 0;
    buffer_clear(&pool->texts);
    for (size_t i = 0; i < pool->failure_count; i++) {
        struct report_failure *failure = &pool->failures[i];
        if (buffer_append(&pool->texts, failure->text, failure->text_size) != STATUS_OK) {
            failure->text_size = 0;
        }
    }
    for (size_t i = 0; i < pool->failure_count; i++) {
        pool->failures[i].text = (const char *)pool->texts.data + at;
        at += pool->failures[i].text_size;
    }
}

static void take_dead(struct pool *pool, struct slot *slot, uint64_t now_us,
                      struct pool_result *result)
{
    struct error reason;
    struct channel_result found;
    const struct slot_batch *batch = slot_first(slot);
    struct report_failure failure = failure_of_end(pool, slot, batch);
    if (channel_is_folding(&batch->channel) && failure.class != FAILURE_ABORTED) {
        give_up_folding(batch->map, failure.text);
    }
    if (batch->is_fold) {
        fill_fold(pool, slot, true, result);
        return;
    }
    const uint64_t limit = slot->doomed == batch ? slot->doomed_at : batch->instance_count;
    pool_start_result(pool, result);
    if (channel_take_result(&batch->channel, limit, true, add_failure, pool, &found, &reason) !=
            STATUS_OK ||
        !failures_fit(pool, batch, &found) || compress_found(pool, &found) != STATUS_OK) {
        const uint64_t blamed = batch->instance_count == 1 ? 0 : channel_blamed(&batch->channel);
        give_all_back(pool, slot, slot->is_charged ? UINT64_MAX : blamed, &failure, now_us, result);
        slot->is_charged = true; /* what it was in since then was ended for that */
        return;
    }
    const uint64_t done = found.instance_count;
    (void)!pool_take_kept(pool, batch, done); /* what makes no sense is not kept */
    const bool is_innocent = slot->is_charged && slot->doomed != batch;
    const bool is_inside =
        !is_innocent && done < batch->instance_count && channel_claimed(&batch->channel) > done;
    fill_batch(pool, slot, &found, done + (is_inside ? 1 : 0), now_us, result);
    fill_prints(pool, batch, true, &result->batch);
    slot->is_charged = slot->is_charged || is_inside;
    if (is_inside) {
        struct span culprit = {.count = 0};
        (void)pool_slice(batch, done, done + 1, &culprit);
        failure.index = culprit.start;
        failure.attempt = culprit.attempt;
        add_failure(pool, &failure);
        pool_keep_words(pool, batch, culprit.start, culprit.attempt);
        result->failures = pool->failures;
        result->failure_count = pool->failure_count;
        pool->bits[done / 8] &= (uint8_t) ~(1u << done % 8);
    }
    result->rest_count =
        pool_slice(batch, done + (is_inside ? 1 : 0), batch->instance_count, pool->rest_spans);
}

void pool_take_dead(struct pool *pool, struct slot *slot, uint64_t now_us,
                    struct pool_result *result)
{
    pool_take_last_reports(pool, slot_first(slot));
    take_dead(pool, slot, now_us, result);
    keep_texts(pool);
    slot_first(slot)->map->batch_count--;
    slot->batch_count--;
}
