#include "cli/sweep_result.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/importance.h"
#include "cli/trial_results.h"
#include "master/file.h"
#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/value.h"
#include "shared/value_make.h"

#define BEST_COUNT 5
/* Of so many trials importances are made. */
#define TRIAL_COUNT_MAX ((uint64_t)100000)
#define IMPORTANCE_COUNT_MAX 20

struct telling {
    struct trial_results *results;
    const struct metric_options *metric;
    struct arena arena;
    struct buffer out;
};

/* ---- best.json ---------------------------------------------------------------------------------
 */

static const char *goal_of(const struct metric_options *metric)
{
    return metric->is_maximised ? "maximize" : "minimize";
}

/* A field with a comma before it, unless it is the first. */
static enum status put_field(struct buffer *out, const char *name, mf_value value)
{
    const char *separator = out->size > 1 ? ",\n  " : "\n  ";
    enum status status = buffer_printf(out, "%s\"%s\": ", separator, name);
    return status == STATUS_OK ? value_to_json(&value, out) : status;
}

static enum status put_best(struct telling *telling, uint64_t configuration, struct buffer *out,
                            struct error *err)
{
    mf_value parameters;
    const struct metric_options *metric = telling->metric;
    const struct configuration_summary best =
        trial_metrics_configuration(trial_results_metrics(telling->results), configuration);
    const uint64_t index = configuration * metric->seeds;
    enum status status =
        trial_results_parameters(telling->results, index, &telling->arena, &parameters, err);
    if (status != STATUS_OK) {
        return status;
    }
    const struct {
        const char *name;
        mf_value value;
        bool is_left_out;
    } fields[] = {
        {.name = "index", .value = value_int((int64_t)index)},
        {.name = "value", .value = value_float(best.value)},
        {.name = "parameters", .value = parameters},
        {.name = "goal", .value = value_str(goal_of(metric))},
        {.name = "metric", .value = value_str(metric->name)},
        {.name = "state", .value = value_str(instance_state_name(best.state))},
        {.name = "seeds",
         .value = value_int((int64_t)metric->seeds),
         .is_left_out = metric->seeds == 1},
        {.name = "spread", .value = value_float(best.spread), .is_left_out = metric->seeds == 1},
    };
    status = buffer_append_byte(out, '{');
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && status == STATUS_OK; i++) {
        status =
            fields[i].is_left_out ? STATUS_OK : put_field(out, fields[i].name, fields[i].value);
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, "\n}\n", 3);
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "%s", status_text(status));
}

/* A file of an earlier session whose best has gone is worse than none. */
static enum status write_best(struct telling *telling, const char *run_dir, struct error *err)
{
    uint64_t best;
    struct buffer text = {0};
    char *path = NULL;
    if (trial_metrics_best(trial_results_metrics(telling->results), &best, 1) == 0) {
        if (asprintf(&path, "%s/" SWEEP_BEST_NAME, run_dir) >= 0) {
            (void)unlink(path);
            free(path);
        }
        return STATUS_OK;
    }
    enum status status = put_best(telling, best, &text, err);
    if (status == STATUS_OK) {
        status = file_replace(run_dir, SWEEP_BEST_NAME, text.data, text.size, err);
    }
    buffer_free(&text);
    return status;
}

/* ---- For people --------------------------------------------------------------------------------
 */

static const char *number_text(double value, char text[VALUE_FLOAT_TEXT_SIZE])
{
    (void)value_float_text(value, text);
    return text;
}

static enum status put_row(struct telling *telling, uint64_t configuration)
{
    char value[VALUE_FLOAT_TEXT_SIZE];
    char spread[VALUE_FLOAT_TEXT_SIZE];
    mf_value parameters;
    struct error ignored;
    const uint64_t index = configuration * telling->metric->seeds;
    const struct configuration_summary best =
        trial_metrics_configuration(trial_results_metrics(telling->results), configuration);
    enum status status =
        trial_results_parameters(telling->results, index, &telling->arena, &parameters, &ignored);
    if (status == STATUS_OK) {
        status = buffer_printf(&telling->out, "  %s", number_text(best.value, value));
    }
    if (status == STATUS_OK && telling->metric->seeds > 1) {
        status = buffer_printf(&telling->out, " +- %s", number_text(best.spread, spread));
    }
    if (status == STATUS_OK) {
        status = buffer_printf(&telling->out, "  [%" PRIu64 "] ", index);
    }
    if (status == STATUS_OK) {
        status = value_to_json(&parameters, &telling->out);
    }
    return status == STATUS_OK ? buffer_append_byte(&telling->out, '\n') : status;
}

static enum status put_bests(struct telling *telling)
{
    uint64_t best[BEST_COUNT];
    const struct trial_ends ends = trial_metrics_ends(trial_results_metrics(telling->results));
    const size_t count =
        trial_metrics_best(trial_results_metrics(telling->results), best, BEST_COUNT);
    enum status status = buffer_printf(
        &telling->out, "mapfleet: %s (%s), %" PRIu64 " failed, %" PRIu64 " stopped early; %s\n",
        telling->metric->name, goal_of(telling->metric), ends.failed, ends.stopped,
        count > 0 ? "the best, with index and parameters:" : "no trial has a value");
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = put_row(telling, best[i]);
    }
    return status;
}

