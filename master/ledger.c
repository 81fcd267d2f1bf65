#include "master/ledger.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/extremes.h"

#include "master/counters.h"
#include "master/index_map.h"
#include "master/index_set.h"

/* Beyond so many failed instances that wait for a retry, where each one last ran is not kept. */
#define LAST_WORKER_COUNT_MAX (1u << 20)
/* A take passes over at most so many instances, so that its cost has a bound. */
#define PASSED_OVER_COUNT_MAX 1024

struct ledger {
    struct ledger_options options;
    uint64_t available;        /* [available, size) is not there yet */
    uint64_t fresh;            /* [fresh, available) was never taken */
    struct index_set returned; /* READY again, all below fresh */
    struct index_set succeeded;
    struct index_set cached;
    struct index_set stopped_early;
    struct index_set failed;
    struct index_set timed_out;
    struct index_set aborted;
    struct counters task_failures;
    struct counters system_failures;
    struct counters memory_failures;  /* a part of the task's; only where memory is growing */
    struct counters earlier_attempts; /* under budgets that were renewed since */
    struct index_set begun;           /* an attempt of it was ended in an earlier session */
    struct index_map last_worker;     /* of instances that failed and are to be retried */
    uint64_t leased;
    uint64_t waiting;
};

/* One more than a budget, where even the largest may not overflow. */
static uint64_t failures_max(uint64_t retries)
{
    return retries == UINT64_MAX ? retries : retries + 1;
}

enum status ledger_create(struct ledger_options options, struct ledger **ledger_out)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    if (ledger == NULL) {
        return STATUS_NO_MEMORY;
    }
    ledger->options = options;
    ledger->available = options.comes_later ? 0 : options.size;
    ledger->task_failures = counters_make(failures_max(options.retries));
    ledger->system_failures = counters_make(failures_max(options.system_retries));
    ledger->memory_failures = counters_make(failures_max(options.retries));
    *ledger_out = ledger;
    return STATUS_OK;
}

void ledger_destroy(struct ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    index_set_free(&ledger->returned);
    index_set_free(&ledger->succeeded);
    index_set_free(&ledger->cached);
    index_set_free(&ledger->stopped_early);
    index_set_free(&ledger->failed);
    index_set_free(&ledger->timed_out);
    index_set_free(&ledger->aborted);
    counters_free(&ledger->task_failures);
    counters_free(&ledger->system_failures);
    counters_free(&ledger->memory_failures);
    counters_free(&ledger->earlier_attempts);
    index_set_free(&ledger->begun);
    index_map_free(&ledger->last_worker);
    free(ledger);
}

struct ledger_counts ledger_counts(const struct ledger *ledger)
{
    return (struct ledger_counts){
        .ready = ledger->available - ledger->fresh + ledger->returned.count,
        .leased = ledger->leased,
        .waiting = ledger->waiting,
        .succeeded = ledger->succeeded.count,
        .cached = ledger->cached.count,
        .stopped_early = ledger->stopped_early.count,
        .failed = ledger->failed.count,
        .timed_out = ledger->timed_out.count,
        .aborted = ledger->aborted.count,
        .to_come = ledger->options.size - ledger->available,
    };
}

uint64_t ledger_ended(const struct ledger *ledger)
{
    return ledger->succeeded.count + ledger->cached.count + ledger->stopped_early.count +
           ledger->failed.count + ledger->timed_out.count + ledger->aborted.count;
}

uint64_t ledger_attempts(const struct ledger *ledger, uint64_t index)
{
    return counters_get(&ledger->task_failures, index) +
           counters_get(&ledger->system_failures, index) +
           counters_get(&ledger->earlier_attempts, index);
}

uint64_t ledger_attempts_max(const struct ledger *ledger, uint64_t index)
{
    const uint64_t of_task = failures_max(ledger->options.retries);
    const uint64_t system_failures = counters_get(&ledger->system_failures, index);
    if (system_failures > ledger->options.system_retries) {
        return counters_get(&ledger->task_failures, index) + system_failures;
    }
    return of_task > UINT64_MAX - system_failures ? UINT64_MAX : of_task + system_failures;
}

/* ---- What is there ---------------------------------------------------------------------------
 */

void ledger_raise(struct ledger *ledger, uint64_t available)
{
    assert(available >= ledger->available && available <= ledger->options.size);
    ledger->available = available;
}

