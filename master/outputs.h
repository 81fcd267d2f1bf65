/* outputs.h - the outputs of one map of a run, in input order, from its log.
 *
 * Finding an output costs decoding its frame; frames of neighbouring instances are decoded once.
 *
 * Memory:  32 bytes a span of each frame, and a few decoded frames.
 * Failure: of a log that is torn or damaged, what stands before that is read; outputs_torn() says
 * so.
 */
#ifndef MASTER_OUTPUTS_H
#define MASTER_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

struct outputs;

/* `size` is the number of instances of the map. A run without a log has holes only. */
MUST_CHECK enum status outputs_open(const char *run_dir, uint64_t map, uint64_t size,
                                    struct outputs **outputs_out, struct error *err);
void outputs_close(struct outputs *outputs); /* NULL is allowed */

/* The packed output of instance `index`, valid until the next call; *data_out is NULL for a hole.
 * Fast when called with ascending indices. */
MUST_CHECK enum status outputs_get(struct outputs *outputs, uint64_t index,
                                   const uint8_t **data_out, size_t *size_out, struct error *err);

/* How many instances have one, going by the log's headers. */
uint64_t outputs_count(const struct outputs *outputs);
/* Were outputs, or some of them, reduced to partial values before they were recorded? In their
 * places are holes. */
bool outputs_are_reduced(const struct outputs *outputs);
/* What was lost at the end of the log; NULL where nothing was. */
const char *outputs_torn(const struct outputs *outputs);

#endif
