#include "shared/transport_join.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/transport_requests.h"

/* What would be right is FUNNELED: there are other threads, which never call MPI. But anything
 * above SINGLE turns Open MPI 4.1's own locks on, and one of them blocks for ever: where a TCP
 * connection breaks while a large message is being sent, mca_btl_tcp_endpoint_close() completes the
 * message under the endpoint's lock, which sends a last fragment through the same endpoint, which
 * takes the lock again. One dead worker would stop rank 0. Open MPI itself has a thread under
 * SINGLE, too. */
#ifdef OPEN_MPI
#define THREAD_LEVEL MPI_THREAD_SINGLE
#else
#define THREAD_LEVEL MPI_THREAD_FUNNELED
#endif

/* "Open MPI v4.1.4, package: ..." is cut at the comma, a table of MPICH at its first line; runs of
 * blanks become one. */
void transport_read_name(char *name_out, size_t name_size)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) {
        (void)memcpy(text, "MPI", sizeof("MPI"));
    }
    size_t size = 0;
    for (const char *c = text; *c != '\0' && strchr(",\r\n", *c) == NULL; c++) {
        const char next = *c == '\t' ? ' ' : *c;
        const bool is_doubled = next == ' ' && (size == 0 || name_out[size - 1] == ' ');
        if (!is_doubled && size + 1 < name_size) {
            name_out[size++] = next;
        }
    }
    name_out[size] = '\0';
}

static enum status read_place_of(MPI_Comm comm, uint32_t *rank_out, uint32_t *size_out,
                                 struct error *err)
{
    int rank = 0;
    int size = 0;
    enum status status = mpi_check(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank", err);
    if (status == STATUS_OK) {
        status = mpi_check(MPI_Comm_size(comm, &size), "MPI_Comm_size", err);
    }
    *rank_out = (uint32_t)rank;
    *size_out = (uint32_t)size;
    return status;
}

/* Ranks keep their order among those of their host. */
static enum status read_shares(MPI_Comm local, cpu_set_t own_set, struct transport_place *place,
                               struct error *err)
{
    const struct neighbour self = {.rank = place->rank, .cpu_set = own_set};
    struct neighbour *all = calloc(place->local_size, sizeof(*all));
    if (all == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to join the other ranks");
    }
    const enum status status = mpi_check(
        MPI_Allgather(&self, (int)sizeof(self), MPI_BYTE, all, (int)sizeof(self), MPI_BYTE, local),
        "MPI_Allgather", err);
    if (status == STATUS_OK) {
        place->shares = neighbours_share(all, place->local_size, place->local_rank);
    }
    free(all);
    return status;
}

/* Kept for good: until the process ends, somebody may ask. */
static enum status read_processes(MPI_Comm local, struct transport_place *place, struct error *err)
{
    const struct neighbour_process self = neighbour_own_process(place->rank);
    struct neighbour_process *all = calloc(place->local_size, sizeof(*all));
    if (all == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to join the other ranks");
    }
    place->processes = all;
    return mpi_check(
        MPI_Allgather(&self, (int)sizeof(self), MPI_BYTE, all, (int)sizeof(self), MPI_BYTE, local),
        "MPI_Allgather", err);
}

static enum status read_place(MPI_Comm comm, cpu_set_t own_set, struct transport_place *place,
                              struct error *err)
{
    transport_read_name(place->name, sizeof(place->name));
    enum status status = read_place_of(comm, &place->rank, &place->size, err);
    if (status != STATUS_OK) {
        return status;
    }
    MPI_Comm local = MPI_COMM_NULL;
    status = mpi_check(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local),
                       "MPI_Comm_split_type", err);
    if (status != STATUS_OK) {
        return status;
    }
    status = read_place_of(local, &place->local_rank, &place->local_size, err);
    if (status == STATUS_OK) {
        status = read_shares(local, own_set, place, err);
    }
    if (status == STATUS_OK) {
        status = read_processes(local, place, err);
    }
    const enum status freed =
        mpi_check(MPI_Comm_free(&local), "MPI_Comm_free", status == STATUS_OK ? err : NULL);
    return status != STATUS_OK ? status : freed;
}

/* Where srun starts the ranks, one of them may still wait within MPI_Init() for what the others
 * have published when these are through it: Slurm 22.05 was seen to let them go ahead. Open MPI 4.1
 * then crashes in the one that waits, when the first message comes: nobody is there to take it yet
 * (1 to 3 of 100 starts on a busy machine). Asked to fetch what is published when it is needed, it
 * does not wait there (none of 350). */
static void leave_out_first_wait(void)
{
    if (getenv("OMPI_COMM_WORLD_SIZE") == NULL && getenv("PMIX_RANK") != NULL) {
        (void)setenv("OMPI_MCA_pmix_base_async_modex", "1", 0);
    }
}

enum status transport_join(MPI_Comm *comm_out, struct transport_place *place_out, struct error *err)
{
    int provided = MPI_THREAD_SINGLE;
    const cpu_set_t own_set = neighbour_own_set(); /* before MPI may bind this process alone */
    leave_out_first_wait();
    enum status status =
        mpi_check(MPI_Init_thread(NULL, NULL, THREAD_LEVEL, &provided), "MPI_Init_thread", err);
    if (status != STATUS_OK) {
        return status;
    }
    if (provided < THREAD_LEVEL) {
        return error_set(err, STATUS_TRANSPORT, "this MPI does not allow other threads");
    }
    status = mpi_check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN),
                       "MPI_Comm_set_errhandler", err);
    if (status == STATUS_OK) {
        status = mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, comm_out), "MPI_Comm_dup", err);
    }
    if (status == STATUS_OK) {
        status = mpi_check(MPI_Comm_set_errhandler(*comm_out, MPI_ERRORS_RETURN),
                           "MPI_Comm_set_errhandler", err);
    }
    return status == STATUS_OK ? read_place(*comm_out, own_set, place_out, err) : status;
}

/* Where a rank is lost while others finalise, they would wait for it for ever. Where the job does
 * not outlive losses it ends with any rank that is lost, and with one that leaves in this way. */
static volatile sig_atomic_t late_exit_status;

static void on_late(int number)
{
    (void)number;
    _exit(late_exit_status);
}

static void set_alarm(int late_status)
{
    struct sigaction action = {.sa_handler = on_late};
    sigset_t alarms;
    late_exit_status = late_status;
    (void)sigemptyset(&alarms);
    (void)sigaddset(&alarms, SIGALRM);
    (void)sigaction(SIGALRM, &action, NULL);
    (void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    (void)alarm(TRANSPORT_END_SECONDS_MAX);
}

enum status transport_finalize(int late_status, struct error *err)
{
    if (late_status != TRANSPORT_NEVER_LATE) {
        set_alarm(late_status);
    }
    const enum status status = mpi_check(MPI_Finalize(), "MPI_Finalize", err);
    (void)alarm(0);
    return status;
}
