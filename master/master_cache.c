#include "master/master_private.h"

#include <assert.h>
#include <inttypes.h>

#include "shared/clock.h"
#include "shared/log.h"

/* Why nobody waits for ever: an instance that is held has a leader, which is ready, leased, or
 * waits for a retry. Each way in which a leader ends leads here: its success with its batch, to the
 * cache's thread, which answers with HITS or RUN for all that are held for it; its failure for good
 * from a batch or from the loss of its worker, which fails them or lets the next one run. */

enum status master_cache_create(struct master_map *map)
{
    return map->cache_options == NULL ? STATUS_OK : cache_create(map->cache_options, &map->cache);
}

static void skip(struct cache *cache, const struct index_set *ended)
{
    uint64_t start;
    uint64_t count;
    for (uint64_t from = 0; index_set_next_run(ended, from, UINT64_MAX, &start, &count);
         from = start + count) {
        cache_skip(cache, start, count);
    }
}

void master_cache_skip(struct master_map *map, const struct history *history)
{
    if (map->cache != NULL) {
        skip(map->cache, &history->succeeded);
        skip(map->cache, &history->cached);
        skip(map->cache, &history->failed);
        skip(map->cache, &history->timed_out);
    }
}

bool master_cache_start(struct master_map *map)
{
    struct error reason;
    if (map->cache == NULL) {
        return false;
    }
    if (cache_look_up(map->cache, &reason) != STATUS_OK) {
        log_warning("cache: %s; the run goes on without it", reason.text);
        cache_destroy(map->cache);
        map->cache = NULL;
        return false;
    }
    return true;
}

/* ---- Events of the cache ----------------------------------------------------------------------
 */

static enum status record(struct master *master, struct master_map *map,
                          const struct report *report, const struct record_outcome *outcomes,
                          struct error *err)
{
    const struct record cached = {.kind = RECORD_CACHED,
                                  .map = map->number,
                                  .time_ms = clock_day_ms(),
                                  .report = *report,
                                  .outcomes = outcomes};
    const enum status status = run_log_append(master->log, &cached, err);
    return status == STATUS_OK ? master_map_note_frames(master, map, report, err) : status;
}

static enum status on_hits(struct master *master, struct master_map *map,
                           const struct cache_event *event, struct error *err)
{
    const struct report_batch batch = {.spans = event->spans,
                                       .span_count = event->span_count,
                                       .instance_count = event->count,
                                       .success_count = event->count,
                                       .frame = event->frame.data,
                                       .frame_size = event->frame.size};
    const struct report report = {.batches = &batch, .batch_count = 1};
    for (size_t i = 0; i < event->span_count; i++) {
        scheduler_cache(map->scheduler, event->spans[i].start, event->spans[i].count,
                        event->were_held);
    }
    if (master->options.printer != NULL) {
        printer_batch(master->options.printer, &batch, NULL);
    }
    return record(master, map, &report, NULL, err);
}

static enum status on_event(struct master *master, struct master_map *map,
                            const struct cache_event *event, struct error *err)
{
    switch (event->kind) {
    case CACHE_EVENT_HITS:
        return on_hits(master, map, event, err);
    case CACHE_EVENT_HOLD:
        for (size_t i = 0; i < event->span_count; i++) {
            scheduler_hold_equal(map->scheduler, event->spans[i].start, event->spans[i].count);
        }
        return STATUS_OK;
    case CACHE_EVENT_RUN:
        for (size_t i = 0; i < event->span_count; i++) {
            scheduler_release(map->scheduler, event->spans[i].start, event->spans[i].count);
        }
        return STATUS_OK;
    case CACHE_EVENT_LOOKED_UP:
        master_map_join(master, map);
        return STATUS_OK;
    }
    return STATUS_OK;
}

enum status master_cache_turn(struct master *master, struct master_map *map, bool *did_something,
                              struct error *err)
{
    enum status status = STATUS_OK;
    if (map->cache == NULL || master->paused_us != 0) {
        return STATUS_OK; /* what it finds cannot be written now, and waits with it */
    }
    struct cache_event *event = cache_next_event(map->cache);
    while (event != NULL && status == STATUS_OK) {
        *did_something = true;
        status = on_event(master, map, event, err);
        cache_event_free(event);
        event = status == STATUS_OK ? cache_next_event(map->cache) : NULL;
    }
    return status;
}

bool master_cache_is_sharing(const struct master_map *map)
{
    return map->cache != NULL && cache_is_sharing(map->cache);
}

int master_descriptor(const struct master *master)
{
    const bool is_heard = master->state == MASTER_RUNNING && master->paused_us == 0;
    const struct master_map *map = master_is_one_map(master) ? master->maps[0] : NULL;
    if (map == NULL) {
        return is_heard ? master->cache_events : -1;
    }
    return map->cache != NULL && is_heard ? cache_descriptor(map->cache) : -1;
}

/* ---- What workers report ----------------------------------------------------------------------
 */

void master_cache_take_batch(struct master *master, struct master_map *map,
                             const struct report_batch *batch)
{
    struct error reason;
    if (map->cache == NULL || batch->success_count == 0) {
        return;
    }
    buffer_clear(&master->packed);
    if (cache_wants_inputs(map->cache) && inputs_pack(map->inputs, batch->spans, batch->span_count,
                                                      &master->packed, &reason) != STATUS_OK) {
        log_warning("cache: %s", reason.text);
        buffer_clear(&master->packed);
    }
    cache_take_batch(map->cache, batch, master->packed.data, master->packed.size);
}

/* One that was held shares the failure, with what is known of it: no attempt of its own. */
static enum status share_failure(struct master *master, struct master_map *map,
                                 const struct report_failure *failure,
                                 const struct ledger_fate *fate, uint64_t index, struct error *err)
{
    struct report_failure shared = *failure;
    const struct record_outcome outcome = {.is_final = true,
                                           .state = INSTANCE_FAILED,
                                           .task_failures = fate->task_failures,
                                           .system_failures = fate->system_failures,
                                           .attempts_max = fate->attempts_max};
    shared.index = index;
    const struct report report = {.failures = &shared, .failure_count = 1};
    scheduler_fail_held(map->scheduler, index);
    if (master->options.printer != NULL) {
        printer_pass(master->options.printer, index);
    }
    failures_share(map->failures, index, shared.class, shared.text, shared.text_size);
    return record(master, map, &report, &outcome, err);
}

enum status master_cache_take_failure(struct master *master, struct master_map *map,
                                      const struct report_failure *failure,
                                      const struct ledger_fate *fate, struct error *err)
{
    const bool is_shared = failure->is_permanent && !failure_class_is_system(failure->class);
    enum status status = STATUS_OK;
    uint64_t index = failure->index;
    if (map->cache == NULL || !fate->is_final || failure->class == FAILURE_ABORTED) {
        return STATUS_OK;
    }
    while (status == STATUS_OK && cache_take_equal(map->cache, index, &index)) {
        if (!is_shared) {
            scheduler_release(map->scheduler, index, 1);
            break;
        }
        status = share_failure(master, map, failure, fate, index, err);
    }
    return status;
}

void master_cache_take_loss(struct master *master, struct master_map *map, uint64_t index,
                            const struct ledger_fate *fate)
{
    const struct report_failure lost = {.index = index, .class = FAILURE_LOST};
    struct error none;
    const enum status status = master_cache_take_failure(master, map, &lost, fate, &none);
    assert(status == STATUS_OK); /* it is never shared, so that nothing is recorded */
}
