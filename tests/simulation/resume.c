/* resume.c - a master that is killed and resumed, simulated: what it recorded is what it goes on
 * from.
 *
 * A scheduler hands out units; workers report batches at random, fail, are lost, answer recalls. As
 * the master does, each accepted batch becomes a record in a log, here of bytes in memory; so does
 * what instances share that have equal inputs, or an output that was kept of another run. After
 * every step the log is replayed into a new ledger, which must know of each instance exactly what
 * the model knows. At random steps the master dies: the log loses what was not written (any number
 * of records at its end, the last of them torn), and a new session begins from it, with other
 * budgets, and sometimes reviving what failed. In the end nothing is lost and nothing was recorded
 * twice.
 *
 *     simulation_resume [--seed N | --seeds N]
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/replay.h"
#include "master/scheduler.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "shared/seed.h"
#include "tests/simulation/seeds.h"

#define SEED_COUNT 15
#define SIZE_MAX_SIMULATED 120
#define WORKER_COUNT 4
#define RECORD_COUNT_MAX 20000
#define STEP_COUNT_MAX 20000
#define HELD_MAX SIZE_MAX_SIMULATED

static uint64_t current_seed;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\nrepeat: simulation_resume --seed %llu\n", __FILE__,  \
                          __LINE__, #condition, (unsigned long long)current_seed);                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* What the records say of an instance, by a rule as plain as can be. */
struct fact {
    enum instance_state state; /* NOT_STARTED: it is to run */
    bool has_begun;
    uint64_t task_failures;
    uint64_t system_failures;
    uint64_t memory_failures;
    uint64_t earlier_attempts;
    enum failure_class last;
    uint64_t successes; /* recorded, and outputs that were shared */
};

/* A lease of a worker, whose instances it reports in order. */
struct held {
    uint64_t lease;
    uint64_t index;
    uint64_t attempt;
};

struct worker_model {
    bool is_present;
    struct held held[HELD_MAX];
    size_t count;
};

struct sim {
    uint64_t random;
    uint64_t now_us;
    uint64_t size;
    struct scheduler_options options;
    struct scheduler *scheduler;
    struct worker_model workers[WORKER_COUNT];
    struct buffer log;
    size_t ends[RECORD_COUNT_MAX]; /* of each record in the log */
    size_t record_count;
    struct fact facts[SIZE_MAX_SIMULATED]; /* of the records in the log */
    bool is_held[SIZE_MAX_SIMULATED];      /* for an instance with an equal input */
    uint64_t failure_percent;
    uint64_t share_percent;
    unsigned kills_left;
    bool is_done;
    struct ledger_fate charged[HELD_MAX]; /* of the loss under way */
    size_t charged_count;
};

static uint64_t below(struct sim *sim, uint64_t bound)
{
    sim->random++;
    return seed_mix(sim->random) % bound;
}

static bool chance(struct sim *sim, uint64_t percent)
{
    return below(sim, 100) < percent;
}

/* ---- The model ------------------------------------------------------------------------------- */

static bool is_open(const struct fact *fact)
{
    return fact->state == INSTANCE_NOT_STARTED;
}

static void model_start(struct sim *sim, const struct record *start)
{
    for (uint64_t i = 0; i < sim->size; i++) {
        struct fact *fact = &sim->facts[i];
        if (start->revives_failed &&
            (fact->state == INSTANCE_FAILED || fact->state == INSTANCE_TIMED_OUT)) {
            fact->state = INSTANCE_NOT_STARTED;
            fact->earlier_attempts += fact->task_failures + fact->system_failures;
            fact->task_failures = 0;
            fact->system_failures = 0;
            fact->memory_failures = 0;
            fact->has_begun = false;
        }
        if (is_open(fact) && (fact->task_failures > start->retries ||
                              fact->system_failures > start->system_retries)) {
            fact->state = fact->last == FAILURE_TIMEOUT ? INSTANCE_TIMED_OUT : INSTANCE_FAILED;
        }
    }
}

