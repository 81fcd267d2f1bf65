/* sweep_file.h - a sweep file as it was read: what to run, with which parameters, judged by what.
 *
 *     sweep_file_read --> struct sweep_file --> sweep_file_destroy
 *
 * Everything that can be said of the file alone is checked here; what depends on the command line
 * (a command behind --, the number of trials) is not. docs/sweeps.md says what the keys mean.
 *
 * Ownership: the sweep owns its texts and its space.
 * Failure:   INVALID with what is wrong in the problems, each with its line and column.
 */
#ifndef CLI_SWEEP_FILE_H
#define CLI_SWEEP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/problems.h"
#include "master/early_stop.h"
#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/space.h"

enum sweep_method { SWEEP_GRID, SWEEP_RANDOM, SWEEP_QUASI, SWEEP_ADAPTIVE };

/* What a failed trial counts for in an adaptive sweep. */
enum sweep_impute { IMPUTE_WORST, IMPUTE_BEST, IMPUTE_LATEST };

struct sweep_metric {
    const char *name; /* NULL: there is none */
    bool is_maximised;
    bool has_target;
    double target;
    enum sweep_impute impute;
};

/* An option of the command line that the file gives, as text: "retries", "timeout", "cpus", "mem",
 * "gpus", "min-success-ratio". */
struct sweep_option {
    const char *name;
    const char *text;
    struct place place;
};

#define SWEEP_OPTIONS_MAX 8

struct sweep_file {
    struct arena arena;
    enum sweep_method method;
    const char *program; /* NULL: none is named */
    struct place program_place;
    const char **command;         /* NULL: the default */
    struct place *command_places; /* of its words */
    size_t command_count;
    const char *task;    /* "JOB:TASK", or NULL */
    const char *sampler; /* of ADAPTIVE: its name; NULL: none is named */
    struct sweep_metric metric;
    struct space *space;
    uint64_t run_cap; /* 0: none */
    uint64_t seeds;   /* at least 1 */
    bool has_early_stop;
    struct early_stop_options early_stop;
    struct sweep_option options[SWEEP_OPTIONS_MAX];
    size_t option_count;
    mf_value labels; /* a record of project, entity, name, ... as the file has them */
};

/* `text` is the file's content; its name is that of the problems. *sweep_out is destroyed also
 * where this fails. */
MUST_CHECK enum status sweep_file_read(const char *text, size_t size, struct problems *problems,
                                       struct sweep_file **sweep_out);
void sweep_file_destroy(struct sweep_file *sweep); /* NULL is allowed */

#endif
