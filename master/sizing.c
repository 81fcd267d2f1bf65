#include "master/sizing.h"

#include "shared/extremes.h"

#define AHEAD 2.0
/* One instance ahead, where that is worth a message's latency: unless it lasts a hundred times as
 * long as what a worker should have ahead. */
#define AHEAD_ROUNDING 0.99
#define GROWTH_MAX 64
#define TAIL_DIVISOR 2
#define INPUT_BYTES_AHEAD_MAX (16u << 20)
/* What a worker may be sending when the master has fallen behind, compressed. */
#define OUTPUT_BYTES_AHEAD_MAX (64u << 20)
#define INSTANCE_US_MIN 0.001
/* Far above what any rank does in a report, and what is given back of it still fits memory. */
#define GOAL_MAX (UINT64_C(1) << 32)
/* Weight of the newest batch in the moving mean: half of the weight is in the last few batches, so
 * that the mean follows a drift within as many reports. */
#define NEWEST_WEIGHT 0.3

void sizing_observe(struct sizing *sizing, uint32_t slots, uint64_t count, uint64_t elapsed_us,
                    size_t frame_size)
{
    double instance_us = (double)elapsed_us / (double)count;
    const double output_size = (double)frame_size / (double)count;
    if (instance_us < INSTANCE_US_MIN) {
        instance_us = INSTANCE_US_MIN;
    }
    if (sizing->grown == 0) {
        sizing->instance_us = instance_us;
        sizing->output_size = output_size;
        sizing->grown = slots;
    } else {
        sizing->instance_us += NEWEST_WEIGHT * (instance_us - sizing->instance_us);
        sizing->output_size += NEWEST_WEIGHT * (output_size - sizing->output_size);
    }
    sizing->grown = smaller(sizing->grown, GOAL_MAX / GROWTH_MAX) * GROWTH_MAX;
}

static uint64_t measured_goal(const struct sizing *sizing, const struct sizing_options *options,
                              uint32_t slots)
{
    if (sizing->grown == 0) {
        return slots;
    }
    const double ahead =
        AHEAD * (double)options->report_interval_us * (double)slots / sizing->instance_us;
    const uint64_t goal =
        ahead >= (double)GOAL_MAX ? GOAL_MAX : slots + (uint64_t)(ahead + AHEAD_ROUNDING);
    return smaller(goal, sizing->grown);
}

uint64_t sizing_goal(const struct sizing *sizing, const struct sizing_options *options,
                     uint32_t slots, uint64_t slots_all, uint64_t left)
{
    if (options->unit_size > 0) {
        const uint64_t unit_size = smaller(options->unit_size, GOAL_MAX);
        return larger(slots, unit_size) + unit_size; /* what is at work, and one unit ahead */
    }
    uint64_t goal = measured_goal(sizing, options, slots);
    if (options->input_size_mean > 0) {
        goal = smaller(goal, INPUT_BYTES_AHEAD_MAX / options->input_size_mean);
    }
    if (sizing->output_size * (double)goal > OUTPUT_BYTES_AHEAD_MAX) {
        goal = (uint64_t)(OUTPUT_BYTES_AHEAD_MAX / sizing->output_size);
    }
    const double share = (double)left * (double)slots / (double)slots_all / TAIL_DIVISOR;
    goal = smaller(goal, share >= (double)GOAL_MAX ? GOAL_MAX : (uint64_t)share);
    return larger(goal, slots);
}
