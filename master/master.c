#include "master/master.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/failures.h"
#include "master/log_index.h"
#include "master/run_dir.h"
#include "master/run_log.h"
#include "master/scheduler.h"
#include "master/summary.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"

#define EXIT_FAILED 1
#define EXIT_REFUSED 2
#define EXIT_RESUMABLE 75
/* Inputs of a unit that are smaller than this are sent as they are. */
#define COMPRESS_SIZE_MIN 1024
#define PROGRESS_FIRST_US 2000000
#define PROGRESS_EVERY_US 10000000
#define MAP_NUMBER 0

enum master_state { MASTER_STARTING, MASTER_RUNNING, MASTER_ENDING, MASTER_OVER };

struct master {
    struct master_options options;
    enum master_state state;
    struct scheduler *scheduler;
    struct failures *failures;
    struct run_log *log;
    bool *is_waited_for; /* by rank: READY while starting, BYE while ending */
    uint32_t waited_count;
    uint32_t *slots;        /* by rank, as READY said */
    bool *has_left;         /* by rank: it has said BYE */
    char *refusal;          /* the first rank that cannot work, and why */
    char *setup_failure;    /* the first rank on which the job's setup failed, and why */
    uint32_t present_count; /* workers that are in the run */
    int exit_status;
    bool is_clean;
    uint64_t started_us; /* when the first unit could go out */
    uint64_t ending_us;
    uint64_t progress_us; /* when the next line of progress is due */
    uint64_t attempts;
    uint64_t retries;
    struct buffer packed;      /* inputs of the unit being sent */
    struct buffer frame;       /* the same, compressed */
    struct ledger_fate *fates; /* of the report being taken */
    struct record_outcome *outcomes;
    size_t fate_capacity;
    struct report_batch *taken; /* batches of the report that were accepted */
    size_t taken_capacity;
    struct report_failure *taken_failures;
    size_t taken_failure_capacity;
};

/* ---- Life -------------------------------------------------------------------------------------
 */

static bool is_worker(const struct master *master, uint32_t rank)
{
    return rank > 0 || master->options.rank_0_works;
}

static enum status create_scheduler(struct master *master)
{
    const struct map_options *map = &master->options.run->options;
    const uint64_t size = inputs_count(master->options.inputs);
    const struct scheduler_options options = {
        .ledger = {.size = size, .retries = map->retries, .system_retries = map->system_retries},
        .sizing = {.report_interval_us = master->options.report_interval_us,
                   .unit_size = map->unit_size,
                   .input_size_mean =
                       size > 0 ? inputs_packed_size(master->options.inputs) / size : 0},
        .minimum = master->options.minimum,
        .policy = map->policy,
        .concurrency = map->concurrency,
        .retry_delay_us = map->retry_delay_ns / 1000,
        .worker_count = transport_size(master->options.transport),
    };
    return scheduler_create(options, &master->scheduler);
}

enum status master_create(const struct master_options *options, struct master **master_out)
{
    const uint32_t ranks = transport_size(options->transport);
    struct master *master = calloc(1, sizeof(*master));
    if (master == NULL) {
        return STATUS_NO_MEMORY;
    }
    master->options = *options;
    master->is_waited_for = memory_take(ranks, sizeof(*master->is_waited_for));
    master->has_left = memory_take(ranks, sizeof(*master->has_left));
    master->slots = memory_take(ranks, sizeof(*master->slots));
    enum status status = create_scheduler(master);
    if (status == STATUS_OK) {
        status = failures_create(&master->failures);
    }
    if (status != STATUS_OK) {
        master_destroy(master);
        return status;
    }
    *master_out = master;
    return STATUS_OK;
}

void master_destroy(struct master *master)
{
    if (master == NULL) {
        return;
    }
    scheduler_destroy(master->scheduler);
    failures_destroy(master->failures);
    run_log_close(master->log);
    free(master->is_waited_for);
    free(master->has_left);
    free(master->slots);
    free(master->refusal);
    free(master->setup_failure);
    buffer_free(&master->packed);
    buffer_free(&master->frame);
    free(master->fates);
    free(master->outcomes);
    free(master->taken);
    free(master->taken_failures);
    free(master);
}

