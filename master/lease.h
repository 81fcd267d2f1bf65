/* lease.h - what one worker holds of one unit and has not yet reported.
 *
 * A lease starts with the unit's spans; what is reported, given back or lost is taken out of it,
 * and at 0 it is over. Whatever claims to be part of a lease is checked against it here.
 *
 * Cost: of a check or a removal, log of its spans, plus the spans behind the place when one is
 *       split or vanishes. Units hold at most LEASE_SPAN_COUNT_MAX spans when they are made.
 */
#ifndef MASTER_LEASE_H
#define MASTER_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/span.h"

#define LEASE_SPAN_COUNT_MAX 1024

struct lease {
    uint64_t id;
    struct span *spans; /* sorted, what is still outstanding */
    size_t span_count;
    size_t span_capacity;
    uint64_t count;     /* instances in the spans */
    bool is_recalled;   /* a recall was sent, its answer is due */
    struct lease *next; /* of its worker, oldest first */
};

/* A new lease, or a used one refilled. */
struct lease *lease_create(void);
void lease_destroy(struct lease *lease); /* NULL is allowed */
void lease_fill(struct lease *lease, uint64_t id, const struct span *spans, size_t span_count);

/* Are all the instances of this span outstanding, at this attempt? Safe on any values. */
bool lease_holds(const struct lease *lease, struct span span);
/* Take a span out that lease_holds(). */
void lease_remove(struct lease *lease, struct span span);

#endif
