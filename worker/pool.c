#include "worker/pool.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "worker/executor.h"
#include "worker/exit_guard.h"
#include "worker/pool_private.h"

/* Descriptors of a slot: channels, bell, and two files of what is printed; and what else a rank may
 * have open, MPI included. */
#define SLOT_FD_COUNT (SLOT_BATCH_COUNT + 3)
#define RANK_FD_COUNT 128

/* ---- Life -------------------------------------------------------------------------------------
 */

static struct runner_options runner_options_of(const struct pool *pool)
{
    struct runner_options options = executor_runner_options(
        pool->options.start, (struct executor_place){.rank = pool->options.rank, .slot = 1});
    options.cpus = pool->options.offer->asked.cpus;
    options.channel = &pool->slots[0].batches[0].channel;
    options.batch_us_max = POOL_BATCH_US_MAX; /* nobody else could trim it */
    return options;
}

/* Of the one slot that there is without a zygote. */
static enum status show_devices(struct pool *pool, struct resources asked, struct error *err)
{
    struct slot *slot = &pool->slots[0];
    places_give_back(&pool->places, 0);
    const enum status status =
        places_take(&pool->places, 0, asked, &slot_control(slot)->place, err);
    if (status == STATUS_OK) {
        slot_place_show_devices(&slot_control(slot)->place);
        slot->asked = asked;
    }
    return status;
}

static enum status open_in_rank(struct pool *pool, struct error *err)
{
    struct slot *slot = &pool->slots[0];
    enum status status = channel_create(&slot->batches[0].channel,
                                        pool->options.start->options.output_size_max, false, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = show_devices(pool, pool->options.offer->asked, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct runner_options options = runner_options_of(pool);
    exit_guard_enter("the job's setup");
    status = executor_set_up(pool->options.job, &options, &pool->state, err);
    exit_guard_leave();
    if (status != STATUS_OK) {
        (void)snprintf(pool->setup_error, sizeof(pool->setup_error), "%s", err->text);
        return STATUS_OK; /* told by pool_setup_error() */
    }
    pool->is_set_up = true;
    options.state = pool->state;
    status = runner_create(&options, &pool->runner);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory to run tasks in");
    }
    slot->state = SLOT_FREE;
    pool->is_ready = true;
    return STATUS_OK;
}

static enum status check_descriptors(uint32_t slot_count, struct error *err)
{
    const rlim_t needed = (rlim_t)slot_count * SLOT_FD_COUNT + RANK_FD_COUNT;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_LIMIT,
                     "its %" PRIu32 " slots need some %" PRIu64
                     " open files, and it may have %" PRIu64
                     " (ulimit -n); --slots says how many there are",
                     slot_count, (uint64_t)needed, (uint64_t)limit.rlim_cur);
}

enum status pool_create(const struct pool_options *options, struct pool **pool_out,
                        struct error *err)
{
    struct pool *pool = memory_take(1, sizeof(*pool));
    pool->options = *options;
    pool->slots = memory_take(options->offer->slot_count, sizeof(*pool->slots));
    pool->created_us = clock_us();
    places_init(&pool->places, options->offer);
    for (uint32_t i = 0; i < options->offer->slot_count; i++) {
        pool->slots[i].bell = -1;
        for (size_t k = 0; k < SLOT_BATCH_COUNT; k++) {
            pool->slots[i].batches[k].channel.fd = -1;
        }
        pool->slots[i].printed[STDIO_OUT] = -1;
        pool->slots[i].printed[STDIO_ERR] = -1;
    }
    pool->relay.from = -1;
    pool->relay.to = -1;
    pool->rank_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum status status =
        pool->rank_bell < 0 ? error_set(err, STATUS_IO, "eventfd: %s", strerror(errno)) : STATUS_OK;
    if (status == STATUS_OK && options->zygote != NULL) {
        status = check_descriptors(options->offer->slot_count, err);
    }
    if (status == STATUS_OK) {
        status = options->zygote == NULL ? open_in_rank(pool, err) : pool_capture_open(pool, err);
    }
    if (status != STATUS_OK) {
        pool_destroy(pool);
        return status;
    }
    *pool_out = pool;
    return STATUS_OK;
}

void pool_close(struct pool *pool)
{
    pool->is_closing = true;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->bell >= 0) {
            atomic_store(&slot_control(slot)->is_closed, 1);
            executor_ring(slot->bell);
        }
    }
}

