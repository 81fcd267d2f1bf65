#include "cli/sweep_sampler.h"

#include "master/trial_metrics_load.h"
#include "shared/trials_form.h"

#define MAP_NUMBER 0
#define SAMPLER_DEFAULT "tpe"

/* What has become of the trials of earlier sessions. */
static enum status load_past(const struct request *request, struct trial_metrics **past_out,
                             struct error *err)
{
    enum status status = trial_metrics_create(&request->sweep.metric, past_out, err);
    if (status == STATUS_OK) {
        status = trial_metrics_load(*past_out, request->run_dir, MAP_NUMBER,
                                    inputs_count(request->inputs), err);
    }
    if (status == STATUS_OK) {
        trial_metrics_begin_session(*past_out, request->revives_failed);
    }
    return status;
}

static enum status start(struct request *request, const struct trials_form *form,
                         const struct trial_metrics *past, struct error *err)
{
    const struct metric_options *metric = &request->sweep.metric;
    const struct sweep_file *file = request->sweep.file;
    const struct adaptive_run_options options = {
        .adaptive = {.hello = {.space = file->space,
                               .metric = metric->name,
                               .is_maximised = metric->is_maximised,
                               .seed = form->options.seed,
                               .sampler = file->sampler != NULL ? file->sampler : SAMPLER_DEFAULT},
                     .impute = metric->impute,
                     .size = form->options.count,
                     .repeats = form->repeats,
                     .type = request->task->input,
                     .launch_dir = request->launch_dir},
        .command = request->options.values[OPTION_SAMPLER],
        .inputs = request->inputs,
        .past = past};
    return adaptive_run_start(&options, &request->adaptive, err);
}

static enum status start_with_past(struct request *request, const struct trials_form *form,
                                   struct error *err)
{
    struct trial_metrics *past = NULL;
    enum status status = request->recorded != NULL ? load_past(request, &past, err) : STATUS_OK;
    if (status == STATUS_OK) {
        status = start(request, form, past, err);
    }
    trial_metrics_destroy(past);
    return status;
}

enum status sweep_start_sampler(struct request *request, struct error *err)
{
    struct trials_form form;
    const bool is_adaptive = request->inputs != NULL && inputs_come_later(request->inputs);
    if (!is_adaptive && options_has(&request->options, OPTION_SAMPLER)) {
        return error_set(err, STATUS_INVALID,
                         "--sampler: only sweeps with method: bayes, or adaptive, ask one");
    }
    if (!is_adaptive || request->is_finished || options_has(&request->options, OPTION_DRY_RUN)) {
        return STATUS_OK;
    }
    const struct formula *formula = inputs_formula(request->inputs);
    enum status status = trials_form_read(formula->packed, formula->packed_size, &form, err);
    if (status == STATUS_OK) {
        status = start_with_past(request, &form, err);
    }
    trials_form_free(&form);
    return status;
}
