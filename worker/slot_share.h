/* slot_share.h - which of several maps has least of a rank.
 *
 * A map's share is how many batches of it slots have, out of as many attempts as would fit if it
 * were alone: so what attempts ask for of cores, memory and devices counts. The next batch is that
 * of the map with the smallest share, the older one where two are equal.
 */
#ifndef WORKER_SLOT_SHARE_H
#define WORKER_SLOT_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct slot_share {
    uint64_t count;
    uint32_t fit; /* 0: nothing of it fits, ever */
};

/* Exact: counts are those of slots, and far from what 64 bits hold. */
static inline bool slot_share_is_less(struct slot_share a, struct slot_share b)
{
    return a.count * b.fit < b.count * a.fit || (a.fit > 0 && b.fit == 0);
}

#endif
