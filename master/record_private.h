/* record_private.h - what the two halves of a record share: record.c (encoding) and
 * record_decode.c.
 */
#ifndef MASTER_RECORD_PRIVATE_H
#define MASTER_RECORD_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "master/record.h"

#define CHECKSUM_SIZE 16 /* bytes of XXH3-128, in canonical form */

enum {
    KIND_COUNT = RECORD_RANKS + 1,
    BATCH_ITEMS = 8,
    FAILURE_ITEMS = 9,
    SPAN_ITEMS = 3,
    METRIC_ITEMS = 6,
    STOP_ITEMS = 5,
    RANK_ITEMS = 3
};

/* A batch with partial values has one item more, and so has a map that is reduced one pair: what is
 * not reduced is recorded as ever. */
enum { PARTIAL_BATCH_ITEMS = BATCH_ITEMS + 1 };

extern const char *const record_kind_names[KIND_COUNT];
/* Pairs of the header's map, by kind; the checksum is one of them. */
extern const uint32_t record_pair_counts[KIND_COUNT];

/* Over the header's payload up to the checksum itself, and the data frames. */
void record_checksum(const uint8_t *payload, size_t payload_size, const struct report *report,
                     uint8_t checksum_out[CHECKSUM_SIZE]);

#endif
