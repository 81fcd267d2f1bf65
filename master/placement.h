/* placement.h - the ranks that are too small for an attempt of the task, and what to say of them.
 *
 *     placement_note, for each such rank --> placement_refuse, where no other is left
 *
 * Ownership: passed by value; it holds no pointers.
 */
#ifndef MASTER_PLACEMENT_H
#define MASTER_PLACEMENT_H

#include <stdint.h>

#include "shared/error.h"
#include "shared/resources.h"

#define PLACEMENT_HOST_SIZE_MAX 256

/* All zero: no rank is too small. */
struct placement {
    uint32_t too_small_count;
    /* Of those the largest, which comes nearest to what an attempt asks for; of several the lowest
     * rank: */
    uint32_t rank;
    char host[PLACEMENT_HOST_SIZE_MAX];
    struct resources offered;
};

void placement_note(struct placement *placement, struct resources asked, struct resources offered,
                    uint32_t rank, const char *host);

/* Say what the task asks for, and what the largest rank offers. Gives INVALID. */
enum status placement_refuse(const struct placement *placement, const char *task,
                             struct resources asked, struct error *err);

/* The same, where others run it: for a warning. */
const char *placement_warning(const struct placement *placement, const char *task,
                              struct resources asked, struct error *text);

#endif
