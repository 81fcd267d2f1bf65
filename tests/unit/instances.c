#include "master/instances.h"

#include "tests/unit/log_support.h"

enum { SIZE = 12 };

/* Append one record with failures alone. */
static void append_failure(struct run_log *log, struct report_failure failure,
                           struct record_outcome outcome)
{
    struct record record = make_report(NULL, 0);
    record.rank = 4;
    record.report.failures = &failure;
    record.report.failure_count = 1;
    record.outcomes = &outcome;
    OK(run_log_append(log, &record, NULL));
}

static struct record_outcome retried(uint64_t task_failures, uint64_t system_failures)
{
    return (struct record_outcome){.state = INSTANCE_ABORTED,
                                   .task_failures = task_failures,
                                   .system_failures = system_failures,
                                   .attempts_max = 3 + system_failures};
}

static struct record_outcome ended(enum instance_state state, uint64_t task_failures)
{
    return (struct record_outcome){
        .is_final = true, .state = state, .task_failures = task_failures, .attempts_max = 3};
}

static struct run_log *log_create(void)
{
    struct run_log *log = NULL;
    folder_create();
    OK(run_log_create(folder, &log, NULL));
    return log;
}

static struct instances *log_finish(struct run_log *log)
{
    struct instances *instances = NULL;
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    OK(instances_open(folder, 0, SIZE, &instances, NULL));
    return instances;
}

static void finish(struct instances *instances)
{
    instances_close(instances);
    folder_remove();
}

Test(instances, of_a_run_without_a_log_none_was_started)
{
    struct instances *instances = NULL;
    folder_create();
    OK(instances_open(folder, 0, SIZE, &instances, NULL));
    for (uint64_t i = 0; i < SIZE; i++) {
        const struct instance instance = instances_get(instances, i);
        cr_expect(eq(int, instance.state, INSTANCE_NOT_STARTED));
        cr_expect(eq(u64, instance.attempts, 0));
        cr_expect(instance.has_rank == false && instance.has_seconds == false);
        cr_expect(instance.error == NULL);
    }
    finish(instances);
}

Test(instances, a_success_has_its_attempts_rank_and_share_of_the_time_and_no_error)
{
    struct run_log *log = log_create();
    const struct span span = {.start = 2, .count = 4, .attempt = 1};
    append_failure(log, make_failure(3, 0, FAILURE_CRASH, "signal 11"), retried(1, 0));
    append_batch(log, 0, &span, 1, NULL);
    append_batch(log, 1, &(struct span){.start = 0, .count = SIZE, .attempt = 0}, 1, NULL);
    struct instances *instances = log_finish(log);
    const struct instance instance = instances_get(instances, 3);
    cr_expect(eq(int, instance.state, INSTANCE_SUCCEEDED));
    cr_expect(eq(u64, instance.attempts, 2));
    cr_expect(eq(u64, instance.task_failures, 1));
    cr_expect(instance.error == NULL);
    cr_assert(instance.has_rank && instance.has_seconds);
    cr_expect(eq(u32, instance.rank, 2));
    cr_expect(ieee_ulp_eq(dbl, instance.seconds, 0.5, 4));
    cr_expect(eq(int, instances_get(instances, 6).state, INSTANCE_NOT_STARTED));
    finish(instances);
}

Test(instances, a_failed_one_has_its_last_failure)
{
    struct run_log *log = log_create();
    append_failure(log, make_failure(5, 0, FAILURE_LOST, "rank 3 was lost"), retried(0, 1));
    append_failure(log, make_failure(5, 1, FAILURE_EXIT, "status 1"), retried(1, 1));
    struct record_outcome last = ended(INSTANCE_FAILED, 2);
    last.system_failures = 1;
    last.attempts_max = 3;
    append_failure(log, make_failure(5, 2, FAILURE_EXIT, "status 2"), last);
    append_failure(log, make_failure(6, 0, FAILURE_TIMEOUT, "past 2 s"),
                   ended(INSTANCE_TIMED_OUT, 1));
    struct instances *instances = log_finish(log);
    struct instance instance = instances_get(instances, 5);
    cr_expect(eq(int, instance.state, INSTANCE_FAILED));
    cr_expect(eq(u64, instance.attempts, 3));
    cr_expect(eq(u64, instance.task_failures, 2));
    cr_expect(eq(u64, instance.system_failures, 1));
    cr_expect(eq(int, instance.class, FAILURE_EXIT));
    cr_expect(strcmp(instance.error, "status 2") == 0);
    cr_expect(eq(u64, instance.attempt_number, 3));
    cr_expect(eq(u64, instance.attempts_max, 3));
    cr_expect(instance.has_rank && instance.has_seconds == false);
    instance = instances_get(instances, 6);
    cr_expect(eq(int, instance.state, INSTANCE_TIMED_OUT));
    finish(instances);
}

