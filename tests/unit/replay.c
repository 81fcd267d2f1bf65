/* What a new session makes of the log of earlier ones: history.h, replay.h and ledger_restore(). */
#include "master/replay.h"

#include <fcntl.h>
#include <unistd.h>

#include "master/ledger.h"
#include "master/outputs.h"
#include "shared/seed.h"
#include "shared/unpack.h"
#include "tests/unit/log_support.h"

#define SIZE 1000

static struct failures *failures;
static struct replay replay;

static struct run_log *log_begin(void)
{
    struct run_log *log = NULL;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    return log;
}

static void append(struct run_log *log, struct record record)
{
    OK(run_log_append(log, &record, NULL));
}

static struct record start_with(uint64_t retries, uint64_t system_retries)
{
    return (struct record){
        .kind = RECORD_START, .retries = retries, .system_retries = system_retries};
}

/* One failed attempt, of a batch of its own. */
static void append_failure(struct run_log *log, struct report_failure failure,
                           struct record_outcome outcome)
{
    static const uint8_t none[] = {0};
    struct buffer frame = {0};
    const struct span span = {.start = failure.index, .count = 1, .attempt = failure.attempt};
    const struct report_batch batch = make_batch(&span, 1, none, &frame);
    struct record record = make_report(&batch, 1);
    record.report.failures = &failure;
    record.report.failure_count = 1;
    record.outcomes = &outcome;
    append(log, record);
    buffer_free(&frame);
}

static struct record_outcome retried(uint64_t task_failures, uint64_t system_failures)
{
    return (struct record_outcome){.state = INSTANCE_ABORTED,
                                   .task_failures = task_failures,
                                   .system_failures = system_failures,
                                   .attempts_max = 9};
}

static struct record_outcome ended(enum instance_state state, uint64_t task_failures)
{
    return (struct record_outcome){
        .is_final = true, .state = state, .task_failures = task_failures, .attempts_max = 9};
}

static void read_back(struct run_log *log)
{
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    OK(failures_create(&failures));
    OK(replay_log(folder, 0, SIZE, failures, &replay, NULL));
}

static struct ledger *restore(struct ledger_options options)
{
    struct ledger *ledger = NULL;
    OK(ledger_create(options, &ledger));
    ledger_restore(ledger, &replay.history);
    return ledger;
}

static struct ledger *restore_with(uint64_t retries, uint64_t system_retries)
{
    return restore((struct ledger_options){
        .size = SIZE, .retries = retries, .system_retries = system_retries});
}

static void finish(struct ledger *ledger)
{
    ledger_destroy(ledger);
    replay_free(&replay);
    failures_destroy(failures);
    folder_remove();
}

Test(replay, a_run_without_a_log_has_done_nothing)
{
    folder_create();
    OK(failures_create(&failures));
    OK(replay_log(folder, 0, SIZE, failures, &replay, NULL));
    cr_expect(eq(u64, replay.session_count, 0));
    cr_expect(not(replay.has_verdict));
    struct ledger *ledger = restore_with(0, 0);
    cr_expect(eq(u64, ledger_counts(ledger).ready, SIZE));
    finish(ledger);
}

Test(replay, what_succeeded_is_never_taken_again_and_all_else_is)
{
    struct run_log *log = log_begin();
    const struct span spans[] = {{.start = 0, .count = 100}, {.start = 300, .count = 50}};
    append(log, start_with(0, 3));
    append_batch(log, 0, spans, 2, NULL);
    append_batch(log, 0, &(struct span){.start = 100, .count = 10}, 1, (uint8_t[]){0x0f, 0x02});
    append_batch(log, 1, &(struct span){.start = 500, .count = 10}, 1, NULL); /* of another map */
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    OK(failures_create(&failures));
    /* The batch with failures lacks them: no such record is ours. */
    STATUS_IS(STATUS_INVALID, replay_log(folder, 0, SIZE, failures, &replay, NULL));
    failures_destroy(failures);
    folder_remove();

    log = log_begin();
    append_batch(log, 0, spans, 2, NULL);
    append_batch(log, 1, &(struct span){.start = 500, .count = 10}, 1, NULL);
    read_back(log);
    struct ledger *ledger = restore_with(0, 3);
    cr_expect(eq(u64, ledger_counts(ledger).succeeded, 150));
    cr_expect(eq(u64, ledger_counts(ledger).ready, SIZE - 150));
    struct span taken[8];
    cr_assert(eq(sz, ledger_take(ledger, SIZE, 0, false, taken, 8), 2));
    cr_expect(eq(u64, taken[0].start, 100));
    cr_expect(eq(u64, taken[0].count, 200));
    cr_expect(eq(u64, taken[1].start, 350));
    cr_expect(eq(u64, taken[1].count, SIZE - 350));
    finish(ledger);
}