uint64_t ledger_available(const struct ledger *ledger)
{
    return ledger->available;
}

/* The first index at or after this one whose instance may have used an attempt; `end` where there
 * is none below that. */
static uint64_t next_tried_block(const struct ledger *ledger, uint64_t index, uint64_t end)
{
    return smaller(counters_next_block_before(&ledger->earlier_attempts, index, end),
                   smaller(counters_next_block_before(&ledger->task_failures, index, end),
                           counters_next_block_before(&ledger->system_failures, index, end)));
}

uint64_t ledger_growth(const struct ledger *ledger, uint64_t index)
{
    return counters_get(&ledger->memory_failures, index);
}

/* ---- Taking ---------------------------------------------------------------------------------- */

/* The spans that a take has gathered so far. */
struct take {
    struct span *spans;
    size_t span_count;
    size_t span_max;
    uint64_t count_left;
};

/* Add instances that are alike. False when there is no room for them. */
static bool take_run(struct take *take, struct span run)
{
    assert(take->spans != NULL);
    struct span *last = take->span_count > 0 ? &take->spans[take->span_count - 1] : NULL;
    if (last != NULL && last->start + last->count == run.start && last->attempt == run.attempt &&
        last->growth == run.growth) {
        last->count += run.count;
    } else if (take->span_count < take->span_max) {
        take->spans[take->span_count++] = run;
    } else {
        return false;
    }
    take->count_left -= run.count;
    return true;
}

/* An instance that has failed before, perhaps. */
static struct span tried(const struct ledger *ledger, uint64_t index)
{
    return (struct span){.start = index,
                         .count = 1,
                         .attempt = ledger_attempts(ledger, index),
                         .growth = ledger_growth(ledger, index)};
}

static bool is_passed_over(const struct ledger *ledger, uint64_t index, uint32_t worker)
{
    uint32_t last_worker = 0;
    return index_map_get(&ledger->last_worker, index, &last_worker) && last_worker == worker;
}

/* How many instances from `start` on are returned and lie in no block in which anything has failed:
 * they are all at their first attempt, and none has a last worker. */
static uint64_t untried_run(const struct ledger *ledger, uint64_t start, uint64_t count_max)
{
    const uint64_t limit = smaller(count_max, UINT64_MAX - start) + start;
    const uint64_t end = next_tried_block(ledger, start, limit);
    uint64_t run_start;
    uint64_t count = 0;
    if (index_set_next_run(&ledger->returned, start, smaller(end - start, count_max), &run_start,
                           &count)) {
        assert(run_start == start);
    }
    return count;
}

/* Where something has failed, one index after the other, since each may have attempts and a last
 * worker of its own: a take of those costs their number. */
static void take_returned(struct ledger *ledger, struct take *take, uint32_t worker,
                          bool may_pass_over)
{
    unsigned passed_over = 0;
    uint64_t from = 0;
    uint64_t index;
    while (take->count_left > 0 && index_set_next(&ledger->returned, from, &index)) {
        const uint64_t run = untried_run(ledger, index, take->count_left);
        from = index + (run > 0 ? run : 1);
        if (run > 0) {
            if (!take_run(take, (struct span){.start = index, .count = run})) {
                return;
            }
            index_set_remove(&ledger->returned, index, run);
            ledger->leased += run;
            continue;
        }
        if (may_pass_over && is_passed_over(ledger, index, worker) &&
            passed_over++ < PASSED_OVER_COUNT_MAX) {
            continue;
        }
        if (!take_run(take, tried(ledger, index))) {
            return;
        }
        index_set_remove(&ledger->returned, index, 1);
        index_map_remove(&ledger->last_worker, index);
        ledger->leased++;
    }
}

static void take_fresh(struct ledger *ledger, struct take *take)
{
    const uint64_t left = ledger->available - ledger->fresh;
    const uint64_t count = take->count_left < left ? take->count_left : left;
    if (count > 0 && take_run(take, (struct span){.start = ledger->fresh, .count = count})) {
        ledger->fresh += count;
        ledger->leased += count;
    }
}

size_t ledger_take(struct ledger *ledger, uint64_t count_max, uint32_t worker, bool may_pass_over,
                   struct span *spans_out, size_t span_max)
{
    struct take take = {.spans = spans_out, .span_max = span_max, .count_left = count_max};
    take_returned(ledger, &take, worker, may_pass_over);
    take_fresh(ledger, &take);
    return take.span_count;
}

