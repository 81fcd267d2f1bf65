/* map.h - mapfleet map: one task over many inputs. */
#ifndef CLI_MAP_H
#define CLI_MAP_H

/* argv[0] is the verb, and argv[-1] the program. Gives the exit status of this rank. */
int map_main(int argc, char **argv);

#endif
