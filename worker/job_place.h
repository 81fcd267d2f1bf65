/* job_place.h - where a job that rank 0 has sent lies on a node, once for all ranks there.
 *
 *     TMPDIR/mapfleet-job-TOKEN/NAME.so      and a lock beside it
 *
 *     job_place_create --> job_place_look --> HERE: it lies there, and stays until the place is
 * closed |  ^    +-------> BUSY: another rank of the node puts it there |  |    +-------> MINE:
 * this one is to: job_place_add ...
 *                           +--+------------- job_place_finish
 *     --> job_place_destroy: the last of the node removes it
 *
 * Nobody can guess the token of a run, and the folder is ours alone (mode 0700), else it is
 * refused. Whoever uses the library holds the lock together with others (a flock, which the kernel
 * lets go of however its holder ends), and who brings it holds it alone. So a rank that dies while
 * it does leaves its place to the next, and who gets the lock alone at its own end is the last one.
 * The library has its name from when it is whole, and is what it should be.
 *
 * Ownership: the place owns its path.
 * Threads:   one. A zygote and its rank have a place each: executors inherit neither.
 * Failure:   texts name the path. Nothing that is removed too early, or not at all, fails anything.
 */
#ifndef WORKER_JOB_PLACE_H
#define WORKER_JOB_PLACE_H

#include <stdint.h>

#include "shared/error.h"
#include "shared/job.h"

struct job_place; /* fields: job_place.c */

enum job_place_state { JOB_PLACE_HERE, JOB_PLACE_BUSY, JOB_PLACE_MINE };

/* The place of the job at `job_path` in the run that the token names. Nothing is made yet. INVALID
 * for a token that is none. */
MUST_CHECK enum status job_place_create(const char *token, const char *job_path,
                                        struct job_place **place_out, struct error *err);
void job_place_destroy(struct job_place *place); /* NULL is allowed */

/* Never waits: where it is BUSY, look again after a while. */
MUST_CHECK enum status job_place_look(struct job_place *place, enum job_place_state *state_out,
                                      struct error *err);

/* BUSY: bytes that the other rank has written. */
uint64_t job_place_size(const struct job_place *place);

/* MINE: append bytes to what will be the library; and give it its name, if it has this digest.
 * After a failure, it is another's to bring. */
MUST_CHECK enum status job_place_add(struct job_place *place, const uint8_t *bytes, size_t size,
                                     struct error *err);
MUST_CHECK enum status job_place_finish(struct job_place *place,
                                        const uint8_t digest[JOB_DIGEST_SIZE], struct error *err);

/* The library's path. */
const char *job_place_library(const struct job_place *place);

#endif
