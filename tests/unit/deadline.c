#include "master/deadline.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define S UINT64_C(1000000)
#define START (100 * S)

/* A session that began at START, with a grace of ten seconds. */
static struct deadline session(uint64_t limit_us, uint64_t timeout_us)
{
    struct deadline deadline;
    deadline_init(&deadline, &(struct deadline_options){.start_us = START,
                                                        .limit_us = limit_us,
                                                        .grace_us = 10 * S,
                                                        .timeout_us = timeout_us});
    return deadline;
}

Test(deadline, without_a_limit_it_is_never_near)
{
    struct deadline deadline = session(0, 1000 * S);
    deadline_observe(&deadline, 1, UINT64_MAX / 2);
    cr_expect(not(deadline_is_near(&deadline, UINT64_MAX)));
    cr_expect(eq(u64, deadline_near_us(&deadline), DEADLINE_NONE));
    cr_expect(eq(u64, deadline_term_us(&deadline), DEADLINE_NONE));
}

Test(deadline, what_runs_has_the_grace_and_the_record_its_time_before_the_limit)
{
    const struct deadline deadline = session(3600 * S, 0);
    const uint64_t end_us = START + 3600 * S;
    cr_expect(eq(u64, deadline_term_us(&deadline), end_us - 3 * S / 2));
    cr_expect(eq(u64, deadline_kill_after_us(&deadline), S));
    cr_expect(eq(u64, deadline_near_us(&deadline), end_us - 3 * S / 2 - 10 * S));
    cr_expect(not(deadline_is_near(&deadline, deadline_near_us(&deadline) - 1)));
    cr_expect(deadline_is_near(&deadline, deadline_near_us(&deadline)));
}

Test(deadline, the_mean_of_the_successes_decides_what_still_starts)
{
    struct deadline deadline = session(3600 * S, 0);
    const uint64_t term_us = deadline_term_us(&deadline);
    deadline_observe(&deadline, 3, 300 * S);
    cr_expect(eq(u64, deadline_near_us(&deadline), term_us - 100 * S));
    deadline_observe(&deadline, 1, 500 * S);
    cr_expect(eq(u64, deadline_near_us(&deadline), term_us - 200 * S));
    deadline_observe(&deadline, 100000, 0);
    cr_expect(eq(u64, deadline_near_us(&deadline), term_us - 10 * S), "the grace stays");
}

Test(deadline, before_the_first_success_the_timeout_decides)
{
    struct deadline deadline = session(3600 * S, 900 * S);
    const uint64_t term_us = deadline_term_us(&deadline);
    cr_expect(eq(u64, deadline_near_us(&deadline), term_us - 900 * S));
    deadline_observe(&deadline, 0, 0);
    cr_expect(eq(u64, deadline_near_us(&deadline), term_us - 900 * S), "failures say nothing");
    deadline_observe(&deadline, 1, 60 * S);
    cr_expect(eq(u64, deadline_near_us(&deadline), term_us - 60 * S));
}

Test(deadline, what_can_never_be_in_time_is_near_at_once)
{
    const struct deadline deadline = session(3600 * S, 24 * 3600 * S);
    cr_expect(eq(u64, deadline_near_us(&deadline), 0));
    cr_expect(deadline_is_near(&deadline, START));
}

Test(deadline, a_limit_shorter_than_the_grace_leaves_time_to_work)
{
    const struct deadline deadline = session(4 * S, 0);
    cr_expect(eq(u64, deadline_near_us(&deadline), START + 2 * S));
    cr_expect(eq(u64, deadline_term_us(&deadline), START + 3 * S));
    cr_expect(lt(u64, deadline_kill_after_us(&deadline), S), "and it ends in time");
}

Test(deadline, the_end_of_the_job_counts_where_it_is_sooner)
{
    struct deadline deadline = session(3600 * S, 0);
    const uint64_t term_us = deadline_term_us(&deadline);
    deadline_set_job_end(&deadline, START + 7200 * S);
    cr_expect(eq(u64, deadline_term_us(&deadline), term_us));
    deadline_set_job_end(&deadline, START + 1800 * S);
    cr_expect(eq(u64, deadline_term_us(&deadline), term_us - 1800 * S));
    deadline_set_job_end(&deadline, START + 2400 * S);
    cr_expect(eq(u64, deadline_term_us(&deadline), term_us - 1200 * S), "it was changed");

    struct deadline unlimited = session(0, 0);
    deadline_set_job_end(&unlimited, START + 1800 * S);
    cr_expect(eq(u64, deadline_term_us(&unlimited), term_us - 1800 * S));
}

Test(deadline, a_job_that_ended_before_it_began_is_near_at_once)
{
    struct deadline deadline = session(0, 0);
    deadline_set_job_end(&deadline, START - S);
    cr_expect(deadline_is_near(&deadline, START));
    cr_expect(eq(u64, deadline_term_us(&deadline), START - S));
    cr_expect(eq(u64, deadline_kill_after_us(&deadline), 0));
}

Test(deadline, a_limit_of_centuries_does_not_wrap)
{
    const struct deadline deadline = session(UINT64_MAX, 0);
    cr_expect(not(deadline_is_near(&deadline, UINT64_MAX)));
}
