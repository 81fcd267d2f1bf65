#include "master/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/quantity.h"

void fleet_add(struct fleet *fleet, const char *host, uint64_t slot_count)
{
    fleet->hosts =
        memory_grow(fleet->hosts, fleet->rank_count, &fleet->capacity, sizeof(*fleet->hosts));
    fleet->hosts[fleet->rank_count++] = memory_copy_text(host);
    fleet->slot_count += slot_count;
}

void fleet_free(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->rank_count; i++) {
        free(fleet->hosts[i]);
    }
    free(fleet->hosts);
    *fleet = (struct fleet){0};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint64_t count_hosts(struct fleet *fleet)
{
    uint64_t count = fleet->rank_count > 0 ? 1 : 0;
    if (count > 0) {
        qsort(fleet->hosts, fleet->rank_count, sizeof(*fleet->hosts), by_name);
    }
    for (size_t i = 1; i < fleet->rank_count; i++) {
        count += strcmp(fleet->hosts[i - 1], fleet->hosts[i]) != 0 ? 1 : 0;
    }
    return count;
}

const char *fleet_text(struct fleet *fleet, char text[FLEET_TEXT_SIZE])
{
    char hosts[QUANTITY_TEXT_SIZE];
    char ranks[QUANTITY_TEXT_SIZE];
    char slots[QUANTITY_TEXT_SIZE];
    const uint64_t host_count = count_hosts(fleet);
    (void)snprintf(text, FLEET_TEXT_SIZE, "%s host%s, %s rank%s, %s slot%s",
                   quantity_count_text(host_count, hosts), host_count == 1 ? "" : "s",
                   quantity_count_text(fleet->rank_count, ranks), fleet->rank_count == 1 ? "" : "s",
                   quantity_count_text(fleet->slot_count, slots),
                   fleet->slot_count == 1 ? "" : "s");
    return text;
}
