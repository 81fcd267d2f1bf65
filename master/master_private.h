/* master_private.h - what the files of the master share.
 *
 *     master.c         life; messages in, turns, units out
 *     master_map.c     life of the maps
 *     master_maps.c    those that are begun, ended and dropped while the run runs
 *     master_start.c   START, READY, and the making of the run
 *     master_fetch.c   the job, to ranks that lack it
 *     master_report.c  what workers report, into the ledger and the log
 *     master_metrics.c what trials report while they run: record, stopping early, target
 *     master_cache.c   memoised outputs: hits, and instances that wait for an equal one
 *     master_record.c  what was recorded, on its way to the disk
 *     master_lost.c    ranks that are lost, and those that come back
 *     master_stop.c    ending early: signals, the time limit
 *     master_unit.c    the message of a unit
 *     master_end.c     the verdict, STOP, and giving up
 *
 * struct master is the session: ranks, log, endings. What belongs to one map alone is in a struct
 * master_map, and functions that are about one map take both.
 */
#ifndef MASTER_MASTER_PRIVATE_H
#define MASTER_MASTER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/cache.h"
#include "master/deadline.h"
#include "master/failures.h"
#include "master/fleet.h"
#include "master/frame_list.h"
#include "master/ledger.h"
#include "master/master.h"
#include "master/master_maps.h"
#include "master/placement.h"
#include "master/presence.h"
#include "master/record.h"
#include "master/run_log.h"
#include "master/scheduler.h"
#include "master/tally.h"
#include "shared/buffer.h"
#include "shared/report.h"

#define EXIT_FAILED 1
#define EXIT_REFUSED 2
#define EXIT_RESUMABLE 75
#define MAP_NUMBER 0 /* of the map that is the whole run */

enum master_state {
    MASTER_STARTING,
    MASTER_RUNNING,
    MASTER_CONCLUDING,
    MASTER_ENDING,
    MASTER_OVER
};

/* RUNNING --done--> CLOSING --its end is written, its cache closed--> OVER --told--> TOLD. A map
 * that is the whole run stays RUNNING, since its end is the run's. */
enum master_map_state { MAP_RUNNING, MAP_CLOSING, MAP_OVER, MAP_TOLD };

/* One map of the run. What it points at and does not own outlives it. */
struct master_map {
    enum master_map_state state;
    uint64_t number; /* within the run */
    const char *task;
    struct map_options options;
    struct inputs *inputs;
    uint64_t minimum;                          /* successes that it needs */
    const char *reducer;                       /* of its outputs; NULL: they are not reduced */
    const struct cache_options *cache_options; /* NULL: outputs are not kept */
    struct cache *cache;                       /* NULL: none */
    struct scheduler *scheduler;
    struct failures *failures;
    struct placement placement; /* ranks that are too small for the task */
    struct tally tally;
    struct ledger_counts recorded; /* as they were when the record was last written out */
    bool is_ordered;               /* of the reducer */
    bool is_cancelled;             /* by master_map_cancel() */
    bool have_joined;              /* the ranks that are there */
    bool is_settling;              /* it is done, but for outputs that the cache shares */
    bool is_target_reached;        /* no new trial starts */
    bool has_reports;              /* some trial has reported, in this session */
    bool is_hint_told;             /* that something was meant as a report, and is none */
    bool is_silence_told;          /* that a trial has succeeded without a report */
    uint64_t settle_us; /* where settling: what is not shared by then is not waited for */
    const struct metric_options *metric; /* NULL: none */
    struct trial_metrics *metrics;       /* NULL: none */
    struct wire_cancel cancel;           /* how attempts are ended when the map ends */
    /* Of a run of several maps: */
    struct frame_list frames; /* where its outputs are */
    const struct log_index *earlier;
    enum master_map_verdict verdict;
    uint64_t end_mark;           /* its end is written when so much of the log is */
    struct map_closing *closing; /* its cache is closed beside the loop; NULL: it is not */
    struct ledger_counts counts; /* when it has ended */
};

