/* map_options_cli.h - options of the command line laid over a task's own, field by field.
 *
 * Failure: texts name the option, what was found and what was expected.
 */
#ifndef CLI_MAP_OPTIONS_CLI_H
#define CLI_MAP_OPTIONS_CLI_H

#include "cli/options.h"
#include "shared/error.h"
#include "shared/map_options.h"

/* What was not given stays as it is in `merged`. */
MUST_CHECK enum status map_options_apply(const struct options *options, struct map_options *merged,
                                         struct error *err);

#endif
