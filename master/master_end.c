#include "master/master_private.h"

#include "master/log_index.h"
#include "master/summary.h"
#include "shared/clock.h"
#include "shared/log.h"

/* How often the loop asks whether a sync is done. */
#define LOOK_AGAIN_US 1000
/* How long the last lines wait for what attempts have printed. */
#define PRINT_US_MAX 500000

enum status master_end(struct master *master, int exit_status, uint64_t now_us, struct error *err)
{
    master_end_progress(master, now_us);
    const struct wire_message message = {
        .kind = WIRE_STOP, .as.stop = {.is_clean = presence_is_complete(master->presence)}};
    const uint32_t ranks = transport_size(master->options.transport);
    enum status status = STATUS_OK;
    master->state = MASTER_ENDING;
    master->exit_status = exit_status;
    master->ending_us = now_us;
    master->wake_us = UINT64_MAX;
    master_wait_for_all(master);
    for (uint32_t rank = 0; rank < ranks && status == STATUS_OK; rank++) {
        if (presence_state(master->presence, rank) == PRESENCE_SILENT) {
            transport_abandon(master->options.transport, rank);
        } else if (master_is_worker(master, rank)) {
            status = master_send(master, rank, &message, err);
        }
    }
    return status;
}

/* Of a run that is one map. */
static const struct master_map *only_map(const struct master *master)
{
    return master_is_one_map(master) ? master->maps[0] : NULL;
}

static bool has_verdict(const struct master *master)
{
    const struct master_map *map = only_map(master);
    if (map == NULL) {
        return master->is_finishing && master->finish_status != EXIT_RESUMABLE;
    }
    return !master->is_stopped || map->is_target_reached || scheduler_has_verdict(map->scheduler);
}

/* What a verdict is made from. */
struct totals {
    struct ledger_counts counts;
    uint64_t begun; /* instances that have not ended, but of which an attempt has */
    struct tally tally;
};

static void fill_verdict(struct master *master, const struct totals *totals, int exit_status,
                         uint64_t now_us)
{
    const struct ledger_counts *counts = &totals->counts;
    struct run_verdict *verdict = &master->options.run->verdict;
    *verdict = (struct run_verdict){
        .exit_status = exit_status,
        .ended_s = (int64_t)(clock_day_ms() / 1000),
        .wall_seconds =
            (double)master->wall_ms_before / 1e3 + (double)(now_us - master->started_us) / 1e6,
        .attempts = totals->tally.attempts,
        .retries = totals->tally.retries,
    };
    verdict->counts[INSTANCE_SUCCEEDED] = counts->succeeded;
    verdict->counts[INSTANCE_CACHED] = counts->cached;
    verdict->counts[INSTANCE_STOPPED_EARLY] = counts->stopped_early;
    verdict->counts[INSTANCE_FAILED] = counts->failed;
    verdict->counts[INSTANCE_TIMED_OUT] = counts->timed_out;
    verdict->counts[INSTANCE_ABORTED] = counts->aborted + totals->begun;
    verdict->counts[INSTANCE_NOT_STARTED] =
        counts->to_come + counts->ready + counts->waiting + counts->leased - totals->begun;
    master->options.run->state = exit_status == EXIT_RESUMABLE ? RUN_INTERRUPTED
                                 : exit_status == 0            ? RUN_SUCCEEDED
                                                               : RUN_FAILED;
}

static struct totals totals_of(const struct master *master)
{
    const struct master_map *map = only_map(master);
    if (map == NULL) {
        return (struct totals){.counts = master->past, .tally = master->past_tally};
    }
    return (struct totals){.counts = scheduler_counts(map->scheduler),
                           .begun = ledger_begun(scheduler_ledger(map->scheduler)),
                           .tally = map->tally};
}

static int exit_status_of(const struct master *master)
{
    const struct master_map *map = only_map(master);
    if (!has_verdict(master)) {
        return EXIT_RESUMABLE;
    }
    if (map == NULL) {
        return master->finish_status;
    }
    return map->is_target_reached || scheduler_has_minimum(map->scheduler) ? 0 : EXIT_FAILED;
}

/* Without a verdict, the totals so far. What is still leased is with ranks that do not answer. */
void master_conclude(struct master *master, uint64_t now_us)
{
    const struct totals totals = totals_of(master);
    fill_verdict(master, &totals, exit_status_of(master), now_us);
    master->state = MASTER_CONCLUDING;
    master->wake_us = now_us;
}

static MUST_CHECK enum status record_end(struct master *master, struct error *err)
{
    const struct record record = {
        .kind = RECORD_END,
        .map = only_map(master) != NULL ? MAP_NUMBER : RECORD_RUN_MAP,
        .time_ms = clock_day_ms(),
        .exit_status = master->options.run->verdict.exit_status,
    };
    const enum status status =
        master->is_end_recorded ? STATUS_OK : run_log_append(master->log, &record, err);
    master->is_end_recorded = status == STATUS_OK;
    return status;
}

