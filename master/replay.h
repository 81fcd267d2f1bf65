/* replay.h - the log of a run that is to go on, read once: what a new session needs of the old.
 *
 *     replay_log --> (scheduler_restore, run_log_append_to) --> replay_free
 *
 * Ownership: the replay owns its history, which the ledger takes over, and its text.
 * Failure:   of a torn or corrupt log, what stands before the damage counts; `torn` says why and
 *            cut_size how much is lost. Whole records that don't fit the map are STATUS_INVALID:
 *            such a log is another map's.
 * Cost:      of the log's bytes, once. A batch costs its spans, not its instances, where all of
 *            them succeeded.
 */
#ifndef MASTER_REPLAY_H
#define MASTER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "master/failures.h"
#include "master/history.h"
#include "master/tally.h"
#include "shared/buffer.h"
#include "shared/error.h"

struct replay {
    struct history history;
    struct tally tally;
    uint64_t wall_ms; /* of all sessions together, each up to its last record */
    uint64_t session_count;
    bool is_reviving; /* the last session gave fresh budgets to what had failed */
    bool has_verdict; /* the last session ended with one */
    int exit_status;  /* of that verdict */
    uint64_t ended_ms;
    uint64_t good_size;   /* bytes of the log that are whole records */
    uint64_t cut_size;    /* bytes behind them */
    uint64_t input_count; /* inputs that came while the map ran */
    struct buffer inputs; /* packed, one after the other */
    char *torn;           /* why the log ends there, for people; NULL where it is whole */
};

/* A run without a log has no sessions. `size` is the number of instances; failed attempts are added
 * to `failures`. */
MUST_CHECK enum status replay_log(const char *run_dir, uint64_t map, uint64_t size,
                                  struct failures *failures, struct replay *replay_out,
                                  struct error *err);
void replay_free(struct replay *replay);

/* One record into the replay, as replay_log() does with each. STATUS_INVALID where it names
 * instances that the map does not have, or whose inputs had not come where they come later. */
MUST_CHECK enum status replay_record(struct replay *replay, const struct record *record,
                                     uint64_t map, uint64_t size, struct failures *failures);
/* Before the first record. */
struct replay replay_start(void);

#endif
