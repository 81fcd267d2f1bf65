#include "master/master_private.h"

#include <inttypes.h>

#include "shared/log.h"
#include "shared/quantity.h"

/* What workers have to answer in, beyond the time that attempts have. */
#define ANSWER_US 2000000
/* mpirun kills its ranks a second or two after its SIGTERM: by then the record is written. */
#define ANSWER_AT_ONCE_US 500000

static uint64_t later(uint64_t now_us, uint64_t by_us)
{
    return by_us < UINT64_MAX - now_us ? now_us + by_us : UINT64_MAX;
}

/* Nothing is handed out any more. The scheduler's CANCEL goes out with `how`, unless the map's end
 * had sent it already, to end what runs. */
static void stop(struct master *master, const struct wire_cancel *how, uint64_t answer_us,
                 uint64_t now_us)
{
    master->is_stopped = true;
    master->pause_us_max = later(now_us, how->run_on_us);
    master->give_up_us = later(master->pause_us_max, later(how->grace_us, answer_us));
    for (size_t i = 0; i < master->map_count; i++) {
        master->maps[i]->cancel = *how;
        if (master->maps[i]->is_target_reached) {
            scheduler_cancel_again(master->maps[i]->scheduler);
        }
        scheduler_stop(master->maps[i]->scheduler);
    }
}

/* ---- Signals ----------------------------------------------------------------------------------
 */

static void stop_with_grace(struct master *master, const char *why, uint64_t now_us)
{
    char text[QUANTITY_TEXT_SIZE];
    const uint64_t grace_ns = master->options.run->options.grace_ns;
    const struct wire_cancel how = {.run_on_us = grace_ns / 1000, .grace_us = DEADLINE_KILL_US};
    if (master->is_stopped) {
        return; /* by the time limit: what runs has its time */
    }
    stop(master, &how, ANSWER_US, now_us);
    log_info("%s: nothing new starts, what runs has %s to end by itself; again to end it at once",
             why, quantity_time_text(grace_ns, text));
}

/* The map is done. Where its end cannot be written, that is tried for no longer. */
static void conclude_with_grace(struct master *master, const char *why, uint64_t now_us)
{
    char text[QUANTITY_TEXT_SIZE];
    const uint64_t grace_ns = master->options.run->options.grace_ns;
    if (master->pause_us_max == UINT64_MAX) {
        master->pause_us_max = later(now_us, grace_ns / 1000);
    }
    if (master->paused_us != 0) {
        log_info("%s: the end of the run has %s to be written; again to end it at once", why,
                 quantity_time_text(grace_ns, text));
    }
}

/* What cannot be written now is not waited for. */
static enum status conclude_at_once(struct master *master, const char *why, uint64_t now_us,
                                    struct error *err)
{
    master->leave_us_max = MASTER_LEAVE_AT_ONCE_US_MAX;
    return master->paused_us != 0 ? master_give_up(master, why, now_us, err) : STATUS_OK;
}

static enum status stop_at_once(struct master *master, const char *why, uint64_t now_us,
                                struct error *err)
{
    const struct wire_message message = {.kind = WIRE_CANCEL, .as.cancel.is_for_all = true};
    if (master->paused_us != 0) {
        return conclude_at_once(master, why, now_us, err);
    }
    stop(master, &message.as.cancel, ANSWER_AT_ONCE_US, now_us);
    master->leave_us_max = MASTER_LEAVE_AT_ONCE_US_MAX;
    log_info("%s: what runs is ended at once", why);
    return master_send_to_workers(master, &message, err);
}

enum status master_interrupt(struct master *master, enum master_urgency urgency, const char *why,
                             uint64_t now_us, struct error *err)
{
    switch (master->state) {
    case MASTER_STARTING:
        log_info("%s: nothing was started", why);
        return master_end(master, EXIT_RESUMABLE, now_us, err);
    case MASTER_RUNNING:
        if (urgency == MASTER_AT_ONCE) {
            return stop_at_once(master, why, now_us, err);
        }
        stop_with_grace(master, why, now_us);
        return STATUS_OK;
    case MASTER_CONCLUDING:
        if (urgency == MASTER_AT_ONCE) {
            return conclude_at_once(master, why, now_us, err);
        }
        conclude_with_grace(master, why, now_us);
        return STATUS_OK;
    case MASTER_ENDING:
        if (urgency == MASTER_AT_ONCE) {
            master->leave_us_max = MASTER_LEAVE_AT_ONCE_US_MAX;
        }
        return STATUS_OK;
    case MASTER_OVER:
        return STATUS_OK;
    }
    return STATUS_OK;
}

enum status master_stop_without_ranks(struct master *master, uint64_t now_us, struct error *err)
{
    static const char why[] = "no rank is left to work";
    static const struct wire_cancel nobody;
    if (master->paused_us != 0) {
        return master_give_up(master, why, now_us, err);
    }
    log_error("%s; the run ends and can be resumed", why);
    if (!master->is_stopped) {
        stop(master, &nobody, ANSWER_AT_ONCE_US, now_us);
    }
    return STATUS_OK;
}

/* ---- The time limit, and the job's ------------------------------------------------------------
 */

void master_set_job_end(struct master *master, uint64_t end_us)
{
    deadline_set_job_end(&master->deadline, end_us);
}

/* The first attempt of a session is always started, so that a job which is queued again and again
 * comes to an end some time. */
static void mind_deadline(struct master *master, uint64_t now_us)
{
    if (!deadline_is_near(&master->deadline, now_us)) {
        return;
    }
    if (!master->has_begun) {
        master->is_held = true;
        for (size_t i = 0; i < master->map_count; i++) {
            scheduler_hold(master->maps[i]->scheduler);
        }
        return;
    }
    const uint64_t term_us = deadline_term_us(&master->deadline);
    const struct wire_cancel how = {.run_on_us = term_us > now_us ? term_us - now_us : 0,
                                    .grace_us = deadline_kill_after_us(&master->deadline)};
    stop(master, &how, ANSWER_US, now_us);
    log_info("the time limit is near: nothing new starts");
}

static void tell_unanswered(uint64_t count)
{
    if (count > 0) {
        log_warning("%" PRIu64 " instance%s not waited for: their ranks do not answer", count,
                    count == 1 ? " is" : "s are");
    }
}

static uint64_t leased(const struct master *master)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < master->map_count; i++) {
        sum += scheduler_counts(master->maps[i]->scheduler).leased;
    }
    return sum;
}

/* A map whose end cannot be recorded has none, and goes on in the next session. */
static void conclude_unanswered(struct master *master, uint64_t now_us)
{
    struct error ignored;
    while (!master_is_one_map(master) && master->map_count > 0 &&
           master_map_conclude(master, master->maps[0], &ignored) == STATUS_OK) {
    }
    if (master_is_one_map(master) || master->map_count > 0) {
        master_conclude(master, now_us);
    }
}

/* In a pause there is nobody to wait for: that ends by itself, see master_pause_end_us(). */
void master_mind_the_time(struct master *master, uint64_t now_us)
{
    if (!master->is_stopped) {
        mind_deadline(master, now_us);
    } else if (now_us >= master->give_up_us && master->paused_us == 0) {
        tell_unanswered(leased(master));
        conclude_unanswered(master, now_us);
    }
}

uint64_t master_time_us(const struct master *master)
{
    if (master->is_stopped) {
        return master->give_up_us;
    }
    return master->is_held ? UINT64_MAX : deadline_near_us(&master->deadline);
}
