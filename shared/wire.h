/* wire.h - the messages between master and workers.
 *
 *     master                                worker
 *        --- START: job, the run -------->    loads the job
 *        <-- FETCH: from where -----------   it lacks the job, and rank 0 sends it
 *        --- LIBRARY: bytes of the job ---->  asks for more, until it has all
 *        <-- READY: what it offers, or why not
 *        --- MAP: number, task, options -->   may get units of it from here on
 *        --- UNIT: lease, spans, inputs --->  runs it; any number of units ahead
 *        <-- REPORT: lease, batches --------  as batches end
 *        <-- BEAT: what each slot is in ----  at a steady pace
 *        --- RECALL: lease, how many ------>
 *        <-- RETURNED: lease, spans --------  what had not started; always an answer
 *        <-- METRICS: reports of trials ---  while they run: before the REPORT of their ends
 *        --- END: lease, index ----------->  ends that attempt: it is aborted, in a REPORT
 *        --- CANCEL: how soon ------------->  starts nothing more and ends attempts, of one map or
 *                                             of all: reports, and RETURNED for each lease; may
 * come again, sooner
 *        --- DROP: map ------------------->   the map is over: forgets it
 *        --- PULSE: how long quiet? ------->  rank 0 lives, and has nothing else to say
 *        --- REJOIN: number --------------->  was taken for lost: forgets everything, its maps too,
 *                                             which come again, and is READY again, in the life of
 *                                             that number
 *        --- STOP: will all leave cleanly? ->  leaves
 *        <-- BYE: why ----------------------  the last message; without a STOP it leaves by itself,
 *                                             and waits for one
 *
 * A map is known by its number within the run, and a lease by its number within the map. The map
 * that is the whole run comes with START.
 *
 * Each message is a msgpack array whose first item is its kind. START begins with the version of
 * all this, and READY with it, the program and the host, so that ranks of different programs refuse
 * each other by name: of another version, this much of READY is read and no more.
 *
 * Ownership: a decoded message is views into its bytes, and arrays in the caller's arena.
 * Failure:   decoding is safe on any bytes: STATUS_PROTOCOL with what is wrong, STATUS_LIMIT for a
 *            START of another version.
 */
#ifndef SHARED_WIRE_H
#define SHARED_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/formula.h"
#include "shared/map_options.h"
#include "shared/report.h"
#include "shared/resources.h"
#include "shared/span.h"

#ifndef WIRE_VERSION /* another in a test */
#define WIRE_VERSION 9
#endif
#define WIRE_DIGEST_SIZE 16

enum wire_kind {
    WIRE_START = 1,
    WIRE_READY,
    WIRE_UNIT,
    WIRE_REPORT,
    WIRE_BEAT,
    WIRE_RECALL,
    WIRE_RETURNED,
    WIRE_CANCEL,
    WIRE_STOP,
    WIRE_BYE,
    WIRE_END,
    WIRE_PULSE,
    WIRE_REJOIN,
    WIRE_FETCH,
    WIRE_LIBRARY,
    WIRE_MAP,
    WIRE_DROP,
    WIRE_METRICS
};

/* Is this kind sent by the master, to a worker? */
static inline bool wire_is_for_worker(enum wire_kind kind)
{
    return kind == WIRE_START || kind == WIRE_UNIT || kind == WIRE_RECALL || kind == WIRE_CANCEL ||
           kind == WIRE_STOP || kind == WIRE_END || kind == WIRE_PULSE || kind == WIRE_REJOIN ||
           kind == WIRE_LIBRARY || kind == WIRE_MAP || kind == WIRE_DROP;
}

