#include "shared/report.h"

/* The next success of the span that the walk is in, or of a later one; false where there is none.
 */
static bool find_success(const struct report_batch *batch, struct report_run_walk *walk)
{
    for (; walk->span < batch->span_count; walk->span++, walk->at = 0) {
        for (; walk->at < batch->spans[walk->span].count; walk->at++, walk->bit++) {
            if (report_batch_succeeded(batch, walk->bit)) {
                return true;
            }
        }
    }
    return false;
}

/* How many succeed from where the walk is, within its span; the walk stands behind them. */
static uint64_t pass_successes(const struct report_batch *batch, struct report_run_walk *walk)
{
    const uint64_t left = batch->spans[walk->span].count - walk->at;
    uint64_t count = 0;
    if (batch->success_bits == NULL) {
        count = left;
    } else {
        while (count < left && report_batch_succeeded(batch, walk->bit + count)) {
            count++;
        }
    }
    walk->at += count;
    walk->bit += count;
    return count;
}

bool report_next_run(const struct report_batch *batch, struct report_run_walk *walk,
                     struct report_run *run_out)
{
    if (!find_success(batch, walk)) {
        return false;
    }
    *run_out = (struct report_run){.start = batch->spans[walk->span].start + walk->at};
    run_out->count = pass_successes(batch, walk);
    while (walk->at == batch->spans[walk->span].count && walk->span + 1 < batch->span_count &&
           batch->spans[walk->span + 1].start == run_out->start + run_out->count &&
           report_batch_succeeded(batch, walk->bit)) {
        walk->span++;
        walk->at = 0;
        run_out->count += pass_successes(batch, walk);
    }
    return true;
}

uint64_t report_run_count(const struct report_batch *batch)
{
    struct report_run_walk walk = {.span = 0};
    struct report_run run;
    uint64_t count = 0;
    while (report_next_run(batch, &walk, &run)) {
        count++;
    }
    return count;
}

bool report_partials_fit(const struct report_batch *batch)
{
    return batch->partial_count == 0 ||
           (batch->success_count > 0 &&
            (batch->partial_count == 1 || batch->partial_count == report_run_count(batch)));
}
