/* Where a run stands, told from its directory: run_view.h and run_liveness.h. */
#include "master/run_view.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/run_liveness.h"
#include "master/run_lock.h"
#include "master/run_stamp.h"
#include "shared/clock.h"
#include "tests/unit/log_support.h"

#define SIZE 1000

static struct run_log *run_log;
static struct run_view *view;

static void write_run(enum run_state state)
{
    struct run_description run = {
        .version = "0.1.0",
        .verb = "map",
        .state = state,
        .created_s = 1735689599,
        .launch_dir = "/",
        .job = "basics",
        .job_path = "/opt/basics.so",
        .job_digest = "00112233445566778899aabbccddeeff",
        .task = "square",
        .input_type = "int",
        .output_type = "int",
        .options = {.mem_growth = 1, .cpus = 1},
        .formula = {.kind = FORMULA_RANGE, .step = 1, .count = SIZE},
        .input_count = SIZE,
        .ranks = 3,
        .verdict = {.exit_status = state == RUN_SUCCEEDED ? 0
                                   : state == RUN_FAILED  ? 1
                                                          : 75,
                    .counts = {[INSTANCE_SUCCEEDED] = SIZE}},
    };
    struct error err = {""};
    cr_assert(eq(int, run_file_write(folder, &run, &err), STATUS_OK), "%s", err.text);
}

static void flush(void)
{
    OK(run_log_flush(run_log, NULL));
}

static void begin(void)
{
    folder_create();
    write_run(RUN_RUNNING);
    OK(run_log_create(folder, &run_log, NULL));
}

static void begin_session(bool revives, uint64_t time_ms)
{
    const struct record record = {.kind = RECORD_START,
                                  .time_ms = time_ms,
                                  .retries = 1,
                                  .system_retries = 3,
                                  .revives_failed = revives};
    OK(run_log_append(run_log, &record, NULL));
    flush();
}

static void succeed(uint32_t rank, uint64_t start, uint64_t count, uint64_t time_ms)
{
    struct buffer frame = {0};
    const struct span span = {.start = start, .count = count};
    const struct report_batch batch = make_batch(&span, 1, NULL, &frame);
    struct record record = make_report(&batch, 1);
    record.rank = rank;
    record.time_ms = time_ms;
    OK(run_log_append(run_log, &record, NULL));
    buffer_free(&frame);
    flush();
}

static void fail(uint64_t index, enum failure_class class, const char *text, bool is_final)
{
    static const uint8_t none[] = {0};
    struct buffer frame = {0};
    const struct span span = {.start = index, .count = 1};
    const struct report_batch batch = make_batch(&span, 1, none, &frame);
    const struct report_failure failure = make_failure(index, 0, class, text);
    const struct record_outcome outcome = {.is_final = is_final,
                                           .state = class == FAILURE_TIMEOUT   ? INSTANCE_TIMED_OUT
                                                    : class == FAILURE_ABORTED ? INSTANCE_ABORTED
                                                                               : INSTANCE_FAILED,
                                           .task_failures = class == FAILURE_ABORTED ? 0 : 1,
                                           .attempts_max = 2};
    struct record record = make_report(&batch, 1);
    record.report.failures = &failure;
    record.report.failure_count = 1;
    record.outcomes = &outcome;
    OK(run_log_append(run_log, &record, NULL));
    buffer_free(&frame);
    flush();
}

static void open_view(void)
{
    struct error err = {""};
    cr_assert(eq(int, run_view_open(folder, &view, &err), STATUS_OK), "%s", err.text);
}

static struct run_view_facts update(void)
{
    struct error err = {""};
    cr_assert(eq(int, run_view_update(view, &err), STATUS_OK), "%s", err.text);
    return run_view_facts(view);
}

static void finish(void)
{
    run_view_close(view);
    run_log_close(run_log);
    folder_remove();
}

