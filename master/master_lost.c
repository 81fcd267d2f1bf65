#include "master/master_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/quantity.h"

#define PULSE_US_MAX 5000000
/* Inputs may be large, and disks slow, when a run is made. */
#define QUIET_US UINT64_C(600000000)
#define LOST_NAMED_MAX 8
#define TEXT_SIZE 512

/* ---- What runs on a rank that is lost ---------------------------------------------------------
 */

/* What is charged, on its way into a record. */
struct charges {
    struct master *master;
    struct master_map *map;
    uint32_t rank;
    const char *text;
    size_t count;
};

static void on_charged(void *context, uint64_t index, struct ledger_fate fate)
{
    struct charges *charges = context;
    struct master *master = charges->master;
    struct master_map *map = charges->map;
    const uint64_t ended = ledger_attempts(scheduler_ledger(map->scheduler), index);
    const struct report_failure failure = {.index = index,
                                           .attempt = ended > 0 ? ended - 1 : 0,
                                           .class = FAILURE_LOST,
                                           .text = charges->text,
                                           .text_size = strlen(charges->text)};
    master->taken_failures[charges->count] = failure;
    master->outcomes[charges->count++] =
        (struct record_outcome){.is_final = fate.is_final,
                                .state = fate.is_final ? fate.state : INSTANCE_ABORTED,
                                .task_failures = fate.task_failures,
                                .system_failures = fate.system_failures,
                                .attempts_max = fate.attempts_max};
    failures_add(map->failures, index, failure.class, failure.text, failure.text_size);
    tally_loss(&map->tally, &failure);
    master_metrics_take_loss(map, index, &fate);
    master_cache_take_loss(master, map, index, &fate);
    if (master->options.printer != NULL && fate.is_final) {
        printer_pass(master->options.printer, index);
    }
}

static void reserve(struct master *master, size_t count)
{
    if (count > master->fate_capacity) {
        master->fate_capacity = count * 2;
        master->fates = memory_resize(master->fates, master->fate_capacity, sizeof(*master->fates));
        master->outcomes =
            memory_resize(master->outcomes, master->fate_capacity, sizeof(*master->outcomes));
        master->taken_failures = memory_resize(master->taken_failures, master->fate_capacity,
                                               sizeof(*master->taken_failures));
    }
}

static enum status record_charges(struct master *master, const struct charges *charges,
                                  struct error *err)
{
    const struct record record = {
        .kind = RECORD_REPORT,
        .map = charges->map->number,
        .rank = charges->rank,
        .time_ms = clock_day_ms(),
        .report = {.failures = master->taken_failures, .failure_count = charges->count},
        .outcomes = master->outcomes,
    };
    return charges->count > 0 ? run_log_append(master->log, &record, err) : STATUS_OK;
}

static enum status record_loss(struct master *master, uint32_t rank, const char *why,
                               struct error *err)
{
    const struct record record = {.kind = RECORD_LOST,
                                  .rank = rank,
                                  .time_ms = clock_day_ms(),
                                  .why = why,
                                  .why_size = strlen(why)};
    return run_log_append(master->log, &record, err);
}

static enum status lose_leases_of(struct master *master, struct master_map *map, uint32_t rank,
                                  bool is_charged, uint64_t now_us, struct error *err)
{
    char text[TEXT_SIZE];
    size_t running_count = 0;
    const uint64_t *running = presence_running(master->presence, rank, map->number, &running_count);
    struct charges charges = {.master = master, .map = map, .rank = rank, .text = text};
    (void)snprintf(text, sizeof(text), "%s was lost", presence_name(master->presence, rank));
    reserve(master, running_count);
    scheduler_lose(map->scheduler, rank, running, is_charged ? running_count : 0, on_charged,
                   &charges, now_us);
    return record_charges(master, &charges, err);
}

/* What it was in is charged, where it is known to have been ended there; the rest is free. */
static enum status lose_leases(struct master *master, uint32_t rank, bool is_charged,
                               uint64_t now_us, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < master->map_count && status == STATUS_OK; i++) {
        status = lose_leases_of(master, master->maps[i], rank, is_charged, now_us, err);
    }
    return status;
}

/* ---- Ranks that are lost ----------------------------------------------------------------------
 */

static void leave_out(struct master *master, uint32_t rank)
{
    master->present_count -= master->slots[rank] > 0 ? 1 : 0;
    master->slots[rank] = 0;
}

/* For the last line. */
static void note_loss(struct master *master, const char *name, const char *why)
{
    if (master->lost_count < LOST_NAMED_MAX) {
        (void)!buffer_printf(&master->lost, "%s%s (%s)", master->lost_count > 0 ? ", " : "", name,
                             why);
    } else if (master->lost_count == LOST_NAMED_MAX) {
        (void)!buffer_printf(&master->lost, ", and others");
    }
    master->lost_count++;
}

