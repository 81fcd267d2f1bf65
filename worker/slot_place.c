#include "worker/slot_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/log.h"

void slot_place_show_devices(const struct slot_place *place)
{
    if ((place->is_in_cuda && setenv("CUDA_VISIBLE_DEVICES", place->devices, 1) != 0) ||
        (place->is_in_rocr && setenv("ROCR_VISIBLE_DEVICES", place->devices, 1) != 0)) {
        abort(); /* no memory: no attempt may run and see other devices than its own */
    }
}

void slot_place_take(const struct slot_place *place)
{
    if (place->is_bound && sched_setaffinity(0, sizeof(place->cpu_set), &place->cpu_set) != 0) {
        log_warning("slot %u is not bound to its cores: %s", place->slot, strerror(errno));
    }
    slot_place_show_devices(place);
}
