/* A task that is given something beside its inputs, and its setup, which sees it too. */
#include <mapfleet.h>

static mf_status set_up(mf_context *ctx, void **state)
{
    static int64_t scale;
    const mf_value *constant = mf_constant(ctx);
    scale = constant != NULL ? mf_int(mf_field(constant, "scale")) : 1;
    *state = &scale;
    return MF_OK;
}

static mf_status scale(mf_context *ctx, const mf_value *input, mf_writer *out)
{
    const int64_t *from_setup = mf_state(ctx);
    const int64_t now = mf_int(mf_field(mf_constant(ctx), "scale"));
    if (*from_setup != now) {
        return mf_fail(ctx, "the setup saw another constant");
    }
    mf_put_int(out, mf_int(input) * now);
    return MF_OK;
}

void mf_job(mf_registry *job)
{
    const mf_task task = {
        .name = "scale", .fn = scale, .input = "int", .output = "int", .constant = "{scale: int}"};
    mf_register_task(job, &task);
    mf_register_setup(job, set_up, NULL);
}
