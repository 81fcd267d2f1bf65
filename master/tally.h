/* tally.h - how many attempts a run has made, over all its sessions. */
#ifndef MASTER_TALLY_H
#define MASTER_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "shared/report.h"

struct tally {
    uint64_t attempts; /* that ended by themselves, or were stopped early */
    uint64_t retries;  /* those of them that were not an instance's first */
    uint64_t success_count;
    uint64_t success_us; /* that those took together */
};

/* A batch, and the failures of its instances. */
void tally_batch(struct tally *tally, const struct report_batch *batch,
                 const struct report_failure *failures, size_t failure_count);
/* How long the successes of a batch took: of one with failures, a share of its time. */
uint64_t tally_success_us(const struct report_batch *batch);
/* An attempt that was stopped early. */
void tally_stop(struct tally *tally, uint64_t attempt);
/* A failure that no batch holds: its rank was lost. */
void tally_loss(struct tally *tally, const struct report_failure *failure);

#endif
