/* offer.h - what a worker rank offers to attempts.
 *
 * Cores: --slots, or the rank's share of the host. Memory: the smallest of what is built in, what
 * the cgroup allows and what Slurm gave, divided among the worker ranks of the host. Devices: see
 * devices.h. A rank has as many slots as attempts fit into all of these.
 *
 * A slot has its own cores, as many as an attempt asks for, where the rank uses just the cores that
 * it has; and its own devices (places.h).
 *
 * Ownership: the caller's, until offer_free().
 */
#ifndef WORKER_OFFER_H
#define WORKER_OFFER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/resources.h"
#include "shared/transport.h"
#include "shared/wire.h"
#include "worker/cores.h"
#include "worker/devices.h"

/* All zero offers nothing. */
struct offer {
    struct resources all;   /* for all attempts of the rank together */
    struct resources asked; /* by an attempt of the first map */
    uint32_t slot_count;    /* such attempts that fit at once; 0: it is too small for one */
    bool is_isolated;       /* attempts run in executors: one can be bound */
    struct cores cores;
    struct devices devices;
};

/* INVALID where devices were asked for that are not there. */
MUST_CHECK enum status offer_make(const struct transport *transport, const struct wire_start *start,
                                  bool is_isolated, struct offer *offer_out, struct error *err);
void offer_free(struct offer *offer);

/* How many attempts that ask for so much fit at once. */
uint32_t offer_fit(const struct offer *offer, struct resources asked);

#endif
