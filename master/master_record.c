#include "master/master_private.h"

#include "shared/log.h"
#include "shared/quantity.h"

/* Pause between two tries to write. */
#define AGAIN_US 1000000
/* How often the loop asks whether a sync is done. */
#define LOOK_AGAIN_US 1000

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What runs goes on meanwhile, and is ended when the run gives up: so that has to be when it would
 * be ended without a pause. */
uint64_t master_pause_end_us(const struct master *master)
{
    if (master->paused_us == 0) {
        return UINT64_MAX;
    }
    return earlier(earlier(master->paused_us + master->options.patience_us, master->pause_us_max),
                   deadline_term_us(&master->deadline));
}

enum status master_pause(struct master *master, const char *reason, uint64_t now_us,
                         struct error *err)
{
    char patience[QUANTITY_TEXT_SIZE];
    if (master->paused_us == 0) {
        master->paused_us = now_us;
        log_warning("%s; the run pauses, and tries again for %s", reason,
                    quantity_time_text(master->options.patience_us * 1000, patience));
    } else if (now_us >= master_pause_end_us(master)) {
        return master_give_up(master, reason, now_us, err);
    }
    master->wake_us = now_us + AGAIN_US;
    return STATUS_OK;
}

void master_go_on(struct master *master)
{
    if (master->paused_us != 0) {
        log_info("the run directory can be written again; the run goes on");
    }
    master->paused_us = 0;
    master->wake_us = UINT64_MAX;
}

enum status master_hold(struct master *master, const char *reason, uint64_t now_us,
                        struct error *err)
{
    char patience[QUANTITY_TEXT_SIZE];
    if (master->unkept_us == 0) {
        master->unkept_us = now_us;
        log_warning("%s; the run pauses, and tries again for %s", reason,
                    quantity_time_text(master->options.patience_us * 1000, patience));
    } else if (now_us - master->unkept_us >= master->options.patience_us) {
        return master_give_up(master, reason, now_us, err);
    }
    master->hold_us = now_us + AGAIN_US;
    return STATUS_OK;
}

/* --sync always: what was written goes to disk as one group, and while it is on its way, the next
 * group gathers. Between two groups the loop acts, on what is on disk and on what came since. That
 * must not wait for a moment with nothing on its way, which may never come. */
static bool is_group_on_disk(struct master *master, uint64_t now_us)
{
    if (master->options.sync != SYNC_ALWAYS) {
        return true;
    }
    if (!master->is_sync_awaited && run_log_written(master->log) > master->sync_mark) {
        master->sync_mark = run_log_written(master->log);
        master->is_sync_awaited = true;
    }
    if (master->is_sync_awaited && !log_sync_is_done(master->sync, master->sync_mark)) {
        master->wake_us = now_us + LOOK_AGAIN_US;
        return false;
    }
    master->is_sync_awaited = false;
    return true;
}

enum status master_write_out(struct master *master, uint64_t now_us, bool *may_act_out,
                             struct error *err)
{
    struct error reason;
    *may_act_out = false;
    if (!run_lock_is_held(master->lock)) {
        return master_give_up(master, "another process has taken this run over", now_us, err);
    }
    if (master->paused_us != 0 && now_us < master->wake_us &&
        now_us < master_pause_end_us(master)) {
        return STATUS_OK;
    }
    const bool is_written = run_log_flush(master->log, &reason) == STATUS_OK;
    log_sync_written(master->sync, run_log_written(master->log));
    if (!is_written || log_sync_failure(master->sync, &reason)) {
        return master_pause(master, reason.text, now_us, err);
    }
    master_note_recorded(master);
    if (master->state == MASTER_RUNNING) {
        master_go_on(master);
    }
    *may_act_out = master->state != MASTER_RUNNING || is_group_on_disk(master, now_us);
    return STATUS_OK;
}
