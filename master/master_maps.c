#include "master/master_maps.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "master/master_private.h"
#include "master/replay.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"

/* How often the loop asks whether a cache is closed, or a sync is done. */
#define LOOK_AGAIN_US 1000

/* ---- Beginning --------------------------------------------------------------------------------
 */

bool master_may_begin(const struct master *master)
{
    return !master_is_one_map(master) && master->state == MASTER_RUNNING && !master->is_stopped &&
           !master->is_finishing;
}

bool master_is_ending(const struct master *master)
{
    return master->is_stopped || master->is_finishing ||
           (master->state != MASTER_STARTING && master->state != MASTER_RUNNING);
}

/* Is there a rank that holds an attempt of it? */
static enum status check_placement(struct master *master, struct master_map *map, struct error *err)
{
    const struct resources asked = resources_asked(&map->options);
    uint32_t fitting = 0;
    for (uint32_t rank = 0; rank < transport_size(master->options.transport); rank++) {
        if (!master_is_worker(master, rank) || master->slots[rank] == 0) {
            continue;
        }
        if (master_map_slots(master, map, rank) > 0) {
            fitting++;
        } else {
            placement_note(&map->placement, asked, master->offered[rank], rank,
                           presence_host(master->presence, rank));
        }
    }
    if (fitting > 0 || map->placement.too_small_count == 0 || inputs_count(map->inputs) == 0) {
        return STATUS_OK;
    }
    return placement_refuse(&map->placement, map->task, asked, err);
}

static struct record definition_of(const struct master *master, const struct master_map *map,
                                   const struct master_map_options *options)
{
    struct record record = {.kind = RECORD_MAP,
                            .map = map->number,
                            .time_ms = clock_day_ms(),
                            .revives_failed = master->options.revives_failed,
                            .retries = map->options.retries,
                            .system_retries = map->options.system_retries,
                            .task = map->task,
                            .task_size = strlen(map->task),
                            .output_type = options->output_type,
                            .output_type_size = strlen(options->output_type),
                            .map_size = inputs_count(map->inputs),
                            .minimum = map->minimum,
                            .reducer = options->reduced_by,
                            .reducer_size =
                                options->reduced_by != NULL ? strlen(options->reduced_by) : 0};
    memcpy(record.inputs_digest, options->inputs_digest, RECORD_DIGEST_SIZE);
    return record;
}

/* It is nobody's yet. */
static void take_off(struct master *master, const struct master_map *map)
{
    size_t at = 0;
    while (master->maps[at] != map) {
        at++;
        assert(at < master->map_count);
    }
    memmove(&master->maps[at], &master->maps[at + 1],
            (master->map_count - at - 1) * sizeof(struct master_map *));
    master->map_count--;
}

static void listen_to_cache(const struct master *master, const struct master_map *map)
{
    struct epoll_event readable = {.events = EPOLLIN};
    if (map->cache != NULL && master->cache_events >= 0) {
        (void)epoll_ctl(master->cache_events, EPOLL_CTL_ADD, cache_descriptor(map->cache),
                        &readable);
    }
}

static enum status tell_workers(struct master *master, const struct wire_message *message,
                                struct error *err)
{
    return master_send_to_workers(master, message, err);
}

static enum status begin(struct master *master, struct master_map *map, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_MAP, .as.map = master_map_wire(map)};
    const enum status status = tell_workers(master, &message, err);
    if (status != STATUS_OK) {
        return status;
    }
    listen_to_cache(master, map);
    if (!master_cache_start(map)) {
        master_map_join(master, map);
    }
    if (master->is_held) {
        scheduler_hold(map->scheduler);
    }
    return STATUS_OK;
}

static void free_history(struct replay *replay)
{
    if (replay != NULL) {
        replay_free(replay);
    }
}

enum status master_map_begin(struct master *master, const struct master_map_options *options,
                             uint64_t now_us, struct error *err)
{
    struct master_map *map = NULL;
    assert(master_may_begin(master));
    assert(master_map_of(master, options->number) == NULL);
    enum status status = master_map_create(master, options, &map);
    if (status != STATUS_OK) {
        free_history(options->replay);
        return error_set(err, status, "no memory for a map of task %s", options->task);
    }
    status = check_placement(master, map, err);
    if (status == STATUS_OK) {
        const struct record record = definition_of(master, map, options);
        if (options->replay != NULL) {
            master_take_up(master, map, options->replay, &record);
        }
        status = run_log_append(master->log, &record, err);
    }
    free_history(options->replay);
    if (status == STATUS_OK) {
        status = begin(master, map, err);
    }
    if (status != STATUS_OK) {
        take_off(master, map);
        master_map_destroy(map);
        return status;
    }
    master->turn_us = now_us;
    return STATUS_OK;
}

/* ---- Where outputs are ------------------------------------------------------------------------
 */

