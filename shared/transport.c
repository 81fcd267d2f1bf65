#include "shared/transport.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/path.h"
#include "shared/transport_face.h"
#include "shared/transport_remains.h"

/* A message of this rank to itself. */
struct own_message {
    struct own_message *next;
    uint8_t *data;
    size_t size;
};

struct transport {
    const struct transport_face *face; /* NULL for a process alone */
    struct transport_mpi *mpi;
    struct transport_place place;
    struct own_message *own_first;
    struct own_message *own_last; /* undefined when empty */
    struct own_message *own_free; /* used again, so that the steady state allocates nothing */
    bool is_own_turn;
};

/* ---- What the environment says --------------------------------------------------------------- */

/* A decimal number of the environment; -1 where it isn't set or is no number. */
static long environment_number(const char *name)
{
    const char *text = getenv(name);
    if (text == NULL || *text == '\0') {
        return -1;
    }
    char *end = NULL;
    errno = 0;
    const long number = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && number >= 0 ? number : -1;
}

/* A run that a command of another run starts. MPI's variables are taken from commands, but Slurm's
 * are not. */
static bool is_nested(void)
{
    return getenv("MAPFLEET_RUN_DIR") != NULL;
}

uint32_t transport_rank_of_environment(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID"};
    const size_t count = is_nested() ? 1 : sizeof(names) / sizeof(names[0]);
    for (size_t i = 0; i < count; i++) {
        const long rank = environment_number(names[i]);
        if (rank >= 0 && rank <= INT_MAX) {
            return (uint32_t)rank;
        }
    }
    return 0;
}

static const struct transport_face *face_load(struct error *err);

static const char *built_for(void)
{
    const struct transport_face *face = face_load(NULL);
    return face == NULL ? "the MPI that it was built with" : face->built_for;
}

enum status transport_is_parallel(bool *is_parallel_out, struct error *err)
{
    *is_parallel_out = false;
    const long size = environment_number("OMPI_COMM_WORLD_SIZE");
    if (size > 0) {
        *is_parallel_out = size > 1;
        return STATUS_OK;
    }
    if (is_nested()) {
        return STATUS_OK;
    }
    const long task_count = environment_number("SLURM_STEP_NUM_TASKS");
    if (environment_number("PMIX_RANK") >= 0) {
        *is_parallel_out = task_count != 1;
        return STATUS_OK;
    }
    if (task_count > 1) {
        return error_set(err, STATUS_INVALID,
                         "srun started %ld copies, and each would do the whole run: start it with "
                         "srun --mpi=pmix or with mpirun (one copy: srun -n 1)",
                         task_count);
    }
    const long pmi_size = environment_number("PMI_SIZE");
    if (pmi_size > 1) {
        return error_set(err, STATUS_INVALID,
                         "another MPI's launcher started %ld copies, and each would do the whole "
                         "run: mapfleet was built with %s, start it with the mpirun of that",
                         pmi_size, built_for());
    }
    return STATUS_OK;
}

/* ---- The module ------------------------------------------------------------------------------ */

/* The module stays loaded for good: MPI can't be unloaded. */
static const struct transport_face *face_load(struct error *err)
{
    char path[PATH_MAX + 64];
    path_of_module("transport_mpi.so", path, sizeof(path));
    /* Global: some builds of Open MPI have plugins that name no library, and look for MPI's symbols
     * among those of the program. */
    void *module = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (module == NULL) {
        const char *text = dlerror();
        (void)error_set(err, STATUS_TRANSPORT, "MPI module not loaded: %s",
                        text == NULL ? path : text);
        return NULL;
    }
    const struct transport_face *(*get_face)(void) = NULL;
    *(void **)&get_face = dlsym(module, TRANSPORT_FACE_NAME);
    const struct transport_face *face = get_face == NULL ? NULL : get_face();
    if (face == NULL || strcmp(face->version, MAPFLEET_VERSION) != 0) {
        (void)error_set(err, STATUS_TRANSPORT, "%s: not the MPI module of mapfleet %s", path,
                        MAPFLEET_VERSION);
        return NULL;
    }
    return face;
}

