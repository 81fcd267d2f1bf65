#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/simulate/simulation_private.h"
#include "shared/memory.h"

/* Beyond so many instances, only their number and the sum of their indices are checked. */
#define CHECKED_SIZE_MAX (UINT64_C(1) << 30)
#define BYTES_OF_MESSAGE 24
#define BYTES_OF_BATCH 40
#define BYTES_OF_SPAN 12
#define BYTES_OF_RUNNING 20
/* One message of so many has the scheduler's time measured. */
#define SAMPLE_DIVISOR 251

/* ---- Life ------------------------------------------------------------------------------------ */

void server_create(struct simulation *sim)
{
    const struct simulation_options *options = &sim->options;
    const struct scheduler_options scheduler = {
        .ledger = {.size = options->draw.size, .retries = UINT32_MAX, .system_retries = UINT32_MAX},
        .sizing = {.report_interval_us = options->interval_ns / 1000,
                   .unit_size = options->unit_size,
                   .input_size_mean = options->input_size},
        .minimum = options->draw.size,
        .policy = POLICY_RUN_ALL,
        .concurrency = options->concurrency,
        .worker_count = options->ranks,
        .is_speculative = options->is_speculative,
    };
    const enum status status = scheduler_create(scheduler, &sim->scheduler);
    simulation_check(sim, status == STATUS_OK, "no memory for the scheduler");
    if (options->draw.size <= CHECKED_SIZE_MAX) {
        sim->succeeded = memory_take((size_t)(options->draw.size / 8 + 1), 1);
    }
}

void server_destroy(struct simulation *sim)
{
    scheduler_destroy(sim->scheduler);
    free(sim->succeeded);
    free(sim->fates);
    free(sim->failures);
    free(sim->bits);
    free(sim->running);
}

/* ---- Time ------------------------------------------------------------------------------------ */

void server_works(struct simulation *sim, uint64_t bytes)
{
    const double took_ns = (double)sim->options.message_ns + sim->options.byte_ns * (double)bytes;
    if (sim->master_free_ns < sim->now_ns) {
        sim->master_free_ns = sim->now_ns;
    }
    sim->master_free_ns += (uint64_t)took_ns;
    sim->master_busy_seconds += took_ns / 1e9;
    const double lag = (double)(sim->master_free_ns - sim->now_ns) / 1e9;
    if (lag > sim->result.master_lag_seconds_max) {
        sim->result.master_lag_seconds_max = lag;
    }
}

static uint64_t server_now_us(const struct simulation *sim)
{
    const uint64_t now_ns = sim->master_free_ns > sim->now_ns ? sim->master_free_ns : sim->now_ns;
    return now_ns / 1000;
}

/* Processor time of this thread: what else runs on the machine does not count. */
static uint64_t thread_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t measure_from(const struct simulation *sim)
{
    return sim->is_measured ? thread_ns() : 0;
}

/* Reading the clock takes a time that is taken off. */
static void measure_to(struct simulation *sim, uint64_t from_ns)
{
    if (sim->is_measured) {
        const uint64_t end_ns = thread_ns();
        const uint64_t clock_ns = thread_ns() - end_ns;
        const uint64_t took_ns = end_ns - from_ns;
        sim->measured_ns += took_ns > clock_ns ? took_ns - clock_ns : 0;
    }
}

static void count_event(struct simulation *sim)
{
    sim->result.events++;
    sim->measured_events += sim->is_measured ? 1 : 0;
}

/* ---- What it hears --------------------------------------------------------------------------- */

static void reserve(struct simulation *sim, uint64_t count)
{
    if (count > sim->failure_capacity) {
        sim->failure_capacity = (size_t)(2 * count);
        sim->fates = memory_resize(sim->fates, sim->failure_capacity, sizeof(*sim->fates));
        sim->failures = memory_resize(sim->failures, sim->failure_capacity, sizeof(*sim->failures));
        free(sim->bits);
        sim->bits = memory_take(sim->failure_capacity / 8 + 1, 1);
    }
}

static void fill_failures(struct simulation *sim, const struct ended *ended)
{
    reserve(sim, ended->span.count);
    for (uint64_t i = 0; i < ended->span.count; i++) {
        sim->failures[i] = (struct report_failure){
            .index = ended->span.start + i, .attempt = ended->span.attempt, .class = ended->class};
    }
}