/* The frames of a record stand at its end, in the order of its batches. */
enum status master_map_note_frames(struct master *master, struct master_map *map,
                                   const struct report *report, struct error *err)
{
    enum status status = STATUS_OK;
    uint64_t sizes = 0;
    if (master_is_one_map(master)) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < report->batch_count; i++) {
        sizes += report->batches[i].frame_size;
    }
    uint64_t at = run_log_size(master->log) - sizes;
    for (size_t i = 0; i < report->batch_count && status == STATUS_OK; i++) {
        const struct report_batch *batch = &report->batches[i];
        if (batch->frame_size == 0) {
            continue;
        }
        status = frame_list_add(&map->frames,
                                (struct log_index_frame){.map = map->number,
                                                         .offset = at,
                                                         .size = batch->frame_size,
                                                         .is_partial = batch->partial_count > 0});
        if (status == STATUS_OK) {
            status = frame_list_add_batch(&map->frames, batch);
        }
        at += batch->frame_size;
    }
    return status == STATUS_OK ? status : error_set(err, status, "no memory for a map's outputs");
}

/* Those of earlier sessions, which are told in the index of the log, are put behind these. */
static enum status add_earlier(struct master_map *map)
{
    enum status status = STATUS_OK;
    size_t count = 0;
    const struct log_index_span *spans = log_index_map(map->earlier, map->number, &count);
    uint64_t frame = UINT64_MAX;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct log_index_span span = spans[i];
        if (span.frame != frame) {
            frame = span.frame;
            status = frame_list_add(&map->frames, map->earlier->frames[frame]);
        }
        span.frame = frame_list_frame_count(&map->frames) - 1;
        if (status == STATUS_OK) {
            status = buffer_append(&map->frames.spans, &span, sizeof(span));
        }
    }
    return status;
}

/* ---- Ending -----------------------------------------------------------------------------------
 */

/* A cache is closed when all that it was given is kept, which may take as long as its disk does. */
struct map_closing {
    pthread_t thread;
    bool has_thread;
    struct cache *cache;
    atomic_bool is_closed;
};

static void *close_cache(void *context)
{
    struct map_closing *closing = context;
    cache_destroy(closing->cache);
    atomic_store(&closing->is_closed, true);
    return NULL;
}

static void begin_to_close(struct master_map *map)
{
    if (map->cache == NULL) {
        return;
    }
    map->closing = memory_take(1, sizeof(*map->closing));
    map->closing->cache = map->cache;
    map->cache = NULL;
    map->closing->has_thread =
        pthread_create(&map->closing->thread, NULL, close_cache, map->closing) == 0;
    if (!map->closing->has_thread) {
        (void)close_cache(map->closing);
    }
}

void master_map_finish_closing(struct master_map *map)
{
    if (map->closing != NULL && map->closing->has_thread) {
        (void)pthread_join(map->closing->thread, NULL);
    }
    free(map->closing);
    map->closing = NULL;
}

static enum master_map_verdict verdict_of(const struct master *master, const struct master_map *map)
{
    if ((master->is_stopped || master->is_finishing || map->is_cancelled) &&
        !scheduler_has_verdict(map->scheduler)) {
        return MAP_INTERRUPTED;
    }
    return scheduler_has_minimum(map->scheduler) ? MAP_SUCCEEDED : MAP_FAILED;
}

static enum status record_end(struct master *master, const struct master_map *map,
                              struct error *err)
{
    static const int exits[] = {
        [MAP_SUCCEEDED] = 0, [MAP_FAILED] = EXIT_FAILED, [MAP_INTERRUPTED] = EXIT_RESUMABLE};
    const struct record record = {.kind = RECORD_END,
                                  .map = map->number,
                                  .time_ms = clock_day_ms(),
                                  .exit_status = exits[map->verdict]};
    return run_log_append(master->log, &record, err);
}

