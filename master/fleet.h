/* fleet.h - what a run has to work with, in one line for people: hosts, ranks, slots.
 *
 *     fleet_add, for each rank --> fleet_text --> fleet_free
 *
 * Ownership: the names are copies.
 * Threads:   one.
 */
#ifndef MASTER_FLEET_H
#define MASTER_FLEET_H

#include <stddef.h>
#include <stdint.h>

/* All zero is empty. */
struct fleet {
    char **hosts; /* of each rank */
    size_t rank_count;
    size_t capacity;
    uint64_t slot_count;
};

/* A rank on this host, with room for so many attempts at once. */
void fleet_add(struct fleet *fleet, const char *host, uint64_t slot_count);
void fleet_free(struct fleet *fleet);

/* "2 hosts, 3 ranks, 17 slots"; gives `text`. Sorts the names. */
#define FLEET_TEXT_SIZE 192
const char *fleet_text(struct fleet *fleet, char text[FLEET_TEXT_SIZE]);

#endif
