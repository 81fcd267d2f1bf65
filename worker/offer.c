#include "worker/offer.h"

#include "shared/extremes.h"

#include "worker/host_memory.h"
#include "worker/slot_place.h"

static uint64_t memory_of_rank(const struct transport *transport, uint64_t cpus)
{
    const uint64_t host = smaller(host_memory(""), host_memory_slurm_node());
    return smaller(host / transport_shares(transport).host.count, host_memory_slurm_rank(cpus));
}

/* The names of a slot's devices must fit where they are handed over. */
static enum status check_devices(const struct offer *offer, struct error *err)
{
    char text[SLOT_PLACE_DEVICES_SIZE_MAX];
    for (uint32_t slot = 0; slot < offer->slot_count; slot++) {
        if (devices_list(&offer->devices, (size_t)(slot * offer->asked.gpus),
                         (size_t)offer->asked.gpus, text, sizeof(text)) != STATUS_OK) {
            return error_set(err, STATUS_INVALID,
                             "the names of its devices are too long: expected at most %d bytes for "
                             "an attempt",
                             SLOT_PLACE_DEVICES_SIZE_MAX - 1);
        }
    }
    return STATUS_OK;
}

/* A run of several maps has room for as many attempts of one core as there are cores. */
static struct resources asked_first(const struct wire_start *start)
{
    return start->has_map ? resources_asked(&start->map.options) : (struct resources){.cpus = 1};
}

enum status offer_make(const struct transport *transport, const struct wire_start *start,
                       bool is_isolated, struct offer *offer_out, struct error *err)
{
    struct offer offer = {.is_isolated = is_isolated, .asked = asked_first(start)};
    const struct devices_options options = {.host = transport_shares(transport).host,
                                            .rank_count = transport_size(transport),
                                            .has_count = start->has_gpus_per_rank,
                                            .count = start->gpus_per_rank,
                                            .root = ""};
    enum status status = devices_find(&options, &offer.devices, err);
    if (status != STATUS_OK) {
        return status;
    }
    cores_find(transport, &offer.cores);
    const uint64_t cpus = start->slots > 0 ? start->slots : offer.cores.count;
    offer.all = (struct resources){
        .cpus = cpus, .mem = memory_of_rank(transport, cpus), .gpus = offer.devices.count};
    offer.slot_count = offer_fit(&offer, offer.asked);
    status = check_devices(&offer, err);
    if (status != STATUS_OK) {
        offer_free(&offer);
        return status;
    }
    *offer_out = offer;
    return STATUS_OK;
}

void offer_free(struct offer *offer)
{
    cores_free(&offer->cores);
    devices_free(&offer->devices);
    *offer = (struct offer){0};
}

uint32_t offer_fit(const struct offer *offer, struct resources asked)
{
    return (uint32_t)resources_fit(offer->all, asked, offer->is_isolated ? UINT32_MAX : 1);
}
