#include "master/estimate.h"

#include <math.h>
#include <stddef.h>

#define INTERVALS_MIN 4
#define DONE_MIN 5
/* Standard errors of the mean on either side: some 95 of 100. */
#define ERRORS 2.0
/* Beyond this relative error the latest end would be anywhere. */
#define ERROR_MAX 0.9

void estimate_begin(struct estimate *estimate, uint64_t done, uint64_t now_us)
{
    *estimate = (struct estimate){
        .length_us = ESTIMATE_INTERVAL_US, .noted_us = now_us, .interval_us = now_us, .done = done};
}

static void join_pairs(struct estimate *estimate)
{
    for (unsigned i = 0; i < ESTIMATE_INTERVAL_COUNT / 2; i++) {
        estimate->counts[i] = estimate->counts[(size_t)2 * i] + estimate->counts[(size_t)2 * i + 1];
    }
    estimate->full = ESTIMATE_INTERVAL_COUNT / 2;
    estimate->length_us *= 2;
}

void estimate_note(struct estimate *estimate, uint64_t done, uint64_t now_us)
{
    if (now_us <= estimate->noted_us) {
        return;
    }
    const double pace = done > estimate->done ? (double)(done - estimate->done) /
                                                    (double)(now_us - estimate->noted_us)
                                              : 0;
    while (now_us - estimate->interval_us >= estimate->length_us) {
        const uint64_t end_us = estimate->interval_us + estimate->length_us;
        estimate->counts[estimate->full++] =
            estimate->open + pace * (double)(end_us - estimate->noted_us);
        estimate->open = 0;
        estimate->noted_us = end_us;
        estimate->interval_us = end_us;
        if (estimate->full == ESTIMATE_INTERVAL_COUNT) {
            join_pairs(estimate);
        }
    }
    estimate->open += pace * (double)(now_us - estimate->noted_us);
    estimate->noted_us = now_us;
    estimate->done = done;
}

/* Per interval, over the last `count` of them. */
static double mean_of(const struct estimate *estimate, unsigned count)
{
    double sum = 0;
    for (unsigned i = estimate->full - count; i < estimate->full; i++) {
        sum += estimate->counts[i];
    }
    return sum / count;
}

/* Of the mean, as a part of it. */
static double relative_error(const struct estimate *estimate, unsigned count, double mean)
{
    double squares = 0;
    for (unsigned i = estimate->full - count; i < estimate->full; i++) {
        const double difference = estimate->counts[i] - mean;
        squares += difference * difference;
    }
    return sqrt(squares / (count - 1) / count) / mean;
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

double estimate_rate(const struct estimate *estimate)
{
    const double second = 1e6 / (double)estimate->length_us;
    if (estimate->full == 0) {
        const uint64_t open_us = estimate->noted_us - estimate->interval_us;
        return open_us > 0 ? estimate->open * 1e6 / (double)open_us : 0;
    }
    const unsigned count = larger(estimate->full / 4, INTERVALS_MIN);
    return mean_of(estimate, count < estimate->full ? count : estimate->full) * second;
}

static uint64_t whole_us(double us)
{
    return us < 1e18 ? (uint64_t)us : (uint64_t)1e18;
}

bool estimate_end_us(const struct estimate *estimate, uint64_t remaining, uint64_t running,
                     uint64_t *earliest_out, uint64_t *latest_out)
{
    if (estimate->full < INTERVALS_MIN || remaining == 0 || remaining <= running) {
        return false;
    }
    const unsigned recent = larger(estimate->full / 2, INTERVALS_MIN);
    const double mean = mean_of(estimate, recent);
    const double of_all = mean_of(estimate, estimate->full);
    if (mean * recent < DONE_MIN) {
        return false;
    }
    const double error = fmin(ERRORS * relative_error(estimate, recent, mean), ERROR_MAX);
    const double fastest = fmax(mean * (1 + error), of_all);
    const double slowest = fmin(mean * (1 - error), of_all);
    const double length_us = (double)estimate->length_us;
    *earliest_out = whole_us((double)remaining / fastest * length_us);
    /* Those that start last may take as long again as all that run now take together. */
    *latest_out = whole_us(((double)remaining + (double)running * error) / slowest * length_us);
    return true;
}