static void model_fail(struct sim *sim, const struct report_failure *failure,
                       const struct record_outcome *outcome)
{
    struct fact *fact = &sim->facts[failure->index];
    CHECK(is_open(fact));
    fact->last = failure->class;
    if (failure->class == FAILURE_ABORTED) {
        fact->has_begun = true;
        return;
    }
    const bool is_system = failure_class_is_system(failure->class);
    *(is_system ? &fact->system_failures : &fact->task_failures) += 1;
    fact->memory_failures += failure->class == FAILURE_MEMORY ? 1 : 0;
    CHECK(outcome->task_failures == fact->task_failures);
    CHECK(outcome->system_failures == fact->system_failures);
    CHECK(failure->attempt + 1 ==
          fact->earlier_attempts + fact->task_failures + fact->system_failures);
    if (outcome->is_final) {
        fact->state = outcome->state;
    }
}

static void model_succeed(struct sim *sim, uint64_t index)
{
    CHECK(is_open(&sim->facts[index]));
    sim->facts[index].state = INSTANCE_SUCCEEDED;
    sim->facts[index].successes++;
}

/* Outputs and failures of none of their own attempts. */
static void model_share(struct sim *sim, const struct report *report)
{
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct span *span = &report->batches[i].spans[0];
        CHECK(report->batches[i].span_count == 1 && span->count == 1);
        CHECK(is_open(&sim->facts[span->start]));
        sim->facts[span->start].state = INSTANCE_CACHED;
        sim->facts[span->start].successes++;
    }
    for (size_t i = 0; i < report->failure_count; i++) {
        CHECK(is_open(&sim->facts[report->failures[i].index]));
        sim->facts[report->failures[i].index].state = INSTANCE_FAILED;
    }
}

static void model_record(struct sim *sim, const struct record *record)
{
    const struct report *report = &record->report;
    if (record->kind == RECORD_START) {
        model_start(sim, record);
    }
    if (record->kind == RECORD_CACHED) {
        model_share(sim, report);
    }
    for (size_t i = 0; record->kind == RECORD_REPORT && i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        uint64_t bit = 0;
        for (size_t k = 0; k < batch->span_count; k++) {
            for (uint64_t j = 0; j < batch->spans[k].count; j++, bit++) {
                if (report_batch_succeeded(batch, bit)) {
                    model_succeed(sim, batch->spans[k].start + j);
                }
            }
        }
    }
    for (size_t i = 0; record->kind == RECORD_REPORT && i < report->failure_count; i++) {
        model_fail(sim, &report->failures[i], &record->outcomes[i]);
    }
}

/* ---- The log --------------------------------------------------------------------------------- */

static void append(struct sim *sim, const struct record *record)
{
    CHECK(sim->record_count < RECORD_COUNT_MAX);
    CHECK(record_encode(record, &sim->log) == STATUS_OK);
    sim->ends[sim->record_count++] = sim->log.size;
    model_record(sim, record);
}

/* Walk the records that are whole; gives the bytes that they take. */
static size_t each_record(struct sim *sim, struct replay *replay, struct failures *failures)
{
    struct arena arena = {0};
    struct record record;
    size_t at = 0;
    size_t used = 0;
    while (at < sim->log.size) {
        arena_reset(&arena);
        if (record_decode(sim->log.data + at, sim->log.size - at, &arena, &record, &used, NULL) !=
            STATUS_OK) {
            break;
        }
        if (replay != NULL) {
            CHECK(replay_record(replay, &record, 0, sim->size, failures) == STATUS_OK);
        } else {
            model_record(sim, &record);
        }
        at += used;
    }
    arena_free(&arena);
    return at;
}

static void read_log(struct sim *sim, struct replay *replay_out)
{
    struct failures *failures = NULL;
    *replay_out = replay_start();
    CHECK(failures_create(&failures) == STATUS_OK);
    CHECK(each_record(sim, replay_out, failures) == sim->log.size);
    failures_destroy(failures);
}

/* ---- Agreement ------------------------------------------------------------------------------- */

/* Take everything that is left, and see that it is what the model says, attempts included. */
static void check_takes(struct sim *sim, struct ledger *ledger)
{
    struct span spans[8];
    bool is_taken[SIZE_MAX_SIMULATED] = {false};
    for (;;) {
        const size_t count = ledger_take(ledger, 7, 0, false, spans, 8);
        if (count == 0) {
            break;
        }
        for (size_t i = 0; i < count; i++) {
            for (uint64_t j = 0; j < spans[i].count; j++) {
                const struct fact *fact = &sim->facts[spans[i].start + j];
                CHECK(!is_taken[spans[i].start + j]);
                is_taken[spans[i].start + j] = true;
                CHECK(spans[i].attempt ==
                      fact->earlier_attempts + fact->task_failures + fact->system_failures);
                CHECK(spans[i].growth == fact->memory_failures);
            }
        }
    }
    for (uint64_t i = 0; i < sim->size; i++) {
        CHECK(is_taken[i] == is_open(&sim->facts[i]));
    }
}

