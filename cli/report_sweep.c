#include "cli/report_sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli/report_bytes.h"
#include "cli/trial_results.h"
#include "shared/arena.h"
#include "shared/attempt.h"
#include "shared/value.h"

/* What is written, and the arena of the trial at hand. */
struct trials {
    struct trial_results *results;
    struct buffer *out;
    struct arena arena;
};

static MUST_CHECK enum status put_text(struct buffer *out, const char *text)
{
    const mf_value value = value_text(MF_STR, text, (uint32_t)strlen(text));
    return value_to_json(&value, out);
}

static MUST_CHECK enum status put_names(const struct trials *trials)
{
    const struct space *space = trial_results_space(trials->results);
    enum status status = buffer_printf(trials->out, "\"parameters\":[");
    for (size_t i = 0; i < space->count && status == STATUS_OK; i++) {
        status = i > 0 ? buffer_append_byte(trials->out, ',') : STATUS_OK;
        if (status == STATUS_OK) {
            status = put_text(trials->out, space->parameters[i].name);
        }
    }
    return status == STATUS_OK ? buffer_printf(trials->out, "]") : status;
}

static MUST_CHECK enum status put_head(const struct trials *trials)
{
    const struct metric_options *metric = trial_results_metric(trials->results);
    enum status status = buffer_printf(trials->out, "{\"metric\":");
    if (status == STATUS_OK) {
        status = metric->name != NULL ? put_text(trials->out, metric->name)
                                      : buffer_printf(trials->out, "null");
    }
    if (status == STATUS_OK) {
        status = buffer_printf(trials->out, ",\"maximise\":%s,\"count\":%" PRIu64 ",",
                               metric->is_maximised ? "true" : "false",
                               trial_results_count(trials->results));
    }
    return status == STATUS_OK ? put_names(trials) : status;
}

/* Of one that has none, or whose value JSON cannot say, null. */
static MUST_CHECK enum status put_summary(const struct trials *trials, uint64_t index)
{
    const struct trial_summary trial =
        trial_metrics_trial(trial_results_metrics(trials->results), index);
    const mf_value value = value_float(trial.value);
    enum status status = buffer_printf(trials->out, "[%" PRIu64 ",", index);
    if (status == STATUS_OK) {
        status = trial.has_ended ? put_text(trials->out, instance_state_name(trial.state))
                                 : buffer_printf(trials->out, "null");
    }
    if (status == STATUS_OK) {
        status = buffer_append_byte(trials->out, ',');
    }
    if (status == STATUS_OK) {
        status = trial.has_value && isfinite(trial.value) ? value_to_json(&value, trials->out)
                                                          : buffer_printf(trials->out, "null");
    }
    return status;
}

static MUST_CHECK enum status put_trial(struct trials *trials, uint64_t index, struct error *err)
{
    const struct space *space = trial_results_space(trials->results);
    mf_value record;
    arena_reset(&trials->arena);
    enum status status =
        trial_results_parameters(trials->results, index, &trials->arena, &record, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = put_summary(trials, index);
    for (size_t i = 0; i < space->count && status == STATUS_OK; i++) {
        const mf_value *value = trial_results_parameter(&space->parameters[i], &record);
        status = buffer_append_byte(trials->out, ',');
        if (status == STATUS_OK) {
            status = value != NULL ? value_to_json(value, trials->out)
                                   : buffer_printf(trials->out, "null");
        }
    }
    if (status == STATUS_OK) {
        status = buffer_append_byte(trials->out, ']');
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "%s", status_text(status));
}

static MUST_CHECK enum status put_trials(struct trials *trials, struct error *err)
{
    const uint64_t all = trial_results_count(trials->results);
    const uint64_t count = all < REPORT_TRIAL_COUNT_MAX ? all : REPORT_TRIAL_COUNT_MAX;
    enum status status = put_head(trials);
    if (status == STATUS_OK) {
        status = buffer_printf(trials->out, ",\"trials\":[");
    }
    if (status != STATUS_OK) {
        return error_set(err, status, "%s", status_text(status));
    }
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        status = i > 0 ? buffer_append_byte(trials->out, ',') : STATUS_OK;
        if (status == STATUS_OK) {
            status = put_trial(trials, i, err);
        }
    }
    return status == STATUS_OK ? buffer_append(trials->out, "]}", 3) : status; /* with its NUL */
}

enum status report_sweep(const char *run_dir, const struct run_description *run, struct buffer *out,
                         struct error *err)
{
    struct buffer json = {0};
    struct trials trials = {.out = &json};
    enum status status = trial_results_open(run_dir, run, &trials.results, err);
    if (status == STATUS_OK) {
        status = put_trials(&trials, err);
    }
    if (status == STATUS_OK) {
        status = report_put_json(out, (const char *)json.data);
    }
    trial_results_close(trials.results);
    arena_free(&trials.arena);
    buffer_free(&json);
    return status;
}
