/* channel.h - the memory that a rank shares with one executor: a batch over, its results back.
 *
 *     rank:      channel_put_batch ----> (wakes the executor) ... channel_take_result
 *     executor:  channel_claim, its attempt, channel_succeed or channel_fail, ... channel_finish
 *
 * Whatever an executor has finished is here at once: outputs are packed into the shared area as
 * they are made, and `done` counts them. So when it dies, the rank finds what is finished, and
 * which instance it was in: number `done` of the batch, if it has been claimed.
 *
 * Instances are run in order, so that `done` says which one is next, too. An instance is started
 * where it lies below `limit`, which the rank lowers to take back what has not started
 * (channel_trim()) while the executor runs.
 *
 * Why trimming is exact. The executor stores `done`, then loads `limit`; the rank stores `limit`,
 * then loads `done`. With a barrier between the two on either side, one of them sees the other. The
 * executor's barrier would cost more than a short attempt: where the kernel can, the rank makes it
 * for both (membarrier(2), a global expedited one). What the executor does while the rank is at it
 * cannot be told from its `done` alone: it may run that instance, or be about to look. So the limit
 * says "cutting" meanwhile, who sees that waits, and the rank then allows the instance.
 *
 * The rank believes nothing that it reads here: counts are checked against the areas, outputs are
 * walked before they count, and a channel that makes no sense is STATUS_PROTOCOL.
 *
 * The same memory, private, serves attempts that run in the rank itself (--isolation none).
 *
 * Ownership: the rank creates and destroys; an executor opens the same descriptor.
 * Threads:   one in each process.
 */
#ifndef WORKER_CHANNEL_H
#define WORKER_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/attempt_times.h"
#include "shared/buffer.h"
#include "shared/clock.h"
#include "shared/error.h"
#include "shared/formula.h"
#include "shared/report.h"
#include "shared/span.h"
#include "worker/capture.h"
#include "worker/slot_place.h"

#define CHANNEL_INSTANCE_COUNT_MAX 20000u
#define CHANNEL_SPAN_COUNT_MAX 64u
#define CHANNEL_TIMED_COUNT_MAX                                                                    \
    ATTEMPT_TIMES_COUNT_MAX                       /* of batches of more, no attempt is timed */
#define CHANNEL_INPUTS_SIZE_MAX ((size_t)5 << 30) /* of address space: one packed input fits */
#define CHANNEL_FAILURES_SIZE_MAX ((size_t)96 << 20)
#define CHANNEL_TEXT_SIZE_MAX 4096u
/* Of the message that defines a map: its formula, and the rest. */
#define CHANNEL_MAP_SIZE_MAX (FORMULA_PACKED_SIZE_MAX + ((size_t)1 << 20))
/* Past so many bytes of outputs a batch ends; the rest of it goes elsewhere. */
#define CHANNEL_OUTPUTS_SIZE_GOAL ((size_t)8 << 20)
/* Behind those, and before one more that is as large as it may be, is room for so many. */
#define CHANNEL_OUTPUTS_SIZE_SPARE ((size_t)256 << 10)
/* The same for what is kept of what attempts print. */
#define CHANNEL_KEPT_SIZE_GOAL ((size_t)8 << 20)
/* So many reports of the metric wait for the rank at most. */
#define CHANNEL_REPORT_COUNT_MAX ((size_t)8192)
/* The rank is about to change the limit. Less than any instance's number. */
#define CHANNEL_CUTTING INT64_MIN
#define CHANNEL_CANARY UINT64_C(0x6d61706674616e64)
#define CHANNEL_DAMAGED UINT64_C(0x64616d6167656421)

enum channel_setup { CHANNEL_SETTING_UP, CHANNEL_READY, CHANNEL_SETUP_FAILED };