enum status master_map_conclude(struct master *master, struct master_map *map, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_DROP, .as.drop = {.map = map->number}};
    map->verdict = verdict_of(master, map);
    map->counts = scheduler_counts(map->scheduler);
    enum status status = record_end(master, map, err);
    if (status == STATUS_OK && map->earlier != NULL && add_earlier(map) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "no memory for a map's outputs");
    }
    if (status == STATUS_OK) {
        status = tell_workers(master, &message, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    frame_list_sort(&map->frames);
    map->end_mark = run_log_size(master->log);
    map->state = MAP_CLOSING;
    master_add_past(master, map);
    begin_to_close(map);
    scheduler_destroy(map->scheduler);
    map->scheduler = NULL;
    take_off(master, map);
    master->ended = memory_grow(master->ended, master->ended_count, &master->ended_capacity,
                                sizeof(struct master_map *));
    master->ended[master->ended_count++] = map;
    return STATUS_OK;
}

static bool is_end_written(const struct master *master, const struct master_map *map)
{
    return run_log_written(master->log) >= map->end_mark &&
           (master->options.sync != SYNC_ALWAYS || log_sync_is_done(master->sync, map->end_mark));
}

static bool is_closed(const struct master_map *map)
{
    return map->closing == NULL || atomic_load(&map->closing->is_closed);
}

/* False while one of them has not come to its end. */
static bool end_maps(struct master *master, bool *did_something)
{
    bool is_every = true;
    for (size_t i = 0; i < master->ended_count; i++) {
        struct master_map *map = master->ended[i];
        if (map->state == MAP_CLOSING && is_closed(map) && is_end_written(master, map)) {
            master_map_finish_closing(map);
            map->state = MAP_OVER;
            *did_something = true;
        }
        is_every = is_every && map->state != MAP_CLOSING;
    }
    return is_every;
}

void master_maps_turn(struct master *master, uint64_t now_us, bool *did_something)
{
    const bool is_every = end_maps(master, did_something);
    const bool is_over = master->is_finishing || master->is_stopped;
    if (is_over && is_every && master->map_count == 0 && master->state == MASTER_RUNNING) {
        *did_something = true;
        master_conclude(master, now_us);
    }
}

uint64_t master_maps_look_us(const struct master *master)
{
    for (size_t i = 0; i < master->ended_count; i++) {
        if (master->ended[i]->state == MAP_CLOSING) {
            return master->turn_us + LOOK_AGAIN_US;
        }
    }
    return UINT64_MAX;
}

bool master_map_next_end(struct master *master, struct master_map_end *end_out)
{
    size_t at = 0;
    while (at < master->ended_count && master->ended[at]->state != MAP_OVER) {
        at++;
    }
    if (at == master->ended_count) {
        return false;
    }
    struct master_map *map = master->ended[at];
    map->state = MAP_TOLD;
    *end_out = (struct master_map_end){.number = map->number,
                                       .verdict = map->verdict,
                                       .counts = map->counts,
                                       .failures = map->failures,
                                       .frames = frame_list_frames(&map->frames),
                                       .spans = frame_list_spans(&map->frames),
                                       .span_count = frame_list_span_count(&map->frames)};
    return true;
}

void master_map_drop(struct master *master, uint64_t number)
{
    size_t at = 0;
    while (at < master->ended_count && master->ended[at]->number != number) {
        at++;
    }
    assert(at < master->ended_count && master->ended[at]->state == MAP_TOLD);
    master_map_destroy(master->ended[at]);
    memmove(&master->ended[at], &master->ended[at + 1],
            (master->ended_count - at - 1) * sizeof(struct master_map *));
    master->ended_count--;
}

/* ---- Ending early -----------------------------------------------------------------------------
 */

static enum status cancel(struct master *master, struct master_map *map,
                          enum master_urgency urgency, struct error *err)
{
    const uint64_t grace_us = map->options.grace_ns / 1000;
    const bool is_again = map->is_cancelled;
    map->is_cancelled = true;
    map->cancel = (struct wire_cancel){.map = map->number};
    if (urgency == MASTER_WITH_GRACE) {
        map->cancel.run_on_us = grace_us;
        map->cancel.grace_us = DEADLINE_KILL_US;
    }
    scheduler_stop(map->scheduler);
    if (!is_again) {
        return STATUS_OK; /* the scheduler's CANCEL goes out with that */
    }
    const struct wire_message message = {.kind = WIRE_CANCEL, .as.cancel = map->cancel};
    return tell_workers(master, &message, err);
}

enum status master_map_cancel(struct master *master, uint64_t number, enum master_urgency urgency,
                              uint64_t now_us, struct error *err)
{
    struct master_map *map = master_map_of(master, number);
    master->turn_us = now_us;
    return map != NULL && master->state == MASTER_RUNNING ? cancel(master, map, urgency, err)
                                                          : STATUS_OK;
}

static enum status record_output(struct master *master, const uint8_t *output, size_t size,
                                 struct error *err)
{
    const struct span span = {.count = 1};
    struct buffer frame = {0};
    enum status status = lz4_frame_compress(output, size, &frame);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for the workflow's output");
    }
    const struct report_batch batch = {.spans = &span,
                                       .span_count = 1,
                                       .instance_count = 1,
                                       .success_count = 1,
                                       .frame = frame.data,
                                       .frame_size = frame.size};
    const struct record record = {.kind = RECORD_CACHED,
                                  .map = RECORD_RUN_MAP,
                                  .time_ms = clock_day_ms(),
                                  .report = {.batches = &batch, .batch_count = 1}};
    status = run_log_append(master->log, &record, err);
    buffer_free(&frame);
    return status;
}

enum status master_finish(struct master *master, int exit_status, const uint8_t *output,
                          size_t output_size, uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    if (master->state != MASTER_RUNNING || master->is_finishing) {
        return STATUS_OK; /* it ends already */
    }
    if (output != NULL) {
        status = record_output(master, output, output_size, err);
    }
    for (size_t i = 0; i < master->map_count && status == STATUS_OK; i++) {
        status = cancel(master, master->maps[i], MASTER_AT_ONCE, err);
    }
    master->is_finishing = true;
    master->finish_status = exit_status;
    master->turn_us = now_us;
    return status;
}