struct master {
    struct master_options options;
    enum master_state state;
    struct master_map **maps; /* those that run, as they were begun */
    size_t map_count;
    size_t map_capacity;
    struct master_map **ended; /* as they ended, until they are dropped */
    size_t ended_count;
    size_t ended_capacity;
    struct ledger_counts past; /* of all that have ended */
    uint64_t past_size;        /* instances of them */
    struct tally past_tally;
    struct failures *no_failures; /* where there is no map whose failures could be told */
    bool is_finishing;            /* by master_finish() */
    int finish_status;
    int cache_events; /* an epoll of the maps' caches; -1: there is none */
    struct run_log *log;
    struct log_sync *sync; /* of the log */
    struct run_lock *lock; /* of the run directory */
    uint64_t paused_us;    /* since when the record can't be written; 0: it can */
    uint64_t pause_us_max; /* a pause ends then, however long it has been; UINT64_MAX: not */
    uint64_t unkept_us;    /* since when files of attempts can't be kept there; 0: they can */
    uint64_t hold_us;      /* nothing is handed out before */
    uint64_t turn_us;      /* of the last turn */
    uint64_t wake_us;      /* when to look again; UINT64_MAX: at the next message */
    uint64_t sync_mark;    /* --sync always: so much of the log has to be on disk ... */
    bool is_sync_awaited;  /* ... before anything is acted upon */
    bool is_end_recorded;
    bool *is_waited_for; /* by rank: READY while starting, BYE while ending */
    uint32_t waited_count;
    uint32_t *slots;           /* by rank, as READY said; 0: it is not in the run */
    struct resources *offered; /* by rank, likewise */
    struct presence *presence; /* which of them are there */
    uint64_t *sent_us;         /* by rank: when it was last sent something */
    uint64_t *arrivals;        /* by rank: as last seen (transport_arrivals()) */
    uint64_t pulse_us;         /* when they are next told that rank 0 lives */
    struct buffer lost;        /* for people: the first ranks that were lost, and how */
    uint32_t lost_count;
    char *refusal;          /* the first rank that cannot work, and why */
    char *setup_failure;    /* the first rank on which the job's setup failed, and why */
    uint64_t *fetches;      /* by rank: 1 + the offset that it asks the job's bytes from; 0: none */
    uint32_t fetch_count;   /* ranks that ask */
    uint32_t fetch_rank;    /* who was answered last */
    struct fleet fleet;     /* what there is to work with, said at the start */
    uint32_t present_count; /* workers that are in the run */
    int exit_status;
    bool is_clean;
    bool is_stopped;     /* early: see master_stop.c */
    bool has_begun;      /* an attempt, in this session, as far as was heard */
    bool is_held;        /* the deadline is near, and nothing has begun yet */
    uint64_t started_us; /* when the first unit could go out */
    uint64_t ending_us;
    uint64_t leave_us_max; /* how long the others have to leave, from ending_us on */
    uint64_t give_up_us;   /* where stopped: who has not answered by then is not waited for */
    struct deadline deadline;
    struct progress *progress; /* NULL: none is shown */
    uint64_t wall_ms_before;   /* of earlier sessions */
    struct buffer packed;      /* inputs of the unit being sent, or of a batch */
    struct ledger_fate *fates; /* of the report being taken */
    struct record_outcome *outcomes;
    size_t fate_capacity;
    struct report_batch *taken; /* batches of the report that were accepted */
    struct span *taken_spans;   /* of second copies among them: as they are recorded */
    size_t taken_capacity;
    struct report_failure *taken_failures;
    size_t taken_failure_capacity;
    struct record_metric *metrics; /* to be recorded, before what has gathered else */
    size_t metric_count;
    size_t metric_capacity;
    struct record_stop *stops; /* likewise */
    size_t stop_count;
    size_t stop_capacity;
};

/* ---- master.c ---- */

/* Is this rank one that works? */
bool master_is_worker(const struct master *master, uint32_t rank);
MUST_CHECK enum status master_send(struct master *master, uint32_t rank,
                                   const struct wire_message *message, struct error *err);
/* To every worker that is there. Nothing is ever sent to one that was lost. */
MUST_CHECK enum status master_send_to_workers(struct master *master,
                                              const struct wire_message *message,
                                              struct error *err);
/* Wait for an answer of every worker that is there. */
void master_wait_for_all(struct master *master);
void master_heard_from(struct master *master, uint32_t rank);

/* ---- master_map.c ---- */

/* At the end of master->maps. Replay and failures are moved to it, whatever comes of this. */
MUST_CHECK enum status master_map_create(struct master *master,
                                         const struct master_map_options *options,
                                         struct master_map **map_out);
void master_map_destroy(struct master_map *map); /* with its cache */
/* All of them. */
void master_maps_destroy(struct master *master);
/* NULL where no map of that number runs. */
struct master_map *master_map_of(const struct master *master, uint64_t number);
/* What workers are told of it. */
struct wire_map master_map_wire(const struct master_map *map);
MUST_CHECK enum status master_send_map(struct master *master, uint32_t rank,
                                       const struct master_map *map, struct error *err);
