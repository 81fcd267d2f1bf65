/* devices.h - the devices (gpus) that a worker rank has for its attempts.
 *
 * Their names stand in the first of CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES, SLURM_STEP_GPUS and
 * SLURM_JOB_GPUS that says any, and are divided among the worker ranks of the host in their order;
 * where Slurm gave each rank its own (--gpus-per-task), they are the rank's. --gpus-per-rank says
 * how many a rank takes of them; without any list, devices are numbered over the ranks of the host.
 *
 * Ownership: the caller's, until devices_free().
 */
#ifndef WORKER_DEVICES_H
#define WORKER_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/neighbours.h"

struct devices {
    char **names;
    size_t count;
    /* What tells an attempt. HIP counts CUDA_VISIBLE_DEVICES within ROCR_VISIBLE_DEVICES, so that
     * hosts with AMD's driver have only one of the two set. */
    bool is_in_cuda;
    bool is_in_rocr;
};

struct devices_options {
    struct share host;
    uint32_t rank_count; /* of the run */
    bool has_count;      /* --gpus-per-rank was given: */
    uint64_t count;
    const char *root; /* stands before /dev: "" */
};

/* INVALID where the list has too few for what --gpus-per-rank says. */
MUST_CHECK enum status devices_find(const struct devices_options *options,
                                    struct devices *devices_out, struct error *err);
void devices_free(struct devices *devices);

/* The names of `count` devices from `first` on, by commas. INVALID where they are too long. */
MUST_CHECK enum status devices_list(const struct devices *devices, size_t first, size_t count,
                                    char *text, size_t text_size);

#endif