struct channel_control {
    uint64_t canary;
    /* Written by the rank. */
    _Atomic uint32_t batch; /* number of the batch that was put last; 0: none */
    uint32_t span_count;
    uint64_t instance_count;
    uint64_t inputs_size;
    uint64_t mem;      /* bytes that an attempt of the batch may hold; 0: no bound */
    uint64_t map;      /* number of the map of which the batch is */
    uint64_t map_size; /* bytes of what defines it */
    uint32_t may_fold; /* where the map is reduced: its outputs are to be folded */
    uint32_t is_fold;  /* no batch: LZ4 frames of partial values are in `inputs`, for one of all */
    struct span spans[CHANNEL_SPAN_COUNT_MAX];
    _Atomic int64_t limit;      /* instances below it may be started; CHANNEL_CUTTING */
    uint32_t is_fenced;         /* executors have to make their barriers themselves */
    _Atomic uint32_t is_closed; /* nothing more will come: the executor may leave */
    struct slot_place place;    /* told once, before the executor is forked */
    /* Written by the executor. */
    _Atomic uint32_t setup; /* enum channel_setup */
    _Atomic uint32_t begun; /* number of the batch that was begun last, */
    _Atomic uint32_t ended; /* and that has ended last */
    _Atomic uint64_t done;  /* instances of the batch that have a result */
    /* Its next instance waits for files since then; and when the last one had them. By clock.h; 0:
     * none does, or has. */
    _Atomic uint64_t waits_us;
    _Atomic uint64_t staged_us;
    uint64_t began_us; /* when it began, and when it ended, by clock.h */
    uint64_t ended_us;
    /* When attempts ended, since it began; of a batch of at most so many. */
    uint64_t ends_us[CHANNEL_TIMED_COUNT_MAX];
    _Atomic uint32_t
        reads_place; /* an attempt of the batch asked for its index or the map's size */
    _Atomic uint64_t reports_put;         /* of the batch: reports of the metric that were made, */
    _Atomic uint64_t reports_taken;       /* by the rank: and those of them that it has taken */
    _Atomic uint32_t are_reports_watched; /* by the rank: it looks again soon, without a bell */
    uint64_t failures_used;               /* bytes; of the first `done` instances */
    uint64_t kept_used; /* bytes; of the first `done` instances, and perhaps of the next one */
    _Atomic uint32_t printed_lock; /* of printed.h; taken by both */
    uint64_t prints_used;          /* bytes; of the first `done` instances, perhaps of the next */
    uint64_t frame_size;           /* where ended: bytes of the compressed outputs */
    uint64_t partial_count;        /* where ended: partial values in the frame; 0: outputs */
    _Atomic uint32_t is_folding;   /* all attempts are over, and the reducer runs */
    uint32_t text_size;            /* of the setup's failure, or the reducer's */
    char text[CHANNEL_TEXT_SIZE_MAX];
    uint8_t success_bits[CHANNEL_INSTANCE_COUNT_MAX / 8];
};

/* One report of the metric, by the instance with this number in the batch. */
struct channel_report {
    uint64_t at;
    int64_t step;
    double value;
    uint64_t is_hint; /* it is no report, but was meant as one */
};

struct channel {
    int fd; /* -1 where private */
    size_t size;
    struct channel_control *control;
    uint8_t *failures;
    uint8_t *outputs;
    size_t outputs_size; /* of the area */
    uint8_t *frame;
    size_t frame_size;  /* of the area */
    uint8_t *kept;      /* what attempts have printed */
    uint8_t *prints;    /* what they have by mf_print(): a packed value for each instance */
    size_t prints_size; /* of the area */
    struct channel_report *reports; /* a ring */
    uint8_t *map;                   /* what defines the map of the batch */
    uint8_t *inputs;
    bool has_map;   /* the rank's side: one was put */
    bool is_fenced; /* the executor's side: no barrier of the rank's reaches this process */
};

/* `output_size_max` is that of one output. */
MUST_CHECK enum status channel_create(struct channel *channel, uint64_t output_size_max,
                                      bool is_shared, struct error *err);
/* In the executor. */
MUST_CHECK enum status channel_open(struct channel *channel, int fd, uint64_t output_size_max,
                                    struct error *err);
void channel_destroy(struct channel *channel);

/* ---- The rank's side ---- */

/* The next batches are of this map: its number, and what defines it, at most CHANNEL_MAP_SIZE_MAX
 * bytes. Where it is the same as that of the last ones, nothing is copied. */
void channel_put_map(struct channel *channel, uint64_t map, const uint8_t *bytes, size_t size);
void channel_put_batch(struct channel *channel, const struct span *spans, size_t span_count,
                       uint64_t instance_count, const uint8_t *inputs, size_t inputs_size);
/* No instances, but frames of partial values to fold into one, behind each other; at most
 * CHANNEL_INPUTS_SIZE_MAX bytes. */
void channel_put_fold(struct channel *channel, const struct buffer *frames);
/* What came of it; false where nothing did. It points into the channel. */
bool channel_take_fold(const struct channel *channel, const uint8_t **frame_out,
                       size_t *frame_size_out);
/* Has the batch ended that was put last? */
bool channel_has_ended(const struct channel *channel);
/* Take back what has not started: gives how many instances of the batch stay. Unbelieved. */
uint64_t channel_trim(struct channel *channel);
/* Instances that were started, and that have a result. Unbelieved. */
uint64_t channel_claimed(const struct channel *channel);
uint64_t channel_done(const struct channel *channel);
/* When the executor began the batch, which was put at `put_us`; `now_us` where it has not. Not when
 * the batch was put: on a busy machine an executor wakes long after that, and tasks would seem to
 * be long. */
