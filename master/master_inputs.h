/* master_inputs.h - inputs of the map that is the run, where they come while it runs.
 *
 *     master_asks_for --> master_add_inputs, ... --> master_end_inputs
 *
 * What is added is in the record before any of it is handed out, like all that the master acts on:
 * so a new session has it again.
 */
#ifndef MASTER_MASTER_INPUTS_H
#define MASTER_MASTER_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/master.h"
#include "shared/error.h"

/* How many more instances there should be, so that no slot waits for one: a few more than can run,
 * less those that are there and have not ended. 0 while none may start. */
uint64_t master_asks_for(const struct master *master);

/* Is there an instance that has come and not ended? */
bool master_is_at_work(const struct master *master);

/* Inputs, packed one after the other: the next `count`, of which there are as many left. Fails
 * where they are no values, where the record cannot take them, or where memory ran out. */
MUST_CHECK enum status master_add_inputs(struct master *master, const uint8_t *packed, size_t size,
                                         uint64_t count, struct error *err);

/* No more will come. Those that are there are all of the map, and its criterion is about them. */
void master_end_inputs(struct master *master);

/* Would what comes be handed out, once there is room? Not before every rank is ready, and not once
 * the run's end is known: nobody is to propose more then. */
bool master_takes_inputs(const struct master *master);

/* The run cannot go on, for a reason that has been told: what runs may end within the run's grace.
 * It ends as one that was interrupted. */
MUST_CHECK enum status master_stop_for(struct master *master, const char *why, uint64_t now_us,
                                       struct error *err);

#endif
