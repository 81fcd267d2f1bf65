/* relay.h - what executors print where it is not captured (capture.h): passed on to the standard
 * error of their rank, or dropped.
 *
 * Executors hold the writing end of a pipe and never the rank's own descriptors, for which mpirun
 * would wait. Both standard output and error of an attempt go there: the rank's standard output is
 * for results. A line of at most PIPE_BUF bytes that is written in one go arrives whole.
 *
 * Failure: what cannot be passed on is dropped; an attempt that prints faster than somebody reads
 * waits. The rank never does.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

/* Not more in one go, so that a flood does not keep the rank from its other work. */
#define RELAY_SIZE_MAX ((size_t)64 << 10)

struct relay {
    int from; /* the rank's end, which never blocks; -1: there is none */
    int to;   /* what executors are given */
    size_t held_start;
    size_t held_size; /* what has come in, and standard error has not taken */
    uint8_t held[RELAY_SIZE_MAX];
};

MUST_CHECK enum status relay_open(struct relay *relay, bool is_discarding, struct error *err);
void relay_close(struct relay *relay);

/* Pass on what has come in, as far as standard error takes it now. */
void relay_forward(struct relay *relay);
/* The end: wait for standard error to take all that has come in. */
void relay_drain(struct relay *relay);
/* What to wait for before the next relay_forward(). */
struct pollfd relay_descriptor(const struct relay *relay);

#endif
