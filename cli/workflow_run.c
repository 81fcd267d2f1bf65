#include "cli/workflow_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/workflow_maps.h"
#include "master/master_maps.h"
#include "master/workflow.h"
#include "master/workflow_process.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "worker/workflow_zygote.h"

#define EXIT_FAILED 1
#define EXIT_RESUMABLE 75

struct workflow_run {
    struct master *master;
    struct zygote *zygote;
    const struct request *request;
    struct buffer parameters; /* packed */
    struct workflow_maps maps;
    struct workflow_zygote *process; /* NULL: it has not begun, or has ended */
    struct workflow_host *host;
    bool has_begun;
    bool has_departed;
};

struct zygote_duties workflow_run_duties(void)
{
    return workflow_zygote_duties(workflow_process_run);
}

/* ---- Its life ---------------------------------------------------------------------------------
 */

static enum status take_parameters(struct workflow_run *run, struct error *err)
{
    const struct span all = {.start = 0, .count = 1};
    return inputs_pack(run->request->inputs, &all, 1, &run->parameters, err);
}

enum status workflow_run_create(struct master *master, struct zygote *zygote,
                                const struct request *request, struct workflow_run **run_out,
                                struct error *err)
{
    struct workflow_run *run = memory_take(1, sizeof(*run));
    run->master = master;
    run->zygote = zygote;
    run->request = request;
    enum status status = take_parameters(run, err);
    if (status == STATUS_OK) {
        status = workflow_maps_open(&run->maps, master, request, err);
    }
    if (status != STATUS_OK) {
        workflow_run_destroy(run);
        return status;
    }
    *run_out = run;
    return STATUS_OK;
}

void workflow_run_destroy(struct workflow_run *run)
{
    if (run == NULL) {
        return;
    }
    workflow_zygote_destroy(run->process);
    workflow_destroy(run->host);
    workflow_maps_close(&run->maps);
    buffer_free(&run->parameters);
    free(run);
}

bool workflow_run_has_departed(const struct workflow_run *run)
{
    return run->has_departed;
}

/* ---- The loop ---------------------------------------------------------------------------------
 */

static enum status begin(struct workflow_run *run, struct error *err)
{
    const struct request *request = run->request;
    int socket = -1;
    run->has_begun = true;
    const enum status status = workflow_zygote_start(run->zygote, request->job, request->launch_dir,
                                                     &run->process, &socket, err);
    if (status != STATUS_OK) {
        return status;
    }
    const struct workflow_options options = {
        .job = request->job,
        .workflow = request->workflow,
        .run_dir = request->run_dir,
        .launch_dir = request->launch_dir,
        .run = request->map,
        .parameters = run->parameters.data,
        .parameters_size = run->parameters.size,
        .engine = {.begin = workflow_maps_begin, .context = &run->maps},
        .socket = socket};
    return workflow_start(&options, &run->host, err);
}

static void end_process(struct workflow_run *run)
{
    workflow_zygote_destroy(run->process);
    run->process = NULL;
}

static void mind_process(struct workflow_run *run, bool *did_something)
{
    struct error reason;
    int wait_status = 0;
    if (!workflow_zygote_turn(run->process, &wait_status, &reason)) {
        return;
    }
    *did_something = true;
    if (reason.text[0] != '\0') {
        workflow_process_failed(run->host, reason.text);
    } else {
        workflow_process_ended(run->host, wait_status);
    }
    end_process(run);
}

/* By a session that was cut off before its verdict. What a function gives follows from what is
 * recorded, so that it is the same. */
static bool is_output_recorded(const struct workflow_run *run)
{
    return run->maps.past.has_output && !run->request->revives_failed;
}

