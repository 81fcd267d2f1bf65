#include "shared/resources.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* ---- What fits --------------------------------------------------------------------------------
 */

Test(resources, as_many_fit_as_the_scarcest_allows)
{
    const struct resources offered = {.cpus = 8, .mem = 10 * GIB, .gpus = 4};
    static const struct {
        struct resources asked;
        uint64_t fit;
    } rows[] = {
        {{.cpus = 1}, 8},
        {{.cpus = 3}, 2},
        {{.cpus = 8}, 1},
        {{.cpus = 9}, 0},
        {{.cpus = 1, .mem = 3 * GIB}, 3},
        {{.cpus = 1, .mem = 10 * GIB}, 1},
        {{.cpus = 1, .mem = 10 * GIB + 1}, 0},
        {{.cpus = 1, .mem = 1}, 8},
        {{.cpus = 1, .gpus = 2}, 2},
        {{.cpus = 1, .gpus = 5}, 0},
        {{.cpus = 4, .mem = GIB, .gpus = 1}, 2},
        {{.cpus = UINT64_MAX, .mem = UINT64_MAX, .gpus = UINT64_MAX}, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect(eq(u64, resources_fit(offered, rows[i].asked, 100), rows[i].fit), "row %zu", i);
    }
}

Test(resources, what_is_not_asked_for_does_not_count)
{
    const struct resources nothing = {.cpus = 4};
    cr_expect(eq(u64, resources_fit(nothing, (struct resources){.cpus = 1}, 100), 4));
    cr_expect(eq(u64, resources_fit(nothing, (struct resources){.cpus = 1}, 3), 3));
    cr_expect(eq(u64, resources_fit(nothing, (struct resources){.cpus = 0}, 7), 7));
}

Test(resources, the_ratio_is_that_of_the_scarcest)
{
    const struct resources offered = {.cpus = 8, .mem = 2 * GIB, .gpus = 0};
    const double half = resources_ratio(offered, (struct resources){.cpus = 1, .mem = 4 * GIB});
    cr_expect(eq(dbl, half, 0.5));
    const double none = resources_ratio(offered, (struct resources){.cpus = 1, .gpus = 1});
    cr_expect(eq(dbl, none, 0));
    const double eight = resources_ratio(offered, (struct resources){.cpus = 1});
    cr_expect(eq(dbl, eight, 8));
}

/* ---- Growth -----------------------------------------------------------------------------------
 */

Test(resources, memory_grows_by_its_factor_up_to_what_there_is)
{
    const struct map_options map = {.mem = 100 * MIB, .mem_growth = 2};
    cr_expect(eq(u64, resources_mem(&map, 0, GIB), 100 * MIB));
    cr_expect(eq(u64, resources_mem(&map, 1, GIB), 200 * MIB));
    cr_expect(eq(u64, resources_mem(&map, 3, GIB), 800 * MIB));
    cr_expect(eq(u64, resources_mem(&map, 4, GIB), GIB));
    cr_expect(eq(u64, resources_mem(&map, UINT64_MAX, GIB), GIB));
    cr_expect(eq(u64, resources_mem(&map, UINT64_MAX, UINT64_MAX), UINT64_MAX));
    const struct map_options slow = {.mem = 1000, .mem_growth = 1.001};
    cr_expect(eq(u64, resources_mem(&slow, 1, GIB), 1001));
}

Test(resources, without_a_bound_or_a_factor_nothing_grows)
{
    const struct map_options unbound = {.mem = 0, .mem_growth = 2};
    const struct map_options constant = {.mem = 100, .mem_growth = 1};
    cr_expect(eq(u64, resources_mem(&unbound, 9, GIB), 0));
    cr_expect(eq(u64, resources_mem(&constant, 9, GIB), 100));
    cr_expect(eq(u64, resources_growth_max(&unbound, GIB, 0), UINT64_MAX));
    cr_expect(eq(u64, resources_growth_max(&constant, GIB, 100), UINT64_MAX));
}

/* Goal: the largest growth that fits is found whatever the factor. */
Test(resources, the_largest_growth_that_fits_is_the_last_that_does)
{
    static const double factors[] = {1.0000001, 1.1, 1.5, 2, 10, 1000000};
    for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
        const struct map_options map = {.mem = 100 * MIB, .mem_growth = factors[i]};
        for (uint64_t room = 100 * MIB; room < 4 * GIB; room += 333 * MIB) {
            const uint64_t most = resources_growth_max(&map, 4 * GIB, room);
            cr_assert(lt(u64, most, UINT64_MAX));
            cr_expect(le(u64, resources_mem(&map, most, 4 * GIB), room));
            cr_expect(gt(u64, resources_mem(&map, most + 1, 4 * GIB), room));
        }
        cr_expect(eq(u64, resources_growth_max(&map, 4 * GIB, 4 * GIB), UINT64_MAX));
    }
}

/* ---- Texts ------------------------------------------------------------------------------------
 */

static void expect_texts(struct resources resources, const char *offered, const char *asked)
{
    char text[RESOURCES_TEXT_SIZE];
    cr_expect(strcmp(resources_offer_text(resources, text), offered) == 0, "%s", text);
    cr_expect(strcmp(resources_asked_text(resources, text), asked) == 0, "%s", text);
}

Test(resources, texts_are_for_people)
{
    expect_texts((struct resources){.cpus = 1, .mem = 3 * GIB, .gpus = 2},
                 "1 cpu, 3 GiB of memory and 2 gpus", "1 cpu, 3 GiB of memory and 2 gpus");
    expect_texts((struct resources){.cpus = 2, .mem = 600 * MIB},
                 "2 cpus, 600 MiB of memory and no gpus", "2 cpus and 600 MiB of memory");
    expect_texts((struct resources){.cpus = 4, .gpus = 1}, "4 cpus, 0 B of memory and 1 gpu",
                 "4 cpus and 1 gpu");
    expect_texts((struct resources){.cpus = 1}, "1 cpu, 0 B of memory and no gpus", "1 cpu");
}
