/* job_support.h - a task and a workflow whose output is their input. */
#ifndef UNIT_JOB_SUPPORT_H
#define UNIT_JOB_SUPPORT_H

#include "shared/mapfleet.h"

static inline mf_status task(mf_context *ctx, const mf_value *input, mf_writer *output)
{
    (void)ctx;
    mf_put_value(output, input);
    return MF_OK;
}

static inline mf_status workflow(mf_workflow *wf, const mf_value *input, mf_writer *output)
{
    (void)wf;
    mf_put_value(output, input);
    return MF_OK;
}

#endif