uint64_t channel_began_us(const struct channel *channel, uint64_t put_us, uint64_t now_us);
/* How long it has been running the batch, or has run it. */
uint64_t channel_ran_us(const struct channel *channel, uint64_t put_us, uint64_t now_us);

/* Does the instance that was started last wait for its files? Unbelieved. */
static inline bool channel_waits(const struct channel *channel)
{
    return atomic_load(&channel->control->waits_us) != 0;
}
/* When the last one that had waited went on; 0: none has. Unbelieved. */
static inline uint64_t channel_staged_us(const struct channel *channel)
{
    return atomic_load(&channel->control->staged_us);
}

/* How long each of the first `count` instances took, as attempt_times_pack() writes it, of a batch
 * that ran `elapsed_us`: those that have no end yet end with it. Gives the bytes; 0: not known, or
 * not worth it. */
size_t channel_take_times(const struct channel *channel, uint64_t count, uint64_t elapsed_us,
                          uint8_t out[ATTEMPT_TIMES_COUNT_MAX * ATTEMPT_TIME_SIZE_MAX]);

/* What the first instances of the batch came to. The views point into the channel. */
struct channel_result {
    uint64_t instance_count;
    uint64_t success_count;
    const uint8_t *success_bits;
    const uint8_t *outputs; /* packed, of the successes */
    size_t outputs_size;
    const uint8_t *frame; /* the same, compressed; NULL where the executor has died */
    size_t frame_size;
    uint64_t partial_count; /* of partial values in the frame instead; 0: outputs */
};

/* The instance of the batch in which the executor found its channel written over; UINT64_MAX where
 * it did not tell. Unbelieved. */
uint64_t channel_blamed(const struct channel *channel);

/* Did an attempt of the batch ask for its place in the map? Unbelieved. */
static inline bool channel_reads_place(const struct channel *channel)
{
    return atomic_load_explicit(&channel->control->reads_place, memory_order_relaxed) != 0;
}

/* Had the executor ended its attempts, and was in the reducer? Unbelieved. */
static inline bool channel_is_folding(const struct channel *channel)
{
    return atomic_load(&channel->control->is_folding) != 0;
}

/* What the reducer said of its failure, cut; of an ended batch. */
void channel_fold_error(const struct channel *channel, struct error *err);

/* Failures are appended by a callback, since their texts stay in the channel. */
typedef void channel_take_failure(void *context, const struct report_failure *failure);

/* Of at most the first `count_max` instances. STATUS_PROTOCOL when what stands in the channel makes
 * no sense. */
MUST_CHECK enum status channel_take_result(const struct channel *channel, uint64_t count_max,
                                           bool has_died, channel_take_failure *take_failure,
                                           void *context, struct channel_result *result_out,
                                           struct error *err);

/* What instance number `at` of the batch printed, standard output before error, as far as it is
 * kept. */
struct channel_kept {
    uint64_t at;
    const uint8_t *text;
    size_t sizes[STDIO_STREAM_COUNT];
    uint64_t left_out[STDIO_STREAM_COUNT];
};
typedef void channel_take_kept_one(void *context, const struct channel_kept *kept);

/* Of the first `count` instances, in order. STATUS_PROTOCOL when it makes no sense; what came
 * before that was given. */
MUST_CHECK enum status channel_take_kept(const struct channel *channel, uint64_t count,
                                         channel_take_kept_one *take, void *context);

/* What the first `count` instances have printed by mf_print(): a packed value for each, bytes or
 * nil. No bytes where that is not wanted. STATUS_PROTOCOL when it makes no sense, or is of fewer.
 */
MUST_CHECK enum status channel_take_prints(const struct channel *channel, uint64_t count,
                                           const uint8_t **data_out, size_t *size_out);

/* Reports of the metric that have come since the last call: at most `count_max` of them.
 * Unbelieved; none where their counts make no sense. */
size_t channel_take_reports(struct channel *channel, struct channel_report *reports_out,
                            size_t count_max);
/* The rank looks again soon, or is to be woken. Reports that came before it said the second may be
 * there without a bell, and are to be looked for once more. */
void channel_watch_reports(struct channel *channel, bool are_watched);
static inline bool channel_are_reports_watched(const struct channel *channel)
{
    return atomic_load_explicit(&channel->control->are_reports_watched, memory_order_relaxed) != 0;
}

