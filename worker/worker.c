#include "worker/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "worker/executor.h"
#include "worker/worker_private.h"

/* How soon to look again for an attempt that is about to begin. */
#define BEGIN_LOOK_US 1000

enum status worker_create(struct transport *transport, struct zygote *zygote,
                          struct worker **worker_out)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return STATUS_NO_MEMORY;
    }
    worker->transport = transport;
    worker->zygote = zygote;
    *worker_out = worker;
    return STATUS_OK;
}

/* Once, at the end. */
static void say_kept(const struct worker *worker)
{
    const char *kept = executor_kept_workdirs();
    char host[256] = "";
    if (*kept != '\0') {
        (void)gethostname(host, sizeof(host) - 1);
        log_info("working directories of rank %" PRIu32 " are kept: %s on %s",
                 transport_rank(worker->transport), kept, host);
    }
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL) {
        return;
    }
    prefetch_destroy(worker->prefetch);
    pool_destroy(worker->pool);
    worker_destroy_maps(worker);
    say_kept(worker);
    offer_free(&worker->offer);
    job_destroy(worker->job);
    job_place_destroy(worker->place);
    for (size_t i = 0; i < worker->report_capacity; i++) {
        wire_report_free(&worker->reports[i]);
    }
    free(worker->reports);
    free(worker->metrics);
    arena_free(&worker->arena);
    buffer_free(&worker->start_bytes);
    free(worker);
}

enum status worker_take_message(struct worker *worker, const struct wire_message *message,
                                uint64_t now_us, struct error *err)
{
    worker_hear(worker, message, now_us);
    switch (message->kind) {
    case WIRE_START:
        return worker_on_start(worker, message, now_us, err);
    case WIRE_UNIT:
        return worker_on_unit(worker, &message->as.unit, err);
    case WIRE_RECALL:
        return worker_on_recall(worker, &message->as.recall, err);
    case WIRE_MAP:
        return worker_on_map(worker, &message->as.map, err);
    case WIRE_DROP:
        worker_on_drop(worker, &message->as.drop);
        return STATUS_OK;
    case WIRE_END:
        return worker_on_end(worker, &message->as.end, now_us, err);
    case WIRE_CANCEL:
        return worker_on_cancel(worker, &message->as.cancel, now_us, err);
    case WIRE_STOP:
        return worker_on_stop(worker, &message->as.stop, now_us, err);
    case WIRE_PULSE:
        return STATUS_OK; /* it was heard */
    case WIRE_REJOIN:
        return worker_on_rejoin(worker, &message->as.rejoin, now_us, err);
    case WIRE_LIBRARY:
        return worker_on_library(worker, &message->as.library, now_us, err);
    case WIRE_READY:
    case WIRE_REPORT:
    case WIRE_BEAT:
    case WIRE_RETURNED:
    case WIRE_BYE:
    case WIRE_FETCH:
    case WIRE_METRICS:
        log_warning("message ignored reason=not_for_a_worker kind=%d", (int)message->kind);
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status state_turn(struct worker *worker, uint64_t now_us, bool *did_something_out,
                              struct error *err)
{
    switch (worker->state) {
    case WORKER_WAITING:
    case WORKER_OUT:
    case WORKER_GONE:
        return STATUS_OK;
    case WORKER_PREPARING:
        return worker_prepare_turn(worker, now_us, did_something_out, err);
    case WORKER_READY:
        return worker_ready_turn(worker, now_us, did_something_out, err);
    case WORKER_RESETTING:
        return worker_reset_turn(worker, now_us, did_something_out, err);
    case WORKER_LEAVING:
        return worker_leave_turn(worker, now_us, did_something_out, err);
    }
    return STATUS_OK;
}

/* A rank beats from START on, whatever it does, for its silence would mean that it is lost. */
static bool is_beating(const struct worker *worker)
{
    return worker->is_started && worker->state != WORKER_OUT && worker->state != WORKER_GONE;
}

enum status worker_turn(struct worker *worker, uint64_t now_us, bool *did_something_out,
                        struct error *err)
{
    *did_something_out = false;
    worker_mind_master(worker, now_us, did_something_out);
    const enum status status = state_turn(worker, now_us, did_something_out, err);
    if (status != STATUS_OK || !is_beating(worker)) {
        return status;
    }
    now_us = clock_us();
    return now_us - worker->beat_us >= worker->beat_interval_us
               ? worker_send_beat(worker, now_us, err)
               : STATUS_OK;
}

static uint64_t state_deadline_us(const struct worker *worker)
{
    if (worker->state == WORKER_LEAVING) {
        return worker->leaving_us + WORKER_LEAVE_US_MAX;
    }
    if (worker->state == WORKER_PREPARING && worker->pool == NULL) {
        return worker_is_fetching(worker) ? worker_fetch_deadline_us(worker)
                                          : worker->preparing_us + worker->prepare_us_max;
    }
    if (worker->state == WORKER_RESETTING) {
        return pool_deadline_us(worker->pool);
    }
    if (worker->state != WORKER_READY) {
        return UINT64_MAX;
    }
    const uint64_t report_us = worker->report_count > 0
                                   ? worker->reported_us + worker_report_pause_us(worker)
                                   : UINT64_MAX;
    const uint64_t begin_us = worker->is_begin_awaited ? clock_us() + BEGIN_LOOK_US : UINT64_MAX;
    const uint64_t metrics_us = worker_metrics_deadline_us(worker);
    return smaller(smaller(smaller(report_us, metrics_us), worker_held_deadline_us(worker)),
                   smaller(begin_us, pool_deadline_us(worker->pool)));
}

uint64_t worker_deadline_us(const struct worker *worker)
{
    const uint64_t beat_us =
        is_beating(worker) ? worker->beat_us + worker->beat_interval_us : UINT64_MAX;
    return smaller(smaller(beat_us, worker_master_deadline_us(worker)), state_deadline_us(worker));
}

size_t worker_descriptors(const struct worker *worker, struct pollfd fds_out[POOL_FD_COUNT_MAX])
{
    if (worker->pool != NULL) {
        return pool_descriptors(worker->pool, fds_out);
    }
    if (worker->zygote == NULL || worker->state != WORKER_PREPARING || worker_is_fetching(worker)) {
        return 0;
    }
    fds_out[0] = (struct pollfd){.fd = zygote_descriptor(worker->zygote), .events = POLLIN};
    return 1;
}

bool worker_is_fed(const struct worker *worker)
{
    return worker->state == WORKER_READY && worker_queued(worker) > 0 &&
           pool_free_count(worker->pool) == 0 &&
           transport_pending(worker->transport, MASTER_RANK) == 0;
}

bool worker_is_gone(const struct worker *worker)
{
    return worker->state == WORKER_GONE;
}

bool worker_is_orphaned(const struct worker *worker)
{
    return worker->is_orphaned;
}

bool worker_may_finalize(const struct worker *worker)
{
    return worker->is_stop_clean;
}
