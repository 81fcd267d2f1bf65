/* environment.h - what attempts, and what they start, are told in environment variables.
 *
 *     environment_leave_mpi --> environment_set_process --> environment_of_attempt, for each child
 *
 * A process that runs attempts holds what is the same for all of them; what differs from attempt to
 * attempt is put into the environment of a child.
 *
 * Ownership: an environment for a child is the arena's, strings included.
 * Threads:   one: a process has one environment.
 */
#ifndef SHARED_ENVIRONMENT_H
#define SHARED_ENVIRONMENT_H

#include <stdint.h>

#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"

/* A longer text of an input is left out. */
#define ENVIRONMENT_INPUT_SIZE_MAX ((size_t)64 << 10)

/* What is the same for all attempts of a process. */
struct environment {
    uint64_t map_size;
    const char *run_dir; /* absolute */
    uint32_t rank;
    uint32_t slot; /* within the rank, from 1 */
    uint64_t cpus; /* of an attempt */
};

struct environment_attempt {
    uint64_t index;
    uint64_t attempt;
    uint64_t seed;
    const char *workdir;
    const mf_value *input; /* NULL: a setup, which has none of these but the folder */
};

/* Drop what launchers of MPI have set: an MPI program could not start as a child otherwise. */
void environment_leave_mpi(void);

/* MAPFLEET_SIZE, _RUN_DIR, _RANK, _SLOT, _CPUS, and OMP_NUM_THREADS where it isn't set. What a run
 * around this one has set for an attempt is dropped. */
void environment_set_process(const struct environment *environment);

/* The environment of a child, NULL-terminated: this process's own without MPI's, and all of the
 * above. */
MUST_CHECK enum status environment_of_attempt(const struct environment *environment,
                                              const struct environment_attempt *attempt,
                                              struct arena *arena, char *const **variables_out,
                                              struct error *err);

/* The environment of a program that helps a rank: this process's own without MPI's and without what
 * a run around this one has set for an attempt. Python's output is not held back in it, unless the
 * user wants that. NULL-terminated. */
MUST_CHECK enum status environment_of_helper(struct arena *arena, char *const **variables_out,
                                             struct error *err);

#endif