/* Those that are ready may be given work of it. */
void master_map_join(struct master *master, struct master_map *map);
/* Of all maps together, as they were when the record was last written out. */
struct ledger_counts master_recorded(const struct master *master);
void master_note_recorded(struct master *master);
/* One has ended: it counts among those. */
void master_add_past(struct master *master, const struct master_map *map);

/* Attempts of it that a rank holds at once. */
uint32_t master_map_slots(const struct master *master, const struct master_map *map, uint32_t rank);

/* ---- master_maps.c ---- */

static inline bool master_is_one_map(const struct master *master)
{
    return master->options.inputs != NULL;
}

/* A cache that was closed beside the loop is. */
void master_map_finish_closing(struct master_map *map);
/* It is done, or the run does not wait for it: its end is recorded. */
MUST_CHECK enum status master_map_conclude(struct master *master, struct master_map *map,
                                           struct error *err);
/* The record is written out: tell of those that have ended. Concludes a run that is over. */
void master_maps_turn(struct master *master, uint64_t now_us, bool *did_something);
/* Something has been recorded of it: where outputs are. */
MUST_CHECK enum status master_map_note_frames(struct master *master, struct master_map *map,
                                              const struct report *report, struct error *err);
/* When there is something to look at without any event; UINT64_MAX: not. */
uint64_t master_maps_look_us(const struct master *master);

/* ---- master_start.c ---- */

/* Take up what earlier sessions have left of a map, which goes on with this record. */
void master_take_up(struct master *master, struct master_map *map, struct replay *replay,
                    const struct record *start);
/* The session's first record, of this map, or of the run (NULL). */
struct record master_start_record(const struct master *master, const struct master_map *map);

MUST_CHECK enum status master_on_ready(struct master *master, uint32_t rank,
                                       const struct wire_ready *ready, uint64_t now_us,
                                       struct error *err);

/* Every rank has answered, or was lost: begin, or leave without a trace. */
MUST_CHECK enum status master_begin(struct master *master, uint64_t now_us, struct error *err);

/* ---- master_fetch.c ---- */

void master_on_fetch(struct master *master, uint32_t rank, const struct wire_fetch *fetch);
/* Answer those that ask, as far as messages are on their way. */
MUST_CHECK enum status master_serve_fetches(struct master *master, bool *did_something,
                                            struct error *err);

/* ---- master_cache.c ---- All do nothing where outputs are not kept. */

MUST_CHECK enum status master_cache_create(struct master_map *map);
/* Those that ended in earlier sessions are not looked up: to be told before the start. */
void master_cache_skip(struct master_map *map, const struct history *history);
/* Look up all inputs; the workers join when that is done. False where there is nothing to wait
 * for. */
MUST_CHECK bool master_cache_start(struct master_map *map);
/* Take what the cache has found. Fails where the log does. */
MUST_CHECK enum status master_cache_turn(struct master *master, struct master_map *map,
                                         bool *did_something, struct error *err);
/* Are outputs that have come yet to be shared with those that were held for them? */
bool master_cache_is_sharing(const struct master_map *map);
void master_cache_take_batch(struct master *master, struct master_map *map,
                             const struct report_batch *batch);
/* To be told of every failure that a worker reports. Fails where the log does. */
MUST_CHECK enum status master_cache_take_failure(struct master *master, struct master_map *map,
                                                 const struct report_failure *failure,
                                                 const struct ledger_fate *fate, struct error *err);
/* To be told of every failure that comes of the loss of a worker. */
void master_cache_take_loss(struct master *master, struct master_map *map, uint64_t index,
                            const struct ledger_fate *fate);

/* ---- master_report.c ---- */

/* Fails where the log does. */
MUST_CHECK enum status master_on_report(struct master *master, struct master_map *map,
                                        uint32_t rank, const struct report *report, uint64_t now_us,
                                        struct error *err);
void master_on_returned(struct master_map *map, uint32_t rank, const struct wire_returned *returned,
                        uint64_t now_us);

/* ---- master_metrics.c ---- All do nothing where the map has no metric. */

