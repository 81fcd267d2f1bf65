#include "master/scheduler.h"

#include "scheduler_support.h"

/* ---- What is ignored --------------------------------------------------------------------------
 */

Test(scheduler_batches, a_doubled_batch_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    must_succeed(&f, 0, lease, 0, 1);
    (void)next_unit(&f, 0, 8, 1, 0);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 1}), "not_in_lease");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler_batches, a_batch_of_a_lease_that_is_over_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    must_succeed(&f, 0, lease, 0, 8);
    (void)next_unit(&f, 0, 8, 8, 0);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 8}), "lease_not_current");
    expect_reason(succeed(&f, 0, 0, (struct span){.count = 8}), "lease_not_current");
    expect_reason(succeed(&f, 0, UINT64_MAX, (struct span){.count = 8}), "lease_not_current");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler_batches, a_batch_of_another_worker_or_of_none_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 1, lease, (struct span){.count = 1}), "worker_not_present");
    expect_reason(succeed(&f, 4, lease, (struct span){.count = 1}), "worker_not_present");
    expect_reason(succeed(&f, UINT32_MAX, lease, (struct span){.count = 1}), "worker_not_present");
    expect_unchanged(&f, before);
    scheduler_join(f.scheduler, 1, 1);
    expect_reason(succeed(&f, 1, lease, (struct span){.count = 1}), "lease_not_current");
    fixture_destroy(&f);
}

/* Goal: instances that were given up must not count by the batch of their former holder. */
Test(scheduler_batches, a_late_batch_of_a_lost_worker_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    lose(&f, 0, NULL, 0);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 8}), "worker_not_present");
    expect_unchanged(&f, before);
    scheduler_join(f.scheduler, 0, 8);
    const uint64_t again = next_unit(&f, 0, 0, 8, 0);
    cr_expect(ne(u64, again, lease));
    const struct view joined = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 8}), "lease_not_current");
    expect_unchanged(&f, joined);
    must_succeed(&f, 0, again, 0, 8);
    fixture_destroy(&f);
}

Test(scheduler_batches, a_batch_of_another_attempt_is_ignored)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    expect_reason(succeed(&f, 0, lease, (struct span){.count = 1, .attempt = 1}), "not_in_lease");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

/* Goal: a batch that is partly wrong changes nothing, because its outputs are one frame. */
Test(scheduler_batches, a_batch_is_refused_whole)
{
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct span spans[] = {{.start = 0, .count = 2}, {.start = 7, .count = 2}};
    struct report_batch batch = {
        .spans = spans, .span_count = 2, .instance_count = 4, .success_count = 4};
    const struct view before = view_of(&f);
    expect_reason(send_batch(&f, 0, lease, &batch, NULL), "not_in_lease");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler_batches, a_malformed_batch_is_ignored)
{
    static const struct span unsorted[] = {{.start = 4, .count = 1}, {.start = 0, .count = 1}};
    static const struct span overlapping[] = {{.start = 0, .count = 2}, {.start = 1, .count = 1}};
    static const struct span empty[] = {{.start = 0, .count = 0}};
    static const struct span outside[] = {{.start = 19, .count = 2}};
    static const struct span largest[] = {{.start = 1, .count = UINT64_MAX}};
    static const struct span one[] = {{.start = 0, .count = 1}};
    static const struct report_batch batches[] = {
        {.spans = unsorted, .span_count = 2, .instance_count = 2, .success_count = 2},
        {.spans = overlapping, .span_count = 2, .instance_count = 3, .success_count = 3},
        {.spans = empty, .span_count = 1},
        {.spans = outside, .span_count = 1, .instance_count = 2, .success_count = 2},
        {.spans = largest, .span_count = 1, .instance_count = UINT64_MAX, .success_count = 1},
        {.spans = one, .span_count = 1, .instance_count = 2, .success_count = 2},
        {.spans = one, .span_count = 1, .instance_count = 1, .success_count = 2},
        {.spans = one, .span_count = 0, .instance_count = 0, .success_count = 0},
    };
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
        expect_reason(send_batch(&f, 0, lease, &batches[i], NULL), "malformed");
        expect_unchanged(&f, before);
    }
    fixture_destroy(&f);
}

