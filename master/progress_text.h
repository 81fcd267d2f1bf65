/* progress_text.h - how a run stands, in the words of each form of --progress. */
#ifndef MASTER_PROGRESS_TEXT_H
#define MASTER_PROGRESS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/ledger.h"
#include "shared/buffer.h"
#include "shared/error.h"

/* How a run stands. */
struct progress_facts {
    const char *state;           /* "running"; at the end, the run's */
    uint64_t size;               /* instances */
    struct ledger_counts counts; /* as they are recorded */
    uint64_t retries;
    uint64_t running; /* attempts under way */
    uint64_t slots;   /* for them */
    uint64_t rank_count;
    uint64_t lost_count; /* ranks that were lost, and have not come back */
    uint64_t elapsed_us; /* of this session */
    double rate;         /* instances a second */
    bool has_estimate;
    uint64_t earliest_us; /* how long the rest takes, at least and at most */
    uint64_t latest_us;
};

/* Instances that need no more attempts. */
uint64_t progress_done(const struct ledger_counts *counts);

/* Each is appended without a line break; where memory is short, nothing is. */
MUST_CHECK enum status progress_plain_text(const struct progress_facts *facts, struct buffer *out);
/* No longer than `width` characters, all of them ASCII; what does not fit is left out, the least
 * important first. */
MUST_CHECK enum status progress_bar_text(const struct progress_facts *facts, size_t width,
                                         struct buffer *out);
MUST_CHECK enum status progress_json_text(const struct progress_facts *facts, struct buffer *out);

/* "10 to 12 min", "46 s": rounded as far as it can be known. Gives `text`. */
#define PROGRESS_SPAN_SIZE 64
const char *progress_span_text(uint64_t earliest_us, uint64_t latest_us,
                               char text[PROGRESS_SPAN_SIZE]);

#endif
