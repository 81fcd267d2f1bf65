/* relay.h - what executors print where it is not captured (capture.h): passed on to the standard
 * error of their rank, or dropped.
 *
 * Executors hold the writing end of a pipe and never the rank's own descriptors, for which mpirun
 * would wait. Both standard output and error of an attempt go there: the rank's standard output is
 * for results. A line of at most PIPE_BUF bytes that is written in one go arrives whole.
 *
 * Failure: what cannot be passed on is dropped; an attempt that prints faster than the rank passes
 * on waits.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include <stdbool.h>

#include "shared/error.h"

struct relay {
    int from; /* the rank's end, which never blocks; -1: there is none */
    int to;   /* what executors are given */
};

MUST_CHECK enum status relay_open(struct relay *relay, bool is_discarding, struct error *err);
void relay_close(struct relay *relay);

/* Pass on what has come in. */
void relay_forward(const struct relay *relay);

#endif