/* A master that dies here finds this. */
static void check_replay(struct sim *sim)
{
    struct replay replay;
    struct ledger *ledger = NULL;
    uint64_t counts[INSTANCE_STATE_COUNT] = {0};
    uint64_t begun = 0;
    read_log(sim, &replay);
    CHECK(ledger_create(sim->options.ledger, &ledger) == STATUS_OK);
    ledger_restore(ledger, &replay.history);
    for (uint64_t i = 0; i < sim->size; i++) {
        const struct fact *fact = &sim->facts[i];
        counts[fact->state]++;
        begun += is_open(fact) &&
                         (fact->has_begun || fact->task_failures > 0 || fact->system_failures > 0)
                     ? 1
                     : 0;
    }
    const struct ledger_counts found = ledger_counts(ledger);
    CHECK(found.succeeded == counts[INSTANCE_SUCCEEDED]);
    CHECK(found.cached == counts[INSTANCE_CACHED]);
    CHECK(found.failed == counts[INSTANCE_FAILED]);
    CHECK(found.timed_out == counts[INSTANCE_TIMED_OUT]);
    CHECK(found.ready == counts[INSTANCE_NOT_STARTED]);
    CHECK(ledger_begun(ledger) == begun);
    check_takes(sim, ledger);
    ledger_destroy(ledger);
    replay_free(&replay);
}

/* ---- What workers do ------------------------------------------------------------------------- */

static enum failure_class random_class(struct sim *sim)
{
    static const enum failure_class classes[] = {FAILURE_ERROR, FAILURE_TIMEOUT, FAILURE_CRASH,
                                                 FAILURE_MEMORY, FAILURE_KILLED};
    return classes[below(sim, sizeof(classes) / sizeof(classes[0]))];
}

static void drop(struct worker_model *worker, size_t from, size_t count)
{
    memmove(&worker->held[from], &worker->held[from + count],
            (worker->count - from - count) * sizeof(worker->held[0]));
    worker->count -= count;
}

/* How many from `from` on are of one lease, at most `count_max`. */
static size_t of_one_lease(const struct worker_model *worker, size_t from, size_t count_max)
{
    size_t count = 0;
    while (count < count_max && from + count < worker->count &&
           worker->held[from + count].lease == worker->held[from].lease) {
        count++;
    }
    return count;
}

static struct record_outcome outcome_of(const struct ledger_fate *fate)
{
    return (struct record_outcome){.is_final = fate->is_final,
                                   .state = fate->is_final ? fate->state : INSTANCE_ABORTED,
                                   .task_failures = fate->task_failures,
                                   .system_failures = fate->system_failures,
                                   .attempts_max = fate->attempts_max};
}

/* Some instances of a lease end, are reported, accepted and recorded, as master_on_report() does.
 */
