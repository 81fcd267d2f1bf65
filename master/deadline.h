/* deadline.h - when a session must end, and what may still be started before that.
 *
 *     start ............. stop ........ term ..... end
 *       attempts start     |   run on    |  are ended, the record is written
 *
 * The end is the time limit's or the job's, whichever comes first. Before it lies a reserve: the
 * grace for what still runs, then the time to end it and to write. In a session shorter than some
 * graces each part of the reserve is a quarter of it.
 *
 * An attempt is expected to take the mean of the successes so far; where there is none, its
 * timeout; without one nothing is known, and it may start until `stop`.
 *
 * Threads: pure; reads no clock. Times are microseconds of one clock that never runs back.
 */
#ifndef MASTER_DEADLINE_H
#define MASTER_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define DEADLINE_NONE UINT64_MAX
/* Between the SIGTERM and the SIGKILL of what runs on for too long. */
#define DEADLINE_KILL_US 1000000

struct deadline_options {
    uint64_t start_us;   /* of the session */
    uint64_t limit_us;   /* from then on; 0: none */
    uint64_t grace_us;   /* for what runs */
    uint64_t timeout_us; /* of an attempt; 0: none */
};

struct deadline {
    struct deadline_options options;
    uint64_t job_end_us; /* DEADLINE_NONE: none known */
    double success_us;   /* of all successes together */
    uint64_t success_count;
};

void deadline_init(struct deadline *deadline, const struct deadline_options *options);

/* The job that this session runs in ends then; said again, it has changed. */
void deadline_set_job_end(struct deadline *deadline, uint64_t end_us);

/* So many successes took so long together. */
void deadline_observe(struct deadline *deadline, uint64_t success_count, uint64_t elapsed_us);

/* Is it too late to start anything? */
bool deadline_is_near(const struct deadline *deadline, uint64_t now_us);
/* When deadline_is_near() will be true if nothing is observed until then. */
uint64_t deadline_near_us(const struct deadline *deadline);
/* When what still runs must be ended, and how long it then has. */
uint64_t deadline_term_us(const struct deadline *deadline);
uint64_t deadline_kill_after_us(const struct deadline *deadline);

#endif
