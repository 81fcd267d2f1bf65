#include "shared/job_description.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "shared/pack.h"
#include "shared/registry.h"
#include "shared/unpack.h"

#define JOB_ITEM_COUNT 7
#define TASK_ITEM_COUNT 16
#define WORKFLOW_ITEM_COUNT 4
#define REDUCER_ITEM_COUNT 7

/* ---- Writing ----------------------------------------------------------------------------------
 */

static void put_text_or_nil(struct pack *out, const char *text)
{
    if (text == NULL) {
        pack_nil(out);
    } else {
        pack_text(out, text);
    }
}

static void put_type(struct pack *out, const struct type *type)
{
    struct buffer text = {0};
    const enum status status = type_format(type, &text);
    if (status != STATUS_OK && out->status == STATUS_OK) {
        out->status = status;
    }
    pack_str(out, (const char *)text.data, text.size);
    buffer_free(&text);
}

static void put_task(struct pack *out, const struct task *task)
{
    const struct map_options *options = &task->options;
    pack_array(out, TASK_ITEM_COUNT);
    pack_text(out, task->name);
    put_text_or_nil(out, task->help);
    put_type(out, task->input);
    put_type(out, task->output);
    pack_uint(out, options->retries);
    pack_uint(out, options->system_retries);
    pack_uint(out, options->retry_delay_ns);
    pack_uint(out, options->timeout_ns);
    pack_uint(out, options->mem);
    pack_float(out, options->mem_growth);
    pack_uint(out, options->cpus);
    pack_uint(out, options->gpus);
    put_text_or_nil(out, task->cache_version);
    put_text_or_nil(out, task->cache_ignore);
    pack_bool(out, task->is_idempotent);
    if (task->constant == NULL) {
        pack_nil(out);
    } else {
        put_type(out, task->constant);
    }
}

static void put_workflow(struct pack *out, const struct workflow *workflow)
{
    pack_array(out, WORKFLOW_ITEM_COUNT);
    pack_text(out, workflow->name);
    put_text_or_nil(out, workflow->help);
    put_type(out, workflow->input);
    put_type(out, workflow->output);
}

static void put_reducer(struct pack *out, const struct reducer *reducer)
{
    pack_array(out, REDUCER_ITEM_COUNT);
    pack_text(out, reducer->name);
    put_text_or_nil(out, reducer->help);
    put_type(out, reducer->input);
    put_type(out, reducer->type);
    put_type(out, reducer->output);
    pack_bool(out, reducer->is_ordered);
    pack_bytes(out, reducer->empty, reducer->empty_size);
}

enum status job_describe(const struct job *job, struct buffer *out, struct error *err)
{
    struct pack pack;
    const size_t start = out->size;
    pack_start(&pack, out);
    pack_array(&pack, JOB_ITEM_COUNT);
    pack_text(&pack, job->name);
    pack_text(&pack, job->path);
    pack_bytes(&pack, job->digest, JOB_DIGEST_SIZE);
    pack_bool(&pack, job->has_setup);
    pack_array(&pack, job->task_count);
    for (size_t i = 0; i < job->task_count; i++) {
        put_task(&pack, &job->tasks[i]);
    }
    pack_array(&pack, job->workflow_count);
    for (size_t i = 0; i < job->workflow_count; i++) {
        put_workflow(&pack, &job->workflows[i]);
    }
    pack_array(&pack, job->reducer_count);
    for (size_t i = 0; i < job->reducer_count; i++) {
        put_reducer(&pack, &job->reducers[i]);
    }
    const enum status status = pack_finish(&pack);
    if (status != STATUS_OK) {
        return error_set(err, status, "job %s cannot be described: %s", job->name,
                         status_text(status));
    }
    if (out->size - start > JOB_DESCRIPTION_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT,
                         "job %s: what it registers takes %zu bytes; at most %zu are possible",
                         job->name, out->size - start, JOB_DESCRIPTION_SIZE_MAX);
    }
    return STATUS_OK;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

/* A copy that is always there, to be freed. A NUL inside fails. */
static char *get_text(struct unpack *in)
{
    size_t size;
    const char *text = unpack_str(in, &size);
    if (memchr(text, '\0', size) != NULL) {
        unpack_fail(in);
        size = 0;
    }
    char *copy = memory_take(size + 1, 1);
    memcpy(copy, text, size);
    return copy;
}

static char *get_text_or_nil(struct unpack *in)
{
    return unpack_nil(in) ? NULL : get_text(in);
}

static struct type *get_type(struct unpack *in)
{
    struct type *type = NULL;
    char *text = get_text(in);
    if (!in->failed && type_parse(text, &type, NULL) != STATUS_OK) {
        unpack_fail(in);
    }
    free(text);
    return type;
}

static uint64_t get_count(struct unpack *in)
{
    return unpack_uint_max(in, INT64_MAX);
}

