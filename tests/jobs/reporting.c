/* reporting.c - a job whose attempts report a metric. */
#include <mapfleet.h>
#include <stdlib.h>
#include <time.h>

/* Each item of the list, in order; the steps are 10, 11, ... */
static mf_status report_all(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    for (size_t i = 0; i < mf_count(input); i++) {
        mf_report(ctx, (int64_t)i + 10, mf_float(mf_item(input, i)));
    }
    mf_put_int(output, (int64_t)mf_count(input));
    return MF_OK;
}

/* The same, of a trial. */
static mf_status report_trial(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    return report_all(ctx, mf_field(input, "losses"), output);
}

/* 0, 1, ... below the input, as fast as can be. */
static mf_status report_many(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    for (int64_t i = 0; i < mf_int(input); i++) {
        mf_report(ctx, i, (double)i);
    }
    mf_put_int(output, mf_int(input));
    return MF_OK;
}

/* The same, and then it crashes. */
static mf_status report_and_crash(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)report_many(ctx, input, output);
    abort();
}

/* The input, again and again, until it is ended. */
static mf_status report_on(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    (void)output;
    for (int64_t i = 0; i < INT64_MAX; i++) {
        mf_report(ctx, i, mf_float(input));
        (void)nanosleep(&pause, NULL);
    }
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_task(
        job, &(mf_task){
                 .name = "report_all", .fn = report_all, .input = "list<float>", .output = "int"});
    mf_register_task(
        job, &(mf_task){.name = "report_many", .fn = report_many, .input = "int", .output = "int"});
    mf_register_task(job, &(mf_task){.name = "report_trial",
                                     .fn = report_trial,
                                     .input = "{losses: list<float>}",
                                     .output = "int"});
    mf_register_task(job, &(mf_task){.name = "report_and_crash",
                                     .fn = report_and_crash,
                                     .input = "int",
                                     .output = "int"});
    mf_register_task(
        job, &(mf_task){.name = "report_on", .fn = report_on, .input = "float", .output = "int"});
}
