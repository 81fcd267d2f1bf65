#include "master/master_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/file.h"
#include "master/run_dir.h"
#include "master/summary.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

/* ---- START ------------------------------------------------------------------------------------
 */

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
                     .options = run->options,
                     .run_dir = master->options.run_dir,
                     .launch_dir = run->launch_dir,
                     .report_interval_us = master->options.report_interval_us,
                     .slots = master->options.slots,
                     .has_gpus_per_rank = master->options.has_gpus_per_rank,
                     .gpus_per_rank = master->options.gpus_per_rank,
                     .is_isolated = master->options.is_isolated,
                     .keeps_workdirs = master->options.keeps_workdirs,
                     .files_to = master->options.files_to,
                     .files_tag = master->options.files_tag,
                     .remote = master->options.remote.data,
                     .remote_size = master->options.remote.size,
                     .ship_token = "",
                     .is_printed = master->options.printer != NULL,
                     .constant = master->options.constant,
                     .constant_size = master->options.constant_size},
    };
    if (master->options.library != NULL) {
        message.as.start.ship_token = master->options.library->token;
    }
    if (master_is_one_map(master)) {
        message.as.start.has_map = true;
        message.as.start.map = master_map_wire(master->maps[0]);
    }
    for (uint32_t rank = 1; rank < transport_size(master->options.transport); rank++) {
        presence_expect(master->presence, rank, now_us);
    }
    master->turn_us = now_us;
    master->pulse_us = run->options.lost_after_ns > 0 ? now_us : UINT64_MAX;
    const bool is_digest = hex_digest(run->job_digest, message.as.start.job_digest);
    assert(is_digest);
    master_wait_for_all(master);
    return master_send_to_workers(master, &message, err);
}

/* ---- Starting ---------------------------------------------------------------------------------
 */

struct record master_start_record(const struct master *master, const struct master_map *map)
{
    const struct map_options *options = map != NULL ? &map->options : &master->options.run->options;
    return (struct record){.kind = RECORD_START,
                           .map = map != NULL ? map->number : RECORD_RUN_MAP,
                           .time_ms = clock_day_ms(),
                           .revives_failed = master->options.revives_failed,
                           .retries = options->retries,
                           .system_retries = options->system_retries};
}

/* Of a run that is one map. */
static struct master_map *only_map(const struct master *master)
{
    return master_is_one_map(master) ? master->maps[0] : NULL;
}

static void print_recorded(struct master *master, const struct history *history)
{
    struct printer *printer = master->options.printer;
    if (printer != NULL) {
        printer_recorded(printer, &history->succeeded, true);
        printer_recorded(printer, &history->cached, true);
        printer_recorded(printer, &history->stopped_early, false);
        printer_recorded(printer, &history->failed, false);
        printer_recorded(printer, &history->timed_out, false);
    }
}

void master_take_up(struct master *master, struct master_map *map, struct replay *replay,
                    const struct record *start)
{
    history_begin_session(&replay->history, start);
    master_cache_skip(map, &replay->history);
    print_recorded(master, &replay->history);
    scheduler_restore(map->scheduler, &replay->history);
    map->tally = replay->tally;
    deadline_observe(&master->deadline, replay->tally.success_count, replay->tally.success_us);
}

/* The session's first record, and the thread that gets the log onto the disk. */
/* Those from `first` to `last` that are ready to work. A rank that comes back begins with new
 * slots.
 */
static enum status record_ranks(struct master *master, uint32_t first, uint32_t last,
                                struct error *err)
{
    const uint32_t size = transport_size(master->options.transport);
    struct record_rank *ranks = memory_take(size, sizeof(*ranks));
    size_t count = 0;
    for (uint32_t rank = first; rank < size && rank <= last; rank++) {
        const char *host = presence_host(master->presence, rank);
        if (master->slots[rank] > 0) {
            ranks[count++] = (struct record_rank){.rank = rank,
                                                  .slots = master->slots[rank],
                                                  .host = host,
                                                  .host_size = strlen(host)};
        }
    }
    const struct record record = {
        .kind = RECORD_RANKS, .time_ms = clock_day_ms(), .ranks = ranks, .rank_count = count};
    const enum status status = count > 0 ? run_log_append(master->log, &record, err) : STATUS_OK;
    free(ranks);
    return status;
}

