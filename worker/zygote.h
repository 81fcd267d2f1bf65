/* zygote.h - a small process beside a rank that forks executors for it.
 *
 *     rank  --DESCRIBE-> zygote: loads a job, and tells of it --> DESCRIBED
 *           --PREPARE--> zygote: loads the job           --> PREPARED
 *           --FORK, descriptors--> zygote forks executor --> FORKED
 *           --SIGNAL--> zygote signals its group
 *                       the executor ends                --> ENDED, with its wait status
 *           --end of the socket--> zygote ends every executor and all that descends from it, leaves
 *
 * The zygote is forked before MPI starts, so that no process with an interconnect is ever forked,
 * and forking costs what a small process costs. It is a session of its own (mpirun signals a rank's
 * whole group), a child subreaper (so that what an executor leaves behind is found and ended), and
 * has no PDEATHSIG: it learns of its rank's end by the end of their socket. Executors are process
 * groups of their own and carry PDEATHSIG(KILL) of the zygote. Neither holds the rank's standard
 * input, output or error, for which mpirun would wait; they are /dev/null.
 *
 * Ownership: descriptors given to zygote_fork() stay the caller's.
 * Threads:   one; zygote_create() before any other thread is started.
 * Failure:   a zygote that is gone (killed) gives STATUS_IO from every call, for good; one that is
 *            too busy to hear for a second, STATUS_LIMIT, and then nothing was sent.
 */
#ifndef WORKER_ZYGOTE_H
#define WORKER_ZYGOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared/error.h"

#define ZYGOTE_FD_COUNT_MAX 8
/* Of a PREPARE: a larger one is a bug, or nonsense. */
#define ZYGOTE_REQUEST_SIZE_MAX ((size_t)64 << 20)

struct zygote; /* fields: zygote.c; the process itself: zygote_server.c */

/* What zygote and executors do. */
struct zygote_duties {
    /* In the zygote, on DESCRIBE: load the job that the request names, and write what it registers
     * into the descriptor. What it prints comes out of the other one. A crash in it ends the
     * zygote. NULL: DESCRIBE is refused. */
    enum status (*describe)(void *context, const void *request, size_t size, int answer,
                            struct error *err);
    /* In the zygote, on PREPARE: load the job. Its text, where it fails, comes back in PREPARED. A
     * crash in it ends the zygote. */
    enum status (*prepare)(void *context, const void *request, size_t size, struct error *err);
    /* In a new executor: its life, with the slot and the descriptors of zygote_fork(), in that
     * order. What it returns is the exit status. */
    int (*run)(void *context, uint32_t slot, const int *fds, size_t fd_count);
    /* In the zygote, before it leaves: all executors have ended. NULL: nothing. */
    void (*leave)(void *context);
    void *context;
};

enum zygote_event_kind { ZYGOTE_DESCRIBED, ZYGOTE_PREPARED, ZYGOTE_FORKED, ZYGOTE_ENDED };

struct zygote_event {
    enum zygote_event_kind kind;
    enum status status; /* all but ENDED: did it work? */
    struct error error; /* where it didn't */
    uint64_t executor;  /* FORKED, ENDED: the caller's number of it */
    pid_t pid;          /* FORKED, ENDED */
    int wait_status;    /* ENDED: of waitpid() */
    bool was_signalled; /* ENDED: the caller had sent it SIGKILL by zygote_signal() */
};

MUST_CHECK enum status zygote_create(const struct zygote_duties *duties, struct zygote **zygote_out,
                                     struct error *err);
/* Close the socket, and wait until the zygote has ended everything and left. One that is loading a
 * job is killed if it doesn't soon. NULL is allowed. */
void zygote_destroy(struct zygote *zygote);

/* `answer` is for what the job registers, `prints` becomes standard output and error meanwhile. */
MUST_CHECK enum status zygote_describe(struct zygote *zygote, const void *request, size_t size,
                                       int answer, int prints, struct error *err);
MUST_CHECK enum status zygote_prepare(struct zygote *zygote, const void *request, size_t size,
                                      struct error *err);
MUST_CHECK enum status zygote_fork(struct zygote *zygote, uint64_t executor, uint32_t slot,
                                   const int *fds, size_t fd_count, struct error *err);
/* Signal the executor's whole process group. Nothing where it has ended. */
MUST_CHECK enum status zygote_signal(struct zygote *zygote, uint64_t executor, int signal,
                                     struct error *err);

/* Of a zygote that is gone: how it ended, as waitpid() tells; -1 where a job that it loaded has
 * closed its socket, and it is killed if it lives on. Waits a second at most. */
int zygote_end_status(struct zygote *zygote);

/* Readable when there is an event. */
int zygote_descriptor(const struct zygote *zygote);
/* The next event, if there is one; never waits. */
MUST_CHECK enum status zygote_take_event(struct zygote *zygote, struct zygote_event *event_out,
                                         bool *is_event_out, struct error *err);

#endif