MUST_CHECK enum status master_metrics_create(struct master *master, struct master_map *map);
void master_metrics_free(struct master *master); /* what is to be recorded */
/* Say what ends trials, at the start. */
void master_metrics_say(const struct master_map *map);
/* Reports of running attempts. Fails where the log does. */
MUST_CHECK enum status master_on_metrics(struct master *master, struct master_map *map,
                                         uint32_t rank, const struct wire_metrics *metrics,
                                         struct error *err);
/* A batch has been taken: what has become of its trials. `failures` have their outcomes. */
void master_metrics_take_batch(struct master *master, struct master_map *map,
                               const struct report_batch *batch,
                               const struct report_failure *failures,
                               const struct record_outcome *outcomes);
/* An attempt was lost with its rank. */
void master_metrics_take_loss(struct master_map *map, uint64_t index,
                              const struct ledger_fate *fate);
/* What is to be recorded of that, before the batch is. */
MUST_CHECK enum status master_metrics_record(struct master *master, const struct master_map *map,
                                             uint32_t rank, struct error *err);
/* Once its target is reached, no new trial starts. */
void master_metrics_mind_target(struct master_map *map);

/* ---- master_lost.c ---- */

/* A message has come. Does it count, or is it of a rank that was lost? */
MUST_CHECK enum status master_hear(struct master *master, uint32_t rank,
                                   const struct wire_message *message, uint64_t now_us,
                                   bool *counts_out, struct error *err);
MUST_CHECK enum status master_on_bye(struct master *master, uint32_t rank,
                                     const struct wire_bye *bye, uint64_t now_us,
                                     struct error *err);
/* See who is lost by now, and let the others know that rank 0 lives. */
MUST_CHECK enum status master_mind_ranks(struct master *master, uint64_t now_us,
                                         bool *did_something, struct error *err);
/* The same, before something that may take long and cannot be interrupted. */
MUST_CHECK enum status master_announce_quiet(struct master *master, struct error *err);
/* A rank is ready again that was lost. */
void master_take_back(struct master *master, uint32_t rank, const struct wire_ready *ready);

/* ---- master_record.c ---- */

/* Write out what was recorded. *may_act_out: it is where it has to be before anything is done that
 * builds on it. While it can't be, the run pauses, and at last gives up. */
MUST_CHECK enum status master_write_out(struct master *master, uint64_t now_us, bool *may_act_out,
                                        struct error *err);
/* The run directory can't be written, for this reason: wait, or give up: after its patience, or
 * when the time of the session or the grace of an interruption is over. */
MUST_CHECK enum status master_pause(struct master *master, const char *reason, uint64_t now_us,
                                    struct error *err);
/* When a pause must end; UINT64_MAX where there is none. */
uint64_t master_pause_end_us(const struct master *master);
/* It can. */
void master_go_on(struct master *master);
/* The same for files of attempts, which workers put there: nothing is handed out for a moment. Then
 * it is, since who alone can tell whether there is room is an attempt. */
MUST_CHECK enum status master_hold(struct master *master, const char *reason, uint64_t now_us,
                                   struct error *err);

/* ---- master_stop.c ---- */

/* Stop where the deadline is near, conclude where a stop has lasted for too long. */
void master_mind_the_time(struct master *master, uint64_t now_us);
/* Nobody is left to work. */
MUST_CHECK enum status master_stop_without_ranks(struct master *master, uint64_t now_us,
                                                 struct error *err);
/* When it has something to do without any event. */
uint64_t master_time_us(const struct master *master);

/* ---- master_progress.c ---- */

void master_begin_progress(struct master *master, uint64_t now_us);
void master_show_progress(struct master *master, uint64_t now_us); /* if it is due */
void master_end_progress(struct master *master, uint64_t now_us);

/* ---- master_unit.c ---- */

MUST_CHECK enum status master_send_unit(struct master *master, struct master_map *map,
                                        const struct scheduler_action *action, struct error *err);

/* ---- master_end.c ---- */

/* Tell every worker to leave. Nothing that follows can change the exit status. */
MUST_CHECK enum status master_end(struct master *master, int exit_status, uint64_t now_us,
                                  struct error *err);
/* The map that is the run is done, or was stopped: the verdict is on disk before anybody hears of
 * it. */
void master_conclude(struct master *master, uint64_t now_us);
MUST_CHECK enum status master_conclude_turn(struct master *master, uint64_t now_us,
                                            struct error *err);
/* The run cannot go on here: it ends without a verdict, and can be resumed. */
MUST_CHECK enum status master_give_up(struct master *master, const char *reason, uint64_t now_us,
                                      struct error *err);

#endif
