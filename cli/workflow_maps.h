/* workflow_maps.h - the maps of a workflow that run, between the workflow's side and the master.
 *
 *     workflow_maps_open --> workflow_maps_begin --> workflow_maps_take_ends -->
 * workflow_maps_close
 *
 * A map that is recorded under its number goes on where it was left; another one than is recorded
 * is a departure.
 *
 * Ownership: holds what a map's options point at until the master has dropped the map.
 */
#ifndef CLI_WORKFLOW_MAPS_H
#define CLI_WORKFLOW_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/request.h"
#include "master/log_index.h"
#include "master/map_past.h"
#include "master/master.h"
#include "master/workflow.h"
#include "shared/error.h"

struct workflow_map_held; /* a map that runs, with what its options point at */

struct workflow_maps {
    struct master *master;
    const struct request *request;
    uint64_t now_us; /* of the turn; the caller's to set */
    struct map_past_list past;
    struct log_index *earlier; /* of the log as this session found it; NULL: it is new */
    struct workflow_map_held **held;
    size_t count;
    size_t capacity;
};

MUST_CHECK enum status workflow_maps_open(struct workflow_maps *maps, struct master *master,
                                          const struct request *request, struct error *err);
/* The master is of no more use, or has dropped all maps. */
void workflow_maps_close(struct workflow_maps *maps);

/* As workflow_engine.begin(); `context` is a struct workflow_maps. */
enum status workflow_maps_begin(void *context, const struct workflow_request *asked,
                                struct error *err);

/* It has succeeded with so many maps: EXISTS where more are recorded, which is a departure too,
 * unless something had failed that need not fail now, and may be why they were asked for. */
MUST_CHECK enum status workflow_maps_check_end(const struct workflow_maps *maps, uint64_t map_count,
                                               struct error *err);

/* Tell the workflow of maps that have ended. */
void workflow_maps_take_ends(struct workflow_maps *maps, struct workflow_host *host,
                             bool *did_something);

#endif
