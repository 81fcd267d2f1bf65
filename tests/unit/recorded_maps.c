#include "master/recorded_maps.h"

#include "master/replay.h"
#include "tests/unit/log_support.h"

TestSuite(recorded_maps, .init = folder_create, .fini = folder_remove);

static struct run_log *new_log(uint64_t start_map)
{
    struct run_log *log = NULL;
    const struct record start = {
        .kind = RECORD_START, .map = start_map, .retries = 1, .system_retries = 3};
    OK(run_log_create(folder, &log, NULL));
    OK(run_log_append(log, &start, NULL));
    return log;
}

static void append_map(struct run_log *log, uint64_t number, const char *task, uint64_t size)
{
    const struct record record = {.kind = RECORD_MAP,
                                  .map = number,
                                  .task = task,
                                  .task_size = strlen(task),
                                  .output_type = "list<int>",
                                  .output_type_size = 9,
                                  .map_size = size,
                                  .minimum = size / 2,
                                  .inputs_digest = {1, 2, (uint8_t)number},
                                  .retries = 1,
                                  .system_retries = 3};
    OK(run_log_append(log, &record, NULL));
}

static void append_end(struct run_log *log, uint64_t number, int exit_status)
{
    const struct record record = {.kind = RECORD_END, .map = number, .exit_status = exit_status};
    OK(run_log_append(log, &record, NULL));
}

/* Outputs of instances from 0 on. */
static void append_successes(struct run_log *log, uint64_t map, uint64_t count)
{
    const struct span span = {.count = count};
    append_batch(log, map, &span, 1, NULL);
}

static void close_log(struct run_log *log)
{
    OK(run_log_flush(log, NULL));
    run_log_close(log);
}

static struct recorded_maps read_maps(void)
{
    struct recorded_maps maps;
    OK(recorded_maps_read(folder, &maps, NULL));
    return maps;
}

Test(recorded_maps, each_is_found_by_its_number_with_all_that_defines_it)
{
    struct run_log *log = new_log(RECORD_RUN_MAP);
    append_map(log, 0, "fetch", 1);
    append_map(log, 2, "augment", 100);
    append_map(log, 1, "coalesce", 7);
    append_end(log, 1, 0);
    append_end(log, 0, 1);
    close_log(log);
    struct recorded_maps maps = read_maps();
    cr_expect(maps.is_of_several);
    cr_assert(eq(sz, maps.count, 3));
    const struct recorded_map *map = recorded_maps_find(&maps, 2);
    cr_assert(map != NULL);
    cr_expect(eq(str, map->task, "augment"));
    cr_expect(eq(str, map->output_type, "list<int>"));
    cr_expect(eq(u64, map->size, 100));
    cr_expect(eq(u64, map->minimum, 50));
    cr_expect(eq(int, map->inputs_digest[2], 2));
    cr_expect(not(map->has_end));
    cr_expect(recorded_maps_find(&maps, 0)->has_end);
    cr_expect(eq(int, recorded_maps_find(&maps, 0)->exit_status, 1));
    cr_expect(recorded_maps_find(&maps, 3) == NULL);
    recorded_maps_free(&maps);
}

Test(recorded_maps, one_that_goes_on_has_not_ended)
{
    struct run_log *log = new_log(RECORD_RUN_MAP);
    append_map(log, 0, "square", 10);
    append_end(log, 0, 75);
    append_map(log, 0, "square", 10);
    close_log(log);
    struct recorded_maps maps = read_maps();
    cr_assert(eq(sz, maps.count, 1));
    cr_expect(not(recorded_maps_find(&maps, 0)->has_end));
    recorded_maps_free(&maps);
}

Test(recorded_maps, a_run_that_is_one_map_has_none_and_neither_has_one_without_a_log)
{
    struct recorded_maps maps = read_maps();
    cr_expect(not(maps.is_of_several));
    recorded_maps_free(&maps);
    struct run_log *log = new_log(0);
    append_successes(log, 0, 3);
    append_end(log, 0, 0);
    close_log(log);
    maps = read_maps();
    cr_expect(not(maps.is_of_several));
    cr_expect(eq(sz, maps.count, 0));
    recorded_maps_free(&maps);
}

/* ---- Replay of one of them --------------------------------------------------------------------
 */

static struct replay replayed(uint64_t map, uint64_t size)
{
    struct replay replay;
    struct failures *failures = NULL;
    OK(failures_create(&failures));
    OK(replay_log(folder, map, size, failures, &replay, NULL));
    failures_destroy(failures);
    return replay;
}

static void expect_replay(uint64_t map, uint64_t size, uint64_t succeeded, bool has_verdict)
{
    struct replay replay = replayed(map, size);
    cr_expect(eq(u64, replay.history.succeeded.count, succeeded));
    cr_expect(eq(int, replay.has_verdict, has_verdict), "map %d", (int)map);
    replay_free(&replay);
}

Test(recorded_maps, a_replay_is_of_its_own_map_alone)
{
    struct run_log *log = new_log(RECORD_RUN_MAP);
    append_map(log, 0, "square", 10);
    append_map(log, 1, "square", 20);
    append_successes(log, 0, 10);
    append_successes(log, 1, 15);
    append_end(log, 0, 0);
    append_end(log, RECORD_RUN_MAP, 1);
    close_log(log);
    expect_replay(0, 10, 10, true);
    expect_replay(1, 20, 15, false);
    expect_replay(RECORD_RUN_MAP, 1, 0, true);
}

Test(recorded_maps, a_verdict_stands_in_later_sessions_unless_its_map_goes_on)
{
    struct run_log *log = new_log(RECORD_RUN_MAP);
    const struct record again = {.kind = RECORD_START, .map = RECORD_RUN_MAP};
    append_map(log, 0, "square", 10);
    append_successes(log, 0, 10);
    append_end(log, 0, 0);
    append_map(log, 1, "square", 10);
    append_end(log, 1, 75);
    append_end(log, RECORD_RUN_MAP, 75);
    OK(run_log_append(log, &again, NULL));
    append_map(log, 1, "square", 10);
    close_log(log);
    expect_replay(0, 10, 10, true);
    expect_replay(1, 10, 0, false);
}

Test(recorded_maps, a_definition_of_another_size_is_another_map)
{
    struct replay replay;
    struct failures *failures = NULL;
    struct error err = {""};
    struct run_log *log = new_log(RECORD_RUN_MAP);
    append_map(log, 0, "square", 10);
    close_log(log);
    OK(failures_create(&failures));
    cr_expect(eq(int, replay_log(folder, 0, 11, failures, &replay, &err), STATUS_INVALID));
    failures_destroy(failures);
}