/* Is the whole log on disk? With --sync none nobody asked for that. */
static bool is_log_safe(struct master *master, uint64_t now_us)
{
    const uint64_t size = run_log_written(master->log);
    if (master->options.sync == SYNC_NONE || log_sync_is_done(master->sync, size)) {
        return true;
    }
    log_sync_hurry(master->sync);
    master->wake_us = now_us + LOOK_AGAIN_US;
    return false;
}

/* Of a run of several maps, who runs it tells of each. */
static const struct failures *failures_of(const struct master *master)
{
    const struct master_map *map = only_map(master);
    return map != NULL ? map->failures : master->no_failures;
}

/* NULL where no rank was lost. */
static const char *lost_text(struct master *master)
{
    return master->lost_count > 0 && buffer_append_byte(&master->lost, '\0') == STATUS_OK
               ? (const char *)master->lost.data
               : NULL;
}

/* What attempts have printed comes before the last lines, unless its reader is slow. */
static void print_rest(struct master *master)
{
    struct printer *printer = master->options.printer;
    if (printer != NULL) {
        printer_end(printer, has_verdict(master));
        printer_wait(printer, PRINT_US_MAX);
    }
}

enum status master_conclude_turn(struct master *master, uint64_t now_us, struct error *err)
{
    struct error reason;
    bool is_written = false;
    enum status status = record_end(master, &reason);
    if (status != STATUS_OK) {
        return master_give_up(master, reason.text, now_us, err);
    }
    status = master_write_out(master, now_us, &is_written, err);
    if (status != STATUS_OK || master->state != MASTER_CONCLUDING || !is_written ||
        !is_log_safe(master, now_us)) {
        return status;
    }
    if (run_file_write(master->options.run_dir, master->options.run, &reason) != STATUS_OK) {
        return master_pause(master, reason.text, now_us, err);
    }
    status = master_end(master, master->options.run->verdict.exit_status, now_us, err);
    if (has_verdict(master) && log_index_write(master->options.run_dir, &reason) != STATUS_OK) {
        log_warning("no index was written, readers scan the log: %s", reason.text);
    }
    print_rest(master);
    summary_print(master->options.run, failures_of(master), lost_text(master),
                  master->options.run_dir);
    return status;
}

/* ---- Giving up --------------------------------------------------------------------------------
 */

/* What of the run is in its log: neither more, which was never written, nor what the ledger knows.
 */
static MUST_CHECK enum status read_totals(const struct master *master, struct totals *totals_out,
                                          struct failures *failures, struct error *err)
{
    struct ledger *ledger = NULL;
    struct replay replay;
    const struct master_map *map = only_map(master);
    if (map == NULL) {
        *totals_out = totals_of(master);
        return STATUS_OK;
    }
    const struct ledger_options options = {.size = inputs_count(map->inputs),
                                           .retries = map->options.retries,
                                           .system_retries = map->options.system_retries};
    enum status status =
        replay_log(master->options.run_dir, map->number, options.size, failures, &replay, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (replay.has_verdict) {
        status = error_set(err, STATUS_EXISTS, "the log has a verdict already");
    } else if (ledger_create(options, &ledger) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "no memory to count what is recorded");
    } else {
        ledger_restore(ledger, &replay.history);
        *totals_out = (struct totals){
            .counts = ledger_counts(ledger), .begun = ledger_begun(ledger), .tally = replay.tally};
    }
    ledger_destroy(ledger);
    replay_free(&replay);
    return status;
}

/* The disk may have room again, for this at least; where it has not, the run is one that was cut
 * off, and `status` tells of it from its log. */
static void leave_record(struct master *master, uint64_t now_us)
{
    struct error ignored;
    struct totals totals = {.begun = 0};
    struct failures *failures = NULL;
    (void)!run_log_flush(master->log, &ignored);
    if (failures_create(&failures) == STATUS_OK &&
        read_totals(master, &totals, failures, &ignored) == STATUS_OK) {
        fill_verdict(master, &totals, EXIT_RESUMABLE, now_us);
        (void)!run_file_write(master->options.run_dir, master->options.run, &ignored);
        summary_print(master->options.run, failures, lost_text(master), master->options.run_dir);
    } else {
        summary_print_how_to_go_on(master->options.run_dir);
    }
    failures_destroy(failures);
}

enum status master_give_up(struct master *master, const char *reason, uint64_t now_us,
                           struct error *err)
{
    log_error("%s; the run ends and can be resumed", reason);
    if (run_lock_is_held(master->lock)) { /* else it is another's, who goes on with it */
        leave_record(master, now_us);
    }
    return master_end(master, EXIT_RESUMABLE, now_us, err);
}
