#include "master/master_private.h"

#include <inttypes.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

/* How much of a report has been taken. */
struct taken {
    size_t batch_count;
    size_t failure_count;
    uint64_t success_count;
};

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
        master->taken_spans = memory_resize(master->taken_spans, master->taken_capacity,
                                            sizeof(*master->taken_spans));
    }
}

static void keep_failure(struct master *master, struct master_map *map,
                         const struct report_failure *failure, const struct ledger_fate *fate,
                         uint64_t attempt, size_t at)
{
    const enum failure_class class = fate->is_superseded ? FAILURE_ABORTED : failure->class;
    master->taken_failures[at] = *failure;
    master->taken_failures[at].class = class;
    master->taken_failures[at].attempt = attempt;
    master->outcomes[at] =
        (struct record_outcome){.is_final = fate->is_final,
                                .state = fate->is_final ? fate->state : INSTANCE_ABORTED,
                                .task_failures = fate->task_failures,
                                .system_failures = fate->system_failures,
                                .attempts_max = fate->attempts_max};
    if (class != FAILURE_ABORTED) {
        failures_add(map->failures, failure->index, class, failure->text, failure->text_size);
    }
}

/* The batch as it is recorded. One of a second copy has its attempt under the number that the
 * instance's next attempt has, since the one that it doubles has not ended by itself. */
static bool take_as_copy(struct master *master, const struct master_map *map, uint32_t rank,
                         uint64_t lease, const struct report_batch *batch, size_t at)
{
    uint64_t attempt;
    master->taken[at] = *batch;
    if (batch->instance_count != 1 || batch->span_count != 1 ||
        !scheduler_is_copy(map->scheduler, rank, lease, batch->spans[0].start, &attempt)) {
        return false;
    }
    master->taken_spans[at] = batch->spans[0];
    master->taken_spans[at].attempt = attempt;
    master->taken[at].spans = &master->taken_spans[at];
    return true;
}

/* A second copy that has come too late is nothing to tell of. */
static void tell_ignored(const char *reason, uint32_t rank, uint64_t lease)
{
    if (reason != scheduler_copy_over) {
        log_warning("batch ignored reason=%s rank=%" PRIu32 " lease=%" PRIu64, reason, rank, lease);
    }
}

/* Partial values of a map that is not folded on its ranks are none that it could use. */
static bool has_stray_partials(const struct master_map *map, const struct report_batch *batch)
{
    return batch->partial_count > 0 && (map->reducer == NULL || map->cache_options != NULL);
}

/* Its failures have their outcomes from `first` on. */
static void print_batch(struct master *master, const struct report_batch *batch, size_t first,
                        size_t failed)
{
    struct buffer *is_final = &master->packed;
    if (master->options.printer == NULL) {
        return;
    }
    buffer_clear(is_final);
    for (size_t i = 0; i < failed; i++) {
        const bool is_last = master->outcomes[first + i].is_final &&
                             master->taken_failures[first + i].class != FAILURE_ABORTED;
        if (buffer_append_byte(is_final, is_last ? 1 : 0) != STATUS_OK) {
            return;
        }
    }
    printer_batch(master->options.printer, batch, is_final->data);
}

/* One that was stopped early has its end in the record: what is left to do is to show what it has
 * printed. */
static void print_stopped(const struct master *master, const struct report_batch *batch)
{
    static const uint8_t is_final[] = {1};
    if (master->options.printer != NULL) {
        printer_batch(master->options.printer, batch, is_final);
    }
}

/* And to record where and for how long it ran, whatever it came to in the end: a stop stands before
 * it in the record, so that this changes nothing of its instance. */
static void keep_stopped(struct master *master, const struct master_map *map, struct taken *taken)
{
    static const uint8_t none[] = {0};
    static const char text[] = "stopped early";
    struct report_batch *batch = &master->taken[taken->batch_count++];
    const size_t at = taken->failure_count++;
    batch->success_count = 0;
    batch->success_bits = none;
    batch->frame = NULL;
    batch->frame_size = 0;
    master->taken_failures[at] = (struct report_failure){.index = batch->spans[0].start,
                                                         .attempt = batch->spans[0].attempt,
                                                         .class = FAILURE_ABORTED,
                                                         .text = text,
                                                         .text_size = sizeof(text) - 1};
    master->outcomes[at] =
        (struct record_outcome){.state = INSTANCE_ABORTED,
                                .attempts_max = ledger_attempts_max(
                                    scheduler_ledger(map->scheduler), batch->spans[0].start)};
}

