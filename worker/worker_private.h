/* worker_private.h - what the files of a worker rank share.
 *
 *     worker.c         life; messages in, turns
 *     worker_start.c   START, READY: the job is loaded, and a first executor set up
 *     worker_fetch.c   a job that is not here is sent by rank 0
 *     worker_maps.c    the maps of the run: what defines them, and whose turn it is
 *     worker_run.c     batches out of units, and their results
 *     worker_fold.c    partial values of several batches become one
 *     worker_report.c  what is sent to the master
 *     worker_metrics.c what running attempts report, to the master
 *     worker_leave.c   ending attempts, and leaving
 *     worker_lost.c    rank 0 is lost, or has taken this rank for lost; it cannot go on
 */
#ifndef WORKER_WORKER_PRIVATE_H
#define WORKER_WORKER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/extremes.h"
#include "shared/job.h"
#include "worker/job_place.h"
#include "worker/offer.h"
#include "worker/prefetch.h"
#include "worker/unit_queue.h"
#include "worker/worker.h"

#define MASTER_RANK 0
#define WORKER_LEAVE_US_MAX 1000000

/* The drawing of worker.h. OUT: it has left the run, and waits to be told to end. */
enum worker_state {
    WORKER_WAITING,
    WORKER_PREPARING,
    WORKER_READY,
    WORKER_RESETTING,
    WORKER_OUT,
    WORKER_LEAVING,
    WORKER_GONE
};

/* A job that is sent: looked for in its place, until a rank of the node has brought it there. */
enum fetch_state { FETCH_NONE, FETCH_LOOKING, FETCH_BRINGING, FETCH_DONE };

/* A report of its metric by an attempt of this map. */
struct worker_metric {
    uint64_t map;
    struct wire_metric report;
};

/* Batches of a map that is reduced, whose partial values may become one before they are reported.
 */
struct held_batch;
struct worker_held {
    struct held_batch **batches;
    size_t count;
    size_t capacity;
    size_t size;         /* bytes of their frames */
    uint64_t since_us;   /* when the oldest came */
    size_t folding;      /* the first so many are being folded; 0: none is waited for */
    size_t folding_size; /* bytes of their frames */
    bool is_at_work;     /* a fold of them has not ended yet */
    bool is_waiting;     /* their time has come, and there was no slot to fold them in */
};

/* One map, from MAP to DROP. */
struct worker_map {
    struct arena arena; /* of `message` */
    struct wire_message message;
    struct buffer bytes; /* the same, encoded */
    struct pool_map pooled;
    struct unit_queue queue;
    struct worker_held held;
    uint32_t fit;            /* attempts of it that this rank holds at once */
    double instance_us;      /* moving mean of an instance's duration; 0: none seen */
    uint64_t batch_grown;    /* instances that a batch may have by now */
    bool is_steady;          /* the last batch came to its end, whole */
    uint64_t waits_since_us; /* it was its turn, and there was no room; 0: it does not wait */
    uint64_t started;        /* number of its last batch, over all maps */
    uint64_t round;          /* of worker_next_map(), in which it last had its turn */
    bool is_dropped;         /* its batches are waited for, and count no more */
    struct worker_map *next; /* a younger one */
};

struct worker {
    struct transport *transport;
    struct zygote *zygote; /* the caller's; NULL: none */
    enum worker_state state;
    enum fetch_state fetch;
    struct arena arena; /* of `start` */
    struct buffer start_bytes;
    struct wire_message start; /* views into these bytes */
    uint64_t preparing_us;     /* since when the zygote loads the job ... */
    uint64_t prepare_us_max;   /* ... and how long it may */
    struct job_place *place;   /* of a job that is sent; NULL: none is */
    uint64_t fetched_size;     /* bytes of it that are here, where this rank brings it */
    uint64_t fetch_us;         /* when some of them last came, or it was last seen to come */
    uint64_t look_us;          /* when to look for it again */
    struct job *job;           /* where attempts run in the rank itself */
    struct offer offer;        /* since START */
    struct pool *pool;
    struct prefetch *prefetch; /* NULL: no file is fetched here ahead of its attempt */
    struct worker_map *maps;   /* by age */
    uint64_t started;          /* number of its last batch, over all maps */
    uint64_t round;            /* of worker_next_map(), and maps looked at in it */
    uint64_t batch_count_ever;
    uint32_t looked_at;
    struct wire_report_parts *reports; /* one a lease that has something to tell */
    size_t report_count;
    size_t report_capacity;
    struct worker_metric *metrics; /* of running attempts, yet to leave */
    size_t metric_count;
    size_t metric_capacity;
    uint64_t metrics_us;  /* when some last left */
    uint64_t reported_us; /* when reports last left */
    uint64_t beat_us;     /* when the last beat left */
    uint64_t leaving_us;
    uint64_t life;             /* number of the last REJOIN */
    bool is_started;           /* START has come: beats leave from then on */
    uint64_t beat_interval_us; /* since START */
    uint64_t silence_us_max;   /* of rank 0; 0: it tells nothing */
    uint64_t master_heard_us;  /* when rank 0 was last heard of, or its silence began to count */
    uint64_t quiet_until_us;   /* rank 0 has said that it may be silent until then */
    const char *master_end;    /* what is known of its end; NULL: it has come to none */
    uint64_t master_ended_us;  /* when */
    uint64_t master_arrivals;  /* as last seen (transport_arrivals()) */
    bool is_master_watched;    /* its process is, so that its silence tells nothing */
    uint64_t turn_us;          /* of the last turn */
    bool is_orphaned;          /* it leaves because rank 0 is lost */
    bool is_stop_clean;        /* as STOP said */
    bool is_begin_told;        /* the first attempt of this rank, by a beat */
    bool is_begin_awaited;     /* a batch was started, and one is to be told when it has begun */
};

