/* map_options.h - the metadata and resources of one map, merged: the task's own, overridden field
 * by field by what was asked for at the map. Passed by value; holds no pointers. */
#ifndef SHARED_MAP_OPTIONS_H
#define SHARED_MAP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum map_policy { POLICY_STOP, POLICY_RUN_ALL, POLICY_ENOUGH };

/* What becomes of what attempts write to standard output and error. */
enum map_capture {
    MAP_CAPTURE_FAILED, /* kept of failed attempts */
    MAP_CAPTURE_ALL,    /* kept of all attempts */
    MAP_CAPTURE_NONE,   /* passed on to the standard error of their rank */
    MAP_CAPTURE_DISCARD /* dropped unread */
};

enum criterion_kind {
    CRITERION_ALL,           /* nothing was asked for: every instance */
    CRITERION_MIN_RATIO,     /* ceil(ratio x n) */
    CRITERION_MIN_SUCCESSES, /* count */
    CRITERION_MAX_FAILURES   /* n - count */
};

/* A ratio as the user wrote it, in decimal, because its ceiling is exact. */
#define CRITERION_RATIO_TEXT_SIZE 64
struct criterion {
    enum criterion_kind kind;
    char ratio[CRITERION_RATIO_TEXT_SIZE];
    uint64_t count;
};

struct map_options {
    uint64_t retries;         /* further attempts after task failures */
    uint64_t system_retries;  /* further attempts after system failures */
    uint64_t retry_delay_ns;  /* before a retry, doubled with each failure; 0: none */
    uint64_t timeout_ns;      /* of one attempt; 0: none */
    uint64_t mem;             /* bytes that an attempt may hold; 0: no bound */
    double mem_growth;        /* factor on mem after each failure of class memory; at least 1 */
    uint64_t cpus;            /* cores an attempt needs; at least 1 */
    uint64_t gpus;            /* devices an attempt needs */
    uint64_t concurrency;     /* attempts at once over all ranks; 0: no cap */
    uint64_t delay_ns;        /* least time between two starts over all ranks; 0: none */
    uint64_t grace_ns;        /* that an attempt has which we end, before it is killed */
    uint64_t time_limit_ns;   /* of a session; 0: none */
    uint64_t lost_after_ns;   /* of silence, a rank is taken for lost; 0: never */
    uint64_t unit_size;       /* instances a unit; 0: measured */
    uint64_t seed;            /* of the run */
    uint64_t output_size_max; /* bytes of one output */
    bool speculate;           /* what runs for long at the end may run twice at once */
    enum map_policy policy;
    enum map_capture capture;
    struct criterion criterion;
};

#endif