/* ---- Importance --------------------------------------------------------------------------------
 */

/* The trials that are compared: one for each configuration that has a value. */
struct sample {
    double *badness; /* small is good; infinite where the value is not finite */
    mf_value *parameters;
    size_t count;
};

static enum status take_sample(struct telling *telling, struct sample *sample, struct error *err)
{
    const uint64_t seeds = telling->metric->seeds;
    const uint64_t count = trial_results_count(telling->results) / seeds;
    enum status status = STATUS_OK;
    sample->badness = memory_take((size_t)count + 1, sizeof(*sample->badness));
    sample->parameters = memory_take((size_t)count + 1, sizeof(*sample->parameters));
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct configuration_summary summary =
            trial_metrics_configuration(trial_results_metrics(telling->results), i);
        if (!summary.has_value) {
            continue;
        }
        const double value = telling->metric->is_maximised ? -summary.value : summary.value;
        sample->badness[sample->count] = isfinite(value) ? value : INFINITY;
        status = trial_results_parameters(telling->results, i * seeds, &telling->arena,
                                          &sample->parameters[sample->count], err);
        sample->count++;
    }
    return status;
}

static const char *text_of(struct telling *telling, const mf_value *value)
{
    struct buffer text = {0};
    const char *copy = NULL;
    if (value != NULL && value_to_json(value, &text) == STATUS_OK) {
        copy = arena_copy(&telling->arena, text.data, text.size);
    }
    buffer_free(&text);
    return copy != NULL ? copy : "";
}

static double importance_in(struct telling *telling, const struct sample *sample,
                            const struct parameter *parameter)
{
    struct importance_setting *settings = memory_take(sample->count + 1, sizeof(*settings));
    for (size_t i = 0; i < sample->count; i++) {
        const mf_value *value = trial_results_parameter(parameter, &sample->parameters[i]);
        const bool is_number = value != NULL && value_is_number(value);
        settings[i] = (struct importance_setting){.level = text_of(telling, value),
                                                  .number = !is_number ? NAN
                                                            : mf_kind_of(value) == MF_FLOAT
                                                                ? mf_float(value)
                                                                : (double)mf_int(value)};
    }
    const double importance = importance_of(settings, sample->badness, sample->count);
    free(settings);
    return importance;
}

struct important {
    const char *name;
    double importance;
};

static int by_importance(const void *a, const void *b)
{
    const double left = ((const struct important *)a)->importance;
    const double right = ((const struct important *)b)->importance;
    return left > right ? -1 : left < right ? 1 : 0;
}

static enum status put_importances(struct telling *telling, const struct sample *sample)
{
    const struct space *space = trial_results_space(telling->results);
    struct important *found = memory_take(space->count + 1, sizeof(*found));
    enum status status = STATUS_OK;
    size_t count = 0;
    for (size_t i = 0; i < space->count; i++) {
        const double importance = importance_in(telling, sample, &space->parameters[i]);
        if (isfinite(importance)) {
            found[count++] =
                (struct important){.name = space->parameters[i].name, .importance = importance};
        }
    }
    qsort(found, count, sizeof(*found), by_importance);
    for (size_t i = 0; i < count && i < IMPORTANCE_COUNT_MAX && status == STATUS_OK; i++) {
        status = buffer_printf(&telling->out, "%s%s %.2f",
                               i == 0 ? "mapfleet: importance (0 to 1): " : ", ", found[i].name,
                               found[i].importance);
    }
    if (status == STATUS_OK && count > 0) {
        status = buffer_append_byte(&telling->out, '\n');
    }
    free(found);
    return status;
}

static enum status tell_importances(struct telling *telling, struct error *err)
{
    struct sample sample = {.count = 0};
    if (trial_results_count(telling->results) > TRIAL_COUNT_MAX) {
        return STATUS_OK;
    }
    enum status status = take_sample(telling, &sample, err);
    if (status == STATUS_OK && put_importances(telling, &sample) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "%s", status_text(STATUS_NO_MEMORY));
    }
    free(sample.badness);
    free(sample.parameters);
    return status;
}

/* ---- All of it ---------------------------------------------------------------------------------
 */

static enum status tell(struct telling *telling, const char *run_dir, struct error *err)
{
    enum status status = write_best(telling, run_dir, err);
    if (status == STATUS_OK && put_bests(telling) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "%s", status_text(STATUS_NO_MEMORY));
    }
    if (status == STATUS_OK) {
        status = tell_importances(telling, err);
    }
    if (status == STATUS_OK) {
        (void)!write(STDERR_FILENO, telling->out.data, telling->out.size);
    }
    return status;
}

void sweep_result_tell(const char *run_dir, const struct run_description *run)
{
    struct error err = {""};
    struct telling telling = {.results = NULL};
    if (run->sweep.path == NULL) {
        return;
    }
    enum status status = trial_results_open(run_dir, run, &telling.results, &err);
    if (status == STATUS_OK) {
        telling.metric = trial_results_metric(telling.results);
        status = telling.metric->name != NULL ? tell(&telling, run_dir, &err) : STATUS_OK;
    }
    if (status != STATUS_OK) {
        log_warning("nothing is said of the best trials: %s", err.text);
    }
    trial_results_close(telling.results);
    arena_free(&telling.arena);
    buffer_free(&telling.out);
}
