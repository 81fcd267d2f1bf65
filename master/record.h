/* record.h - one record of the run log: a skippable LZ4 frame with a msgpack header, then the data
 * frames that the header lists.
 *
 * Ownership: a record is a set of views (see report.h). Decoding fills arrays in the arena.
 * Failure:   decoding is safe on any bytes; a record whose checksum (XXH3-128 over its header
 *            without the checksum, and its data frames) differs is STATUS_INVALID.
 *
 * docs/file-formats.md has the format.
 */
#ifndef MASTER_RECORD_H
#define MASTER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/attempt.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/report.h"

enum record_kind {
    RECORD_START,   /* a session began */
    RECORD_REPORT,  /* a report was taken */
    RECORD_END,     /* the verdict */
    RECORD_CACHED,  /* as a report: outputs that no attempt of the map made, and failures that
                       instances share with an equal one */
    RECORD_LOST,    /* a rank was; what ran on it is in a report of its own */
    RECORD_MAP,     /* of a run of several maps: one was begun, or goes on in a new session */
    RECORD_INPUTS,  /* inputs that came while the map ran, behind those that came before */
    RECORD_METRICS, /* what trials have reported, and which of them were stopped early */
    RECORD_RANKS    /* ranks that are ready to work: of a session's start, or one that is back */
};

/* Number of no map: what belongs to a run of several maps as a whole, and its own output. */
#define RECORD_RUN_MAP UINT64_MAX
#define RECORD_DIGEST_SIZE 16

/* What a failure of the report did to its instance; parallel to report.failures. */
struct record_outcome {
    bool is_final;             /* the instance has ended */
    enum instance_state state; /* where is_final: failed, timed-out or aborted; else ABORTED */
    uint64_t task_failures;    /* of the present budgets, this one included */
    uint64_t system_failures;
    uint64_t attempts_max; /* the M of "attempt K of M" */
};

/* A report of its metric by an attempt. Not all are recorded (trial_metrics.h says which). */
struct record_metric {
    uint64_t lease;
    uint64_t index;
    uint64_t attempt;
    uint64_t number; /* of the report within its attempt, from 1 */
    int64_t step;
    double value;
};

/* An instance was stopped early: from here on it has ended, as a success. */
struct record_stop {
    uint64_t index;
    uint64_t attempt;
    uint64_t bracket; /* reports */
    double value;     /* that was compared, */
    double threshold; /* and with what */
};

/* A rank that is ready to work. */
struct record_rank {
    uint32_t rank;
    uint32_t slots;
    const char *host; /* not NUL-terminated */
    size_t host_size;
};

struct record {
    enum record_kind kind;
    uint64_t map;                          /* number of the map within the run */
    uint32_t rank;                         /* that reported */
    uint64_t time_ms;                      /* since 1970, by rank 0's clock */
    struct report report;                  /* RECORD_REPORT, RECORD_CACHED */
    const struct record_outcome *outcomes; /* one for each failure */
    bool revives_failed; /* RECORD_START: failed and timed-out instances got fresh budgets */
    /* RECORD_START, RECORD_MAP: the budgets of the session. An instance between attempts that has
     * used more than these has ended with it, as failed or timed-out by its last attempt. */
    uint64_t retries;
    uint64_t system_retries;
    int exit_status; /* RECORD_END: 0 to 255 */
    /* RECORD_LOST: how it was lost, and its host, for people; not NUL-terminated. */
    const char *why;
    size_t why_size;
    /* RECORD_MAP: what the map is, so that a new session knows it again. */
    const char *task; /* not NUL-terminated */
    size_t task_size;
    const char *output_type; /* not NUL-terminated */
    size_t output_type_size;
    uint64_t map_size; /* instances */
    uint64_t minimum;  /* successes that it needs */
    uint8_t inputs_digest[RECORD_DIGEST_SIZE];
    const char *reducer; /* its outputs are reduced by this; not NUL-terminated */
    size_t reducer_size; /* 0: they are not */
    /* RECORD_INPUTS: those from `first` on, packed, one after the other. At least one. */
    uint64_t first;
    uint64_t input_count;
    const uint8_t *inputs;
    size_t inputs_size; /* bytes */
    /* RECORD_METRICS, in the order in which they came; a stop follows from what stands before. */
    const struct record_metric *metrics;
    size_t metric_count;
    const struct record_stop *stops;
    size_t stop_count;
    const struct record_rank *ranks; /* RECORD_RANKS */
    size_t rank_count;
};

/* Append the whole record: header frame, then the batches' data frames. STATUS_LIMIT where the
 * header would pass 4 GiB; the buffer is as it was on any failure. */
MUST_CHECK enum status record_encode(const struct record *record, struct buffer *out);
/* The same in two steps, for a caller that writes the frames from where they lie: those of the
 * batches that have one, in their order, and how many bytes they are together. */
MUST_CHECK enum status record_encode_head(const struct record *record, struct buffer *out);
MUST_CHECK enum status record_append_frames(const struct record *record, struct buffer *out);
uint64_t record_frames_size(const struct record *record);

/* Decode the record at the start of `data`. STATUS_LIMIT: more bytes are needed (*used_out says how
 * many at least); STATUS_INVALID: these are not a record. On success *used_out is its size. Indices
 * are below INT64_MAX, but not checked against the map's size, which a record does not know. */
MUST_CHECK enum status record_decode(const uint8_t *data, size_t size, struct arena *arena,
                                     struct record *record_out, size_t *used_out,
                                     struct error *err);

/* The same of its header alone, whose data frames are of *frames_size_out bytes together and not
 * looked at: no batch has a frame, and the checksum, which is over them too, is not checked. */
MUST_CHECK enum status record_decode_head(const uint8_t *data, size_t size, struct arena *arena,
                                          struct record *record_out, size_t *used_out,
                                          uint64_t *frames_size_out, struct error *err);

#endif
