#include "bench/simulate/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define BATCH_GOAL_NS 8e6
#define BATCH_COUNT_MAX 20000
#define BATCH_GROWTH_MAX 16
#define NEWEST_WEIGHT 0.3
#define TRIM_AFTER_NS 10000000
#define HASTE_DIVISOR 32
/* In bulk, slots are on average half through their instances. */
#define BULK_AGE 0.5
/* In bulk, what is drawn at once is so much of what fits, until so few are left to draw. */
#define BULK_CHUNK 0.5
#define BULK_CHUNK_MIN 8

/* ---- Life ------------------------------------------------------------------------------------ */

void rank_create(struct rank *rank, uint32_t slots, double speed)
{
    *rank = (struct rank){.slots = slots, .speed = speed, .batch_grown = 1, .wake_ns = UINT64_MAX};
    rank->running = memory_take(slots, sizeof(*rank->running));
    rank->heap = memory_take(slots, sizeof(*rank->heap));
    rank->free_slots = memory_take(slots, sizeof(*rank->free_slots));
    for (uint32_t i = 0; i < slots; i++) {
        rank->free_slots[i] = slots - 1 - i;
    }
}

void rank_free(struct rank *rank)
{
    free(rank->queue);
    free(rank->running);
    free(rank->heap);
    free(rank->free_slots);
    free(rank->ended);
}

void rank_start(struct rank *rank, const struct rank_options *options, uint64_t now_ns)
{
    rank->is_present = true;
    rank->now_ns = now_ns;
    rank->reported_ns = now_ns;
    rank->silent_until_ns = 0;
    rank->wake_ns = UINT64_MAX;
    rank->instance_ns = 0;
    rank->batch_grown = 1;
    rank->is_bulk = !options->is_exact;
    rank->surplus_ns = -BULK_AGE * options->draw->mean_ns * rank->slots;
}

void rank_forget(struct rank *rank, uint64_t now_ns)
{
    rank->queue_first = 0;
    rank->queue_parts = 0;
    rank->queue_count = 0;
    rank->busy = 0;
    rank->ended_count = 0;
    rank->now_ns = now_ns;
    rank->is_present = false;
    rank->life++;
    for (uint32_t i = 0; i < rank->slots; i++) {
        rank->free_slots[i] = rank->slots - 1 - i;
    }
}

/* ---- The heap of busy slots ------------------------------------------------------------------ */

static void heap_put(struct rank *rank, struct due due)
{
    uint32_t at = rank->busy++;
    while (at > 0 && rank->heap[(at - 1) / 2].end_ns > due.end_ns) {
        rank->heap[at] = rank->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    rank->heap[at] = due;
}

static void heap_sink(struct rank *rank, uint32_t at, struct due due)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= rank->busy) {
            break;
        }
        child += child + 1 < rank->busy && rank->heap[child + 1].end_ns < rank->heap[child].end_ns;
        if (rank->heap[child].end_ns >= due.end_ns) {
            break;
        }
        rank->heap[at] = rank->heap[child];
        at = child;
    }
    rank->heap[at] = due;
}

static void heap_drop_first(struct rank *rank)
{
    rank->busy--;
    heap_sink(rank, 0, rank->heap[rank->busy]);
}

/* The slot's batch ends earlier than was thought. */
static void heap_hasten(struct rank *rank, uint32_t slot, uint64_t end_ns)
{
    uint32_t at = 0;
    while (rank->heap[at].slot != slot) {
        at++;
    }
    for (; at > 0 && rank->heap[(at - 1) / 2].end_ns > end_ns; at = (at - 1) / 2) {
        rank->heap[at] = rank->heap[(at - 1) / 2];
    }
    heap_sink(rank, at, (struct due){.end_ns = end_ns, .slot = slot});
}

/* ---- Batches --------------------------------------------------------------------------------- */

static uint64_t batch_count(const struct rank *rank)
{
    const uint64_t share = (rank->queue_count + rank->slots - 1) / rank->slots;
    if (rank->instance_ns <= 0) {
        return 1;
    }
    const double goal = BATCH_GOAL_NS / rank->instance_ns;
    uint64_t count = goal >= BATCH_COUNT_MAX ? BATCH_COUNT_MAX : (uint64_t)goal;
    count = count < rank->batch_grown ? count : rank->batch_grown;
    count = count < share ? count : share;
    return count > 0 ? count : 1;
}

