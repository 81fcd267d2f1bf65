#include "cli/report_lanes.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static void add(struct report_lanes *lanes, uint32_t slot, uint64_t start_us, uint64_t end_us,
                uint64_t index, enum piece_state state)
{
    const struct chronicle_piece piece = {.slot = slot,
                                          .start_us = start_us,
                                          .end_us = end_us,
                                          .index = index,
                                          .count = 1,
                                          .state = state};
    report_lanes_add(lanes, &piece, 0);
}

Test(report_lanes, lanes_are_in_the_order_of_slots_and_entries_in_that_of_time)
{
    struct report_lanes lanes = report_lanes_start(1000, 100);
    add(&lanes, 2, 50, 60, 3, PIECE_SUCCEEDED);
    add(&lanes, 0, 10, 20, 1, PIECE_SUCCEEDED);
    add(&lanes, 2, 30, 40, 2, PIECE_FAILED);
    report_lanes_settle(&lanes);
    cr_assert(eq(sz, lanes.lane_count, 2));
    cr_expect(eq(u32, lanes.lanes[0].slot, 0));
    cr_expect(eq(u64, lanes.lanes[1].entries[0].index, 2));
    cr_expect(eq(u64, lanes.lanes[1].entries[1].index, 3));
    cr_expect(eq(u64, lanes.merge_us, 0), "nothing is put together where there is room");
    report_lanes_free(&lanes);
}

/* 100,000 attempts of 10 us in room for 100 entries, one of which has failed. */
Test(report_lanes, what_is_too_much_is_put_together_and_nothing_is_lost)
{
    enum { COUNT = 100000, ROOM = 100 };
    struct report_lanes lanes = report_lanes_start((uint64_t)COUNT * 10, ROOM);
    uint64_t count = 0;
    uint64_t failed = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        add(&lanes, (uint32_t)(i % 3), i * 10, i * 10 + 10, i,
            i == 777 ? PIECE_FAILED : PIECE_SUCCEEDED);
        cr_assert(le(sz, lanes.entry_count, ROOM + ROOM / 10));
    }
    report_lanes_settle(&lanes);
    cr_expect(le(sz, lanes.entry_count, ROOM));
    for (size_t i = 0; i < lanes.lane_count; i++) {
        const struct report_lane *lane = &lanes.lanes[i];
        for (size_t k = 0; k < lane->count; k++) {
            count += lane->entries[k].count;
            failed += lane->entries[k].failed;
            cr_expect(k == 0 || lane->entries[k].start_us >= lane->entries[k - 1].end_us);
            cr_expect(lane->entries[k].failed == 0 || lane->entries[k].state == PIECE_FAILED);
        }
    }
    cr_expect(eq(u64, count, COUNT));
    cr_expect(eq(u64, failed, 1));
    report_lanes_free(&lanes);
}

Test(report_lanes, ticks_are_as_long_as_the_run_is)
{
    struct report_lanes lanes = report_lanes_start(100000000, 10);
    cr_expect(eq(u64, report_lanes_tick_us(&lanes), 1));
    lanes.total_us++;
    cr_expect(eq(u64, report_lanes_tick_us(&lanes), 10));
    lanes.total_us = 100000000000;
    cr_expect(eq(u64, report_lanes_tick_us(&lanes), 1000));
}

Test(report_lanes, entries_are_packed_by_columns)
{
    static const uint8_t expected[] = {
        5,   0,     /* pauses */
        200, 1, 10, /* lengths */
        80,  0,     /* indices: 40, then the next one */
        0,   1,     /* succeeded, failed */
    };
    struct report_lanes lanes = report_lanes_start(1000, 10);
    struct buffer out = {0};
    add(&lanes, 0, 5, 205, 40, PIECE_SUCCEEDED);
    add(&lanes, 0, 205, 215, 41, PIECE_FAILED);
    report_lanes_settle(&lanes);
    cr_assert(eq(int, report_lanes_encode(&lanes, &out), STATUS_OK));
    cr_assert(eq(sz, out.size, sizeof(expected)));
    cr_expect(eq(int, memcmp(out.data, expected, sizeof(expected)), 0));
    buffer_free(&out);
    report_lanes_free(&lanes);
}
