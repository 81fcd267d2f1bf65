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

#define SETUP_FAILURES_MAX 2
/* Descriptors of a slot: channels, bell, and two files of what is printed; and what else a rank may
 * have open, MPI included. */
#define SLOT_FD_COUNT (SLOT_BATCH_COUNT + 3)
#define RANK_FD_COUNT 128

/* ---- Life -------------------------------------------------------------------------------------
 */

static struct runner_options runner_options_of(const struct pool *pool)
{
    struct runner_options options =
        executor_runner_options(pool->options.start, pool->options.task,
                                (struct executor_place){.rank = pool->options.rank, .slot = 1});
    options.channel = &pool->slots[0].batches[0].channel;
    options.batch_us_max = POOL_BATCH_US_MAX; /* nobody else could trim it */
    return options;
}

static enum status open_in_rank(struct pool *pool, struct error *err)
{
    struct slot *slot = &pool->slots[0];
    enum status status = channel_create(&slot->batches[0].channel,
                                        pool->options.start->options.output_size_max, false, err);
    if (status != STATUS_OK) {
        return status;
    }
    offer_place(pool->options.offer, 0, &slot_control(slot)->place);
    slot_place_show_devices(&slot_control(slot)->place);
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

static void close_slot(struct slot *slot)
{
    for (size_t i = 0; i < SLOT_BATCH_COUNT; i++) {
        channel_destroy(&slot->batches[i].channel);
    }
    capture_close(slot->printed);
    if (slot->bell >= 0) {
        (void)close(slot->bell);
        slot->bell = -1;
    }
    slot->executor = 0;
    slot->pid = 0;
    slot->weigh_us = 0;
    slot->next = 0;
    slot->batch_count = 0;
    slot->state = SLOT_EMPTY;
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
        close_slot(&pool->slots[i]);
    }
    if (pool->rank_bell >= 0) {
        (void)close(pool->rank_bell);
    }
    pool_capture_close(pool);
    buffer_free(&pool->frame);
    buffer_free(&pool->texts);
    free(pool->failures);
    free(pool->slots);
    free(pool);
}

uint32_t pool_slot_count(const struct pool *pool)
{
    return pool->options.offer->slot_count;
}

static uint32_t count_in(const struct pool *pool, enum slot_state state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        count += pool->slots[i].state == state ? 1 : 0;
    }
    return count;
}

uint32_t pool_free_count(const struct pool *pool)
{
    return count_in(pool, SLOT_FREE);
}

bool pool_is_idle(const struct pool *pool)
{
    return count_in(pool, SLOT_BUSY) + count_in(pool, SLOT_DEAD) == 0;
}

bool pool_is_closed(const struct pool *pool)
{
    return pool->is_closing && (pool->options.zygote == NULL ||
                                count_in(pool, SLOT_EMPTY) == pool->options.offer->slot_count);
}

bool pool_is_ready(const struct pool *pool)
{
    return pool->is_ready;
}

const char *pool_setup_error(const struct pool *pool)
{
    return pool->setup_error[0] != '\0' ? pool->setup_error : NULL;
}

/* ---- Starting executors -----------------------------------------------------------------------
 */

static enum status fork_executor(struct pool *pool, struct slot *slot, struct error *err)
{
    int streams[STDIO_STREAM_COUNT];
    enum status status = STATUS_OK;
    for (size_t i = 0; i < SLOT_BATCH_COUNT && status == STATUS_OK; i++) {
        status = channel_create(&slot->batches[i].channel,
                                pool->options.start->options.output_size_max, true, err);
    }
    if (status == STATUS_OK) {
        status = pool_open_streams(pool, slot, streams, err);
    }
    if (status != STATUS_OK) {
        close_slot(slot);
        return status;
    }
    offer_place(pool->options.offer, (uint32_t)(slot - pool->slots), &slot_control(slot)->place);
    slot->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* a full one does not block us */
    if (slot->bell < 0) {
        status = error_set(err, STATUS_IO, "eventfd: %s", strerror(errno));
        close_slot(slot);
        return status;
    }
    slot->executor = ++pool->executor_count_ever;
    const int fds[EXECUTOR_FD_COUNT] = {[EXECUTOR_CHANNEL] = slot->batches[0].channel.fd,
                                        [EXECUTOR_CHANNEL_AHEAD] = slot->batches[1].channel.fd,
                                        [EXECUTOR_BELL] = slot->bell,
                                        [EXECUTOR_RANK_BELL] = pool->rank_bell,
                                        [EXECUTOR_STDOUT] = streams[STDIO_OUT],
                                        [EXECUTOR_STDERR] = streams[STDIO_ERR]};
    status = zygote_fork(pool->options.zygote, slot->executor, (uint32_t)(slot - pool->slots) + 1,
                         fds, EXECUTOR_FD_COUNT, err);
    if (status != STATUS_OK) {
        close_slot(slot);
        return status;
    }
    slot->state = SLOT_STARTING;
    return STATUS_OK;
}

