#include "worker/offer.h"
#include "worker/places.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define GIB (UINT64_C(1) << 30)

static bool has(size_t cpu, const cpu_set_t *set)
{
    return CPU_ISSET(cpu, set);
}

static void clear(void)
{
    static const char *const variables[] = {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
                                            "SLURM_STEP_GPUS",      "SLURM_JOB_GPUS",
                                            "SLURM_MEM_PER_NODE",   "SLURM_MEM_PER_CPU"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        (void)unsetenv(variables[i]);
    }
}

TestSuite(offer, .init = clear);

#define OK(call) cr_assert(eq(int, (call), STATUS_OK))

/* A rank of four cores and four devices. */
static struct offer offer_of(struct resources asked, uint32_t slot_count)
{
    struct offer offer = {
        .all = {.cpus = 4}, .asked = asked, .slot_count = slot_count, .is_isolated = true};
    offer.cores.own = memory_take(4, sizeof(cpu_set_t));
    offer.cores.own_count = 4;
    offer.devices.names = memory_take(4, sizeof(char *));
    offer.devices.count = 4;
    offer.devices.is_in_cuda = true;
    for (size_t i = 0; i < 4; i++) {
        char name[] = "0";
        name[0] = (char)('0' + i);
        CPU_SET(10 + i, &offer.cores.own[i]);
        offer.devices.names[i] = memory_copy_text(name);
    }
    return offer;
}

Test(offer, each_slot_has_cores_and_devices_of_its_own)
{
    struct offer offer = offer_of((struct resources){.cpus = 2, .gpus = 2}, 2);
    struct places places;
    places_init(&places, &offer);
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct slot_place place;
        OK(places_take(&places, slot, offer.asked, &place, NULL));
        cr_expect(eq(u64, place.cpus, 2));
        cr_expect(eq(u32, place.slot, slot));
        cr_expect(place.is_bound);
        cr_expect(eq(int, CPU_COUNT(&place.cpu_set), 2));
        cr_expect(has(10 + 2 * slot, &place.cpu_set));
        cr_expect(has(11 + 2 * slot, &place.cpu_set));
        cr_expect(strcmp(place.devices, slot == 0 ? "0,1" : "2,3") == 0, "%s", place.devices);
        cr_expect(place.is_in_cuda);
        cr_expect(not(place.is_in_rocr));
    }
    places_free(&places);
    offer_free(&offer);
}

Test(offer, executors_of_several_kinds_share_what_there_is_and_never_the_same)
{
    struct offer offer = offer_of((struct resources){.cpus = 1}, 4);
    const struct resources wide = {.cpus = 3, .gpus = 2};
    const struct resources narrow = {.cpus = 1, .gpus = 2};
    struct places places;
    struct slot_place place;
    struct error err;
    places_init(&places, &offer);
    OK(places_take(&places, 1, narrow, &place, NULL));
    cr_expect(has(11, &place.cpu_set));
    cr_expect(strcmp(place.devices, "2,3") == 0, "%s", place.devices);
    OK(places_take(&places, 3, wide, &place, NULL));
    cr_expect(eq(int, CPU_COUNT(&place.cpu_set), 3));
    cr_expect(not(has(11, &place.cpu_set)));
    cr_expect(strcmp(place.devices, "0,1") == 0, "%s", place.devices);
    cr_expect(eq(int, places_take(&places, 0, narrow, &place, &err), STATUS_NOT_FOUND));
    places_give_back(&places, 3);
    OK(places_take(&places, 0, narrow, &place, NULL));
    cr_expect(eq(int, places_take(&places, 2, wide, &place, &err), STATUS_NOT_FOUND));
    OK(places_take(&places, 2, (struct resources){.cpus = 2}, &place, NULL));
    cr_expect(eq(int, CPU_COUNT(&place.cpu_set), 2), "what was refused holds nothing");
    places_free(&places);
    offer_free(&offer);
}

