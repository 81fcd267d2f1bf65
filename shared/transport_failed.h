/* transport_failed.h - the ranks that MPI itself has found dead. For the MPI module only.
 *
 * Only an MPI with ULFM tells of any: Open MPI 5, under mpirun --with-ft ulfm. What is under way
 * with a rank that has failed ends with an error there, and receives from anyone are held up, with
 * another error, until all failures are acknowledged (transport_requests.h knows both).
 *
 * Threads: the one that calls MPI.
 */
#ifndef SHARED_TRANSPORT_FAILED_H
#define SHARED_TRANSPORT_FAILED_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/error.h"

enum failed_state { FAILED_NOT, FAILED_FOUND, FAILED_TAKEN };

struct failed_ranks {
    enum failed_state *states; /* by rank */
    uint32_t rank_count;
    uint32_t found_count; /* and not taken */
    bool is_noted;        /* a request has ended, or is held up, by a failure */
};

MUST_CHECK enum status failed_ranks_create(struct failed_ranks *failed, uint32_t rank_count);
void failed_ranks_free(struct failed_ranks *failed);

/* Where one is noted, learn from MPI which ranks have failed, and acknowledge them. */
MUST_CHECK enum status failed_ranks_look(struct failed_ranks *failed, MPI_Comm comm,
                                         struct error *err);
/* The next one; each is given once. */
MUST_CHECK bool failed_ranks_take(struct failed_ranks *failed, uint32_t *rank_out);

#endif
