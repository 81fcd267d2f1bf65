#include "master/master_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "master/summary.h"
#include "shared/extremes.h"
#include "shared/log.h"
#include "shared/memory.h"

/* How long the end waits for outputs that are being shared. */
#define SETTLE_US_MAX 1000000
/* However little happens, the loop looks so often whether the run is still its own. */
#define LOCK_LOOK_US ((uint64_t)RUN_LOCK_RENEW_MS * 1000)

/* ---- Life -------------------------------------------------------------------------------------
 */

bool master_is_worker(const struct master *master, uint32_t rank)
{
    return rank > 0 || master->options.rank_0_works;
}

/* Of a run that is one map. */
static enum status create_only_map(struct master *master)
{
    const struct master_options *options = &master->options;
    struct master_map *map = NULL;
    const struct master_map_options only = {.number = MAP_NUMBER,
                                            .task = options->run->task,
                                            .options = &options->run->options,
                                            .inputs = options->inputs,
                                            .minimum = options->minimum,
                                            .cache = options->cache,
                                            .failures = options->failures,
                                            .metric = options->metric};
    const enum status status = master_map_create(master, &only, &map);
    if (status == STATUS_OK && options->replay != NULL) {
        const struct record start = master_start_record(master, map);
        master_take_up(master, map, options->replay, &start);
    }
    if (status == STATUS_OK && options->replay != NULL) {
        master->wall_ms_before = options->replay->wall_ms;
    }
    return status == STATUS_OK ? master_metrics_create(master, map) : status;
}

static enum status prepare_for_maps(struct master *master)
{
    if (master->options.replay != NULL) {
        master->wall_ms_before = master->options.replay->wall_ms;
    }
    master->cache_events = epoll_create1(EPOLL_CLOEXEC);
    return master->cache_events >= 0 ? STATUS_OK : STATUS_IO;
}

enum status master_create(const struct master_options *options, struct master **master_out)
{
    const uint32_t ranks = transport_size(options->transport);
    struct master *master = calloc(1, sizeof(*master));
    if (master == NULL) {
        return STATUS_NO_MEMORY;
    }
    master->options = *options;
    master->leave_us_max = MASTER_LEAVE_US_MAX;
    master->pause_us_max = UINT64_MAX;
    master->wake_us = UINT64_MAX;
    const struct map_options *map = &options->run->options;
    master->cache_events = -1;
    deadline_init(&master->deadline,
                  &(struct deadline_options){.start_us = options->start_us,
                                             .limit_us = map->time_limit_ns / 1000,
                                             .grace_us = map->grace_ns / 1000,
                                             .timeout_us = map->timeout_ns / 1000});
    master->is_waited_for = memory_take(ranks, sizeof(*master->is_waited_for));
    master->sent_us = memory_take(ranks, sizeof(*master->sent_us));
    master->arrivals = memory_take(ranks, sizeof(*master->arrivals));
    master->slots = memory_take(ranks, sizeof(*master->slots));
    master->fetches = memory_take(ranks, sizeof(*master->fetches));
    master->offered = memory_take(ranks, sizeof(*master->offered));
    enum status status = presence_create(ranks, map->lost_after_ns / 1000, &master->presence);
    if (status == STATUS_OK) {
        status = failures_create(&master->no_failures);
    }
    if (status == STATUS_OK) {
        status = options->inputs != NULL ? create_only_map(master) : prepare_for_maps(master);
    }
    if (status != STATUS_OK) {
        master_destroy(master);
        return status;
    }
    master->lock = options->lock;
    *master_out = master;
    return STATUS_OK;
}

void master_destroy(struct master *master)
{
    if (master == NULL) {
        return;
    }
    progress_destroy(master->progress);
    master_maps_destroy(master);
    log_sync_destroy(master->sync);
    run_log_close(master->log);
    run_lock_release(master->lock);
    fleet_free(&master->fleet);
    free(master->is_waited_for);
    free(master->sent_us);
    free(master->arrivals);
    presence_destroy(master->presence);
    buffer_free(&master->lost);
    free(master->slots);
    free(master->fetches);
    free(master->offered);
    failures_destroy(master->no_failures);
    if (master->cache_events >= 0) {
        (void)close(master->cache_events);
    }
    free(master->refusal);
    free(master->setup_failure);
    buffer_free(&master->packed);
    free(master->fates);
    free(master->outcomes);
    free(master->taken);
    free(master->taken_spans);
    free(master->taken_failures);
    master_metrics_free(master);
    free(master);
}

