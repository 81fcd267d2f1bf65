#include "worker/worker_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/log.h"
#include "shared/quantity.h"

#define BEATS_A_SILENCE 4
/* Rank 0 writes the record, and a disk may hang for a while: it is given more time than it gives.
 */
#define MASTER_SILENCES 3
/* Of rank 0, before START says more: from when it was first heard of. */
#define EARLY_SILENCE_US_MAX 30000000
/* What its process had sent before its end arrives within this. */
#define LAST_WORDS_US 200000

/* ---- Is rank 0 there? -------------------------------------------------------------------------
 */

void worker_begin_beats(struct worker *worker, const struct wire_start *start, uint64_t now_us)
{
    const uint64_t lost_after_us = start->options.lost_after_ns / 1000;
    const uint64_t often_us = lost_after_us / BEATS_A_SILENCE;
    worker->is_started = true;
    worker->beat_us = now_us;
    worker->beat_interval_us =
        lost_after_us > 0 ? smaller(often_us, WORKER_BEAT_INTERVAL_US) : WORKER_BEAT_INTERVAL_US;
    worker->silence_us_max = lost_after_us * MASTER_SILENCES;
}

void worker_hear(struct worker *worker, const struct wire_message *message, uint64_t now_us)
{
    worker->master_heard_us = now_us;
    worker->quiet_until_us =
        message->kind == WIRE_PULSE ? now_us + message->as.pulse.quiet_us : now_us;
}

void worker_watch_master(struct worker *worker)
{
    worker->is_master_watched = true;
}

void worker_master_ended(struct worker *worker, const char *end, uint64_t now_us)
{
    if (worker->master_end == NULL) {
        worker->master_end = end;
        worker->master_ended_us = now_us;
    }
}

static uint64_t silence_us_max(const struct worker *worker)
{
    return worker->is_started ? worker->silence_us_max : EARLY_SILENCE_US_MAX;
}

/* Does its silence tell anything? A process that is watched tells of its end by itself, and a rank
 * that is master and worker hears of itself in time. */
static bool is_silence_counted(const struct worker *worker)
{
    return worker->master_heard_us > 0 && silence_us_max(worker) > 0 &&
           !worker->is_master_watched && transport_rank(worker->transport) != MASTER_RANK &&
           worker->state != WORKER_GONE;
}

static uint64_t silence_end_us(const struct worker *worker)
{
    const uint64_t end_us = worker->master_heard_us + silence_us_max(worker);
    return end_us > worker->quiet_until_us ? end_us : worker->quiet_until_us;
}

uint64_t worker_master_deadline_us(const struct worker *worker)
{
    const uint64_t end_us =
        worker->master_end != NULL ? worker->master_ended_us + LAST_WORDS_US : UINT64_MAX;
    return is_silence_counted(worker) ? smaller(end_us, silence_end_us(worker)) : end_us;
}

/* Should rank 0 be slow only, it need not wait until this rank is silent for long. */
static void orphan(struct worker *worker, const char *why)
{
    struct error ignored;
    log_warning("rank %" PRIu32 " ends: rank 0 is lost: %s", transport_rank(worker->transport),
                why);
    worker->is_orphaned = true;
    (void)!worker_say_bye(worker, "it took rank 0 for lost", WORKER_GONE, &ignored);
}

/* What is behind something large cannot be received yet, but has come. */
static void note_arrivals(struct worker *worker, uint64_t now_us)
{
    const uint64_t arrivals = transport_arrivals(worker->transport, MASTER_RANK);
    if (arrivals != worker->master_arrivals) {
        worker->master_arrivals = arrivals;
        worker->master_heard_us = now_us;
    }
}

/* Silence counts only while this loop runs: where half of it passes between two turns, it starts
 * anew. */
void worker_mind_master(struct worker *worker, uint64_t now_us, bool *did_something)
{
    char silence[QUANTITY_TEXT_SIZE];
    char why[QUANTITY_TEXT_SIZE + 32];
    if (worker->master_heard_us > 0 && now_us - worker->turn_us > silence_us_max(worker) / 2) {
        worker->master_heard_us = now_us;
    }
    worker->turn_us = now_us;
    note_arrivals(worker, now_us);
    if (worker->state == WORKER_GONE || now_us < worker_master_deadline_us(worker)) {
        return;
    }
    *did_something = true;
    if (worker->master_end != NULL) {
        orphan(worker, worker->master_end);
        return;
    }
    const uint64_t silent_s = (now_us - worker->master_heard_us) / 1000000;
    (void)snprintf(why, sizeof(why), "silent for %s",
                   quantity_time_text(silent_s * 1000000000, silence));
    orphan(worker, why);
}

/* ---- This rank was taken for lost -------------------------------------------------------------
 */

static void forget(struct worker *worker)
{
    for (size_t i = 0; i < worker->report_count; i++) {
        wire_report_free(&worker->reports[i]);
    }
    worker->report_count = 0;
    worker_drop_maps(worker);
}

enum status worker_on_rejoin(struct worker *worker, const struct wire_rejoin *rejoin,
                             uint64_t now_us, struct error *err)
{
    const struct wire_cancel at_once = {.is_for_all = true};
    worker->life = rejoin->life;
    if (worker->state == WORKER_PREPARING) {
        return worker_fetch_again(worker, err); /* it will be ready in this life */
    }
    if (worker->state != WORKER_READY && worker->state != WORKER_RESETTING) {
        return STATUS_OK;
    }
    worker->state = WORKER_RESETTING;
    forget(worker);
    return pool_cancel(worker->pool, NULL, &at_once, now_us, err);
}

enum status worker_reset_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                              struct error *err)
{
    enum status status = STATUS_OK;
    bool is_result = true;
    while (status == STATUS_OK && is_result) {
        struct pool_result dropped;
        status = pool_collect(worker->pool, now_us, &dropped, &is_result, err);
        *did_something = *did_something || is_result;
    }
    if (status != STATUS_OK || !pool_is_idle(worker->pool)) {
        return status;
    }
    *did_something = true;
    worker_take_metrics(worker);
    worker->metric_count = 0;
    worker_forget_maps(worker);
    worker->state = WORKER_READY;
    worker->reported_us = now_us;
    return worker_send_ready(worker, "", false, err);
}

/* ---- It cannot go on --------------------------------------------------------------------------
 */

/* What has ended is reported, and what was running is named, so that it is charged. */
enum status worker_fail(struct worker *worker, const char *reason, uint64_t now_us,
                        struct error *err)
{
    enum status status = STATUS_OK;
    if (worker->state == WORKER_OUT || worker->state == WORKER_GONE) {
        return STATUS_OK;
    }
    if (worker->state == WORKER_READY) {
        status = worker_report_all(worker, now_us, err);
        if (status == STATUS_OK) {
            status = worker_send_beat(worker, now_us, err);
        }
    }
    forget(worker);
    pool_destroy(worker->pool);
    worker->pool = NULL;
    return status == STATUS_OK ? worker_say_bye(worker, reason, WORKER_OUT, err) : status;
}
