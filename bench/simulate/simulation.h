/* simulation.h - the real scheduler before modelled ranks, messages and faults, on a clock of its
 * own.
 *
 *     events by time --> a rank wakes, a message arrives, a fault --> the master's turn -->
 * messages
 *
 * The master is a server that takes a time for each message and each byte, one after the other; so
 * it can be too slow, and the simulation shows what happens then. What the scheduler really takes
 * is measured beside that, and changes nothing.
 *
 * Everything follows from the seed: a run can be repeated exactly.
 */
#ifndef BENCH_SIMULATE_SIMULATION_H
#define BENCH_SIMULATE_SIMULATION_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/simulate/draw.h"

struct simulation_options {
    uint32_t ranks;
    uint32_t slots; /* of a rank */
    uint64_t seed;
    struct draw draw; /* prepared */
    uint64_t interval_ns;
    uint64_t latency_ns; /* of a message, on average; each takes half to one and a half times it */
    uint64_t batch_ns;   /* of a batch's hand-over to its slot */
    uint64_t message_ns; /* of the master, a message, in or out */
    double byte_ns;      /* of the master, a byte, in or out */
    uint64_t input_size; /* bytes of an instance's packed input; 0: a formula */
    uint64_t output_size;
    uint64_t unit_size; /* 0: measured */
    uint64_t concurrency;
    double failures; /* part of the attempts that fail */
    bool is_speculative;
    bool is_exact; /* slot by slot from the start */
    /* Faults, as parts of the ranks or of the messages. */
    double slow;
    double slow_factor;
    double silent;
    uint64_t silent_ns;
    double lost;
    uint64_t lost_after_ns; /* until a loss is noticed */
    uint64_t return_ns;     /* until a lost rank joins again; 0: never */
    double doubled;
    double delayed; /* by ten latencies, so that they are overtaken */
};

struct simulation_result {
    double work_seconds; /* of what succeeded, each instance once */
    double bound_seconds;
    double makespan_seconds;
    double idle_share;           /* of the slots' time */
    double idle_share_avoidable; /* while something had not been started */
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t units;
    uint64_t recalls;
    uint64_t returned; /* instances that recalls brought back */
    uint64_t copies;
    uint64_t ignored;              /* batches and answers */
    uint64_t events;               /* of the scheduler */
    double scheduler_us_per_event; /* measured */
    double scheduler_us_per_message;
    double master_busy_share; /* modelled */
    double master_lag_seconds_max;
    uint64_t state_bytes_max; /* of scheduler and ledger */
    uint64_t ran_dry;         /* reports that left later than they should have */
    uint64_t lost_ranks;
    double simulating_seconds; /* of a processor */
};

/* Runs to the end. Ends the process where the scheduler is wrong or never ends. */
struct simulation_result simulation_run(const struct simulation_options *options);

#endif