/* Texts of a decoded message are NUL-terminated, in the arena. */
struct wire_map {
    uint64_t number; /* within its run */
    const char *task;
    uint64_t size; /* instances */
    /* Of the task and the map; but for grace, time limit, lost-after, capture and the largest
     * output, which are those of START. */
    struct map_options options;
    struct formula formula;
    const uint8_t *key_base; /* of keys (key.h), from which seeds come where outputs are kept */
    size_t key_base_size;    /* bytes; 0: seeds come from indices */
    const char *metric;      /* what its attempts report by mf_report(); "" or NULL: nothing */
    bool needs_report;       /* an attempt without a report has failed */
    const char *reducer; /* its outputs are folded as this says (reduction.h); "": they are not */
    bool is_ordered;     /* of the reducer: only neighbours are combined */
};

struct wire_start {
    uint64_t version;                     /* WIRE_VERSION */
    const char *program;                  /* version of mapfleet */
    const char *job_path;                 /* absolute; "" where the job is built into the program */
    uint8_t job_digest[WIRE_DIGEST_SIZE]; /* of the library's bytes */
    struct map_options options;           /* of the run */
    const char *run_dir;                  /* absolute */
    const char *launch_dir;               /* absolute */
    uint64_t report_interval_us;
    uint64_t slots;         /* that the user asked for; 0: by the machine */
    bool has_gpus_per_rank; /* the user said how many: */
    uint64_t gpus_per_rank;
    bool is_isolated;        /* attempts run in executors, not in the rank */
    bool keeps_workdirs;     /* of attempts */
    const char *ship_token;  /* names the place for a job that is sent; "": it is not */
    const uint8_t *constant; /* packed: what the run gives to all instances of its map */
    size_t constant_size;    /* bytes; 0: nothing */
    bool is_printed;         /* what attempts print by mf_print() is wanted */
    const char *files_to;    /* absolute folder or URL for files that are given back; "": run_dir */
    const char *files_tag;   /* in their names there, so that those of several runs are apart */
    const uint8_t *remote;   /* remote_settings.h; none where no file can be remote */
    size_t remote_size;      /* bytes */
    bool has_map;            /* the run is one map: */
    struct wire_map map;
};

struct wire_ready {
    uint64_t version;
    const char *program;
    const char *host;
    uint64_t process;
    struct resources offered;
    uint64_t slots;        /* attempts that it holds at once, of START's map where it has one, else
                              of one core each; 0: it is too small for one */
    const char *refusal;   /* why the worker cannot work; "" when it can */
    bool is_setup_failure; /* the job's setup failed there: the rank is left out, not the run */
    uint64_t life;         /* the number of the last REJOIN; 0: there was none */
};

/* The library's bytes from here on. */
struct wire_fetch {
    uint64_t offset;
};

struct wire_library {
    uint64_t offset;
    uint64_t total_size; /* bytes of the whole library */
    const uint8_t *bytes;
    size_t size; /* bytes here */
};

struct wire_unit {
    uint64_t map;
    uint64_t lease;
    const struct span *spans;
    size_t span_count;
    const uint8_t *inputs; /* packed elements, plain or in LZ4 frames; none for a formula */
    size_t inputs_size;    /* bytes here */
    uint64_t packed_size;  /* bytes of the packed elements; equal to inputs_size where plain */
    uint64_t skip;         /* elements in front that are not the unit's; there may be more behind */
};

/* What one slot is in. */
struct wire_running {
    uint64_t index;
    uint64_t attempt;
    uint64_t elapsed_us;
};

/* Of one map. */
struct wire_beat {
    uint64_t map;
    uint64_t finished;                  /* instances that have ended in batches that have not */
    const struct wire_running *running; /* sorted by index */
    size_t running_count;
};

/* Maps of which nothing runs are not in it. */
struct wire_beats {
    const struct wire_beat *beats; /* sorted by map */
    size_t count;
};

struct wire_recall {
    uint64_t map;
    uint64_t lease;
    uint64_t count;
};

/* How attempts that run are ended. */
struct wire_cancel {
    bool is_for_all;    /* maps */
    uint64_t map;       /* else: of this one */
    uint64_t run_on_us; /* what ends by itself within this still counts; then comes SIGTERM */
    uint64_t grace_us;  /* from there to SIGKILL; both 0: SIGKILL at once */
};