static void observe(struct rank *rank, uint64_t count, uint64_t elapsed_ns)
{
    const double instance_ns = ((double)elapsed_ns + 500) / (double)count;
    rank->instance_ns = rank->instance_ns <= 0
                            ? instance_ns
                            : rank->instance_ns + NEWEST_WEIGHT * (instance_ns - rank->instance_ns);
    if (rank->batch_grown < BATCH_COUNT_MAX) {
        rank->batch_grown = count * BATCH_GROWTH_MAX;
    }
}

static void start_some(struct rank *rank, const struct rank_options *options, uint64_t wanted,
                       uint64_t now_ns)
{
    struct part *part = &rank->queue[rank->queue_first];
    const uint64_t count = wanted < part->span.count ? wanted : part->span.count;
    const uint32_t slot = rank->free_slots[rank->slots - rank->busy - 1];
    struct running *running = &rank->running[slot];
    *running = (struct running){.part = {.lease = part->lease,
                                         .span = {.start = part->span.start,
                                                  .count = count,
                                                  .attempt = part->span.attempt}},
                                .begun_ns = now_ns,
                                .work_ns = draw_sum_ns(options->draw, part->span.start, count)};
    part->span.start += count;
    part->span.count -= count;
    rank->queue_first += part->span.count == 0 ? 1 : 0;
    rank->queue_count -= count;
    const double took_ns = running->work_ns / rank->speed + (double)options->batch_ns;
    heap_put(rank, (struct due){.end_ns = now_ns + (uint64_t)took_ns, .slot = slot});
}

static void start_batches(struct rank *rank, const struct rank_options *options, uint64_t now_ns)
{
    while (rank->busy < rank->slots && rank->queue_count > 0) {
        start_some(rank, options, batch_count(rank), now_ns);
    }
}

static void add_ended(struct rank *rank, struct ended ended)
{
    rank->ended =
        memory_grow(rank->ended, rank->ended_count, &rank->ended_capacity, sizeof(*rank->ended));
    rank->ended[rank->ended_count++] = ended;
}

/* By chance, which is the same at each run of one attempt. A batch fails as a whole. */
static bool is_failure(const struct rank_options *options, const struct span *span)
{
    return options->failures > 0 &&
           draw_uniform(options->draw->seed + 1 + span->attempt, span->start) < options->failures;
}

static void end_batch(struct rank *rank, const struct rank_options *options, uint32_t slot,
                      uint64_t now_ns)
{
    struct running *running = &rank->running[slot];
    struct span *span = &running->part.span;
    const uint64_t aborted = running->is_aborted ? 1 : 0; /* the last one */
    struct ended ended = {.lease = running->part.lease,
                          .span = {.start = span->start + span->count - aborted,
                                   .count = aborted,
                                   .attempt = span->attempt},
                          .class = FAILURE_ABORTED};
    span->count -= aborted;
    if (aborted > 0) {
        add_ended(rank, ended);
    }
    if (span->count > 0) {
        ended.span = *span;
        ended.elapsed_ns = now_ns - running->begun_ns;
        ended.work_ns = running->work_ns;
        ended.is_success = !is_failure(options, span);
        ended.class = FAILURE_ERROR;
        observe(rank, span->count, ended.elapsed_ns);
        add_ended(rank, ended);
    }
    if (running->rest.count > 0) {
        ended = (struct ended){.lease = ended.lease, .span = running->rest, .is_unstarted = true};
        add_ended(rank, ended);
    }
    rank->free_slots[rank->slots - rank->busy - 1] = slot;
}

/* How many of the batch's instances have been started by now, and when the last of them ends. */
static uint64_t count_started(const struct rank *rank, const struct rank_options *options,
                              const struct running *running, uint64_t now_ns, double *work_ns_out)
{
    const double passed_ns = (double)(now_ns - running->begun_ns) - (double)options->batch_ns;
    double work_ns = 0;
    uint64_t count = 0;
    do {
        work_ns += draw_ns(options->draw, running->part.span.start + count);
        count++;
    } while (count < running->part.span.count && work_ns / rank->speed <= passed_ns);
    *work_ns_out = work_ns;
    return count;
}

/* What of the slot's batch has not started is cut off; its rest comes back when it ends. */
static void trim(struct rank *rank, const struct rank_options *options, uint32_t slot,
                 uint64_t now_ns)
{
    struct running *running = &rank->running[slot];
    struct span *span = &running->part.span;
    double work_ns;
    if (running->is_trimmed || span->count == 1) {
        return;
    }
    const uint64_t count = count_started(rank, options, running, now_ns, &work_ns);
    running->is_trimmed = true;
    if (count < span->count) {
        running->rest = (struct span){
            .start = span->start + count, .count = span->count - count, .attempt = span->attempt};
        span->count = count;
        running->work_ns = work_ns;
        const double took_ns = work_ns / rank->speed + (double)options->batch_ns;
        const uint64_t end_ns = running->begun_ns + (uint64_t)took_ns;
        heap_hasten(rank, slot, end_ns > now_ns ? end_ns : now_ns);
    }
}

