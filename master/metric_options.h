/* metric_options.h - by what the trials of a sweep are judged. */
#ifndef MASTER_METRIC_OPTIONS_H
#define MASTER_METRIC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "master/early_stop.h"

/* What a failed trial counts for in an adaptive sweep. */
enum metric_impute { METRIC_IMPUTE_WORST, METRIC_IMPUTE_BEST, METRIC_IMPUTE_LATEST };

struct metric_options {
    const char *name; /* NULL: there is no metric */
    bool is_maximised;
    bool has_target;
    double target; /* once it is reached, no new trial starts */
    enum metric_impute impute;
    bool is_required; /* a trial that succeeds without a report has failed */
    bool has_early_stop;
    struct early_stop_options early_stop;
    const char *hint; /* for people: how a trial reports it; NULL: mf_report() */
    uint64_t seeds; /* instances of each configuration, which is judged by their mean; at least 1 */
};

#endif
