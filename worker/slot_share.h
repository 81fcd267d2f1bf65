/* slot_share.h - which of several maps has least of a rank.
 *
 * A map's share is how many batches of it slots have, out of as many attempts as would fit if it
 * were alone: so what attempts ask for of cores, memory and devices counts. The next batch is that
 * of the map with the smallest share; of several, of the one that was given its last batch first:
 * so each has its turn, also where there are more maps than slots.
 */
#ifndef WORKER_SLOT_SHARE_H
#define WORKER_SLOT_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct slot_share {
    uint64_t count;
    uint32_t fit;     /* 0: nothing of it fits, ever */
    uint64_t started; /* number of its last batch, over all maps; 0: it has had none */
};

/* Exact: counts are those of slots, and far from what 64 bits hold. */
static inline bool slot_share_is_less(struct slot_share a, struct slot_share b)
{
    if (a.fit == 0 || b.fit == 0) {
        return a.fit > 0 && b.fit == 0;
    }
    const uint64_t left = a.count * b.fit;
    const uint64_t right = b.count * a.fit;
    return left != right ? left < right : a.started < b.started;
}

#endif
