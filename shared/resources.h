/* resources.h - what an attempt asks for, what a rank offers, and how often the one fits the other.
 *
 * Threads: any. Failure: none.
 */
#ifndef SHARED_RESOURCES_H
#define SHARED_RESOURCES_H

#include <stdint.h>

#include "shared/map_options.h"

struct resources {
    uint64_t cpus; /* cores */
    uint64_t mem;  /* bytes */
    uint64_t gpus; /* devices */
};

/* What an attempt asks for at first. */
struct resources resources_asked(const struct map_options *map);

/* How many attempts fit at once, at most `count_max`. What is not asked for does not count. */
uint64_t resources_fit(struct resources offered, struct resources asked, uint64_t count_max);

/* How near the offer comes to what one attempt asks for: 1 and above where it fits. */
double resources_ratio(struct resources offered, struct resources asked);

/* The memory of an attempt whose instance has grown so many times, at most what the rank offers in
 * all; 0 where the map has no bound. */
uint64_t resources_mem(const struct map_options *map, uint64_t growth, uint64_t offered);

/* The largest growth of which resources_mem() is at most `room`, where that of 0 is. */
uint64_t resources_growth_max(const struct map_options *map, uint64_t offered, uint64_t room);

/* For people: "2 cpus, 3 GiB of memory and no gpus"; of what is asked for, without what is not. */
#define RESOURCES_TEXT_SIZE 160
const char *resources_offer_text(struct resources offered, char text[RESOURCES_TEXT_SIZE]);
const char *resources_asked_text(struct resources asked, char text[RESOURCES_TEXT_SIZE]);

#endif
