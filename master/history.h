/* history.h - what a log says of the instances of one map, as sets: what a ledger is restored from.
 *
 *     history_start --> history_begin_session, history_succeed, history_fail, history_cache,
 *     history_share_failure, history_stop_early ... (in the log's order) --> ledger_restore()
 *
 * A success is final: whatever a log says of an instance after it is passed over. A failure that
 * names its instance's end is final until a session revives it. Everything else runs again, and
 * meets the budgets of the session that runs it.
 *
 * Ownership: the history owns its sets.
 * Failure:   none of its own (see shared/memory.h); indices are below the map's size.
 * Cost:      of a success, the blocks of 2^16 instances that it touches; of a session, those in
 *            which something has failed.
 */
#ifndef MASTER_HISTORY_H
#define MASTER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "master/counters.h"
#include "master/index_set.h"
#include "master/record.h"
#include "shared/report.h"

struct history {
    struct index_set succeeded;
    struct index_set cached; /* took an output that no attempt of theirs made */
    struct index_set stopped_early;
    struct index_set failed;
    struct index_set timed_out;
    struct index_set begun; /* an attempt of it was ended by us, since it was revived last */
    struct index_set last_timed_out;  /* between attempts, and its last one ran out of time */
    struct counters task_failures;    /* of the present budgets */
    struct counters system_failures;  /* of the present budgets */
    struct counters memory_failures;  /* a part of the task's */
    struct counters earlier_attempts; /* failed attempts under budgets that were renewed since */
};

struct history history_start(void);
void history_free(struct history *history);

/* RECORD_START or RECORD_MAP: its budgets, and whether it revives what failed. */
void history_begin_session(struct history *history, const struct record *start);

void history_succeed(struct history *history, uint64_t start, uint64_t count);
void history_fail(struct history *history, const struct report_failure *failure,
                  const struct record_outcome *outcome);
/* RECORD_CACHED: outputs, and failures for good, of none of their own attempts. */
void history_cache(struct history *history, uint64_t start, uint64_t count);
void history_share_failure(struct history *history, uint64_t index);

/* RECORD_METRICS: it was stopped, as a success. */
void history_stop_early(struct history *history, uint64_t index);

bool history_has_ended(const struct history *history, uint64_t index);

#endif