Test(offer, only_a_rank_that_uses_just_its_cores_binds)
{
    struct offer offer = offer_of((struct resources){.cpus = 1}, 5);
    struct slot_place place;
    struct places places;
    places_init(&places, &offer);
    offer.all.cpus = 5;
    OK(places_take(&places, 4, offer.asked, &place, NULL));
    cr_expect(not(place.is_bound), "there are fewer cores");
    offer.all.cpus = 2;
    OK(places_take(&places, 1, offer.asked, &place, NULL));
    cr_expect(not(place.is_bound), "another run may use the rest");
    offer.all.cpus = 4;
    OK(places_take(&places, 3, offer.asked, &place, NULL));
    cr_expect(place.is_bound);
    cr_expect(has(13, &place.cpu_set));
    offer.is_isolated = false;
    OK(places_take(&places, 0, offer.asked, &place, NULL));
    cr_expect(not(place.is_bound), "a rank itself stays where it is");
    places_free(&places);
    offer_free(&offer);
}

Test(offer, where_no_devices_are_asked_for_no_variable_is_set)
{
    struct offer offer = offer_of((struct resources){.cpus = 1}, 4);
    struct places places;
    struct slot_place place;
    places_init(&places, &offer);
    OK(places_take(&places, 1, offer.asked, &place, NULL));
    cr_expect(not(place.is_in_cuda));
    cr_expect(not(place.is_in_rocr));
    places_free(&places);
    offer_free(&offer);
}

/* ---- Of this process --------------------------------------------------------------------------
 */

static struct offer made(struct wire_start start, bool is_isolated)
{
    struct transport *transport = NULL;
    struct error err = {""};
    struct offer offer;
    cr_assert(eq(int, transport_open(false, &transport, &err), STATUS_OK));
    cr_assert(eq(int, offer_make(transport, &start, is_isolated, &offer, &err), STATUS_OK), "%s",
              err.text);
    transport_close(transport, true, 0);
    return offer;
}

static void expect_slots(struct wire_start start, bool is_isolated, uint32_t slot_count)
{
    struct offer offer = made(start, is_isolated);
    cr_expect(eq(u32, offer.slot_count, slot_count));
    offer_free(&offer);
}

Test(offer, a_rank_has_as_many_slots_as_attempts_fit)
{
    (void)setenv("SLURM_MEM_PER_NODE", "3072", 1);
    struct wire_start start = {
        .slots = 4, .has_map = true, .map.options = {.cpus = 1, .mem_growth = 1}};
    expect_slots(start, true, 4);
    start.map.options.cpus = 2;
    expect_slots(start, true, 2);
    start.map.options.cpus = 5;
    expect_slots(start, true, 0);
    start.map.options.cpus = 1;
    start.map.options.mem = GIB;
    expect_slots(start, true, 3);
    start.map.options.mem = 2 * GIB;
    expect_slots(start, true, 1);
    start.map.options.mem = 3 * GIB + 1;
    expect_slots(start, true, 0);
    start.map.options.mem = 0;
    start.map.options.gpus = 2;
    start.has_gpus_per_rank = true;
    start.gpus_per_rank = 5;
    expect_slots(start, true, 2);
}

Test(offer, a_run_of_several_maps_has_a_slot_for_each_core)
{
    const struct wire_start start = {.slots = 4, .options = {.cpus = 3, .mem = UINT64_MAX}};
    expect_slots(start, true, 4);
    struct offer offer = made(start, true);
    cr_expect(eq(u32, offer_fit(&offer, (struct resources){.cpus = 3}), 1));
    cr_expect(eq(u32, offer_fit(&offer, (struct resources){.cpus = 5}), 0));
    offer_free(&offer);
}

Test(offer, without_executors_at_most_one_attempt_runs)
{
    const struct wire_start start = {
        .slots = 4, .has_map = true, .map.options = {.cpus = 2, .mem_growth = 1}};
    expect_slots(start, false, 1);
}

Test(offer, what_a_rank_offers_is_told)
{
    (void)setenv("SLURM_MEM_PER_NODE", "1024", 1);
    struct offer offer = made((struct wire_start){.slots = 3,
                                                  .has_map = true,
                                                  .map.options = {.cpus = 1},
                                                  .has_gpus_per_rank = true,
                                                  .gpus_per_rank = 2},
                              true);
    cr_expect(eq(u64, offer.all.cpus, 3));
    cr_expect(eq(u64, offer.all.mem, GIB));
    cr_expect(eq(u64, offer.all.gpus, 2));
    offer_free(&offer);
}
