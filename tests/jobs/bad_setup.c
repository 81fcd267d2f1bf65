/* A job whose setup fails. */
#include <mapfleet.h>

static mf_status task(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, input);
    return MF_OK;
}

static mf_status set_up(mf_context *ctx, void **state)
{
    *state = NULL;
    return mf_fail(ctx, "no licence");
}

void mf_job(mf_registry *job)
{
    const mf_task only = {.name = "task", .fn = task, .input = "int", .output = "int"};
    mf_register_task(job, &only);
    mf_register_setup(job, set_up, NULL);
}