/* ---- What becomes of leased instances -------------------------------------------------------- */

static void leave_lease(struct ledger *ledger, uint64_t start, uint64_t count)
{
    assert(count <= ledger->leased);
    assert(start < ledger->fresh && count <= ledger->fresh - start);
    ledger->leased -= count;
}

void ledger_give_back(struct ledger *ledger, uint64_t start, uint64_t count)
{
    leave_lease(ledger, start, count);
    index_set_add(&ledger->returned, start, count);
}

void ledger_succeed(struct ledger *ledger, uint64_t start, uint64_t count)
{
    leave_lease(ledger, start, count);
    index_set_add(&ledger->succeeded, start, count);
}

void ledger_stop_early(struct ledger *ledger, uint64_t index)
{
    leave_lease(ledger, index, 1);
    index_set_add(&ledger->stopped_early, index, 1);
}

static enum instance_state final_state(enum failure_class class)
{
    return class == FAILURE_TIMEOUT ? INSTANCE_TIMED_OUT : INSTANCE_FAILED;
}

/* Count the failure in its budget. Is there any of it left? */
static bool spend(struct ledger *ledger, uint64_t index, enum failure_class class)
{
    return failure_class_is_system(class)
               ? counters_raise(&ledger->system_failures, index) <= ledger->options.system_retries
               : counters_raise(&ledger->task_failures, index) <= ledger->options.retries;
}

struct ledger_fate ledger_fail(struct ledger *ledger, uint64_t index, enum failure_class class,
                               bool is_permanent, uint32_t worker)
{
    assert(class != FAILURE_ABORTED);
    leave_lease(ledger, index, 1);
    const bool is_budget_left = spend(ledger, index, class);
    if (class == FAILURE_MEMORY && ledger->options.is_mem_growing) {
        (void)counters_raise(&ledger->memory_failures, index);
    }
    struct ledger_fate fate = {
        .is_final = !is_budget_left || (is_permanent && !failure_class_is_system(class)),
        .state = final_state(class),
        .task_failures = counters_get(&ledger->task_failures, index),
        .system_failures = counters_get(&ledger->system_failures, index),
    };
    fate.attempts_max = ledger_attempts_max(ledger, index);
    if (!fate.is_final) {
        ledger->waiting++;
        if (ledger->last_worker.count < LAST_WORKER_COUNT_MAX) {
            index_map_put(&ledger->last_worker, index, worker);
        }
        return fate;
    }
    index_set_add(fate.state == INSTANCE_TIMED_OUT ? &ledger->timed_out : &ledger->failed, index,
                  1);
    return fate;
}

void ledger_retry(struct ledger *ledger, uint64_t index)
{
    assert(ledger->waiting > 0);
    ledger->waiting--;
    index_set_add(&ledger->returned, index, 1);
}

void ledger_resume(struct ledger *ledger, uint64_t index)
{
    assert(ledger->waiting > 0);
    ledger->waiting--;
    ledger->leased++;
    index_map_remove(&ledger->last_worker, index);
}

void ledger_abort(struct ledger *ledger, uint64_t index)
{
    leave_lease(ledger, index, 1);
    index_set_add(&ledger->aborted, index, 1);
}

/* ---- What becomes of those that need not run --------------------------------------------------
 */

/* Those before them that were never taken are as if they had been returned. */
static void leave_ready(struct ledger *ledger, uint64_t start, uint64_t count)
{
    const uint64_t end = start + count;
    if (start < ledger->fresh) {
        index_set_remove(&ledger->returned, start, smaller(end, ledger->fresh) - start);
    } else if (start > ledger->fresh) {
        index_set_add(&ledger->returned, ledger->fresh, start - ledger->fresh);
    }
    ledger->fresh = end > ledger->fresh ? end : ledger->fresh;
    assert(ledger->fresh <= ledger->available);
}

static void leave_waiting(struct ledger *ledger, uint64_t count)
{
    assert(count <= ledger->waiting);
    ledger->waiting -= count;
}

void ledger_hold(struct ledger *ledger, uint64_t start, uint64_t count)
{
    leave_ready(ledger, start, count);
    ledger->waiting += count;
}

void ledger_cache(struct ledger *ledger, uint64_t start, uint64_t count, bool were_held)
{
    if (were_held) {
        leave_waiting(ledger, count);
    } else {
        leave_ready(ledger, start, count);
    }
    index_set_add(&ledger->cached, start, count);
}