/* ---- Sending ----------------------------------------------------------------------------------
 */

static enum status send_to(struct master *master, uint32_t rank, const struct wire_message *message,
                           struct error *err)
{
    struct buffer bytes = {0};
    enum status status = wire_encode(message, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(master->options.transport, rank, &bytes, err);
    } else {
        (void)error_set(err, status, "no memory for a message");
    }
    buffer_free(&bytes);
    return status;
}

static enum status send_to_workers(struct master *master, const struct wire_message *message,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    const uint32_t ranks = transport_size(master->options.transport);
    for (uint32_t rank = 0; rank < ranks && status == STATUS_OK; rank++) {
        if (is_worker(master, rank) && !master->has_left[rank]) {
            status = send_to(master, rank, message, err);
        }
    }
    return status;
}

static void wait_for_all(struct master *master)
{
    const uint32_t ranks = transport_size(master->options.transport);
    master->waited_count = 0;
    for (uint32_t rank = 0; rank < ranks; rank++) {
        master->is_waited_for[rank] = is_worker(master, rank) && !master->has_left[rank];
        master->waited_count += master->is_waited_for[rank] ? 1 : 0;
    }
}

static void heard_from(struct master *master, uint32_t rank)
{
    if (master->is_waited_for[rank]) {
        master->is_waited_for[rank] = false;
        master->waited_count--;
    }
}

static bool hex_digest(const char *text, uint8_t digest_out[WIRE_DIGEST_SIZE])
{
    memset(digest_out, 0, WIRE_DIGEST_SIZE);
    for (size_t i = 0; i < WIRE_DIGEST_SIZE && text[2 * i] != '\0'; i++) {
        unsigned byte;
        if (sscanf(&text[2 * i], "%2x", &byte) != 1) {
            return false;
        }
        digest_out[i] = (uint8_t)byte;
    }
    return true;
}

enum status master_start(struct master *master, uint64_t now_us, struct error *err)
{
    const struct run_description *run = master->options.run;
    struct wire_message message = {
        .kind = WIRE_START,
        .as.start = {.version = WIRE_VERSION,
                     .program = MAPFLEET_VERSION,
                     .job_path = run->job_path,
                     .task = run->task,
                     .map = MAP_NUMBER,
                     .map_size = inputs_count(master->options.inputs),
                     .options = run->options,
                     .formula = *inputs_formula(master->options.inputs),
                     .run_dir = master->options.run_dir,
                     .launch_dir = run->launch_dir,
                     .report_interval_us = master->options.report_interval_us,
                     .slots = master->options.slots,
                     .is_isolated = master->options.is_isolated},
    };
    (void)now_us;
    const bool is_digest = hex_digest(run->job_digest, message.as.start.job_digest);
    assert(is_digest);
    wait_for_all(master);
    return send_to_workers(master, &message, err);
}

/* ---- Ending -----------------------------------------------------------------------------------
 */

/* Tell every worker to leave. Nothing that follows can change the exit status. */
static enum status end(struct master *master, int exit_status, uint64_t now_us, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_STOP};
    master->state = MASTER_ENDING;
    master->exit_status = exit_status;
    master->ending_us = now_us;
    wait_for_all(master);
    return send_to_workers(master, &message, err);
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

/* The map is done: the verdict is on disk before anybody hears of it. */
static enum status conclude(struct master *master, uint64_t now_us, struct error *err)
{
    struct error reason;
    fill_verdict(master, now_us);
    if (write_verdict(master, &reason) != STATUS_OK) {
        log_error("the verdict cannot be recorded: %s", reason.text);
        return end(master, EXIT_RESUMABLE, now_us, err);
    }
    if (log_index_write(master->options.run_dir, &reason) != STATUS_OK) {
        log_warning("no index was written, readers scan the log: %s", reason.text);
    }
    summary_print(master->options.run, master->failures, master->options.run_dir);
    return end(master, master->options.run->verdict.exit_status, now_us, err);
}

