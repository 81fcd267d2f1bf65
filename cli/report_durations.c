#include "cli/report_durations.h"

#include <math.h>

#define CLASS_BITS 4
#define CLASSES_AN_OCTAVE ((size_t)1 << CLASS_BITS)

size_t report_class_of(uint64_t duration_us)
{
    if (duration_us < CLASSES_AN_OCTAVE) {
        return (size_t)duration_us;
    }
    const unsigned octave = 63 - (unsigned)__builtin_clzll(duration_us);
    const size_t within = (duration_us >> (octave - CLASS_BITS)) & (CLASSES_AN_OCTAVE - 1);
    return (octave - CLASS_BITS + 1) * CLASSES_AN_OCTAVE + within;
}

uint64_t report_class_start_us(size_t class)
{
    if (class < CLASSES_AN_OCTAVE) {
        return class;
    }
    const size_t octave = class / CLASSES_AN_OCTAVE - 1;
    return (uint64_t)(CLASSES_AN_OCTAVE + class % CLASSES_AN_OCTAVE) << octave;
}

void report_durations_add(struct report_durations *durations, uint64_t duration_us, uint64_t count)
{
    const uint64_t each_us = count > 0 ? duration_us / count : 0;
    if (count == 0) {
        return;
    }
    durations->counts[report_class_of(each_us)] += count;
    durations->shortest_us = durations->count == 0 || each_us < durations->shortest_us
                                 ? each_us
                                 : durations->shortest_us;
    durations->longest_us = each_us > durations->longest_us ? each_us : durations->longest_us;
    durations->sum_us += duration_us;
    durations->count += count;
}

uint64_t report_durations_quantile_us(const struct report_durations *durations, double part)
{
    const uint64_t wanted = (uint64_t)ceil(part * (double)durations->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < REPORT_CLASS_COUNT; i++) {
        seen += durations->counts[i];
        if (durations->counts[i] > 0 && seen >= wanted) {
            const uint64_t start_us = report_class_start_us(i);
            const uint64_t next_us =
                i + 1 < REPORT_CLASS_COUNT ? report_class_start_us(i + 1) : UINT64_MAX;
            const uint64_t middle_us = start_us + (next_us - start_us) / 2;
            return middle_us < durations->shortest_us  ? durations->shortest_us
                   : middle_us > durations->longest_us ? durations->longest_us
                                                       : middle_us;
        }
    }
    return 0;
}