static void report(struct sim *sim, uint32_t id, bool is_cancelled)
{
    struct worker_model *worker = &sim->workers[id];
    struct span spans[16];
    struct report_failure failures[16];
    struct ledger_fate fates[16];
    struct record_outcome outcomes[16];
    struct buffer frame = {0};
    uint8_t bits[2] = {0, 0};
    size_t failed = 0;
    const size_t count = of_one_lease(worker, 0, 1 + below(sim, 16));
    struct report_batch batch = {.spans = spans,
                                 .span_count = count,
                                 .instance_count = count,
                                 .success_bits = bits,
                                 .elapsed_us = 1000};
    for (size_t i = 0; i < count; i++) {
        const struct held *held = &worker->held[i];
        spans[i] = (struct span){.start = held->index, .count = 1, .attempt = held->attempt};
        const bool is_aborted = is_cancelled && chance(sim, 50);
        if (!is_aborted && !chance(sim, sim->failure_percent)) {
            bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
            batch.success_count++;
            continue;
        }
        failures[failed++] =
            (struct report_failure){.index = held->index,
                                    .attempt = held->attempt,
                                    .class = is_aborted ? FAILURE_ABORTED : random_class(sim),
                                    .is_permanent = chance(sim, 10)};
    }
    if (batch.success_count > 0) {
        CHECK(lz4_frame_compress("x", 1, &frame) == STATUS_OK);
        batch.frame = frame.data;
        batch.frame_size = frame.size;
    }
    batch.success_bits = failed > 0 ? bits : NULL;
    CHECK(scheduler_take_batch(sim->scheduler, id, worker->held[0].lease, &batch, failures, fates,
                               sim->now_us) == NULL);
    for (size_t i = 0; i < failed; i++) {
        outcomes[i] = outcome_of(&fates[i]);
    }
    append(sim, &(struct record){.kind = RECORD_REPORT,
                                 .rank = id,
                                 .report = {.lease = worker->held[0].lease,
                                            .batches = &batch,
                                            .batch_count = 1,
                                            .failures = failures,
                                            .failure_count = failed},
                                 .outcomes = outcomes});
    drop(worker, 0, count);
    buffer_free(&frame);
}

static void on_charged(void *context, uint64_t index, struct ledger_fate fate)
{
    struct sim *sim = context;
    (void)index;
    sim->charged[sim->charged_count++] = fate;
}

/* The worker is gone, and what it was in is charged: failures that no batch holds. */
static void lose(struct sim *sim, uint32_t id)
{
    struct worker_model *worker = &sim->workers[id];
    struct report_failure failures[HELD_MAX];
    struct record_outcome outcomes[HELD_MAX];
    uint64_t running[1];
    const size_t count = worker->count > 0 && chance(sim, 50) ? 1 : 0;
    running[0] = count > 0 ? worker->held[0].index : 0;
    sim->charged_count = 0;
    scheduler_lose(sim->scheduler, id, running, count, on_charged, sim, sim->now_us);
    CHECK(sim->charged_count == count);
    for (size_t i = 0; i < count; i++) {
        failures[i] = (struct report_failure){.index = worker->held[i].index,
                                              .attempt = worker->held[i].attempt,
                                              .class = FAILURE_LOST};
        outcomes[i] = outcome_of(&sim->charged[i]);
    }
    if (count > 0) {
        append(sim, &(struct record){.kind = RECORD_REPORT,
                                     .rank = id,
                                     .report = {.failures = failures, .failure_count = count},
                                     .outcomes = outcomes});
    }
    worker->is_present = false;
    worker->count = 0;
}

/* The last instances of a lease that have not started go back; in this model, none has. */
static void give_back(struct sim *sim, uint32_t id, uint64_t lease, uint64_t count_max)
{
    struct worker_model *worker = &sim->workers[id];
    struct span spans[HELD_MAX] = {{0}};
    size_t from = 0;
    while (from < worker->count && worker->held[from].lease != lease) {
        from++;
    }
    const size_t all = from < worker->count ? of_one_lease(worker, from, HELD_MAX) : 0;
    const size_t count = all < count_max ? all : (size_t)count_max;
    from += all - count;
    for (size_t i = 0; i < count; i++) {
        spans[i] = (struct span){.start = worker->held[from + i].index,
                                 .count = 1,
                                 .attempt = worker->held[from + i].attempt};
    }
    const char *reason =
        scheduler_take_returned(sim->scheduler, id, lease, spans, count, sim->now_us);
    CHECK(reason == NULL || count == 0);
    drop(worker, from, count);
}

static void cancel(struct sim *sim)
{
    for (uint32_t id = 0; id < WORKER_COUNT; id++) {
        while (sim->workers[id].count > 0) {
            if (chance(sim, 50)) {
                report(sim, id, true);
            } else {
                give_back(sim, id, sim->workers[id].held[0].lease, HELD_MAX);
            }
        }
    }
}

/* ---- The master ------------------------------------------------------------------------------ */

