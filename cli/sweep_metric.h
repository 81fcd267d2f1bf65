/* sweep_metric.h - by what a sweep's trials are judged, as its file says it, for those who judge.
 *
 * Failure: INVALID where the way in which trials run leaves nothing to judge, or nothing to stop.
 */
#ifndef CLI_SWEEP_METRIC_H
#define CLI_SWEEP_METRIC_H

#include "cli/options.h"
#include "cli/sweep_command.h"
#include "cli/sweep_file.h"
#include "master/cache_mode.h"
#include "master/metric_options.h"
#include "shared/arena.h"
#include "shared/error.h"

/* The file's metric; its name is NULL where it has none. How trials report it depends on the
 * command (no words: a task), and on whether --wandb was given. Texts lie in the arena. */
struct metric_options sweep_metric_make(const struct sweep_file *file,
                                        const struct sweep_command *command, bool is_wandb,
                                        struct arena *arena);

/* Is a word of the command a program in Python that imports that module? Files are read into the
 * arena. */
bool sweep_imports_wandb(const struct sweep_command *command, struct arena *arena);

/* Do the options in force agree with it? */
MUST_CHECK enum status sweep_metric_check(const struct metric_options *metric,
                                          const struct options *given, enum cache_mode cache,
                                          struct error *err);

#endif