static void trim_slow_ones(struct rank *rank, const struct rank_options *options, uint64_t now_ns)
{
    for (uint32_t i = 0; i < rank->busy; i++) {
        const struct running *running = &rank->running[rank->heap[i].slot];
        if (running->part.span.count > 1 && now_ns >= running->begun_ns + TRIM_AFTER_NS) {
            trim(rank, options, rank->heap[i].slot, now_ns);
        }
    }
}

static void pass_time(struct rank *rank, uint64_t now_ns)
{
    rank->idle_ns += (double)(rank->slots - rank->busy) * (double)(now_ns - rank->now_ns);
    rank->now_ns = now_ns;
}

/* ---- In bulk --------------------------------------------------------------------------------- */

static uint64_t bulk_busy(const struct rank *rank)
{
    return rank->queue_count < rank->slots ? rank->queue_count : rank->slots;
}

/* Of the next `count` instances, with their part of the hand-overs. */
static double bulk_cost_ns(const struct rank *rank, const struct rank_options *options,
                           const struct part *part, uint64_t count, double *work_ns_out)
{
    const double goal = BATCH_GOAL_NS / options->draw->mean_ns;
    const double per_batch = goal > BATCH_COUNT_MAX ? BATCH_COUNT_MAX : goal > 1 ? floor(goal) : 1;
    *work_ns_out = draw_sum_ns(options->draw, part->span.start, count);
    return *work_ns_out + (double)options->batch_ns * rank->speed * (double)count / per_batch;
}

static void bulk_end(struct rank *rank, const struct rank_options *options, uint64_t count,
                     double work_ns)
{
    struct part *part = &rank->queue[rank->queue_first];
    struct ended ended = {
        .lease = part->lease,
        .span = {.start = part->span.start, .count = count, .attempt = part->span.attempt},
        .elapsed_ns = (uint64_t)(work_ns / rank->speed),
        .work_ns = work_ns,
        .class = FAILURE_ERROR};
    struct ended *last = rank->ended_count > 0 ? &rank->ended[rank->ended_count - 1] : NULL;
    ended.is_success = !is_failure(options, &ended.span);
    observe(rank, count, ended.elapsed_ns);
    if (last != NULL && last->lease == ended.lease && last->is_success == ended.is_success &&
        last->span.start + last->span.count == ended.span.start &&
        last->span.attempt == ended.span.attempt) {
        last->span.count += count;
        last->elapsed_ns += ended.elapsed_ns;
        last->work_ns += work_ns;
    } else {
        add_ended(rank, ended);
    }
    part->span.start += count;
    part->span.count -= count;
    rank->queue_first += part->span.count == 0 ? 1 : 0;
    rank->queue_count -= count;
}

static void bulk_advance(struct rank *rank, const struct rank_options *options, uint64_t now_ns)
{
    const uint64_t busy = bulk_busy(rank);
    const double passed_ns = (double)(now_ns - rank->now_ns);
    rank->idle_ns += (double)(rank->slots - busy) * passed_ns;
    rank->surplus_ns += (double)busy * rank->speed * passed_ns;
    rank->now_ns = now_ns;
    while (rank->queue_count > 0 && rank->surplus_ns > 0) {
        const struct part *part = &rank->queue[rank->queue_first];
        const double fits = rank->surplus_ns / options->draw->mean_ns * BULK_CHUNK;
        uint64_t count = fits < BULK_CHUNK_MIN ? 1 : (uint64_t)fits;
        count = count < part->span.count ? count : part->span.count;
        double work_ns;
        const double cost_ns = bulk_cost_ns(rank, options, part, count, &work_ns);
        if (cost_ns > rank->surplus_ns) {
            return; /* a little earlier than the last ones could have ended */
        }
        rank->surplus_ns -= cost_ns;
        bulk_end(rank, options, count, work_ns);
    }
}

/* Each slot takes one of the next instances, at a point in it that chance chooses. */
static void leave_bulk(struct rank *rank, const struct rank_options *options)
{
    rank->is_bulk = false;
    while (rank->busy < rank->slots && rank->queue_count > 0) {
        const struct part *part = &rank->queue[rank->queue_first];
        const double work_ns = draw_ns(options->draw, part->span.start);
        const double age = draw_uniform(options->draw->seed + 7, part->span.start);
        const double took_ns = work_ns / rank->speed;
        const uint64_t aged_ns = (uint64_t)(took_ns * age);
        start_some(rank, options, 1,
                   rank->now_ns > aged_ns ? rank->now_ns - aged_ns : rank->now_ns);
    }
}