enum status transport_describe_mpi(char *name_out, size_t name_size, struct error *err)
{
    const struct transport_face *face = face_load(err);
    if (face == NULL) {
        return STATUS_TRANSPORT;
    }
    face->describe(name_out, name_size);
    return STATUS_OK;
}

/* An mpirun of another MPI, or of another version: MPI sees one rank in each of many processes. */
static enum status check_size(const struct transport *transport, struct error *err)
{
    const long ompi_size = environment_number("OMPI_COMM_WORLD_SIZE");
    const long size = ompi_size > 0 ? ompi_size : environment_number("SLURM_STEP_NUM_TASKS");
    if (size <= 1 || transport->place.size > 1) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
                     "%ld copies were started, but each is alone for %s, and would do the whole "
                     "run: start it with the mpirun of that MPI",
                     size, transport->place.name);
}

static enum status open_mpi(struct transport *transport, struct error *err)
{
    const struct transport_face *face = face_load(err);
    if (face == NULL) {
        return STATUS_TRANSPORT;
    }
    const enum status status = face->open(&transport->mpi, &transport->place, err);
    if (status != STATUS_OK) {
        return status;
    }
    transport->face = face;
    return check_size(transport, err);
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static void own_messages_free(struct own_message *message)
{
    while (message != NULL) {
        struct own_message *next = message->next;
        free(message->data);
        free(message);
        message = next;
    }
}

enum status transport_open(bool is_parallel, struct transport **transport_out, struct error *err)
{
    struct transport *transport = calloc(1, sizeof(*transport));
    if (transport == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "message transport: out of memory");
    }
    const struct neighbour self = {.rank = 0, .cpu_set = neighbour_own_set()};
    transport->place = (struct transport_place){
        .size = 1, .local_size = 1, .shares = neighbours_share(&self, 1, 0), .name = "loopback"};
    if (is_parallel) {
        const enum status status = open_mpi(transport, err);
        if (status != STATUS_OK) {
            transport_close(transport, false, 0);
            return status;
        }
    }
    *transport_out = transport;
    return STATUS_OK;
}

void transport_close(struct transport *transport, bool is_clean, int exit_status)
{
    if (transport == NULL) {
        return;
    }
    if (transport->face != NULL) {
        transport->face->close(transport->mpi, is_clean,
                               transport_outlives_losses() ? exit_status : TRANSPORT_NEVER_LATE);
    }
    own_messages_free(transport->own_first);
    own_messages_free(transport->own_free);
    free(transport);
}

_Noreturn void transport_abort(struct transport *transport, int exit_status)
{
    if (transport->face != NULL) {
        transport->face->abort(exit_status);
    }
    _exit(exit_status);
}

_Noreturn void transport_leave(struct transport *transport, int exit_status)
{
    if (transport->face != NULL && !transport_outlives_losses()) {
        transport_abort(transport, exit_status);
    }
    (void)fflush(NULL);
    transport_remains_remove();
    _exit(exit_status);
}

/* A yes or no of Open MPI's parameters. */
static bool is_set(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' && strcmp(text, "0") != 0 && strcmp(text, "false") != 0;
}

/* By --enable-recovery of Open MPI 4's mpirun, by --with-ft ulfm of Open MPI 5's: either tells the
 * ranks. */
bool transport_outlives_losses(void)
{
    return is_set("OMPI_MCA_orte_enable_recovery") || is_set("OMPI_MCA_mpi_ft_enable");
}

pid_t transport_process(const struct transport *transport, uint32_t rank)
{
    const struct transport_place *place = &transport->place;
    const uint64_t own_namespace = neighbour_own_process(place->rank).namespace_id;
    for (uint32_t i = 0; place->processes != NULL && i < place->local_size; i++) {
        const struct neighbour_process *process = &place->processes[i];
        if (process->rank == rank && process->namespace_id == own_namespace && own_namespace != 0) {
            return process->pid;
        }
    }
    return 0;
}