/* ---- Starting ---------------------------------------------------------------------------------
 */

static enum status fill_run(struct master *master, struct error *err)
{
    enum status status = inputs_save(master->options.inputs, master->options.run_dir, err);
    if (status == STATUS_OK) {
        status = run_file_write(master->options.run_dir, master->options.run, err);
    }
    if (status == STATUS_OK) {
        status = run_log_create(master->options.run_dir, &master->log, err);
    }
    if (status == STATUS_OK) {
        const struct record record = {
            .kind = RECORD_START, .map = MAP_NUMBER, .time_ms = clock_day_ms()};
        status = run_log_append(master->log, &record, err);
    }
    return status;
}

/* Whole, or not at all. */
static enum status make_run(struct master *master, struct error *err)
{
    enum status status = run_dir_make(master->options.run_dir, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = fill_run(master, err);
    if (status != STATUS_OK) {
        run_dir_remove(master->options.run_dir);
    }
    return status;
}

/* Those on which the job's setup failed have no slots, and stay out. */
static void join_workers(struct master *master)
{
    const uint32_t ranks = transport_size(master->options.transport);
    for (uint32_t rank = 0; rank < ranks; rank++) {
        if (is_worker(master, rank) && master->slots[rank] > 0) {
            scheduler_join(master->scheduler, rank, master->slots[rank]);
        }
    }
}

/* Every rank has answered: begin, or leave without a trace. */
static enum status begin(struct master *master, uint64_t now_us, struct error *err)
{
    struct error reason;
    if (master->refusal != NULL) {
        log_error("%s", master->refusal);
        return end(master, EXIT_REFUSED, now_us, err);
    }
    if (master->present_count == 0) {
        log_error("%s", master->setup_failure);
        return end(master, EXIT_FAILED, now_us, err);
    }
    if (master->setup_failure != NULL) {
        log_warning("%s; the run goes on without it", master->setup_failure);
    }
    if (make_run(master, &reason) != STATUS_OK) {
        log_error("%s", reason.text);
        return end(master, EXIT_REFUSED, now_us, err);
    }
    join_workers(master);
    master->state = MASTER_RUNNING;
    master->started_us = now_us;
    master->progress_us = now_us + PROGRESS_FIRST_US;
    return STATUS_OK;
}

static enum status on_ready(struct master *master, uint32_t rank, const struct wire_ready *ready,
                            uint64_t now_us, struct error *err)
{
    if (master->state != MASTER_STARTING || !master->is_waited_for[rank]) {
        log_warning("ready ignored reason=not_asked rank=%" PRIu32, rank);
        return STATUS_OK;
    }
    const bool is_able =
        *ready->refusal == '\0' && ready->version == WIRE_VERSION && ready->slots > 0;
    char **reason = ready->is_setup_failure ? &master->setup_failure : &master->refusal;
    if (!is_able && *reason == NULL) {
        struct error text;
        (void)error_set(&text, STATUS_INVALID, "rank %" PRIu32 " on %s cannot work: %s", rank,
                        ready->host,
                        *ready->refusal != '\0' ? ready->refusal : "it runs another mapfleet");
        *reason = memory_copy_text(text.text);
    }
    master->slots[rank] = is_able ? (uint32_t)ready->slots : 0;
    master->present_count += is_able ? 1 : 0;
    heard_from(master, rank);
    return master->waited_count == 0 ? begin(master, now_us, err) : STATUS_OK;
}

/* ---- Reports ----------------------------------------------------------------------------------
 */

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

static void count_attempts(struct master *master, const struct report_batch *batch,
                           const struct report_failure *failures, size_t failure_count)
{
    master->attempts += batch->instance_count;
    for (size_t i = 0; i < batch->span_count; i++) {
        master->retries += batch->spans[i].attempt > 0 ? batch->spans[i].count : 0;
    }
    for (size_t i = 0; i < failure_count; i++) {
        const bool is_aborted = failures[i].class == FAILURE_ABORTED;
        master->attempts -= is_aborted ? 1 : 0;
        master->retries -= is_aborted && failures[i].attempt > 0 ? 1 : 0;
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
static enum status on_report(struct master *master, uint32_t rank, const struct report *report,
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
            count_attempts(master, batch, failures, failed);
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
    return taken_count > 0 ? run_log_append(master->log, &record, err) : STATUS_OK;
}

static void on_returned(struct master *master, uint32_t rank, const struct wire_returned *returned,
                        uint64_t now_us)
{
    const char *reason = scheduler_take_returned(master->scheduler, rank, returned->lease,
                                                 returned->spans, returned->span_count, now_us);
    if (reason != NULL && returned->span_count > 0) {
        log_warning("answer to a recall ignored reason=%s rank=%" PRIu32 " lease=%" PRIu64, reason,
                    rank, returned->lease);
    }
}

/* The log cannot be written: nothing that it lacks may count, so that the run ends here. */
static enum status give_up(struct master *master, const char *reason, uint64_t now_us,
                           struct error *err)
{
    log_error("%s; the run ends and can be resumed", reason);
    return end(master, EXIT_RESUMABLE, now_us, err);
}

static void ignore_charge(void *context, uint64_t index, struct ledger_fate fate)
{
    (void)context;
    (void)index;
    (void)fate;
}

/* A rank that leaves by itself has given back what it held. */
static enum status on_bye(struct master *master, uint32_t rank, uint64_t now_us, struct error *err)
{
    master->has_left[rank] = true;
    if (master->state == MASTER_ENDING) {
        heard_from(master, rank);
    } else if (master->state == MASTER_RUNNING) {
        scheduler_lose(master->scheduler, rank, NULL, 0, ignore_charge, NULL, now_us);
        master->present_count--;
        return master->present_count > 0 ? STATUS_OK
                                         : give_up(master, "no rank is left to work", now_us, err);
    }
    return STATUS_OK;
}

enum status master_take_message(struct master *master, uint32_t rank,
                                const struct wire_message *message, uint64_t now_us,
                                struct error *err)
{
    struct error reason;
    const bool is_running = master->state == MASTER_RUNNING;
    switch (message->kind) {
    case WIRE_READY:
        return on_ready(master, rank, &message->as.ready, now_us, err);
    case WIRE_REPORT:
        if (is_running &&
            on_report(master, rank, &message->as.report, now_us, &reason) != STATUS_OK) {
            return give_up(master, reason.text, now_us, err);
        }
        return STATUS_OK;
    case WIRE_RETURNED:
        if (is_running) {
            on_returned(master, rank, &message->as.returned, now_us);
        }
        return STATUS_OK;
    case WIRE_BEAT:
        return STATUS_OK; /* being heard is all that it does */
    case WIRE_BYE:
        return on_bye(master, rank, now_us, err);
    case WIRE_START:
    case WIRE_UNIT:
    case WIRE_RECALL:
    case WIRE_CANCEL:
    case WIRE_STOP:
        log_warning("message ignored reason=not_for_the_master kind=%d rank=%" PRIu32,
                    (int)message->kind, rank);
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* ---- Acting -----------------------------------------------------------------------------------
 */

static enum status pack_inputs(struct master *master, const struct scheduler_action *action,
                               struct wire_unit *unit, struct error *err)
{
    buffer_clear(&master->packed);
    enum status status = inputs_pack(master->options.inputs, action->spans, action->span_count,
                                     &master->packed, err);
    if (status != STATUS_OK) {
        return status;
    }
    unit->inputs = master->packed.data;
    unit->inputs_size = master->packed.size;
    unit->packed_size = master->packed.size;
    if (master->packed.size < COMPRESS_SIZE_MIN) {
        return STATUS_OK;
    }
    buffer_clear(&master->frame);
    status = lz4_frame_compress(master->packed.data, master->packed.size, &master->frame);
    if (status == STATUS_OK && master->frame.size < master->packed.size) {
        unit->inputs = master->frame.data;
        unit->inputs_size = master->frame.size;
    }
    return status == STATUS_OK ? status : error_set(err, status, "no memory for a unit's inputs");
}

static enum status send_unit(struct master *master, const struct scheduler_action *action,
                             struct error *err)
{
    struct wire_message message = {
        .kind = WIRE_UNIT,
        .as.unit = {.map = MAP_NUMBER,
                    .lease = action->lease,
                    .spans = action->spans,
                    .span_count = action->span_count},
    };
    const enum status status = pack_inputs(master, action, &message.as.unit, err);
    return status == STATUS_OK ? send_to(master, action->worker, &message, err) : status;
}

static enum status act(struct master *master, const struct scheduler_action *action,
                       uint64_t now_us, struct error *err)
{
    struct wire_message message = {.kind = WIRE_CANCEL};
    switch (action->kind) {
    case SCHEDULER_SEND_UNIT:
        return send_unit(master, action, err);
    case SCHEDULER_RECALL:
        message.kind = WIRE_RECALL;
        message.as.recall = (struct wire_recall){.lease = action->lease, .count = action->count};
        return send_to(master, action->worker, &message, err);
    case SCHEDULER_CANCEL:
        return send_to_workers(master, &message, err);
    case SCHEDULER_DONE:
        return conclude(master, now_us, err);
    }
    return STATUS_OK;
}

static void print_progress(struct master *master, uint64_t now_us)
{
    if (!master->options.is_progress_plain || now_us < master->progress_us) {
        return;
    }
    summary_print_progress(scheduler_counts(master->scheduler),
                           inputs_count(master->options.inputs), now_us - master->started_us);
    master->progress_us = now_us + PROGRESS_EVERY_US;
}

/* Write before acting: no instance is handed out, and no verdict given, on what is not written. */
static enum status run_turn(struct master *master, uint64_t now_us, bool *did_something,
                            struct error *err)
{
    struct scheduler_action action;
    struct error reason;
    enum status status = STATUS_OK;
    if (run_log_flush(master->log, &reason) != STATUS_OK) {
        return give_up(master, reason.text, now_us, err);
    }
    while (status == STATUS_OK && master->state == MASTER_RUNNING &&
           scheduler_next(master->scheduler, now_us, &action)) {
        *did_something = true;
        status = act(master, &action, now_us, err);
    }
    if (master->state == MASTER_RUNNING) {
        print_progress(master, now_us);
    }
    return status;
}

static void end_turn(struct master *master, uint64_t now_us)
{
    master->is_clean = master->waited_count == 0;
    if (master->is_clean || now_us - master->ending_us >= MASTER_LEAVE_US_MAX) {
        master->state = MASTER_OVER;
    }
}

enum status master_turn(struct master *master, uint64_t now_us, bool *did_something_out,
                        struct error *err)
{
    *did_something_out = false;
    switch (master->state) {
    case MASTER_STARTING:
    case MASTER_OVER:
        return STATUS_OK;
    case MASTER_RUNNING:
        return run_turn(master, now_us, did_something_out, err);
    case MASTER_ENDING:
        end_turn(master, now_us);
        return STATUS_OK;
    }
    return STATUS_OK;
}

uint64_t master_deadline_us(const struct master *master)
{
    if (master->state == MASTER_ENDING) {
        return master->ending_us + MASTER_LEAVE_US_MAX;
    }
    if (master->state != MASTER_RUNNING) {
        return UINT64_MAX;
    }
    const uint64_t deadline_us = scheduler_deadline_us(master->scheduler);
    return master->options.is_progress_plain && master->progress_us < deadline_us
               ? master->progress_us
               : deadline_us;
}

bool master_is_over(const struct master *master)
{
    return master->state == MASTER_OVER;
}

bool master_is_clean(const struct master *master)
{
    return master->is_clean;
}

int master_exit_status(const struct master *master)
{
    return master->exit_status;
}
