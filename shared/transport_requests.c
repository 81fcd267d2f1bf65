#include "shared/transport_requests.h"

#include <assert.h>
#include <stdlib.h>

enum status mpi_check(int code, const char *call, struct error *err)
{
    if (code == MPI_SUCCESS) {
        return STATUS_OK;
    }
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) {
        return error_set(err, STATUS_TRANSPORT, "%s: error %d", call, code);
    }
    return error_set(err, STATUS_TRANSPORT, "%s: %s", call, text);
}

bool mpi_is_error(int code, int error_class)
{
    int class_of_code = MPI_SUCCESS;
    return code != MPI_SUCCESS && MPI_Error_class(code, &class_of_code) == MPI_SUCCESS &&
           class_of_code == error_class;
}

#ifdef MPI_ERR_PROC_FAILED

bool mpi_is_failure(int code)
{
    return mpi_is_error(code, MPI_ERR_PROC_FAILED);
}

/* Open MPI 5.0 leaves the error on a receive that was held up when looked at before, and is
 * complete by now. */
static enum status see_held_up(MPI_Request *request, MPI_Status *status, bool *is_held_up_out,
                               struct error *err)
{
    int is_complete = 0;
    *is_held_up_out = mpi_is_error(status->MPI_ERROR, MPI_ERR_PROC_FAILED_PENDING);
    if (!*is_held_up_out) {
        return STATUS_OK;
    }
    enum status found = mpi_check(MPI_Request_get_status(*request, &is_complete, status),
                                  "MPI_Request_get_status", err);
    if (found == STATUS_OK && is_complete) {
        *is_held_up_out = false;
        status->MPI_ERROR = MPI_SUCCESS;
        found = mpi_check(MPI_Request_free(request), "MPI_Request_free", err);
    }
    return found;
}

#else

bool mpi_is_failure(int code)
{
    (void)code;
    return false;
}

static enum status see_held_up(MPI_Request *request, MPI_Status *status, bool *is_held_up_out,
                               struct error *err)
{
    (void)request;
    (void)status;
    (void)err;
    *is_held_up_out = false;
    return STATUS_OK;
}

#endif

enum status request_set_reserve(struct request_set *set, size_t more)
{
    if (set->count + more <= set->capacity) {
        return STATUS_OK;
    }
    const size_t capacity = 2 * set->capacity + more;
    /* A request is a pointer in one MPI, and a number in another. */
    MPI_Request *requests = realloc(set->requests, capacity * sizeof(MPI_Request));
    if (requests == NULL) {
        return STATUS_NO_MEMORY;
    }
    set->requests = requests;
    void **owners = realloc(set->owners, capacity * sizeof(*owners));
    if (owners == NULL) {
        return STATUS_NO_MEMORY;
    }
    set->owners = owners;
    set->capacity = capacity;
    return STATUS_OK;
}

MPI_Request *request_set_add(struct request_set *set, void *owner)
{
    assert(set->count < set->capacity);
    const size_t index = set->count++;
    set->requests[index] = MPI_REQUEST_NULL;
    set->owners[index] = owner;
    return &set->requests[index];
}

void request_set_remove(struct request_set *set, size_t index)
{
    assert(index < set->count);
    set->count--;
    set->requests[index] = set->requests[set->count];
    set->owners[index] = set->owners[set->count];
}

void request_set_free(struct request_set *set)
{
    free(set->requests);
    free(set->owners);
    *set = (struct request_set){0};
}

/* From the back, so that what is moved into a gap has been looked at. */
static void remove_complete(struct request_set *set, size_t begin, size_t count)
{
    for (size_t i = begin + count; i-- > begin;) {
        if (set->requests[i] == MPI_REQUEST_NULL) {
            request_set_remove(set, i);
        }
    }
}

static enum status take(struct request_set *set, size_t index, MPI_Status *mpi_status,
                        request_done on_done, void *context, struct error *err)
{
    bool is_held_up = false;
    const enum status status = see_held_up(&set->requests[index], mpi_status, &is_held_up, err);
    if (status != STATUS_OK || is_held_up) {
        set->is_held_up = true;
        return status;
    }
    set->requests[index] = MPI_REQUEST_NULL;
    return on_done(context, set, index, mpi_status, err);
}

enum status request_set_test(struct request_set *set, request_done on_done, void *context,
                             struct error *err)
{
    const size_t begin = set->window_begin < set->count ? set->window_begin : 0;
    const size_t left = set->count - begin;
    const size_t count = left < REQUEST_WINDOW ? left : REQUEST_WINDOW;
    if (count == 0) {
        return STATUS_OK;
    }
    set->window_begin = begin + count;

    int indices[REQUEST_WINDOW];
    MPI_Status statuses[REQUEST_WINDOW];
    int done_count = 0;
    const int code =
        MPI_Testsome((int)count, set->requests + begin, &done_count, indices, statuses);
    const bool is_in_status = mpi_is_error(code, MPI_ERR_IN_STATUS);
    if (code != MPI_SUCCESS && !is_in_status) {
        return mpi_check(code, "MPI_Testsome", err);
    }
    enum status first_failure = STATUS_OK;
    for (int i = 0; i < done_count; i++) { /* MPI_UNDEFINED is negative */
        if (!is_in_status) {
            statuses[i].MPI_ERROR = MPI_SUCCESS; /* else MPI need not set it */
        }
        const enum status status = take(set, begin + (size_t)indices[i], &statuses[i], on_done,
                                        context, first_failure == STATUS_OK ? err : NULL);
        first_failure = first_failure == STATUS_OK ? status : first_failure;
    }
    if (done_count > 0) {
        remove_complete(set, begin, count);
    }
    return first_failure;
}
