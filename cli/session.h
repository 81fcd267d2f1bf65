/* session.h - the loop of a rank: messages in, turns of master and worker, waiting in between. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "master/master.h"
#include "shared/transport.h"
#include "worker/worker.h"

/* Run until the master is over, or, where there is none, the worker has left. Either may be NULL.
 * Signals are taken as they come (signals.h), and what is told of the job's end (slurm_end.h).
 * Gives the rank's exit status; the transport has nothing left to send after it. */
int session_run(struct transport *transport, struct master *master, struct worker *worker);

/* Until this is readable, let the others know that rank 0 lives. Nothing has been started yet. */
void session_wait(struct transport *transport, int descriptor);

/* Rank 0 refuses to run anything: send every other rank away. */
void session_dismiss(struct transport *transport);

#endif
