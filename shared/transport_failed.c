#include "shared/transport_failed.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/transport_requests.h"

#if defined(OPEN_MPI) && OMPI_MAJOR_VERSION >= 5
#include <mpi-ext.h>
#endif

enum status failed_ranks_create(struct failed_ranks *failed, uint32_t rank_count)
{
    *failed = (struct failed_ranks){.rank_count = rank_count};
    failed->states = calloc(rank_count, sizeof(*failed->states));
    return failed->states != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void failed_ranks_free(struct failed_ranks *failed)
{
    free(failed->states);
    *failed = (struct failed_ranks){0};
}

bool failed_ranks_take(struct failed_ranks *failed, uint32_t *rank_out)
{
    for (uint32_t rank = 0; failed->found_count > 0 && rank < failed->rank_count; rank++) {
        if (failed->states[rank] == FAILED_FOUND) {
            failed->states[rank] = FAILED_TAKEN;
            failed->found_count--;
            *rank_out = rank;
            return true;
        }
    }
    return false;
}

#ifdef OMPI_HAVE_MPIX_COMM_GET_FAILED

static void find(struct failed_ranks *failed, const int *ranks, int count)
{
    for (int i = 0; i < count; i++) {
        assert(ranks[i] >= 0 && (uint32_t)ranks[i] < failed->rank_count);
        if (failed->states[ranks[i]] == FAILED_NOT) {
            failed->states[ranks[i]] = FAILED_FOUND;
            failed->found_count++;
        }
    }
}

/* The numbers that the ranks of one group have in the communicator. */
static enum status translate(MPI_Group group, int count, MPI_Comm comm, int *ranks_out,
                             struct error *err)
{
    MPI_Group all = MPI_GROUP_NULL;
    int *own = calloc((size_t)count, sizeof(*own));
    if (own == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "failed ranks: out of memory");
    }
    for (int i = 0; i < count; i++) {
        own[i] = i;
    }
    enum status status = mpi_check(MPI_Comm_group(comm, &all), "MPI_Comm_group", err);
    if (status == STATUS_OK) {
        status = mpi_check(MPI_Group_translate_ranks(group, count, own, all, ranks_out),
                           "MPI_Group_translate_ranks", err);
        (void)MPI_Group_free(&all);
    }
    free(own);
    return status;
}

static enum status take_group(struct failed_ranks *failed, MPI_Group group, MPI_Comm comm,
                              struct error *err)
{
    int count = 0;
    int acknowledged_count = 0;
    enum status status = mpi_check(MPI_Group_size(group, &count), "MPI_Group_size", err);
    if (status != STATUS_OK || count == 0) {
        return status;
    }
    int *ranks = calloc((size_t)count, sizeof(*ranks));
    if (ranks == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "failed ranks: out of memory");
    }
    status = translate(group, count, comm, ranks, err);
    if (status == STATUS_OK) {
        find(failed, ranks, count);
        status = mpi_check(MPIX_Comm_ack_failed(comm, count, &acknowledged_count),
                           "MPIX_Comm_ack_failed", err);
    }
    free(ranks);
    return status;
}

enum status failed_ranks_look(struct failed_ranks *failed, MPI_Comm comm, struct error *err)
{
    MPI_Group group = MPI_GROUP_NULL;
    if (!failed->is_noted) {
        return STATUS_OK;
    }
    failed->is_noted = false;
    enum status status = mpi_check(MPIX_Comm_get_failed(comm, &group), "MPIX_Comm_get_failed", err);
    if (status == STATUS_OK) {
        status = take_group(failed, group, comm, err);
        (void)MPI_Group_free(&group);
    }
    return status;
}

#else

enum status failed_ranks_look(struct failed_ranks *failed, MPI_Comm comm, struct error *err)
{
    (void)comm;
    (void)err;
    assert(!failed->is_noted);
    return STATUS_OK;
}

#endif