/* ---- Time passes ----------------------------------------------------------------------------- */

void rank_advance(struct rank *rank, const struct rank_options *options, uint64_t now_ns)
{
    if (rank->is_bulk) {
        bulk_advance(rank, options, now_ns);
        if (!options->is_exact) {
            return;
        }
        leave_bulk(rank, options);
    }
    while (rank->busy > 0 && rank->heap[0].end_ns <= now_ns) {
        const struct due due = rank->heap[0];
        if (due.end_ns > rank->now_ns) {
            pass_time(rank, due.end_ns);
        }
        heap_drop_first(rank);
        end_batch(rank, options, due.slot, due.end_ns);
        start_batches(rank, options, due.end_ns);
    }
    if (now_ns > rank->now_ns) {
        pass_time(rank, now_ns);
    }
    if (rank->queue_count == 0 && rank->busy < rank->slots) {
        trim_slow_ones(rank, options, now_ns);
    }
}

/* ---- What the master wants ------------------------------------------------------------------- */

static void queue_put(struct rank *rank, struct part part)
{
    if (rank->queue_parts == rank->queue_capacity && rank->queue_first > rank->queue_parts / 2) {
        rank->queue_parts -= rank->queue_first;
        memmove(rank->queue, &rank->queue[rank->queue_first],
                rank->queue_parts * sizeof(*rank->queue));
        rank->queue_first = 0;
    }
    rank->queue =
        memory_grow(rank->queue, rank->queue_parts, &rank->queue_capacity, sizeof(*rank->queue));
    rank->queue[rank->queue_parts++] = part;
    rank->queue_count += part.span.count;
}

void rank_take_unit(struct rank *rank, const struct rank_options *options, uint64_t lease,
                    const struct span *spans, size_t span_count, uint64_t now_ns)
{
    if (rank->queue_count == 0) {
        rank->queue_first = 0;
        rank->queue_parts = 0;
    }
    for (size_t i = 0; i < span_count; i++) {
        queue_put(rank, (struct part){.lease = lease, .span = spans[i]});
    }
    if (!rank->is_bulk) {
        start_batches(rank, options, now_ns);
    }
}

uint64_t rank_unstarted(const struct rank *rank)
{
    const uint64_t running = rank->is_bulk ? bulk_busy(rank) : 0;
    return rank->queue_count - running;
}

size_t rank_give_back(struct rank *rank, uint64_t lease, uint64_t count_max, struct span *spans_out,
                      size_t span_max)
{
    size_t end = rank->queue_parts;
    size_t count = 0;
    while (end > rank->queue_first && rank->queue[end - 1].lease != lease) {
        end--;
    }
    const size_t behind = end;
    while (end > rank->queue_first && rank->queue[end - 1].lease == lease && count < span_max &&
           count_max > 0) {
        struct span *span = &rank->queue[end - 1].span;
        const uint64_t taken = span->count < count_max ? span->count : count_max;
        span->count -= taken;
        count_max -= taken;
        rank->queue_count -= taken;
        spans_out[count++] = (struct span){
            .start = span->start + span->count, .count = taken, .attempt = span->attempt};
        end -= span->count == 0 ? 1 : 0;
    }
    memmove(&rank->queue[end], &rank->queue[behind],
            (rank->queue_parts - behind) * sizeof(*rank->queue));
    rank->queue_parts -= behind - end;
    for (size_t i = 0; i < count / 2; i++) {
        const struct span kept = spans_out[i];
        spans_out[i] = spans_out[count - 1 - i];
        spans_out[count - 1 - i] = kept;
    }
    return count;
}

/* An instance that is ended before its batch-mates have run: they run again. */
static void abort_slot(struct rank *rank, const struct rank_options *options, uint32_t slot,
                       uint64_t now_ns)
{
    trim(rank, options, slot, now_ns);
    rank->running[slot].is_aborted = true;
    heap_hasten(rank, slot, now_ns);
}

void rank_end(struct rank *rank, const struct rank_options *options, uint64_t lease, uint64_t index,
              uint64_t now_ns)
{
    for (uint32_t i = 0; i < rank->busy; i++) {
        const struct part *part = &rank->running[rank->heap[i].slot].part;
        const struct span current = rank_current(rank, options, rank->heap[i].slot, now_ns);
        if (part->lease == lease && current.start == index) {
            abort_slot(rank, options, rank->heap[i].slot, now_ns);
            break;
        }
    }
    rank_advance(rank, options, now_ns);
}

