/* instances.h - what became of each instance of one map, as its log tells it.
 *
 * Memory:  24 bytes an instance, 48 more for one that ever failed; equal error texts are held once.
 * Failure: of a log with a torn tail, what stands before it counts; instances_torn() says so. A log
 *          that names instances which the map does not have is STATUS_INVALID.
 */
#ifndef MASTER_INSTANCES_H
#define MASTER_INSTANCES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/attempt.h"
#include "shared/error.h"

struct instance {
    /* Of an instance without a final result: aborted if an attempt of it has begun, as far as the
     * log knows, else not-started. */
    enum instance_state state;
    uint64_t attempts;        /* that ended by themselves */
    uint64_t task_failures;   /* of the present budgets */
    uint64_t system_failures; /* of the present budgets */
    /* Of what did not succeed, its last failure; error is NULL where there was none. */
    enum failure_class class;
    const char *error;       /* what the attempt said, UTF-8; lives as long as the instances */
    uint64_t attempt_number; /* the K of "attempt K of M" */
    uint64_t attempts_max;   /* the M */
    /* Of the last attempt. */
    bool has_rank;
    uint32_t rank;
    bool has_seconds;
    double seconds; /* an equal share of its batch's time */
};

struct instances;

/* `size` is the number of instances of the map. A run without a log has started none. */
MUST_CHECK enum status instances_open(const char *run_dir, uint64_t map, uint64_t size,
                                      struct instances **instances_out, struct error *err);
void instances_close(struct instances *instances); /* NULL is allowed */

struct instance instances_get(const struct instances *instances, uint64_t index);

/* What was lost at the end of the log; NULL where nothing was. */
const char *instances_torn(const struct instances *instances);

#endif