uint32_t transport_rank(const struct transport *transport)
{
    return transport->place.rank;
}

uint32_t transport_size(const struct transport *transport)
{
    return transport->place.size;
}

uint32_t transport_local_size(const struct transport *transport)
{
    return transport->place.local_size;
}

struct neighbour_shares transport_shares(const struct transport *transport)
{
    return transport->place.shares;
}

uint32_t transport_local_rank(const struct transport *transport)
{
    return transport->place.local_rank;
}

const char *transport_name(const struct transport *transport)
{
    return transport->place.name;
}

/* ---- Messages -------------------------------------------------------------------------------- */

static enum status own_send(struct transport *transport, struct buffer *bytes, struct error *err)
{
    struct own_message *message = transport->own_free;
    if (message != NULL) {
        transport->own_free = message->next;
    } else {
        message = malloc(sizeof(*message));
        if (message == NULL) {
            return error_set(err, STATUS_NO_MEMORY, "message to itself: out of memory");
        }
    }
    *message = (struct own_message){0};
    message->data = buffer_take(bytes, &message->size);
    if (transport->own_first == NULL) {
        transport->own_first = message;
    } else {
        transport->own_last->next = message;
    }
    transport->own_last = message;
    return STATUS_OK;
}

bool transport_has_own(const struct transport *transport)
{
    return transport->own_first != NULL;
}

static bool own_receive(struct transport *transport, struct transport_message *message_out)
{
    struct own_message *message = transport->own_first;
    if (message == NULL) {
        return false;
    }
    transport->own_first = message->next;
    *message_out = (struct transport_message){
        .rank = transport->place.rank,
        .data = message->data,
        .size = message->size,
    };
    message->data = NULL;
    message->next = transport->own_free;
    transport->own_free = message;
    return true;
}

enum status transport_send(struct transport *transport, uint32_t rank, struct buffer *bytes,
                           struct error *err)
{
    assert(rank < transport->place.size);
    if (rank == transport->place.rank) {
        return own_send(transport, bytes, err);
    }
    return transport->face->send(transport->mpi, rank, bytes, err);
}

/* The two sources take turns, so that neither can starve the other. */
enum status transport_receive(struct transport *transport, struct transport_message *message_out,
                              bool *is_message_out, struct error *err)
{
    transport->is_own_turn = !transport->is_own_turn;
    *is_message_out = transport->is_own_turn && own_receive(transport, message_out);
    if (*is_message_out) {
        return STATUS_OK;
    }
    if (transport->face != NULL) {
        const enum status status =
            transport->face->receive(transport->mpi, message_out, is_message_out, err);
        if (status != STATUS_OK || *is_message_out) {
            return status;
        }
    }
    *is_message_out = own_receive(transport, message_out);
    return STATUS_OK;
}

void transport_release(struct transport *transport, struct transport_message *message)
{
    if (message->block != NULL) {
        transport->face->release(transport->mpi, message);
    } else {
        free(message->data);
    }
    *message = (struct transport_message){0};
}

uint64_t transport_pending(const struct transport *transport, uint32_t rank)
{
    return transport->face == NULL ? 0 : transport->face->pending(transport->mpi, rank);
}

uint64_t transport_pending_all(const struct transport *transport)
{
    return transport->face == NULL ? 0 : transport->face->pending_all(transport->mpi);
}

uint64_t transport_arrivals(const struct transport *transport, uint32_t rank)
{
    return transport->face == NULL ? 0 : transport->face->arrivals(transport->mpi, rank);
}

bool transport_next_failed(struct transport *transport, uint32_t *rank_out)
{
    return transport->face != NULL && transport->face->next_failed(transport->mpi, rank_out);
}

void transport_abandon(struct transport *transport, uint32_t rank)
{
    assert(rank < transport->place.size);
    assert(rank != transport->place.rank);
    transport->face->abandon(transport->mpi, rank);
}