static enum status lose_while_running(struct master *master, uint32_t rank, const char *why,
                                      uint64_t now_us, struct error *err)
{
    struct error reason;
    enum status status = lose_leases(master, rank, true, now_us, &reason);
    if (status == STATUS_OK) {
        status = record_loss(master, rank, why, &reason);
    }
    if (status != STATUS_OK) {
        return master_give_up(master, reason.text, now_us, err);
    }
    return master->present_count > 0 ? STATUS_OK : master_stop_without_ranks(master, now_us, err);
}

static enum status lose(struct master *master, uint32_t rank, const char *why, uint64_t now_us,
                        struct error *err)
{
    const char *name = presence_name(master->presence, rank);
    const char *host = strstr(name, " on ");
    char text[TEXT_SIZE];
    leave_out(master, rank);
    const bool goes_on = master->state == MASTER_STARTING ||
                         (master->state == MASTER_RUNNING && master->present_count > 0);
    (void)snprintf(text, sizeof(text), "%s%s%s", host != NULL ? host + strlen(" on ") : "",
                   host != NULL ? ": " : "", why);
    log_warning("%s is lost: %s%s", name, why, goes_on ? "; the run goes on without it" : "");
    note_loss(master, name, why);
    switch (master->state) {
    case MASTER_STARTING:
        master_heard_from(master, rank);
        return master->waited_count == 0 ? master_begin(master, now_us, err) : STATUS_OK;
    case MASTER_RUNNING:
        return lose_while_running(master, rank, text, now_us, err);
    case MASTER_CONCLUDING:
    case MASTER_ENDING:
    case MASTER_OVER:
        master_heard_from(master, rank);
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status on_loss(struct master *master, const struct presence_loss *loss, uint64_t now_us,
                           struct error *err)
{
    char silence[QUANTITY_TEXT_SIZE];
    char why[TEXT_SIZE];
    if (loss->end != NULL) {
        (void)snprintf(why, sizeof(why), "%s", loss->end);
        transport_abandon(master->options.transport, loss->rank);
    } else {
        (void)snprintf(why, sizeof(why), "silent for %s",
                       quantity_time_text(loss->silent_us / 1000000 * 1000000000, silence));
    }
    if (loss->was_lost) {
        const bool was_waited_for = master->is_waited_for[loss->rank];
        master_heard_from(master, loss->rank);
        return was_waited_for && master->state == MASTER_STARTING && master->waited_count == 0
                   ? master_begin(master, now_us, err)
                   : STATUS_OK;
    }
    return lose(master, loss->rank, why, now_us, err);
}

/* A rank that leaves by itself has given back what it held, unless it cannot go on. */
enum status master_on_bye(struct master *master, uint32_t rank, const struct wire_bye *bye,
                          uint64_t now_us, struct error *err)
{
    const bool is_failure = *bye->reason != '\0';
    presence_left(master->presence, rank);
    if (is_failure && master->state != MASTER_ENDING) {
        return lose(master, rank, bye->reason, now_us, err);
    }
    leave_out(master, rank);
    if (master->state == MASTER_ENDING) {
        master_heard_from(master, rank);
    } else if (master->state == MASTER_RUNNING) {
        struct error reason;
        if (lose_leases(master, rank, false, now_us, &reason) != STATUS_OK) {
            return master_give_up(master, reason.text, now_us, err);
        }
        return master->present_count > 0 ? STATUS_OK
                                         : master_stop_without_ranks(master, now_us, err);
    }
    return STATUS_OK;
}

/* ---- Ranks that come back ---------------------------------------------------------------------
 */

/* It was stopped, or cut off, and may not know that it was lost. What it held is elsewhere: it is
 * to forget it, and to say that it is ready again; or to leave, where the run is over. */
static enum status welcome(struct master *master, uint32_t rank, uint64_t now_us, struct error *err)
{
    const bool is_ending = master->state == MASTER_ENDING || master->state == MASTER_OVER;
    struct wire_message message = {.kind = WIRE_REJOIN};
    message.as.rejoin.life = presence_return(master->presence, rank, now_us);
    if (is_ending) {
        message = (struct wire_message){.kind = WIRE_STOP};
    } else if (master->state == MASTER_STARTING) {
        master->is_waited_for[rank] = true;
        master->waited_count++;
    }
    log_info("%s is heard of again: it %s", presence_name(master->presence, rank),
             is_ending ? "is told to leave" : "starts anew");
    enum status status = master_send(master, rank, &message, err);
    for (size_t i = 0; i < master->map_count && status == STATUS_OK && !is_ending; i++) {
        status = master_send_map(master, rank, master->maps[i], err);
    }
    return status;
}

static void tell_ignored(uint32_t rank, const struct wire_message *message)
{
    if (message->kind == WIRE_REPORT) {
        log_warning("report ignored reason=rank_was_lost rank=%" PRIu32 " lease=%" PRIu64
                    " batches=%zu",
                    rank, message->as.report.lease, message->as.report.batch_count);
    }
}

enum status master_hear(struct master *master, uint32_t rank, const struct wire_message *message,
                        uint64_t now_us, bool *counts_out, struct error *err)
{
    presence_heard(master->presence, rank, now_us);
    *counts_out = false;
    switch (presence_state(master->presence, rank)) {
    case PRESENCE_HERE:
        *counts_out = true;
        return STATUS_OK;
    case PRESENCE_RETURNING:
        *counts_out =
            message->kind == WIRE_READY || message->kind == WIRE_BYE || message->kind == WIRE_FETCH;
        break;
    case PRESENCE_SILENT:
        tell_ignored(rank, message);
        return welcome(master, rank, now_us, err);
    case PRESENCE_GONE:
    case PRESENCE_LEFT:
        break;
    }
    if (!*counts_out) {
        tell_ignored(rank, message);
    }
    return STATUS_OK;
}

void master_take_back(struct master *master, uint32_t rank, const struct wire_ready *ready)
{
    const char *name = presence_name(master->presence, rank);
    if (master->state != MASTER_RUNNING) {
        return;
    }
    if (*ready->refusal != '\0' || ready->slots == 0) {
        log_warning("%s is back, but cannot work: %s", name, ready->refusal);
        return;
    }
    master->slots[rank] = (uint32_t)ready->slots;
    master->present_count++;
    master->offered[rank] = ready->offered;
    for (size_t i = 0; i < master->map_count; i++) {
        struct master_map *map = master->maps[i];
        const uint32_t slots = master_map_slots(master, map, rank);
        if (map->have_joined && slots > 0) {
            scheduler_join(map->scheduler, rank, slots);
        }
    }
    log_info("%s works again", name);
}

/* ---- Rank 0 lives -----------------------------------------------------------------------------
 */

static enum status send_pulses(struct master *master, uint64_t since_us, uint64_t quiet_us,
                               struct error *err)
{
    const struct transport *transport = master->options.transport;
    const struct wire_message message = {.kind = WIRE_PULSE, .as.pulse = {.quiet_us = quiet_us}};
    enum status status = STATUS_OK;
    for (uint32_t rank = 1; rank < transport_size(transport) && status == STATUS_OK; rank++) {
        if (master->sent_us[rank] <= since_us && transport_pending(transport, rank) == 0) {
            status = master_send(master, rank, &message, err);
        }
    }
    return status;
}

enum status master_announce_quiet(struct master *master, struct error *err)
{
    master->pulse_us = master->pulse_us != UINT64_MAX ? 0 : UINT64_MAX;
    return master->pulse_us == 0 ? send_pulses(master, UINT64_MAX, QUIET_US, err) : STATUS_OK;
}

/* Large reports take their time: what a rank sends behind one cannot be received yet, but has come.
 * To be looked at before a rank may be taken for lost. */
static void note_arrivals(struct master *master, uint64_t now_us)
{
    const struct transport *transport = master->options.transport;
    for (uint32_t rank = 1; rank < transport_size(transport); rank++) {
        const uint64_t arrivals = transport_arrivals(transport, rank);
        if (arrivals != master->arrivals[rank]) {
            master->arrivals[rank] = arrivals;
            presence_heard(master->presence, rank, now_us);
        }
    }
}

enum status master_mind_ranks(struct master *master, uint64_t now_us, bool *did_something,
                              struct error *err)
{
    const uint64_t half_us = master->options.run->options.lost_after_ns / 1000 / 2;
    const uint64_t pulse_us = half_us < PULSE_US_MAX ? half_us : PULSE_US_MAX;
    struct presence_loss loss;
    enum status status = STATUS_OK;
    if (now_us >= presence_deadline_us(master->presence)) {
        note_arrivals(master, now_us);
    }
    while (status == STATUS_OK && presence_next_loss(master->presence, now_us, &loss)) {
        *did_something = true;
        status = on_loss(master, &loss, now_us, err);
    }
    if (status == STATUS_OK && now_us >= master->pulse_us && master->state != MASTER_OVER) {
        status = send_pulses(master, now_us - pulse_us / 2, 0, err);
        master->pulse_us = now_us + pulse_us;
    }
    return status;
}