/* ---- Sending ----------------------------------------------------------------------------------
 */

enum status master_send(struct master *master, uint32_t rank, const struct wire_message *message,
                        struct error *err)
{
    const enum presence_state state = presence_state(master->presence, rank);
    struct buffer bytes = {0};
    if (state == PRESENCE_SILENT || state == PRESENCE_GONE) {
        return STATUS_OK;
    }
    enum status status = wire_encode(message, &bytes);
    if (status == STATUS_OK) {
        master->sent_us[rank] = master->turn_us;
        status = transport_send(master->options.transport, rank, &bytes, err);
    } else {
        (void)error_set(err, status, "no memory for a message");
    }
    buffer_free(&bytes);
    return status;
}

enum status master_send_to_workers(struct master *master, const struct wire_message *message,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    const uint32_t ranks = transport_size(master->options.transport);
    for (uint32_t rank = 0; rank < ranks && status == STATUS_OK; rank++) {
        if (master_is_worker(master, rank) && presence_hears(master->presence, rank)) {
            status = master_send(master, rank, message, err);
        }
    }
    return status;
}

void master_wait_for_all(struct master *master)
{
    const uint32_t ranks = transport_size(master->options.transport);
    master->waited_count = 0;
    for (uint32_t rank = 0; rank < ranks; rank++) {
        master->is_waited_for[rank] =
            master_is_worker(master, rank) && presence_hears(master->presence, rank);
        master->waited_count += master->is_waited_for[rank] ? 1 : 0;
    }
}

void master_heard_from(struct master *master, uint32_t rank)
{
    if (master->is_waited_for[rank]) {
        master->is_waited_for[rank] = false;
        master->waited_count--;
    }
}

/* ---- Messages ---------------------------------------------------------------------------------
 */

static const struct wire_beat *beat_of(const struct wire_beats *beats, uint64_t map)
{
    static const struct wire_beat none;
    for (size_t i = 0; i < beats->count; i++) {
        if (beats->beats[i].map == map) {
            return &beats->beats[i];
        }
    }
    return &none;
}

static void on_beats(struct master *master, uint32_t rank, const struct wire_beats *beats,
                     uint64_t now_us)
{
    presence_note_running(master->presence, rank, beats);
    for (size_t i = 0; i < master->map_count; i++) {
        struct master_map *map = master->maps[i];
        const struct wire_beat *beat = beat_of(beats, map->number);
        for (size_t k = 0; k < beat->running_count; k++) {
            scheduler_begun(map->scheduler, rank, beat->running[k].index, now_us);
            master->has_begun = true;
        }
        scheduler_beat(map->scheduler, rank, beat, now_us);
    }
}

/* Fails where the log does. */
static enum status on_report(struct master *master, uint32_t rank, const struct report *report,
                             uint64_t now_us, struct error *err)
{
    struct master_map *map = master_map_of(master, report->map);
    if (map == NULL) {
        log_warning("report ignored reason=no_such_map rank=%" PRIu32 " map=%" PRIu64, rank,
                    report->map);
        return STATUS_OK;
    }
    return master_on_report(master, map, rank, report, now_us, err);
}

static enum status on_metrics(struct master *master, uint32_t rank,
                              const struct wire_metrics *metrics, struct error *err)
{
    struct master_map *map = master_map_of(master, metrics->map);
    return map != NULL ? master_on_metrics(master, map, rank, metrics, err) : STATUS_OK;
}

static void on_returned(const struct master *master, uint32_t rank,
                        const struct wire_returned *returned, uint64_t now_us)
{
    struct master_map *map = master_map_of(master, returned->map);
    if (map != NULL) {
        master_on_returned(map, rank, returned, now_us);
    }
}

