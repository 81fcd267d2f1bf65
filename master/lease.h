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

/* At the end of a map, each slot of a large machine has a lease of its own: they are kept small. */
struct lease {
    uint64_t id;
    struct span *spans; /* sorted, what is still outstanding */
    uint32_t span_count;
    uint32_t span_capacity;
    uint64_t count;        /* instances in the spans */
    uint64_t asked;        /* by the recall that is_recalled */
    uint32_t shared_count; /* of its instances, those that another lease holds too */
    bool is_recalled;      /* a recall was sent, its answer is due */
    bool is_copy;          /* began as a second copy of an instance that another lease holds */
    struct lease *next;    /* where it is spare */
    struct span own;       /* room for a single span */
};

/* A new lease, or a used one refilled. */
struct lease *lease_create(void);
void lease_destroy(struct lease *lease); /* NULL is allowed */
void lease_fill(struct lease *lease, uint64_t id, const struct span *spans, size_t span_count);

/* Are all the instances of this span outstanding, at this attempt? Safe on any values. */
bool lease_holds(const struct lease *lease, struct span span);
/* The outstanding instance at this index. False where it is not outstanding. */
bool lease_find(const struct lease *lease, uint64_t index, struct span *instance_out);
/* Take a span out that lease_holds(). */
void lease_remove(struct lease *lease, struct span span);

#endif
