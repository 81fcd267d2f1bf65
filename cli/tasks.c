#include "cli/tasks.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/buffer.h"
#include "shared/job.h"
#include "shared/log.h"
#include "shared/quantity.h"
#include "worker/describe.h"
#include "worker/executor.h"

#define EXIT_REFUSED 2
#define LOAD_US_MAX 10000000

static void print_type(const struct type *type)
{
    struct buffer text = {0};
    if (type_format(type, &text) == STATUS_OK) {
        (void)printf("%.*s", (int)text.size, (const char *)text.data);
    }
    buffer_free(&text);
}

static void print_count(const char *name, uint64_t value, uint64_t usual)
{
    if (value != usual) {
        (void)printf("    %s %" PRIu64 "\n", name, value);
    }
}

/* What the task asks for that is not the default. */
static void print_options(const struct task *task)
{
    char text[QUANTITY_TEXT_SIZE];
    const struct map_options *options = &task->options;
    print_count("retries", options->retries, 0);
    print_count("system_retries", options->system_retries, JOB_SYSTEM_RETRIES_DEFAULT);
    print_count("cpus", options->cpus, 1);
    print_count("gpus", options->gpus, 0);
    if (options->retry_delay_ns > 0) {
        (void)printf("    retry_delay %s\n", quantity_time_text(options->retry_delay_ns, text));
    }
    if (options->timeout_ns > 0) {
        (void)printf("    timeout %s\n", quantity_time_text(options->timeout_ns, text));
    }
    if (options->mem > 0) {
        (void)printf("    mem %s\n", quantity_size_text(options->mem, text));
    }
    if (options->mem_growth > 1) {
        (void)printf("    mem_growth %g\n", options->mem_growth);
    }
    if (task->constant != NULL) {
        (void)printf("    constant ");
        print_type(task->constant);
        (void)printf("\n");
    }
    if (task->cache_version != NULL) {
        (void)printf("    cache_version \"%s\"\n", task->cache_version);
    }
    if (task->cache_ignore != NULL) {
        (void)printf("    cache_ignore \"%s\"\n", task->cache_ignore);
    }
    if (task->is_idempotent) {
        (void)printf("    idempotent\n");
    }
}

static void print_interface(const char *name, const struct type *input, const struct type *output,
                            const char *help)
{
    (void)printf("%s: ", name);
    print_type(input);
    (void)printf(" -> ");
    print_type(output);
    (void)printf("\n");
    if (help != NULL) {
        (void)printf("    %s\n", help);
    }
}

static void print_task(const struct task *task)
{
    print_interface(task->name, task->input, task->output, task->help);
    print_options(task);
}

/* Behind the tasks, whose lines begin with their names. */
static void print_workflow(const struct workflow *workflow)
{
    (void)printf("workflow ");
    print_interface(workflow->name, workflow->input, workflow->output, workflow->help);
}

static void print_reducer(const struct reducer *reducer)
{
    (void)printf("reducer ");
    print_interface(reducer->name, reducer->input, reducer->output, reducer->help);
    if (reducer->is_ordered) {
        (void)printf("    ordered\n");
    }
}

/* A job is loaded in a process of its own, and not for longer than a person waits. */
static enum status describe(const char *word, struct job **job_out, struct error *err)
{
    struct zygote *zygote = NULL;
    const struct zygote_duties duties = executor_duties();
    enum status status = zygote_create(&duties, &zygote, err);
    if (status == STATUS_OK) {
        status = describe_job(zygote, word, LOAD_US_MAX, job_out, err);
    }
    zygote_destroy(zygote);
    return status;
}

int tasks_main(const struct options *options)
{
    struct job *job = NULL;
    struct error err;
    if (options->word_count != 1) {
        log_error("mapfleet tasks: expected one JOB (mapfleet tasks --help shows how)");
        return EXIT_REFUSED;
    }
    if (describe(options->words[0][0] == ':' ? "" : options->words[0], &job, &err) != STATUS_OK) {
        log_error("%s", err.text);
        return EXIT_REFUSED;
    }
    for (size_t i = 0; i < job->task_count; i++) {
        print_task(&job->tasks[i]);
    }
    for (size_t i = 0; i < job->workflow_count; i++) {
        print_workflow(&job->workflows[i]);
    }
    for (size_t i = 0; i < job->reducer_count; i++) {
        print_reducer(&job->reducers[i]);
    }
    job_destroy(job);
    return 0;
}
