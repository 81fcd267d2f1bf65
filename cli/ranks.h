/* ranks.h - starts the ranks of a run: zygote before MPI, transport, and what each rank then does.
 *
 * Rank 0 does what the verb says; every other rank is a worker until it is told to leave.
 */
#ifndef CLI_RANKS_H
#define CLI_RANKS_H

#include <stdbool.h>

#include "shared/transport.h"
#include "worker/zygote.h"

/* What a rank has of the machine. */
struct ranks {
    struct transport *transport;
    struct zygote *zygote;   /* of attempts, and of what a job tells of itself */
    struct zygote *workflow; /* of a workflow's process; NULL: none was asked for */
};

/* What rank 0 does. *is_clean_out is true unless set otherwise: false where some rank may not have
 * left, so that nobody waits for it. Gives the exit status. */
typedef int ranks_master(void *context, const struct ranks *ranks, bool *is_clean_out);

/* `workflow` is what the zygote of a workflow does on rank 0; NULL: none can be run. Gives the exit
 * status of this rank. */
int ranks_run(ranks_master *run_master, const struct zygote_duties *workflow, void *context);

#endif
