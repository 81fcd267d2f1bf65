/* places.h - which cores and devices of a rank its executors have.
 *
 *     places_init --> places_take, places_give_back, for each executor ... --> places_free
 *
 * An executor has its cores and devices for life, and they are nobody else's. Where the rank does
 * not bind (offer.h), cores are not dealt out, and any number of executors may be there.
 *
 * Ownership: the offer outlives the places.
 */
#ifndef WORKER_PLACES_H
#define WORKER_PLACES_H

#include <stdint.h>

#include "shared/error.h"
#include "shared/resources.h"
#include "worker/offer.h"
#include "worker/slot_place.h"

struct places {
    const struct offer *offer;
    uint32_t *core_slots; /* by core and device: whose it is, from 1; 0: nobody's */
    uint32_t *device_slots;
};

void places_init(struct places *places, const struct offer *offer);
void places_free(struct places *places); /* all zero is allowed */

/* What a slot's executor has, which is to run attempts that ask for so much each: those that it
 * would have if all slots were like it, where they are free. NOT_FOUND where there are too few
 * left; LIMIT where the names of its devices are too long to hand over. */
MUST_CHECK enum status places_take(struct places *places, uint32_t slot, struct resources asked,
                                   struct slot_place *place_out, struct error *err);
/* Its executor has ended. */
void places_give_back(struct places *places, uint32_t slot);

#endif