void pool_destroy(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    runner_destroy(pool->runner);
    if (pool->is_set_up && pool->options.job->teardown != NULL) {
        pool->options.job->teardown(pool->state);
    }
    pool_close(pool);
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct error ignored; /* a zygote that is gone has ended them */
        if (pool->slots[i].state == SLOT_BUSY && pool->options.zygote != NULL) {
            (void)!pool_kill(pool, &pool->slots[i], &ignored);
        }
        pool_close_slot(pool, &pool->slots[i]);
    }
    if (pool->rank_bell >= 0) {
        (void)close(pool->rank_bell);
    }
    pool_capture_close(pool);
    buffer_free(&pool->frame);
    buffer_free(&pool->texts);
    places_free(&pool->places);
    buffer_free(&pool->prints);
    free(pool->failures);
    free(pool->reports);
    free(pool->slots);
    free(pool);
}

uint32_t pool_slot_count(const struct pool *pool)
{
    return pool->options.offer->slot_count;
}

uint32_t pool_free_count(const struct pool *pool)
{
    return pool_count_in(pool, SLOT_FREE);
}

bool pool_is_idle(const struct pool *pool)
{
    return pool_count_in(pool, SLOT_BUSY) + pool_count_in(pool, SLOT_DEAD) == 0;
}

bool pool_is_closed(const struct pool *pool)
{
    return pool->is_closing && (pool->options.zygote == NULL ||
                                pool_count_in(pool, SLOT_EMPTY) == pool->options.offer->slot_count);
}

bool pool_is_ready(const struct pool *pool)
{
    return pool->is_ready;
}

const char *pool_setup_error(const struct pool *pool)
{
    return pool->setup_error[0] != '\0' ? pool->setup_error : NULL;
}

/* ---- Batches ----------------------------------------------------------------------------------
 */

/* The slot's next channel, for something of the map. */
static struct slot_batch *take_next(struct slot *slot, struct pool_map *map, uint64_t now_us)
{
    struct slot_batch *put = &slot->batches[slot->next];
    assert(slot->batch_count < SLOT_BATCH_COUNT);
    slot->next = (slot->next + 1) % SLOT_BATCH_COUNT;
    slot->batch_count++;
    map->batch_count++;
    put->map = map;
    put->put_us = now_us;
    put->held_us = 0;
    put->channel.control->mem = slot->mem;
    put->channel.control->may_fold = map->is_fold_off ? 0 : 1;
    channel_put_map(&put->channel, map->wire->number, map->bytes, map->bytes_size);
    return put;
}

static void wake(const struct slot *slot)
{
    if (slot->bell >= 0) {
        executor_ring(slot->bell);
    }
}

static void put_batch(struct slot *slot, struct pool_map *map, uint64_t lease,
                      const struct batch *batch, uint64_t now_us)
{
    struct slot_batch *put = take_next(slot, map, now_us);
    memcpy(put->spans, batch->spans, batch->span_count * sizeof(*batch->spans));
    put->span_count = batch->span_count;
    put->instance_count = batch->instance_count;
    put->lease = lease;
    put->is_fold = false;
    put->is_trimmed = false;
    put->is_begin_told = false;
    put->is_begin_seen = false;
    channel_put_batch(&put->channel, batch->spans, batch->span_count, batch->instance_count,
                      batch->inputs, batch->inputs_size);
    wake(slot);
}

/* Nothing of it can go back, and nothing of it begins. */
static void put_fold(struct slot *slot, struct pool_map *map, const struct buffer *frames,
                     uint64_t now_us)
{
    struct slot_batch *put = take_next(slot, map, now_us);
    put->span_count = 0;
    put->instance_count = 0;
    put->lease = 0;
    put->is_fold = true;
    put->is_trimmed = true;
    put->is_begin_told = true;
    put->is_begin_seen = false;
    channel_put_fold(&put->channel, frames);
    wake(slot);
}

/* How long the slot stood free while what there was did not fit. */
static uint64_t held_us(const struct pool *pool, const struct slot *slot, uint64_t now_us)
{
    const uint64_t since_us =
        slot->free_us > pool->held_since_us ? slot->free_us : pool->held_since_us;
    return pool->held_since_us > 0 && now_us > since_us ? now_us - since_us : 0;
}

