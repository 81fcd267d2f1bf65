/* trial_metrics_load.h - what the trials of a run have reported, from its log.
 *
 * Failure: of a log with a torn tail, what stands before it counts. A log that names instances
 *          which the map does not have is STATUS_INVALID.
 */
#ifndef MASTER_TRIAL_METRICS_LOAD_H
#define MASTER_TRIAL_METRICS_LOAD_H

#include <stdint.h>

#include "master/record.h"
#include "master/trial_metrics.h"
#include "shared/error.h"

/* Into metrics that are new. A run without a log has none. `size`: instances of the map. */
MUST_CHECK enum status trial_metrics_load(struct trial_metrics *metrics, const char *run_dir,
                                          uint64_t map, uint64_t size, struct error *err);

/* One record of the log, in its order. */
MUST_CHECK enum status trial_metrics_take_record(struct trial_metrics *metrics,
                                                 const struct record *record, uint64_t map,
                                                 uint64_t size);

#endif
