#include "worker/places.h"

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

void places_init(struct places *places, const struct offer *offer)
{
    places->offer = offer;
    places->core_slots = memory_take(offer->cores.own_count + 1, sizeof(*places->core_slots));
    places->device_slots = memory_take(offer->devices.count + 1, sizeof(*places->device_slots));
}

void places_free(struct places *places)
{
    free(places->core_slots);
    free(places->device_slots);
    *places = (struct places){.offer = NULL};
}

static void give_back(uint32_t *slots, size_t count, uint32_t slot)
{
    for (size_t i = 0; i < count; i++) {
        slots[i] = slots[i] == slot + 1 ? 0 : slots[i];
    }
}

void places_give_back(struct places *places, uint32_t slot)
{
    give_back(places->core_slots, places->offer->cores.own_count, slot);
    give_back(places->device_slots, places->offer->devices.count, slot);
}

/* From its own ones on, around. False, and nothing is taken, where too few are free. */
static bool take(uint32_t *slots, size_t count, uint32_t slot, uint64_t asked)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < count && taken < asked; i++) {
        uint32_t *at = &slots[(slot * asked + i) % count];
        if (*at == 0) {
            *at = slot + 1;
            taken++;
        }
    }
    if (taken < asked) {
        give_back(slots, count, slot);
    }
    return taken == asked;
}

/* A rank that was told to use fewer cores than it has leaves the choice to the kernel: another run
 * on this host would otherwise be bound to the same first ones. */
static bool is_binding(const struct offer *offer, struct resources asked)
{
    return offer->is_isolated && asked.cpus > 0 && offer->all.cpus == offer->cores.own_count;
}

static void bind_to_cores(const struct places *places, uint32_t slot, struct slot_place *place)
{
    place->is_bound = true;
    for (size_t i = 0; i < places->offer->cores.own_count; i++) {
        if (places->core_slots[i] == slot + 1) {
            CPU_OR(&place->cpu_set, &place->cpu_set, &places->offer->cores.own[i]);
        }
    }
}

static enum status name_devices(const struct places *places, uint32_t slot,
                                struct slot_place *place)
{
    const struct devices *devices = &places->offer->devices;
    size_t used = 0;
    for (size_t i = 0; i < devices->count; i++) {
        if (places->device_slots[i] != slot + 1) {
            continue;
        }
        const size_t size = strlen(devices->names[i]);
        if (size + 2 > sizeof(place->devices) - used) {
            return STATUS_LIMIT;
        }
        if (used > 0) {
            place->devices[used++] = ',';
        }
        memcpy(&place->devices[used], devices->names[i], size + 1);
        used += size;
    }
    place->is_in_cuda = devices->is_in_cuda;
    place->is_in_rocr = devices->is_in_rocr;
    return STATUS_OK;
}

enum status places_take(struct places *places, uint32_t slot, struct resources asked,
                        struct slot_place *place_out, struct error *err)
{
    const struct offer *offer = places->offer;
    const bool is_bound = is_binding(offer, asked);
    enum status status = STATUS_OK;
    *place_out = (struct slot_place){.slot = slot, .cpus = asked.cpus};
    CPU_ZERO(&place_out->cpu_set);
    if ((is_bound && !take(places->core_slots, offer->cores.own_count, slot, asked.cpus)) ||
        (asked.gpus > 0 && !take(places->device_slots, offer->devices.count, slot, asked.gpus))) {
        places_give_back(places, slot);
        return error_set(err, STATUS_NOT_FOUND, "other executors have its cores or devices");
    }
    if (is_bound) {
        bind_to_cores(places, slot, place_out);
    }
    if (asked.gpus > 0) {
        status = name_devices(places, slot, place_out);
    }
    if (status != STATUS_OK) {
        places_give_back(places, slot);
        return error_set(err, status,
                         "the names of its devices are too long: expected at most %d bytes for "
                         "an attempt",
                         SLOT_PLACE_DEVICES_SIZE_MAX - 1);
    }
    return STATUS_OK;
}