/* Method: of the batch 0 to 3, bits say that 1 and 2 failed. */
Test(scheduler_batches, failures_that_do_not_fit_the_success_bits_are_refused)
{
    static const uint8_t bits[] = {0x09};
    static const struct span span = {.start = 0, .count = 4};
    static const struct report_failure wrong[][2] = {
        {{.index = 2}, {.index = 1}},
        {{.index = 0}, {.index = 1}},
        {{.index = 1}, {.index = 1}},
        {{.index = 1}, {.index = 2, .attempt = 1}},
    };
    struct report_batch batch = batch_of(&span);
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    const struct view before = view_of(&f);
    batch.success_bits = bits;
    batch.success_count = 2;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        expect_reason(send_batch(&f, 0, lease, &batch, wrong[i]), "failures_differ");
        expect_unchanged(&f, before);
    }
    static const struct report_failure right[] = {{.index = 1}, {.index = 2}, {.index = 3}};
    for (uint64_t successes = 0; successes <= 4; successes++) {
        batch.success_count = successes; /* the bits say two */
        if (successes != 2) {
            expect_reason(send_batch(&f, 0, lease, &batch, right), "failures_differ");
        }
    }
    batch.success_bits = NULL;
    batch.success_count = 3;
    expect_reason(send_batch(&f, 0, lease, &batch, right), "failures_differ");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler_batches, a_batch_of_successes_and_failures_is_taken_in_order)
{
    static const uint8_t bits[] = {0x09};
    static const struct span span = {.start = 0, .count = 4};
    static const struct report_failure failures[] = {
        {.index = 1, .class = FAILURE_ERROR},
        {.index = 2, .class = FAILURE_TIMEOUT, .is_permanent = true},
    };
    struct report_batch batch = batch_of(&span);
    uint64_t lease;
    struct fixture f = eight_leased(&lease);
    batch.success_bits = bits;
    batch.success_count = 2;
    expect_taken(send_batch(&f, 0, lease, &batch, failures));
    cr_expect(not(f.fates[0].is_final));
    cr_expect(f.fates[1].is_final);
    cr_expect(eq(int, f.fates[1].state, INSTANCE_TIMED_OUT));
    cr_expect(eq(u64, counts(&f).succeeded, 2));
    cr_expect(eq(u64, counts(&f).timed_out, 1));
    cr_expect(eq(u64, counts(&f).leased, 4));
    fixture_destroy(&f);
}

/* ---- Recalls ----------------------------------------------------------------------------------
 */

/* Worker 0, of one slot, holds 0 to 9 and 10 to 19, which is all there is; worker 1 is idle. */
static struct fixture twenty_hoarded(uint64_t leases_out[2])
{
    struct scheduler_options options = options_of(20);
    options.sizing.unit_size = 10;
    struct fixture f = fixture_create(options);
    scheduler_join(f.scheduler, 0, 1);
    leases_out[0] = next_unit(&f, 0, 0, 10, 0);
    leases_out[1] = next_unit(&f, 0, 10, 10, 0);
    expect_quiet(&f);
    scheduler_join(f.scheduler, 1, 1);
    return f;
}

Test(scheduler_batches, what_has_not_started_is_recalled_for_an_idle_worker)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    const struct step recall = next(&f, SCHEDULER_RECALL);
    cr_expect(eq(u32, recall.action.worker, 0));
    cr_expect(eq(u64, recall.action.lease, leases[1]));
    cr_expect(ge(u64, recall.action.count, 1));
    cr_expect(lt(u64, recall.action.count, 20));
    expect_quiet(&f); /* one at a time */
    expect_taken(give_back(&f, 0, leases[1], 15, 5));
    cr_expect(eq(u64, scheduler_held(f.scheduler, 0), 15));
    (void)next_unit(&f, 1, 15, 5, 0);
    fixture_destroy(&f);
}