static void take_unit(struct sim *sim, const struct scheduler_action *action)
{
    struct worker_model *worker = &sim->workers[action->worker];
    for (size_t i = 0; i < action->span_count; i++) {
        for (uint64_t j = 0; j < action->spans[i].count; j++) {
            const uint64_t index = action->spans[i].start + j;
            CHECK(worker->count < HELD_MAX);
            CHECK(is_open(&sim->facts[index]));
            worker->held[worker->count++] = (struct held){
                .lease = action->lease, .index = index, .attempt = action->spans[i].attempt};
        }
    }
}

static void act(struct sim *sim)
{
    struct scheduler_action action;
    while (!sim->is_done && scheduler_next(sim->scheduler, sim->now_us, &action)) {
        switch (action.kind) {
        case SCHEDULER_SEND_UNIT:
            take_unit(sim, &action);
            break;
        case SCHEDULER_RECALL:
            give_back(sim, action.worker, action.lease, action.count);
            break;
        case SCHEDULER_END: /* nothing here runs twice at once */
            CHECK(false);
            break;
        case SCHEDULER_CANCEL:
            cancel(sim);
            break;
        case SCHEDULER_DONE:
            sim->is_done = true;
            break;
        }
    }
}

/* ---- What is shared -------------------------------------------------------------------------- */

/* After act() nobody waits for a retry: who has not ended is leased, held, or this. */
static bool is_ready(const struct sim *sim, uint64_t index)
{
    bool is_leased = false;
    for (uint32_t id = 0; id < WORKER_COUNT; id++) {
        for (size_t i = 0; i < sim->workers[id].count; i++) {
            is_leased = is_leased || sim->workers[id].held[i].index == index;
        }
    }
    return is_open(&sim->facts[index]) && !sim->is_held[index] && !is_leased;
}

static void share_output(struct sim *sim, uint64_t index)
{
    struct buffer frame = {0};
    const struct span span = {.start = index, .count = 1};
    CHECK(lz4_frame_compress("x", 1, &frame) == STATUS_OK);
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_count = 1,
                                       .frame = frame.data,
                                       .frame_size = frame.size};
    scheduler_cache(sim->scheduler, index, 1, sim->is_held[index]);
    append(sim, &(struct record){.kind = RECORD_CACHED,
                                 .report = {.batches = &batch, .batch_count = 1}});
    sim->is_held[index] = false;
    buffer_free(&frame);
}

static void share_failure(struct sim *sim, uint64_t index)
{
    const struct report_failure failure = {
        .index = index, .class = FAILURE_ERROR, .is_permanent = true};
    const struct record_outcome outcome = {
        .is_final = true, .state = INSTANCE_FAILED, .task_failures = 1, .attempts_max = 1};
    scheduler_fail_held(sim->scheduler, index);
    append(sim, &(struct record){.kind = RECORD_CACHED,
                                 .report = {.failures = &failure, .failure_count = 1},
                                 .outcomes = &outcome});
    sim->is_held[index] = false;
}

/* What the cache finds, as master_cache.c takes it: of one that is ready, an output, or that an
 * equal one goes first; of one that is held, the output of that one, its failure, or its turn. */
static void share(struct sim *sim)
{
    const uint64_t draw = below(sim, 3);
    uint64_t index = below(sim, sim->size);
    for (uint64_t i = 0; i < sim->size && !is_ready(sim, index) && !sim->is_held[index]; i++) {
        index = (index + 1) % sim->size;
    }
    if ((is_ready(sim, index) || sim->is_held[index]) && draw == 0) {
        share_output(sim, index);
    } else if (is_ready(sim, index)) {
        scheduler_hold_equal(sim->scheduler, index, 1);
        sim->is_held[index] = true;
    } else if (sim->is_held[index] && draw == 1) {
        share_failure(sim, index);
    } else if (sim->is_held[index]) {
        scheduler_release(sim->scheduler, index, 1);
        sim->is_held[index] = false;
    }
}

/* A session: its record, and the scheduler from all that came before. */
static void begin_session(struct sim *sim, bool revives)
{
    struct replay replay;
    sim->options.ledger = (struct ledger_options){.size = sim->size,
                                                  .retries = below(sim, 4),
                                                  .system_retries = below(sim, 4),
                                                  .is_mem_growing = true};
    append(sim, &(struct record){.kind = RECORD_START,
                                 .revives_failed = revives,
                                 .retries = sim->options.ledger.retries,
                                 .system_retries = sim->options.ledger.system_retries});
    read_log(sim, &replay);
    CHECK(scheduler_create(sim->options, &sim->scheduler) == STATUS_OK);
    scheduler_restore(sim->scheduler, &replay.history);
    replay_free(&replay);
    sim->is_done = false;
    act(sim);
}

