/* stuck.c - a job in which one attempt takes far longer than all others. Each attempt tells that it
 * has started, by a line "INDEX ATTEMPT" in the file `starts`. */
#include <fcntl.h>
#include <mapfleet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOW_INDEX 7

static void tell_start(const mf_context *ctx)
{
    char line[64];
    const int size = snprintf(line, sizeof(line), "%llu %llu\n", (unsigned long long)mf_index(ctx),
                              (unsigned long long)mf_attempt(ctx));
    const int file = open("starts", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file >= 0) {
        (void)!write(file, line, (size_t)size);
        (void)close(file);
    }
}

/* The first attempt at one index lasts `seconds`. */
static mf_status run(mf_context *ctx, const mf_value *input, mf_writer *output, time_t seconds)
{
    const struct timespec pause = {.tv_sec = seconds, .tv_nsec = 0};
    tell_start(ctx);
    if (mf_index(ctx) == SLOW_INDEX && mf_attempt(ctx) == 0) {
        (void)nanosleep(&pause, NULL);
    }
    mf_put_int(output, mf_int(input));
    return MF_OK;
}

static mf_status forever(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    return run(ctx, input, output, 1000);
}

static mf_status some_time(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    return run(ctx, input, output, 4);
}

/* Whose second attempt fails. */
static mf_status no_second(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    if (mf_attempt(ctx) > 0) {
        tell_start(ctx);
        return mf_fail(ctx, "a second attempt");
    }
    return run(ctx, input, output, 4);
}

/* Whose first attempt fails in the end, when the second has been running for long. */
static mf_status late_failure(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_sec = 5, .tv_nsec = 0};
    const mf_status status = run(ctx, input, output, 4);
    if (mf_index(ctx) == SLOW_INDEX && mf_attempt(ctx) == 0) {
        return mf_fail(ctx, "too late");
    }
    if (mf_attempt(ctx) > 0) {
        (void)nanosleep(&pause, NULL);
    }
    return status;
}

static void register_task(mf_registry *job, const char *name, mf_task_function *fn, bool idempotent,
                          int64_t retries)
{
    const mf_task task = {.name = name,
                          .fn = fn,
                          .input = "int",
                          .output = "int",
                          .retries = retries,
                          .idempotent = idempotent};
    mf_register_task(job, &task);
}

void mf_job(mf_registry *job)
{
    register_task(job, "forever", forever, true, 0);
    register_task(job, "some_time", some_time, false, 0);
    register_task(job, "undeclared", forever, false, 0);
    register_task(job, "no_second", no_second, true, 0);
    register_task(job, "late_failure", late_failure, true, 1);
}
