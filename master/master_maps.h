/* master_maps.h - maps that are begun while a run runs, as a workflow does.
 *
 *     master_create (without inputs), master_start --> master_may_begin()
 *         master_map_begin --> the loop --> master_map_next_end --> master_map_drop
 *                               master_map_cancel
 *     master_finish
 *
 * Maps share the ranks: where slots are free, the next batch is that of the map which has least of
 * its rank (worker/slot_share.h). Each has a scheduler of its own, and so its own sizing, policy,
 * concurrency and failures. What holds for the whole run, and is taken from its options: grace,
 * time limit, lost-after, capture, the largest output, slots.
 *
 * A map's number is the caller's: that of the map within the run, in the order in which they were
 * started, calls included, from 0. A call is a map of one. What workers report is recorded under
 * it, and so are the map's definition and its end (docs/file-formats.md).
 *
 * Where its outputs are: in the log, in the frames that the end names, which are written (as far as
 * --sync asks, on disk) when the end is given.
 *
 * Ownership: options are copied, but for what they point at, which outlives the map: inputs and
 * cache are the caller's until master_map_drop(). Replay and failures are moved to the master,
 *            whatever comes of it.
 * Threads:   the master's.
 * Failure:   a map that no rank could ever hold is refused (INVALID, with the largest rank in the
 *            text); NO_MEMORY. While the log can't be written, no map ends and nothing is handed
 *            out. When the run ends early (a signal, the time limit, no rank is left), every map
 *            ends, resumable.
 */
#ifndef MASTER_MASTER_MAPS_H
#define MASTER_MASTER_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/failures.h"
#include "master/ledger.h"
#include "master/log_index.h"
#include "master/master.h"
#include "master/record.h"

struct master_map_options {
    uint64_t number;                   /* within the run; none that runs has it */
    const char *task;                  /* of the run's job */
    const char *output_type;           /* of it, as text, for the record */
    const struct map_options *options; /* the task's, and what was asked for at the map */
    struct inputs *inputs;
    uint8_t inputs_digest[RECORD_DIGEST_SIZE]; /* for the record of its definition */
    uint64_t minimum;                          /* successes that it needs */
    const char *reducer;                       /* of its outputs; NULL: they are not reduced */
    const char *reduced_by;                    /* the reducer, for the record of its definition */
    bool is_ordered;                           /* of the reducer: only neighbours are combined */
    const struct cache_options *cache;         /* NULL: outputs are not kept */
    struct replay *replay;                     /* of its own earlier sessions; NULL: it is new */
    struct failures *failures;                 /* of those; NULL: none */
    const struct metric_options *metric;       /* NULL: its attempts report nothing */
    const struct log_index *earlier; /* of the log as it was when this session began; NULL: none */
};

/* Why a map ended. */
enum master_map_verdict {
    MAP_SUCCEEDED,
    MAP_FAILED,
    MAP_INTERRUPTED /* it was cancelled, or the run ends early: it can go on */
};

struct master_map_end {
    uint64_t number;
    enum master_map_verdict verdict;
    struct ledger_counts counts;
    const struct failures *failures; /* the map's, until it is dropped */
    /* Where its outputs are, of this session and of those that were replayed: as in a log_index,
     * spans sorted by start and apart from each other. The map's, until it is dropped. Frames of a
     * map that is reduced may hold partial values instead. */
    const struct log_index_frame *frames;
    const struct log_index_span *spans;
    size_t span_count;
};

/* Are the ranks there, so that maps may be begun? From then on until master_finish(), or until the
 * run ends early. */
bool master_may_begin(const struct master *master);

MUST_CHECK enum status master_map_begin(struct master *master,
                                        const struct master_map_options *options, uint64_t now_us,
                                        struct error *err);

/* A map that has ended, and was not given before; they come in the order in which they ended. */
MUST_CHECK bool master_map_next_end(struct master *master, struct master_map_end *end_out);

/* Hand out nothing more of it, and end what runs: at once, or with the run's grace. */
MUST_CHECK enum status master_map_cancel(struct master *master, uint64_t number,
                                         enum master_urgency urgency, uint64_t now_us,
                                         struct error *err);

/* It has ended, and nothing of it is needed any more. */
void master_map_drop(struct master *master, uint64_t number);

/* The workflow is over: `exit_status` is the run's, and run.json says so. 0, 1, or 75. Maps that
 * still run are ended, and recorded as interrupted. `output` is what the workflow gave back,
 * packed, and recorded as the one output of the map RECORD_RUN_MAP; NULL: nothing. */
MUST_CHECK enum status master_finish(struct master *master, int exit_status, const uint8_t *output,
                                     size_t output_size, uint64_t now_us, struct error *err);

/* Is the run ending, by master_finish() or early? */
bool master_is_ending(const struct master *master);

#endif
