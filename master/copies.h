/* copies.h - the instances of which a second attempt runs beside the first, and who holds which.
 *
 *     (none) --copies_add--> RACING --one of the two has decided it--> ENDING --its answer-->
 * (none) |  \--the original is gone: the copy takes its place--> (none)
 *                              \--the copy failed: there will be no other--> TRIED
 *
 * Cost: of each call, the same however many there are. Memory: of what runs at once, and of copies
 *       that failed.
 * Failure: none (see shared/memory.h).
 */
#ifndef MASTER_COPIES_H
#define MASTER_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/index_map.h"

enum copy_state { COPY_NONE, COPY_RACING, COPY_ENDING, COPY_TRIED };

/* A lease and the worker that holds it. */
struct holder {
    uint32_t worker;
    uint64_t lease;
};

struct copy {
    enum copy_state state;
    uint64_t index;
    struct holder original; /* RACING */
    struct holder copy;     /* RACING */
    struct holder loser;    /* ENDING: who has been told to end it, and has not answered */
    bool is_stop;           /* ENDING: it has no winner, since it was stopped early */
};

/* All zero is empty. */
struct copies {
    struct index_map places; /* by index: where in the array */
    struct copy *array;
    size_t count;
    size_t capacity;
    uint32_t *spare; /* places in the array that are free */
    size_t spare_count;
    size_t spare_capacity;
    uint64_t stopped_count; /* stopped early, and not answered */
    uint64_t held; /* leased instances beside those that the ledger counts: RACING and ENDING */
};

void copies_free(struct copies *copies);

/* NULL where the index is in none of the states. Valid until the next copies_add(). */
struct copy *copies_find(const struct copies *copies, uint64_t index);
void copies_add(struct copies *copies, uint64_t index, struct holder original, struct holder copy);
/* One of the two has decided it, and the other has yet to answer. */
void copies_decide(struct copies *copies, struct copy *copy, struct holder loser);
/* A single attempt that is stopped early: from the start, it is the loser. */
void copies_add_stopped(struct copies *copies, uint64_t index, struct holder loser);
/* The copy is gone, and shall not be followed by another. */
void copies_give_up(struct copies *copies, struct copy *copy);
void copies_remove(struct copies *copies, struct copy *copy);

#endif