static void get_options(struct unpack *in, struct map_options *options)
{
    options->output_size_max = JOB_OUTPUT_SIZE_MAX_DEFAULT;
    options->grace_ns = JOB_GRACE_NS_DEFAULT;
    options->lost_after_ns = JOB_LOST_AFTER_NS_DEFAULT;
    options->retries = get_count(in);
    options->system_retries = get_count(in);
    options->retry_delay_ns = unpack_uint(in);
    options->timeout_ns = unpack_uint(in);
    options->mem = unpack_uint(in);
    options->mem_growth = unpack_float(in);
    options->cpus = get_count(in);
    options->gpus = get_count(in);
    if (!(options->mem_growth >= 1) || isinf(options->mem_growth) || options->cpus == 0) {
        unpack_fail(in);
    }
}

/* Whatever is in `task` afterwards can be freed. */
static void get_task(struct unpack *in, struct task *task)
{
    unpack_array_of(in, TASK_ITEM_COUNT);
    task->name = get_text(in);
    task->help = get_text_or_nil(in);
    task->input = get_type(in);
    task->output = get_type(in);
    get_options(in, &task->options);
    task->cache_version = get_text_or_nil(in);
    task->cache_ignore = get_text_or_nil(in);
    task->is_idempotent = unpack_bool(in);
    task->constant = unpack_nil(in) ? NULL : get_type(in);
    if (!registry_is_name(task->name)) {
        unpack_fail(in);
    }
}

/* The name becomes part of paths. */
static void get_head(struct unpack *in, struct job *job)
{
    size_t size;
    unpack_array_of(in, JOB_ITEM_COUNT);
    job->name = get_text(in);
    job->path = get_text(in);
    const uint8_t *digest = unpack_bin(in, &size);
    job->has_setup = unpack_bool(in);
    if (in->failed || size != JOB_DIGEST_SIZE || *job->name == '\0' ||
        strchr(job->name, '/') != NULL) {
        unpack_fail(in);
        return;
    }
    memcpy(job->digest, digest, JOB_DIGEST_SIZE);
}

static void get_workflow(struct unpack *in, struct workflow *workflow)
{
    unpack_array_of(in, WORKFLOW_ITEM_COUNT);
    workflow->name = get_text(in);
    workflow->help = get_text_or_nil(in);
    workflow->input = get_type(in);
    workflow->output = get_type(in);
    if (!registry_is_name(workflow->name) || workflow->input == NULL ||
        type_kind(workflow->input) != TYPE_RECORD || type_is_optional(workflow->input)) {
        unpack_fail(in);
    }
}

static void get_tasks(struct unpack *in, struct job *job)
{
    const uint32_t count = unpack_array(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        job->tasks =
            memory_grow(job->tasks, job->task_count, &job->task_capacity, sizeof(*job->tasks));
        struct task *task = &job->tasks[job->task_count++];
        *task = (struct task){.name = NULL};
        get_task(in, task);
    }
}

static void get_workflows(struct unpack *in, struct job *job)
{
    const uint32_t count = unpack_array(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        job->workflows = memory_grow(job->workflows, job->workflow_count, &job->workflow_capacity,
                                     sizeof(*job->workflows));
        struct workflow *workflow = &job->workflows[job->workflow_count++];
        *workflow = (struct workflow){.name = NULL};
        get_workflow(in, workflow);
    }
}

/* Its functions are not here, so that nothing is folded by it. */
static void get_reducer(struct unpack *in, struct reducer *reducer)
{
    size_t size;
    unpack_array_of(in, REDUCER_ITEM_COUNT);
    reducer->name = get_text(in);
    reducer->help = get_text_or_nil(in);
    reducer->input = get_type(in);
    reducer->type = get_type(in);
    reducer->output = get_type(in);
    reducer->is_ordered = unpack_bool(in);
    const uint8_t *empty = unpack_bin(in, &size);
    if (size > 0) {
        reducer->empty = memory_take(size, 1);
        memcpy(reducer->empty, empty, size);
        reducer->empty_size = size;
    }
    if (!registry_is_name(reducer->name)) {
        unpack_fail(in);
    }
}

static void get_reducers(struct unpack *in, struct job *job)
{
    const uint32_t count = unpack_array(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        job->reducers = memory_grow(job->reducers, job->reducer_count, &job->reducer_capacity,
                                    sizeof(*job->reducers));
        struct reducer *reducer = &job->reducers[job->reducer_count++];
        *reducer = (struct reducer){.name = NULL};
        get_reducer(in, reducer);
    }
}

enum status job_of_description(const uint8_t *data, size_t size, struct job **job_out,
                               struct error *err)
{
    struct unpack in = unpack_start(data, size);
    struct job *job = memory_take(1, sizeof(*job));
    get_head(&in, job);
    get_tasks(&in, job);
    get_workflows(&in, job);
    get_reducers(&in, job);
    if (size > JOB_DESCRIPTION_SIZE_MAX || job->task_count + job->workflow_count == 0 ||
        !unpack_is_done(&in)) {
        job_destroy(job);
        return error_set(err, STATUS_PROTOCOL, "the description of a job (%zu bytes) is malformed",
                         size);
    }
    *job_out = job;
    return STATUS_OK;
}
