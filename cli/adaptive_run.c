#include "cli/adaptive_run.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>

#include "master/master_inputs.h"
#include "master/sampler.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/path.h"

#define SAMPLER_FILE "python/optuna_sampler.py"
/* One that is not ready by then is said to be waited for. */
#define PATIENCE_MS 10000
/* One that has said nothing for so long, while nothing is at work, is asked again. */
#define QUIET_US_MAX 1000000

struct adaptive_run {
    struct master *master;
    struct adaptive *adaptive;
    struct sampler *sampler; /* NULL: it is not needed any more */
    bool is_closed;          /* the master knows that no more inputs come */
    bool has_failed;
    bool is_error_told; /* of an expression */
    uint64_t quiet_us;  /* since when nothing is at work, and nothing was said; 0: it is not so */
};

/* ---- Its start --------------------------------------------------------------------------------
 */

static enum status start_sampler(struct adaptive_run *run, const char *command, struct error *err)
{
    char file[PATH_MAX];
    path_of_module(SAMPLER_FILE, file, sizeof(file));
    const char *const shell[] = {"/bin/sh", "-c", command, NULL};
    const char *const shipped[] = {"python3", file, NULL};
    return sampler_start(command != NULL ? shell : shipped, &run->sampler, err);
}

/* Take the lines that are there. Fails with what is wrong. */
static enum status take_lines(struct adaptive_run *run, struct error *err)
{
    const char *line = NULL;
    size_t size = 0;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && sampler_next_line(run->sampler, &line, &size)) {
        run->quiet_us = 0;
        status = adaptive_take(run->adaptive, line, size, sampler_outbox(run->sampler), err);
    }
    return status;
}

static enum status get_ready(struct adaptive_run *run, struct error *err)
{
    struct pollfd fds[SAMPLER_FD_COUNT_MAX];
    bool is_told = false;
    const char *how = NULL;
    enum status status = adaptive_greet(run->adaptive, sampler_outbox(run->sampler), err);
    while (status == STATUS_OK && !adaptive_is_ready(run->adaptive)) {
        bool did_something = false;
        sampler_turn(run->sampler, &did_something);
        status = take_lines(run, err);
        if (status == STATUS_OK && !adaptive_is_ready(run->adaptive) &&
            sampler_has_ended(run->sampler, &how)) {
            return error_set(err, STATUS_INVALID, "the sampler %s before it was ready", how);
        }
        if (!did_something && poll(fds, sampler_descriptors(run->sampler, fds), PATIENCE_MS) == 0 &&
            !is_told) {
            is_told = true;
            log_info("waiting for the sampler to be ready");
        }
    }
    return status;
}

/* ---- Earlier sessions -------------------------------------------------------------------------
 */

static enum sampler_state state_of(enum instance_state state)
{
    return state == INSTANCE_SUCCEEDED || state == INSTANCE_CACHED ? SAMPLER_SUCCEEDED
           : state == INSTANCE_STOPPED_EARLY                       ? SAMPLER_STOPPED_EARLY
                                                                   : SAMPLER_FAILED;
}

static enum status recall(struct adaptive_run *run, const struct adaptive_run_options *options,
                          struct error *err)
{
    struct buffer packed = {0};
    const struct span all = {.count = inputs_available(options->inputs)};
    enum status status =
        all.count > 0 ? inputs_pack(options->inputs, &all, 1, &packed, err) : STATUS_OK;
    if (status == STATUS_OK) {
        status = adaptive_recall(run->adaptive, packed.data, packed.size, all.count, err);
    }
    buffer_free(&packed);
    for (uint64_t i = 0; options->past != NULL && i < adaptive_count(run->adaptive); i++) {
        const struct configuration_summary summary = trial_metrics_configuration(options->past, i);
        if (status == STATUS_OK && summary.has_ended) {
            status = adaptive_note_end(run->adaptive, i, state_of(summary.state),
                                       summary.has_value ? summary.value : NAN,
                                       sampler_outbox(run->sampler));
        }
    }
    return status;
}

enum status adaptive_run_start(const struct adaptive_run_options *options,
                               struct adaptive_run **run_out, struct error *err)
{
    struct adaptive_run *run = memory_take(1, sizeof(*run));
    enum status status = adaptive_create(&options->adaptive, &run->adaptive, err);
    if (status == STATUS_OK) {
        status = start_sampler(run, options->command, err);
    }
    if (status == STATUS_OK) {
        status = recall(run, options, err);
    }
    if (status == STATUS_OK) {
        status = get_ready(run, err);
    }
    if (status != STATUS_OK) {
        adaptive_run_destroy(run);
        return status;
    }
    *run_out = run;
    return STATUS_OK;
}

void adaptive_run_destroy(struct adaptive_run *run)
{
    if (run != NULL) {
        sampler_destroy(run->sampler);
        adaptive_destroy(run->adaptive);
        free(run);
    }
}

/* ---- The loop ---------------------------------------------------------------------------------
 */

