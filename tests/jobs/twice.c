/* A job that registers one name twice. */
#include <mapfleet.h>

static mf_status task(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, input);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task once = {.name = "task", .fn = task};
    mf_register_task(job, &once);
    mf_register_task(job, &once);
}
