#include "worker/worker_private.h"

#include <inttypes.h>

#include "shared/log.h"

#define RETURNED_SPAN_COUNT_MAX 1024

/* There is always an answer, be the map known or not. */
enum status worker_on_recall(struct worker *worker, const struct wire_recall *recall,
                             struct error *err)
{
    struct span spans[RETURNED_SPAN_COUNT_MAX];
    struct worker_map *map = worker_map_of(worker, recall->map);
    const size_t span_count = map != NULL
                                  ? unit_queue_give_back(&map->queue, recall->lease, recall->count,
                                                         spans, RETURNED_SPAN_COUNT_MAX)
                                  : 0;
    const struct wire_message message = {
        .kind = WIRE_RETURNED,
        .as.returned = {.map = recall->map,
                        .lease = recall->lease,
                        .spans = spans,
                        .span_count = span_count},
    };
    return worker_send(worker, &message, err);
}

static enum status give_back(struct worker *worker, uint64_t map, uint64_t lease, struct error *err)
{
    const struct wire_recall all = {.map = map, .lease = lease, .count = UINT64_MAX};
    return worker_on_recall(worker, &all, err);
}

/* Another attempt of this instance has its result, or it is stopped early. What of the unit has not
 * started goes back too: most often the unit is this instance. */
enum status worker_on_end(struct worker *worker, const struct wire_end *end, uint64_t now_us,
                          struct error *err)
{
    const struct worker_map *map = worker_map_of(worker, end->map);
    const enum status status = give_back(worker, end->map, end->lease, err);
    return status == STATUS_OK && worker->pool != NULL && map != NULL
               ? pool_end(worker->pool, &map->pooled, end, now_us, err)
               : status;
}

enum status worker_give_map_back(struct worker *worker, const struct worker_map *map,
                                 struct error *err)
{
    enum status status = STATUS_OK;
    for (const struct unit *unit = map->queue.first; unit != NULL && status == STATUS_OK;
         unit = unit->next) {
        while (unit->first_span < unit->span_count && status == STATUS_OK) {
            status = give_back(worker, map->pooled.wire->number, unit->lease, err);
        }
    }
    return status;
}

enum status worker_give_all_back(struct worker *worker, struct error *err)
{
    enum status status = STATUS_OK;
    for (const struct worker_map *map = worker->maps; map != NULL && status == STATUS_OK;
         map = map->next) {
        status = worker_give_map_back(worker, map, err);
    }
    return status;
}

/* Everything that has not started goes back, and what has ended is reported. */
enum status worker_on_cancel(struct worker *worker, const struct wire_cancel *how, uint64_t now_us,
                             struct error *err)
{
    const struct worker_map *map = how->is_for_all ? NULL : worker_map_of(worker, how->map);
    if (!how->is_for_all && map == NULL) {
        return STATUS_OK;
    }
    enum status status =
        map == NULL ? worker_give_all_back(worker, err) : worker_give_map_back(worker, map, err);
    if (status == STATUS_OK && worker->pool != NULL) {
        status = pool_cancel(worker->pool, map != NULL ? &map->pooled : NULL, how, now_us, err);
    }
    return status == STATUS_OK ? worker_report_all(worker, now_us, err) : status;
}

enum status worker_end_attempts(struct worker *worker, uint64_t now_us, struct error *err)
{
    const struct wire_cancel at_once = {.is_for_all = true};
    return worker->state == WORKER_READY ? worker_on_cancel(worker, &at_once, now_us, err)
                                         : STATUS_OK;
}

/* ---- Leaving ----------------------------------------------------------------------------------
 */

enum status worker_say_bye(struct worker *worker, const char *reason, enum worker_state next,
                           struct error *err)
{
    const struct wire_message message = {.kind = WIRE_BYE, .as.bye = {.reason = reason}};
    worker->state = next;
    return worker_send(worker, &message, err);
}

enum status worker_on_stop(struct worker *worker, const struct wire_stop *stop, uint64_t now_us,
                           struct error *err)
{
    worker->is_stop_clean = stop->is_clean;
    if (worker->state == WORKER_OUT) {
        worker->state = WORKER_GONE; /* it has said BYE */
        return STATUS_OK;
    }
    if (worker->pool == NULL) {
        return worker_say_bye(worker, "", WORKER_GONE, err);
    }
    pool_close(worker->pool);
    worker->state = WORKER_LEAVING;
    worker->leaving_us = now_us;
    return STATUS_OK;
}

/* A rank whose setups fail leaves: what it holds goes back with its last reports. */
enum status worker_leave_for_setup(struct worker *worker, uint64_t now_us, struct error *err)
{
    log_warning("rank %" PRIu32 " leaves the run: %s", transport_rank(worker->transport),
                pool_setup_error(worker->pool));
    const struct wire_cancel at_once = {.is_for_all = true};
    const enum status status = worker_on_cancel(worker, &at_once, now_us, err);
    return status == STATUS_OK ? worker_say_bye(worker, "", WORKER_OUT, err) : status;
}

/* Executors run the job's teardown; what takes longer than that is ended with the zygote. */
enum status worker_leave_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                              struct error *err)
{
    struct pool_result ignored;
    bool is_result;
    if (pool_collect(worker->pool, now_us, &ignored, &is_result, err) != STATUS_OK ||
        pool_is_closed(worker->pool) || now_us - worker->leaving_us >= WORKER_LEAVE_US_MAX) {
        *did_something = true;
        return worker_say_bye(worker, "", WORKER_GONE, err);
    }
    return STATUS_OK;
}