enum status master_take_message(struct master *master, uint32_t rank,
                                const struct wire_message *message, uint64_t now_us,
                                struct error *err)
{
    struct error reason;
    const bool is_running = master->state == MASTER_RUNNING;
    bool counts = false;
    const enum status status = master_hear(master, rank, message, now_us, &counts, err);
    if (status != STATUS_OK || !counts) {
        return status;
    }
    switch (message->kind) {
    case WIRE_READY:
        return master_on_ready(master, rank, &message->as.ready, now_us, err);
    case WIRE_REPORT:
        if (is_running &&
            on_report(master, rank, &message->as.report, now_us, &reason) != STATUS_OK) {
            return master_give_up(master, reason.text, now_us, err);
        }
        return STATUS_OK;
    case WIRE_METRICS:
        if (is_running && on_metrics(master, rank, &message->as.metrics, &reason) != STATUS_OK) {
            return master_give_up(master, reason.text, now_us, err);
        }
        return STATUS_OK;
    case WIRE_RETURNED:
        if (is_running) {
            on_returned(master, rank, &message->as.returned, now_us);
        }
        return STATUS_OK;
    case WIRE_BEAT:
        if (is_running) {
            on_beats(master, rank, &message->as.beats, now_us);
        }
        return STATUS_OK;
    case WIRE_BYE:
        return master_on_bye(master, rank, &message->as.bye, now_us, err);
    case WIRE_FETCH:
        master_on_fetch(master, rank, &message->as.fetch);
        return STATUS_OK;
    case WIRE_START:
    case WIRE_LIBRARY:
    case WIRE_UNIT:
    case WIRE_RECALL:
    case WIRE_CANCEL:
    case WIRE_STOP:
    case WIRE_END:
    case WIRE_PULSE:
    case WIRE_REJOIN:
    case WIRE_MAP:
    case WIRE_DROP:
        log_warning("message ignored reason=not_for_the_master kind=%d rank=%" PRIu32,
                    (int)message->kind, rank);
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* ---- Acting -----------------------------------------------------------------------------------
 */

/* Whose end is the run's, where it is all of it. */
static enum status conclude_map(struct master *master, struct master_map *map, uint64_t now_us,
                                struct error *err)
{
    struct error reason;
    if (master_is_one_map(master)) {
        master_conclude(master, now_us);
        return STATUS_OK;
    }
    return master_map_conclude(master, map, &reason) == STATUS_OK
               ? STATUS_OK
               : master_give_up(master, reason.text, now_us, err);
}

/* Outputs may have come that others are to share, and these are not to end without. */
static enum status on_done(struct master *master, struct master_map *map, uint64_t now_us,
                           struct error *err)
{
    const uint64_t settle_us = now_us + SETTLE_US_MAX;
    if (!master_cache_is_sharing(map)) {
        return conclude_map(master, map, now_us, err);
    }
    map->is_settling = true;
    map->settle_us =
        master->is_stopped && master->give_up_us < settle_us ? master->give_up_us : settle_us;
    return STATUS_OK;
}

static enum status settle(struct master *master, struct master_map *map, uint64_t now_us,
                          struct error *err)
{
    return !master_cache_is_sharing(map) || now_us >= map->settle_us
               ? conclude_map(master, map, now_us, err)
               : STATUS_OK;
}

static enum status act(struct master *master, struct master_map *map,
                       const struct scheduler_action *action, uint64_t now_us, struct error *err)
{
    struct wire_message message = {.kind = WIRE_CANCEL};
    switch (action->kind) {
    case SCHEDULER_SEND_UNIT:
        return master_send_unit(master, map, action, err);
    case SCHEDULER_RECALL:
        message.kind = WIRE_RECALL;
        message.as.recall = (struct wire_recall){
            .map = map->number, .lease = action->lease, .count = action->count};
        return master_send(master, action->worker, &message, err);
    case SCHEDULER_END:
        message.kind = WIRE_END;
        message.as.end =
            (struct wire_end){.map = map->number,
                              .lease = action->lease,
                              .index = action->index,
                              .is_stop = scheduler_is_stopped_early(map->scheduler, action->worker,
                                                                    action->lease, action->index)};
        return master_send(master, action->worker, &message, err);
    case SCHEDULER_CANCEL:
        message.as.cancel = map->cancel;
        message.as.cancel.map = map->number;
        return master_send_to_workers(master, &message, err);
    case SCHEDULER_DONE:
        return on_done(master, map, now_us, err);
    }
    return STATUS_OK;
}

static enum status act_for(struct master *master, struct master_map *map, uint64_t now_us,
                           bool *did_something, struct error *err)
{
    struct scheduler_action action;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && master->state == MASTER_RUNNING && map->state == MAP_RUNNING &&
           scheduler_next(map->scheduler, now_us, &action)) {
        *did_something = true;
        status = act(master, map, &action, now_us, err);
    }
    return status == STATUS_OK && master->state == MASTER_RUNNING && map->state == MAP_RUNNING &&
                   map->is_settling
               ? settle(master, map, now_us, err)
               : status;
}

static enum status take_from_caches(struct master *master, bool *did_something, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < master->map_count && status == STATUS_OK; i++) {
        status = master_cache_turn(master, master->maps[i], did_something, err);
    }
    return status;
}

