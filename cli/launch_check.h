/* launch_check.h - what `mapfleet launch` was asked for, checked before anything starts.
 *
 *     launch_check --> launch_arguments, for each start --> launch_request_free
 *
 * Ownership: words point into the command line.
 * Failure:   texts name what was found and what was expected.
 */
#ifndef CLI_LAUNCH_CHECK_H
#define CLI_LAUNCH_CHECK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/launch_line.h"
#include "cli/options.h"
#include "shared/error.h"

struct launch_request {
    const struct options *options;
    struct options inner; /* of the verb that is launched */
    char **words;         /* that verb, and what is its own */
    size_t word_count;
    uint64_t restarts;
    struct launch_plan plan;
    char program[PATH_MAX];
};

/* The request is to be freed also where it is refused. */
MUST_CHECK enum status launch_check(const struct options *options,
                                    struct launch_request *request_out, struct error *err);
void launch_request_free(struct launch_request *request);

/* Does the verb read standard input? Else it is not given any: a loop of a shell that reads a list
 * and launches a run for each line would lose the rest of it to the first. */
bool launch_reads_input(const struct launch_request *request);

/* Where a run stands that another start is to go on with. */
struct launch_progress {
    const char *run_dir; /* "": rank 0 has not said */
    bool has_begun;      /* it holds the run's record */
};

/* Can another start go on from there? Not where inputs came from standard input and are gone. */
bool launch_can_go_on(const struct launch_request *request, const struct launch_progress *progress);

/* The words of a start, from the verb on; of the first one, where `progress` is NULL. */
struct launch_words {
    char **words; /* as many as `count` */
    size_t count;
};
struct launch_words launch_words_make(const struct launch_request *request,
                                      const struct launch_progress *progress);
void launch_words_free(struct launch_words *words);

#endif
