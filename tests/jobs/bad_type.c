/* A job whose task has a type that is none. */
#include <mapfleet.h>

static mf_status task(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, input);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task bad = {.name = "task", .fn = task, .input = "list<in>", .output = "int"};
    mf_register_task(job, &bad);
}
