/* slot_place.h - what of its rank's resources a slot has: told to its executor, which takes it.
 *
 * Ownership: passed by value; it travels in the memory that rank and executor share.
 */
#ifndef WORKER_SLOT_PLACE_H
#define WORKER_SLOT_PLACE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define SLOT_PLACE_DEVICES_SIZE_MAX 2048

struct slot_place {
    uint32_t slot; /* of the rank, from 0 */
    uint64_t cpus; /* cores that its attempts ask for, each */
    bool is_bound; /* to `cpu_set`; else it runs where its rank may */
    cpu_set_t cpu_set;
    /* Names of the devices that an attempt has, by commas, and the variables that tell them. Both
     * variables are left alone where no devices were asked for. */
    char devices[SLOT_PLACE_DEVICES_SIZE_MAX];
    bool is_in_cuda; /* CUDA_VISIBLE_DEVICES */
    bool is_in_rocr; /* ROCR_VISIBLE_DEVICES */
};

/* In an executor, before the job's setup: run on these cores, and see these devices. */
void slot_place_take(const struct slot_place *place);

/* The devices alone, where attempts run in the rank. */
void slot_place_show_devices(const struct slot_place *place);

#endif
