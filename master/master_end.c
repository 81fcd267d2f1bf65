#include "master/master_private.h"

#include "master/log_index.h"
#include "master/summary.h"
#include "shared/clock.h"
#include "shared/log.h"

enum status master_end(struct master *master, int exit_status, uint64_t now_us, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_STOP};
    master->state = MASTER_ENDING;
    master->exit_status = exit_status;
    master->ending_us = now_us;
    master_wait_for_all(master);
    return master_send_to_workers(master, &message, err);
}

static void fill_verdict(struct master *master, uint64_t now_us)
{
    const struct ledger_counts counts = scheduler_counts(master->scheduler);
    const uint64_t begun = ledger_begun(scheduler_ledger(master->scheduler));
    struct run_verdict *verdict = &master->options.run->verdict;
    *verdict = (struct run_verdict){
        .exit_status = scheduler_has_minimum(master->scheduler) ? 0 : 1,
        .ended_s = (int64_t)(clock_day_ms() / 1000),
        .wall_seconds = (double)(now_us - master->started_us) / 1e6,
        .attempts = master->attempts,
        .retries = master->retries,
    };
    verdict->counts[INSTANCE_SUCCEEDED] = counts.succeeded;
    verdict->counts[INSTANCE_CACHED] = counts.cached;
    verdict->counts[INSTANCE_FAILED] = counts.failed;
    verdict->counts[INSTANCE_TIMED_OUT] = counts.timed_out;
    verdict->counts[INSTANCE_ABORTED] = counts.aborted + begun;
    verdict->counts[INSTANCE_NOT_STARTED] = counts.ready + counts.waiting - begun;
    master->options.run->state = verdict->exit_status == 0 ? RUN_SUCCEEDED : RUN_FAILED;
}

static enum status write_verdict(struct master *master, struct error *err)
{
    const struct record record = {
        .kind = RECORD_END,
        .map = MAP_NUMBER,
        .time_ms = clock_day_ms(),
        .exit_status = master->options.run->verdict.exit_status,
    };
    enum status status = run_log_append(master->log, &record, err);
    if (status == STATUS_OK) {
        status = run_log_sync(master->log, err);
    }
    if (status == STATUS_OK) {
        status = run_file_write(master->options.run_dir, master->options.run, err);
    }
    return status;
}

enum status master_conclude(struct master *master, uint64_t now_us, struct error *err)
{
    struct error reason;
    fill_verdict(master, now_us);
    if (write_verdict(master, &reason) != STATUS_OK) {
        log_error("the verdict cannot be recorded: %s", reason.text);
        return master_end(master, EXIT_RESUMABLE, now_us, err);
    }
    if (log_index_write(master->options.run_dir, &reason) != STATUS_OK) {
        log_warning("no index was written, readers scan the log: %s", reason.text);
    }
    summary_print(master->options.run, master->failures, master->options.run_dir);
    return master_end(master, master->options.run->verdict.exit_status, now_us, err);
}

enum status master_give_up(struct master *master, const char *reason, uint64_t now_us,
                           struct error *err)
{
    log_error("%s; the run ends and can be resumed", reason);
    return master_end(master, EXIT_RESUMABLE, now_us, err);
}
