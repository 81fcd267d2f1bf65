/* chronicle.h - what a run's log tells of time: which attempts ran when, in which slot, and what
 * happened to the run meanwhile.
 *
 *     chronicle_open --> chronicle_each, once or more --> chronicle_close
 *
 * Time is in microseconds since the run began, without what lay between its sessions: a session
 * begins where the one before it ended. The clocks of ranks are put upon that of rank 0 by the log
 * itself: no attempt can have ended after rank 0 recorded it, and the shortest such delay of a rank
 * is taken for none.
 *
 * A piece is one attempt, or several of one map that followed each other in a slot, came to the
 * same and were too short to be timed alone. Pieces of a slot never overlap; they come in the order
 * of the log, which for one slot is nearly that of time.
 *
 * Ownership: what a visitor is given is valid during the call.
 * Memory:    some words for each session, and each rank in it, however many attempts there were.
 * Failure:   a torn log is told up to there (chronicle_torn()). A log whose records cannot be of
 * one run is STATUS_INVALID. A visitor's failure ends the walk.
 */
#ifndef MASTER_CHRONICLE_H
#define MASTER_CHRONICLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/record.h"
#include "shared/attempt.h"
#include "shared/error.h"

/* What an attempt came to: the names that users read. */
#define PIECE_STATE_LIST(X)                                                                        \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(FAILED, "failed")         /* and with it its instance */                                     \
    X(TIMED_OUT, "timed-out")   /* likewise */                                                     \
    X(RETRIED, "retried")       /* failed; the instance was tried again, or was to be */           \
    X(ABORTED, "aborted")       /* ended by us, with its map */                                    \
    X(SUPERSEDED, "superseded") /* a second copy, or what it doubled: the other one was first */   \
    X(STOPPED_EARLY, "stopped-early") /* a trial of a sweep: a success */

enum piece_state {
#define PIECE_STATE_ENUM(name, text) PIECE_##name,
    PIECE_STATE_LIST(PIECE_STATE_ENUM)
#undef PIECE_STATE_ENUM
};
enum { PIECE_STATE_COUNT = PIECE_STOPPED_EARLY + 1 };

const char *piece_state_name(enum piece_state state);

static inline bool piece_state_is_success(enum piece_state state)
{
    return state == PIECE_SUCCEEDED || state == PIECE_STOPPED_EARLY;
}

struct chronicle_piece {
    uint64_t map;
    uint32_t rank;
    uint32_t slot; /* of the rank, from 0 */
    size_t life;   /* number of the rank's life, over all ranks and sessions */
    uint64_t start_us;
    uint64_t end_us;
    uint64_t held_us; /* just before it: its slot was free, and what there was did not fit */
    uint64_t index;   /* of the first */
    uint64_t count;   /* of attempts, whose indices follow each other */
    uint64_t attempt; /* number of each of them */
    enum piece_state state;
    const struct report_failure *failure; /* of one that did not succeed */
};

enum chronicle_event_kind {
    CHRONICLE_SESSION,      /* one began; of the first, at 0 */
    CHRONICLE_RANK,         /* a rank is ready: a life of it begins */
    CHRONICLE_LOST,         /* a rank was lost: its life ends */
    CHRONICLE_LOST_ATTEMPT, /* with its rank; nobody knows when it began */
    CHRONICLE_CACHED,       /* outputs that no attempt made */
    CHRONICLE_MAP,          /* of several: one was begun */
    CHRONICLE_END /* of the map of its record, or, of map -1 or the only one, of a session */
};

struct chronicle_event {
    enum chronicle_event_kind kind;
    uint64_t time_us;
    const struct record *record;          /* that tells of it; NULL: the log ends there */
    size_t life;                          /* RANK, LOST */
    uint32_t rank;                        /* RANK, LOST, LOST_ATTEMPT */
    uint32_t slots;                       /* RANK */
    const char *text;                     /* RANK: its host; LOST: why. Not NUL-terminated */
    size_t text_size;                     /* bytes */
    uint64_t count;                       /* CACHED: instances */
    uint64_t gap_ms;                      /* SESSION: since the one before it ended */
    const struct report_failure *failure; /* LOST_ATTEMPT */
    bool is_final;                        /* LOST_ATTEMPT: and with it its instance */
};

struct chronicle_visitor {
    /* Each may be NULL. */
    enum status (*on_record)(void *context, const struct record *record, struct error *err);
    enum status (*on_piece)(void *context, const struct chronicle_piece *piece, struct error *err);
    enum status (*on_event)(void *context, const struct chronicle_event *event, struct error *err);
    void *context;
};

struct chronicle;

/* Reads the log for what has to be known beforehand. `is_quick`: only headers of records are read,
 * and nothing is checked that only a damaged disk would change. STATUS_NOT_FOUND: there is no log.
 */
MUST_CHECK enum status chronicle_open(const char *run_dir, bool is_quick,
                                      struct chronicle **chronicle_out, struct error *err);
void chronicle_close(struct chronicle *chronicle); /* NULL is allowed */

MUST_CHECK enum status chronicle_each(struct chronicle *chronicle,
                                      const struct chronicle_visitor *visitor, struct error *err);

uint64_t chronicle_total_us(const struct chronicle *chronicle);      /* of all sessions together */
uint64_t chronicle_attempt_count(const struct chronicle *chronicle); /* that pieces will have */
size_t chronicle_life_count(const struct chronicle *chronicle);
const char *chronicle_torn(const struct chronicle *chronicle); /* NULL: the log is whole */

#endif
