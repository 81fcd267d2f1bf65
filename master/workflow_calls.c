#include "master/workflow_process_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/criterion.h"
#include "shared/memory.h"
#include "shared/value.h"
#include "shared/workflow_port.h"

/* Rank 0 has gone, and takes the run with it. */
#define EXIT_ORPHANED 75
#define PLACES_SIZE_MAX (UINT64_C(1) << 40)

/* ---- Options ----------------------------------------------------------------------------------
 */

static const char *const option_names[MAP_OPTION_COUNT] = {
    [MAP_OPTION_MIN_SUCCESS_RATIO] = "min_success_ratio",
    [MAP_OPTION_MIN_SUCCESSES] = "min_successes",
    [MAP_OPTION_MAX_FAILURES] = "max_failures",
    [MAP_OPTION_POLICY] = "policy",
    [MAP_OPTION_CAPTURE] = "capture",
    [MAP_OPTION_RETRIES] = "retries",
    [MAP_OPTION_RETRY_DELAY] = "retry_delay",
    [MAP_OPTION_SYSTEM_RETRIES] = "system_retries",
    [MAP_OPTION_TIMEOUT] = "timeout",
    [MAP_OPTION_MEM] = "mem",
    [MAP_OPTION_MEM_GROWTH] = "mem_growth",
    [MAP_OPTION_CPUS] = "cpus",
    [MAP_OPTION_GPUS] = "gpus",
    [MAP_OPTION_CONCURRENCY] = "concurrency",
    [MAP_OPTION_DELAY] = "delay",
    [MAP_OPTION_GRACE] = "grace",
    [MAP_OPTION_TIME_LIMIT] = "time_limit",
    [MAP_OPTION_LOST_AFTER] = "lost_after",
    [MAP_OPTION_MAX_OUTPUT] = "max_output",
    [MAP_OPTION_SEED] = "seed",
    [MAP_OPTION_UNIT_SIZE] = "unit_size",
};

/* Those that are of the whole run have no field, and stay NULL. */
static struct map_option_texts option_texts(const mf_map_options *options)
{
    struct map_option_texts given = {.texts = {NULL}};
    memcpy(given.names, option_names, sizeof(option_names));
    if (options == NULL) {
        return given;
    }
    given.texts[MAP_OPTION_MIN_SUCCESS_RATIO] = options->min_success_ratio;
    given.texts[MAP_OPTION_MIN_SUCCESSES] = options->min_successes;
    given.texts[MAP_OPTION_MAX_FAILURES] = options->max_failures;
    given.texts[MAP_OPTION_POLICY] = options->policy;
    given.texts[MAP_OPTION_RETRIES] = options->retries;
    given.texts[MAP_OPTION_RETRY_DELAY] = options->retry_delay;
    given.texts[MAP_OPTION_SYSTEM_RETRIES] = options->system_retries;
    given.texts[MAP_OPTION_TIMEOUT] = options->timeout;
    given.texts[MAP_OPTION_MEM] = options->mem;
    given.texts[MAP_OPTION_MEM_GROWTH] = options->mem_growth;
    given.texts[MAP_OPTION_CPUS] = options->cpus;
    given.texts[MAP_OPTION_GPUS] = options->gpus;
    given.texts[MAP_OPTION_CONCURRENCY] = options->concurrency;
    given.texts[MAP_OPTION_DELAY] = options->delay;
    given.texts[MAP_OPTION_UNIT_SIZE] = options->unit_size;
    return given;
}

static enum status check_cache(const struct task *task, const mf_map_options *options,
                               struct error *err)
{
    const char *mode = options != NULL ? options->cache : NULL;
    const bool has_version =
        (options != NULL && options->cache_version != NULL) || task->cache_version != NULL;
    if (mode == NULL || strcmp(mode, "off") == 0) {
        return STATUS_OK;
    }
    if (strcmp(mode, "use") != 0 && strcmp(mode, "refresh") != 0) {
        return error_set(err, STATUS_INVALID,
                         "cache: \"%s\" is unknown: expected use, refresh or off", mode);
    }
    return has_version ? STATUS_OK
                       : error_set(err, STATUS_INVALID,
                                   "cache: the task has no cache_version: give cache_version too");
}

/* ---- Asking -----------------------------------------------------------------------------------
 */

/* Can the map succeed without all of its instances? Then holes belong to its type. */
static bool allows_failures(const struct criterion *criterion)
{
    switch (criterion->kind) {
    case CRITERION_ALL:
        return false;
    case CRITERION_MIN_RATIO:
        return strtod(criterion->ratio, NULL) < 1;
    case CRITERION_MIN_SUCCESSES:
        return true;
    case CRITERION_MAX_FAILURES:
        return criterion->count > 0;
    }
    return true;
}