/* ---- The executor's side ---- */

/* The executor has the batch that was put last. */
void channel_begin(struct channel *channel);
/* The limit is being changed: wait for it. */
bool channel_claim_slowly(const struct channel *channel, uint64_t at);

/* May instance number `at`, of which all before have a result, be started? */
static inline bool channel_claim(const struct channel *channel, uint64_t at)
{
    if (channel->is_fenced) {
        atomic_thread_fence(memory_order_seq_cst);
    } else {
        atomic_signal_fence(memory_order_seq_cst); /* the rank makes it for both */
    }
    return (int64_t)at < atomic_load_explicit(&channel->control->limit, memory_order_relaxed) ||
           channel_claim_slowly(channel, at);
}

/* Start nothing more of the batch. */
static inline void channel_stop(struct channel *channel)
{
    const uint64_t done = atomic_load_explicit(&channel->control->done, memory_order_relaxed);
    atomic_store(&channel->control->limit, (int64_t)done);
}

/* Tell the rank in which instance the channel was written over. */
static inline void channel_blame(struct channel *channel, uint64_t at)
{
    atomic_store(&channel->control->done, at);
    channel->control->canary = CHANNEL_DAMAGED;
}

/* Nobody has written over the channel's head, and the batch is where this process believes. */
static inline bool channel_is_sound(const struct channel *channel, uint64_t done)
{
    const struct channel_control *control = channel->control;
    return control->canary == CHANNEL_CANARY &&
           atomic_load_explicit(&control->done, memory_order_relaxed) == done;
}

/* Bits are all set when the batch starts, and a failure clears its own. */
static inline void channel_succeed(struct channel *channel, uint64_t at)
{
    atomic_store_explicit(&channel->control->done, at + 1, memory_order_release);
}

/* Instance number `at` of a batch of at most CHANNEL_TIMED_COUNT_MAX has ended just now. */
static inline void channel_note_end(struct channel *channel, uint64_t at)
{
    struct channel_control *control = channel->control;
    control->ends_us[at % CHANNEL_TIMED_COUNT_MAX] = clock_us() - control->began_us;
}

static inline void channel_note_place(struct channel *channel)
{
    atomic_store_explicit(&channel->control->reads_place, 1, memory_order_relaxed);
}

/* The instance that was started waits for its files, or goes on. */
static inline void channel_wait(struct channel *channel, uint64_t now_us, bool waits)
{
    if (!waits) {
        atomic_store(&channel->control->staged_us, now_us);
    }
    atomic_store(&channel->control->waits_us, waits ? now_us : 0);
}

void channel_fail(struct channel *channel, uint64_t at, const struct report_failure *failure);

static inline bool channel_is_closed(const struct channel *channel)
{
    return atomic_load(&channel->control->is_closed) != 0;
}

/* Room for what one attempt has printed: CAPTURE_SIZE_MAX for each stream. NULL where there is
 * none, because somebody has written over the channel. */
uint8_t *channel_room_to_keep(struct channel *channel);
/* Keep what stands there. Before the instance succeeds or fails. */
void channel_keep(struct channel *channel, uint64_t at, const size_t sizes[STDIO_STREAM_COUNT],
                  const uint64_t left_out[STDIO_STREAM_COUNT]);
/* Is so much kept that the batch should end? */
static inline bool channel_keeps_much(const struct channel *channel)
{
    return channel->control->kept_used > CHANNEL_KEPT_SIZE_GOAL ||
           channel->control->prints_used > CHANNEL_OUTPUTS_SIZE_GOAL;
}

/* What the next instance without a result has printed by mf_print(); NULL: nothing was said. Before
 * it succeeds or fails, for each, or for none of the batch. */
void channel_put_print(struct channel *channel, const uint8_t *data, size_t size);

/* Make a report. Where the rank has fallen behind, this waits for it; without a rank beside this
 * process, the newest takes the place of the one before. Gives whether the rank is to be woken. */
MUST_CHECK bool channel_put_report(struct channel *channel, const struct channel_report *report);

/* Successes of the batch so far. */
uint64_t channel_successes(const struct channel *channel);
static inline bool channel_may_fold(const struct channel *channel)
{
    return channel->control->may_fold != 0;
}
/* Around the reducer. The frame will hold so many partial values; 0: it has failed, with that text,
 * and the frame will hold outputs. */
void channel_begin_fold(struct channel *channel);
void channel_end_fold(struct channel *channel, uint64_t partial_count, const char *text);

/* The batch has ended; its frame is in place. */
void channel_finish(struct channel *channel, uint32_t batch, size_t frame_size);

#endif