static void count_successes(struct simulation *sim, const struct ended *ended)
{
    const uint64_t first = ended->span.start;
    const uint64_t count = ended->span.count;
    sim->success_count += count;
    sim->index_sum +=
        first * count + (count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count);
    sim->result.work_seconds += ended->work_ns / 1e9;
    if (count == 1 && ended->work_ns / 1e9 > sim->longest_seconds) {
        sim->longest_seconds = ended->work_ns / 1e9;
    }
    for (uint64_t i = first; sim->succeeded != NULL && i < first + count; i++) {
        const uint8_t bit = (uint8_t)(1u << i % 8);
        simulation_check(sim, (sim->succeeded[i / 8] & bit) == 0, "an instance succeeded twice");
        sim->succeeded[i / 8] |= bit;
    }
}

static void take_batch(struct simulation *sim, uint32_t id, const struct ended *ended)
{
    struct report_batch batch = {
        .spans = &ended->span,
        .span_count = 1,
        .instance_count = ended->span.count,
        .success_count = ended->is_success ? ended->span.count : 0,
        .frame_size =
            ended->is_success ? (size_t)(sim->options.output_size * ended->span.count) : 0,
        .elapsed_us = ended->elapsed_ns / 1000};
    if (!ended->is_success) {
        fill_failures(sim, ended);
        batch.success_bits = sim->bits;
    }
    const uint64_t from_ns = measure_from(sim);
    const char *reason = scheduler_take_batch(sim->scheduler, id, ended->lease, &batch,
                                              sim->failures, sim->fates, server_now_us(sim));
    measure_to(sim, from_ns);
    count_event(sim);
    if (reason != NULL) {
        sim->result.ignored++;
    } else if (ended->is_success) {
        count_successes(sim, ended);
    }
}

static uint64_t bytes_of(const struct simulation *sim, const struct event *event)
{
    const struct message *message = event->message;
    uint64_t bytes = BYTES_OF_MESSAGE + message->span_count * BYTES_OF_SPAN;
    if (event->kind == EVENT_HEARD) {
        return bytes + message->count * BYTES_OF_RUNNING;
    }
    for (size_t i = 0; i < message->ended_count; i++) {
        const struct ended *ended = &message->ended[i];
        bytes +=
            BYTES_OF_BATCH + (ended->is_success ? ended->span.count : 0) * sim->options.output_size;
    }
    return bytes;
}

static void on_returned(struct simulation *sim, uint32_t id, const struct message *message)
{
    const uint64_t from_ns = measure_from(sim);
    const char *reason = scheduler_take_returned(sim->scheduler, id, message->lease, message->spans,
                                                 message->span_count, server_now_us(sim));
    measure_to(sim, from_ns);
    count_event(sim);
    sim->result.ignored += reason != NULL ? 1 : 0;
    sim->result.returned +=
        reason == NULL ? span_list_count(message->spans, message->span_count) : 0;
}

static void on_beat(struct simulation *sim, uint32_t id, const struct message *message)
{
    if (message->ended_count > sim->running_capacity) {
        sim->running_capacity = 2 * message->ended_count;
        sim->running = memory_resize(sim->running, sim->running_capacity, sizeof(*sim->running));
    }
    for (size_t i = 0; i < message->ended_count; i++) {
        const struct ended *ended = &message->ended[i];
        sim->running[i] = (struct wire_running){.index = ended->span.start,
                                                .attempt = ended->span.attempt,
                                                .elapsed_us = ended->elapsed_ns / 1000};
    }
    const struct wire_beat beat = {.running = sim->running, .running_count = message->ended_count};
    const uint64_t from_ns = measure_from(sim);
    scheduler_beat(sim->scheduler, id, &beat, server_now_us(sim));
    measure_to(sim, from_ns);
    count_event(sim);
}

