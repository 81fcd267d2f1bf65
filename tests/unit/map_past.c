#include "master/map_past.h"

#include "master/replay.h"
#include "shared/lz4_frame.h"
#include "tests/unit/log_support.h"

TestSuite(map_past, .init = folder_create, .fini = folder_remove, .timeout = 20);

static struct record definition(uint64_t map, const char *task, uint64_t size)
{
    return (struct record){.kind = RECORD_MAP,
                           .map = map,
                           .retries = 1,
                           .system_retries = 3,
                           .task = task,
                           .task_size = strlen(task),
                           .output_type = "list<int>",
                           .output_type_size = strlen("list<int>"),
                           .map_size = size,
                           .minimum = size,
                           .inputs_digest = {(uint8_t)map, 7}};
}

static struct record session(void)
{
    return (struct record){.kind = RECORD_START, .map = RECORD_RUN_MAP, .system_retries = 3};
}

static void append(struct run_log *log, struct record record)
{
    OK(run_log_append(log, &record, NULL));
}

static void append_range(struct run_log *log, uint64_t map, uint64_t start, uint64_t count)
{
    const struct span span = {.start = start, .count = count};
    append_batch(log, map, &span, 1, NULL);
}

static void append_failure(struct run_log *log, uint64_t map, uint64_t index)
{
    const struct report_failure failure = make_failure(index, 0, FAILURE_ERROR, "no luck");
    const struct record_outcome outcome = {
        .is_final = true, .state = INSTANCE_FAILED, .task_failures = 1, .attempts_max = 2};
    struct record record = make_report(NULL, 0);
    record.map = map;
    record.report.failures = &failure;
    record.report.failure_count = 1;
    record.outcomes = &outcome;
    append(log, record);
}

static void append_end(struct run_log *log, uint64_t map, int exit_status)
{
    append(log, (struct record){.kind = RECORD_END, .map = map, .exit_status = exit_status});
}

static struct run_log *begin(void)
{
    struct run_log *log = NULL;
    OK(run_log_create(folder, &log, NULL));
    append(log, session());
    return log;
}

static void end(struct run_log *log)
{
    OK(run_log_flush(log, NULL));
    run_log_close(log);
}

/* Two maps whose records stand between each other; the first has ended. */
static void make_two(void)
{
    struct run_log *log = begin();
    append(log, definition(0, "square", 4));
    append_range(log, 0, 0, 2);
    append(log, definition(1, "sum", 3));
    append_range(log, 1, 1, 1);
    append_range(log, 0, 2, 2);
    append_failure(log, 1, 2);
    append_end(log, 0, 0);
    end(log);
}

Test(map_past, each_map_has_its_own_definition_and_history)
{
    struct map_past_list list;
    make_two();
    OK(map_past_read(folder, &list, NULL));
    cr_assert(eq(sz, list.count, 2));
    const struct map_past *first = map_past_find(&list, 0);
    cr_expect(strcmp(first->task, "square") == 0);
    cr_expect(strcmp(first->output_type, "list<int>") == 0);
    cr_expect(eq(u64, first->size, 4));
    cr_expect(eq(u64, first->replay.history.succeeded.count, 4));
    cr_expect(first->replay.has_verdict);
    const struct map_past *second = map_past_find(&list, 1);
    cr_expect(strcmp(second->task, "sum") == 0);
    cr_expect(eq(u8, second->inputs_digest[0], 1));
    cr_expect(eq(u64, second->replay.history.succeeded.count, 1));
    cr_expect(eq(u64, second->replay.history.failed.count, 1));
    cr_expect(eq(u64, failures_count(second->failures), 1));
    cr_expect(eq(u64, failures_count(first->failures), 0));
    cr_expect(second->replay.has_verdict == false);
    cr_expect(map_past_find(&list, 2) == NULL);
    map_past_free(&list);
}

Test(map_past, a_map_that_goes_on_in_a_new_session_is_the_same_map)
{
    struct map_past_list list;
    struct run_log *log = begin();
    append(log, definition(0, "square", 4));
    append_range(log, 0, 0, 2);
    append(log, session());
    append(log, definition(0, "square", 4));
    append_range(log, 0, 2, 2);
    end(log);
    OK(map_past_read(folder, &list, NULL));
    cr_assert(eq(sz, list.count, 1));
    cr_expect(eq(u64, list.maps[0].replay.history.succeeded.count, 4));
    cr_expect(eq(u64, list.maps[0].replay.session_count, 1)); /* since it was defined */
    map_past_free(&list);
}

