/* map_options_text.h - the options of a map as texts, laid over a task's own.
 *
 * The command line and a workflow's calls give the same options in the same words; each names them
 * in its own way, as "--mem" or "mem", which is what the texts of errors say.
 *
 * Failure: texts name the option, what was found and what was expected.
 */
#ifndef SHARED_MAP_OPTIONS_TEXT_H
#define SHARED_MAP_OPTIONS_TEXT_H

#include <stddef.h>

#include "shared/error.h"
#include "shared/map_options.h"

/* In the order in which they are read. */
#define MAP_OPTION_LIST(X)                                                                         \
    X(MIN_SUCCESS_RATIO)                                                                           \
    X(MIN_SUCCESSES)                                                                               \
    X(MAX_FAILURES)                                                                                \
    X(POLICY)                                                                                      \
    X(CAPTURE)                                                                                     \
    X(RETRIES)                                                                                     \
    X(RETRY_DELAY)                                                                                 \
    X(SYSTEM_RETRIES)                                                                              \
    X(TIMEOUT)                                                                                     \
    X(MEM)                                                                                         \
    X(MEM_GROWTH)                                                                                  \
    X(CPUS)                                                                                        \
    X(GPUS)                                                                                        \
    X(CONCURRENCY)                                                                                 \
    X(DELAY)                                                                                       \
    X(GRACE)                                                                                       \
    X(TIME_LIMIT)                                                                                  \
    X(LOST_AFTER)                                                                                  \
    X(MAX_OUTPUT)                                                                                  \
    X(SEED)                                                                                        \
    X(UNIT_SIZE)

enum map_option {
#define MAP_OPTION_ENUM(name) MAP_OPTION_##name,
    MAP_OPTION_LIST(MAP_OPTION_ENUM)
#undef MAP_OPTION_ENUM
};
enum { MAP_OPTION_COUNT = MAP_OPTION_UNIT_SIZE + 1 };

/* By option; a text of NULL: it was not given. */
struct map_option_texts {
    const char *names[MAP_OPTION_COUNT]; /* as errors say them */
    const char *texts[MAP_OPTION_COUNT];
};

/* Each option that was given replaces its field of `merged`; the rest stays. Any of the three that
 * say what counts as success replaces whichever the task had, and two of them are refused.
 * `merged` is as it was where one is refused. */
MUST_CHECK enum status map_options_lay(const struct map_option_texts *given,
                                       struct map_options *merged, struct error *err);

#endif
