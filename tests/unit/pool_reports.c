/* What attempts report of their metric, from executors of a built job to their rank. */
#include "pool_support.h"

TestSuite(pool_reports, .timeout = 60);

static struct bench *create_reporting(const char *task, bool needs_report)
{
    struct error err = {""};
    struct bench *bench = calloc(1, sizeof(*bench));
    cr_assert(ne(ptr, bench, NULL));
    const struct zygote_duties duties = executor_duties();
    cr_assert(eq(int, zygote_create(&duties, &bench->zygote, &err), STATUS_OK), "%s", err.text);
    load_job(bench, "tests/jobs/reporting.so");
    fill_start(bench, task, range, 0);
    bench->start.map.metric = "loss";
    bench->start.map.needs_report = needs_report;
    const struct zygote_event event = prepare(bench);
    cr_assert(eq(int, event.status, STATUS_OK), "%s", event.error.text);
    create_pool(bench, 1);
    wait_for_free(bench, 1);
    return bench;
}

/* What has come so far is 0, 1, ...; gives how many there are by now. */
static uint64_t take_in_order(struct bench *bench, uint64_t index, uint64_t count)
{
    const struct pool_report *reports = NULL;
    const size_t more = pool_take_reports(bench->pool, &reports);
    for (size_t i = 0; i < more; i++) {
        cr_assert(eq(ptr, reports[i].map, &bench->map));
        cr_assert(eq(u64, reports[i].report.lease, LEASE));
        cr_assert(eq(u64, reports[i].report.index, index));
        cr_assert(eq(i64, reports[i].report.step, (int64_t)(count + i)));
        cr_assert(eq(dbl, reports[i].report.value, (double)(count + i)));
    }
    return count + more;
}

/* The input is the index: as many reports, more than there is room for at once. */
Test(pool_reports, all_are_there_when_the_result_of_their_attempt_is)
{
    struct bench *bench = create_reporting("report_many", true);
    uint64_t count = 0;
    const uint64_t index = 3 * CHANNEL_REPORT_COUNT_MAX + 7;
    start(bench, index, 1, NULL);
    while (!collect(bench, 0)) {
        count = take_in_order(bench, index, count);
        wait_a_while(bench);
    }
    cr_expect(eq(u64, take_in_order(bench, index, count), index));
    cr_expect(eq(u64, bench->result.batch.success_count, 1));
    destroy(bench);
}

Test(pool_reports, those_of_an_attempt_that_crashes_are_there)
{
    struct bench *bench = create_reporting("report_and_crash", true);
    start(bench, 20, 1, NULL);
    next_result(bench);
    cr_expect(eq(u64, take_in_order(bench, 20, 0), 20));
    cr_assert(eq(sz, bench->result.failure_count, 1));
    cr_expect(eq(int, bench->result.failures[0].class, FAILURE_CRASH));
    destroy(bench);
}

Test(pool_reports, come_while_the_attempt_runs_and_a_stopped_one_says_so)
{
    struct error err = {""};
    const struct pool_report *reports = NULL;
    struct bench *bench = create_reporting("report_on", true);
    const struct wire_end end = {.lease = LEASE, .index = 5, .is_stop = true};
    size_t count = 0;
    start(bench, 5, 1, NULL);
    while (count < 10) {
        cr_assert(not(collect(bench, 0)));
        count += pool_take_reports(bench->pool, &reports);
        wait_a_while(bench);
    }
    cr_assert(eq(int, pool_end(bench->pool, &bench->map, &end, clock_us(), &err), STATUS_OK));
    next_result(bench);
    cr_assert(eq(sz, bench->result.failure_count, 1));
    cr_expect(eq(int, bench->result.failures[0].class, FAILURE_ABORTED));
    cr_expect(eq(int, strncmp(bench->result.failures[0].text, "stopped early", 13), 0));
    destroy(bench);
}

Test(pool_reports, an_attempt_that_has_to_report_and_does_not_has_failed)
{
    struct bench *bench = create_reporting("report_many", true);
    start(bench, 0, 2, NULL);
    next_result(bench);
    cr_assert(eq(sz, bench->result.failure_count, 1));
    cr_expect(eq(int, bench->result.failures[0].class, FAILURE_OUTPUT));
    cr_expect(eq(u64, bench->result.failures[0].index, 0));
    cr_expect(strstr(bench->result.failures[0].text, "no value of loss") != NULL);
    destroy(bench);
}

Test(pool_reports, without_a_need_for_one_it_succeeds)
{
    struct bench *bench = create_reporting("report_many", false);
    start(bench, 0, 1, NULL);
    next_result(bench);
    cr_expect(eq(u64, bench->result.batch.success_count, 1));
    destroy(bench);
}