Test(instances, what_has_begun_and_not_ended_is_aborted)
{
    struct run_log *log = log_create();
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append_failure(log, make_failure(2, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    append_failure(log, make_failure(2, 1, FAILURE_ABORTED, "the run ended"), retried(1, 0));
    struct instances *instances = log_finish(log);
    struct instance instance = instances_get(instances, 1);
    cr_expect(eq(int, instance.state, INSTANCE_ABORTED));
    cr_expect(eq(u64, instance.attempts, 1));
    instance = instances_get(instances, 2);
    cr_expect(eq(int, instance.state, INSTANCE_ABORTED));
    cr_expect(eq(u64, instance.attempts, 1), "an attempt that we ended does not count");
    cr_expect(eq(u64, instance.attempt_number, 2));
    cr_expect(eq(int, instance.class, FAILURE_ABORTED));
    finish(instances);
}

Test(instances, a_revived_one_has_fresh_budgets_and_keeps_its_attempts)
{
    struct run_log *log = log_create();
    const struct record revival = {.kind = RECORD_START, .revives_failed = true};
    const struct record start = {.kind = RECORD_START};
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "bad"), ended(INSTANCE_FAILED, 1));
    append_failure(log, make_failure(2, 0, FAILURE_ERROR, "bad"), ended(INSTANCE_FAILED, 1));
    OK(run_log_append(log, &start, NULL));
    OK(run_log_append(log, &revival, NULL));
    append_batch(log, 0, &(struct span){.start = 2, .count = 1, .attempt = 1}, 1, NULL);
    append_failure(log, make_failure(3, 0, FAILURE_ERROR, "bad"), ended(INSTANCE_FAILED, 1));
    OK(run_log_append(log, &start, NULL));
    struct instances *instances = log_finish(log);
    struct instance instance = instances_get(instances, 1);
    cr_expect(eq(int, instance.state, INSTANCE_NOT_STARTED));
    cr_expect(eq(u64, instance.task_failures, 0));
    cr_expect(eq(u64, instance.attempts, 1));
    instance = instances_get(instances, 2);
    cr_expect(eq(int, instance.state, INSTANCE_SUCCEEDED));
    cr_expect(eq(u64, instance.task_failures, 0));
    cr_expect(eq(u64, instance.attempts, 2));
    cr_expect(eq(int, instances_get(instances, 3).state, INSTANCE_FAILED));
    finish(instances);
}

Test(instances, an_attempt_that_we_ended_changes_nothing_of_one_that_has_failed)
{
    struct run_log *log = log_create();
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "bad"), ended(INSTANCE_FAILED, 1));
    append_failure(log, make_failure(1, 1, FAILURE_ABORTED, "ended"), (struct record_outcome){0});
    struct instances *instances = log_finish(log);
    const struct instance instance = instances_get(instances, 1);
    cr_expect(eq(int, instance.state, INSTANCE_FAILED));
    cr_expect(strcmp(instance.error, "bad") == 0);
    finish(instances);
}

Test(instances, no_attempt_is_numbered_above_how_many_there_may_be)
{
    struct run_log *log = log_create();
    append_failure(log, make_failure(1, 0, FAILURE_ABORTED, "ended"), (struct record_outcome){0});
    struct instances *instances = log_finish(log);
    const struct instance instance = instances_get(instances, 1);
    cr_expect(eq(u64, instance.attempt_number, 1));
    cr_expect(eq(u64, instance.attempts_max, 1));
    finish(instances);
}

Test(instances, a_smaller_budget_that_ends_an_instance_allowed_what_it_had)
{
    const struct record start = {.kind = RECORD_START};
    struct run_log *log = log_create();
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "bad"), retried(1, 0));
    OK(run_log_append(log, &start, NULL));
    struct instances *instances = log_finish(log);
    const struct instance instance = instances_get(instances, 1);
    cr_expect(eq(int, instance.state, INSTANCE_FAILED));
    cr_expect(eq(u64, instance.attempt_number, 1));
    cr_expect(eq(u64, instance.attempts_max, 1));
    finish(instances);
}

Test(instances, a_hit_has_no_attempts_and_a_shared_failure_has_the_text_of_the_one_that_ran)
{
    struct run_log *log = log_create();
    struct buffer frame = {0};
    const struct span span = {.start = 2, .count = 2};
    const struct report_batch batch = make_batch(&span, 1, NULL, &frame);
    const struct report_failure failure = make_failure(5, 0, FAILURE_ERROR, "never");
    const struct record_outcome outcome = ended(INSTANCE_FAILED, 1);
    struct record record = make_report(&batch, 1);
    record.kind = RECORD_CACHED;
    record.report.failures = &failure;
    record.report.failure_count = 1;
    record.outcomes = &outcome;
    OK(run_log_append(log, &record, NULL));
    struct instances *instances = log_finish(log);
    const struct instance hit = instances_get(instances, 3);
    cr_expect(eq(int, hit.state, INSTANCE_CACHED));
    cr_expect(eq(u64, hit.attempts, 0));
    cr_expect(hit.has_rank == false && hit.has_seconds == false);
    const struct instance shared = instances_get(instances, 5);
    cr_expect(eq(int, shared.state, INSTANCE_FAILED));
    cr_expect(eq(u64, shared.attempts, 0));
    cr_expect(eq(u64, shared.task_failures, 0));
    cr_expect(eq(u64, shared.attempt_number, 1));
    cr_expect(eq(u64, shared.attempts_max, 3));
    cr_expect(strcmp(shared.error, "never") == 0);
    cr_expect(shared.has_rank == false);
    buffer_free(&frame);
    finish(instances);
}

