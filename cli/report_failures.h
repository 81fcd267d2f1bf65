/* report_failures.h - the failed attempts of a run in groups of equal class and text, each with an
 * example and what that printed.
 *
 *     report_failures_add ... --> report_failures_settle --> report_failures_find_examples
 *                             --> report_failures_free
 *
 * Failure: none (memory.h), but for reading what was printed.
 */
#ifndef CLI_REPORT_FAILURES_H
#define CLI_REPORT_FAILURES_H

#include <stddef.h>
#include <stdint.h>

#include "master/index_set.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/report.h"

#define REPORT_GROUP_COUNT_MAX 100
#define REPORT_EXAMPLE_SIZE_MAX 4096
/* More than that of what attempts have printed is not searched for examples. */
#define REPORT_STDIO_SIZE_MAX (UINT64_C(256) << 20)

struct report_group {
    enum failure_class class;
    char *text; /* not NUL-terminated */
    size_t text_size;
    uint64_t hash;
    uint64_t count; /* attempts */
    uint64_t map;   /* of its first attempt, */
    uint64_t index; /* which is the example, */
    uint64_t attempt;
    struct index_set indices; /* in that map */
    uint64_t printed_ms;
    struct buffer printed;   /* the end of what the example printed */
    uint64_t printed_before; /* bytes before that */
};

/* All zero has none. */
struct report_failures {
    struct report_group groups[REPORT_GROUP_COUNT_MAX];
    size_t group_count;
    uint64_t count;        /* attempts */
    uint64_t count_beyond; /* of them, those of texts that found no room */
    bool is_unsearched;    /* what was printed was too much to look for examples in */
};

void report_failures_add(struct report_failures *failures, uint64_t map,
                         const struct report_failure *failure);
/* Most frequent first. */
void report_failures_settle(struct report_failures *failures);
MUST_CHECK enum status report_failures_find_examples(struct report_failures *failures,
                                                     const char *run_dir, struct error *err);
void report_failures_free(struct report_failures *failures);

#endif
