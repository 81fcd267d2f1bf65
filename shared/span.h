/* span.h - a run of consecutive instances that are at the same attempt, under the same bounds.
 *
 * Units, reports and records name their instances by lists of spans, sorted by start and apart
 * from each other. span_list_is_valid() is the one check of such a list that came from outside.
 */
#ifndef SHARED_SPAN_H
#define SHARED_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    uint64_t start;
    uint64_t count;   /* never 0 */
    uint64_t attempt; /* number of the attempt that each of them is at */
    uint64_t growth;  /* of units alone: how often their `mem` has grown */
};

/* Sorted, disjoint, no empty span, all below `size`. */
static inline bool span_list_is_valid(const struct span *spans, size_t span_count, uint64_t size)
{
    uint64_t next = 0;
    for (size_t i = 0; i < span_count; i++) {
        if (spans[i].start < next || spans[i].count == 0 || spans[i].start >= size ||
            spans[i].count > size - spans[i].start) {
            return false;
        }
        next = spans[i].start + spans[i].count;
    }
    return true;
}

static inline uint64_t span_list_count(const struct span *spans, size_t span_count)
{
    uint64_t count = 0;
    for (size_t i = 0; i < span_count; i++) {
        count += spans[i].count;
    }
    return count;
}

#endif
