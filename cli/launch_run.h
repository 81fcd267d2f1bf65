/* launch_run.h - one start of mpirun or srun, from its spawning to its end.
 *
 *     STARTING --rank 0 is there--> RUNNING --rank 0 has said its last--> OVER
 *         +---------+ rank 0 or the launcher is gone --> LOST
 *
 * The launcher gets a process group of its own, so that what is typed at a terminal reaches this
 * process alone. INT, TERM, HUP, USR1 and USR2 become USR1 for the launcher, which passes it to all
 * ranks: the run then ends with its grace. A second one becomes USR2, and the run ends at once; a
 * third, or one before the ranks are there, ends the launcher.
 *
 * The launcher is ended (TERM, and KILL later) once the run is over and nothing more comes on
 * standard output, since it may never end by itself after a lost host; so it is where rank 0 is
 * lost.
 *
 * That rank 0 is gone is seen by its process, where that is on this machine. Of one on another, the
 * run's folder tells how it stands, and a worker that leaves says that rank 0 is silent.
 *
 * Threads: one.
 * Failure: an error is one of starting; what comes later is in the outcome.
 */
#ifndef CLI_LAUNCH_RUN_H
#define CLI_LAUNCH_RUN_H

#include <limits.h>
#include <stdbool.h>

#include "cli/launch_line.h"
#include "shared/error.h"

struct launch_outcome {
    bool was_up;            /* the ranks were all there */
    bool is_over;           /* rank 0 has said its last: */
    int exit_status;        /* ... the run's */
    bool is_interrupted;    /* a signal has asked for the end */
    int launcher_status;    /* as from waitpid() */
    char run_dir[PATH_MAX]; /* "": rank 0 has not said */
};

/* `up_path` is made when the ranks are there, for the agents; NULL: for none. The word of the notes
 * is in the environment. */
MUST_CHECK enum status launch_run(const struct launch_line *line, const char *word,
                                  const char *up_path, bool has_input,
                                  struct launch_outcome *outcome_out, struct error *err);

#endif