Test(scheduler_batches, what_was_returned_counts_only_from_its_new_holder)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 15, 5));
    const uint64_t lease = next_unit(&f, 1, 15, 5, 0);
    const struct span span = {.start = 15, .count = 5};
    expect_reason(succeed(&f, 0, leases[1], span), "not_in_lease");
    must_succeed(&f, 1, lease, 15, 5);
    cr_expect(eq(u64, counts(&f).succeeded, 5));
    fixture_destroy(&f);
}

Test(scheduler_batches, a_recall_answered_with_nothing_is_not_repeated_until_the_next_batch)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 0, 0));
    expect_quiet(&f);
    f.now_us += LONG_US;
    expect_quiet(&f);
    must_succeed(&f, 0, leases[0], 0, 1);
    (void)next(&f, SCHEDULER_RECALL);
    fixture_destroy(&f);
}

Test(scheduler_batches, a_recall_that_its_lease_outran_can_be_followed_by_another)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    must_succeed(&f, 0, leases[1], 10, 10);
    expect_reason(give_back(&f, 0, leases[1], 0, 0), "lease_not_current");
    const struct step recall = next(&f, SCHEDULER_RECALL);
    cr_expect(eq(u64, recall.action.lease, leases[0]));
    fixture_destroy(&f);
}

/* Method: worker 0 gives back all of both leases, more than it was asked for. */
Test(scheduler_batches, a_worker_that_gave_everything_back_gets_work_again)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 10, 10));
    (void)next_unit(&f, 1, 10, 10, 0);
    expect_taken(give_back(&f, 0, leases[0], 0, 10));
    (void)next_unit(&f, 0, 0, 10, 0);
    fixture_destroy(&f);
}

Test(scheduler_batches, short_work_is_not_worth_a_recall)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    const struct span span = {.count = 10};
    struct report_batch batch = batch_of(&span);
    batch.elapsed_us = 100; /* 10 us each: the other ten are no 2 ms */
    expect_taken(send_batch(&f, 0, leases[0], &batch, NULL));
    expect_quiet(&f);
    fixture_destroy(&f);
}

Test(scheduler_batches, an_answer_that_makes_no_sense_is_ignored)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    must_succeed(&f, 0, leases[1], 10, 1);
    const struct span unsorted[] = {{.start = 15, .count = 1}, {.start = 14, .count = 1}};
    const struct view before = view_of(&f);
    expect_reason(give_back(&f, 0, leases[1], 10, 1), "not_in_lease");
    expect_reason(give_back(&f, 0, leases[1], 0, 1), "not_in_lease");
    expect_reason(give_back(&f, 0, leases[1], 19, 2), "malformed");
    expect_reason(give_back(&f, 0, leases[1], 11, UINT64_MAX), "malformed");
    expect_reason(give_back(&f, 0, leases[1] + 1, 11, 1), "lease_not_current");
    expect_reason(give_back(&f, 1, leases[1], 11, 1), "lease_not_current");
    expect_reason(give_back(&f, 2, leases[1], 11, 1), "worker_not_present");
    expect_reason(give_back(&f, 9, leases[1], 11, 1), "worker_not_present");
    expect_reason(scheduler_take_returned(f.scheduler, 0, leases[1], unsorted, 2, 0), "malformed");
    expect_unchanged(&f, before);
    fixture_destroy(&f);
}

Test(scheduler_batches, a_doubled_answer_is_ignored)
{
    uint64_t leases[2];
    struct fixture f = twenty_hoarded(leases);
    (void)next(&f, SCHEDULER_RECALL);
    expect_taken(give_back(&f, 0, leases[1], 15, 5));
    (void)next_unit(&f, 1, 15, 5, 0);
    const struct ledger_counts before = counts(&f);
    expect_reason(give_back(&f, 0, leases[1], 15, 5), "not_in_lease");
    const struct ledger_counts after = counts(&f);
    cr_expect(eq(int, memcmp(&before, &after, sizeof(after)), 0));
    fixture_destroy(&f);
}