/* In the rank itself there is one channel. `mem` is what an attempt may hold. */
static struct slot *take_free(struct pool *pool, const struct pool_map *map, uint64_t mem,
                              uint64_t now_us)
{
    uint32_t i = 0;
    while (pool->slots[i].state != SLOT_FREE || !pool_is_for(pool, &pool->slots[i], map)) {
        i++;
        assert(i < pool->options.offer->slot_count);
    }
    struct slot *slot = &pool->slots[i];
    assert(slot->batch_count == 0);
    slot->mem = mem;
    slot->seen_done = 0;
    slot->seen_us = now_us;
    slot->doom = DOOM_NONE;
    slot->doomed = NULL;
    slot->is_kill_sent = false;
    slot->is_charged = false;
    slot->term_us = UINT64_MAX;
    slot->kill_us = UINT64_MAX;
    slot->state = SLOT_BUSY;
    slot->next = pool->options.zygote == NULL ? 0 : slot->next;
    return slot;
}

void pool_start(struct pool *pool, struct pool_map *map, uint64_t lease, const struct batch *batch,
                uint64_t now_us)
{
    struct slot *slot = take_free(pool, map, pool_mem(pool, map, batch->growth), now_us);
    put_batch(slot, map, lease, batch, now_us);
    slot_first(slot)->held_us = held_us(pool, slot, now_us);
}

void pool_note_held(struct pool *pool, bool is_held, uint64_t now_us)
{
    if (!is_held || pool_free_count(pool) == 0) {
        pool->held_since_us = 0;
    } else if (pool->held_since_us == 0) {
        pool->held_since_us = now_us;
    }
}

/* ---- Batches ahead ----------------------------------------------------------------------------
 */

static bool may_have_ahead(struct slot *slot)
{
    return slot->state == SLOT_BUSY && slot->batch_count == 1 && slot->doom == DOOM_NONE &&
           !slot->is_kill_sent && slot->term_us == UINT64_MAX && !slot_first(slot)->is_trimmed;
}

/* The one whose executor will need it first; NULL: none may have one. */
static struct slot *needs_ahead(const struct pool *pool, const struct pool_map *map)
{
    struct slot *chosen = NULL;
    if (pool->options.zygote == NULL || map->wire->options.mem > 0 || pool->suspicion > 0 ||
        pool->is_closing) {
        return NULL;
    }
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (may_have_ahead(slot) && slot->mem == 0 && pool_is_for(pool, slot, map) &&
            (chosen == NULL || slot_first(slot)->put_us < slot_first(chosen)->put_us)) {
            chosen = slot;
        }
    }
    return chosen;
}

bool pool_has_room_ahead(const struct pool *pool, const struct pool_map *map)
{
    return needs_ahead(pool, map) != NULL;
}

void pool_start_ahead(struct pool *pool, struct pool_map *map, uint64_t lease,
                      const struct batch *batch, uint64_t now_us)
{
    struct slot *slot = needs_ahead(pool, map);
    assert(slot != NULL);
    put_batch(slot, map, lease, batch, now_us);
}

void pool_start_fold(struct pool *pool, struct pool_map *map, const struct buffer *frames,
                     uint64_t now_us)
{
    uint64_t growth_max;
    struct slot *slot = pool_has_room(pool, map, &growth_max) ? take_free(pool, map, 0, now_us)
                                                              : needs_ahead(pool, map);
    assert(slot != NULL);
    put_fold(slot, map, frames, now_us);
}

/* ---- Collecting -------------------------------------------------------------------------------
 */

/* The batch may be of another map than the one before it. */
static enum status turn_in_rank(struct pool *pool, const struct pool_map *map, struct error *err)
{
    const struct resources asked = resources_asked(&map->wire->options);
    if (pool->map_in_rank == map) {
        return STATUS_OK;
    }
    if (runner_turn_to(pool->runner, &map->in_rank) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to run task %s in", map->wire->task);
    }
    pool->map_in_rank = map;
    return asked.gpus == pool->slots[0].asked.gpus ? STATUS_OK : show_devices(pool, asked, err);
}

void pool_forget(struct pool *pool, const struct pool_map *map)
{
    if (pool->map_in_rank == map) {
        pool->map_in_rank = NULL;
    }
}

static enum status collect_in_rank(struct pool *pool, struct pool_result *result, bool *is_result,
                                   struct error *err)
{
    struct slot *slot = &pool->slots[0];
    if (slot->state != SLOT_BUSY) {
        return STATUS_OK;
    }
    enum status status = turn_in_rank(pool, slot_first(slot)->map, err);
    if (status == STATUS_OK) {
        exit_guard_enter("a task function");
        runner_run(pool->runner);
        exit_guard_leave();
        status = pool_take_ended(pool, slot, clock_us(), result, is_result, err);
        assert(status == STATUS_OK && *is_result);
    }
    return status;
}

