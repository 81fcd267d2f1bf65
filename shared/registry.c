#include "shared/registry.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/quantity.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

bool registry_is_name(const char *text)
{
    const size_t size = strlen(text);
    return size > 0 && strspn(text, LETTERS) > 0 && strspn(text, LETTERS "0123456789-") == size;
}

static char *copy_or_null(const char *text)
{
    return text == NULL ? NULL : memory_copy_text(text);
}

void registry_free_task(struct task *task)
{
    free(task->name);
    free(task->help);
    type_destroy(task->input);
    type_destroy(task->output);
    free(task->cache_version);
    free(task->cache_ignore);
    type_destroy(task->constant);
}

void registry_free_workflow(struct workflow *workflow)
{
    free(workflow->name);
    free(workflow->help);
    type_destroy(workflow->input);
    type_destroy(workflow->output);
}

static enum status check_count(const char *field, int64_t value, int64_t min, struct error *err)
{
    return value >= min
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "%s is %" PRId64 ", expected at least %" PRId64,
                           field, value, min);
}

enum status registry_read_type(const char *field, const char *text, struct type **type_out,
                               struct error *err)
{
    const enum status status = type_parse(text, type_out, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s type \"%s\": ", field, text);
    }
    return status;
}

static const char *or_else(const char *text, const char *usual)
{
    return text != NULL ? text : usual;
}

static enum status read_time(const char *field, const char *text, uint64_t *ns_out,
                             struct error *err)
{
    const enum status status = text == NULL ? STATUS_OK : quantity_parse_time(text, ns_out, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", field);
    }
    return status;
}

static enum status read_mem(const mf_task *from, struct map_options *options, struct error *err)
{
    options->mem_growth = from->mem_growth == 0 ? 1 : from->mem_growth;
    if (!(options->mem_growth >= 1) || isinf(options->mem_growth)) {
        return error_set(err, STATUS_INVALID, "mem_growth is %g, expected at least 1",
                         from->mem_growth);
    }
    const enum status status =
        from->mem == NULL ? STATUS_OK : quantity_parse_size(from->mem, &options->mem, err);
    if (status != STATUS_OK) {
        error_prefix(err, "mem: ");
    }
    return status;
}

static enum status read_counts(const mf_task *from, struct map_options *options, struct error *err)
{
    const struct {
        const char *field;
        int64_t value;
        int64_t min;
        uint64_t *to;
        uint64_t if_zero;
    } counts[] = {
        {"retries", from->retries, 0, &options->retries, 0},
        {"system_retries", from->system_retries, MF_NO_SYSTEM_RETRIES, &options->system_retries,
         JOB_SYSTEM_RETRIES_DEFAULT},
        {"cpus", from->cpus, 0, &options->cpus, 1},
        {"gpus", from->gpus, 0, &options->gpus, 0},
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const enum status status =
            check_count(counts[i].field, counts[i].value, counts[i].min, err);
        if (status != STATUS_OK) {
            return status;
        }
        *counts[i].to = counts[i].value == 0  ? counts[i].if_zero
                        : counts[i].value < 0 ? 0
                                              : (uint64_t)counts[i].value;
    }
    return STATUS_OK;
}

static enum status read_task(const mf_task *from, struct task *task, struct error *err)
{
    task->options.output_size_max = JOB_OUTPUT_SIZE_MAX_DEFAULT;
    task->options.grace_ns = JOB_GRACE_NS_DEFAULT;
    task->options.lost_after_ns = JOB_LOST_AFTER_NS_DEFAULT;
    enum status status =
        registry_read_type("input", or_else(from->input, "any"), &task->input, err);
    if (status == STATUS_OK) {
        status = registry_read_type("output", or_else(from->output, "any"), &task->output, err);
    }
    if (status == STATUS_OK && from->constant != NULL) {
        status = registry_read_type("constant", from->constant, &task->constant, err);
    }
    if (status == STATUS_OK) {
        status = read_counts(from, &task->options, err);
    }
    if (status == STATUS_OK) {
        status = read_time("retry_delay", from->retry_delay, &task->options.retry_delay_ns, err);
    }
    if (status == STATUS_OK) {
        status = read_time("timeout", from->timeout, &task->options.timeout_ns, err);
    }
    if (status == STATUS_OK) {
        status = read_mem(from, &task->options, err);
    }
    return status;
}

