/* transport_requests.h - MPI requests under way, and what each belongs to. For the MPI module only.
 *
 *     request_set_reserve --> request_set_add, MPI_Isend or MPI_Irecv --> request_set_test
 *
 * A test looks at no more than REQUEST_WINDOW requests, at others each time: so its cost does not
 * grow with the number of ranks, and requests that never end do not hide those that do.
 *
 * Ownership: owners are the caller's.
 * Threads:   the one that calls MPI.
 */
#ifndef SHARED_TRANSPORT_REQUESTS_H
#define SHARED_TRANSPORT_REQUESTS_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"

/* Few enough that a look in vain costs about a microsecond. */
#define REQUEST_WINDOW 256

/* All zero is an empty set. Requests have no fixed places: to remove one moves the last. */
struct request_set {
    MPI_Request *requests;
    void **owners;
    size_t count;
    size_t capacity;
    size_t window_begin; /* of the next test */
    bool is_held_up;     /* a test found receives that go on once failures are acknowledged */
};

/* What to do about a request that is complete; `status` tells how, MPI_ERROR included. Another may
 * be posted in its place, set->requests[index]; else it is removed. */
typedef enum status (*request_done)(void *context, struct request_set *set, size_t index,
                                    const MPI_Status *status, struct error *err);

MUST_CHECK enum status request_set_reserve(struct request_set *set, size_t more);
/* Where to post a request. There is room, by request_set_reserve(). */
MPI_Request *request_set_add(struct request_set *set, void *owner);
void request_set_remove(struct request_set *set, size_t index);
void request_set_free(struct request_set *set);

/* Test the next window. All that is complete is handed over, even if one fails; the first failure
 * is returned. */
MUST_CHECK enum status request_set_test(struct request_set *set, request_done on_done,
                                        void *context, struct error *err);

/* STATUS_OK, or STATUS_TRANSPORT with MPI's own text. */
MUST_CHECK enum status mpi_check(int code, const char *call, struct error *err);
/* Is the code of this class, such as MPI_ERR_TRUNCATE? */
bool mpi_is_error(int code, int error_class);
/* Has a request ended because its peer has failed? False where MPI tells nothing of failures. */
bool mpi_is_failure(int code);

#endif