void server_hears(struct simulation *sim, const struct event *event)
{
    const struct message *message = event->message;
    const uint64_t bytes = bytes_of(sim, event);
    sim->is_measured = sim->heard++ % SAMPLE_DIVISOR == 0;
    sim->measured_messages += sim->is_measured ? 1 : 0;
    sim->result.messages_in++;
    sim->result.bytes_in += bytes;
    server_works(sim, bytes);
    if (event->kind == EVENT_REPORT) {
        for (size_t i = 0; i < message->ended_count; i++) {
            take_batch(sim, event->rank, &message->ended[i]);
        }
    } else if (event->kind == EVENT_RETURNED) {
        on_returned(sim, event->rank, message);
    } else if (sim->options.is_speculative) {
        on_beat(sim, event->rank, message);
    }
    server_acts(sim);
}

static void ignore_charge(void *context, uint64_t index, struct ledger_fate fate)
{
    (void)context;
    (void)index;
    (void)fate;
}

void server_loses(struct simulation *sim, uint32_t id)
{
    const struct modelled *modelled = &sim->ranks[id];
    scheduler_lose(sim->scheduler, id, modelled->running, modelled->running_count, ignore_charge,
                   NULL, server_now_us(sim));
    count_event(sim);
    server_acts(sim);
}

/* ---- What it does ---------------------------------------------------------------------------- */

static bool is_copy(const struct simulation *sim, const struct scheduler_action *action)
{
    uint64_t attempt;
    return scheduler_is_copy(sim->scheduler, action->worker, action->lease, action->spans[0].start,
                             &attempt);
}

static void send_unit(struct simulation *sim, const struct scheduler_action *action)
{
    const uint64_t count = span_list_count(action->spans, action->span_count);
    const uint64_t bytes =
        BYTES_OF_MESSAGE + action->span_count * BYTES_OF_SPAN + count * sim->options.input_size;
    struct message *message = post_message(&sim->post);
    message->lease = action->lease;
    message_set_spans(message, action->spans, action->span_count);
    sim->queued_under_way += count;
    sim->result.copies += is_copy(sim, action) ? 1 : 0;
    sim->result.units++;
    send_to_rank(sim, EVENT_UNIT, action->worker, message, bytes);
}

static void act(struct simulation *sim, const struct scheduler_action *action)
{
    struct message *message;
    switch (action->kind) {
    case SCHEDULER_SEND_UNIT:
        send_unit(sim, action);
        break;
    case SCHEDULER_RECALL:
        message = post_message(&sim->post);
        message->lease = action->lease;
        message->count = action->count;
        sim->result.recalls++;
        send_to_rank(sim, EVENT_RECALL, action->worker, message, BYTES_OF_MESSAGE);
        break;
    case SCHEDULER_END:
        message = post_message(&sim->post);
        message->lease = action->lease;
        message->count = action->index;
        send_to_rank(sim, EVENT_END, action->worker, message, BYTES_OF_MESSAGE);
        break;
    case SCHEDULER_CANCEL:
        for (uint32_t id = 0; id < sim->options.ranks; id++) {
            send_to_rank(sim, EVENT_CANCEL, id, post_message(&sim->post), BYTES_OF_MESSAGE);
        }
        break;
    case SCHEDULER_DONE:
        sim->is_done = true;
        sim->done_ns = sim->now_ns;
        break;
    }
}

void server_acts(struct simulation *sim)
{
    struct scheduler_action action;
    bool is_more = true;
    while (is_more && !sim->is_done) {
        const uint64_t from_ns = measure_from(sim);
        is_more = scheduler_next(sim->scheduler, server_now_us(sim), &action);
        measure_to(sim, from_ns);
        if (is_more) {
            act(sim, &action);
        }
    }
    sim->is_measured = false;
    sim->result.scheduler_us_per_event =
        sim->measured_events == 0 ? 0
                                  : (double)sim->measured_ns / 1e3 / (double)sim->measured_events;
    sim->result.scheduler_us_per_message =
        sim->measured_messages == 0
            ? 0
            : (double)sim->measured_ns / 1e3 / (double)sim->measured_messages;
}

void server_check_end(const struct simulation *sim)
{
    const struct ledger_counts counts = scheduler_counts(sim->scheduler);
    const uint64_t size = sim->options.draw.size;
    const uint64_t sum = size % 2 == 0 ? size / 2 * (size - 1) : (size - 1) / 2 * size;
    simulation_check(sim, counts.succeeded == size && sim->success_count == size,
                     "not every instance has succeeded once");
    simulation_check(sim, sim->index_sum == sum, "the indices that succeeded are others");
}