/* Write before acting: no instance is handed out, and no verdict given, on what is not written. */
static enum status run_turn(struct master *master, uint64_t now_us, bool *did_something,
                            struct error *err)
{
    struct error reason;
    bool may_act = false;
    if (take_from_caches(master, did_something, &reason) != STATUS_OK) {
        return master_give_up(master, reason.text, now_us, err);
    }
    enum status status = master_write_out(master, now_us, &may_act, err);
    if (status == STATUS_OK && master->state == MASTER_RUNNING) {
        master_mind_the_time(master, now_us);
    }
    may_act = may_act && (now_us >= master->hold_us || master->is_stopped);
    for (size_t i = 0; i < master->map_count && may_act && status == STATUS_OK;) {
        struct master_map *map = master->maps[i];
        status = act_for(master, map, now_us, did_something, err);
        i += i < master->map_count && master->maps[i] == map ? 1 : 0; /* else it has ended */
    }
    if (may_act && status == STATUS_OK && !master_is_one_map(master)) {
        master_maps_turn(master, now_us, did_something);
    }
    if (master->state == MASTER_RUNNING) {
        master_show_progress(master, now_us);
    }
    return status;
}

static void end_turn(struct master *master, uint64_t now_us)
{
    const bool have_left = master->waited_count == 0;
    master->is_clean = have_left && presence_is_complete(master->presence);
    if (have_left || now_us - master->ending_us >= master->leave_us_max) {
        master->state = MASTER_OVER;
    }
}

enum status master_turn(struct master *master, uint64_t now_us, bool *did_something_out,
                        struct error *err)
{
    *did_something_out = false;
    master->turn_us = now_us;
    enum status status = master_mind_ranks(master, now_us, did_something_out, err);
    if (status == STATUS_OK) {
        status = master_serve_fetches(master, did_something_out, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    switch (master->state) {
    case MASTER_STARTING:
    case MASTER_OVER:
        return STATUS_OK;
    case MASTER_RUNNING:
        return run_turn(master, now_us, did_something_out, err);
    case MASTER_CONCLUDING:
        return master_conclude_turn(master, now_us, err);
    case MASTER_ENDING:
        end_turn(master, now_us);
        return STATUS_OK;
    }
    return STATUS_OK;
}

static uint64_t deadline_of_maps_us(const struct master *master)
{
    uint64_t deadline_us = master_maps_look_us(master);
    for (size_t i = 0; i < master->map_count; i++) {
        const struct master_map *map = master->maps[i];
        deadline_us = smaller(deadline_us, scheduler_deadline_us(map->scheduler));
        deadline_us = map->is_settling ? smaller(deadline_us, map->settle_us) : deadline_us;
    }
    return deadline_us;
}

static uint64_t deadline_of_state_us(const struct master *master)
{
    if (master->state == MASTER_ENDING) {
        return master->ending_us + master->leave_us_max;
    }
    if (master->state == MASTER_CONCLUDING || master->wake_us != UINT64_MAX) {
        const uint64_t pause_end_us = master_pause_end_us(master);
        return master->wake_us < pause_end_us ? master->wake_us : pause_end_us;
    }
    if (master->state != MASTER_RUNNING) {
        return UINT64_MAX;
    }
    const uint64_t look_us = master->turn_us + LOCK_LOOK_US;
    const uint64_t time_us = master_time_us(master);
    uint64_t deadline_us =
        master->hold_us > master->turn_us ? master->hold_us : deadline_of_maps_us(master);
    deadline_us = look_us < deadline_us ? look_us : deadline_us;
    deadline_us = time_us < deadline_us ? time_us : deadline_us;
    return smaller(deadline_us, progress_due_us(master->progress));
}

uint64_t master_deadline_us(const struct master *master)
{
    const uint64_t state_us = deadline_of_state_us(master);
    const uint64_t look_us = presence_deadline_us(master->presence);
    const uint64_t deadline_us = look_us < state_us ? look_us : state_us;
    return master->pulse_us < deadline_us ? master->pulse_us : deadline_us;
}

void master_rank_ended(struct master *master, uint32_t rank, const char *end, uint64_t now_us)
{
    presence_ended(master->presence, rank, end, now_us);
}

struct trial_metrics *master_trial_metrics(const struct master *master)
{
    return master_is_one_map(master) ? master->maps[0]->metrics : NULL;
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
