#include "master/workflow.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/criterion.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/reduction.h"
#include "shared/workflow_port.h"

/* Of a workflow's own output. */
#define OUTPUT_SIZE_MAX ((uint64_t)1 << 32)
#define MESSAGES_A_TURN_MAX 64

/* What the process has not been told yet. */
struct over {
    uint64_t number;
    char *text;           /* NULL: it succeeded, */
    struct buffer places; /* and its outputs are there, */
    uint64_t missing;     /* but for those of so many instances */
};

struct workflow_host {
    struct workflow_options options;
    struct arena arena; /* of the message in hand */
    uint64_t next_number;
    struct over *overs; /* in order */
    size_t over_first;
    size_t over_count;
    size_t over_capacity;
    enum workflow_end_kind end;
    char text[WORKFLOW_TEXT_SIZE_MAX];
    struct buffer output;
};

/* ---- How it ends ------------------------------------------------------------------------------
 */

static void end(struct workflow_host *host, enum workflow_end_kind kind, const char *text)
{
    if (host->end == WORKFLOW_GOES_ON) {
        host->end = kind;
        (void)snprintf(host->text, sizeof(host->text), "%s", text);
    }
}

struct workflow_outcome workflow_outcome(const struct workflow_host *host)
{
    return (struct workflow_outcome){.kind = host->end,
                                     .text = host->text,
                                     .output = &host->output,
                                     .map_count = host->next_number};
}

/* A SIGKILL is not the function's own doing: most often, memory has run out. */
static void end_by_status(struct workflow_host *host, int wait_status)
{
    struct error text;
    if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL) {
        end(host, WORKFLOW_KILLED, "its process was ended by a SIGKILL");
    } else if (WIFSIGNALED(wait_status)) {
        (void)error_set(&text, STATUS_INVALID, "crash: its process ended with SIG%s (%s)",
                        sigabbrev_np(WTERMSIG(wait_status)), strsignal(WTERMSIG(wait_status)));
        end(host, WORKFLOW_FAILED, text.text);
    } else {
        (void)error_set(&text, STATUS_INVALID, "exit: its process ended with exit status %d",
                        WEXITSTATUS(wait_status));
        end(host, WORKFLOW_FAILED, text.text);
    }
}

/* ---- What it asks for -------------------------------------------------------------------------
 */

static void note_over(struct workflow_host *host, struct over over)
{
    host->overs =
        memory_grow(host->overs, host->over_count, &host->over_capacity, sizeof(*host->overs));
    host->overs[host->over_count++] = over;
}

void workflow_map_succeeded(struct workflow_host *host, uint64_t number, uint64_t missing,
                            struct buffer *places)
{
    note_over(host, (struct over){.number = number, .places = *places, .missing = missing});
    *places = (struct buffer){.size = 0};
}

void workflow_map_failed(struct workflow_host *host, uint64_t number, const char *text)
{
    note_over(host, (struct over){.number = number, .text = memory_copy_text(text)});
}

/* What the run says holds for its maps, whatever their tasks say. */
static void lay_run(struct map_options *options, const struct map_options *run)
{
    options->grace_ns = run->grace_ns;
    options->time_limit_ns = run->time_limit_ns;
    options->lost_after_ns = run->lost_after_ns;
    options->seed = run->seed;
    options->output_size_max = run->output_size_max;
    options->capture = run->capture;
}

/* The process has checked all this, but it is not believed. */
static enum status check_options(const struct workflow_host *host, const struct workflow_map *map,
                                 struct workflow_request *request, struct error *err)
{
    struct map_option_texts given;
    for (size_t i = 0; i < MAP_OPTION_COUNT; i++) {
        given.names[i] = "an option";
        given.texts[i] = map->options[i];
    }
    request->task = job_task(host->options.job, map->task, err);
    if (request->task == NULL) {
        return STATUS_NOT_FOUND;
    }
    request->options = request->task->options;
    request->options.speculate = request->task->is_idempotent;
    const enum status status = map_options_lay(&given, &request->options, err);
    lay_run(&request->options, &host->options.run);
    return status;
}

static enum status describe_reducer(struct workflow_host *host, const struct workflow_map *map,
                                    const struct reduction *reduction,
                                    struct workflow_request *request, struct error *err)
{
    struct buffer text = {0};
    if (reduction_describe(reduction, map->reducer, &text) == STATUS_OK) {
        request->reduced_by = arena_copy(&host->arena, text.data, text.size);
    }
    buffer_free(&text);
    return request->reduced_by != NULL
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory for a map that is reduced");
}

