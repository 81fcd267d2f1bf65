/* session.h - the loop of a rank: messages in, turns of master and worker, waiting in between. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/master.h"
#include "shared/transport.h"
#include "worker/worker.h"

/* Run until the master is over, or, where there is none, the worker has left. Either may be NULL.
 * Signals are taken as they come (signals.h), and what is told of the job's end (slurm_end.h).
 * Gives the rank's exit status; the transport has nothing left to send after it. */
int session_run(struct transport *transport, struct master *master, struct worker *worker);

/* What rank 0 does beside being the master, in the same loop: it begins maps, and learns of their
 * ends (master_maps.h). */
#define SESSION_GUEST_FD_COUNT_MAX 4
struct session_guest {
    /* After each turn of the master. Never waits. */
    enum status (*turn)(void *context, uint64_t now_us, bool *did_something_out, struct error *err);
    /* What a turn may have something to do upon; gives how many. */
    size_t (*descriptors)(void *context, struct pollfd fds_out[SESSION_GUEST_FD_COUNT_MAX]);
    void *context;
};

/* The same with a guest, which may be NULL. */
int session_run_with(struct transport *transport, struct master *master, struct worker *worker,
                     const struct session_guest *guest);

/* Until this is readable, let the others know that rank 0 lives. Nothing has been started yet. */
void session_wait(struct transport *transport, int descriptor);

/* Rank 0 refuses to run anything: send every other rank away. */
void session_dismiss(struct transport *transport);

#endif
