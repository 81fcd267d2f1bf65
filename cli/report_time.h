/* report_time.h - a run over time: how much ended when, how busy its slots were, and where the time
 * of its ranks went.
 *
 * Failure: none (memory.h).
 */
#ifndef CLI_REPORT_TIME_H
#define CLI_REPORT_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/chronicle.h"

#define REPORT_BIN_COUNT 480

/* A part of the run's time, 1 of REPORT_BIN_COUNT. */
struct report_bin {
    uint64_t succeeded; /* attempts that ended in it */
    uint64_t failed;
    uint64_t cached;  /* instances that took outputs of others */
    uint64_t busy_us; /* of all slots together */
};

/* A rank, from when it was ready until it was lost or its session ended. Its slots together had
 * slots * (ended - joined) of time: attempts ran; or, before the rank's first one began, it was
 * starting; or what there was did not fit; or there was nothing for it to do. */
struct report_life {
    bool is_known; /* a life that the log tells of */
    uint32_t rank;
    uint32_t slots;
    char *host; /* NULL: not known */
    char *why;  /* how it was lost; NULL: it was not */
    uint64_t joined_us;
    uint64_t ended_us;
    uint64_t first_us; /* when its first attempt began; UINT64_MAX: it had none */
    uint64_t attempts;
    uint64_t running_us;
    uint64_t held_us;
};

/* The parts of a life's slots' time. */
struct report_spent {
    uint64_t running_us;
    uint64_t starting_us;
    uint64_t held_us;    /* waiting for room: memory, cores, devices */
    uint64_t waiting_us; /* for work */
};

struct report_time {
    uint64_t total_us;
    struct report_bin bins[REPORT_BIN_COUNT];
    struct report_life *lives; /* by their numbers in the chronicle */
    size_t life_count;
};

struct report_time *report_time_create(const struct chronicle *chronicle);
void report_time_destroy(struct report_time *time); /* NULL is allowed */

void report_time_add(struct report_time *time, const struct chronicle_piece *piece);
void report_time_note(struct report_time *time, const struct chronicle_event *event);
/* After the last of both. */
void report_time_finish(struct report_time *time);

struct report_spent report_life_spent(const struct report_life *life);

#endif