/* The first executor is tried alone: a setup that fails shall not fail once a slot. */
static enum status fill_slots(struct pool *pool, struct error *err)
{
    enum status status = STATUS_OK;
    if (pool->options.zygote == NULL || pool->setup_error[0] != '\0' || pool->is_closing) {
        return STATUS_OK;
    }
    const bool is_careful = !pool->is_ready || pool->setup_failures > 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count && status == STATUS_OK; i++) {
        if (is_careful && count_in(pool, SLOT_STARTING) > 0) {
            break;
        }
        if (pool->slots[i].state == SLOT_EMPTY) {
            status = fork_executor(pool, &pool->slots[i], err);
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

static void look_at_setup(struct pool *pool, struct slot *slot)
{
    if (slot->state == SLOT_STARTING && atomic_load(&slot_control(slot)->setup) == CHANNEL_READY) {
        slot->state = SLOT_FREE;
        pool->is_ready = true;
        pool->setup_failures = 0;
    }
}

/* ---- Batches ----------------------------------------------------------------------------------
 */

static void put_batch(struct slot *slot, uint64_t lease, const struct batch *batch, uint64_t now_us)
{
    struct slot_batch *put = &slot->batches[slot->next];
    assert(slot->batch_count < SLOT_BATCH_COUNT);
    slot->next = (slot->next + 1) % SLOT_BATCH_COUNT;
    slot->batch_count++;
    memcpy(put->spans, batch->spans, batch->span_count * sizeof(*batch->spans));
    put->span_count = batch->span_count;
    put->instance_count = batch->instance_count;
    put->lease = lease;
    put->put_us = now_us;
    put->is_trimmed = false;
    put->is_begin_told = false;
    put->is_begin_seen = false;
    put->channel.control->mem = slot->mem;
    channel_put_batch(&put->channel, batch->spans, batch->span_count, batch->instance_count,
                      batch->inputs, batch->inputs_size);
    if (slot->bell >= 0) {
        executor_ring(slot->bell);
    }
}

/* In the rank itself there is one channel. */
void pool_start(struct pool *pool, uint64_t lease, const struct batch *batch, uint64_t now_us)
{
    uint32_t i = 0;
    while (pool->slots[i].state != SLOT_FREE) {
        i++;
        assert(i < pool->options.offer->slot_count);
    }
    struct slot *slot = &pool->slots[i];
    assert(slot->batch_count == 0);
    slot->mem = pool_mem(pool, batch->growth);
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
    put_batch(slot, lease, batch, now_us);
}

/* ---- Batches ahead ----------------------------------------------------------------------------
 */

static bool may_have_ahead(struct slot *slot)
{
    return slot->state == SLOT_BUSY && slot->batch_count == 1 && slot->doom == DOOM_NONE &&
           !slot->is_kill_sent && slot->term_us == UINT64_MAX && !slot_first(slot)->is_trimmed;
}

/* The one whose executor will need it first; NULL: none may have one. */
static struct slot *needs_ahead(const struct pool *pool)
{
    struct slot *chosen = NULL;
    if (pool->options.zygote == NULL || pool->options.start->options.mem > 0 ||
        pool->suspicion > 0 || pool->is_closing) {
        return NULL;
    }
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (may_have_ahead(slot) &&
            (chosen == NULL || slot_first(slot)->put_us < slot_first(chosen)->put_us)) {
            chosen = slot;
        }
    }
    return chosen;
}

bool pool_has_room_ahead(const struct pool *pool)
{
    return needs_ahead(pool) != NULL;
}

void pool_start_ahead(struct pool *pool, uint64_t lease, const struct batch *batch, uint64_t now_us)
{
    struct slot *slot = needs_ahead(pool);
    assert(slot != NULL);
    put_batch(slot, lease, batch, now_us);
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
    look_at_setup(pool, slot);
    if (slot->state == SLOT_BUSY) {
        slot->state = SLOT_DEAD;
        slot->wait_status = event->wait_status;
        return;
    }
    if (slot->state == SLOT_STARTING) {
        setup_failed(pool, pool->text, pool_take_setup_words(pool, slot));
    }
    close_slot(slot);
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
        close_slot(slot);
    }
}

static enum status take_events(struct pool *pool, struct error *err)
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

/* ---- Collecting -------------------------------------------------------------------------------
 */

static void collect_in_rank(struct pool *pool, struct pool_result *result, bool *is_result)
{
    struct slot *slot = &pool->slots[0];
    struct error err;
    if (slot->state == SLOT_BUSY) {
        exit_guard_enter("a task function");
        runner_run(pool->runner);
        exit_guard_leave();
        const enum status status = pool_take_ended(pool, slot, clock_us(), result, is_result, &err);
        assert(status == STATUS_OK && *is_result);
    }
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
    look_at_setup(pool, slot);
    if (slot->state == SLOT_DEAD) {
        pool_take_dead(pool, slot, now_us, result);
        *is_result = true;
        if (slot->batch_count == 0) {
            close_slot(slot);
        }
        return STATUS_OK;
    }
    if (slot->state != SLOT_BUSY) {
        return STATUS_OK;
    }
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
        collect_in_rank(pool, result_out, is_result_out);
        return STATUS_OK;
    }
    drain_bell(pool);
    relay_forward(&pool->relay);
    pool_bound_printed(pool, now_us);
    enum status status = take_events(pool, err);
    for (uint32_t i = 0; i < pool->options.offer->slot_count && status == STATUS_OK; i++) {
        status = collect_slot(pool, &pool->slots[i], now_us, result_out, is_result_out, err);
        if (*is_result_out) {
            return status;
        }
    }
    return status == STATUS_OK ? fill_slots(pool, err) : status;
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
uint64_t pool_finished(const struct pool *pool)
{
    uint64_t finished = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_BUSY) {
            const struct slot_batch *batch = slot_running(slot);
            const uint64_t done = channel_done(&batch->channel);
            finished += done < batch->instance_count ? done : 0;
        }
    }
    return finished;
}

size_t pool_running(const struct pool *pool, uint64_t now_us, struct wire_running *running_out)
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
            running_out[count++] = (struct wire_running){
                .map = pool->options.start->map,
                .index = span.start,
                .attempt = span.attempt,
                .elapsed_us = channel_ran_us(&batch->channel, batch->put_us, now_us)};
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
