/* transport_join.h - becoming one of the ranks of an MPI job, and ending that. For the MPI module
 * only.
 *
 * Threads: the one that will call MPI.
 * Failure: STATUS_TRANSPORT; but where MPI can't start at all, it ends the process by itself, with
 *          a text of its own.
 */
#ifndef SHARED_TRANSPORT_JOIN_H
#define SHARED_TRANSPORT_JOIN_H

#include <mpi.h>
#include <stddef.h>

#include "shared/error.h"
#include "shared/transport_face.h"

/* In which messages are to be through, and MPI is to end. */
#define TRANSPORT_END_SECONDS_MAX 10

/* Name and version of the MPI that is loaded, also before it is started. */
void transport_read_name(char *name_out, size_t name_size);

/* Start MPI. Every rank does so at the same time. The communicator is ours alone, and its calls
 * return their errors. */
MUST_CHECK enum status transport_join(MPI_Comm *comm_out, struct transport_place *place_out,
                                      struct error *err);

/* MPI_Finalize(). Where `late_status` is one, the process exits with it if that does not end. */
MUST_CHECK enum status transport_finalize(int late_status, struct error *err);

#endif