static void expect_counts(const struct run_view_facts *facts, uint64_t succeeded, uint64_t failed,
                          uint64_t timed_out, uint64_t aborted)
{
    cr_expect(eq(u64, facts->counts[INSTANCE_SUCCEEDED], succeeded));
    cr_expect(eq(u64, facts->counts[INSTANCE_FAILED], failed));
    cr_expect(eq(u64, facts->counts[INSTANCE_TIMED_OUT], timed_out));
    cr_expect(eq(u64, facts->counts[INSTANCE_ABORTED], aborted));
    cr_expect(eq(u64, facts->counts[INSTANCE_NOT_STARTED],
                 SIZE - succeeded - failed - timed_out - aborted));
    cr_expect(eq(u64, facts->ended, succeeded + failed + timed_out));
}

/* ---- Counts ----------------------------------------------------------------------------------
 */

Test(run_view, counts_follow_the_log)
{
    begin();
    open_view();
    struct run_view_facts facts = update();
    expect_counts(&facts, 0, 0, 0, 0);
    begin_session(false, 1000);
    succeed(1, 0, 100, 2000);
    fail(200, FAILURE_ERROR, "no", false);
    fail(201, FAILURE_ABORTED, "", true);
    facts = update();
    expect_counts(&facts, 100, 0, 0, 2);
    fail(200, FAILURE_ERROR, "no", true);
    fail(202, FAILURE_TIMEOUT, "", true);
    succeed(1, 201, 1, 3000);
    facts = update();
    expect_counts(&facts, 101, 1, 1, 0);
    cr_expect(eq(u64, facts.attempts, 104));
    facts = update();
    expect_counts(&facts, 101, 1, 1, 0);
    finish();
}

Test(run_view, a_session_that_revives_begins_them_anew)
{
    begin();
    begin_session(false, 1000);
    fail(1, FAILURE_ERROR, "no", true);
    fail(2, FAILURE_TIMEOUT, "", true);
    succeed(1, 10, 5, 1500);
    open_view();
    begin_session(true, 2000);
    struct run_view_facts facts = update();
    expect_counts(&facts, 5, 0, 0, 0);
    succeed(1, 1, 1, 3000);
    fail(2, FAILURE_ERROR, "no", false);
    facts = update();
    expect_counts(&facts, 6, 0, 0, 1);
    finish();
}

Test(run_view, what_was_cached_is_counted_and_is_of_no_rank)
{
    begin();
    begin_session(false, 1000);
    fail(3, FAILURE_ERROR, "no", false);
    append_cached(run_log, 0, 20);
    fail(30, FAILURE_ERROR, "no", true);
    append_shared_failure(run_log, 31, "no");
    flush();
    open_view();
    struct run_view_facts facts = update();
    cr_expect(eq(u64, facts.counts[INSTANCE_CACHED], 20));
    cr_expect(eq(u64, facts.counts[INSTANCE_FAILED], 2));
    cr_expect(eq(u64, facts.counts[INSTANCE_ABORTED], 0));
    cr_expect(eq(u64, facts.counts[INSTANCE_NOT_STARTED], SIZE - 22));
    cr_expect(eq(u64, facts.ended, 22));
    cr_expect(eq(u64, facts.attempts, 2));
    cr_assert(eq(sz, facts.rank_count, 1));
    cr_expect(eq(u64, facts.ranks[0].instance_count, 2));
    begin_session(true, 2000);
    facts = update();
    cr_expect(eq(u64, facts.counts[INSTANCE_CACHED], 20));
    cr_expect(eq(u64, facts.counts[INSTANCE_FAILED], 0));
    cr_expect(eq(u64, facts.counts[INSTANCE_ABORTED], 0));
    cr_expect(eq(u64, facts.counts[INSTANCE_NOT_STARTED], SIZE - 20));
    finish();
}

Test(run_view, failures_are_grouped_over_all_rounds)
{
    struct buffer text = {0};
    begin();
    begin_session(false, 1000);
    fail(1, FAILURE_ERROR, "no", false);
    fail(1, FAILURE_ERROR, "no", true);
    fail(2, FAILURE_ERROR, "no", true);
    open_view();
    const struct run_view_facts facts = run_view_facts(view);
    OK(failures_print(facts.failures, 10, 10, &text));
    OK(buffer_append_byte(&text, '\0'));
    cr_expect(eq(str, (char *)text.data, "[1-2]: error: no\n"));
    cr_expect(eq(u64, failures_count(facts.failures), 3));
    buffer_free(&text);
    finish();
}

