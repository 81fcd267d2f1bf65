/* post.h - the events of a simulation, by time, and the messages that some of them carry.
 *
 * Of equal times what was posted first comes first. What is due soon stands in a calendar: one list
 * for each stretch of time, sorted when its turn comes; so that a machine of many ranks is walked
 * through in memory that lies together. What is due later waits in a heap. Messages are used again:
 * what a simulation of days holds is what is under way at once.
 *
 * Ownership: the post's; a message that was taken goes back by post_release().
 * Failure:   of memory only (see shared/memory.h).
 */
#ifndef BENCH_SIMULATE_POST_H
#define BENCH_SIMULATE_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/simulate/rank.h"

enum event_kind {
    EVENT_WAKE,   /* a rank has something to do */
    EVENT_BEAT,   /* it says what it is in */
    EVENT_UNIT,   /* messages to a rank */
    EVENT_RECALL, /* */
    EVENT_END,    /* */
    EVENT_CANCEL, /* */
    EVENT_REPORT, /* messages to the master */
    EVENT_RETURNED,
    EVENT_HEARD,  /* a beat */
    EVENT_DIE,    /* faults */
    EVENT_NOTICE, /* the master gives a rank up */
    EVENT_SILENCE,
    EVENT_JOIN
};

struct message {
    uint32_t life; /* of the rank when it was sent */
    uint64_t lease;
    uint64_t count; /* RECALL: how many; END: which index */
    struct span *spans;
    size_t span_count;
    size_t span_capacity;
    struct ended *ended; /* REPORT; HEARD: what runs, and for how long */
    size_t ended_count;
    size_t ended_capacity;
    unsigned references;
    struct message *next;
};

struct event {
    uint64_t time_ns;
    uint64_t number;
    struct message *message; /* NULL: none */
    uint16_t kind;           /* enum event_kind */
    uint16_t life;           /* BEAT, DIE, SILENCE: of the rank, which it must still be in */
    uint32_t rank;
};

#define POST_DAY_NS 65536
#define POST_DAY_COUNT 4096

struct day {
    struct event *events;
    size_t count;
    size_t capacity;
};

/* All zero is an empty one. */
struct post {
    struct day days[POST_DAY_COUNT]; /* from `today` on, around */
    uint64_t today;                  /* number of the day that is being walked through, */
    size_t next;                     /* and its next event; it is sorted */
    size_t day_events;               /* in all days, not taken yet */
    struct event *heap;              /* of later days */
    size_t count;
    size_t capacity;
    uint64_t number;
    struct message *spare;
};

void post_free(struct post *post);
void post_put(struct post *post, struct event event);
/* The next one. There must be one: post_is_empty() says whether. */
struct event post_take(struct post *post);
bool post_is_empty(const struct post *post);
/* What will be taken `ahead` events later, as far as is known; NULL: not known yet. */
const struct event *post_peek(const struct post *post, size_t ahead);

/* Memory that it holds. */
size_t post_bytes(const struct post *post);

struct message *post_message(struct post *post);
void post_release(struct post *post, struct message *message); /* NULL is allowed */
void message_set_spans(struct message *message, const struct span *spans, size_t span_count);

#endif
