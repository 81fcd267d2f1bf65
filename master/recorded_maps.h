/* recorded_maps.h - the maps of a run of several, as its log defines them: what a resume of a
 * workflow compares its calls with, and what `results --map` prints by.
 *
 *     recorded_maps_read --> recorded_maps_find ... --> recorded_maps_free
 *
 * Ownership: the maps own their texts.
 * Failure:   of a log that is torn or damaged, what stands before that counts. A run without a log
 * has no maps.
 */
#ifndef MASTER_RECORDED_MAPS_H
#define MASTER_RECORDED_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/record.h"
#include "shared/error.h"

struct recorded_map {
    uint64_t number;
    char *task;
    char *output_type;
    uint64_t size; /* instances */
    uint64_t minimum;
    uint8_t inputs_digest[RECORD_DIGEST_SIZE];
    bool has_end; /* and has not gone on since */
    int exit_status;
};

struct recorded_maps {
    bool is_of_several;        /* the run is one of several maps, however many there are so far */
    struct recorded_map *maps; /* by number */
    size_t count;
    size_t capacity;
};

MUST_CHECK enum status recorded_maps_read(const char *run_dir, struct recorded_maps *maps_out,
                                          struct error *err);
void recorded_maps_free(struct recorded_maps *maps); /* all zero is allowed */

/* NULL where none of that number was begun. */
const struct recorded_map *recorded_maps_find(const struct recorded_maps *maps, uint64_t number);

#endif