Test(run_view, ranks_are_those_of_the_session_that_began_last)
{
    begin();
    begin_session(false, 1000);
    succeed(7, 0, 1, 1500);
    begin_session(false, 2000);
    succeed(3, 1, 2, 3000);
    succeed(1, 3, 4, 4000);
    succeed(3, 7, 8, 5000);
    open_view();
    const struct run_view_facts facts = run_view_facts(view);
    cr_assert(eq(sz, facts.rank_count, 2));
    cr_expect(eq(u32, facts.ranks[0].rank, 1));
    cr_expect(eq(u64, facts.ranks[0].reported_ms, 4000));
    cr_expect(eq(u32, facts.ranks[1].rank, 3));
    cr_expect(eq(u64, facts.ranks[1].reported_ms, 5000));
    cr_expect(eq(u64, facts.ranks[1].instance_count, 10));
    finish();
}

static void lose(uint32_t rank, const char *why, uint64_t time_ms)
{
    const struct record record = {
        .kind = RECORD_LOST, .rank = rank, .time_ms = time_ms, .why = why, .why_size = strlen(why)};
    OK(run_log_append(run_log, &record, NULL));
    flush();
}

Test(run_view, a_rank_is_lost_until_it_reports_again_or_another_session_begins)
{
    begin();
    begin_session(false, 1000);
    succeed(1, 0, 2, 1500);
    lose(1, "node-1: silent for 10 s", 2000);
    lose(2, "node-2: its process has ended", 2100);
    open_view();
    struct run_view_facts facts = run_view_facts(view);
    cr_assert(eq(sz, facts.rank_count, 2));
    cr_expect(eq(u64, facts.ranks[0].lost_ms, 2000));
    cr_expect(eq(u64, facts.ranks[0].instance_count, 2));
    cr_expect(eq(str, facts.ranks[0].why, "node-1: silent for 10 s"));
    cr_expect(eq(u64, facts.ranks[1].lost_ms, 2100), "it had not reported anything");
    cr_expect(eq(u64, facts.ranks[1].instance_count, 0));
    succeed(1, 2, 1, 3000);
    facts = update();
    cr_expect(eq(u64, facts.ranks[0].lost_ms, 0));
    cr_expect(eq(u64, facts.ranks[1].lost_ms, 2100));
    begin_session(false, 4000);
    flush();
    facts = update();
    cr_expect(eq(sz, facts.rank_count, 0));
    finish();
}

Test(run_view, a_torn_tail_is_never_misread_and_is_read_when_it_is_whole)
{
    struct buffer whole = {0};
    begin();
    begin_session(false, 1000);
    succeed(1, 0, 10, 2000);
    const uint64_t before = run_log_size(run_log);
    succeed(1, 10, 20, 3000);
    read_log(&whole);
    struct buffer torn = {0};
    for (size_t size = before; size + 4 < whole.size; size += 7) { /* it ends with four zeros */
        /* As a file system may show a write on its way: the end still to come, or as zeros. */
        for (int is_zeros = 0; is_zeros < 2; is_zeros++) {
            buffer_clear(&torn);
            OK(buffer_append(&torn, whole.data, whole.size));
            memset(torn.data + size, 0, whole.size - size);
            const int file = open(in_folder(RUN_LOG_NAME), O_WRONLY | O_TRUNC);
            cr_assert(write(file, torn.data, is_zeros ? whole.size : size) > 0);
            open_view();
            struct run_view_facts facts = run_view_facts(view);
            expect_counts(&facts, 10, 0, 0, 0);
            cr_assert(pwrite(file, whole.data, whole.size, 0) == (ssize_t)whole.size);
            (void)close(file);
            facts = update();
            expect_counts(&facts, 30, 0, 0, 0);
            run_view_close(view);
        }
    }
    view = NULL;
    buffer_free(&torn);
    buffer_free(&whole);
    finish();
}

