#include "master/scheduler.h"

#include "scheduler_support.h"

/* ---- Instances that come while the map runs -------------------------------------------------- */

static struct fixture later(uint64_t size)
{
    struct scheduler_options options = options_of(size);
    options.ledger.comes_later = true;
    return fixture_create(options);
}

Test(scheduler_later, what_has_not_come_is_not_handed_out_and_the_map_waits_for_it)
{
    struct fixture f = later(3);
    scheduler_join(f.scheduler, 0, 2);
    expect_quiet(&f);
    scheduler_raise(f.scheduler, 1);
    const uint64_t lease = next_unit(&f, 0, 0, 1, 0);
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 0, 1);
    expect_quiet(&f);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).to_come, 2));
    cr_expect(not(scheduler_has_verdict(f.scheduler)));

    scheduler_raise(f.scheduler, 3);
    must_succeed(&f, 0, next_unit(&f, 0, 1, 2, 0), 1, 2);
    (void)next(&f, SCHEDULER_DONE);
    fixture_destroy(&f);
}

Test(scheduler_later, places_are_the_slots_under_the_cap)
{
    struct scheduler_options options = options_of(100);
    options.ledger.comes_later = true;
    options.concurrency = 5;
    struct fixture f = fixture_create(options);
    cr_expect(eq(u64, scheduler_places(f.scheduler), 0));
    scheduler_join(f.scheduler, 0, 3);
    cr_expect(eq(u64, scheduler_places(f.scheduler), 3));
    scheduler_join(f.scheduler, 1, 4);
    cr_expect(eq(u64, scheduler_places(f.scheduler), 5));
    scheduler_lose(f.scheduler, 1, NULL, 0, NULL, NULL, 0);
    cr_expect(eq(u64, scheduler_places(f.scheduler), 3));
    fixture_destroy(&f);
}

Test(scheduler_later, once_no_more_comes_what_is_there_is_all_of_the_map)
{
    struct fixture f = later(10);
    scheduler_join(f.scheduler, 0, 2);
    scheduler_raise(f.scheduler, 2);
    const uint64_t lease = next_unit(&f, 0, 0, 2, 0);
    scheduler_close(f.scheduler, 2);
    expect_quiet(&f);
    must_succeed(&f, 0, lease, 0, 2);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(scheduler_has_minimum(f.scheduler));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).to_come, 8));
    fixture_destroy(&f);
}

Test(scheduler_later, a_map_of_which_nothing_comes_is_done_once_that_is_said)
{
    struct fixture f = later(10);
    scheduler_join(f.scheduler, 0, 2);
    expect_quiet(&f);
    scheduler_close(f.scheduler, 0);
    (void)next(&f, SCHEDULER_DONE);
    cr_expect(scheduler_has_minimum(f.scheduler));
    fixture_destroy(&f);
}

Test(scheduler_later, what_a_lost_worker_held_is_handed_out_again_beside_what_comes)
{
    struct fixture f = later(4);
    scheduler_join(f.scheduler, 0, 2);
    scheduler_raise(f.scheduler, 2);
    (void)next_unit(&f, 0, 0, 2, 0);
    scheduler_lose(f.scheduler, 0, NULL, 0, NULL, NULL, 0);
    scheduler_raise(f.scheduler, 3);
    scheduler_join(f.scheduler, 1, 4);
    must_succeed(&f, 1, next_unit(&f, 1, 0, 3, 0), 0, 3);
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_later, a_restored_map_goes_on_with_what_had_come)
{
    struct fixture f = later(5);
    struct history history = history_start();
    history_succeed(&history, 0, 2);
    scheduler_raise(f.scheduler, 3);
    scheduler_restore(f.scheduler, &history);
    scheduler_join(f.scheduler, 0, 4);
    cr_expect(eq(u64, scheduler_counts(f.scheduler).ready, 1));
    cr_expect(eq(u64, scheduler_counts(f.scheduler).to_come, 2));
    (void)next_unit(&f, 0, 2, 1, 0);
    expect_quiet(&f);
    fixture_destroy(&f);
}