Test(instances, a_shared_failure_that_is_revived_is_as_if_it_had_never_been)
{
    const struct record revival = {.kind = RECORD_START, .revives_failed = true, .retries = 9};
    struct run_log *log = log_create();
    append_failure(log, make_failure(4, 0, FAILURE_ERROR, "once"), retried(1, 0));
    append_shared_failure(log, 4, "never");
    append_shared_failure(log, 5, "never");
    OK(run_log_append(log, &revival, NULL));
    struct instances *instances = log_finish(log);
    struct instance instance = instances_get(instances, 4);
    cr_expect(eq(int, instance.state, INSTANCE_NOT_STARTED));
    cr_expect(eq(u64, instance.attempts, 1));
    instance = instances_get(instances, 5);
    cr_expect(eq(int, instance.state, INSTANCE_NOT_STARTED));
    cr_expect(eq(u64, instance.attempts, 0));
    cr_expect(instance.error == NULL);
    finish(instances);
}

Test(instances, a_shared_failure_leaves_the_attempts_of_its_own_as_they_were)
{
    struct run_log *log = log_create();
    append_failure(log, make_failure(4, 0, FAILURE_ERROR, "once"), retried(1, 0));
    append_failure(log, make_failure(4, 1, FAILURE_ERROR, "twice"), retried(2, 0));
    append_shared_failure(log, 4, "never");
    struct instances *instances = log_finish(log);
    const struct instance instance = instances_get(instances, 4);
    cr_expect(eq(int, instance.state, INSTANCE_FAILED));
    cr_expect(eq(u64, instance.attempts, 2));
    cr_expect(eq(u64, instance.task_failures, 2));
    cr_expect(eq(u64, instance.attempt_number, 1));
    cr_expect(strcmp(instance.error, "never") == 0);
    finish(instances);
}

Test(instances, texts_are_held_once_and_are_utf8)
{
    struct run_log *log = log_create();
    char text[32];
    append_failure(log, make_failure(0, 0, FAILURE_ERROR, "same"), ended(INSTANCE_FAILED, 1));
    append_failure(log, make_failure(1, 0, FAILURE_ERROR, "same"), ended(INSTANCE_FAILED, 1));
    append_failure(log, make_failure(2, 0, FAILURE_ERROR, "a\xff\xc3\xa9\xc3"),
                   ended(INSTANCE_FAILED, 1));
    append_failure(log, make_failure(3, 0, FAILURE_ERROR, ""), ended(INSTANCE_FAILED, 1));
    for (uint64_t i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof(text), "text %ju", (uintmax_t)i);
        append_failure(log, make_failure(4, i, FAILURE_ERROR, text), retried(i, 0));
    }
    struct instances *instances = log_finish(log);
    cr_expect(instances_get(instances, 0).error == instances_get(instances, 1).error);
    cr_expect(strcmp(instances_get(instances, 2).error, "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd") == 0);
    cr_expect(strcmp(instances_get(instances, 3).error, "") == 0);
    cr_expect(strcmp(instances_get(instances, 4).error, "text 999") == 0);
    finish(instances);
}

Test(instances, a_log_of_a_larger_map_is_refused)
{
    struct run_log *log = log_create();
    struct instances *instances = NULL;
    struct error err;
    append_batch(log, 0, &(struct span){.start = 0, .count = SIZE + 1, .attempt = 0}, 1, NULL);
    OK(run_log_flush(log, NULL));
    run_log_close(log);
    STATUS_IS(STATUS_INVALID, instances_open(folder, 0, SIZE, &instances, &err));
    OK(instances_open(folder, 0, SIZE + 1, &instances, &err));
    finish(instances);
}

Test(instances, of_a_torn_log_what_stands_before_the_tear_counts)
{
    struct run_log *log = log_create();
    struct buffer bytes = {0};
    append_batch(log, 0, &(struct span){.start = 0, .count = 2, .attempt = 0}, 1, NULL);
    append_batch(log, 0, &(struct span){.start = 2, .count = 2, .attempt = 0}, 1, NULL);
    struct instances *instances = log_finish(log);
    cr_expect(instances_torn(instances) == NULL);
    instances_close(instances);
    read_log(&bytes);
    write_log(bytes.data, bytes.size - 5);
    OK(instances_open(folder, 0, SIZE, &instances, NULL));
    cr_expect(instances_torn(instances) != NULL);
    cr_expect(eq(int, instances_get(instances, 1).state, INSTANCE_SUCCEEDED));
    cr_expect(eq(int, instances_get(instances, 2).state, INSTANCE_NOT_STARTED));
    buffer_free(&bytes);
    finish(instances);
}
