#include "worker/pool_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/executor.h"

#define SETUP_FAILURES_MAX 2
/* How long an executor that was told to leave has for the job's teardown. */
#define RETIRE_US_MAX 1000000

uint32_t pool_count_in(const struct pool *pool, enum slot_state state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        count += pool->slots[i].state == state ? 1 : 0;
    }
    return count;
}

void pool_close_slot(struct pool *pool, struct slot *slot)
{
    for (size_t i = 0; i < SLOT_BATCH_COUNT; i++) {
        channel_destroy(&slot->batches[i].channel);
    }
    capture_close(slot->printed);
    if (slot->bell >= 0) {
        (void)close(slot->bell);
        slot->bell = -1;
    }
    places_give_back(&pool->places, (uint32_t)(slot - pool->slots));
    slot->asked = (struct resources){0};
    slot->executor = 0;
    slot->pid = 0;
    slot->weigh_us = 0;
    slot->next = 0;
    slot->batch_count = 0;
    slot->state = SLOT_EMPTY;
}

/* ---- Starting executors -----------------------------------------------------------------------
 */

enum status pool_fork(struct pool *pool, struct slot *slot, struct resources asked,
                      struct error *err)
{
    const uint32_t number = (uint32_t)(slot - pool->slots);
    int streams[STDIO_STREAM_COUNT];
    struct slot_place place;
    enum status status = places_take(&pool->places, number, asked, &place, err);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < SLOT_BATCH_COUNT && status == STATUS_OK; i++) {
        status = channel_create(&slot->batches[i].channel,
                                pool->options.start->options.output_size_max, true, err);
    }
    if (status == STATUS_OK) {
        status = pool_open_streams(pool, slot, streams, err);
    }
    if (status != STATUS_OK) {
        pool_close_slot(pool, slot);
        return status;
    }
    slot_control(slot)->place = place;
    slot->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* a full one does not block us */
    if (slot->bell < 0) {
        status = error_set(err, STATUS_IO, "eventfd: %s", strerror(errno));
        pool_close_slot(pool, slot);
        return status;
    }
    slot->executor = ++pool->executor_count_ever;
    const int fds[EXECUTOR_FD_COUNT] = {[EXECUTOR_CHANNEL] = slot->batches[0].channel.fd,
                                        [EXECUTOR_CHANNEL_AHEAD] = slot->batches[1].channel.fd,
                                        [EXECUTOR_BELL] = slot->bell,
                                        [EXECUTOR_RANK_BELL] = pool->rank_bell,
                                        [EXECUTOR_STDOUT] = streams[STDIO_OUT],
                                        [EXECUTOR_STDERR] = streams[STDIO_ERR]};
    status =
        zygote_fork(pool->options.zygote, slot->executor, number + 1, fds, EXECUTOR_FD_COUNT, err);
    if (status != STATUS_OK) {
        pool_close_slot(pool, slot);
        return status;
    }
    slot->asked = asked;
    slot->state = SLOT_STARTING;
    return STATUS_OK;
}

bool pool_is_careful(const struct pool *pool)
{
    return !pool->is_ready || pool->setup_failures > 0;
}

/* In a run of several maps one, which shows that the job's setup works. */
enum status pool_fill_slots(struct pool *pool, struct error *err)
{
    const bool is_one = !pool->options.start->has_map;
    enum status status = STATUS_OK;
    if (pool->options.zygote == NULL || pool->setup_error[0] != '\0' || pool->is_closing ||
        (is_one && pool->is_ready)) {
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < pool->options.offer->slot_count && status == STATUS_OK; i++) {
        if (pool_is_careful(pool) && pool_count_in(pool, SLOT_STARTING) > 0) {
            break;
        }
        if (pool->slots[i].state == SLOT_EMPTY) {
            status = pool_fork(pool, &pool->slots[i], pool->options.offer->asked, err);
        }
    }
    return status;
}

static void setup_failed(struct pool *pool, const char *text, size_t text_size)
{
    if (++pool->setup_failures >= SETUP_FAILURES_MAX) {
        (void)snprintf(pool->setup_error, sizeof(pool->setup_error), "%.*s", (int)text_size, text);
    }
}

void pool_look_at_setup(struct pool *pool, struct slot *slot)
{
    if (slot->state == SLOT_STARTING && atomic_load(&slot_control(slot)->setup) == CHANNEL_READY) {
        slot->state = SLOT_FREE;
        slot->free_us = clock_us();
        pool->is_ready = true;
        pool->setup_failures = 0;
    }
}

/* ---- Executors that end -----------------------------------------------------------------------
 */

static struct slot *slot_of(struct pool *pool, uint64_t executor)
{
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        if (pool->slots[i].executor == executor) {
            return &pool->slots[i];
        }
    }
    return NULL;
}

/* What the executor leaves is taken batch by batch, and then its slot is empty. */
static void on_ended(struct pool *pool, const struct zygote_event *event)
{
    struct slot *slot = slot_of(pool, event->executor);
    if (slot == NULL) {
        return;
    }
    pool_look_at_setup(pool, slot);
    if (slot->state == SLOT_BUSY) {
        slot->state = SLOT_DEAD;
        slot->wait_status = event->wait_status;
        return;
    }
    if (slot->state == SLOT_STARTING) {
        setup_failed(pool, pool->text, pool_take_setup_words(pool, slot));
    }
    pool_close_slot(pool, slot);
}

static void on_forked(struct pool *pool, const struct zygote_event *event)
{
    struct slot *slot = slot_of(pool, event->executor);
    if (slot == NULL) {
        return;
    }
    if (event->status == STATUS_OK) {
        slot->pid = event->pid;
    } else {
        setup_failed(pool, event->error.text, strlen(event->error.text));
        pool_close_slot(pool, slot);
    }
}

enum status pool_take_events(struct pool *pool, struct error *err)
{
    bool is_event = true;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && is_event) {
        struct zygote_event event;
        status = zygote_take_event(pool->options.zygote, &event, &is_event, err);
        if (status != STATUS_OK || !is_event) {
            return status;
        }
        if (event.kind == ZYGOTE_ENDED) {
            on_ended(pool, &event);
        } else if (event.kind == ZYGOTE_FORKED) {
            on_forked(pool, &event);
        }
    }
    return status;
}

/* ---- Executors that make way ------------------------------------------------------------------
 */

void pool_retire(struct slot *slot, uint64_t now_us)
{
    slot->is_kill_sent = false;
    slot->state = SLOT_RETIRING;
    slot->retire_us = now_us + RETIRE_US_MAX;
    atomic_store(&slot_control(slot)->is_closed, 1);
    executor_ring(slot->bell);
}

enum status pool_mind_retiring(struct pool *pool, struct slot *slot, uint64_t now_us,
                               struct error *err)
{
    return slot->state == SLOT_RETIRING && now_us >= slot->retire_us && !slot->is_kill_sent
               ? pool_kill(pool, slot, err)
               : STATUS_OK;
}
