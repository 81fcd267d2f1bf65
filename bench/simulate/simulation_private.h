/* simulation_private.h - what the two halves of the simulation share.
 *
 *     simulation.c         time; ranks, messages to and from them, faults, the bound
 *     simulation_server.c  the master: a server in front of the real scheduler
 */
#ifndef BENCH_SIMULATE_SIMULATION_PRIVATE_H
#define BENCH_SIMULATE_SIMULATION_PRIVATE_H

#include "bench/simulate/post.h"
#include "bench/simulate/rank.h"
#include "bench/simulate/simulation.h"
#include "master/scheduler.h"

struct modelled {
    struct rank rank;
    uint64_t posted_ns;  /* when the last message to it arrives */
    double lost_seconds; /* when it dies; 0: never */
    uint64_t *running;   /* what its slots were in when it was lost, sorted */
    size_t running_count;
};

struct simulation {
    struct simulation_options options;
    struct simulation_result result;
    struct rank_options rank_options;
    struct modelled *ranks;
    struct post post;
    uint64_t now_ns;
    uint64_t chances; /* that were taken */
    double speed_all;
    double longest_seconds;
    uint64_t queued;           /* instances that wait in ranks, */
    uint64_t queued_under_way; /* and in units on their way */
    bool has_all_started;
    double idle_before_seconds; /* until then */
    bool is_done;
    uint64_t done_ns;
    /* The master: */
    struct scheduler *scheduler;
    uint64_t master_free_ns; /* when it is done with what it has been given */
    double master_busy_seconds;
    uint64_t success_count;
    uint64_t index_sum; /* of the successes, modulo 2^64 */
    uint8_t *succeeded; /* a bit each; NULL for large maps */
    struct ledger_fate *fates;
    struct report_failure *failures;
    uint8_t *bits; /* none is set */
    size_t failure_capacity;
    struct wire_running *running; /* of a beat */
    size_t running_capacity;
    uint64_t heard; /* messages, counted for samples of the time that they take */
    bool is_measured;
    uint64_t measured_ns;
    uint64_t measured_messages;
    uint64_t measured_events;
};

void simulation_check(const struct simulation *sim, bool condition, const char *what);
void send_to_rank(struct simulation *sim, enum event_kind kind, uint32_t id,
                  struct message *message, uint64_t bytes);

/* ---- simulation_server.c ---- */

void server_create(struct simulation *sim);
void server_destroy(struct simulation *sim);
/* The master takes its time for a message. */
void server_works(struct simulation *sim, uint64_t bytes);
void server_hears(struct simulation *sim, const struct event *event);
void server_loses(struct simulation *sim, uint32_t id);
/* Send out what the scheduler wants. */
void server_acts(struct simulation *sim);
/* Has every instance ended once? */
void server_check_end(const struct simulation *sim);

#endif
