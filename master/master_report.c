#include "master/master_private.h"

#include <inttypes.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

static void reserve_for(struct master *master, const struct report *report)
{
    if (report->failure_count > master->fate_capacity) {
        master->fate_capacity = report->failure_count * 2;
        master->fates = memory_resize(master->fates, master->fate_capacity, sizeof(*master->fates));
        master->outcomes =
            memory_resize(master->outcomes, master->fate_capacity, sizeof(*master->outcomes));
        master->taken_failures = memory_resize(master->taken_failures, master->fate_capacity,
                                               sizeof(*master->taken_failures));
    }
    if (report->batch_count > master->taken_capacity) {
        master->taken_capacity = report->batch_count * 2;
        master->taken =
            memory_resize(master->taken, master->taken_capacity, sizeof(*master->taken));
    }
}

static void keep_failure(struct master *master, const struct report_failure *failure,
                         const struct ledger_fate *fate, size_t at)
{
    master->taken_failures[at] = *failure;
    master->outcomes[at] =
        (struct record_outcome){.is_final = fate->is_final,
                                .state = fate->is_final ? fate->state : INSTANCE_ABORTED,
                                .task_failures = fate->task_failures,
                                .system_failures = fate->system_failures,
                                .attempts_max = fate->attempts_max};
    if (failure->class != FAILURE_ABORTED) {
        failures_add(master->failures, failure->index, failure->class, failure->text,
                     failure->text_size);
    }
}

/* The accepted batches of a report become one record. What is refused is logged, and forgotten. */
enum status master_on_report(struct master *master, uint32_t rank, const struct report *report,
                             uint64_t now_us, struct error *err)
{
    const struct report_failure *failures = report->failures;
    size_t taken_count = 0;
    size_t failure_count = 0;
    reserve_for(master, report);
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        const size_t failed = (size_t)(batch->instance_count - batch->success_count);
        const char *reason = scheduler_take_batch(master->scheduler, rank, report->lease, batch,
                                                  failures, master->fates, now_us);
        if (reason != NULL) {
            log_warning("batch ignored reason=%s rank=%" PRIu32 " lease=%" PRIu64, reason, rank,
                        report->lease);
        } else {
            master->taken[taken_count++] = *batch;
            master->has_begun = true;
            tally_batch(&master->tally, batch, failures, failed);
            deadline_observe(&master->deadline, batch->success_count, tally_success_us(batch));
            master_cache_take_batch(master, batch);
            for (size_t k = 0; k < failed; k++) {
                keep_failure(master, &failures[k], &master->fates[k], failure_count++);
            }
        }
        failures += failed;
    }
    const struct record record = {
        .kind = RECORD_REPORT,
        .map = MAP_NUMBER,
        .rank = rank,
        .time_ms = clock_day_ms(),
        .report = {.lease = report->lease,
                   .batches = master->taken,
                   .batch_count = taken_count,
                   .failures = master->taken_failures,
                   .failure_count = failure_count},
        .outcomes = master->outcomes,
    };
    enum status status = taken_count > 0 ? run_log_append(master->log, &record, err) : STATUS_OK;
    for (size_t i = 0; i < failure_count && status == STATUS_OK; i++) {
        const struct ledger_fate fate = {.is_final = master->outcomes[i].is_final,
                                         .task_failures = master->outcomes[i].task_failures,
                                         .system_failures = master->outcomes[i].system_failures,
                                         .attempts_max = master->outcomes[i].attempts_max};
        status = master_cache_take_failure(master, &master->taken_failures[i], &fate, err);
    }
    return status;
}

void master_on_returned(struct master *master, uint32_t rank, const struct wire_returned *returned,
                        uint64_t now_us)
{
    const char *reason = scheduler_take_returned(master->scheduler, rank, returned->lease,
                                                 returned->spans, returned->span_count, now_us);
    if (reason != NULL && returned->span_count > 0) {
        log_warning("answer to a recall ignored reason=%s rank=%" PRIu32 " lease=%" PRIu64, reason,
                    rank, returned->lease);
    }
}
