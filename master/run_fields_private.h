/* run_fields_private.h - the names that run.json is written and read with: run_fields.c and
 * run_fields_decode.c.
 */
#ifndef MASTER_RUN_FIELDS_PRIVATE_H
#define MASTER_RUN_FIELDS_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "shared/criterion.h"
#include "shared/map_options.h"

#define RUN_TIME_FORMAT "%Y-%m-%dT%H:%M:%SZ"

enum {
    RUN_POLICY_COUNT = POLICY_ENOUGH + 1,
    RUN_CAPTURE_COUNT = MAP_CAPTURE_DISCARD + 1,
    RUN_CRITERION_COUNT = CRITERION_MAX_FAILURES + 1
};

extern const char *const run_state_names[];
extern const char *const run_policy_names[];
extern const char *const run_capture_names[];
extern const char *const run_criterion_names[];

/* A whole number of struct map_options: all are of 64 bits. */
struct run_option_field {
    const char *name;
    size_t offset;
    uint64_t min;
};
extern const struct run_option_field run_option_fields[]; /* a name that is NULL is behind them */

#endif
