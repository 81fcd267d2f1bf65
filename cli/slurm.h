/* slurm.h - what Slurm's batch jobs change: the default run directory, and that a job which was
 * started again goes on.
 *
 * A batch job is one without a terminal. A run inside a command of another run is none.
 */
#ifndef CLI_SLURM_H
#define CLI_SLURM_H

#include <stdbool.h>

/* In a batch job? */
bool slurm_is_batch(void);
/* ... that Slurm has started again? */
bool slurm_is_restarted(void);

/* The end of the default run directory's name, "slurm<job>-<digest of the command line>"; to be
 * freed. --resume, --print and --progress make no difference. argv[0] is the verb. */
char *slurm_run_dir_tail(int argc, char *const *argv);

#endif
