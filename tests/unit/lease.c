#include "master/lease.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <signal.h>

#include "shared/seed.h"

static struct lease *lease_of(const struct span *spans, size_t span_count)
{
    struct lease *lease = lease_create();
    lease_fill(lease, 1, spans, span_count);
    return lease;
}

static struct span span(uint64_t start, uint64_t count, uint64_t attempt)
{
    return (struct span){.start = start, .count = count, .attempt = attempt};
}

Test(lease, holds_what_it_was_filled_with)
{
    const struct span spans[] = {span(0, 5, 0), span(7, 1, 3), span(8, 10, 0)};
    struct lease *lease = lease_of(spans, 3);
    cr_expect(eq(u64, lease->count, 16));
    for (size_t i = 0; i < 3; i++) {
        cr_expect(lease_holds(lease, spans[i]));
    }
    cr_expect(lease_holds(lease, span(4, 1, 0)));
    cr_expect(lease_holds(lease, span(17, 1, 0)));
    lease_destroy(lease);
}

/* A report does not tell it. */
Test(lease, growth_makes_no_difference_to_what_is_held)
{
    struct span spans[] = {span(0, 5, 1), span(5, 2, 1), span(7, 1, 2)};
    spans[1].growth = 1;
    struct lease *lease = lease_of(spans, 3);
    cr_expect(eq(u64, lease->count, 8));
    cr_expect(lease_holds(lease, span(3, 4, 1)));
    cr_expect(not(lease_holds(lease, span(3, 5, 1))));
    lease_destroy(lease);
}

/* What comes from a worker may be any numbers. */
Test(lease, holds_nothing_that_is_not_wholly_in_one_of_its_spans)
{
    const struct span spans[] = {span(10, 5, 0), span(15, 5, 1)};
    const struct span nonsense[] = {
        span(9, 1, 0),           span(9, 2, 0),          span(10, 0, 0),
        span(14, 2, 0),          span(10, 6, 0),         span(10, 5, 1),
        span(15, 1, 0),          span(20, 1, 1),         span(0, UINT64_MAX, 0),
        span(12, UINT64_MAX, 0), span(UINT64_MAX, 1, 0), span(UINT64_MAX, UINT64_MAX, 1),
        span(19, UINT64_MAX, 1),
    };
    struct lease *lease = lease_of(spans, 2);
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
        cr_expect(not(lease_holds(lease, nonsense[i])));
    }
    lease_destroy(lease);
}

Test(lease, gives_the_attempt_of_an_instance_that_it_holds)
{
    const struct span spans[] = {span(10, 5, 0), span(15, 5, 3)};
    struct lease *lease = lease_of(spans, 2);
    struct span found;
    cr_assert(lease_find(lease, 17, &found));
    cr_expect(eq(u64, found.start, 17));
    cr_expect(eq(u64, found.count, 1));
    cr_expect(eq(u64, found.attempt, 3));
    cr_expect(not(lease_find(lease, 9, &found)));
    cr_expect(not(lease_find(lease, 20, &found)));
    cr_expect(not(lease_find(lease, UINT64_MAX, &found)));
    lease_destroy(lease);
}

Test(lease, an_instance_that_was_taken_out_is_held_no_more)
{
    const struct span spans[] = {span(0, 10, 2)};
    struct lease *lease = lease_of(spans, 1);
    lease_remove(lease, span(4, 2, 2)); /* middle: two spans */
    cr_expect(eq(sz, lease->span_count, 2));
    cr_expect(not(lease_holds(lease, span(3, 2, 2))));
    cr_expect(not(lease_holds(lease, span(4, 1, 2))));
    cr_expect(lease_holds(lease, span(0, 4, 2)));
    cr_expect(lease_holds(lease, span(6, 4, 2)));
    lease_remove(lease, span(0, 1, 2)); /* front */
    lease_remove(lease, span(9, 1, 2)); /* end */
    cr_expect(eq(u64, lease->count, 6));
    lease_remove(lease, span(1, 3, 2)); /* whole */
    lease_remove(lease, span(6, 3, 2));
    cr_expect(eq(u64, lease->count, 0));
    cr_expect(eq(sz, lease->span_count, 0));
    lease_destroy(lease);
}

Test(lease, refilled_holds_only_what_is_new)
{
    const struct span old = span(0, 10, 0);
    const struct span new = span(20, 1, 0);
    struct lease *lease = lease_of(&old, 1);
    lease->is_recalled = true;
    lease_fill(lease, 2, &new, 1);
    cr_expect(eq(u64, lease->id, 2));
    cr_expect(eq(u64, lease->count, 1));
    cr_expect(not(lease->is_recalled));
    cr_expect(not(lease_holds(lease, old)));
    cr_expect(lease_holds(lease, new));
    lease_destroy(lease);
}

#define WINDOW 300

static void expect_like(const struct lease *lease, const bool *held)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < WINDOW; i++) {
        count += held[i] ? 1 : 0;
        cr_assert(eq(int, lease_holds(lease, span(i, 1, i / 100)), held[i]));
    }
    cr_assert(eq(u64, lease->count, count));
    cr_assert(eq(u64, span_list_count(lease->spans, lease->span_count), count));
    cr_assert(span_list_is_valid(lease->spans, lease->span_count, WINDOW));
}

/* Method: three spans at three attempts; random parts are taken out until none is left. */
Test(lease, agrees_with_an_array_of_flags_until_it_is_empty)
{
    const struct span spans[] = {span(0, 100, 0), span(100, 100, 1), span(200, 100, 2)};
    struct lease *lease = lease_of(spans, 3);
    bool held[WINDOW];
    uint64_t random = 1;
    for (size_t i = 0; i < WINDOW; i++) {
        held[i] = true;
    }
    while (lease->count > 0) {
        random = seed_mix(random);
        const struct span part =
            span(random % WINDOW, 1 + (random >> 20) % 9, random % WINDOW / 100);
        bool is_held = part.start / 100 == (part.start + part.count - 1) / 100;
        for (uint64_t i = 0; is_held && i < part.count; i++) {
            is_held = held[part.start + i];
        }
        cr_assert(eq(int, lease_holds(lease, part), is_held));
        if (is_held) {
            lease_remove(lease, part);
            for (uint64_t i = 0; i < part.count; i++) {
                held[part.start + i] = false;
            }
            expect_like(lease, held);
        }
    }
    lease_destroy(lease);
}

Test(lease, taking_out_what_is_not_held_is_a_bug_that_asserts, .signal = SIGABRT)
{
    const struct span held = span(0, 10, 0);
    cr_redirect_stderr();
    lease_remove(lease_of(&held, 1), span(9, 2, 0));
}