Test(run_view, a_log_of_another_map_is_refused)
{
    struct error err = {""};
    begin();
    succeed(1, SIZE - 1, 2, 1000);
    STATUS_IS(STATUS_INVALID, run_view_open(folder, &view, &err));
    cr_expect(strstr(err.text, "does not fit") != NULL, "%s", err.text);
    view = NULL;
    finish();
}

/* ---- States ----------------------------------------------------------------------------------
 */

Test(run_view, a_run_without_anybody_at_work_was_cut_off)
{
    begin();
    begin_session(false, 1000);
    open_view();
    const struct run_view_facts facts = run_view_facts(view);
    cr_expect(facts.is_cut_off && !facts.is_live && !facts.has_exit);
    cr_expect(eq(int, facts.state, RUN_INTERRUPTED));
    cr_expect(eq(dbl, facts.rate, 0));
    cr_expect(eq(u64, facts.estimate_ms, 0));
    finish();
}

Test(run_view, a_live_run_has_a_rate_and_an_estimate)
{
    struct run_lock *lock = NULL;
    const uint64_t now_ms = clock_day_ms();
    begin();
    OK(run_lock_take(folder, &lock, NULL));
    begin_session(false, now_ms - 10000);
    succeed(1, 0, 500, now_ms - 1000);
    open_view();
    const struct run_view_facts facts = run_view_facts(view);
    cr_expect(facts.is_live && !facts.is_cut_off && !facts.has_exit);
    cr_expect(eq(int, facts.state, RUN_RUNNING));
    cr_expect(facts.rate > 10 && facts.rate <= 50, "%g", facts.rate);
    cr_expect(facts.estimate_ms >= now_ms + 10000, "as many again in as long again");
    run_lock_release(lock);
    finish();
}

Test(run_view, the_rate_is_that_of_the_last_minute)
{
    struct run_lock *lock = NULL;
    const uint64_t now_ms = clock_day_ms();
    begin();
    OK(run_lock_take(folder, &lock, NULL));
    begin_session(false, now_ms - 1000000);
    succeed(1, 0, 900, now_ms - 900000);
    for (uint64_t i = 0; i < 70; i++) {
        succeed(1, 900 + i, 1, now_ms - 140000 + 2000 * i);
    }
    open_view();
    const struct run_view_facts facts = run_view_facts(view);
    cr_expect(facts.rate > 0.2 && facts.rate < 0.6, "%g", facts.rate);
    run_lock_release(lock);
    finish();
}

Test(run_view, a_verdict_in_run_json_is_final_whoever_holds_the_folder)
{
    struct run_lock *lock = NULL;
    begin();
    OK(run_lock_take(folder, &lock, NULL));
    append_cached(run_log, 0, SIZE); /* as many results, but other ones */
    flush();
    static const enum run_state states[] = {RUN_SUCCEEDED, RUN_FAILED, RUN_INTERRUPTED};
    for (size_t i = 0; i < 3; i++) {
        write_run(states[i]);
        open_view();
        const struct run_view_facts facts = run_view_facts(view);
        cr_expect(eq(int, facts.state, states[i]));
        cr_expect(eq(int, facts.has_exit, i < 2));
        cr_expect(eq(int, facts.exit_status, i == 0 ? 0 : 1));
        cr_expect(not(facts.is_live));
        cr_expect(eq(u64, facts.counts[INSTANCE_SUCCEEDED], SIZE), "its own counts");
        run_view_close(view);
    }
    view = NULL;
    run_lock_release(lock);
    finish();
}

/* What the verdict counts and the log no longer has is lost; counts are then those of what is left.
 */