static enum status begin_session(struct master *master, struct error *err)
{
    const struct record record = master_start_record(master, only_map(master));
    enum status status =
        log_sync_create(run_log_descriptor(master->log), run_log_written(master->log),
                        master->options.sync, &master->sync, err);
    if (status == STATUS_OK) {
        status = run_log_append(master->log, &record, err);
    }
    return status == STATUS_OK ? record_ranks(master, 0, UINT32_MAX, err) : status;
}

static enum status fill_run(struct master *master, struct error *err)
{
    const char *run_dir = master->options.run_dir;
    struct inputs *inputs =
        master_is_one_map(master) ? only_map(master)->inputs : master->options.parameters;
    enum status status = inputs != NULL ? inputs_save(inputs, run_dir, err) : STATUS_OK;
    if (status == STATUS_OK) {
        status = run_file_write(run_dir, master->options.run, err);
    }
    if (status == STATUS_OK) {
        status = run_log_create(run_dir, &master->log, err);
    }
    if (status == STATUS_OK) {
        status = file_sync_directory(run_dir, err);
    }
    return status == STATUS_OK ? begin_session(master, err) : status;
}

/* A folder that was not there before. Somebody who may go on in it can have come in meanwhile. */
static enum status make_folder(struct master *master, struct run_dir_made *made, struct error *err)
{
    enum status status = run_dir_make(master->options.run_dir, made, err);
    if (status == STATUS_OK) {
        status = run_lock_take(master->options.run_dir, &master->lock, err);
        if (status != STATUS_OK && status != STATUS_EXISTS) {
            run_dir_remove(master->options.run_dir, made);
        }
    }
    return status;
}