/* Those that it takes are put behind what has been taken of the report. */
static void take_batch(struct master *master, struct master_map *map, uint32_t rank, uint64_t lease,
                       const struct report_batch *batch, const struct report_failure *failures,
                       struct taken *taken, uint64_t now_us)
{
    const size_t failed = (size_t)(batch->instance_count - batch->success_count);
    if (has_stray_partials(map, batch)) {
        tell_ignored("partials", rank, lease);
        return;
    }
    const bool is_stopped =
        batch->instance_count == 1 &&
        scheduler_is_stopped_early(map->scheduler, rank, lease, batch->spans[0].start);
    const bool is_copy = take_as_copy(master, map, rank, lease, batch, taken->batch_count);
    const char *reason =
        scheduler_take_batch(map->scheduler, rank, lease, batch, failures, master->fates, now_us);
    if (reason != NULL) {
        tell_ignored(reason, rank, lease);
        if (is_stopped && reason == scheduler_copy_over) {
            print_stopped(master, batch);
            keep_stopped(master, map, taken);
        }
        return;
    }
    const struct report_batch *recorded = &master->taken[taken->batch_count++];
    const size_t first = taken->failure_count;
    for (size_t k = 0; k < failed; k++) {
        const uint64_t attempt = is_copy ? recorded->spans[0].attempt : failures[k].attempt;
        keep_failure(master, map, &failures[k], &master->fates[k], attempt, taken->failure_count++);
        presence_note_ended(master->presence, rank, map->number, failures[k].index);
    }
    taken->success_count += batch->success_count;
    master->has_begun = true;
    tally_batch(&map->tally, recorded, &master->taken_failures[first], failed);
    deadline_observe(&master->deadline, recorded->success_count, tally_success_us(recorded));
    master_metrics_take_batch(master, map, recorded, &master->taken_failures[first],
                              &master->outcomes[first]);
    master_cache_take_batch(master, map, recorded);
    print_batch(master, recorded, first, failed);
}

/* Did the run directory take the files of attempts, as far as this report tells? */
static enum status mind_files(struct master *master, const struct report *report,
                              const struct taken *taken, uint64_t now_us, struct error *err)
{
    struct error reason;
    for (size_t i = 0; i < report->failure_count; i++) {
        const struct report_failure *failure = &report->failures[i];
        if (failure->is_unkept) {
            (void)error_set(&reason, STATUS_UNWRITABLE, "%.*s", (int)failure->text_size,
                            failure->text);
            return master_hold(master, reason.text, now_us, err);
        }
    }
    if (master->unkept_us != 0 && taken->success_count > 0) {
        log_info("files can be put into the run directory again; the run goes on");
        master->unkept_us = 0;
    }
    return STATUS_OK;
}

/* The accepted batches of a report become one record. What is refused is logged, and forgotten. */
enum status master_on_report(struct master *master, struct master_map *map, uint32_t rank,
                             const struct report *report, uint64_t now_us, struct error *err)
{
    const struct report_failure *failures = report->failures;
    struct taken taken = {0};
    reserve_for(master, report);
    for (size_t i = 0; i < report->batch_count; i++) {
        const struct report_batch *batch = &report->batches[i];
        take_batch(master, map, rank, report->lease, batch, failures, &taken, now_us);
        failures += batch->instance_count - batch->success_count;
    }
    const struct record record = {
        .kind = RECORD_REPORT,
        .map = map->number,
        .rank = rank,
        .time_ms = clock_day_ms(),
        .report = {.lease = report->lease,
                   .batches = master->taken,
                   .batch_count = taken.batch_count,
                   .failures = master->taken_failures,
                   .failure_count = taken.failure_count},
        .outcomes = master->outcomes,
    };
    enum status status = master_metrics_record(master, map, rank, err);
    if (status == STATUS_OK && taken.batch_count > 0) {
        status = run_log_append(master->log, &record, err);
    }
    if (status == STATUS_OK && taken.batch_count > 0) {
        status = master_map_note_frames(master, map, &record.report, err);
    }
    for (size_t i = 0; i < taken.failure_count && status == STATUS_OK; i++) {
        const struct ledger_fate fate = {.is_final = master->outcomes[i].is_final,
                                         .task_failures = master->outcomes[i].task_failures,
                                         .system_failures = master->outcomes[i].system_failures,
                                         .attempts_max = master->outcomes[i].attempts_max};
        status = master_cache_take_failure(master, map, &master->taken_failures[i], &fate, err);
    }
    master_metrics_mind_target(map);
    return status == STATUS_OK ? mind_files(master, report, &taken, now_us, err) : status;
}

void master_on_returned(struct master_map *map, uint32_t rank, const struct wire_returned *returned,
                        uint64_t now_us)
{
    const char *reason = scheduler_take_returned(map->scheduler, rank, returned->lease,
                                                 returned->spans, returned->span_count, now_us);
    if (reason != NULL && returned->span_count > 0) {
        log_warning("answer to a recall ignored reason=%s rank=%" PRIu32 " lease=%" PRIu64, reason,
                    rank, returned->lease);
    }
}
