/* transport.h - messages between the ranks of a run, and nothing else of MPI.
 *
 *     transport_open --> transport_send, transport_receive ... --> transport_close
 *
 * Two faces: a process alone never touches MPI (its messages to itself go through a queue), and one
 * of several loads the MPI face, a module of its own (lib/mapfleet/transport_mpi.so), so that the
 * command starts in milliseconds where MPI isn't needed. A rank's messages to itself always go
 * through the queue.
 *
 * A message is bytes, delivered once, whole, in the order in which its sender sent them; nothing is
 * ordered between senders. Sending and receiving never block and never fail for a peer that is
 * gone: few MPIs report such a thing, so that silence must be judged by the caller.
 *
 * Ownership: transport_send() takes the bytes over. A received message belongs to the caller until
 *            transport_release().
 * Threads:   one, the one that opened it.
 * Failure:   a failed MPI call is STATUS_TRANSPORT with MPI's own text. After a loss, close with
 *            `is_clean` false: MPI_Finalize may hang then.
 */
#ifndef SHARED_TRANSPORT_H
#define SHARED_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/neighbours.h"

struct transport; /* fields: transport.c */

struct transport_message {
    uint32_t rank; /* of the sender */
    uint8_t *data; /* may be NULL where the size is 0 */
    size_t size;   /* bytes */
    void *block;   /* the transport's own */
};

/* Is this process one of several of an MPI job, by the variables of Open MPI and PMIx? Copies that
 * something else started, each of which would do the whole run, are refused: STATUS_INVALID, with
 * the way round in the text. A job of one rank is alone, and so is a run inside a run's command. */
MUST_CHECK enum status transport_is_parallel(bool *is_parallel_out, struct error *err);

/* The rank that the environment speaks of, before anything is opened: so that one of several copies
 * prints what is refused. 0 for a process alone. */
uint32_t transport_rank_of_environment(void);

MUST_CHECK enum status transport_open(bool is_parallel, struct transport **transport_out,
                                      struct error *err);

uint32_t transport_rank(const struct transport *transport);
uint32_t transport_size(const struct transport *transport); /* number of ranks */
/* Among the ranks of this host: how many, and which this one is. */
uint32_t transport_local_size(const struct transport *transport);
uint32_t transport_local_rank(const struct transport *transport);
/* What this rank has of the host, as a worker beside those others. */
struct neighbour_shares transport_shares(const struct transport *transport);
/* The process of another rank of this host, as this process sees it; 0: of another host, or
 * not to be seen. */
pid_t transport_process(const struct transport *transport, uint32_t rank);
/* Was the job started so that it goes on when ranks are lost? */
bool transport_outlives_losses(void);
/* Name and version of the MPI that ranks would run with, which is loaded for it, not opened. */
MUST_CHECK enum status transport_describe_mpi(char *name_out, size_t name_size, struct error *err);
/* Name and version of what carries the messages: "loopback", "Open MPI v4.1.4 ...". */
const char *transport_name(const struct transport *transport);

/* Send the bytes, which are moved out of `bytes`. On failure they are kept, unless a part of them
 * is under way. Bytes for a rank that was given up are dropped. */
MUST_CHECK enum status transport_send(struct transport *transport, uint32_t rank,
                                      struct buffer *bytes, struct error *err);

/* The next message that has arrived whole: *is_message_out is false when there is none. Nothing
 * moves but in here, what is sent included. NO_MEMORY loses nothing: it may be called again. */
MUST_CHECK enum status transport_receive(struct transport *transport,
                                         struct transport_message *message_out,
                                         bool *is_message_out, struct error *err);

/* Has this rank sent itself something that it has not received yet? It is there at once, so that a
 * loop must not wait then. */
bool transport_has_own(const struct transport *transport);

/* Give the bytes back; the message is empty after. An empty one is allowed. */
void transport_release(struct transport *transport, struct transport_message *message);

/* Bytes of the messages given to transport_send() for a rank that MPI has not taken whole yet; with
 * transport_pending_all for all ranks. What a rank sends to itself is never pending. */
uint64_t transport_pending(const struct transport *transport, uint32_t rank);
uint64_t transport_pending_all(const struct transport *transport);

/* Grows with whatever arrives from the rank, also where it cannot be received yet, because what was
 * sent before it has not come whole: a sign of life. */
uint64_t transport_arrivals(const struct transport *transport, uint32_t rank);

/* The next rank that MPI itself has found dead; each is told of once, and not given up by that.
 * Only an MPI that has a way to tell does (Open MPI 5, under mpirun --with-ft ulfm): that no rank
 * is told of says nothing. */
MUST_CHECK bool transport_next_failed(struct transport *transport, uint32_t *rank_out);

/* Give up a lost rank, which isn't this one: its requests are left alone, what is still sent to it
 * is dropped, and what still comes from it is dropped too. */
void transport_abandon(struct transport *transport, uint32_t rank);

/* End. Clean: every rank calls this once nothing is to be received any more; what was sent is
 * waited for, and MPI is finalised. Where the job outlives losses, a rank may be lost in this very
 * moment, and MPI_Finalize() would wait for it for ever: after 10 s the process exits with
 * `exit_status`. Otherwise, and if a rank was given up, nothing of MPI is called, and the process
 * must leave by transport_leave(). Messages are released before. NULL is allowed. */
void transport_close(struct transport *transport, bool is_clean, int exit_status);

/* Leave where others may never answer, by _exit(). A job that does not outlive losses ends with it,
 * at once and with this status. */
_Noreturn void transport_leave(struct transport *transport, int exit_status);

/* End the whole MPI job at once with this status, where ranks no longer answer. Does not return. */
_Noreturn void transport_abort(struct transport *transport, int exit_status);

#endif