Test(run_view, results_that_the_log_has_lost_are_counted)
{
    begin();
    begin_session(false, 1000);
    succeed(1, 0, 30, 2000);
    write_run(RUN_SUCCEEDED);
    open_view();
    struct run_view_facts facts = run_view_facts(view);
    expect_counts(&facts, 30, 0, 0, 0);
    cr_expect(eq(u64, facts.lost, SIZE - 30));
    cr_expect(facts.torn != NULL);
    cr_expect(eq(int, facts.state, RUN_SUCCEEDED));
    cr_expect(facts.has_exit && facts.exit_status == 0, "as the run did");
    succeed(1, 30, SIZE - 30, 3000);
    facts = update();
    cr_expect(eq(u64, facts.lost, 0));
    cr_expect(facts.torn == NULL);
    finish();
}

Test(run_view, a_verdict_that_only_the_log_has_counts)
{
    begin();
    begin_session(false, 1000);
    const struct record end = {.kind = RECORD_END, .exit_status = 1};
    OK(run_log_append(run_log, &end, NULL));
    flush();
    open_view();
    const struct run_view_facts facts = run_view_facts(view);
    cr_expect(eq(int, facts.state, RUN_FAILED));
    cr_expect(facts.has_exit && !facts.is_cut_off);
    cr_expect(eq(int, facts.exit_status, 1));
    finish();
}

Test(run_view, a_folder_that_is_no_run_is_refused)
{
    struct error err = {""};
    folder_create();
    STATUS_IS(STATUS_NOT_FOUND, run_view_open(folder, &view, &err));
    cr_expect(strstr(err.text, "not a run directory") != NULL, "%s", err.text);
    folder_remove();
}

/* ---- Liveness --------------------------------------------------------------------------------
 */

Test(run_liveness, without_a_stamp_nobody_is_at_work)
{
    folder_create();
    cr_expect(not(run_liveness(folder)));
    cr_expect(ne(int, access(in_folder(RUN_LOCK_NAME), F_OK), 0), "and nothing is made");
    OK(file_replace(folder, RUN_LOCK_NAME, "", 0, NULL));
    cr_expect(not(run_liveness(folder)));
    folder_remove();
}

Test(run_liveness, who_holds_the_run_is_until_it_gives_it_free)
{
    struct run_lock *lock = NULL;
    folder_create();
    OK(run_lock_take(folder, &lock, NULL));
    cr_expect(run_liveness(folder));
    run_lock_release(lock);
    cr_expect(not(run_liveness(folder)));
    folder_remove();
}

Test(run_liveness, a_process_that_was_killed_is_not)
{
    struct run_lock *lock = NULL;
    folder_create();
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(run_lock_take(folder, &lock, NULL) == STATUS_OK ? 0 : 1);
    }
    int status = 1;
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    cr_assert(eq(int, status, 0));
    cr_expect(not(run_liveness(folder)));
    folder_remove();
}

static void write_stamp_of_another_machine(uint64_t renewed)
{
    char text[RUN_STAMP_SIZE];
    struct run_stamp stamp;
    run_stamp_make(&stamp);
    (void)snprintf(stamp.machine, sizeof(stamp.machine), "another");
    stamp.renewed = renewed;
    run_stamp_encode(&stamp, text);
    OK(file_replace(folder, RUN_LOCK_NAME, text, sizeof(text), NULL));
}

static void make_old(void)
{
    const struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    cr_assert(eq(int, utimensat(AT_FDCWD, in_folder(RUN_LOCK_NAME), times, 0), 0));
}

Test(run_liveness, another_machine_is_while_it_renews_its_stamp, .timeout = 60)
{
    folder_create();
    write_stamp_of_another_machine(1);
    cr_expect(run_liveness(folder), "renewed just now");
    make_old();
    cr_expect(not(run_liveness(folder)));
    make_old();
    const pid_t pid = fork();
    if (pid == 0) {
        (void)usleep(1000000);
        write_stamp_of_another_machine(2);
        make_old(); /* its clock is wrong */
        _exit(0);
    }
    cr_expect(run_liveness(folder), "it was renewed while we looked");
    (void)waitpid(pid, NULL, 0);
    folder_remove();
}