Test(replay, attempts_that_were_used_stay_used)
{
    struct run_log *log = log_begin();
    append(log, start_with(2, 3));
    append_failure(log, make_failure(7, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append_failure(log, make_failure(7, 1, FAILURE_KILLED, ""), retried(1, 1));
    append_failure(log, make_failure(7, 2, FAILURE_ABORTED, "the run ended"), retried(0, 0));
    read_back(log);
    cr_expect(eq(u64, replay.tally.attempts, 2));
    cr_expect(eq(u64, replay.tally.retries, 1));
    cr_expect(eq(u64, failures_count(failures), 2));
    struct ledger *ledger = restore_with(2, 3);
    struct span span;
    struct ledger_fate fate;
    cr_expect(eq(u64, ledger_attempts(ledger, 7), 2));
    cr_expect(eq(u64, ledger_begun(ledger), 1));
    for (uint64_t i = 0; i < 8; i++) {
        cr_assert(eq(sz, ledger_take(ledger, 1, 0, false, &span, 1), 1));
    }
    cr_expect(eq(u64, span.start, 7));
    cr_expect(eq(u64, span.attempt, 2));
    fate = ledger_fail(ledger, 7, FAILURE_ERROR, false, 0);
    cr_expect(not(fate.is_final));
    cr_expect(eq(u64, fate.task_failures, 2));
    cr_expect(eq(u64, fate.system_failures, 1));
    ledger_retry(ledger, 7);
    cr_assert(eq(sz, ledger_take(ledger, 1, 0, false, &span, 1), 1));
    fate = ledger_fail(ledger, 7, FAILURE_ERROR, false, 0);
    cr_expect(fate.is_final);
    finish(ledger);
}

Test(replay, what_failed_stays_failed_under_a_larger_budget)
{
    struct run_log *log = log_begin();
    append(log, start_with(0, 3));
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "bad"), ended(INSTANCE_FAILED, 1));
    append_failure(log, make_failure(2, 0, FAILURE_TIMEOUT, ""), ended(INSTANCE_TIMED_OUT, 1));
    append(log, start_with(100, 3));
    read_back(log);
    struct ledger *ledger = restore_with(100, 3);
    cr_expect(eq(u64, ledger_counts(ledger).failed, 1));
    cr_expect(eq(u64, ledger_counts(ledger).timed_out, 1));
    cr_expect(eq(u64, ledger_counts(ledger).ready, SIZE - 2));
    finish(ledger);
}

