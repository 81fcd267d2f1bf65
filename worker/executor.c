#include "worker/executor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/arena.h"
#include "shared/context.h"
#include "shared/memory.h"
#include "shared/wire.h"
#include "worker/channel.h"
#include "worker/runner.h"

enum status executor_set_up(const struct job *job, void **state_out, struct error *err)
{
    struct writer *writer = NULL;
    *state_out = NULL;
    if (job->setup == NULL) {
        return STATUS_OK;
    }
    enum status status = writer_create(0, &writer);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for the setup of job %s", job->name);
    }
    struct mf_context *context = memory_take(1, sizeof(*context));
    context->task = "setup";
    context->writer = writer;
    if (job->setup(context, state_out) != MF_OK) {
        status = error_set(err, STATUS_INVALID, "the setup of job %s failed: %.*s", job->name,
                           (int)context->text_size, context->text);
    }
    context_end(context);
    writer_destroy(writer);
    free(context);
    return status;
}

void executor_ring(int bell)
{
    const uint64_t one = 1;
    while (write(bell, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

/* Wait for the rank. False when it has nothing more for this executor. */
static bool wait_for_bell(int bell)
{
    uint64_t count;
    ssize_t size;
    do {
        size = read(bell, &count, sizeof(count));
    } while (size < 0 && errno == EINTR);
    return size == (ssize_t)sizeof(count);
}

static void say_setup(struct channel *channel, enum channel_setup setup, const char *text)
{
    const size_t size = strlen(text);
    channel->control->text_size =
        (uint32_t)(size < CHANNEL_TEXT_SIZE_MAX ? size : CHANNEL_TEXT_SIZE_MAX);
    memcpy(channel->control->text, text, channel->control->text_size);
    atomic_store(&channel->control->setup, setup);
}

static int run(const struct job *job, struct runner_options options, const int *fds)
{
    struct channel channel;
    struct runner *runner = NULL;
    struct error err = {""};
    if (channel_open(&channel, fds[EXECUTOR_CHANNEL], options.map.output_size_max, &err) !=
        STATUS_OK) {
        return EXIT_FAILURE;
    }
    options.channel = &channel;
    if (executor_set_up(job, &options.state, &err) != STATUS_OK ||
        runner_create(&options, &runner) != STATUS_OK) {
        say_setup(&channel, CHANNEL_SETUP_FAILED, err.text);
        executor_ring(fds[EXECUTOR_RANK_BELL]);
        return EXIT_FAILURE;
    }
    say_setup(&channel, CHANNEL_READY, "");
    executor_ring(fds[EXECUTOR_RANK_BELL]);
    while (!runner_is_spent(runner) && wait_for_bell(fds[EXECUTOR_BELL]) &&
           !channel_is_closed(&channel)) {
        if (!channel_has_ended(&channel)) {
            runner_run(runner);
            executor_ring(fds[EXECUTOR_RANK_BELL]);
        }
    }
    runner_destroy(runner);
    if (job->teardown != NULL) {
        job->teardown(options.state);
    }
    return EXIT_SUCCESS;
}

enum status executor_load(const struct wire_start *start, struct job **job_out,
                          const struct task **task_out, struct error *err)
{
    struct job *job = NULL;
    enum status status =
        *start->job_path == '\0' ? job_open("", &job, err) : job_load(start->job_path, &job, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (memcmp(job->digest, start->job_digest, JOB_DIGEST_SIZE) != 0) {
        status =
            error_set(err, STATUS_INVALID, "job %s differs from that of rank 0", start->job_path);
    } else {
        *task_out = job_task(job, start->task, err);
        status = *task_out != NULL ? STATUS_OK : STATUS_NOT_FOUND;
    }
    if (status != STATUS_OK) {
        job_destroy(job);
        return status;
    }
    *job_out = job;
    return STATUS_OK;
}

struct runner_options executor_runner_options(const struct wire_start *start,
                                              const struct task *task)
{
    return (struct runner_options){
        .task = task,
        .map = start->options,
        .formula = start->formula,
        .map_size = start->map_size,
        .run_dir = start->run_dir,
        .launch_dir = start->launch_dir,
    };
}

/* ---- In the zygote ----------------------------------------------------------------------------
 */

/* What runs, as START said; forked executors find it here. */
struct prepared {
    struct arena arena;
    struct wire_message start;
    struct job *job;
    const struct task *task;
};

static enum status prepare(void *context, const void *request, size_t size, struct error *err)
{
    struct prepared *prepared = context;
    const enum status status = wire_decode(request, size, &prepared->arena, &prepared->start, err);
    return status == STATUS_OK
               ? executor_load(&prepared->start.as.start, &prepared->job, &prepared->task, err)
               : status;
}

static int run_executor(void *context, const int *fds, size_t fd_count)
{
    const struct prepared *prepared = context;
    if (fd_count != EXECUTOR_FD_COUNT || prepared->task == NULL ||
        dup2(fds[EXECUTOR_RELAY], STDOUT_FILENO) < 0 ||
        dup2(fds[EXECUTOR_RELAY], STDERR_FILENO) < 0) {
        return EXIT_FAILURE;
    }
    (void)close(fds[EXECUTOR_RELAY]);
    const struct runner_options options =
        executor_runner_options(&prepared->start.as.start, prepared->task);
    return run(prepared->job, options, fds);
}

struct zygote_duties executor_duties(void)
{
    static struct prepared prepared; /* of this process and those that it forks */
    return (struct zygote_duties){.prepare = prepare, .run = run_executor, .context = &prepared};
}
