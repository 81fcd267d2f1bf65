#include "worker/pool.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/quantity.h"
#include "worker/executor.h"
#include "worker/pool_private.h"

#define SETUP_FAILURES_MAX 2
/* Descriptors of a slot: channel, bell, and two files of what is printed; and what else a rank may
 * have open, MPI included. */
#define SLOT_FD_COUNT 4
#define RANK_FD_COUNT 128
/* After an executor has damaged its channel, so many batches have one instance each, so that the
 * instance that does it is found. */
#define SUSPICION_COUNT (UINT64_C(2) * CHANNEL_INSTANCE_COUNT_MAX)

/* ---- Life -------------------------------------------------------------------------------------
 */

static struct runner_options runner_options_of(const struct pool *pool)
{
    struct runner_options options =
        executor_runner_options(pool->options.start, pool->options.task,
                                (struct executor_place){.rank = pool->options.rank, .slot = 1});
    options.channel = &pool->slots[0].channel;
    options.batch_us_max = POOL_BATCH_US_MAX; /* nobody else could trim it */
    return options;
}

static enum status open_in_rank(struct pool *pool, struct error *err)
{
    struct slot *slot = &pool->slots[0];
    enum status status =
        channel_create(&slot->channel, pool->options.start->options.output_size_max, false, err);
    if (status != STATUS_OK) {
        return status;
    }
    offer_place(pool->options.offer, 0, &slot->channel.control->place);
    slot_place_show_devices(&slot->channel.control->place);
    struct runner_options options = runner_options_of(pool);
    if (executor_set_up(pool->options.job, &options, &pool->state, err) != STATUS_OK) {
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
        pool->slots[i].channel.fd = -1;
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
    channel_destroy(&slot->channel);
    capture_close(slot->printed);
    if (slot->bell >= 0) {
        (void)close(slot->bell);
        slot->bell = -1;
    }
    slot->executor = 0;
    slot->pid = 0;
    slot->weigh_us = 0;
    slot->state = SLOT_EMPTY;
}

void pool_close(struct pool *pool)
{
    pool->is_closing = true;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->bell >= 0) {
            atomic_store(&slot->channel.control->is_closed, 1);
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
    return count_in(pool, SLOT_BUSY) == 0;
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
    enum status status =
        channel_create(&slot->channel, pool->options.start->options.output_size_max, true, err);
    if (status == STATUS_OK) {
        status = pool_open_streams(pool, slot, streams, err);
    }
    if (status != STATUS_OK) {
        close_slot(slot);
        return status;
    }
    offer_place(pool->options.offer, (uint32_t)(slot - pool->slots), &slot->channel.control->place);
    slot->bell = eventfd(0, EFD_CLOEXEC);
    if (slot->bell < 0) {
        status = error_set(err, STATUS_IO, "eventfd: %s", strerror(errno));
        close_slot(slot);
        return status;
    }
    slot->executor = ++pool->executor_count_ever;
    const int fds[EXECUTOR_FD_COUNT] = {[EXECUTOR_CHANNEL] = slot->channel.fd,
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
    if (slot->state == SLOT_STARTING &&
        atomic_load(&slot->channel.control->setup) == CHANNEL_READY) {
        slot->state = SLOT_FREE;
        pool->is_ready = true;
        pool->setup_failures = 0;
    }
}

/* ---- Batches ----------------------------------------------------------------------------------
 */

void pool_start(struct pool *pool, uint64_t lease, const struct batch *batch, uint64_t now_us)
{
    uint32_t i = 0;
    while (pool->slots[i].state != SLOT_FREE) {
        i++;
        assert(i < pool->options.offer->slot_count);
    }
    struct slot *slot = &pool->slots[i];
    memcpy(slot->spans, batch->spans, batch->span_count * sizeof(*batch->spans));
    slot->span_count = batch->span_count;
    slot->instance_count = batch->instance_count;
    slot->mem = pool_mem(pool, batch->growth);
    slot->lease = lease;
    slot->started_us = now_us;
    slot->seen_done = 0;
    slot->seen_us = now_us;
    slot->doom = DOOM_NONE;
    slot->is_kill_sent = false;
    slot->is_trimmed = false;
    slot->is_begin_told = false;
    slot->term_us = UINT64_MAX;
    slot->kill_us = UINT64_MAX;
    slot->state = SLOT_BUSY;
    slot->channel.control->mem = slot->mem;
    channel_put_batch(&slot->channel, batch->spans, batch->span_count, batch->instance_count,
                      batch->inputs, batch->inputs_size);
    if (slot->bell >= 0) {
        executor_ring(slot->bell);
    }
}

size_t pool_slice(const struct slot *slot, uint64_t from, uint64_t to, struct span *spans_out)
{
    size_t count = 0;
    uint64_t at = 0;
    for (size_t i = 0; i < slot->span_count; i++) {
        const struct span *span = &slot->spans[i];
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
static bool failures_fit(const struct pool *pool, const struct slot *slot,
                         const struct channel_result *found)
{
    const uint64_t count = found->instance_count;
    const uint8_t *bits = found->success_bits;
    size_t failed = 0;
    uint64_t at = 0;
    if (pool->failure_count == 0 && found->success_count == count) {
        return true; /* which is most often so, and needs no look at each */
    }
    for (size_t i = 0; i < slot->span_count; i++) {
        const struct span *span = &slot->spans[i];
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
    result->lease = slot->lease;
    result->batch = (struct report_batch){
        .spans = pool->result_spans,
        .span_count = pool_slice(slot, 0, count, pool->result_spans),
        .instance_count = count,
        .success_count = found->success_count,
        .frame = found->success_count > 0 ? found->frame : NULL,
        .frame_size = found->success_count > 0 ? found->frame_size : 0,
        .slot = (uint32_t)(slot - pool->slots),
        .started_us = slot->started_us - pool->created_us,
        .elapsed_us = channel_ran_us(&slot->channel, slot->started_us, now_us),
        .reads_place = channel_reads_place(&slot->channel),
    };
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

/* Nothing of the batch can be believed, but for whose fault it was, where that is known. */
static void give_all_back(struct pool *pool, struct slot *slot, uint64_t culprit,
                          const struct report_failure *failure, uint64_t now_us,
                          struct pool_result *result)
{
    static const uint8_t none[1] = {0};
    const struct channel_result found = {.success_bits = none};
    pool_start_result(pool, result);
    pool->suspicion = SUSPICION_COUNT;
    fill_batch(pool, slot, &found, 0, now_us, result);
    result->rest_count = pool_slice(slot, 0, culprit, pool->rest_spans);
    if (culprit < slot->instance_count) {
        result->batch.span_count = pool_slice(slot, culprit, culprit + 1, pool->result_spans);
        result->batch.instance_count = 1;
        pool->bits[0] = 0;
        result->batch.success_bits = pool->bits;
        add_failure(pool, failure);
        pool->failures[0].index = pool->result_spans[0].start;
        pool->failures[0].attempt = pool->result_spans[0].attempt;
        result->failures = pool->failures;
        result->failure_count = 1;
        pool_keep_words(pool, pool->failures[0].index, pool->failures[0].attempt);
        result->rest_count += pool_slice(slot, culprit + 1, slot->instance_count,
                                         pool->rest_spans + result->rest_count);
    }
}

/* A batch that came to its end. */
static enum status take_ended(struct pool *pool, struct slot *slot, uint64_t now_us,
                              struct pool_result *result, bool *is_result, struct error *err)
{
    struct channel_result found;
    struct error reason;
    pool_start_result(pool, result);
    if (channel_take_result(&slot->channel, slot->instance_count, false, add_failure, pool, &found,
                            &reason) != STATUS_OK ||
        !failures_fit(pool, slot, &found) ||
        pool_take_kept(pool, slot, found.instance_count) != STATUS_OK) {
        return pool_kill(pool, slot, err); /* its end will tell the rest */
    }
    fill_batch(pool, slot, &found, found.instance_count, now_us, result);
    result->rest_count =
        pool_slice(slot, found.instance_count, slot->instance_count, pool->rest_spans);
    slot->state = SLOT_FREE;
    *is_result = true;
    return STATUS_OK;
}

/* ---- Executors that end -----------------------------------------------------------------------
 */

static struct report_failure failure_of_end(struct pool *pool, const struct slot *slot,
                                            const struct zygote_event *event)
{
    const int status = event->wait_status;
    struct report_failure failure = {.class = FAILURE_EXIT, .text = pool->text};
    if (slot->doom == DOOM_TIMEOUT) {
        failure.class = FAILURE_TIMEOUT;
        (void)snprintf(pool->text, sizeof(pool->text), "ran longer than its timeout");
    } else if (slot->doom == DOOM_MEMORY) {
        char limit[QUANTITY_TEXT_SIZE];
        failure.class = FAILURE_MEMORY;
        (void)snprintf(pool->text, sizeof(pool->text), "past its limit of %s",
                       quantity_size_text(slot->mem, limit));
    } else if (slot->doom == DOOM_END) {
        failure.class = FAILURE_ABORTED;
        (void)snprintf(pool->text, sizeof(pool->text), "another attempt has the result");
    } else if (slot->doom == DOOM_CANCEL) {
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
    const uint64_t at = slot->doom != DOOM_NONE ? slot->doomed_at : channel_done(&slot->channel);
    failure.text_size = pool_take_words(pool, slot, at, strlen(pool->text));
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

/* The executor died inside its batch: what it had finished counts, the instance that it was in is
 * charged, the rest goes back. */
static void take_dead(struct pool *pool, struct slot *slot, const struct zygote_event *event,
                      uint64_t now_us, struct pool_result *result)
{
    struct error reason;
    struct channel_result found;
    struct report_failure failure = failure_of_end(pool, slot, event);
    const uint64_t limit = slot->doom != DOOM_NONE ? slot->doomed_at : slot->instance_count;
    pool_start_result(pool, result);
    if (channel_take_result(&slot->channel, limit, true, add_failure, pool, &found, &reason) !=
            STATUS_OK ||
        !failures_fit(pool, slot, &found) || compress_found(pool, &found) != STATUS_OK) {
        const uint64_t blamed = channel_blamed(&slot->channel);
        give_all_back(pool, slot, slot->instance_count == 1 ? 0 : blamed, &failure, now_us, result);
        return;
    }
    const uint64_t done = found.instance_count;
    (void)!pool_take_kept(pool, slot, done); /* what makes no sense is not kept */
    const bool is_inside = done < slot->instance_count && channel_claimed(&slot->channel) > done;
    fill_batch(pool, slot, &found, done + (is_inside ? 1 : 0), now_us, result);
    if (is_inside) {
        struct span culprit;
        (void)pool_slice(slot, done, done + 1, &culprit);
        failure.index = culprit.start;
        failure.attempt = culprit.attempt;
        add_failure(pool, &failure);
        pool_keep_words(pool, culprit.start, culprit.attempt);
        result->failures = pool->failures;
        result->failure_count = pool->failure_count;
        pool->bits[done / 8] &= (uint8_t) ~(1u << done % 8);
    }
    result->rest_count =
        pool_slice(slot, done + (is_inside ? 1 : 0), slot->instance_count, pool->rest_spans);
}

static struct slot *slot_of(struct pool *pool, uint64_t executor)
{
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        if (pool->slots[i].executor == executor) {
            return &pool->slots[i];
        }
    }
    return NULL;
}

static void on_ended(struct pool *pool, const struct zygote_event *event, uint64_t now_us,
                     struct pool_result *result, bool *is_result)
{
    struct slot *slot = slot_of(pool, event->executor);
    if (slot == NULL) {
        return;
    }
    look_at_setup(pool, slot);
    if (slot->state == SLOT_STARTING) {
        setup_failed(pool, pool->text, pool_take_setup_words(pool, slot));
    } else if (slot->state == SLOT_BUSY) {
        take_dead(pool, slot, event, now_us, result);
        keep_texts(pool);
        *is_result = true;
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

static enum status take_event(struct pool *pool, uint64_t now_us, struct pool_result *result,
                              bool *is_result, bool *is_event, struct error *err)
{
    struct zygote_event event;
    const enum status status = zygote_take_event(pool->options.zygote, &event, is_event, err);
    if (status != STATUS_OK || !*is_event) {
        return status;
    }
    if (event.kind == ZYGOTE_ENDED) {
        on_ended(pool, &event, now_us, result, is_result);
    } else if (event.kind == ZYGOTE_FORKED) {
        on_forked(pool, &event);
    }
    return STATUS_OK;
}

/* ---- Collecting -------------------------------------------------------------------------------
 */

static void collect_in_rank(struct pool *pool, struct pool_result *result, bool *is_result)
{
    struct slot *slot = &pool->slots[0];
    struct error err;
    if (slot->state == SLOT_BUSY) {
        runner_run(pool->runner);
        const enum status status = take_ended(pool, slot, clock_us(), result, is_result, &err);
        assert(status == STATUS_OK && *is_result);
    }
}

static void drain_bell(const struct pool *pool)
{
    uint64_t count;
    (void)!read(pool->rank_bell, &count, sizeof(count));
}

enum status pool_collect(struct pool *pool, uint64_t now_us, struct pool_result *result_out,
                         bool *is_result_out, struct error *err)
{
    enum status status = STATUS_OK;
    *is_result_out = false;
    if (pool->options.zygote == NULL) {
        collect_in_rank(pool, result_out, is_result_out);
        return STATUS_OK;
    }
    drain_bell(pool);
    relay_forward(&pool->relay);
    pool_bound_printed(pool, now_us);
    for (uint32_t i = 0; i < pool->options.offer->slot_count && status == STATUS_OK; i++) {
        struct slot *slot = &pool->slots[i];
        look_at_setup(pool, slot);
        if (slot->state != SLOT_BUSY) {
            continue;
        }
        if (slot->doom == DOOM_NONE && !slot->is_kill_sent && channel_has_ended(&slot->channel)) {
            status = take_ended(pool, slot, now_us, result_out, is_result_out, err);
            if (*is_result_out) {
                return status;
            }
        } else {
            status = pool_watch(pool, slot, now_us, err);
            *is_result_out = status == STATUS_OK && pool_trim_late(pool, slot, now_us, result_out);
            if (*is_result_out) {
                return status;
            }
        }
    }
    bool is_event = true;
    while (status == STATUS_OK && is_event && !*is_result_out) {
        status = take_event(pool, now_us, result_out, is_result_out, &is_event, err);
    }
    return status == STATUS_OK ? fill_slots(pool, err) : status;
}

bool pool_has_begun(struct pool *pool, bool *is_about_to_out)
{
    bool has_begun = false;
    *is_about_to_out = false;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state != SLOT_BUSY || slot->is_begin_told) {
            continue;
        }
        slot->is_begin_told = channel_claimed(&slot->channel) > 0;
        has_begun = has_begun || slot->is_begin_told;
        *is_about_to_out = *is_about_to_out || !slot->is_begin_told;
    }
    return has_begun;
}

uint64_t pool_finished(const struct pool *pool)
{
    uint64_t finished = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        const struct slot *slot = &pool->slots[i];
        const uint64_t done = slot->state == SLOT_BUSY ? channel_done(&slot->channel) : 0;
        finished += done < slot->instance_count ? done : 0;
    }
    return finished;
}

size_t pool_running(const struct pool *pool, uint64_t now_us, struct wire_running *running_out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < pool->options.offer->slot_count; i++) {
        const struct slot *slot = &pool->slots[i];
        const uint64_t done = slot->state == SLOT_BUSY ? channel_done(&slot->channel) : 0;
        struct span span;
        if (slot->state == SLOT_BUSY && done < slot->instance_count &&
            channel_claimed(&slot->channel) > done &&
            pool_slice(slot, done, done + 1, &span) == 1) {
            running_out[count++] = (struct wire_running){
                .map = pool->options.start->map,
                .index = span.start,
                .attempt = span.attempt,
                .elapsed_us = channel_ran_us(&slot->channel, slot->started_us, now_us)};
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