Test(replay, what_is_between_attempts_meets_the_new_budget)
{
    struct run_log *log = log_begin();
    append(log, start_with(5, 3));
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append_failure(log, make_failure(2, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append_failure(log, make_failure(2, 1, FAILURE_TIMEOUT, ""), retried(2, 0));
    append_failure(log, make_failure(3, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append_failure(log, make_failure(3, 1, FAILURE_ERROR, "bad"), retried(2, 0));
    append_failure(log, make_failure(4, 0, FAILURE_LOST, ""), retried(0, 1));
    append_batch(log, 0, &(struct span){.start = 3, .count = 1, .attempt = 2}, 1, NULL);
    append(log, start_with(1, 0));
    read_back(log);
    struct ledger *ledger = restore_with(1, 0);
    struct ledger_counts counts = ledger_counts(ledger);
    cr_expect(eq(u64, counts.timed_out, 1), "of two failures, one is too many");
    cr_expect(eq(u64, counts.failed, 1), "a system failure, and none is allowed");
    cr_expect(eq(u64, counts.succeeded, 1));
    cr_expect(eq(u64, counts.ready, SIZE - 3));
    finish(ledger);
}

Test(replay, a_revival_gives_fresh_budgets_and_attempt_numbers_go_on)
{
    struct run_log *log = log_begin();
    struct record revival = start_with(1, 3);
    revival.revives_failed = true;
    append(log, start_with(1, 3));
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append_failure(log, make_failure(1, 1, FAILURE_ERROR, "bad"), ended(INSTANCE_FAILED, 2));
    append_failure(log, make_failure(2, 0, FAILURE_TIMEOUT, ""), ended(INSTANCE_TIMED_OUT, 1));
    append_failure(log, make_failure(3, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append(log, revival);
    append_failure(log, make_failure(1, 2, FAILURE_ERROR, "bad"), retried(1, 0));
    read_back(log);
    struct ledger *ledger = restore_with(1, 3);
    cr_expect(eq(u64, ledger_counts(ledger).ready, SIZE));
    cr_expect(eq(u64, ledger_attempts(ledger, 1), 3));
    cr_expect(eq(u64, ledger_attempts(ledger, 2), 1));
    cr_expect(eq(u64, ledger_begun(ledger), 2));
    struct span spans[4];
    cr_assert(eq(sz, ledger_take(ledger, 4, 0, false, spans, 4), 3));
    cr_expect(eq(u64, spans[1].attempt, 3));
    cr_expect(eq(u64, spans[2].attempt, 1));
    cr_expect(eq(u64, spans[2].count, 2));
    cr_expect(ledger_fail(ledger, 1, FAILURE_ERROR, false, 0).is_final);
    cr_expect(not(ledger_fail(ledger, 2, FAILURE_ERROR, false, 0).is_final), "a fresh budget");
    cr_expect(ledger_fail(ledger, 3, FAILURE_ERROR, false, 0).is_final, "it had not failed");
    finish(ledger);
}

Test(replay, memory_that_has_grown_stays_so_until_a_revival)
{
    struct run_log *log = log_begin();
    struct record revival = start_with(2, 3);
    struct span spans[4];
    revival.revives_failed = true;
    append(log, start_with(2, 3));
    append_failure(log, make_failure(0, 0, FAILURE_MEMORY, "held"), retried(1, 0));
    append_failure(log, make_failure(0, 1, FAILURE_ERROR, "bad"), retried(2, 0));
    append_failure(log, make_failure(1, 0, FAILURE_MEMORY, "held"), retried(1, 0));
    append_failure(log, make_failure(1, 1, FAILURE_MEMORY, "held"), ended(INSTANCE_FAILED, 2));
    append(log, revival);
    append_failure(log, make_failure(2, 0, FAILURE_MEMORY, "held"), retried(1, 0));
    append_failure(log, make_failure(2, 1, FAILURE_MEMORY, "held"), retried(2, 0));
    read_back(log);
    struct ledger *ledger = restore((struct ledger_options){
        .size = SIZE, .retries = 2, .system_retries = 3, .is_mem_growing = true});
    cr_assert(eq(sz, ledger_take(ledger, 4, 0, false, spans, 4), 4));
    cr_expect(eq(u64, spans[0].growth, 1));
    cr_expect(eq(u64, spans[1].growth, 0), "it has a fresh budget");
    cr_expect(eq(u64, spans[2].growth, 2));
    cr_expect(eq(u64, spans[3].growth, 0));
    finish(ledger);
}

Test(replay, what_was_cached_is_a_success_and_a_shared_failure_is_final)
{
    struct run_log *log = log_begin();
    append(log, start_with(0, 0));
    append_cached(log, 10, 20);
    append_batch(log, 0, &(struct span){.start = 5, .count = 10}, 1, NULL); /* five are cached */
    append_cached(log, 0, 10); /* five have succeeded */
    append_failure(log, make_failure(40, 0, FAILURE_ERROR, "no"), ended(INSTANCE_FAILED, 1));
    append_shared_failure(log, 41, "no");
    append_shared_failure(log, 12, "no"); /* it has its output */
    append(log, start_with(0, 0));
    read_back(log);
    struct ledger *ledger = restore_with(0, 0);
    const struct ledger_counts counts = ledger_counts(ledger);
    cr_expect(eq(u64, counts.succeeded, 5));
    cr_expect(eq(u64, counts.cached, 25));
    cr_expect(eq(u64, counts.failed, 2));
    cr_expect(eq(u64, counts.ready, SIZE - 32));
    cr_expect(eq(u64, ledger_begun(ledger), 0));
    cr_expect(eq(u64, ledger_attempts(ledger, 41), 0));
    cr_expect(eq(u64, replay.tally.attempts, 11));
    cr_expect(eq(u64, failures_count(failures), 1));
    finish(ledger);
}

/* What its attempt came to after that is passed over. */
Test(replay, what_was_stopped_early_is_a_success_that_is_never_taken_again)
{
    static const struct record_stop stops[] = {{.index = 1}, {.index = 4, .attempt = 1}};
    struct run_log *log = log_begin();
    append(log, start_with(1, 3));
    append(log, (struct record){.kind = RECORD_METRICS, .stops = stops, .stop_count = 2});
    append_failure(log, (struct report_failure){.index = 1, .class = FAILURE_ABORTED, .text = ""},
                   ended(INSTANCE_ABORTED, 0));
    read_back(log);
    struct ledger *ledger = restore_with(1, 3);
    const struct ledger_counts counts = ledger_counts(ledger);
    struct span spans[8];
    cr_expect(eq(u64, counts.stopped_early, 2));
    cr_expect(eq(u64, replay.tally.attempts, 2));
    cr_expect(eq(u64, replay.tally.retries, 1));
    cr_expect(eq(u64, ledger_begun(ledger), 0));
    const size_t count = ledger_take(ledger, 5, 0, false, spans, 8);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t k = 0; k < spans[i].count; k++) {
            cr_expect(spans[i].start + k != 1 && spans[i].start + k != 4);
        }
    }
    finish(ledger);
}

Test(replay, a_revival_includes_shared_failures_which_have_used_no_attempt)
{
    struct run_log *log = log_begin();
    append(log, start_with(0, 0));
    append_cached(log, 0, 40);
    append_failure(log, make_failure(40, 0, FAILURE_ERROR, "no"), ended(INSTANCE_FAILED, 1));
    append_shared_failure(log, 41, "no");
    append(log, (struct record){.kind = RECORD_START, .revives_failed = true});
    read_back(log);
    struct ledger *ledger = restore_with(0, 0);
    const struct ledger_counts counts = ledger_counts(ledger);
    cr_expect(eq(u64, counts.cached, 40));
    cr_expect(eq(u64, counts.failed, 0));
    cr_expect(eq(u64, counts.ready, SIZE - 40));
    cr_expect(eq(u64, ledger_begun(ledger), 0));
    cr_expect(eq(u64, ledger_attempts(ledger, 40), 1));
    cr_expect(eq(u64, ledger_attempts(ledger, 41), 0));
    finish(ledger);
}

Test(replay, a_verdict_holds_until_the_next_session)
{
    struct run_log *log = log_begin();
    append(log, start_with(0, 3));
    append(log, (struct record){.kind = RECORD_END, .time_ms = 5000, .exit_status = 1});
    read_back(log);
    cr_expect(replay.has_verdict);
    cr_expect(eq(int, replay.exit_status, 1));
    finish(NULL);

    log = log_begin();
    append(log, (struct record){.kind = RECORD_END, .exit_status = 75});
    read_back(log);
    cr_expect(not(replay.has_verdict), "an interrupted session has none");
    finish(NULL);

    log = log_begin();
    append(log, (struct record){.kind = RECORD_END, .exit_status = 1});
    append(log, start_with(0, 3));
    read_back(log);
    cr_expect(not(replay.has_verdict));
    finish(NULL);
}

Test(replay, wall_time_is_that_of_all_sessions_and_not_of_the_time_between)
{
    struct run_log *log = log_begin();
    struct record start = start_with(0, 3);
    start.time_ms = 1000;
    append(log, start);
    append(log, (struct record){.kind = RECORD_END, .time_ms = 1500, .exit_status = 75});
    start.time_ms = 100000;
    append(log, start);
    append(log, (struct record){.kind = RECORD_END, .time_ms = 100250, .exit_status = 75});
    start.time_ms = 50; /* a clock that was set back */
    append(log, start);
    read_back(log);
    cr_expect(eq(u64, replay.wall_ms, 750));
    cr_expect(eq(u64, replay.session_count, 3));
    finish(NULL);
}

Test(replay, a_log_of_another_map_is_refused)
{
    struct error err;
    struct run_log *log = log_begin();
    append_batch(log, 0, &(struct span){.start = SIZE - 1, .count = 2}, 1, NULL);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    OK(failures_create(&failures));
    STATUS_IS(STATUS_INVALID, replay_log(folder, 0, SIZE, failures, &replay, &err));
    cr_expect(ne(ptr, strstr(err.text, "1000 instances"), NULL), "%s", err.text);
    failures_destroy(failures);
    folder_remove();
}

/* Goal: a resume of ten million recorded instances takes what is left, at the cost of spans.
 * Method: batches of 10,000 in another order than theirs; ten instances are missing. */
Test(replay, of_ten_million_recorded_instances_the_ten_that_are_left_are_taken)
{
    const uint64_t size = 10000000;
    const uint64_t batch_size = 10000;
    struct history history = history_start();
    struct ledger *ledger = NULL;
    for (uint64_t i = 0; i < size / batch_size; i++) {
        history_succeed(&history, i * 7 % (size / batch_size) * batch_size, batch_size);
    }
    for (uint64_t i = 0; i < 10; i++) {
        index_set_drop(&history.succeeded, i * 999999 + 5, 1);
    }
    OK(ledger_create((struct ledger_options){.size = size}, &ledger));
    ledger_restore(ledger, &history);
    cr_expect(eq(u64, ledger_counts(ledger).succeeded, size - 10));
    cr_expect(eq(u64, ledger_counts(ledger).ready, 10));
    struct span spans[16];
    cr_assert(eq(sz, ledger_take(ledger, size, 0, false, spans, 16), 10));
    for (uint64_t i = 0; i < 10; i++) {
        cr_expect(eq(u64, spans[i].start, i * 999999 + 5));
    }
    ledger_destroy(ledger);
}

/* ---- Damage --------------------------------------------------------------------------------- */

enum { RECORDS = 40, CORRUPTIONS = 10000 };

/* What stands in the log's first `i` records. */
static struct truth {
    uint64_t end; /* their bytes */
    uint64_t succeeded;
    uint64_t failed;
    uint64_t attempts;
} truths[RECORDS + 1];

/* Record i is a batch of 5 instances from 10 * i, or a failure there. */
static void make_damaged_log(void)
{
    struct run_log *log = log_begin();
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct truth truth = truths[i];
        if (i % 4 == 3) {
            append_failure(log, make_failure(10 * i, 0, FAILURE_ERROR, "bad"),
                           ended(INSTANCE_FAILED, 1));
            truth.failed++;
            truth.attempts++;
        } else {
            append_batch(log, 0, &(struct span){.start = 10 * i, .count = 5}, 1, NULL);
            truth.succeeded += 5;
            truth.attempts += 5;
        }
        truth.end = run_log_size(log);
        truths[i + 1] = truth;
    }
    OK(run_log_flush(log, NULL));
    run_log_close(log);
}

/* In place, and without a sync: there are many of them. */
static void damage_log(const uint8_t *data, size_t size)
{
    const int file = open(in_folder(RUN_LOG_NAME), O_WRONLY);
    cr_assert(ge(int, file, 0));
    cr_assert(eq(sz, (size_t)pwrite(file, data, size, 0), size));
    cr_assert(eq(int, ftruncate(file, (off_t)size), 0));
    cr_assert(eq(int, close(file), 0));
}

static size_t records_before(uint64_t at)
{
    size_t count = 0;
    while (count < RECORDS && truths[count + 1].end <= at) {
        count++;
    }
    return count;
}

static void expect_truth(size_t records, uint64_t log_size)
{
    const struct truth *truth = &truths[records];
    struct outputs *outputs = NULL;
    struct error err = {0};
    OK(failures_create(&failures));
    cr_assert(eq(int, replay_log(folder, 0, SIZE, failures, &replay, &err), STATUS_OK), "%s",
              err.text);
    cr_assert(eq(u64, replay.good_size, truth->end));
    cr_assert(eq(u64, replay.cut_size, log_size - truth->end));
    const bool is_torn = replay.torn != NULL;
    cr_assert(is_torn == (log_size > truth->end));
    cr_assert(eq(u64, replay.history.succeeded.count, truth->succeeded));
    cr_assert(eq(u64, replay.history.failed.count, truth->failed));
    cr_assert(eq(u64, replay.tally.attempts, truth->attempts));

    OK(outputs_open(folder, 0, SIZE, &outputs, NULL));
    for (uint64_t i = 0; i < 10 * RECORDS; i++) {
        const uint8_t *data = NULL;
        size_t size = 0;
        OK(outputs_get(outputs, i, &data, &size, NULL));
        const bool is_found = data != NULL;
        const bool is_there = i < 10 * (uint64_t)records && i / 10 % 4 != 3 && i % 10 < 5;
        cr_assert(is_found == is_there);
        struct unpack in = unpack_start(data, size);
        const bool is_right = unpack_uint(&in) == output_of(i, 0) && unpack_is_done(&in);
        cr_assert(is_right || !is_there);
    }
    outputs_close(outputs);
    replay_free(&replay);
    failures_destroy(failures);
}

Test(replay, a_log_cut_at_any_byte_of_its_last_records_gives_what_stands_before)
{
    struct buffer bytes = {0};
    make_damaged_log();
    read_log(&bytes);
    for (uint64_t at = truths[RECORDS - 3].end; at <= bytes.size; at++) {
        damage_log(bytes.data, (size_t)at);
        expect_truth(records_before(at), at);
    }
    buffer_free(&bytes);
    folder_remove();
}

/* Bytes that change, are zeroed, are cut, or come twice: never a wrong output, never a crash. */
Test(replay, no_damage_gives_a_wrong_output, .timeout = 60)
{
    struct buffer bytes = {0};
    struct buffer copy = {0};
    uint64_t random = 1;
    make_damaged_log();
    read_log(&bytes);
    for (int i = 0; i < CORRUPTIONS; i++) {
        buffer_clear(&copy);
        OK(buffer_append(&copy, bytes.data, bytes.size));
        const uint64_t at = seed_mix(random++) % copy.size;
        const uint64_t kind = seed_mix(random++) % 4;
        const uint64_t length = 1 + seed_mix(random++) % 64;
        const size_t end = at + length < copy.size ? (size_t)(at + length) : copy.size;
        if (kind == 0) {
            copy.data[at] ^= (uint8_t)(1 + seed_mix(random++) % 255);
        } else if (kind == 1) {
            memset(copy.data + at, 0, end - at);
        } else if (kind == 2) {
            copy.size = (size_t)at;
        } else {
            memmove(copy.data + at, copy.data + end, copy.size - end);
            copy.size -= end - at;
        }
        size_t same = 0;
        while (same < copy.size && copy.data[same] == bytes.data[same]) {
            same++;
        }
        damage_log(copy.data, copy.size);
        expect_truth(records_before(same), copy.size);
    }
    buffer_free(&bytes);
    buffer_free(&copy);
    folder_remove();
}
