#include "bench/simulate/simulation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bench/simulate/post.h"
#include "bench/simulate/rank.h"
#include "bench/simulate/simulation_private.h"
#include "master/scheduler.h"
#include "shared/memory.h"

#define GIVE_BACK_SPAN_MAX 1024
#define BEAT_NS 1000000000
/* Ranks are modelled slot by slot once each slot has so many instances left. */
#define EXACT_ROUNDS 6

void simulation_check(const struct simulation *sim, bool condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "mapfleet-simulate: seed %" PRIu64 " at %.6f s: %s\n",
                      sim->options.seed, (double)sim->now_ns / 1e9, what);
        exit(1);
    }
}

static int compare_indices(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static bool is_in_that_life(const struct rank *rank, const struct event *event)
{
    return rank->is_present && (uint16_t)rank->life == event->life;
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* From 0.5 to 1.5 latencies. */
static uint64_t travel_ns(struct simulation *sim)
{
    const double factor = 0.5 + draw_uniform(sim->options.seed + 2, sim->chances++);
    return (uint64_t)((double)sim->options.latency_ns * factor);
}

static bool chance(struct simulation *sim, double part)
{
    return part > 0 && draw_uniform(sim->options.seed + 3, sim->chances++) < part;
}

/* To a rank messages keep their order. The master takes its time before each. */
void send_to_rank(struct simulation *sim, enum event_kind kind, uint32_t id,
                  struct message *message, uint64_t bytes)
{
    struct modelled *modelled = &sim->ranks[id];
    server_works(sim, bytes);
    sim->result.messages_out++;
    sim->result.bytes_out += bytes;
    uint64_t time_ns = sim->master_free_ns + travel_ns(sim);
    time_ns = time_ns > modelled->posted_ns ? time_ns : modelled->posted_ns;
    time_ns = time_ns > modelled->rank.silent_until_ns ? time_ns : modelled->rank.silent_until_ns;
    modelled->posted_ns = time_ns;
    message->life = modelled->rank.life;
    post_put(&sim->post,
             (struct event){.time_ns = time_ns, .kind = kind, .rank = id, .message = message});
}

static void send_to_master(struct simulation *sim, enum event_kind kind, uint32_t id,
                           struct message *message, uint64_t sent_ns)
{
    const struct rank *rank = &sim->ranks[id].rank;
    const uint64_t from_ns = sent_ns > rank->silent_until_ns ? sent_ns : rank->silent_until_ns;
    struct event event = {.kind = kind, .rank = id, .message = message};
    if (chance(sim, sim->options.doubled)) {
        message->references++;
        event.time_ns = from_ns + 4 * travel_ns(sim);
        post_put(&sim->post, event);
    }
    event.time_ns = from_ns + travel_ns(sim) * (chance(sim, sim->options.delayed) ? 10 : 1);
    post_put(&sim->post, event);
}

/* ---- Ranks ----------------------------------------------------------------------------------- */

static void set_wake(struct simulation *sim, uint32_t id)
{
    struct rank *rank = &sim->ranks[id].rank;
    const uint64_t wake_ns = rank_wake_ns(rank, &sim->rank_options);
    if (wake_ns < rank->wake_ns) {
        rank->wake_ns = wake_ns;
        post_put(&sim->post, (struct event){.time_ns = wake_ns, .kind = EVENT_WAKE, .rank = id});
    }
}

static void add_ended(struct message *message, const struct ended *ended)
{
    message->ended = memory_grow(message->ended, message->ended_count, &message->ended_capacity,
                                 sizeof(*message->ended));
    message->ended[message->ended_count++] = *ended;
}

/* What was cut off goes back by itself, the rest is one report. */
static void report(struct simulation *sim, uint32_t id, uint64_t now_ns)
{
    struct rank *rank = &sim->ranks[id].rank;
    struct message *message = post_message(&sim->post);
    for (size_t i = 0; i < rank->ended_count; i++) {
        const struct ended *ended = &rank->ended[i];
        if (!ended->is_unstarted) {
            add_ended(message, ended);
            continue;
        }
        struct message *returned = post_message(&sim->post);
        returned->lease = ended->lease;
        message_set_spans(returned, &ended->span, 1);
        send_to_master(sim, EVENT_RETURNED, id, returned, now_ns);
    }
    rank->ended_count = 0;
    rank->reported_ns = now_ns;
    if (message->ended_count > 0) {
        send_to_master(sim, EVENT_REPORT, id, message, now_ns);
    } else {
        post_release(&sim->post, message);
    }
}

static void bring_up(struct simulation *sim, uint32_t id)
{
    struct rank *rank = &sim->ranks[id].rank;
    const uint64_t dry_before = rank->queue_count;
    const uint64_t first_ns = rank->busy > 0 ? rank->heap[0].end_ns : UINT64_MAX;
    rank_advance(rank, &sim->rank_options, sim->now_ns);
    sim->queued -= dry_before - rank->queue_count;
    sim->result.ran_dry +=
        !rank->is_bulk && dry_before > 0 && rank->queue_count == 0 && first_ns < sim->now_ns ? 1
                                                                                             : 0;
}

static void after_rank(struct simulation *sim, uint32_t id)
{
    struct rank *rank = &sim->ranks[id].rank;
    if (rank_is_report_due(rank, &sim->rank_options, sim->now_ns)) {
        report(sim, id, sim->now_ns);
    }
    set_wake(sim, id);
}

static void on_wake(struct simulation *sim, const struct event *event)
{
    struct rank *rank = &sim->ranks[event->rank].rank;
    if (!rank->is_present || rank->wake_ns != event->time_ns) {
        return;
    }
    rank->wake_ns = UINT64_MAX;
    bring_up(sim, event->rank);
    after_rank(sim, event->rank);
}

static void on_unit(struct simulation *sim, uint32_t id, const struct message *message)
{
    struct rank *rank = &sim->ranks[id].rank;
    rank_take_unit(rank, &sim->rank_options, message->lease, message->spans, message->span_count,
                   sim->now_ns);
}

static void give_back(struct simulation *sim, uint32_t id, uint64_t lease, uint64_t count_max)
{
    struct span spans[GIVE_BACK_SPAN_MAX];
    struct message *message = post_message(&sim->post);
    message->lease = lease;
    const size_t span_count =
        rank_give_back(&sim->ranks[id].rank, lease, count_max, spans, GIVE_BACK_SPAN_MAX);
    message_set_spans(message, spans, span_count);
    send_to_master(sim, EVENT_RETURNED, id, message, sim->now_ns);
}

static void cancel(struct simulation *sim, uint32_t id)
{
    struct rank *rank = &sim->ranks[id].rank;
    while (rank->queue_first < rank->queue_parts) {
        give_back(sim, id, rank->queue[rank->queue_first].lease, UINT64_MAX);
    }
    rank_cancel(rank, &sim->rank_options, sim->now_ns);
    report(sim, id, sim->now_ns);
}

/* From here on slot by slot, each rank when something next happens to it. */
static void go_exact(struct simulation *sim)
{
    sim->rank_options.is_exact = true;
}

/* A message to a rank. What was sent to a former life does not arrive. */
static void on_rank_message(struct simulation *sim, const struct event *event)
{
    struct rank *rank = &sim->ranks[event->rank].rank;
    const struct message *message = event->message;
    sim->queued_under_way -=
        event->kind == EVENT_UNIT ? span_list_count(message->spans, message->span_count) : 0;
    if (!rank->is_present || rank->life != message->life) {
        return;
    }
    bring_up(sim, event->rank);
    const uint64_t before = rank->queue_count;
    if (event->kind == EVENT_UNIT) {
        on_unit(sim, event->rank, message);
    } else if (rank->is_bulk) {
        go_exact(sim);
        on_rank_message(sim, event);
        return;
    } else if (event->kind == EVENT_RECALL) {
        give_back(sim, event->rank, message->lease, message->count);
    } else if (event->kind == EVENT_END) {
        give_back(sim, event->rank, message->lease, UINT64_MAX);
        rank_end(rank, &sim->rank_options, message->lease, message->count, sim->now_ns);
    } else {
        cancel(sim, event->rank);
    }
    sim->queued += rank->queue_count - before;
    after_rank(sim, event->rank);
}

static void fill_beat(const struct simulation *sim, const struct rank *rank,
                      struct message *message)
{
    message->ended_count = 0;
    for (uint32_t i = 0; i < rank->busy; i++) {
        const uint32_t slot = rank->heap[i].slot;
        const struct ended running = {.span =
                                          rank_current(rank, &sim->rank_options, slot, sim->now_ns),
                                      .elapsed_ns = sim->now_ns - rank->running[slot].begun_ns};
        add_ended(message, &running);
    }
}

/* What each slot is in. */
static void on_beat(struct simulation *sim, const struct event *event)
{
    struct rank *rank = &sim->ranks[event->rank].rank;
    if (!is_in_that_life(rank, event)) {
        return;
    }
    bring_up(sim, event->rank);
    after_rank(sim, event->rank);
    struct message *message = post_message(&sim->post);
    message->count = rank->busy;
    if (sim->options.is_speculative) {
        fill_beat(sim, rank, message);
    }
    send_to_master(sim, EVENT_HEARD, event->rank, message, sim->now_ns);
    post_put(&sim->post, (struct event){.time_ns = sim->now_ns + BEAT_NS,
                                        .kind = EVENT_BEAT,
                                        .life = (uint16_t)rank->life,
                                        .rank = event->rank});
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static void join(struct simulation *sim, uint32_t id)
{
    struct rank *rank = &sim->ranks[id].rank;
    rank_start(rank, &sim->rank_options, sim->now_ns);
    scheduler_join(sim->scheduler, id, rank->slots);
    post_put(&sim->post, (struct event){.time_ns = sim->now_ns + BEAT_NS * (1 + id % 100) / 100,
                                        .kind = EVENT_BEAT,
                                        .life = (uint16_t)rank->life,
                                        .rank = id});
}

/* What its slots are in at the end, as its last beat may have named it. */
static void keep_running(struct simulation *sim, uint32_t id)
{
    struct modelled *modelled = &sim->ranks[id];
    const struct rank *rank = &modelled->rank;
    modelled->running = memory_resize(modelled->running, rank->slots, sizeof(uint64_t));
    modelled->running_count = 0;
    if (rank->is_bulk && rank->queue_count > 0) {
        const struct span *first = &rank->queue[rank->queue_first].span;
        for (uint64_t i = 0; i < first->count && i < rank->slots; i++) {
            modelled->running[modelled->running_count++] = first->start + i;
        }
    }
    for (uint32_t i = 0; i < rank->busy; i++) {
        modelled->running[modelled->running_count++] =
            rank_current(rank, &sim->rank_options, rank->heap[i].slot, sim->now_ns).start;
    }
    qsort(modelled->running, modelled->running_count, sizeof(uint64_t), compare_indices);
}

static void forget(struct simulation *sim, uint32_t id)
{
    struct rank *rank = &sim->ranks[id].rank;
    keep_running(sim, id);
    sim->queued -= rank->queue_count;
    rank_forget(rank, sim->now_ns);
}

static void on_die(struct simulation *sim, const struct event *event)
{
    struct rank *rank = &sim->ranks[event->rank].rank;
    if (!is_in_that_life(rank, event)) {
        return;
    }
    bring_up(sim, event->rank);
    forget(sim, event->rank);
    sim->result.lost_ranks++;
    post_put(&sim->post, (struct event){.time_ns = sim->now_ns + sim->options.lost_after_ns,
                                        .kind = EVENT_NOTICE,
                                        .rank = event->rank});
}

/* It works on, but is not heard, and does not hear. If that lasts, it is given up while it lives,
 * and what it then says is late. */
static void on_silence(struct simulation *sim, const struct event *event)
{
    struct rank *rank = &sim->ranks[event->rank].rank;
    if (!is_in_that_life(rank, event)) {
        return;
    }
    rank->silent_until_ns = sim->now_ns + sim->options.silent_ns;
    if (sim->options.silent_ns > sim->options.lost_after_ns) {
        post_put(&sim->post, (struct event){.time_ns = sim->now_ns + sim->options.lost_after_ns,
                                            .kind = EVENT_NOTICE,
                                            .rank = event->rank});
    }
}

static void on_notice(struct simulation *sim, uint32_t id)
{
    struct modelled *modelled = &sim->ranks[id];
    uint64_t back_ns = sim->options.return_ns > 0 ? sim->now_ns + sim->options.return_ns : 0;
    if (modelled->rank.is_present) {
        bring_up(sim, id);
        if (modelled->rank.ended_count > 0) {
            report(sim, id, sim->now_ns);
        }
        back_ns = modelled->rank.silent_until_ns;
        forget(sim, id);
    }
    server_loses(sim, id);
    if (back_ns > 0) {
        post_put(&sim->post, (struct event){.time_ns = back_ns, .kind = EVENT_JOIN, .rank = id});
    }
}

static void set_faults(struct simulation *sim)
{
    const struct simulation_options *options = &sim->options;
    for (uint32_t id = 0; id < options->ranks; id++) {
        const double when = draw_uniform(options->seed + 4, id);
        const uint64_t time_ns = (uint64_t)(when * sim->result.bound_seconds * 1e9);
        const double which = draw_uniform(options->seed + 5, id);
        struct event event = {.time_ns = time_ns, .kind = EVENT_DIE, .rank = id};
        if (which < options->lost) {
            sim->ranks[id].lost_seconds = (double)time_ns / 1e9;
            post_put(&sim->post, event);
        } else if (which < options->lost + options->silent) {
            event.kind = EVENT_SILENCE;
            post_put(&sim->post, event);
        }
    }
}

/* ---- The bound ------------------------------------------------------------------------------- */

/* When ranks that never rest, and of which the lost do nothing from then on, have done the work;
 * or, if that is later, when the longest instance can be over. */
static double bound_of(const struct simulation *sim, double work_seconds)
{
    double low = 0;
    double high = 2 * work_seconds / sim->speed_all + 1;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        double done = 0;
        for (uint32_t id = 0; id < sim->options.ranks; id++) {
            const struct modelled *modelled = &sim->ranks[id];
            const double until = modelled->lost_seconds > 0 && modelled->lost_seconds < middle &&
                                         sim->options.return_ns == 0
                                     ? modelled->lost_seconds
                                     : middle;
            done += until * modelled->rank.slots * modelled->rank.speed;
        }
        *(done < work_seconds ? &low : &high) = middle;
    }
    return high > sim->longest_seconds ? high : sim->longest_seconds;
}

/* ---- One run --------------------------------------------------------------------------------- */

static void handle(struct simulation *sim, const struct event *event)
{
    switch ((enum event_kind)event->kind) {
    case EVENT_WAKE:
        on_wake(sim, event);
        break;
    case EVENT_BEAT:
        on_beat(sim, event);
        break;
    case EVENT_UNIT:
    case EVENT_RECALL:
    case EVENT_END:
    case EVENT_CANCEL:
        on_rank_message(sim, event);
        break;
    case EVENT_REPORT:
    case EVENT_RETURNED:
    case EVENT_HEARD:
        server_hears(sim, event);
        break;
    case EVENT_DIE:
        on_die(sim, event);
        break;
    case EVENT_SILENCE:
        on_silence(sim, event);
        break;
    case EVENT_NOTICE:
        on_notice(sim, event->rank);
        break;
    case EVENT_JOIN:
        join(sim, event->rank);
        break;
    }
}

/* The slots' idle time up to now, of ranks that are there. */
static double idle_seconds(struct simulation *sim)
{
    double idle_ns = 0;
    for (uint32_t id = 0; id < sim->options.ranks; id++) {
        if (sim->ranks[id].rank.is_present) {
            bring_up(sim, id);
        }
        idle_ns += sim->ranks[id].rank.idle_ns;
    }
    return idle_ns / 1e9;
}

static void look_whether_all_has_started(struct simulation *sim)
{
    const struct ledger_counts counts = scheduler_counts(sim->scheduler);
    if (!sim->rank_options.is_exact &&
        (double)(counts.ready + counts.leased) <
            EXACT_ROUNDS * sim->options.slots * (double)sim->options.ranks) {
        go_exact(sim);
    }
    if (!sim->has_all_started && counts.ready == 0 && counts.waiting == 0 && sim->queued == 0 &&
        sim->queued_under_way == 0) {
        sim->has_all_started = true;
        sim->idle_before_seconds = idle_seconds(sim);
    }
}

/* What the next events touch, of the modelled ranks alone: waiting for memory would take longer
 * than the simulation itself. */
static void fetch_ahead(const struct simulation *sim)
{
    const struct event *far = post_peek(&sim->post, 3);
    const struct event *near = post_peek(&sim->post, 1);
    if (far != NULL) {
        const char *rank = (const char *)&sim->ranks[far->rank];
        __builtin_prefetch(rank);
        __builtin_prefetch(rank + 64);
        __builtin_prefetch(rank + 128);
        __builtin_prefetch(rank + 192);
        __builtin_prefetch(far->message);
    }
    if (near != NULL) {
        const struct rank *rank = &sim->ranks[near->rank].rank;
        __builtin_prefetch(&rank->queue[rank->queue_first]);
        __builtin_prefetch(rank->ended);
        if (near->message != NULL) {
            __builtin_prefetch(near->message->ended);
            __builtin_prefetch(near->message->spans);
        }
    }
}

static void create(struct simulation *sim)
{
    const struct simulation_options *options = &sim->options;
    sim->ranks = memory_take(options->ranks, sizeof(*sim->ranks));
    for (uint32_t id = 0; id < options->ranks; id++) {
        const bool is_slow = draw_uniform(options->seed + 6, id) < options->slow;
        rank_create(&sim->ranks[id].rank, options->slots, is_slow ? 1 / options->slow_factor : 1);
        sim->speed_all += sim->ranks[id].rank.speed * options->slots;
    }
    sim->rank_options =
        (struct rank_options){.draw = &sim->options.draw,
                              .interval_ns = options->interval_ns,
                              .batch_ns = options->batch_ns,
                              .failures = options->failures,
                              .is_exact = options->is_exact || options->draw.kind == DRAW_DRIFT};
    server_create(sim);
}

static double processor_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void measure(struct simulation *sim, double started_seconds)
{
    struct simulation_result *result = &sim->result;
    const double makespan = (double)sim->done_ns / 1e9;
    const double idle = idle_seconds(sim);
    const double all = makespan * sim->options.slots * sim->options.ranks;
    result->makespan_seconds = makespan;
    result->bound_seconds = bound_of(sim, result->work_seconds);
    result->idle_share = idle / all;
    result->idle_share_avoidable = (sim->has_all_started ? sim->idle_before_seconds : idle) / all;
    result->master_busy_share = sim->master_busy_seconds / makespan;
    result->simulating_seconds = processor_seconds() - started_seconds;
}

/* Of the process, less what the modelled ranks and messages hold. */
static uint64_t state_bytes(const struct simulation *sim)
{
    struct rusage usage;
    uint64_t own =
        post_bytes(&sim->post) + (sim->succeeded != NULL ? sim->options.draw.size / 8 : 0);
    (void)getrusage(RUSAGE_SELF, &usage);
    for (uint32_t id = 0; id < sim->options.ranks; id++) {
        const struct rank *rank = &sim->ranks[id].rank;
        own += sizeof(struct modelled) + rank->queue_capacity * sizeof(struct part) +
               rank->slots * (sizeof(struct running) + sizeof(struct due) + sizeof(uint32_t)) +
               rank->ended_capacity * sizeof(struct ended);
    }
    const uint64_t all = (uint64_t)usage.ru_maxrss * 1024;
    return all > own ? all - own : 0;
}

static void destroy(struct simulation *sim)
{
    for (uint32_t id = 0; id < sim->options.ranks; id++) {
        rank_free(&sim->ranks[id].rank);
        free(sim->ranks[id].running);
    }
    free(sim->ranks);
    post_free(&sim->post);
    server_destroy(sim);
}

struct simulation_result simulation_run(const struct simulation_options *options)
{
    const double started_seconds = processor_seconds();
    struct simulation *sim = memory_take(1, sizeof(*sim));
    sim->options = *options;
    create(sim);
    sim->result.bound_seconds =
        bound_of(sim, options->draw.mean_ns / 1e9 * (double)options->draw.size);
    for (uint32_t id = 0; id < options->ranks; id++) {
        join(sim, id);
    }
    set_faults(sim);
    server_acts(sim);
    while (!sim->is_done) {
        simulation_check(sim, !post_is_empty(&sim->post), "nothing happens any more");
        const struct event event = post_take(&sim->post);
        fetch_ahead(sim);
        sim->now_ns = event.time_ns;
        handle(sim, &event);
        post_release(&sim->post, event.message);
        look_whether_all_has_started(sim);
    }
    measure(sim, started_seconds);
    server_check_end(sim);
    sim->result.state_bytes_max = state_bytes(sim);
    const struct simulation_result result = sim->result;
    destroy(sim);
    free(sim);
    return result;
}