/* ---- worker_report.c ---- */

MUST_CHECK enum status worker_send(struct worker *worker, const struct wire_message *message,
                                   struct error *err);
MUST_CHECK enum status worker_send_ready(struct worker *worker, const char *refusal,
                                         bool is_setup_failure, struct error *err);
/* The report of a lease, to which batches are added until it is sent. */
struct wire_report_parts *worker_report_of(struct worker *worker, uint64_t map, uint64_t lease);
/* Are results that gather to leave now? And how long from one report to the next? */
bool worker_is_report_due(const struct worker *worker, uint64_t now_us);
uint64_t worker_report_pause_us(const struct worker *worker);
MUST_CHECK enum status worker_send_reports(struct worker *worker, uint64_t now_us,
                                           struct error *err);
/* The same of all that has ended, also of what is held. */
MUST_CHECK enum status worker_report_all(struct worker *worker, uint64_t now_us, struct error *err);
MUST_CHECK enum status worker_send_beat(struct worker *worker, uint64_t now_us, struct error *err);

/* ---- worker_metrics.c ---- */

/* Take what the pool has seen. */
void worker_take_metrics(struct worker *worker);
/* Send what has gathered: when it is due, or at once. */
MUST_CHECK enum status worker_send_metrics(struct worker *worker, uint64_t now_us,
                                           struct error *err);
MUST_CHECK enum status worker_metrics_turn(struct worker *worker, uint64_t now_us,
                                           bool *did_something, struct error *err);
/* When they are due; UINT64_MAX: there are none. */
uint64_t worker_metrics_deadline_us(const struct worker *worker);

/* The same of one map, of which nothing waits to be started. */
uint64_t worker_map_pause_us(const struct worker *worker, const struct worker_map *map);

/* ---- worker_fold.c ---- */

/* Is this batch held, to be reported with others? */
bool worker_hold(struct worker_map *map, const struct pool_result *ended, uint64_t now_us);
/* Put those whose time has come together, or into reports. */
MUST_CHECK enum status worker_fold_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                                        struct error *err);
/* What the pool made of them. */
MUST_CHECK enum status worker_take_fold(struct worker *worker, struct worker_map *map,
                                        const struct pool_result *ended, uint64_t now_us,
                                        struct error *err);
/* All go into reports as they are. */
MUST_CHECK enum status worker_release_held(struct worker *worker, uint64_t now_us,
                                           struct error *err);
/* Forget them. */
void worker_free_held(struct worker_map *map);
uint64_t worker_held_deadline_us(const struct worker *worker);

/* ---- worker_start.c ---- */

MUST_CHECK enum status worker_on_start(struct worker *worker, const struct wire_message *message,
                                       uint64_t now_us, struct error *err);
MUST_CHECK enum status worker_prepare_turn(struct worker *worker, uint64_t now_us,
                                           bool *did_something, struct error *err);

/* Load the job: by the zygote, whose answer is waited for in worker_prepare_turn(), or here. Where
 * it lies: "", where START says. */
MUST_CHECK enum status worker_load_job(struct worker *worker, const char *library, uint64_t now_us,
                                       struct error *err);

/* ---- worker_fetch.c ---- */

/* The job is not here: have it sent, where START says so. Else, or where this fails, `reason`
 * becomes the refusal. */