void rank_cancel(struct rank *rank, const struct rank_options *options, uint64_t now_ns)
{
    for (uint32_t slot = 0; slot < rank->slots; slot++) {
        bool is_busy = false;
        for (uint32_t i = 0; i < rank->busy; i++) {
            is_busy = is_busy || rank->heap[i].slot == slot;
        }
        if (is_busy) {
            abort_slot(rank, options, slot, now_ns);
        }
    }
    rank_advance(rank, options, now_ns);
}

/* ---- When ------------------------------------------------------------------------------------ */

/* From one report to the next. */
static uint64_t pause_ns(const struct rank *rank, const struct rank_options *options)
{
    const uint64_t share_ns = (uint64_t)(rank->instance_ns / HASTE_DIVISOR);
    if (rank_unstarted(rank) > 0) {
        return options->interval_ns;
    }
    return rank->busy == 0 && rank->queue_count == 0 ? 0
           : share_ns < options->interval_ns / 4     ? share_ns
                                                     : options->interval_ns / 4;
}

bool rank_is_report_due(const struct rank *rank, const struct rank_options *options,
                        uint64_t now_ns)
{
    return rank->ended_count > 0 && now_ns - rank->reported_ns >= pause_ns(rank, options);
}

/* May the queue run dry before the next report is due? Twice what is expected, and a few, is the
 * room that is left; simulate.c counts how often it was not enough. */
static bool may_run_dry(const struct rank *rank, uint64_t due_ns)
{
    const double span_ns = due_ns > rank->now_ns ? (double)(due_ns - rank->now_ns) : 0;
    return rank->instance_ns <= 0 ||
           (double)rank->queue_count < 4 + 2 * span_ns * rank->slots / rank->instance_ns;
}

/* When the next report is due and there is something to report, or when nothing is left to start.
 */
static uint64_t bulk_wake_ns(const struct rank *rank, const struct rank_options *options,
                             uint64_t due_ns)
{
    const double mean_ns = options->draw->mean_ns;
    const double rate = rank->speed * (double)bulk_busy(rank);
    const double left_ns = (double)rank_unstarted(rank) * mean_ns - rank->surplus_ns;
    const double first_ns =
        rank->surplus_ns < mean_ns / 2 ? mean_ns - rank->surplus_ns : mean_ns / 2;
    const double dry_after_ns = left_ns > mean_ns / 2 ? left_ns : mean_ns / 2;
    const uint64_t dry_ns = rank->now_ns + 1 + (uint64_t)(dry_after_ns / rate);
    const uint64_t end_ns = rank->now_ns + 1 + (uint64_t)(first_ns / rate);
    const uint64_t wake_ns = rank_unstarted(rank) > 0 && dry_ns < due_ns ? dry_ns : due_ns;
    return rank->ended_count == 0 && wake_ns < end_ns ? end_ns
           : wake_ns > rank->now_ns                   ? wake_ns
                                                      : rank->now_ns;
}

uint64_t rank_wake_ns(const struct rank *rank, const struct rank_options *options)
{
    const uint64_t due_ns = rank->reported_ns + pause_ns(rank, options);
    if (rank->is_bulk && rank->queue_count > 0) {
        return bulk_wake_ns(rank, options, due_ns);
    }
    if (rank->busy == 0) {
        return rank->ended_count > 0 ? rank->now_ns : UINT64_MAX;
    }
    const uint64_t next_ns = rank->heap[0].end_ns;
    uint64_t wake_ns = next_ns;
    if (rank->queue_count == 0 || !may_run_dry(rank, due_ns)) {
        wake_ns = rank->ended_count == 0 && next_ns > due_ns ? next_ns : due_ns;
    } else if (rank->ended_count > 0 && due_ns < next_ns) {
        wake_ns = due_ns;
    }
    return wake_ns > rank->now_ns ? wake_ns : rank->now_ns;
}

struct span rank_current(const struct rank *rank, const struct rank_options *options, uint32_t slot,
                         uint64_t now_ns)
{
    const struct running *running = &rank->running[slot];
    double work_ns;
    const uint64_t started =
        running->part.span.count == 1 ? 1 : count_started(rank, options, running, now_ns, &work_ns);
    return (struct span){.start = running->part.span.start + started - 1,
                         .count = 1,
                         .attempt = running->part.span.attempt};
}
