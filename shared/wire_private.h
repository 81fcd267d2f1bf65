/* wire_private.h - how many items messages and their parts have, for both directions. */
#ifndef SHARED_WIRE_PRIVATE_H
#define SHARED_WIRE_PRIVATE_H

#define START_ITEMS 21
#define MAP_ITEMS 10
#define BATCH_ITEMS 11
#define METRIC_ITEMS 6
#define UNIT_ITEMS 7
#define REPORT_ITEMS 5
#define BEAT_ITEMS 3
#define RUNNING_ITEMS 3

#endif
