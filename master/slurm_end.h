/* slurm_end.h - when the Slurm job that this process is in ends, asked again every minute.
 *
 *     slurm_end_open --> slurm_end_start --> slurm_end_take ... --> slurm_end_close
 *
 * A child of its own runs `squeue`, since a rank with a live interconnect is not forked, and the
 * master's loop waits for nobody. It asks nothing before slurm_end_start(), and ends with the rank.
 * Outside of a Slurm job, nothing is done and nothing known. A process is in one job, so there is
 * one of this.
 *
 * Threads: one; slurm_end_open() before MPI starts.
 * Failure: where squeue cannot be run or gives no time, nothing is known, or what was known stays.
 */
#ifndef MASTER_SLURM_END_H
#define MASTER_SLURM_END_H

#include <stdbool.h>
#include <stdint.h>

void slurm_end_open(void);
void slurm_end_start(void);
void slurm_end_close(void);

/* Readable when there is something to take; -1: never. */
int slurm_end_descriptor(void);
/* The end as it was told last, in seconds since 1970; false where nothing new was told. Never
 * waits. */
bool slurm_end_take(int64_t *end_s_out);

/* What `squeue -h -o %e` prints, in local time. False where it is no time, such as "N/A". */
bool slurm_end_parse(const char *text, int64_t *end_s_out);

#endif
