#include "worker/worker_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/memory.h"

/* Results that wait for the next report leave early past this size. */
#define REPORT_SIZE_MAX ((size_t)1 << 20)
/* Idle slots wait for so small a part of an instance's duration before they are told of. */
#define HASTE_DIVISOR 32

enum status worker_send(struct worker *worker, const struct wire_message *message,
                        struct error *err)
{
    struct buffer bytes = {0};
    enum status status = wire_encode(message, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(worker->transport, MASTER_RANK, &bytes, err);
    } else {
        (void)error_set(err, status, "no memory for a message");
    }
    buffer_free(&bytes);
    return status;
}

enum status worker_send_ready(struct worker *worker, const char *refusal, bool is_setup_failure,
                              struct error *err)
{
    char host[256] = "";
    (void)gethostname(host, sizeof(host) - 1);
    const struct wire_message message = {
        .kind = WIRE_READY,
        .as.ready = {.version = WIRE_VERSION,
                     .program = MAPFLEET_VERSION,
                     .host = host,
                     .process = (uint64_t)getpid(),
                     .offered = worker->offer.all,
                     .slots = *refusal == '\0' ? worker->offer.slot_count : 0,
                     .refusal = refusal,
                     .is_setup_failure = is_setup_failure,
                     .life = worker->life},
    };
    return worker_send(worker, &message, err);
}

enum status worker_refuse(struct worker *worker, const char *reason, struct error *err)
{
    return worker_send_ready(worker, reason, false, err);
}

/* ---- Reports ----------------------------------------------------------------------------------
 */

struct wire_report_parts *worker_report_of(struct worker *worker, uint64_t map, uint64_t lease)
{
    for (size_t i = 0; i < worker->report_count; i++) {
        if (worker->reports[i].map == map && worker->reports[i].lease == lease) {
            return &worker->reports[i];
        }
    }
    const size_t capacity = worker->report_capacity;
    worker->reports = memory_grow(worker->reports, worker->report_count, &worker->report_capacity,
                                  sizeof(*worker->reports));
    if (worker->report_capacity > capacity) {
        memset(&worker->reports[capacity], 0,
               (worker->report_capacity - capacity) * sizeof(*worker->reports));
    }
    struct wire_report_parts *parts = &worker->reports[worker->report_count++];
    parts->map = map;
    parts->lease = lease;
    return parts;
}

static size_t reports_size(const struct worker *worker)
{
    size_t size = 0;
    for (size_t i = 0; i < worker->report_count; i++) {
        size += worker->reports[i].message.size + worker->reports[i].failures.size;
    }
    return size;
}

/* From one report of a map to the next. Where the master's next unit is all that could keep the
 * slots busy, results leave soon: at once where every slot is idle, else after a small part of what
 * an instance takes, so that a node of many slots does not send a message for each. */
uint64_t worker_map_pause_us(const struct worker *worker, const struct worker_map *map)
{
    const uint64_t interval_us = worker->start.as.start.report_interval_us;
    if (map->queue.count > 0) {
        return interval_us;
    }
    return map->pooled.batch_count == 0
               ? 0
               : smaller((uint64_t)(map->instance_us / HASTE_DIVISOR), interval_us / 4);
}

/* That of the map which has most haste; all leave together. */
uint64_t worker_report_pause_us(const struct worker *worker)
{
    uint64_t shortest_us = worker->start.as.start.report_interval_us;
    for (size_t i = 0; i < worker->report_count && shortest_us > 0; i++) {
        const struct worker_map *map = worker_map_of(worker, worker->reports[i].map);
        if (map != NULL && (i == 0 || worker->reports[i - 1].map != worker->reports[i].map)) {
            shortest_us = smaller(shortest_us, worker_map_pause_us(worker, map));
        }
    }
    return shortest_us;
}

/* Results leave when their time has come, and when they are many. */
bool worker_is_report_due(const struct worker *worker, uint64_t now_us)
{
    return worker->report_count > 0 &&
           (now_us - worker->reported_us >= worker_report_pause_us(worker) ||
            reports_size(worker) >= REPORT_SIZE_MAX);
}

static enum status send_report(struct worker *worker, struct wire_report_parts *parts,
                               struct error *err)
{
    struct buffer bytes = {0};
    enum status status = wire_report_finish(parts, &bytes);
    if (status == STATUS_OK) {
        status = transport_send(worker->transport, MASTER_RANK, &bytes, err);
    } else {
        (void)error_set(err, status, "no memory for a report");
    }
    buffer_free(&bytes);
    return status;
}

enum status worker_send_reports(struct worker *worker, uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    if (worker->report_count > 0) {
        pool_flush(worker->pool);
        status = worker_send_metrics(worker, now_us, err);
    }
    for (size_t i = 0; i < worker->report_count && status == STATUS_OK; i++) {
        status = send_report(worker, &worker->reports[i], err);
    }
    worker->report_count = 0;
    worker->reported_us = now_us;
    return status;
}

enum status worker_report_all(struct worker *worker, uint64_t now_us, struct error *err)
{
    const enum status status = worker_release_held(worker, now_us, err);
    return status == STATUS_OK ? worker_send_reports(worker, now_us, err) : status;
}

/* ---- Beats ------------------------------------------------------------------------------------
 */

static int by_map_and_index(const void *a, const void *b)
{
    const struct pool_running *left = a;
    const struct pool_running *right = b;
    const uint64_t maps[] = {left->map->wire->number, right->map->wire->number};
    if (maps[0] != maps[1]) {
        return maps[0] < maps[1] ? -1 : 1;
    }
    return left->running.index < right->running.index   ? -1
           : left->running.index > right->running.index ? 1
                                                        : 0;
}

/* What runs, and the beats of the maps of which something does. Both are as long as there are
 * slots. */
struct beats {
    struct wire_running *running;
    struct wire_beat *beats;
    size_t count;
};

static void add_running(struct worker *worker, struct beats *beats,
                        const struct pool_running *found, size_t at)
{
    beats->running[at] = found->running;
    if (beats->count > 0 && beats->beats[beats->count - 1].map == found->map->wire->number) {
        beats->beats[beats->count - 1].running_count++;
        return;
    }
    beats->beats[beats->count++] =
        (struct wire_beat){.map = found->map->wire->number,
                           .finished = pool_finished(worker->pool, found->map),
                           .running = &beats->running[at],
                           .running_count = 1};
}

enum status worker_send_beat(struct worker *worker, uint64_t now_us, struct error *err)
{
    const bool is_working = worker->state == WORKER_READY;
    const uint32_t slots = is_working ? pool_slot_count(worker->pool) : 0;
    struct pool_running *found = memory_take(slots + 1, sizeof(*found));
    struct beats beats = {.running = memory_take(slots + 1, sizeof(*beats.running)),
                          .beats = memory_take(slots + 1, sizeof(*beats.beats))};
    const size_t count = is_working ? pool_running(worker->pool, now_us, found) : 0;
    qsort(found, count, sizeof(*found), by_map_and_index);
    for (size_t i = 0; i < count; i++) {
        add_running(worker, &beats, &found[i], i);
    }
    const struct wire_message message = {.kind = WIRE_BEAT,
                                         .as.beats = {.beats = beats.beats, .count = beats.count}};
    worker->beat_us = now_us;
    const enum status status = worker_send(worker, &message, err);
    free(beats.running);
    free(beats.beats);
    free(found);
    return status;
}