static enum status check_reducer(struct workflow_host *host, const struct workflow_map *map,
                                 struct workflow_request *request, struct error *err)
{
    struct reduction *reduction = NULL;
    if (map->reducer == NULL) {
        return STATUS_OK;
    }
    if (map->is_call) {
        return error_set(err, STATUS_INVALID, "a call has one output: there is nothing to reduce");
    }
    enum status status =
        reduction_open(host->options.job, map->reducer, request->task->output, &reduction, err);
    if (status == STATUS_OK) {
        request->is_ordered = reduction->is_ordered;
        status = describe_reducer(host, map, reduction, request, err);
    }
    reduction_destroy(reduction);
    return status;
}

static enum status open_inputs(const struct workflow_host *host, const struct workflow_map *map,
                               int file, struct workflow_request *request, struct error *err)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    struct inputs_source source = {.kind = INPUTS_FILE,
                                   .path = path,
                                   .format = INPUTS_FORMAT_MSGPACK,
                                   .launch_dir = host->options.launch_dir};
    if (map->range != NULL) {
        source = (struct inputs_source){
            .kind = INPUTS_RANGE, .range = map->range, .launch_dir = host->options.launch_dir};
    }
    enum status status = inputs_open(&source, request->task->input, &request->inputs, err);
    if (status == STATUS_OK && inputs_count(request->inputs) != map->size) {
        status = error_set(err, STATUS_PROTOCOL,
                           "%" PRIu64 " inputs were announced, and %" PRIu64 " came", map->size,
                           inputs_count(request->inputs));
    }
    return status == STATUS_OK
               ? criterion_minimum(&request->options.criterion, map->size, &request->minimum, err)
               : status;
}

static enum status begin_map(struct workflow_host *host, const struct workflow_map *map, int file,
                             struct error *err)
{
    struct workflow_request request = {.number = map->number,
                                       .is_call = map->is_call,
                                       .cache = map->cache,
                                       .cache_version = map->cache_version,
                                       .reducer = map->reducer};
    enum status status = check_options(host, map, &request, err);
    if (status == STATUS_OK) {
        status = check_reducer(host, map, &request, err);
    }
    if (status == STATUS_OK) {
        status = open_inputs(host, map, file, &request, err);
    }
    if (status == STATUS_OK) {
        status = host->options.engine.begin(host->options.engine.context, &request, err);
    }
    if (status != STATUS_OK) {
        inputs_close(request.inputs);
    }
    return status;
}

static enum status on_map(struct workflow_host *host, const struct workflow_map *map, int file,
                          struct error *err)
{
    if (map->number != host->next_number || file < 0) {
        return error_set(err, STATUS_PROTOCOL, "it asks for map %" PRIu64 ", which is none",
                         map->number);
    }
    host->next_number++;
    const enum status status = begin_map(host, map, file, err);
    if (status == STATUS_EXISTS) {
        end(host, WORKFLOW_DEPARTED, err->text);
    } else if (status != STATUS_OK) {
        workflow_map_failed(host, map->number, err->text);
    }
    return STATUS_OK;
}

static enum status on_end(struct workflow_host *host, const struct workflow_end *message, int file,
                          struct error *err)
{
    if (!message->is_success) {
        end(host, WORKFLOW_FAILED, message->text);
        return STATUS_OK;
    }
    if (file < 0) {
        return error_set(err, STATUS_PROTOCOL, "its output is missing");
    }
    const enum status status = workflow_port_read_file(file, OUTPUT_SIZE_MAX, &host->output, err);
    if (status == STATUS_OK) {
        end(host, WORKFLOW_SUCCEEDED, "");
    }
    return status;
}

static enum status take_one(struct workflow_host *host, bool *is_message_out, struct error *err)
{
    struct workflow_message message;
    int file = -1;
    arena_reset(&host->arena);
    enum status status = workflow_port_receive(host->options.socket, false, &host->arena, &message,
                                               &file, is_message_out, err);
    if (status != STATUS_OK || !*is_message_out) {
        return status;
    }
    switch (message.kind) {
    case WORKFLOW_MAP:
        status = on_map(host, &message.as.map, file, err);
        break;
    case WORKFLOW_END:
        status = on_end(host, &message.as.end, file, err);
        break;
    case WORKFLOW_BEGIN:
    case WORKFLOW_OVER:
        status = error_set(err, STATUS_PROTOCOL, "it says what only rank 0 does");
        break;
    }
    if (file >= 0) {
        (void)close(file);
    }
    return status;
}

/* The end of the socket is the end of the process, of which the zygote tells. */
static void on_failure(struct workflow_host *host, enum status status, const struct error *reason)
{
    if (status != STATUS_IO) {
        end(host, WORKFLOW_FAILED, reason->text);
        log_warning("workflow ended reason=malformed: %s", reason->text);
    }
    (void)close(host->options.socket);
    host->options.socket = -1;
}

