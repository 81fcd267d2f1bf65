/* launch_line.h - the command line that starts the ranks: mpirun's, or srun's.
 *
 * What the environment sets for Open MPI (OMPI_MCA_..., PRTE_MCA_...) is the user's, and is not set
 * again.
 *
 * Ownership: a line owns its words, until launch_line_free().
 */
#ifndef CLI_LAUNCH_LINE_H
#define CLI_LAUNCH_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shared/error.h"

struct launch_plan {
    bool is_srun;
    int mpi_major;        /* of Open MPI, where it is mpirun */
    uint64_t ranks;       /* 0: as many as the hosts or the batch system have slots */
    const char *hosts;    /* as for --hosts; NULL: none */
    const char *hostfile; /* NULL: none */
    bool is_batch;        /* a batch system says which hosts there are */
    bool is_root;
    const char *program; /* absolute */
};

struct launch_line {
    char **words; /* NULL-terminated */
    size_t count;
};

/* `arguments` are those of the program, from its verb on. */
void launch_line_make(const struct launch_plan *plan, char *const *arguments, size_t argument_count,
                      struct launch_line *line_out);
void launch_line_free(struct launch_line *line);

/* So that a shell reads the same words. */
void launch_line_print(const struct launch_line *line, FILE *file);

/* Is it one of the variables that belong to this host, or to the launchers? All others go along. */
bool launch_line_is_local_variable(const char *name, size_t name_size);

#endif
