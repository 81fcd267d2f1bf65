#include "master/chronicle.h"

#include "shared/attempt_times.h"
#include "tests/unit/log_support.h"

/* What a walk has given, as lines of text. */
struct heard {
    struct buffer text;
    uint64_t attempts;
};

static enum status on_piece(void *context, const struct chronicle_piece *piece, struct error *err)
{
    struct heard *heard = context;
    (void)err;
    heard->attempts += piece->count;
    return buffer_printf(
        &heard->text, "%u.%u %llu+%llu i%llu n%llu a%llu %s%s\n", (unsigned)piece->rank,
        (unsigned)piece->slot, (unsigned long long)piece->start_us,
        (unsigned long long)(piece->end_us - piece->start_us), (unsigned long long)piece->index,
        (unsigned long long)piece->count, (unsigned long long)piece->attempt,
        piece_state_name(piece->state), piece->held_us > 0 ? " held" : "");
}

static enum status on_event(void *context, const struct chronicle_event *event, struct error *err)
{
    struct heard *heard = context;
    (void)err;
    return buffer_printf(&heard->text, "event %d at %llu rank %u\n", (int)event->kind,
                         (unsigned long long)event->time_us, (unsigned)event->rank);
}

static struct run_log *log_now;

static void put(const struct record *record)
{
    OK(run_log_append(log_now, record, NULL));
}

static void begin(uint64_t time_ms)
{
    static const struct record_rank ranks[] = {
        {.rank = 1, .slots = 2, .host = "a", .host_size = 1}};
    put(&(struct record){.kind = RECORD_START, .time_ms = time_ms});
    put(&(struct record){
        .kind = RECORD_RANKS, .time_ms = time_ms, .ranks = ranks, .rank_count = 1});
}

static void report(uint64_t time_ms, const struct report_batch *batch,
                   const struct report_failure *failures, const struct record_outcome *outcomes,
                   size_t failure_count)
{
    struct record record = make_report(batch, 1);
    record.rank = 1;
    record.time_ms = time_ms;
    record.report.failures = failures;
    record.report.failure_count = failure_count;
    record.outcomes = outcomes;
    put(&record);
}

static void flush(void)
{
    if (log_now != NULL) {
        OK(run_log_flush(log_now, NULL));
    }
}

static void expect_heard(const char *expected)
{
    struct heard heard = {.attempts = 0};
    struct chronicle *chronicle = NULL;
    struct error err = {""};
    const struct chronicle_visitor visitor = {
        .on_piece = on_piece, .on_event = on_event, .context = &heard};
    flush();
    for (int is_quick = 0; is_quick < 2; is_quick++) {
        cr_assert(eq(int, chronicle_open(folder, is_quick == 1, &chronicle, &err), STATUS_OK), "%s",
                  err.text);
        heard.attempts = 0;
        buffer_clear(&heard.text);
        OK(chronicle_each(chronicle, &visitor, &err));
        OK(buffer_append_byte(&heard.text, '\0'));
        cr_expect(eq(str, (char *)heard.text.data, (char *)(uintptr_t)expected));
        cr_expect(eq(u64, heard.attempts, chronicle_attempt_count(chronicle)));
        chronicle_close(chronicle);
    }
    buffer_free(&heard.text);
}

static void setup(void)
{
    folder_create();
    OK(run_log_create(folder, &log_now, NULL));
}

static void teardown(void)
{
    run_log_close(log_now);
    folder_remove();
}

TestSuite(chronicle, .init = setup, .fini = teardown);

/* The rank's clock began 10 ms before the session: its second report came at once. */
Test(chronicle, clocks_of_ranks_are_put_upon_that_of_rank_0)
{
    struct buffer frame = {0};
    const struct span first = {.start = 0, .count = 1};
    const struct span second = {.start = 1, .count = 1};
    struct report_batch batch = make_batch(&first, 1, NULL, &frame);
    begin(1000);
    batch.started_us = 12000;
    batch.elapsed_us = 3000;
    report(1020, &batch, NULL, NULL, 0);
    batch.spans = &second;
    batch.started_us = 40999;
    batch.held_us = 5;
    report(1034, &batch, NULL, NULL, 0);
    expect_heard("event 0 at 0 rank 0\nevent 1 at 0 rank 1\n"
                 "1.3 3000+3000 i0 n1 a0 succeeded\n1.3 31999+3000 i1 n1 a0 succeeded held\n");
    buffer_free(&frame);
}

Test(chronicle, timed_attempts_are_pieces_of_their_own_and_others_run_together)
{
    static const uint8_t times[] = {1, 2, 3};
    struct buffer frame = {0};
    const struct span span = {.start = 7, .count = 3};
    struct report_batch batch = make_batch(&span, 1, NULL, &frame);
    begin(0);
    batch.started_us = 0;
    batch.elapsed_us = 9;
    report(0, &batch, NULL, NULL, 0);
    batch.started_us = 10;
    batch.times = times;
    batch.times_size = sizeof(times);
    report(0, &batch, NULL, NULL, 0);
    expect_heard("event 0 at 0 rank 0\nevent 1 at 0 rank 1\n1.3 980+9 i7 n3 a0 succeeded\n"
                 "1.3 990+1 i7 n1 a0 succeeded\n1.3 991+2 i8 n1 a0 succeeded\n"
                 "1.3 993+3 i9 n1 a0 succeeded\n");
    buffer_free(&frame);
}

