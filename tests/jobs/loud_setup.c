/* loud_setup.c - a job whose setup says why it ends its process. */
#include <mapfleet.h>
#include <stdio.h>
#include <unistd.h>

static mf_status set_up(mf_context *ctx, void **state)
{
    (void)ctx;
    (void)state;
    (void)fprintf(stderr, "no table\ngiving up\n");
    _exit(1);
}

static mf_status nothing(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    (void)input;
    (void)output;
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {.name = "task", .fn = nothing, .input = "int", .output = "null"};
    mf_register_setup(job, set_up, NULL);
    mf_register_task(job, &task);
}