void ledger_fail_held(struct ledger *ledger, uint64_t index)
{
    leave_waiting(ledger, 1);
    index_set_add(&ledger->failed, index, 1);
}

static bool has_ended(const struct ledger *ledger, uint64_t index)
{
    return index_set_contains(&ledger->succeeded, index) ||
           index_set_contains(&ledger->cached, index) ||
           index_set_contains(&ledger->stopped_early, index) ||
           index_set_contains(&ledger->failed, index) ||
           index_set_contains(&ledger->timed_out, index) ||
           index_set_contains(&ledger->aborted, index);
}

/* Attempts under budgets that were renewed since do not count: its instance begins anew. */
static bool has_failed_now(const struct ledger *ledger, uint64_t index)
{
    return counters_get(&ledger->task_failures, index) > 0 ||
           counters_get(&ledger->system_failures, index) > 0;
}

uint64_t ledger_begun(const struct ledger *ledger)
{
    uint64_t begun = 0;
    uint64_t ended_by_us;
    for (uint64_t from = 0; index_set_next(&ledger->begun, from, &ended_by_us);
         from = ended_by_us + 1) {
        const bool is_counted_below = has_failed_now(ledger, ended_by_us);
        begun += !is_counted_below && !has_ended(ledger, ended_by_us) ? 1 : 0;
    }
    for (uint64_t index = 0; index < ledger->options.size; index++) {
        index = next_tried_block(ledger, index, ledger->options.size);
        if (index >= ledger->options.size) {
            break;
        }
        begun += has_failed_now(ledger, index) && !has_ended(ledger, index) ? 1 : 0;
    }
    return begun;
}

/* ---- From a log ------------------------------------------------------------------------------ */

/* The present budgets may be smaller than what was used of earlier ones: counted up to their end.
 */
static void take_counters(struct counters *to, const struct counters *from)
{
    const uint64_t end = (uint64_t)from->block_count * COUNTERS_BLOCK_SIZE;
    for (uint64_t at = counters_next_block(from, 0); at < end;
         at = counters_next_block(from, at + 1)) {
        counters_set(to, at, counters_get(from, at));
    }
}

/* Everything at or above this is as if it had never been taken. */
static uint64_t end_of_known(const struct ledger *ledger)
{
    const struct counters *const counters[] = {&ledger->task_failures, &ledger->system_failures,
                                               &ledger->earlier_attempts};
    uint64_t end = larger(index_set_end(&ledger->succeeded), index_set_end(&ledger->begun));
    end = larger(end, index_set_end(&ledger->cached));
    end = larger(end, index_set_end(&ledger->stopped_early));
    end = larger(end, larger(index_set_end(&ledger->failed), index_set_end(&ledger->timed_out)));
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        end = larger(end, (uint64_t)counters[i]->block_count * COUNTERS_BLOCK_SIZE);
    }
    return smaller(end, ledger->available);
}

void ledger_restore(struct ledger *ledger, struct history *history)
{
    assert(ledger->fresh == 0 && ledger_ended(ledger) == 0);
    ledger->succeeded = history->succeeded;
    ledger->cached = history->cached;
    ledger->stopped_early = history->stopped_early;
    ledger->failed = history->failed;
    ledger->timed_out = history->timed_out;
    ledger->begun = history->begun;
    ledger->earlier_attempts = history->earlier_attempts;
    take_counters(&ledger->task_failures, &history->task_failures);
    take_counters(&ledger->system_failures, &history->system_failures);
    if (ledger->options.is_mem_growing) {
        take_counters(&ledger->memory_failures, &history->memory_failures);
    }
    counters_free(&history->task_failures);
    counters_free(&history->system_failures);
    counters_free(&history->memory_failures);
    index_set_free(&history->last_timed_out);
    *history = history_start(); /* moved */

    ledger->fresh = end_of_known(ledger);
    index_set_add(&ledger->returned, 0, ledger->fresh);
    index_set_subtract(&ledger->returned, &ledger->succeeded);
    index_set_subtract(&ledger->returned, &ledger->cached);
    index_set_subtract(&ledger->returned, &ledger->stopped_early);
    index_set_subtract(&ledger->returned, &ledger->failed);
    index_set_subtract(&ledger->returned, &ledger->timed_out);
}
