/* seeds.h - which seeds a simulation is to run, by its command line:
 *
 *     simulation_NAME [--seeds N]   seeds 0 to N - 1
 *     simulation_NAME --seed N      one of them
 */
#ifndef SIMULATION_SEEDS_H
#define SIMULATION_SEEDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seeds {
    uint64_t first;
    uint64_t count; /* where none is asked for: what it is before */
};

/* False, with a line on standard error, where the command line is another. */
static inline bool seeds_take(struct seeds *seeds, int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        *seeds = (struct seeds){.first = strtoull(argv[2], NULL, 10), .count = 1};
    } else if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        seeds->count = strtoull(argv[2], NULL, 10);
    } else if (argc != 1) {
        (void)fprintf(stderr, "usage: %s [--seed N | --seeds N]\n", argv[0]);
        return false;
    }
    return true;
}

#endif