/* Ten of 3 ms each, in two slots at once: they are over after 15 ms. */
Test(chronicle, a_batch_that_was_folded_of_several_is_shared_by_the_rank_s_slots)
{
    struct buffer frame = {0};
    const struct span spans[] = {{.start = 0, .count = 7}, {.start = 20, .count = 3}};
    struct report_batch batch = make_batch(spans, 2, NULL, &frame);
    begin(1000);
    batch.started_us = 1999;
    batch.elapsed_us = 30000;
    batch.partial_count = 1;
    report(1016, &batch, NULL, NULL, 0);
    expect_heard("event 0 at 0 rank 0\nevent 1 at 0 rank 1\n"
                 "1.0 1999+15000 i0 n5 a0 succeeded\n1.1 1999+6000 i5 n2 a0 succeeded\n"
                 "1.1 7999+9000 i20 n3 a0 succeeded\n");
    buffer_free(&frame);
}

/* Of five attempts that share 100 us, the second failed for good and the fourth is tried again. */
Test(chronicle, failures_are_pieces_by_what_became_of_them)
{
    static const uint8_t bits[] = {0x15};
    struct buffer frame = {0};
    const struct span span = {.start = 0, .count = 5, .attempt = 1};
    struct report_batch batch = make_batch(&span, 1, bits, &frame);
    const struct report_failure failures[] = {make_failure(1, 1, FAILURE_ERROR, "a"),
                                              make_failure(3, 1, FAILURE_TIMEOUT, "b")};
    const struct record_outcome outcomes[] = {{.is_final = true, .state = INSTANCE_FAILED},
                                              {.state = INSTANCE_ABORTED}};
    begin(0);
    batch.started_us = 0;
    batch.elapsed_us = 100;
    report(0, &batch, failures, outcomes, 2);
    expect_heard("event 0 at 0 rank 0\nevent 1 at 0 rank 1\n1.3 899+20 i0 n1 a1 succeeded\n"
                 "1.3 919+20 i1 n1 a1 failed\n1.3 939+20 i2 n1 a1 succeeded\n"
                 "1.3 959+20 i3 n1 a1 retried\n1.3 979+20 i4 n1 a1 succeeded\n");
    buffer_free(&frame);
}

/* An hour lies between the two, and a rank's clock begins anew. */
Test(chronicle, sessions_follow_each_other_without_what_lies_between)
{
    struct buffer frame = {0};
    const struct span span = {.start = 0, .count = 1};
    struct report_batch batch = make_batch(&span, 1, NULL, &frame);
    batch.started_us = 0;
    batch.elapsed_us = 1000;
    begin(1000);
    report(1009, &batch, NULL, NULL, 0);
    put(&(struct record){.kind = RECORD_END, .time_ms = 1009, .exit_status = 75});
    begin(3601000);
    report(3601004, &batch, NULL, NULL, 0);
    expect_heard("event 0 at 0 rank 0\nevent 1 at 0 rank 1\n1.3 8999+1000 i0 n1 a0 succeeded\n"
                 "event 6 at 9000 rank 0\nevent 0 at 10000 rank 0\nevent 1 at 10000 rank 1\n"
                 "1.3 13999+1000 i0 n1 a0 succeeded\n");
    buffer_free(&frame);
}

Test(chronicle, attempts_that_were_lost_are_events_as_nobody_knows_when_they_began)
{
    const struct report_failure failure = make_failure(4, 0, FAILURE_LOST, "rank 1 was lost");
    const struct record_outcome outcome = {.state = INSTANCE_ABORTED};
    begin(0);
    struct record record = make_report(NULL, 0);
    record.rank = 1;
    record.time_ms = 5;
    record.report.failures = &failure;
    record.report.failure_count = 1;
    record.outcomes = &outcome;
    put(&record);
    put(&(struct record){.kind = RECORD_LOST, .rank = 1, .time_ms = 6, .why = "x", .why_size = 1});
    expect_heard("event 0 at 0 rank 0\nevent 1 at 0 rank 1\nevent 3 at 5000 rank 1\n"
                 "event 2 at 6000 rank 1\n");
}

Test(chronicle, a_torn_log_is_told_up_to_there)
{
    struct buffer log = {0};
    struct chronicle *chronicle = NULL;
    begin(0);
    put(&(struct record){.kind = RECORD_END, .exit_status = 1});
    flush();
    run_log_close(log_now);
    log_now = NULL;
    read_log(&log);
    write_log(log.data, log.size - 1);
    OK(chronicle_open(folder, false, &chronicle, NULL));
    cr_expect(ne(ptr, (void *)(uintptr_t)chronicle_torn(chronicle), NULL));
    chronicle_close(chronicle);
    expect_heard("event 0 at 0 rank 0\nevent 1 at 0 rank 1\n");
    buffer_free(&log);
}

Test(chronicle, a_log_that_begins_no_session_is_refused)
{
    struct chronicle *chronicle = NULL;
    struct error err = {""};
    put(&(struct record){.kind = RECORD_END, .exit_status = 1});
    flush();
    STATUS_IS(STATUS_INVALID, chronicle_open(folder, false, &chronicle, &err));
    cr_expect(ne(ptr, strstr(err.text, "begins no session"), NULL));
}