Test(map_past, a_session_that_revives_gives_fresh_budgets_to_maps_that_go_on)
{
    struct map_past_list list;
    struct record revival = session();
    struct run_log *log = begin();
    revival.revives_failed = true;
    append(log, definition(0, "square", 2));
    append_failure(log, 0, 1);
    append(log, definition(1, "square", 2));
    append_failure(log, 1, 1);
    append(log, revival);
    append(log, definition(0, "square", 2));
    end(log);
    OK(map_past_read(folder, &list, NULL));
    cr_expect(eq(u64, list.maps[0].replay.history.failed.count, 0));
    cr_expect(eq(u64, list.maps[1].replay.history.failed.count, 1)); /* it has not gone on yet */
    map_past_free(&list);
}

/* Goal: the output of a run that was killed before its verdict is known, until a session revives
 * what had failed, and the output may be another. */
Test(map_past, the_output_of_the_run_itself_is_known)
{
    struct map_past_list list;
    struct run_log *log = begin();
    const struct span span = {.count = 1};
    struct buffer frame = {0};
    OK(lz4_frame_compress((const uint8_t *)"\x07", 1, &frame));
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_count = 1,
                                       .frame = frame.data,
                                       .frame_size = frame.size};
    const struct record output = {.kind = RECORD_CACHED,
                                  .map = RECORD_RUN_MAP,
                                  .report = {.batches = &batch, .batch_count = 1}};
    append(log, definition(0, "square", 4));
    OK(run_log_flush(log, NULL));
    OK(map_past_read(folder, &list, NULL));
    cr_expect(not(list.has_output));
    map_past_free(&list);
    append(log, output);
    append(log, session());
    OK(run_log_flush(log, NULL));
    OK(map_past_read(folder, &list, NULL));
    cr_expect(list.has_output);
    map_past_free(&list);
    struct record revival = session();
    revival.revives_failed = true;
    append(log, revival);
    end(log);
    OK(map_past_read(folder, &list, NULL));
    cr_expect(not(list.has_output));
    map_past_free(&list);
    buffer_free(&frame);
}

Test(map_past, failures_may_be_those_of_all_maps_together)
{
    struct map_past_list list = {.count = 0};
    struct record failed = definition(0, "square", 2);
    OK(failures_create(&list.shared));
    OK(map_past_take(&list, &failed, NULL));
    cr_expect(list.maps[0].failures == NULL);
    failures_destroy(list.shared);
    map_past_free(&list);
}

Test(map_past, a_run_without_a_log_has_no_maps)
{
    struct map_past_list list;
    OK(map_past_read(folder, &list, NULL));
    cr_expect(eq(sz, list.count, 0));
    map_past_free(&list);
}

Test(map_past, records_that_do_not_fit_their_map_are_refused)
{
    struct map_past_list list;
    struct error err = {""};
    struct run_log *log = begin();
    append(log, definition(0, "square", 2));
    append_range(log, 0, 1, 2);
    end(log);
    STATUS_IS(STATUS_INVALID, map_past_read(folder, &list, &err));
    cr_expect(strstr(err.text, "map 0") != NULL, "%s", err.text);
}

/* Goal: a map that was refused has a number and no record; those behind it are found all the same.
 */
Test(map_past, a_map_that_was_refused_leaves_a_gap)
{
    struct map_past_list list;
    struct run_log *log = begin();
    append(log, definition(0, "square", 2));
    append(log, definition(2, "sum", 1));
    append_range(log, 2, 0, 1);
    end(log);
    OK(map_past_read(folder, &list, NULL));
    cr_expect(map_past_find(&list, 1) == NULL);
    cr_assert(map_past_find(&list, 2) != NULL);
    cr_expect(strcmp(map_past_find(&list, 2)->task, "sum") == 0);
    cr_expect(eq(u64, map_past_find(&list, 2)->replay.history.succeeded.count, 1));
    map_past_free(&list);
}

/* It was refused in one session, and begun in the next. */
Test(map_past, a_gap_may_be_filled_later)
{
    struct map_past_list list;
    struct run_log *log = begin();
    append(log, definition(0, "square", 2));
    append(log, definition(2, "sum", 1));
    append(log, session());
    append(log, definition(0, "square", 2));
    append(log, definition(1, "echo", 3));
    append_range(log, 1, 0, 3);
    append(log, definition(2, "sum", 1));
    append_range(log, 2, 0, 1);
    end(log);
    OK(map_past_read(folder, &list, NULL));
    cr_assert(eq(sz, list.count, 3));
    cr_expect(strcmp(map_past_find(&list, 1)->task, "echo") == 0);
    cr_expect(eq(u64, map_past_find(&list, 1)->replay.history.succeeded.count, 3));
    cr_expect(eq(u64, map_past_find(&list, 2)->replay.history.succeeded.count, 1));
    map_past_free(&list);
}

