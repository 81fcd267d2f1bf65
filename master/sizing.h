/* sizing.h - how much work a worker should have ahead of it, from the durations seen so far.
 *
 * A worker should hold what its slots can start at once, plus what they get through until its next
 * reports have been answered. With d the mean duration of an instance on it:
 *
 *     goal = slots + AHEAD x report_interval x slots / d
 *
 * It starts at one instance a slot, grows by at most GROWTH_MAX at each report (the first
 * durations of short tasks are mostly noise), is bounded in bytes of input and of the outputs that
 * are to be expected, and shrinks with what is left of the map, so that the last units of all
 * workers end together:
 *
 *     goal <= max(slots, what is left x slots / all slots / TAIL_DIVISOR)
 *
 * Threads: pure; reads no clock.
 */
#ifndef MASTER_SIZING_H
#define MASTER_SIZING_H

#include <stddef.h>
#include <stdint.h>

struct sizing_options {
    uint64_t report_interval_us;
    uint64_t unit_size;       /* fixed size of a unit; 0: measured */
    uint64_t input_size_mean; /* bytes of a packed input; 0 where inputs are a formula */
};

/* What is known of one worker. All zero is a worker never seen. */
struct sizing {
    double instance_us; /* moving mean of an instance's duration in one slot */
    double output_size; /* moving mean of the bytes that an instance sends back */
    uint64_t grown;     /* the largest goal that growth allows now; 0 before the first report */
};

/* A batch of `count` instances took a slot `elapsed_us`, and its outputs have `frame_size` bytes.
 */
void sizing_observe(struct sizing *sizing, uint32_t slots, uint64_t count, uint64_t elapsed_us,
                    size_t frame_size);

/* How many instances the worker should have outstanding now. `left` instances of the map are ready
 * or outstanding anywhere; `slots_all` are all workers' slots. At least 1. */
uint64_t sizing_goal(const struct sizing *sizing, const struct sizing_options *options,
                     uint32_t slots, uint64_t slots_all, uint64_t left);

#endif
