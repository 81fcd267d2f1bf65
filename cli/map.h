/* map.h - mapfleet map: one task over many inputs; and mapfleet resume, which goes on with one. */
#ifndef CLI_MAP_H
#define CLI_MAP_H

#include "cli/options.h"

/* argv[0] is the verb, and argv[-1] the program. Gives the exit status of this rank. */
int map_main(enum verb verb, int argc, char **argv);

#endif
