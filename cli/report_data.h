/* report_data.h - all that the page of a report shows of a run, from its directory alone.
 *
 *     report_data_collect --> report_meta, report_blob, ... --> report_data_free
 *
 * Memory:  see report_lanes.h; sets of instances, and some KiB for each of the first maps.
 * Failure: of a torn log, what stands before that counts; the page says so.
 */
#ifndef CLI_REPORT_DATA_H
#define CLI_REPORT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/report_durations.h"
#include "cli/report_failures.h"
#include "cli/report_lanes.h"
#include "cli/report_states.h"
#include "cli/report_time.h"
#include "master/chronicle.h"
#include "master/map_past.h"
#include "master/run_file.h"
#include "shared/buffer.h"
#include "shared/error.h"

/* Later maps of a workflow are one more together, the last. */
#define REPORT_MAP_COUNT_MAX 2000
#define REPORT_NOTE_COUNT_MAX 2000

/* A map, and what the times of its attempts were. */
struct report_map {
    uint64_t number;
    uint64_t begun_us; /* UINT64_MAX: it has not begun */
    uint64_t ended_us; /* of its last attempt, or its verdict */
    uint64_t attempts;
    int exit_status; /* -1: none is recorded */
    struct report_durations durations;
};

/* Something that happened to the run. */
struct report_note {
    uint64_t time_us;
    enum chronicle_event_kind kind;
    uint32_t rank;    /* RANK, LOST, LOST_ATTEMPT */
    uint64_t map;     /* LOST_ATTEMPT */
    uint64_t index;   /* LOST_ATTEMPT */
    uint64_t attempt; /* LOST_ATTEMPT */
    uint64_t gap_ms;  /* SESSION */
    uint32_t count;   /* RANK: how many of them */
};

struct report_data {
    const char *run_dir; /* the caller's */
    struct run_description *run;
    struct chronicle *chronicle;
    struct map_past_list past; /* what became of the instances of each map */
    struct failures *unused;   /* of `past`, which would have some for each map */
    struct report_map *maps;   /* in the order of their numbers */
    size_t map_count;
    size_t map_capacity;
    struct report_lanes lanes;
    struct report_time *time;
    struct report_failures failures;
    struct report_durations succeeded; /* of attempts */
    struct report_durations failed;    /* all others */
    uint64_t counts[PIECE_STATE_COUNT];
    uint64_t lost_attempts;
    uint64_t cached;     /* instances, each time that one took an output */
    uint64_t untimed;    /* attempts that were too short to be timed alone */
    uint64_t lost_ranks; /* how often one was */
    uint64_t sessions;
    struct report_note *notes;
    size_t note_count;
    size_t note_capacity;
    uint64_t notes_beyond;
};

/* `is_quick` as chronicle_open() has it. NOT_FOUND: it is no run, or has no log yet. */
MUST_CHECK enum status report_data_collect(const char *run_dir, bool is_quick,
                                           struct report_data *data_out, struct error *err);
void report_data_free(struct report_data *data);

/* Instances by their states, of all maps together. */
void report_data_count(const struct report_data *data, uint64_t counts_out[INSTANCE_STATE_COUNT]);
/* What is known of a map's instances; NULL: the log has none of that number. */
const struct map_past *report_data_past(const struct report_data *data,
                                        const struct report_map *map);
struct report_cells report_data_cells(const struct report_data *data, const struct map_past *past);
bool report_data_is_workflow(const struct report_data *data);

/* What a page's script reads: a JSON object, and lists of LEB128 numbers, as docs/report.md says.
 */
MUST_CHECK enum status report_meta(const struct report_data *data, struct buffer *out);
MUST_CHECK enum status report_blob(const struct report_data *data, struct buffer *out);

#endif
