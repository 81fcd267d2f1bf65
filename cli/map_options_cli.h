/* map_options_cli.h - what was asked for on the command line, laid over a task's own options. */
#ifndef CLI_MAP_OPTIONS_CLI_H
#define CLI_MAP_OPTIONS_CLI_H

#include "cli/options.h"
#include "shared/error.h"
#include "shared/map_options.h"

/* Each option that was given replaces its field of `merged`; the rest stays. Any of the three that
 * say what counts as success replaces whichever the task had, and two of them are refused. The text
 * of an error names the option, what was found and what was expected; `merged` is as it was then.
 */
MUST_CHECK enum status map_options_apply(const struct options *options, struct map_options *merged,
                                         struct error *err);

#endif