struct wire_end {
    uint64_t map;
    uint64_t lease;
    uint64_t index;
    bool is_stop; /* it is stopped early, and has the grace; else another attempt has the result */
};

/* One report of its metric, of an attempt that runs. */
struct wire_metric {
    uint64_t lease;
    uint64_t index;
    uint64_t attempt;
    int64_t step;
    double value; /* NaN and infinities, too */
    bool is_hint; /* something that names the metric was no report of it */
};

/* Of one map, in the order in which they were made. */
struct wire_metrics {
    uint64_t map;
    const struct wire_metric *reports;
    size_t count;
};

struct wire_pulse {
    uint64_t quiet_us; /* the sender may be silent for so long from now on; 0: as always */
};

struct wire_drop {
    uint64_t map;
};

struct wire_rejoin {
    uint64_t life; /* above 0 */
};

struct wire_stop {
    bool is_clean; /* no rank was lost, so that MPI can be ended in its way */
};

struct wire_bye {
    const char *reason; /* it cannot go on, and holds what it held; "": it was told to leave, or has
                           given back what it held */
};

struct wire_returned {
    uint64_t map;
    uint64_t lease;
    const struct span *spans;
    size_t span_count;
};

struct wire_message {
    enum wire_kind kind;
    union {
        struct wire_start start;
        struct wire_ready ready;
        struct wire_fetch fetch;
        struct wire_library library;
        struct wire_unit unit;
        struct report report;
        struct wire_beats beats;
        struct wire_recall recall;
        struct wire_cancel cancel;
        struct wire_end end;
        struct wire_metrics metrics;
        struct wire_pulse pulse;
        struct wire_map map;
        struct wire_drop drop;
        struct wire_rejoin rejoin;
        struct wire_stop stop;
        struct wire_bye bye;
        struct wire_returned returned;
    } as;
};

/* A report that is put together as batches end, all of one lease. All zero but for map and lease is
 * an empty one. */
struct wire_report_parts {
    uint64_t map;
    uint64_t lease;
    struct buffer message; /* its head, and the batches; empty where there is none */
    size_t count_at;       /* in it, of the number of batches */
    size_t batch_count;
    struct buffer failures;
    size_t failure_count;
    size_t message_size; /* of the last message: the next one has room for as much at once */
};

/* Add a batch and its failures; they are copied, and not again after that. */
MUST_CHECK enum status wire_report_add(struct wire_report_parts *parts,
                                       const struct report_batch *batch,
                                       const struct report_failure *failures, size_t failure_count);
/* Move out the message of all parts, at least one, and start again with none. */
MUST_CHECK enum status wire_report_finish(struct wire_report_parts *parts,
                                          struct buffer *message_out);
void wire_report_free(struct wire_report_parts *parts);

/* Append the message. Spans, texts and bytes are those that the views name. */
MUST_CHECK enum status wire_encode(const struct wire_message *message, struct buffer *out);

/* A unit whose inputs are appended to `out` by the caller, between the two calls: so that they are
 * not copied. Its own say nothing; `packed_size` and `skip` are those of wire_unit_end(). Where a
 * call fails, or the caller does, `out` holds no message. */
struct wire_unit_mark {
    size_t counts_at;
    size_t inputs_at;
};
MUST_CHECK enum status wire_unit_begin(const struct wire_unit *unit,
                                       struct wire_unit_mark *mark_out, struct buffer *out);
MUST_CHECK enum status wire_unit_end(const struct wire_unit_mark *mark, uint64_t packed_size,
                                     uint64_t skip, struct buffer *out);

MUST_CHECK enum status wire_decode(const uint8_t *data, size_t size, struct arena *arena,
                                   struct wire_message *message_out, struct error *err);

#endif