/* The type of what it gives: T or list<T>; T? or list<T?>. */
static enum status output_type(const struct task *task, bool is_call,
                               const struct map_options *options, struct type **type_out,
                               struct error *err)
{
    struct buffer text = {0};
    const bool has_holes = allows_failures(&options->criterion);
    enum status status = is_call ? STATUS_OK : buffer_append(&text, "list<", 5);
    if (status == STATUS_OK) {
        status = type_format(task->output, &text);
    }
    if (status == STATUS_OK) {
        status = buffer_printf(&text, "%s%s", has_holes ? "?" : "", is_call ? "" : ">");
    }
    if (status == STATUS_OK) {
        status = buffer_append_byte(&text, '\0');
    }
    if (status == STATUS_OK) {
        status = type_parse((const char *)text.data, type_out, err);
    } else {
        (void)error_set(err, status, "no memory");
    }
    buffer_free(&text);
    return status;
}

static enum status check_options(const struct task *task, const mf_map_options *given,
                                 struct map_options *options_out, struct error *err)
{
    const struct map_option_texts texts = option_texts(given);
    *options_out = task->options;
    const enum status status = map_options_lay(&texts, options_out, err);
    return status == STATUS_OK ? check_cache(task, given, err) : status;
}

static enum status send_map(mf_workflow *wf, const mf_running *running,
                            const struct workflow_call *call, const mf_map_options *options,
                            const struct buffer *inputs, struct error *err)
{
    const struct map_option_texts texts = option_texts(options);
    struct workflow_message message = {
        .kind = WORKFLOW_MAP,
        .as.map = {.number = running->number,
                   .is_call = running->is_call,
                   .task = running->task->name,
                   .cache = options != NULL ? options->cache : NULL,
                   .cache_version = options != NULL ? options->cache_version : NULL,
                   .reducer = call->reducer,
                   .range = options != NULL ? options->range : NULL,
                   .size = running->size}};
    int file = -1;
    memcpy(message.as.map.options, texts.texts, sizeof(texts.texts));
    enum status status = workflow_port_file(inputs, &file, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = workflow_port_send(wf->socket, &message, file, err);
    (void)close(file);
    return status;
}

static void add_map(mf_workflow *wf, mf_running *running)
{
    wf->maps = memory_grow(wf->maps, wf->map_count, &wf->map_capacity, sizeof(mf_running *));
    wf->maps[wf->map_count++] = running;
}

/* All that can be said before anything is asked for. */
static enum status prepare(mf_workflow *wf, mf_running *running, const struct workflow_call *call,
                           const struct workflow_inputs *inputs, const mf_map_options *options,
                           struct buffer *packed, struct error *err)
{
    struct map_options merged;
    uint64_t minimum = 0;
    enum status status = check_options(running->task, options, &merged, err);
    if (status == STATUS_OK && call->reducer != NULL) {
        status =
            reduction_open(wf->job, call->reducer, running->task->output, &running->reduction, err);
    }
    if (status == STATUS_OK) {
        status = workflow_pack_inputs(wf, running->task, inputs, packed, &running->size, err);
    }
    if (status == STATUS_OK) {
        status = criterion_minimum(&merged.criterion, running->size, &minimum, err);
    }
    if (status == STATUS_OK && merged.policy == POLICY_ENOUGH && minimum == 0 &&
        running->size > 0) {
        status =
            error_set(err, STATUS_INVALID, "policy enough with a minimum of 0 would run nothing");
    }
    return status == STATUS_OK
               ? output_type(running->task, running->is_call, &merged, &running->type, err)
               : status;
}

static void free_running(mf_running *running)
{
    type_destroy(running->type);
    reduction_destroy(running->reduction);
    free(running->text);
    free(running);
}

/* NULL where it was refused; why has been noted. */
static mf_running *start(mf_workflow *wf, const struct workflow_call *call,
                         const struct workflow_inputs *inputs, const mf_map_options *options)
{
    struct error err = {""};
    struct buffer packed = {0};
    mf_running *running = memory_take(1, sizeof(*running));
    *running = (mf_running){.number = wf->map_count,
                            .task = job_task(wf->job, call->task, &err),
                            .is_call = inputs->one != NULL};
    enum status status = running->task != NULL ? STATUS_OK : STATUS_NOT_FOUND;
    if (status == STATUS_OK) {
        status = prepare(wf, running, call, inputs, options, &packed, &err);
    }
    if (status == STATUS_OK) {
        status = send_map(wf, running, call, options, &packed, &err);
        if (status == STATUS_IO) {
            _exit(EXIT_ORPHANED);
        }
    }
    buffer_free(&packed);
    if (status != STATUS_OK) {
        workflow_note_failure(wf, call, err.text);
        free_running(running);
        return NULL;
    }
    add_map(wf, running);
    return running;
}

/* ---- Waiting ----------------------------------------------------------------------------------
 */

static void on_over(mf_workflow *wf, const struct workflow_over *over, int places)
{
    struct error err;
    mf_running *running = over->number < wf->map_count ? wf->maps[over->number] : NULL;
    if (running == NULL || running->is_over) {
        _exit(EXIT_ORPHANED); /* whoever talks like that is not our rank 0 */
    }
    running->is_over = true;
    running->is_success = over->is_success;
    running->missing = over->missing;
    if (!over->is_success) {
        running->text = memory_copy_text(over->text);
    } else if (places < 0 || workflow_port_read_file(places, PLACES_SIZE_MAX, &running->places,
                                                     &err) != STATUS_OK) {
        _exit(EXIT_ORPHANED);
    }
}

static void take_message(mf_workflow *wf)
{
    struct workflow_message message;
    struct error err;
    bool is_message = false;
    int file = -1;
    arena_reset(&wf->message);
    const enum status status =
        workflow_port_receive(wf->socket, true, &wf->message, &message, &file, &is_message, &err);
    if (status != STATUS_OK || !is_message || message.kind != WORKFLOW_OVER) {
        _exit(EXIT_ORPHANED);
    }
    on_over(wf, &message.as.over, file);
    if (file >= 0) {
        (void)close(file);
    }
}

static void note_end(mf_workflow *wf, const struct workflow_call *call, const mf_running *running)
{
    char text[WORKFLOW_TEXT_SIZE_MAX];
    (void)snprintf(text, sizeof(text), "map %" PRIu64 ": %s", running->number, running->text);
    workflow_note_failure(wf, call, text);
}

static const mf_value *finish(mf_workflow *wf, const struct workflow_call *call,
                              mf_running *running)
{
    struct error err = {""};
    if (running == NULL) {
        return NULL;
    }
    while (!running->is_over) {
        take_message(wf);
    }
    const bool is_to_be_read = running->is_success && !running->is_read;
    if (is_to_be_read &&
        (running->reduction != NULL ? workflow_read_reduced(wf, running, &err)
                                    : workflow_read_outputs(wf, running, &err)) != STATUS_OK) {
        running->text = memory_copy_text(err.text);
    }
    running->is_read = true;
    buffer_free(&running->places);
    if (running->value == NULL) {
        note_end(wf, call, running);
    }
    return running->value;
}

/* ---- What workflows call ----------------------------------------------------------------------
 */

static const char *name_or_none(const char *name)
{
    return name != NULL ? name : "";
}

static mf_running *start_map(mf_workflow *wf, const struct workflow_call *call,
                             const mf_value *list, const mf_map_options *options)
{
    const struct workflow_inputs inputs = {.list = list,
                                           .zip = options != NULL ? options->zip : NULL,
                                           .bind = options != NULL ? options->bind : NULL,
                                           .range = options != NULL ? options->range : NULL};
    return start(wf, call, &inputs, options);
}

const mf_value *mf_map(mf_workflow *wf, const char *task, const mf_value *inputs,
                       const mf_map_options *options)
{
    const struct workflow_call call = {.function = "mf_map", .task = name_or_none(task)};
    return finish(wf, &call, start_map(wf, &call, inputs, options));
}

mf_running *mf_map_start(mf_workflow *wf, const char *task, const mf_value *inputs,
                         const mf_map_options *options)
{
    const struct workflow_call call = {.function = "mf_map_start", .task = name_or_none(task)};
    return start_map(wf, &call, inputs, options);
}

const mf_value *mf_wait(mf_workflow *wf, mf_running *running)
{
    const struct workflow_call call = {.function = "mf_wait",
                                       .task = running != NULL ? running->task->name : ""};
    return finish(wf, &call, running);
}

mf_running *mf_map_reduce_start(mf_workflow *wf, const char *task, const mf_value *inputs,
                                const char *reducer, const mf_map_options *options)
{
    const struct workflow_call call = {.function = "mf_map_reduce_start",
                                       .task = name_or_none(task),
                                       .reducer = name_or_none(reducer)};
    return start_map(wf, &call, inputs, options);
}

const mf_value *mf_map_reduce(mf_workflow *wf, const char *task, const mf_value *inputs,
                              const char *reducer, const mf_map_options *options)
{
    const struct workflow_call call = {
        .function = "mf_map_reduce", .task = name_or_none(task), .reducer = name_or_none(reducer)};
    return finish(wf, &call, start_map(wf, &call, inputs, options));
}

uint64_t mf_missing(const mf_running *running)
{
    return running != NULL ? running->missing : 0;
}

static const mf_value *call_once(mf_workflow *wf, const struct workflow_call *call,
                                 const mf_value *input, const mf_map_options *options)
{
    const mf_value null = value_null();
    const struct workflow_inputs inputs = {.one = input != NULL ? input : &null};
    if (options != NULL &&
        (options->zip != NULL || options->bind != NULL || options->range != NULL)) {
        workflow_note_failure(wf, call, "zip, bind and range are for maps");
        return NULL;
    }
    return finish(wf, call, start(wf, call, &inputs, options));
}

const mf_value *mf_call_value(mf_workflow *wf, const char *task, const mf_value *input,
                              const mf_map_options *options)
{
    const struct workflow_call call = {.function = "mf_call_value", .task = name_or_none(task)};
    return call_once(wf, &call, input, options);
}

mf_status mf_call(mf_workflow *wf, const char *task, const mf_value *input, mf_writer *output)
{
    const struct workflow_call call = {.function = "mf_call", .task = name_or_none(task)};
    const mf_value *value = call_once(wf, &call, input, NULL);
    if (value == NULL) {
        return MF_FAIL;
    }
    mf_put_value(output, value);
    return MF_OK;
}