/* ---- Definitions alone ------------------------------------------------------------------------
 */

Test(map_past, definitions_are_read_without_what_became_of_instances)
{
    struct map_past_list list;
    struct run_log *log = begin();
    append(log, definition(0, "fetch", 1));
    append(log, definition(2, "augment", 100));
    append(log, definition(1, "coalesce", 7));
    append_range(log, 1, 6, 3); /* more than it has */
    append_failure(log, 2, 5);
    end(log);
    OK(map_past_read_definitions(folder, &list, NULL));
    cr_expect(list.is_of_several);
    cr_assert(eq(sz, list.count, 3));
    const struct map_past *map = map_past_find(&list, 2);
    cr_assert(map != NULL);
    cr_expect(strcmp(map->task, "augment") == 0);
    cr_expect(strcmp(map->output_type, "list<int>") == 0);
    cr_expect(eq(u64, map->size, 100));
    cr_expect(eq(u64, map->minimum, 100));
    cr_expect(eq(int, map->inputs_digest[0], 2));
    cr_expect(map->failures == NULL);
    cr_expect(eq(u64, map_past_find(&list, 1)->replay.history.succeeded.count, 0));
    cr_expect(map_past_find(&list, 3) == NULL);
    map_past_free(&list);
}

Test(map_past, a_run_that_is_one_map_has_no_definitions_and_neither_has_one_without_a_log)
{
    struct map_past_list list;
    struct run_log *log = NULL;
    OK(map_past_read_definitions(folder, &list, NULL));
    cr_expect(not(list.is_of_several));
    map_past_free(&list);
    OK(run_log_create(folder, &log, NULL));
    append(log, (struct record){.kind = RECORD_START, .map = 0, .system_retries = 3});
    append_range(log, 0, 0, 3);
    append_end(log, 0, 0);
    end(log);
    OK(map_past_read_definitions(folder, &list, NULL));
    cr_expect(not(list.is_of_several));
    cr_expect(eq(sz, list.count, 0));
    map_past_free(&list);
}

/* ---- Replay of one of them --------------------------------------------------------------------
 */

static void expect_replay(uint64_t map, uint64_t size, uint64_t succeeded, bool has_verdict)
{
    struct replay replay;
    struct failures *failures = NULL;
    OK(failures_create(&failures));
    OK(replay_log(folder, map, size, failures, &replay, NULL));
    failures_destroy(failures);
    cr_expect(eq(u64, replay.history.succeeded.count, succeeded));
    cr_expect(eq(int, replay.has_verdict, has_verdict), "map %d", (int)map);
    replay_free(&replay);
}

Test(map_past, a_replay_is_of_its_own_map_alone)
{
    struct run_log *log = begin();
    append(log, definition(0, "square", 10));
    append(log, definition(1, "square", 20));
    append_range(log, 0, 0, 10);
    append_range(log, 1, 0, 15);
    append_end(log, 0, 0);
    append_end(log, RECORD_RUN_MAP, 1);
    end(log);
    expect_replay(0, 10, 10, true);
    expect_replay(1, 20, 15, false);
    expect_replay(RECORD_RUN_MAP, 1, 0, true);
}

Test(map_past, a_verdict_stands_in_later_sessions_unless_its_map_goes_on)
{
    struct run_log *log = begin();
    append(log, definition(0, "square", 10));
    append_range(log, 0, 0, 10);
    append_end(log, 0, 0);
    append(log, definition(1, "square", 10));
    append_end(log, 1, 75);
    append_end(log, RECORD_RUN_MAP, 75);
    append(log, session());
    append(log, definition(1, "square", 10));
    end(log);
    expect_replay(0, 10, 10, true);
    expect_replay(1, 10, 0, false);
}

Test(map_past, a_definition_of_another_size_is_another_map)
{
    struct replay replay;
    struct failures *failures = NULL;
    struct error err = {""};
    struct run_log *log = begin();
    append(log, definition(0, "square", 10));
    end(log);
    OK(failures_create(&failures));
    cr_expect(eq(int, replay_log(folder, 0, 11, failures, &replay, &err), STATUS_INVALID));
    failures_destroy(failures);
}
