/* report_durations.h - how long attempts took: a histogram with sixteen classes an octave, which
 * tells quantiles to a sixteenth of themselves, however many there were.
 */
#ifndef CLI_REPORT_DURATIONS_H
#define CLI_REPORT_DURATIONS_H

#include <stddef.h>
#include <stdint.h>

#define REPORT_CLASS_COUNT 976

/* All zero has seen none. */
struct report_durations {
    uint64_t counts[REPORT_CLASS_COUNT];
    uint64_t count;
    uint64_t shortest_us;
    uint64_t longest_us;
    uint64_t sum_us;
};

/* The class of a duration: up to 31 us each has its own, then 16 for each doubling. */
size_t report_class_of(uint64_t duration_us);
/* Where a class begins; it ends where the next one begins. */
uint64_t report_class_start_us(size_t class);

/* `count` attempts took `duration_us` together. */
void report_durations_add(struct report_durations *durations, uint64_t duration_us, uint64_t count);
/* What a part of them, from 0 to 1, was no longer than. 0 where there are none. */
uint64_t report_durations_quantile_us(const struct report_durations *durations, double part);

#endif
