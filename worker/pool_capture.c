#include "worker/pool_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/capture.h"

/* How often it is looked at how much a running attempt has printed: at 2 GiB/s, 100 MiB. */
#define BOUND_INTERVAL_US 50000

/* ---- Life -----------------------------------------------------------------------------------
 */

enum status pool_capture_open(struct pool *pool, struct error *err)
{
    const struct wire_start *start = pool->options.start;
    if (!capture_is_kept(start->options.capture)) {
        return relay_open(&pool->relay, start->options.capture == MAP_CAPTURE_DISCARD, err);
    }
    pool->keeper = keeper_create(start->run_dir, pool->options.rank);
    pool->words.text = memory_take(STDIO_STREAM_COUNT, CAPTURE_SIZE_MAX);
    return STATUS_OK;
}

void pool_capture_close(struct pool *pool)
{
    relay_drain(&pool->relay);
    relay_close(&pool->relay);
    keeper_destroy(pool->keeper);
    free(pool->words.text);
}

enum status pool_open_streams(struct pool *pool, struct slot *slot, int fds_out[STDIO_STREAM_COUNT],
                              struct error *err)
{
    fds_out[STDIO_OUT] = pool->relay.to;
    fds_out[STDIO_ERR] = pool->relay.to;
    if (pool->keeper == NULL) {
        return STATUS_OK;
    }
    const enum status status = capture_open(slot->printed, err);
    memcpy(fds_out, slot->printed, sizeof(slot->printed));
    return status;
}

/* ---- Keeping ---------------------------------------------------------------------------------
 */

struct taking {
    struct pool *pool;
    const struct slot_batch *batch;
    size_t span; /* the instances before it are those before `first` */
    uint64_t first;
};

static void take_one(void *context, const struct channel_kept *kept)
{
    struct taking *taking = context;
    const struct slot_batch *batch = taking->batch;
    while (kept->at - taking->first >= batch->spans[taking->span].count) {
        taking->first += batch->spans[taking->span++].count;
    }
    const struct span *span = &batch->spans[taking->span];
    const struct stdio_entry entry = {
        .index = span->start + (kept->at - taking->first),
        .attempt = span->attempt,
        .sizes = {kept->sizes[STDIO_OUT], kept->sizes[STDIO_ERR]},
        .left_out = {kept->left_out[STDIO_OUT], kept->left_out[STDIO_ERR]},
    };
    keeper_add(taking->pool->keeper, taking->batch->map->wire->number, &entry, kept->text);
}

enum status pool_take_kept(struct pool *pool, const struct slot_batch *batch, uint64_t count)
{
    struct taking taking = {.pool = pool, .batch = batch};
    return pool->keeper == NULL ? STATUS_OK
                                : channel_take_kept(&batch->channel, count, take_one, &taking);
}

void pool_flush(struct pool *pool)
{
    if (pool->keeper != NULL) {
        keeper_flush(pool->keeper);
    }
}

/* ---- Of an executor that has died -------------------------------------------------------------
 */

static void set_words(struct pool *pool, const struct channel_kept *kept)
{
    memcpy(pool->words.text, kept->text, kept->sizes[STDIO_OUT] + kept->sizes[STDIO_ERR]);
    for (size_t i = 0; i < STDIO_STREAM_COUNT; i++) {
        pool->words.entry.sizes[i] = kept->sizes[i];
        pool->words.entry.left_out[i] = kept->left_out[i];
    }
}

struct finding {
    struct pool *pool;
    uint64_t at;
};

static void find_one(void *context, const struct channel_kept *kept)
{
    const struct finding *finding = context;
    if (kept->at == finding->at) {
        set_words(finding->pool, kept);
    }
}

static bool has_words(const struct pool *pool)
{
    return pool->words.entry.sizes[STDIO_OUT] + pool->words.entry.sizes[STDIO_ERR] > 0;
}

/* Was the executor in this batch when it died? What its files hold is of no other. */
static bool was_in(struct slot *slot, const struct slot_batch *batch)
{
    return slot->batch_count < SLOT_BATCH_COUNT || slot_running(slot) == batch;
}

/* An attempt that came to its end after we had begun to end it has left its files empty. */
size_t pool_take_words(struct pool *pool, struct slot *slot, const struct slot_batch *batch,
                       uint64_t at, size_t text_size)
{
    struct stdio_entry *words = &pool->words.entry;
    *words = (struct stdio_entry){.index = 0};
    if (pool->keeper == NULL) {
        return text_size;
    }
    size_t used = 0;
    for (size_t i = 0; i < STDIO_STREAM_COUNT && was_in(slot, batch); i++) {
        words->sizes[i] =
            capture_read(slot->printed[i], pool->words.text + used, &words->left_out[i]);
        used += (size_t)words->sizes[i];
    }
    if (!has_words(pool) && at < batch->instance_count) {
        struct finding finding = {.pool = pool, .at = at};
        (void)!channel_take_kept(&batch->channel, at + 1, find_one, &finding);
    }
    return capture_add_lines(pool->text, text_size, sizeof(pool->text),
                             pool->words.text + words->sizes[STDIO_OUT],
                             (size_t)words->sizes[STDIO_ERR]);
}

void pool_keep_words(struct pool *pool, const struct slot_batch *batch, uint64_t index,
                     uint64_t attempt)
{
    struct stdio_entry *words = &pool->words.entry;
    if (pool->keeper != NULL && has_words(pool)) {
        words->index = index;
        words->attempt = attempt;
        keeper_add(pool->keeper, batch->map->wire->number, words, pool->words.text);
    }
}

size_t pool_take_setup_words(struct pool *pool, struct slot *slot)
{
    const struct channel_control *control = slot_control(slot);
    const uint32_t said = control->text_size;
    if (said > 0 && said < CHANNEL_TEXT_SIZE_MAX) {
        (void)snprintf(pool->text, sizeof(pool->text), "%.*s", (int)said, control->text);
    } else {
        (void)snprintf(pool->text, sizeof(pool->text), "the job's setup ended its process");
    }
    return pool_take_words(pool, slot, &slot->batches[0], UINT64_MAX, strlen(pool->text));
}

/* ---- Floods ----------------------------------------------------------------------------------
 */

/* While the lock is held, the executor does not empty the files: what is printed there is of the
 * attempt that is too long, and not of the next one. An executor that holds it is emptying them. */
static void bound(const struct slot *slot)
{
    struct channel_control *control = slot_control(slot);
    uint32_t is_free = 0;
    if (!capture_is_large(slot->printed[STDIO_OUT]) &&
        !capture_is_large(slot->printed[STDIO_ERR])) {
        return;
    }
    if (atomic_compare_exchange_strong(&control->printed_lock, &is_free, 1)) {
        capture_bound(slot->printed[STDIO_OUT]);
        capture_bound(slot->printed[STDIO_ERR]);
        atomic_store(&control->printed_lock, 0);
    }
}

void pool_bound_printed(struct pool *pool, uint64_t now_us)
{
    if (pool->keeper == NULL || now_us < pool->bound_us) {
        return;
    }
    pool->bound_us = now_us + BOUND_INTERVAL_US;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        if (pool->slots[i].state == SLOT_BUSY) {
            bound(&pool->slots[i]);
        }
    }
}

uint64_t pool_bound_deadline_us(const struct pool *pool)
{
    return pool->keeper != NULL && !pool_is_idle(pool) ? pool->bound_us : UINT64_MAX;
}
