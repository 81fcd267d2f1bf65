#include "cli/report_states.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct map_past map_of(uint64_t size)
{
    return (struct map_past){.size = size, .replay = replay_start()};
}

static void expect_runs(struct map_past *map, struct report_cells cells, const uint8_t *expected,
                        size_t size)
{
    struct buffer out = {0};
    cr_assert(eq(int, report_states_encode(map, cells, &out), STATUS_OK));
    cr_assert(eq(sz, out.size, size));
    cr_expect(eq(int, memcmp(out.data, expected, size), 0));
    buffer_free(&out);
    replay_free(&map->replay);
}

Test(report_states, small_maps_have_a_cell_for_each_instance)
{
    struct report_cells cells = report_cells_of(10, 10);
    cr_expect(eq(u64, cells.count, 10));
    cr_expect(eq(u64, cells.size, 1));
    cells = report_cells_of(11, 10);
    cr_expect(eq(u64, cells.count, 6));
    cr_expect(eq(u64, cells.size, 2));
    cells = report_cells_of(0, 10);
    cr_expect(eq(u64, cells.count, 0));
}

/* Two succeeded, one of them late; one was cached, one failed, one timed out, one was begun. */
Test(report_states, each_instance_has_its_state)
{
    enum { ALL = 31 << 3 };
    static const uint8_t expected[] = {
        1,
        INSTANCE_SUCCEEDED,
        1,
        REPORT_STATE_RETRIED,
        1,
        INSTANCE_CACHED,
        1,
        (uint8_t)(INSTANCE_FAILED | ALL),
        1,
        1,
        (uint8_t)(INSTANCE_TIMED_OUT | ALL),
        1,
        1,
        (uint8_t)(INSTANCE_ABORTED | ALL),
        1,
        2,
        (uint8_t)(INSTANCE_NOT_STARTED | ALL),
        1,
    };
    struct map_past map = map_of(8);
    struct history *history = &map.replay.history;
    index_set_add(&history->succeeded, 0, 2);
    (void)counters_raise(&history->task_failures, 1);
    index_set_add(&history->cached, 2, 1);
    index_set_add(&history->failed, 3, 1);
    index_set_add(&history->timed_out, 4, 1);
    index_set_add(&history->begun, 5, 1);
    expect_runs(&map, report_cells_of(8, 8), expected, sizeof(expected));
}

/* Of cells of ten: all well; one failed; none was started. */
Test(report_states, a_cell_of_many_tells_the_worst_and_how_much_did_not_succeed)
{
    static const uint8_t expected[] = {1, INSTANCE_SUCCEEDED,
                                       1, INSTANCE_FAILED | 4 << 3,
                                       1, (uint8_t)(INSTANCE_NOT_STARTED | 31 << 3),
                                       1};
    struct map_past map = map_of(30);
    struct history *history = &map.replay.history;
    index_set_add(&history->succeeded, 0, 19);
    index_set_add(&history->failed, 19, 1);
    expect_runs(&map, report_cells_of(30, 3), expected, sizeof(expected));
}

Test(report_states, a_map_that_went_well_costs_one_run)
{
    static const uint8_t expected[] = {10, INSTANCE_SUCCEEDED};
    struct map_past map = map_of(1000000);
    index_set_add(&map.replay.history.succeeded, 0, 1000000);
    map.replay.tally.attempts = 1000000;
    expect_runs(&map, report_cells_of(1000000, 10), expected, sizeof(expected));
}
