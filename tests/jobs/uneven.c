/* uneven.c - a job for looking at its report: attempts of different lengths, that fail here and
 * there, a workflow of several maps, and trials that report a curve. */
#include <mapfleet.h>

#include <math.h>
#include <time.h>

#define SHORTEST_US 17 /* shorter ones are not told apart in a log */
#define ROUNDS 27

static double now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Some tens of microseconds. Every 997th fails at first, every 4,999th for good, and of a stretch
 * every tenth. */
static mf_status work(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const int64_t i = mf_int(input);
    const double end = now_us() + SHORTEST_US + (double)(i * 7919 % 16);
    while (now_us() < end) {
    }
    if (i % 4999 == 4998) {
        return mf_fail_permanently(ctx, "nothing is known of item %" PRId64, i);
    }
    if (i >= 600000 && i < 620000 && i % 10 == 0) {
        return mf_fail(ctx, "the table has no such row");
    }
    if (i % 997 == 996 && mf_attempt(ctx) == 0) {
        return mf_fail(ctx, "the lock was held");
    }
    mf_put_int(output, i % 1000);
    return MF_OK;
}

/* A loss that falls towards what the parameters are worth. */
static mf_status learn(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    const struct timespec pause = {.tv_nsec = 4000000};
    const double rate = mf_float(mf_field(input, "rate"));
    const double depth = (double)mf_int(mf_field(input, "depth"));
    const double best = fabs(log10(rate) + 2) / 4 + fabs(depth - 5) / 20 +
                        (mf_bool(mf_field(input, "is_centred")) ? 0 : 0.05);
    double loss = 2;
    for (int64_t i = 0; i < ROUNDS; i++) {
        loss = best + (loss - best) * 0.8;
        mf_report(ctx, i + 1, loss);
        (void)nanosleep(&pause, NULL);
    }
    mf_put_float(output, loss);
    return MF_OK;
}

/* The integers between the two. */
static mf_status between(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_begin_list(output);
    for (int64_t i = mf_int(mf_item(input, 0)); i < mf_int(mf_item(input, 1)); i++) {
        mf_put_int(output, i);
    }
    mf_end_list(output);
    return MF_OK;
}

static mf_status add(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    int64_t sum = 0;
    (void)ctx;
    for (size_t i = 0; i < mf_count(input); i++) {
        sum += mf_is_null(mf_item(input, i)) ? 0 : mf_int(mf_item(input, i));
    }
    mf_put_int(output, sum);
    return MF_OK;
}

/* For each stage two calls and, between them, a map. */
static mf_status stages(mf_workflow *wf, const mf_value *in, mf_writer *out)
{
    const mf_map_options options = {.min_success_ratio = "0.5", .policy = "run-all"};
    const mf_value *sum = NULL;
    for (size_t i = 0; i < mf_count(mf_field(in, "stages")); i++) {
        const mf_value *stage = mf_item(mf_field(in, "stages"), i);
        const mf_value *items = mf_call_value(wf, "between", stage, NULL);
        const mf_value *done = items != NULL ? mf_map(wf, "work", items, &options) : NULL;
        sum = done != NULL ? mf_call_value(wf, "add", done, NULL) : NULL;
        if (sum == NULL) {
            return MF_FAIL;
        }
    }
    mf_put_value(out, sum);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    mf_register_task(
        job, &(mf_task){.name = "work", .fn = work, .input = "int", .output = "int", .retries = 1});
    mf_register_task(job, &(mf_task){.name = "learn",
                                     .fn = learn,
                                     .input = "{rate: float, depth: int, is_centred: bool}",
                                     .output = "float"});
    mf_register_task(job,
                     &(mf_task){.name = "add", .fn = add, .input = "list<int?>", .output = "int"});
    mf_register_task(
        job,
        &(mf_task){.name = "between", .fn = between, .input = "list<int>", .output = "list<int>"});
    mf_register_workflow(job, &(mf_workflow_def){.name = "stages",
                                                 .fn = stages,
                                                 .input = "{stages: list<list<int>>}",
                                                 .output = "int"});
}
