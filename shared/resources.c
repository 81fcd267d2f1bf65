#include "shared/resources.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "shared/quantity.h"

struct resources resources_asked(const struct map_options *map)
{
    return (struct resources){.cpus = map->cpus, .mem = map->mem, .gpus = map->gpus};
}

static uint64_t fit(uint64_t offered, uint64_t asked, uint64_t count_max)
{
    return asked > 0 && offered / asked < count_max ? offered / asked : count_max;
}

uint64_t resources_fit(struct resources offered, struct resources asked, uint64_t count_max)
{
    return fit(offered.cpus, asked.cpus,
               fit(offered.mem, asked.mem, fit(offered.gpus, asked.gpus, count_max)));
}

static double smaller_ratio(uint64_t offered, uint64_t asked, double ratio)
{
    const double own = asked > 0 ? (double)offered / (double)asked : ratio;
    return own < ratio ? own : ratio;
}

double resources_ratio(struct resources offered, struct resources asked)
{
    const double ratio = smaller_ratio(offered.cpus, asked.cpus, INFINITY);
    return smaller_ratio(offered.gpus, asked.gpus, smaller_ratio(offered.mem, asked.mem, ratio));
}

/* ---- Growth -----------------------------------------------------------------------------------
 */

uint64_t resources_mem(const struct map_options *map, uint64_t growth, uint64_t offered)
{
    if (growth == 0 || map->mem == 0) {
        return map->mem;
    }
    const double mem = ceil((double)map->mem * pow(map->mem_growth, (double)growth));
    return mem < (double)offered ? (uint64_t)mem : offered;
}

/* It does not shrink with the growth: halve what is in question. */
uint64_t resources_growth_max(const struct map_options *map, uint64_t offered, uint64_t room)
{
    uint64_t fits = 0;
    uint64_t above = UINT64_MAX;
    if (resources_mem(map, above, offered) <= room) {
        return above;
    }
    while (above - fits > 1) {
        const uint64_t middle = fits + (above - fits) / 2;
        if (resources_mem(map, middle, offered) <= room) {
            fits = middle;
        } else {
            above = middle;
        }
    }
    return fits;
}

/* ---- Texts ------------------------------------------------------------------------------------
 */

static void add_item(char text[RESOURCES_TEXT_SIZE], const char *separator, const char *item)
{
    const size_t size = strlen(text);
    (void)snprintf(text + size, RESOURCES_TEXT_SIZE - size, "%s%s", size > 0 ? separator : "",
                   item);
}

static const char *count_text(uint64_t count, const char *noun, char text[QUANTITY_TEXT_SIZE])
{
    if (count == 0) {
        (void)snprintf(text, QUANTITY_TEXT_SIZE, "no %ss", noun);
    } else {
        (void)snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 " %s%s", count, noun,
                       count == 1 ? "" : "s");
    }
    return text;
}

static const char *list(struct resources resources, uint64_t least, char text[RESOURCES_TEXT_SIZE])
{
    char item[QUANTITY_TEXT_SIZE];
    char mem[RESOURCES_TEXT_SIZE];
    text[0] = '\0';
    add_item(text, "", count_text(resources.cpus, "cpu", item));
    if (resources.mem >= least) {
        (void)snprintf(mem, sizeof(mem), "%s of memory", quantity_size_text(resources.mem, item));
        add_item(text, resources.gpus >= least ? ", " : " and ", mem);
    }
    if (resources.gpus >= least) {
        add_item(text, " and ", count_text(resources.gpus, "gpu", item));
    }
    return text;
}

const char *resources_offer_text(struct resources offered, char text[RESOURCES_TEXT_SIZE])
{
    return list(offered, 0, text);
}

const char *resources_asked_text(struct resources asked, char text[RESOURCES_TEXT_SIZE])
{
    return list(asked, 1, text);
}
