/* report.h - what became of part of a unit: the same shape on the wire and in the log.
 *
 * A batch is what an executor made in one go: its instances, one bit each for success, and one LZ4
 * frame that holds the outputs of those that succeeded, as a msgpack stream, in that order.
 *
 * Of a map that is reduced the frame may hold partial values instead (fold.h), which together cover
 * the successes: one for all of them, or one for each run of successes whose indices follow each
 * other, in order.
 *
 * Ownership: structs here are views; what they point at belongs to whoever filled them in (a
 *            message, a log reader's buffer, an executor's memory).
 */
#ifndef SHARED_REPORT_H
#define SHARED_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/attempt.h"
#include "shared/span.h"

struct report_batch {
    const struct span *spans;
    size_t span_count;
    uint64_t instance_count;     /* of the spans together */
    uint64_t success_count;      /* set bits; equal to instance_count where bits is NULL */
    const uint8_t *success_bits; /* bit i % 8 of byte i / 8: the i-th instance; NULL: all */
    const uint8_t *frame;        /* LZ4 frame of the outputs; NULL where none succeeded */
    size_t frame_size;           /* bytes */
    uint64_t partial_count;      /* partial values in the frame; 0: it holds outputs */
    uint32_t slot;               /* of the rank, from 0 */
    uint64_t started_us;         /* since the rank's start */
    uint64_t elapsed_us;         /* of all its attempts together */
    bool reads_place;            /* an attempt asked for its index or the map's size; on the wire */
    const uint8_t *prints;       /* on the wire: a msgpack value for each instance, bytes or nil: */
    size_t prints_size;          /* what it printed by mf_print(); 0: nothing is known of any */

    uint64_t held_us;     /* before it started: its slot was free, and what there was did not fit */
    const uint8_t *times; /* how long each attempt took (attempt_times.h); NULL: not told */
    size_t times_size;
};

struct report_failure {
    uint64_t index;
    uint64_t attempt;
    enum failure_class class;
    bool is_permanent;
    bool is_unkept;   /* class aborted: the run directory had no room for its files; on the wire */
    const char *text; /* not NUL-terminated; what the attempt said, without index and class */
    size_t text_size;
};

struct report {
    uint64_t map; /* on the wire */
    uint64_t lease;
    const struct report_batch *batches;
    size_t batch_count;
    const struct report_failure *failures; /* sorted by index within each batch */
    size_t failure_count;
};

static inline bool report_batch_succeeded(const struct report_batch *batch, uint64_t i)
{
    return batch->success_bits == NULL || (batch->success_bits[i / 8] >> (i % 8) & 1) != 0;
}

/* Successes whose indices follow each other. */
struct report_run {
    uint64_t start;
    uint64_t count;
};

/* From one to the next: all zero before the first; false after the last. */
struct report_run_walk {
    size_t span;
    uint64_t at;  /* within the span */
    uint64_t bit; /* of the batch */
};
bool report_next_run(const struct report_batch *batch, struct report_run_walk *walk,
                     struct report_run *run_out);
uint64_t report_run_count(const struct report_batch *batch);
/* Can the batch have so many partial values? */
bool report_partials_fit(const struct report_batch *batch);

#endif
