/* durations.h - how long the instances of a map took, well enough to know the median.
 *
 * A histogram with four classes an octave: the median is right to a fifth of itself. Costs the same
 * however many instances there are.
 */
#ifndef MASTER_DURATIONS_H
#define MASTER_DURATIONS_H

#include <stdint.h>

#define DURATION_CLASS_COUNT 256

/* All zero has seen none. */
struct durations {
    uint64_t counts[DURATION_CLASS_COUNT];
    uint64_t count;
};

/* The class of a time, in microseconds: they ascend with it. */
unsigned duration_class(double time_us);

/* `count` instances took `time_us` each. */
void durations_add(struct durations *durations, double time_us, uint64_t count);
/* The upper end of the class that the median lies in; 0 where none was seen. */
double durations_median_us(const struct durations *durations);

#endif