static void drain_bell(const struct pool *pool)
{
    uint64_t count;
    (void)!read(pool->rank_bell, &count, sizeof(count));
}

/* Has the slot a batch that came to its end, and may be believed? */
static bool has_ended(struct slot *slot)
{
    const struct slot_batch *first = slot_first(slot);
    return slot->doomed != first && !slot->is_kill_sent && channel_has_ended(&first->channel);
}

static enum status collect_slot(struct pool *pool, struct slot *slot, uint64_t now_us,
                                struct pool_result *result, bool *is_result, struct error *err)
{
    pool_look_at_setup(pool, slot);
    if (slot->state == SLOT_DEAD) {
        pool_take_dead(pool, slot, now_us, result);
        *is_result = true;
        if (slot->batch_count == 0) {
            pool_close_slot(pool, slot);
        }
        return STATUS_OK;
    }
    if (slot->state != SLOT_BUSY) {
        return pool_mind_retiring(pool, slot, now_us, err);
    }
    pool_look_for_reports(pool, slot, now_us);
    if (has_ended(slot)) {
        return pool_take_ended(pool, slot, now_us, result, is_result, err);
    }
    const enum status status = pool_watch(pool, slot, now_us, err);
    *is_result = status == STATUS_OK && pool_trim_late(pool, slot, now_us, result);
    return status;
}

enum status pool_collect(struct pool *pool, uint64_t now_us, struct pool_result *result_out,
                         bool *is_result_out, struct error *err)
{
    *is_result_out = false;
    if (pool->options.zygote == NULL) {
        return collect_in_rank(pool, result_out, is_result_out, err);
    }
    drain_bell(pool);
    relay_forward(&pool->relay);
    pool_bound_printed(pool, now_us);
    enum status status = pool_take_events(pool, err);
    for (uint32_t i = 0; i < pool->options.offer->slot_count && status == STATUS_OK; i++) {
        status = collect_slot(pool, &pool->slots[i], now_us, result_out, is_result_out, err);
        if (*is_result_out) {
            return status;
        }
    }
    return status == STATUS_OK ? pool_fill_slots(pool, err) : status;
}

bool pool_has_begun(struct pool *pool, bool *is_about_to_out)
{
    bool has_begun = false;
    *is_about_to_out = false;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        struct slot_batch *batch = slot->state == SLOT_BUSY ? slot_running(slot) : NULL;
        if (batch == NULL || batch->is_begin_told) {
            continue;
        }
        batch->is_begin_told = channel_claimed(&batch->channel) > 0;
        has_begun = has_begun || batch->is_begin_told;
        *is_about_to_out = *is_about_to_out || !batch->is_begin_told;
    }
    return has_begun;
}

/* Those that have ended whole are about to be reported. */
uint64_t pool_finished(const struct pool *pool, const struct pool_map *map)
{
    uint64_t finished = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_BUSY) {
            const struct slot_batch *batch = slot_running(slot);
            const uint64_t done = channel_done(&batch->channel);
            finished += batch->map == map && done < batch->instance_count ? done : 0;
        }
    }
    return finished;
}

size_t pool_running(const struct pool *pool, uint64_t now_us, struct pool_running *running_out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state != SLOT_BUSY) {
            continue;
        }
        const struct slot_batch *batch = slot_running(slot);
        const uint64_t done = channel_done(&batch->channel);
        struct span span;
        if (done < batch->instance_count && channel_claimed(&batch->channel) > done &&
            pool_slice(batch, done, done + 1, &span) == 1) {
            running_out[count++] = (struct pool_running){
                .map = batch->map,
                .running = {.index = span.start,
                            .attempt = span.attempt,
                            .elapsed_us = channel_ran_us(&batch->channel, batch->put_us, now_us)}};
        }
    }
    return count;
}

size_t pool_descriptors(const struct pool *pool, struct pollfd fds_out[POOL_FD_COUNT_MAX])
{
    if (pool->options.zygote == NULL) {
        return 0;
    }
    fds_out[0] = (struct pollfd){.fd = pool->rank_bell, .events = POLLIN};
    fds_out[2] = relay_descriptor(&pool->relay);
    fds_out[1] = (struct pollfd){.fd = zygote_descriptor(pool->options.zygote), .events = POLLIN};
    return POOL_FD_COUNT_MAX;
}

uint64_t pool_batch_count_max(struct pool *pool)
{
    if (pool->suspicion == 0) {
        return CHANNEL_INSTANCE_COUNT_MAX;
    }
    pool->suspicion--;
    return 1;
}