MUST_CHECK enum status worker_fetch(struct worker *worker, uint64_t now_us, struct error *reason);
/* PREPARING, and not loading: fails with the refusal. */
MUST_CHECK enum status worker_fetch_turn(struct worker *worker, uint64_t now_us,
                                         bool *did_something, struct error *reason);
bool worker_is_fetching(const struct worker *worker);
uint64_t worker_fetch_deadline_us(const struct worker *worker);
MUST_CHECK enum status worker_on_library(struct worker *worker, const struct wire_library *library,
                                         uint64_t now_us, struct error *err);
/* Ask once more: what was asked for may not have been heard. */
MUST_CHECK enum status worker_fetch_again(struct worker *worker, struct error *err);

/* ---- worker_maps.c ---- */

MUST_CHECK enum status worker_add_map(struct worker *worker, const struct wire_map *from,
                                      struct error *err);
MUST_CHECK enum status worker_on_map(struct worker *worker, const struct wire_map *map,
                                     struct error *err);
/* The job is loaded here: those that came before it are found in it. */
MUST_CHECK enum status worker_load_maps(struct worker *worker, struct error *err);
void worker_on_drop(struct worker *worker, const struct wire_drop *dropped);
/* All of them, as by DROP. */
void worker_drop_maps(struct worker *worker);
/* Free those that were dropped, as far as no slot has a batch of them. */
void worker_forget_maps(struct worker *worker);
/* When the pool is gone. */
void worker_destroy_maps(struct worker *worker);
/* NULL where there is none of that number. */
struct worker_map *worker_map_of(const struct worker *worker, uint64_t number);
/* Instances of all maps that have not started. */
uint64_t worker_queued(const struct worker *worker);
/* Do starts of any map have to lie apart? */
bool worker_has_delay(const struct worker *worker);
/* A round: whose turn it is to start something (NULL: nobody has anything), and, where there is no
 * room for that one, whose next. */
struct worker_map *worker_next_map(struct worker *worker, const struct worker_map *before,
                                   uint64_t now_us);

/* ---- worker_run.c ---- */

MUST_CHECK enum status worker_on_unit(struct worker *worker, const struct wire_unit *unit,
                                      struct error *err);
MUST_CHECK enum status worker_ready_turn(struct worker *worker, uint64_t now_us,
                                         bool *did_something, struct error *err);

/* ---- worker_leave.c ---- */

MUST_CHECK enum status worker_on_recall(struct worker *worker, const struct wire_recall *recall,
                                        struct error *err);
/* All that has not started. */
MUST_CHECK enum status worker_give_map_back(struct worker *worker, const struct worker_map *map,
                                            struct error *err);
MUST_CHECK enum status worker_give_all_back(struct worker *worker, struct error *err);
MUST_CHECK enum status worker_on_end(struct worker *worker, const struct wire_end *end,
                                     uint64_t now_us, struct error *err);
MUST_CHECK enum status worker_on_cancel(struct worker *worker, const struct wire_cancel *how,
                                        uint64_t now_us, struct error *err);
MUST_CHECK enum status worker_on_stop(struct worker *worker, const struct wire_stop *stop,
                                      uint64_t now_us, struct error *err);
/* A rank whose setups fail leaves: what it holds goes back with its last reports. */
MUST_CHECK enum status worker_leave_for_setup(struct worker *worker, uint64_t now_us,
                                              struct error *err);
MUST_CHECK enum status worker_leave_turn(struct worker *worker, uint64_t now_us,
                                         bool *did_something, struct error *err);
/* Say BYE, and end at once, or wait for a STOP. */
MUST_CHECK enum status worker_say_bye(struct worker *worker, const char *reason,
                                      enum worker_state next, struct error *err);

/* ---- worker_lost.c ---- */

/* START has come. */
void worker_begin_beats(struct worker *worker, const struct wire_start *start, uint64_t now_us);
/* Something of rank 0 has come. */
void worker_hear(struct worker *worker, const struct wire_message *message, uint64_t now_us);
/* Leave where rank 0 is lost. */
void worker_mind_master(struct worker *worker, uint64_t now_us, bool *did_something);
/* When it may be. */
uint64_t worker_master_deadline_us(const struct worker *worker);
MUST_CHECK enum status worker_on_rejoin(struct worker *worker, const struct wire_rejoin *rejoin,
                                        uint64_t now_us, struct error *err);
/* Drop what attempts of the former life come to, until all have ended. */
MUST_CHECK enum status worker_reset_turn(struct worker *worker, uint64_t now_us,
                                         bool *did_something, struct error *err);

#endif
