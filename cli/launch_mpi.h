/* launch_mpi.h - the launchers that are there: which MPI `mpirun` is of.
 *
 * Failure: texts say what was found and what is expected.
 */
#ifndef CLI_LAUNCH_MPI_H
#define CLI_LAUNCH_MPI_H

#include "shared/error.h"

/* The first version in "mpirun (Open MPI) 4.1.4"; INVALID where that is another MPI's. */
MUST_CHECK enum status launch_mpi_read(const char *line, int *major_out, struct error *err);

/* Ask the mpirun of $PATH. */
MUST_CHECK enum status launch_mpi_find(int *major_out, struct error *err);

/* Is there such a program in $PATH? */
MUST_CHECK enum status launch_mpi_look(const char *program, struct error *err);

#endif