/* The master ends the run. It says how the run stands; why, is said here. */
static enum status finish(struct workflow_run *run, const struct workflow_outcome *outcome,
                          uint64_t now_us, struct error *err)
{
    const char *name = run->request->workflow->name;
    int exit_status = 0;
    const struct buffer *output = NULL;
    switch (outcome->kind) {
    case WORKFLOW_SUCCEEDED:
        output = is_output_recorded(run) ? NULL : outcome->output;
        break;
    case WORKFLOW_FAILED:
        exit_status = EXIT_FAILED;
        log_error("workflow %s failed: %s", name, outcome->text);
        break;
    case WORKFLOW_KILLED:
        exit_status = EXIT_RESUMABLE;
        log_error("workflow %s: %s; the run ends and can be resumed", name, outcome->text);
        break;
    case WORKFLOW_DEPARTED:
        exit_status = EXIT_RESUMABLE;
        run->has_departed = true;
        log_error("workflow %s departs from what %s has recorded: %s", name, run->request->run_dir,
                  outcome->text);
        break;
    case WORKFLOW_GOES_ON:
        return STATUS_OK;
    }
    end_process(run);
    return master_finish(run->master, exit_status, output != NULL ? output->data : NULL,
                         output != NULL ? output->size : 0, now_us, err);
}

/* Is its success one of what is recorded? */
static enum status finish_checked(struct workflow_run *run, uint64_t now_us, struct error *err)
{
    struct workflow_outcome outcome = workflow_outcome(run->host);
    struct error departure;
    if (outcome.kind == WORKFLOW_SUCCEEDED &&
        workflow_maps_check_end(&run->maps, outcome.map_count, &departure) != STATUS_OK) {
        outcome.kind = WORKFLOW_DEPARTED;
        outcome.text = departure.text;
    }
    return finish(run, &outcome, now_us, err);
}

/* One that cannot even begin has failed, like one that crashes. */
static enum status start(struct workflow_run *run, uint64_t now_us, struct error *err)
{
    struct error reason;
    if (begin(run, &reason) == STATUS_OK) {
        return STATUS_OK;
    }
    const struct workflow_outcome outcome = {.kind = WORKFLOW_FAILED, .text = reason.text};
    return finish(run, &outcome, now_us, err);
}

static enum status turn(void *context, uint64_t now_us, bool *did_something, struct error *err)
{
    struct workflow_run *run = context;
    enum status status = STATUS_OK;
    if (!run->has_begun && master_may_begin(run->master)) {
        *did_something = true;
        status = start(run, now_us, err);
    }
    if (status != STATUS_OK || run->host == NULL) {
        return status;
    }
    run->maps.now_us = now_us;
    workflow_maps_take_ends(&run->maps, run->host, did_something);
    if (run->process == NULL) {
        return STATUS_OK;
    }
    if (master_is_ending(run->master)) {
        end_process(run); /* early: it runs again when the run goes on */
        return STATUS_OK;
    }
    mind_process(run, did_something);
    workflow_turn(run->host, did_something);
    if (workflow_outcome(run->host).kind == WORKFLOW_GOES_ON) {
        return STATUS_OK;
    }
    *did_something = true;
    return finish_checked(run, now_us, err);
}

static size_t descriptors(void *context, struct pollfd fds[SESSION_GUEST_FD_COUNT_MAX])
{
    const struct workflow_run *run = context;
    bool wants_to_send = false;
    if (run->process == NULL) {
        return 0;
    }
    _Static_assert(WORKFLOW_ZYGOTE_FD_COUNT < SESSION_GUEST_FD_COUNT_MAX, "and the socket");
    workflow_zygote_descriptors(run->process, fds);
    const int socket = workflow_descriptor(run->host, &wants_to_send);
    fds[WORKFLOW_ZYGOTE_FD_COUNT] =
        (struct pollfd){.fd = socket, .events = (short)(POLLIN | (wants_to_send ? POLLOUT : 0))};
    return WORKFLOW_ZYGOTE_FD_COUNT + 1;
}

struct session_guest workflow_run_guest(struct workflow_run *run)
{
    return (struct session_guest){.turn = turn, .descriptors = descriptors, .context = run};
}
