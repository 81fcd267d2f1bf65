/* Who is asked to give, where there are many: scheduler_workers.c. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "master/scheduler.h"

#define WORKERS 1000

static struct scheduler *scheduler_of(uint64_t size, uint64_t unit_size)
{
    struct scheduler *scheduler = NULL;
    const struct scheduler_options options = {
        .ledger = {.size = size},
        .sizing = {.report_interval_us = 1, .unit_size = unit_size},
        .minimum = size,
        .policy = POLICY_RUN_ALL,
        .worker_count = WORKERS + 1};
    cr_assert(eq(int, scheduler_create(options, &scheduler), STATUS_OK));
    return scheduler;
}

/* Let each of the first `count` workers of one slot hold two units; gives their newest leases. */
static void hoard(struct scheduler *scheduler, uint32_t count, uint64_t *leases_out)
{
    struct scheduler_action action;
    for (uint32_t i = 0; i < count; i++) {
        scheduler_join(scheduler, i, 1);
        while (scheduler_next(scheduler, 1, &action)) {
            cr_assert(eq(int, action.kind, SCHEDULER_SEND_UNIT));
            cr_assert(eq(u32, action.worker, i));
            leases_out[i] = action.lease;
        }
    }
}

/* Give back all but one of what worker `id` had in its newest lease, and run it anew. */
static void keep_one(struct scheduler *scheduler, uint32_t id, uint64_t lease, uint64_t start,
                     uint64_t count)
{
    const struct span span = {.start = start + 1, .count = count - 1};
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = count - 1,
                                       .success_count = count - 1,
                                       .elapsed_us = 1000000 * (count - 1)};
    cr_assert(eq(
        ptr, (void *)(uintptr_t)scheduler_take_batch(scheduler, id, lease, &batch, NULL, NULL, 1),
        NULL));
}

/* Goal: of many, the one that would take longest is asked. Method: a thousand hold 20 instances
 * each; all but number 637 report 9 of them. */
Test(scheduler_workers, the_one_with_the_most_left_to_do_is_asked)
{
    static uint64_t leases[WORKERS];
    struct scheduler *scheduler = scheduler_of(20 * WORKERS, 10);
    struct scheduler_action action;
    hoard(scheduler, WORKERS, leases);
    for (uint32_t i = 0; i < WORKERS; i++) {
        if (i != 637) {
            keep_one(scheduler, i, leases[i], 20 * (uint64_t)i + 10, 10);
        }
    }
    cr_assert(not(scheduler_next(scheduler, 1, &action)));
    scheduler_join(scheduler, WORKERS, 1);
    cr_assert(scheduler_next(scheduler, 1, &action));
    cr_expect(eq(int, action.kind, SCHEDULER_RECALL));
    cr_expect(eq(u32, action.worker, 637));
    scheduler_destroy(scheduler);
}

/* Goal: one idle slot does not make a thousand workers give. */
Test(scheduler_workers, no_more_is_asked_for_than_the_idle_can_start)
{
    static uint64_t leases[WORKERS];
    struct scheduler *scheduler = scheduler_of(20 * WORKERS, 10);
    struct scheduler_action action;
    unsigned recalls = 0;
    hoard(scheduler, WORKERS, leases);
    scheduler_join(scheduler, WORKERS, 4);
    while (scheduler_next(scheduler, 1, &action)) {
        cr_assert(eq(int, action.kind, SCHEDULER_RECALL));
        recalls++;
    }
    cr_expect(eq(uint, recalls, 1));
    scheduler_destroy(scheduler);
}

/* Goal: what has finished in the batch of one slow instance keeps no slot from work. Method: a
 * worker of two slots holds two units of four; seven of the eight have ended, it says. */
Test(scheduler_workers, what_has_finished_in_a_batch_that_goes_on_is_no_load)
{
    struct scheduler *scheduler = scheduler_of(12, 4);
    struct scheduler_action action;
    scheduler_join(scheduler, 0, 2);
    cr_assert(scheduler_next(scheduler, 1, &action));
    cr_assert(scheduler_next(scheduler, 1, &action));
    cr_assert(not(scheduler_next(scheduler, 1, &action)));
    cr_assert(eq(u64, scheduler_held(scheduler, 0), 8));
    const struct wire_beat beat = {.finished = 7};
    scheduler_beat(scheduler, 0, &beat, 1);
    cr_assert(scheduler_next(scheduler, 1, &action));
    cr_expect(eq(int, action.kind, SCHEDULER_SEND_UNIT));
    const struct wire_beat nonsense = {.finished = UINT64_MAX};
    scheduler_beat(scheduler, 0, &nonsense, 1);
    cr_expect(not(scheduler_next(scheduler, 1, &action)));
    scheduler_destroy(scheduler);
}

Test(scheduler_workers, a_worker_that_is_lost_while_it_is_asked_makes_room_for_the_next)
{
    static uint64_t leases[WORKERS];
    struct scheduler *scheduler = scheduler_of(40, 10);
    struct scheduler_action action;
    hoard(scheduler, 2, leases);
    scheduler_join(scheduler, WORKERS, 1);
    cr_assert(scheduler_next(scheduler, 1, &action));
    cr_assert(eq(int, action.kind, SCHEDULER_RECALL));
    const uint32_t lost = action.worker;
    cr_assert(not(scheduler_next(scheduler, 1, &action)));
    scheduler_lose(scheduler, lost, NULL, 0, NULL, NULL, 1);
    cr_assert(scheduler_next(scheduler, 1, &action));
    cr_expect(eq(int, action.kind, SCHEDULER_SEND_UNIT)); /* of what the lost one had held */
    cr_expect(eq(u32, action.worker, WORKERS));
    scheduler_destroy(scheduler);
}
