/* signals.h - the signals that ask a run to end, brought into the loop of a rank.
 *
 *     signals_open --> signals_listen --> signals_take ... --> signals_close
 *
 * SIGUSR1 and SIGUSR2 are taken in from signals_open() on, since mpirun passes them to every rank
 * at any time. SIGINT and SIGTERM keep their default action, which ends the process, until
 * signals_listen(), when there is something to bring to an end, and again after signals_close().
 *
 * Threads: one; a signal may be delivered to any. The handler writes to a pipe, and does no more.
 * Failure: where the pipe is full, signals are dropped: enough of them are waiting.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

#include "shared/error.h"

struct signal_event {
    int number;
    bool is_last_word; /* of an mpirun, which kills its ranks a second or two later */
};

/* Before MPI starts. Once in a process. */
MUST_CHECK enum status signals_open(struct error *err);
/* From here on a second signal ends the process where `is_once`. */
void signals_listen(bool is_once);
void signals_close(void);

/* Readable when there is a signal to take; -1 before signals_open(). */
int signals_descriptor(void);
/* The next one, if there is one; never waits. */
bool signals_take(struct signal_event *event_out);

#endif
