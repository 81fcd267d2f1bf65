#include "master/deadline.h"

#include "shared/extremes.h"

/* For the record, once the last attempt is over. */
#define WRITE_US 500000
#define PARTS 4

void deadline_init(struct deadline *deadline, const struct deadline_options *options)
{
    *deadline = (struct deadline){.options = *options, .job_end_us = DEADLINE_NONE};
}

void deadline_set_job_end(struct deadline *deadline, uint64_t end_us)
{
    deadline->job_end_us = end_us;
}

void deadline_observe(struct deadline *deadline, uint64_t success_count, uint64_t elapsed_us)
{
    deadline->success_us += (double)elapsed_us;
    deadline->success_count += success_count;
}

static uint64_t end_us(const struct deadline *deadline)
{
    const struct deadline_options *options = &deadline->options;
    const uint64_t limit_us =
        options->limit_us > 0 && options->limit_us < DEADLINE_NONE - options->start_us
            ? options->start_us + options->limit_us
            : DEADLINE_NONE;
    return smaller(limit_us, deadline->job_end_us);
}

/* A quarter of the session; a job may say that it had ended before this began. */
static uint64_t part_us(const struct deadline *deadline)
{
    const uint64_t end = end_us(deadline);
    return end > deadline->options.start_us ? (end - deadline->options.start_us) / PARTS : 0;
}

static uint64_t closing_us(const struct deadline *deadline)
{
    return smaller(DEADLINE_KILL_US + WRITE_US, part_us(deadline));
}

uint64_t deadline_term_us(const struct deadline *deadline)
{
    const uint64_t end = end_us(deadline);
    return end == DEADLINE_NONE ? DEADLINE_NONE : end - closing_us(deadline);
}

uint64_t deadline_kill_after_us(const struct deadline *deadline)
{
    return end_us(deadline) == DEADLINE_NONE
               ? DEADLINE_KILL_US
               : closing_us(deadline) * DEADLINE_KILL_US / (DEADLINE_KILL_US + WRITE_US);
}

static double expected_us(const struct deadline *deadline)
{
    return deadline->success_count > 0 ? deadline->success_us / (double)deadline->success_count
                                       : (double)deadline->options.timeout_us;
}

uint64_t deadline_near_us(const struct deadline *deadline)
{
    const uint64_t term = deadline_term_us(deadline);
    if (term == DEADLINE_NONE) {
        return DEADLINE_NONE;
    }
    const uint64_t reserve = smaller(deadline->options.grace_us, part_us(deadline));
    const double expected = expected_us(deadline);
    const uint64_t last_start = expected < (double)term ? term - (uint64_t)expected : 0;
    return smaller(term - reserve, last_start);
}

bool deadline_is_near(const struct deadline *deadline, uint64_t now_us)
{
    const uint64_t near_us = deadline_near_us(deadline);
    return near_us != DEADLINE_NONE && now_us >= near_us;
}
