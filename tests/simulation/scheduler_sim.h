/* scheduler_sim.h - what the simulation of the scheduler is made of: its parts, chance, and the
 * post that delays, doubles and reorders. Included by scheduler.c only. */
#ifndef SIMULATION_SCHEDULER_SIM_H
#define SIMULATION_SCHEDULER_SIM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/scheduler.h"
#include "shared/memory.h"
#include "shared/seed.h"

#define WORKER_COUNT_MAX 8
#define SLOT_COUNT_MAX 8
#define SIZE_MAX_SIMULATED 500
#define BATCH_COUNT_MAX 16

/* ---- A failure names its seed ---------------------------------------------------------------- */

static char repeat_line[80];

static void print_repeat_line(void)
{
    const ssize_t written = write(STDERR_FILENO, repeat_line, strlen(repeat_line));
    (void)written;
}

/* The process then ends by the signal, as it would have without this. */
static void on_fault(int number)
{
    print_repeat_line();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* Sanitizers end a process without a signal. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void name_seed(uint64_t seed)
{
    (void)snprintf(repeat_line, sizeof(repeat_line), "repeat: simulation_scheduler --seed %llu\n",
                   (unsigned long long)seed);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            print_repeat_line();                                                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* ---- The parts ------------------------------------------------------------------------------- */

enum place { READY, LEASED, WAITING, SUCCEEDED, STOPPED, FAILED, TIMED_OUT, ABORTED, TO_COME };
enum { PLACE_COUNT = TO_COME + 1 };

/* Who holds an instance, under which lease, at which attempt. */
struct held {
    bool is_held;
    uint32_t worker;
    uint64_t lease;
    uint64_t attempt;
};

/* What the model knows of an instance. */
struct instance {
    enum place place;
    struct held original; /* LEASED: who holds it */
    struct held copy;     /* LEASED: and who holds a second copy */
    struct held loser;    /* ended: who has not answered yet */
    bool is_stop;         /* the loser was stopped early */
    bool is_end_due;      /* the loser is to be told */
    bool is_tried;        /* a copy has failed */
    uint64_t task_failures;
    uint64_t system_failures;
    uint64_t memory_failures;
    uint64_t due_us; /* WAITING */
    bool is_retry;   /* failed on last_worker, and not taken since */
    uint32_t last_worker;
};

/* An instance on its way: to a worker, through a slot, and back. */
struct item {
    uint64_t index;
    uint64_t attempt;
    bool is_success;
    enum failure_class class;
    bool is_permanent;
};

enum corruption {
    SOUND,
    OTHER_ATTEMPT,
    BEYOND_THE_END,
    WRONG_COUNT,
    NO_SPAN,
    OTHER_LEASE,
    WRONG_FAILURE
};
enum { CORRUPTION_COUNT = WRONG_FAILURE + 1 };

struct message {
    unsigned references;
    uint32_t worker;
    uint64_t lease;
    enum corruption corruption;
    uint64_t elapsed_us;
    size_t count;
    struct item items[];
};

enum event_kind {
    JOIN,
    LOSE,
    STOP,
    EARLY,
    COME,
    BEAT,
    UNIT,
    RECALL,
    END,
    CANCEL,
    SLOT_END,
    BATCH,
    RETURNED
};

struct event {
    uint64_t time_us;
    uint64_t number; /* of equal times the first made comes first */
    enum event_kind kind;
    uint32_t worker;
    uint32_t life; /* of the worker, which it must still be in */
    uint32_t slot;
    uint64_t count; /* RECALL, COME: how many; END: which index */
    struct message *message;
};

struct queued {
    uint64_t lease;
    struct item item;
};

struct sim_worker {
    bool is_present;
    bool is_silent; /* taken for lost, and does not know it: it works on, and what it says comes
                       late */
    uint32_t life;
    uint32_t slots;
    uint64_t held;      /* by the model */
    uint64_t posted_us; /* messages to a worker keep their order */
    struct message *slot[SLOT_COUNT_MAX];
    struct queued queue[SIZE_MAX_SIMULATED];
    size_t queue_count;
};

struct sim {
    uint64_t random;
    uint64_t now_us;
    struct scheduler_options options;
    struct scheduler *scheduler;
    struct instance instances[SIZE_MAX_SIMULATED];
    uint64_t counts[PLACE_COUNT];
    struct sim_worker workers[WORKER_COUNT_MAX];
    struct event *heap;
    size_t event_count;
    size_t event_capacity;
    uint64_t event_number;
    uint64_t lease_last;
    uint64_t extra;      /* instances held by a copy or a loser */
    uint64_t stops_due;  /* of those, attempts that were stopped early */
    uint64_t stop_count; /* all of them */
    uint64_t failure_percent;
    uint64_t task_us;
    uint64_t delay_us;
    unsigned losses_left;
    uint64_t copy_count;
    uint64_t copy_win_count;
    unsigned silent_count; /* reports of workers that were taken for lost */
    size_t charged_count;  /* of the loss under way */
    uint64_t available;    /* instances that are there */
    uint64_t close_at;     /* then no more come: fewer than there could be, or all */
    bool is_closed;        /* none comes any more */
    bool is_stopped;       /* from outside */
    bool is_stopping;
    bool is_cancelled;
    bool is_done;
};

/* ---- Chance ---------------------------------------------------------------------------------- */

static uint64_t below(struct sim *sim, uint64_t bound)
{
    sim->random++;
    return seed_mix(sim->random) % bound;
}

static bool chance(struct sim *sim, uint64_t percent)
{
    return below(sim, 100) < percent;
}

static uint64_t one_of(struct sim *sim, const uint64_t *values, size_t count)
{
    return values[below(sim, count)];
}

#define ONE_OF(sim, ...)                                                                           \
    one_of(sim, (const uint64_t[]){__VA_ARGS__},                                                   \
           sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* ---- The post -------------------------------------------------------------------------------- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->number < b->number;
}

static void swap(struct event *a, struct event *b)
{
    const struct event kept = *a;
    *a = *b;
    *b = kept;
}

static void post(struct sim *sim, struct event event, uint64_t delay_us)
{
    event.time_us = sim->now_us + delay_us;
    event.number = sim->event_number++;
    sim->heap = memory_grow(sim->heap, sim->event_count, &sim->event_capacity, sizeof(*sim->heap));
    size_t at = sim->event_count++;
    sim->heap[at] = event;
    for (; at > 0 && is_before(&sim->heap[at], &sim->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        swap(&sim->heap[at], &sim->heap[(at - 1) / 2]);
    }
}

static struct event take_event(struct sim *sim)
{
    const struct event event = sim->heap[0];
    sim->heap[0] = sim->heap[--sim->event_count];
    for (size_t at = 0;;) {
        size_t first = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < sim->event_count; child++) {
            first = is_before(&sim->heap[child], &sim->heap[first]) ? child : first;
        }
        if (first == at) {
            return event;
        }
        swap(&sim->heap[at], &sim->heap[first]);
        at = first;
    }
}

static struct message *message_create(uint32_t worker, uint64_t lease, size_t count)
{
    struct message *message = memory_take(1, sizeof(*message) + count * sizeof(*message->items));
    message->references = 1;
    message->worker = worker;
    message->lease = lease;
    message->count = count;
    return message;
}

static void message_release(struct message *message)
{
    if (message != NULL && --message->references == 0) {
        free(message);
    }
}

/* In order, as the transport does. */
static void post_to_worker(struct sim *sim, struct event event)
{
    struct sim_worker *worker = &sim->workers[event.worker];
    uint64_t delay_us = below(sim, sim->delay_us + 1);
    if (sim->now_us + delay_us < worker->posted_us) {
        delay_us = worker->posted_us - sim->now_us;
    }
    worker->posted_us = sim->now_us + delay_us;
    event.life = worker->life;
    post(sim, event, delay_us);
}

static void post_corrupt_copy(struct sim *sim, const struct message *message)
{
    struct message *copy = message_create(message->worker, message->lease, message->count);
    memcpy(copy->items, message->items, message->count * sizeof(*message->items));
    copy->corruption = (enum corruption)(1 + below(sim, CORRUPTION_COUNT - 1));
    post(sim, (struct event){.kind = BATCH, .message = copy}, below(sim, sim->delay_us + 1));
}

/* In any order, sometimes twice, sometimes with a corrupt copy. */
static void post_to_master(struct sim *sim, enum event_kind kind, struct message *message)
{
    const struct event event = {.kind = kind, .message = message};
    if (chance(sim, 5)) {
        message->references++;
        post(sim, event, below(sim, 10 * sim->delay_us + 1));
    }
    if (kind == BATCH && chance(sim, 5)) {
        post_corrupt_copy(sim, message);
    }
    post(sim, event, below(sim, sim->delay_us + 1));
}

#endif