static enum status tell_event(struct adaptive_run *run, const struct trial_event *event)
{
    struct buffer *out = sampler_outbox(run->sampler);
    const double value = event->has_value ? event->value : NAN;
    switch (event->kind) {
    case TRIAL_REPORTED:
        return adaptive_note_report(run->adaptive, event->configuration, event->step, value, out);
    case TRIAL_ENDED:
        return adaptive_note_end(run->adaptive, event->configuration, state_of(event->state), value,
                                 out);
    }
    return STATUS_OK;
}

static enum status tell_events(struct adaptive_run *run, bool *did_something, struct error *err)
{
    struct trial_metrics *metrics = master_trial_metrics(run->master);
    struct trial_event event;
    while (trial_metrics_next_event(metrics, &event)) {
        *did_something = true;
        if (tell_event(run, &event) != STATUS_OK) {
            return error_set(err, STATUS_NO_MEMORY, "no memory for what a sampler is told");
        }
    }
    return STATUS_OK;
}

/* What was accepted is in the record before it is handed out. */
static enum status pass_on(struct adaptive_run *run, bool *did_something, struct error *err)
{
    const uint8_t *packed = NULL;
    size_t size = 0;
    const uint64_t count = adaptive_fresh(run->adaptive, &packed, &size);
    const char *expression = adaptive_expression_error(run->adaptive);
    if (expression != NULL && !run->is_error_told) {
        run->is_error_told = true;
        log_warning("an expression has failed, and counts as one that does not hold: %s",
                    expression);
    }
    if (count == 0) {
        return STATUS_OK;
    }
    *did_something = true;
    const enum status status = master_add_inputs(run->master, packed, size, count, err);
    adaptive_clear_fresh(run->adaptive);
    return status;
}

static void mind_done(struct adaptive_run *run)
{
    if (adaptive_is_done(run->adaptive) && !run->is_closed) {
        run->is_closed = true;
        master_end_inputs(run->master);
    }
}

static enum status ask(struct adaptive_run *run, uint64_t now_us)
{
    struct buffer *out = sampler_outbox(run->sampler);
    const uint64_t room = master_asks_for(run->master);
    const enum status status = adaptive_ask(run->adaptive, room, out);
    if (status != STATUS_OK || room == 0 || master_is_at_work(run->master)) {
        run->quiet_us = 0;
        return status;
    }
    run->quiet_us = run->quiet_us > 0 ? run->quiet_us : now_us;
    return now_us - run->quiet_us >= QUIET_US_MAX ? adaptive_ask_again(run->adaptive, out)
                                                  : STATUS_OK;
}

/* One that is not needed any more may end as it likes. */
static enum status converse(struct adaptive_run *run, uint64_t now_us, bool *did_something,
                            struct error *err)
{
    const char *how = NULL;
    enum status status = tell_events(run, did_something, err);
    if (status == STATUS_OK) {
        sampler_turn(run->sampler, did_something);
        status = take_lines(run, err);
    }
    if (status == STATUS_OK) {
        status = pass_on(run, did_something, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    mind_done(run);
    if (!adaptive_is_done(run->adaptive) && sampler_has_ended(run->sampler, &how)) {
        return error_set(err, STATUS_INVALID, "the sampler %s", how);
    }
    return ask(run, now_us) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory for what a sampler is asked");
}

/* Nothing it says matters, and nor does its end; what comes of the last trials it is told. */
static void hear_out(struct adaptive_run *run, bool *did_something)
{
    const char *line = NULL;
    size_t size = 0;
    struct error ignored;
    (void)!tell_events(run, did_something, &ignored);
    sampler_turn(run->sampler, did_something);
    while (sampler_next_line(run->sampler, &line, &size)) {
        *did_something = true;
    }
}

static enum status turn(void *context, uint64_t now_us, bool *did_something, struct error *err)
{
    struct adaptive_run *run = context;
    struct error reason;
    if (run->has_failed) {
        return STATUS_OK;
    }
    if (!master_takes_inputs(run->master)) {
        hear_out(run, did_something);
        return STATUS_OK;
    }
    if (converse(run, now_us, did_something, &reason) == STATUS_OK) {
        return STATUS_OK;
    }
    run->has_failed = true;
    *did_something = true;
    log_error("%s; the run ends and can be resumed", reason.text);
    return master_stop_for(run->master, "without its sampler", now_us, err);
}

static size_t descriptors(void *context, struct pollfd fds[SESSION_GUEST_FD_COUNT_MAX])
{
    const struct adaptive_run *run = context;
    _Static_assert(SAMPLER_FD_COUNT_MAX <= SESSION_GUEST_FD_COUNT_MAX, "they are the sampler's");
    return run->has_failed ? 0 : sampler_descriptors(run->sampler, fds);
}

struct session_guest adaptive_run_guest(struct adaptive_run *run, struct master *master)
{
    run->master = master;
    trial_metrics_listen(master_trial_metrics(master));
    return (struct session_guest){.turn = turn, .descriptors = descriptors, .context = run};
}