enum status registry_check_name(const struct job *job, const char *what, const char *name,
                                struct error *err)
{
    if (name == NULL || !registry_is_name(name)) {
        return error_set(err, STATUS_INVALID,
                         "%s has the name \"%s\": expected [A-Za-z_][A-Za-z0-9_-]*", what,
                         or_else(name, ""));
    }
    for (size_t i = 0; i < job->task_count; i++) {
        if (strcmp(job->tasks[i].name, name) == 0) {
            return error_set(err, STATUS_EXISTS, "task %s is registered twice", name);
        }
    }
    for (size_t i = 0; i < job->workflow_count; i++) {
        if (strcmp(job->workflows[i].name, name) == 0) {
            return error_set(err, STATUS_EXISTS, "workflow %s is registered twice", name);
        }
    }
    for (size_t i = 0; i < job->reducer_count; i++) {
        if (strcmp(job->reducers[i].name, name) == 0) {
            return error_set(err, STATUS_EXISTS, "reducer %s is registered twice", name);
        }
    }
    return STATUS_OK;
}

static enum status check_task(const struct job *job, const mf_task *from, struct error *err)
{
    const enum status status = registry_check_name(job, "a task", from->name, err);
    if (status != STATUS_OK) {
        return status;
    }
    return from->fn != NULL ? STATUS_OK
                            : error_set(err, STATUS_INVALID, "task %s has no function", from->name);
}

void mf_register_task(mf_registry *registry, const mf_task *given)
{
    static const mf_task nothing;
    const mf_task *from = given != NULL ? given : &nothing;
    struct job *job = registry->job;
    if (registry->status != STATUS_OK) {
        return;
    }
    registry->status = check_task(job, from, &registry->error);
    if (registry->status != STATUS_OK) {
        return;
    }
    struct task task = {.fn = from->fn, .is_idempotent = from->idempotent};
    registry->status = read_task(from, &task, &registry->error);
    if (registry->status != STATUS_OK) {
        error_prefix(&registry->error, "task %s: ", from->name);
        registry_free_task(&task);
        return;
    }
    task.name = memory_copy_text(from->name);
    task.help = copy_or_null(from->help);
    task.cache_version = copy_or_null(from->cache_version);
    task.cache_ignore = copy_or_null(from->cache_ignore);
    job->tasks = memory_grow(job->tasks, job->task_count, &job->task_capacity, sizeof(*job->tasks));
    job->tasks[job->task_count++] = task;
}

/* Its parameters are the fields of its input. */
static enum status read_workflow(const mf_workflow_def *from, struct workflow *workflow,
                                 struct error *err)
{
    enum status status =
        registry_read_type("input", or_else(from->input, "{}"), &workflow->input, err);
    if (status == STATUS_OK &&
        (type_kind(workflow->input) != TYPE_RECORD || type_is_optional(workflow->input))) {
        status =
            error_set(err, STATUS_INVALID,
                      "input type \"%s\": expected a record, {name: type, ...}: its fields are "
                      "the parameters",
                      from->input);
    }
    return status == STATUS_OK
               ? registry_read_type("output", or_else(from->output, "any"), &workflow->output, err)
               : status;
}

static enum status add_workflow(struct job *job, const mf_workflow_def *from, struct error *err)
{
    struct workflow workflow = {.fn = from->fn};
    enum status status = from->fn != NULL ? read_workflow(from, &workflow, err)
                                          : error_set(err, STATUS_INVALID, "it has no function");
    if (status != STATUS_OK) {
        error_prefix(err, "workflow %s: ", from->name);
        registry_free_workflow(&workflow);
        return status;
    }
    workflow.name = memory_copy_text(from->name);
    workflow.help = copy_or_null(from->help);
    job->workflows = memory_grow(job->workflows, job->workflow_count, &job->workflow_capacity,
                                 sizeof(*job->workflows));
    job->workflows[job->workflow_count++] = workflow;
    return STATUS_OK;
}

void mf_register_workflow(mf_registry *registry, const mf_workflow_def *given)
{
    static const mf_workflow_def nothing;
    const mf_workflow_def *from = given != NULL ? given : &nothing;
    if (registry->status != STATUS_OK) {
        return;
    }
    registry->status =
        registry_check_name(registry->job, "a workflow", from->name, &registry->error);
    if (registry->status == STATUS_OK) {
        registry->status = add_workflow(registry->job, from, &registry->error);
    }
}

void mf_register_setup(mf_registry *registry, mf_setup_function *setup,
                       mf_teardown_function *teardown)
{
    if (registry->status != STATUS_OK) {
        return;
    }
    if (registry->job->setup != NULL || registry->job->teardown != NULL) {
        registry->status =
            error_set(&registry->error, STATUS_EXISTS, "a setup is registered twice");
        return;
    }
    registry->job->setup = setup;
    registry->job->teardown = teardown;
    registry->job->has_setup = setup != NULL || teardown != NULL;
}
