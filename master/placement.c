#include "master/placement.h"

#include <inttypes.h>
#include <stdio.h>

void placement_note(struct placement *placement, struct resources asked, struct resources offered,
                    uint32_t rank, const char *host)
{
    const double largest = resources_ratio(placement->offered, asked);
    const double own = resources_ratio(offered, asked);
    if (placement->too_small_count == 0 || own > largest ||
        (own >= largest && rank < placement->rank)) {
        placement->rank = rank;
        placement->offered = offered;
        (void)snprintf(placement->host, sizeof(placement->host), "%s", host);
    }
    placement->too_small_count++;
}

/* How to let a rank have more, where that is for the user to say. */
static const char *hint(const struct placement *placement, struct resources asked)
{
    if (placement->offered.gpus < asked.gpus) {
        return " (--gpus-per-rank says how many gpus a rank has)";
    }
    return placement->offered.cpus < asked.cpus ? " (--slots says how many cpus a rank has)" : "";
}

enum status placement_refuse(const struct placement *placement, const char *task,
                             struct resources asked, struct error *err)
{
    char asked_text[RESOURCES_TEXT_SIZE];
    char offer_text[RESOURCES_TEXT_SIZE];
    return error_set(
        err, STATUS_INVALID,
        "task %s asks for %s, which no rank has: the largest, rank %" PRIu32 " on %s, offers %s%s",
        task, resources_asked_text(asked, asked_text), placement->rank, placement->host,
        resources_offer_text(placement->offered, offer_text), hint(placement, asked));
}

const char *placement_warning(const struct placement *placement, const char *task,
                              struct resources asked, struct error *text)
{
    char asked_text[RESOURCES_TEXT_SIZE];
    char offer_text[RESOURCES_TEXT_SIZE];
    (void)error_set(text, STATUS_INVALID,
                    "%" PRIu32 " %s too small for task %s, which asks for %s: the largest of "
                    "them, rank %" PRIu32 " on %s, offers %s",
                    placement->too_small_count,
                    placement->too_small_count == 1 ? "rank is" : "ranks are", task,
                    resources_asked_text(asked, asked_text), placement->rank, placement->host,
                    resources_offer_text(placement->offered, offer_text));
    return text->text;
}