static void take_messages(struct workflow_host *host, bool *did_something)
{
    struct error err = {""};
    bool is_message = true;
    enum status status = STATUS_OK;
    for (int i = 0; i < MESSAGES_A_TURN_MAX && is_message && status == STATUS_OK &&
                    host->options.socket >= 0 && host->end == WORKFLOW_GOES_ON;
         i++) {
        status = take_one(host, &is_message, &err);
        *did_something = *did_something || is_message;
    }
    if (status != STATUS_OK) {
        *did_something = true;
        on_failure(host, status, &err);
    }
}

/* ---- What it is told --------------------------------------------------------------------------
 */

static void free_over(struct over *over)
{
    free(over->text);
    buffer_free(&over->places);
}

/* Fails where the process has ended, which the zygote tells, or there is no memory for places. */
static enum status send_over(struct workflow_host *host, const struct over *over, bool *is_sent_out,
                             struct error *err)
{
    const bool is_success = over->text == NULL;
    const struct workflow_message message = {.kind = WORKFLOW_OVER,
                                             .as.over = {.number = over->number,
                                                         .is_success = is_success,
                                                         .missing = over->missing,
                                                         .text = is_success ? "" : over->text}};
    int file = -1;
    enum status status = is_success ? workflow_port_file(&over->places, &file, err) : STATUS_OK;
    *is_sent_out = false;
    if (status == STATUS_OK) {
        status = workflow_port_offer(host->options.socket, &message, file, is_sent_out, err);
    }
    if (file >= 0) {
        (void)close(file);
    }
    return status;
}

static void send_overs(struct workflow_host *host, bool *did_something)
{
    struct error err;
    bool is_sent = true;
    while (is_sent && host->options.socket >= 0 && host->over_first < host->over_count) {
        struct over *over = &host->overs[host->over_first];
        const enum status status = send_over(host, over, &is_sent, &err);
        if (status != STATUS_OK && status != STATUS_IO) {
            end(host, WORKFLOW_FAILED, err.text);
        }
        if (is_sent) {
            *did_something = true;
            free_over(over);
            host->over_first++;
        }
    }
    if (host->over_first == host->over_count) {
        host->over_first = 0;
        host->over_count = 0;
    }
}

void workflow_turn(struct workflow_host *host, bool *did_something)
{
    take_messages(host, did_something);
    if (host->end == WORKFLOW_GOES_ON) {
        send_overs(host, did_something);
    }
}

int workflow_descriptor(const struct workflow_host *host, bool *wants_to_send_out)
{
    *wants_to_send_out = host->over_first < host->over_count;
    return host->end == WORKFLOW_GOES_ON ? host->options.socket : -1;
}

void workflow_process_ended(struct workflow_host *host, int wait_status)
{
    bool did_something = true;
    while (did_something && host->options.socket >= 0) {
        did_something = false;
        take_messages(host, &did_something);
    }
    end_by_status(host, wait_status);
}

void workflow_process_failed(struct workflow_host *host, const char *reason)
{
    end(host, WORKFLOW_FAILED, reason);
}

/* ---- Its life ---------------------------------------------------------------------------------
 */

static enum status send_begin(const struct workflow_options *options, struct error *err)
{
    const struct workflow_message message = {.kind = WORKFLOW_BEGIN,
                                             .as.begin = {.workflow = options->workflow->name,
                                                          .run_dir = options->run_dir,
                                                          .launch_dir = options->launch_dir}};
    struct buffer parameters = {0};
    int file = -1;
    enum status status = buffer_append(&parameters, options->parameters, options->parameters_size);
    status = status == STATUS_OK ? workflow_port_file(&parameters, &file, err)
                                 : error_set(err, status, "no memory for parameters");
    if (status == STATUS_OK) {
        status = workflow_port_send(options->socket, &message, file, err);
        (void)close(file);
    }
    buffer_free(&parameters);
    return status;
}

enum status workflow_start(const struct workflow_options *options, struct workflow_host **host_out,
                           struct error *err)
{
    const enum status status = send_begin(options, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct workflow_host *host = memory_take(1, sizeof(*host));
    host->options = *options;
    *host_out = host;
    return STATUS_OK;
}

void workflow_destroy(struct workflow_host *host)
{
    if (host == NULL) {
        return;
    }
    for (size_t i = host->over_first; i < host->over_count; i++) {
        free_over(&host->overs[i]);
    }
    free(host->overs);
    if (host->options.socket >= 0) {
        (void)close(host->options.socket);
    }
    buffer_free(&host->output);
    arena_free(&host->arena);
    free(host);
}
