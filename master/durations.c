#include "master/durations.h"

/* Times below this have one class: nothing is decided by less. */
#define TIME_MIN 4
#define TIME_MAX (UINT64_C(1) << 59)

unsigned duration_class(double time_us)
{
    const uint64_t time = time_us < TIME_MIN           ? TIME_MIN
                          : time_us > (double)TIME_MAX ? TIME_MAX
                                                       : (uint64_t)time_us;
    const unsigned exponent = 63 - (unsigned)__builtin_clzll(time);
    return 4 * exponent + (unsigned)(time >> (exponent - 2) & 3);
}

void durations_add(struct durations *durations, double time_us, uint64_t count)
{
    durations->counts[duration_class(time_us)] += count;
    durations->count += count;
}

double durations_median_us(const struct durations *durations)
{
    uint64_t below = 0;
    for (unsigned i = 0; i < DURATION_CLASS_COUNT && durations->count > 0; i++) {
        below += durations->counts[i];
        if (2 * below >= durations->count) {
            return (double)(UINT64_C(1) << i / 4) * (1 + (i % 4 + 1) / 4.0);
        }
    }
    return 0;
}