/* Whole, or not at all. */
static enum status make_run(struct master *master, struct error *err)
{
    struct run_dir_made made = {.path_size = 0};
    enum status status = master->lock != NULL ? STATUS_OK : make_folder(master, &made, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = fill_run(master, err);
    if (status != STATUS_OK) {
        run_dir_remove(master->options.run_dir, &made);
    }
    return status;
}

/* Behind the whole records of the log; what a crash left of the last one is cut off. A run that
 * ended before its first record has no log. */
static enum status open_log(struct master *master, struct error *err)
{
    const struct replay *replay = master->options.replay;
    const enum status status =
        run_log_append_to(master->options.run_dir, replay->good_size, &master->log, err);
    if (status == STATUS_NOT_FOUND && replay->good_size == 0) {
        return run_log_create(master->options.run_dir, &master->log, err);
    }
    if (status == STATUS_OK && replay->torn != NULL) {
        log_warning("%s; what follows there, %" PRIu64 " bytes, is cut off, and runs again",
                    replay->torn, replay->cut_size);
    }
    return status;
}

static enum status continue_run(struct master *master, struct error *err)
{
    enum status status = run_file_write(master->options.run_dir, master->options.run, err);
    if (status == STATUS_OK) {
        status = open_log(master, err);
    }
    return status == STATUS_OK ? begin_session(master, err) : status;
}

/* Is there a rank that the task fits on, if anything is to run? */
static bool check_placement(const struct master *master, const struct master_map *map,
                            struct error *err)
{
    const struct resources asked = resources_asked(&map->options);
    if (map->placement.too_small_count == 0 || inputs_count(map->inputs) == 0) {
        return true;
    }
    if (master->present_count == 0) {
        (void)placement_refuse(&map->placement, map->task, asked, err);
        return false;
    }
    log_warning("%s", placement_warning(&map->placement, map->task, asked, err));
    return true;
}

/* A run that is there already can still be resumed, once its disk lets it. */
static enum status refuse_folder(struct master *master, enum status status, const char *reason,
                                 uint64_t now_us, struct error *err)
{
    if (master->options.replay == NULL || status != STATUS_IO) {
        log_error("%s", reason);
        return master_end(master, EXIT_REFUSED, now_us, err);
    }
    log_error("%s; nothing was started, and the run can be resumed", reason);
    summary_print_how_to_go_on(master->options.run_dir);
    return master_end(master, EXIT_RESUMABLE, now_us, err);
}

/* A process alone need not be told what it has. */
static void say_fleet(struct master *master)
{
    char host[256] = "";
    char text[FLEET_TEXT_SIZE];
    if (!master->options.rank_0_works) {
        (void)gethostname(host, sizeof(host) - 1);
        fleet_add(&master->fleet, host, 0);
    }
    if (master->options.progress != PROGRESS_NONE &&
        transport_size(master->options.transport) > 1) {
        log_info("%s", fleet_text(&master->fleet, text));
    }
}

/* Every rank has answered: begin, or leave without a trace. */
enum status master_begin(struct master *master, uint64_t now_us, struct error *err)
{
    struct master_map *map = only_map(master);
    struct error reason;
    if (master->refusal != NULL) {
        log_error("%s", master->refusal);
        return master_end(master, EXIT_REFUSED, now_us, err);
    }
    if (master->present_count == 0 && master->setup_failure != NULL) {
        log_error("%s", master->setup_failure);
        return master_end(master, EXIT_FAILED, now_us, err);
    }
    if (master->present_count == 0 && master->lost_count > 0) {
        log_error("no rank is left to work; nothing was started");
        return master_end(master, EXIT_RESUMABLE, now_us, err);
    }
    if (map != NULL && !check_placement(master, map, &reason)) {
        log_error("%s", reason.text);
        return master_end(master, EXIT_REFUSED, now_us, err);
    }
    if (master->setup_failure != NULL) {
        log_warning("%s; the run goes on without it", master->setup_failure);
    }
    enum status status = master_announce_quiet(master, err);
    if (status != STATUS_OK) {
        return status;
    }
    status =
        master->options.replay != NULL ? continue_run(master, &reason) : make_run(master, &reason);
    if (status != STATUS_OK) {
        return refuse_folder(master, status, reason.text, now_us, err);
    }
    say_fleet(master);
    if (map != NULL) {
        master_metrics_say(map);
    }
    if (map != NULL && !master_cache_start(map)) {
        master_map_join(master, map);
    }
    now_us = clock_us(); /* inputs were written and synced meanwhile */
    master->state = MASTER_RUNNING;
    master->started_us = now_us;
    master_note_recorded(master);
    master_begin_progress(master, now_us);
    return STATUS_OK;
}

static void why_unable(const struct wire_ready *ready, struct error *text_out)
{
    if (*ready->refusal != '\0') {
        (void)error_set(text_out, STATUS_INVALID, "%s", ready->refusal);
    } else {
        (void)error_set(text_out, STATUS_INVALID,
                        "it runs mapfleet %s, which speaks version %" PRIu64
                        " of the wire, and rank 0 version %d",
                        ready->program, ready->version, WIRE_VERSION);
    }
}

enum status master_on_ready(struct master *master, uint32_t rank, const struct wire_ready *ready,
                            uint64_t now_us, struct error *err)
{
    const bool was_lost = presence_state(master->presence, rank) == PRESENCE_RETURNING;
    if (master->state == MASTER_ENDING) {
        return STATUS_OK; /* it was under way when the run was interrupted */
    }
    if (!presence_is_ready(master->presence, rank, ready->life)) {
        return STATUS_OK; /* it speaks of a former life */
    }
    presence_note_host(master->presence, rank, ready->host);
    if (was_lost && master->state != MASTER_STARTING) {
        master_take_back(master, rank, ready);
        return record_ranks(master, rank, rank, err);
    }
    if (master->state != MASTER_STARTING || !master->is_waited_for[rank]) {
        log_warning("ready ignored reason=not_asked rank=%" PRIu32, rank);
        return STATUS_OK;
    }
    const bool is_able = *ready->refusal == '\0' && ready->version == WIRE_VERSION;
    char **reason = ready->is_setup_failure ? &master->setup_failure : &master->refusal;
    if (!is_able && *reason == NULL) {
        struct error text;
        why_unable(ready, &text);
        error_prefix(&text, "rank %" PRIu32 " on %s cannot work: ", rank, ready->host);
        *reason = memory_copy_text(text.text);
    }
    struct master_map *map = only_map(master);
    if (is_able && ready->slots == 0 && map != NULL) {
        placement_note(&map->placement, resources_asked(&map->options), ready->offered, rank,
                       ready->host);
    }
    fleet_add(&master->fleet, ready->host, is_able ? ready->slots : 0);
    master->slots[rank] = is_able ? (uint32_t)ready->slots : 0;
    master->offered[rank] = ready->offered;
    master->present_count += master->slots[rank] > 0 ? 1 : 0;
    master_heard_from(master, rank);
    return master->waited_count == 0 ? master_begin(master, now_us, err) : STATUS_OK;
}