/* What was not written yet is lost, and the last that was may be torn. Then a resume cuts it off.
 */
static void kill_master(struct sim *sim)
{
    const size_t lost = (size_t)below(sim, 4);
    const size_t kept = sim->record_count > lost ? sim->record_count - lost : 0;
    const size_t end = kept > 0 ? sim->ends[kept - 1] : 0;
    const size_t next = kept < sim->record_count ? sim->ends[kept] : end;
    sim->log.size = end + (next > end ? (size_t)below(sim, next - end) : 0);
    scheduler_destroy(sim->scheduler);
    memset(sim->facts, 0, sizeof(sim->facts));
    for (uint64_t i = 0; i < sim->size; i++) {
        sim->facts[i].state = INSTANCE_NOT_STARTED;
    }
    const size_t good = each_record(sim, NULL, NULL);
    CHECK(good == end);
    sim->log.size = good;
    sim->record_count = kept;
    memset(sim->workers, 0, sizeof(sim->workers));
    memset(sim->is_held, 0, sizeof(sim->is_held));
    begin_session(sim, chance(sim, 20));
}

static void step(struct sim *sim)
{
    const uint32_t id = (uint32_t)below(sim, WORKER_COUNT);
    struct worker_model *worker = &sim->workers[id];
    sim->now_us += 1 + below(sim, 1000);
    if (sim->kills_left > 0 && chance(sim, 10)) {
        sim->kills_left--;
        kill_master(sim);
    } else if (!worker->is_present) {
        worker->is_present = true;
        scheduler_join(sim->scheduler, id, (uint32_t)(1 + below(sim, 4)));
    } else if (chance(sim, worker->count > 0 ? sim->share_percent : 4 * sim->share_percent)) {
        share(sim);
    } else if (chance(sim, 3)) {
        lose(sim, id);
    } else if (worker->count > 0) {
        report(sim, id, false);
    }
    act(sim);
    check_replay(sim);
}

/* Done: nothing is left to run, unless the policy leaves it. */
static void check_end(const struct sim *sim)
{
    const struct ledger_counts counts = scheduler_counts(sim->scheduler);
    for (uint64_t i = 0; i < sim->size; i++) {
        CHECK(sim->facts[i].successes <= 1);
        CHECK(!is_open(&sim->facts[i]) || sim->options.policy != POLICY_RUN_ALL);
    }
    CHECK(counts.leased == 0);
}

static void run(uint64_t seed)
{
    struct sim *sim = memory_take(1, sizeof(*sim));
    current_seed = seed;
    sim->random = seed_mix(seed);
    sim->size = 1 + below(sim, SIZE_MAX_SIMULATED);
    sim->failure_percent = below(sim, 60);
    sim->share_percent = chance(sim, 50) ? 5 + below(sim, 20) : 0;
    sim->kills_left = (unsigned)below(sim, 8);
    sim->options = (struct scheduler_options){
        .sizing = {.report_interval_us = 1000, .unit_size = below(sim, 10)},
        .minimum = below(sim, sim->size + 1),
        .policy = (enum map_policy)below(sim, POLICY_ENOUGH + 1),
        .worker_count = WORKER_COUNT,
    };
    for (uint64_t i = 0; i < sim->size; i++) {
        sim->facts[i].state = INSTANCE_NOT_STARTED;
    }
    begin_session(sim, false);
    for (unsigned steps = 0; !sim->is_done || sim->kills_left > 0; steps++) {
        CHECK(steps < STEP_COUNT_MAX);
        if (sim->is_done) { /* killed between the last record and the verdict */
            sim->kills_left--;
            kill_master(sim);
            check_replay(sim);
        } else {
            step(sim);
        }
    }
    check_end(sim);
    scheduler_destroy(sim->scheduler);
    buffer_free(&sim->log);
    free(sim);
}

int main(int argc, char **argv)
{
    struct seeds seeds = {.count = SEED_COUNT};
    if (!seeds_take(&seeds, argc, argv)) {
        return 2;
    }
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        run(seed);
    }
    return 0;
}
