/* transport_face.h - what transport.c and the MPI module have in common.
 *
 * The module, lib/mapfleet/transport_mpi.so, exports transport_mpi_face() and nothing else; it has
 * its own copy of what it uses of shared/. Both are built together, which `version` makes sure of.
 *
 * The functions do what those of the same name in transport.h do, but for messages of a rank to
 * itself, which never get here.
 */
#ifndef SHARED_TRANSPORT_FACE_H
#define SHARED_TRANSPORT_FACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/neighbours.h"
#include "shared/transport.h"

#define TRANSPORT_FACE_NAME "transport_mpi_face"
#define TRANSPORT_NEVER_LATE (-1)

struct transport_mpi; /* fields: transport_mpi.c */

/* Where this process stands among the others. */
struct transport_place {
    uint32_t rank;
    uint32_t size; /* number of ranks */
    uint32_t local_rank;
    uint32_t local_size;
    struct neighbour_shares shares;
    const struct neighbour_process *processes; /* of this host, local_size of them; NULL: none */
    char name[64];                             /* of the MPI that runs */
};

struct transport_face {
    const char *version;   /* of mapfleet */
    const char *built_for; /* the MPI that it was built with */
    /* The MPI that is loaded, by its own name; it need not be open. */
    void (*describe)(char *name_out, size_t name_size);

    enum status (*open)(struct transport_mpi **mpi_out, struct transport_place *place_out,
                        struct error *err);
    /* Where late_status is one, MPI_Finalize() that does not end leaves with it. */
    void (*close)(struct transport_mpi *mpi, bool is_clean, int late_status);
    void (*abort)(int exit_status);

    enum status (*send)(struct transport_mpi *mpi, uint32_t rank, struct buffer *bytes,
                        struct error *err);
    enum status (*receive)(struct transport_mpi *mpi, struct transport_message *message_out,
                           bool *is_message_out, struct error *err);
    void (*release)(struct transport_mpi *mpi, struct transport_message *message);

    uint64_t (*pending)(const struct transport_mpi *mpi, uint32_t rank);
    uint64_t (*pending_all)(const struct transport_mpi *mpi);
    uint64_t (*arrivals)(const struct transport_mpi *mpi, uint32_t rank);
    bool (*next_failed)(struct transport_mpi *mpi, uint32_t *rank_out);
    void (*abandon)(struct transport_mpi *mpi, uint32_t rank);
};

__attribute__((visibility("default"))) const struct transport_face *transport_mpi_face(void);

#endif
