/* launch.h - mapfleet launch: starts mpirun or srun the right way, and outlives it.
 *
 *     checked, all words of the verb too --> launcher found --> started --+--> the run's exit
 * status
 *                                                 ^--- rank 0 was lost ---+
 *
 * Failure: what is refused starts nothing. A run without a verdict can be resumed (exit 75), and so
 *          it is, --restarts times.
 */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H

#include "cli/options.h"

/* Gives the exit status. */
int launch_main(const struct options *options);

#endif
