/* estimate.h - when a run will have ended, told from how fast its instances have ended so far.
 *
 *     estimate_begin --> estimate_note (now and then) --> estimate_end_us
 *
 * What has ended is counted in intervals of equal length, which grow with the run. How much the
 * counts differ says how far their mean can be trusted: of even tasks the estimate is narrow, of
 * uneven ones it is wide, and while there is too little to tell from there is none.
 *
 * Threads: one. Reads no clock.
 * Cost:    the same however many instances there are and however long they take.
 */
#ifndef MASTER_ESTIMATE_H
#define MASTER_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

/* A power of two, so that pairs can be joined when all are used. */
#define ESTIMATE_INTERVAL_COUNT 64
/* The length of an interval, to begin with. */
#define ESTIMATE_INTERVAL_US 250000

/* The fields are for estimate.c. */
struct estimate {
    double counts[ESTIMATE_INTERVAL_COUNT]; /* instances that ended in each, the oldest first */
    unsigned full;                          /* how many are over */
    uint64_t length_us;                     /* of each */
    uint64_t noted_us;                      /* of the last note */
    uint64_t interval_us;                   /* when the one that is not over began */
    double open;                            /* instances that ended in it so far */
    uint64_t done;                          /* as noted last */
};

/* From now on, where `done` have ended already. */
void estimate_begin(struct estimate *estimate, uint64_t done, uint64_t now_us);
/* So many have ended now. What ended since the last note is spread evenly over the time since. */
void estimate_note(struct estimate *estimate, uint64_t done, uint64_t now_us);

/* Instances a second, over the last quarter of the time, though over no less than four intervals
 * where there are so many; 0 where nothing is known. */
double estimate_rate(const struct estimate *estimate);

/* How long the remaining instances take, of which `running` are under way: between these two.
 * False where nothing can be told: too little has ended, or there is nothing left to start, and how
 * long the last ones take is not known. */
bool estimate_end_us(const struct estimate *estimate, uint64_t remaining, uint64_t running,
                     uint64_t *earliest_out, uint64_t *latest_out);

#endif
