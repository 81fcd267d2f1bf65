#include "cli/trial_results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/problems.h"
#include "cli/sweep_file.h"
#include "cli/sweep_metric.h"
#include "master/inputs.h"
#include "master/trial_metrics_load.h"
#include "shared/buffer.h"
#include "shared/computed.h"
#include "shared/memory.h"
#include "shared/type.h"
#include "shared/value.h"
#include "shared/value_make.h"

struct trial_results {
    const struct run_description *run;
    struct sweep_file *file;
    struct arena arena; /* of the metric, and of names of columns */
    struct metric_options metric;
    struct trial_metrics *metrics;
    struct type *type; /* of an input */
    struct inputs *inputs;
    struct computed *computed; /* where they are a formula */
    struct buffer packed;
    uint64_t count;
};

/* ---- Life ------------------------------------------------------------------------------------ */

static enum status read_file(struct trial_results *results, struct error *err)
{
    const struct sweep_command no_command = {.words = NULL};
    struct problems problems = {.path = results->run->sweep.path};
    const char *text = results->run->sweep.text;
    const enum status status = sweep_file_read(text, strlen(text), &problems, &results->file);
    if (status == STATUS_INVALID) {
        (void)error_set(err, status, RUN_FILE_NAME ": sweep: %s", problems_text(&problems, 0));
    } else if (status != STATUS_OK) {
        (void)error_set(err, status, "no memory for the file of a sweep");
    }
    problems_free(&problems);
    if (status == STATUS_OK) {
        results->metric = sweep_metric_make(results->file, &no_command, false, &results->arena);
    }
    return status;
}

static enum status load_metrics(struct trial_results *results, const char *run_dir,
                                struct error *err)
{
    const enum status status = trial_metrics_create(&results->metric, &results->metrics, err);
    return status == STATUS_OK
               ? trial_metrics_load(results->metrics, run_dir, 0, results->count, err)
               : status;
}

static enum status open_inputs(struct trial_results *results, const char *run_dir,
                               struct error *err)
{
    const struct run_description *run = results->run;
    enum status status = type_parse(run->input_type, &results->type, err);
    if (status == STATUS_OK) {
        status = inputs_load(run_dir, &run->formula, run->input_count, run->input_digest,
                             &results->inputs, err);
    }
    if (status == STATUS_OK && inputs_come_later(results->inputs)) {
        return inputs_load_later(results->inputs, run_dir, 0, err);
    }
    if (status == STATUS_OK) {
        status =
            computed_open(&run->formula, results->type, run->launch_dir, &results->computed, err);
    }
    return status;
}

enum status trial_results_open(const char *run_dir, const struct run_description *run,
                               struct trial_results **results_out, struct error *err)
{
    struct trial_results *results = memory_take(1, sizeof(*results));
    results->run = run;
    results->count = run->input_count;
    enum status status = read_file(results, err);
    if (status == STATUS_OK) {
        status = load_metrics(results, run_dir, err);
    }
    if (status == STATUS_OK) {
        status = open_inputs(results, run_dir, err);
    }
    if (status != STATUS_OK) {
        trial_results_close(results);
        return status;
    }
    *results_out = results;
    return STATUS_OK;
}

void trial_results_close(struct trial_results *results)
{
    if (results == NULL) {
        return;
    }
    computed_close(results->computed);
    inputs_close(results->inputs);
    type_destroy(results->type);
    trial_metrics_destroy(results->metrics);
    sweep_file_destroy(results->file);
    buffer_free(&results->packed);
    arena_free(&results->arena);
    free(results);
}

const struct metric_options *trial_results_metric(const struct trial_results *results)
{
    return &results->metric;
}

const struct trial_metrics *trial_results_metrics(const struct trial_results *results)
{
    return results->metrics;
}

const struct space *trial_results_space(const struct trial_results *results)
{
    return results->file->space;
}

uint64_t trial_results_count(const struct trial_results *results)
{
    return results->count;
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static enum status take_packed(const struct buffer *packed, struct arena *arena,
                               mf_value *value_out, struct error *err)
{
    size_t used;
    uint8_t *bytes = arena_take(arena, packed->size + 1);
    if (bytes == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for parameters");
    }
    memcpy(bytes, packed->data, packed->size);
    return value_decode(arena, bytes, packed->size, &used, value_out, err);
}

/* The computed one is valid until the next: it is copied. */
static enum status copy_value(const mf_value *value, struct buffer *packed, struct arena *arena,
                              mf_value *copy_out, struct error *err)
{
    buffer_clear(packed);
    return value_encode(value, packed) == STATUS_OK
               ? take_packed(packed, arena, copy_out, err)
               : error_set(err, STATUS_NO_MEMORY, "no memory for parameters");
}

enum status trial_results_parameters(struct trial_results *results, uint64_t index,
                                     struct arena *arena, mf_value *record_out, struct error *err)
{
    mf_value value;
    *record_out = value_null();
    if (results->computed != NULL) {
        return computed_element(results->computed, index, &value, err) == STATUS_OK
                   ? copy_value(&value, &results->packed, arena, record_out, err)
                   : STATUS_OK;
    }
    const struct span span = {.start = index, .count = 1};
    if (index >= inputs_available(results->inputs)) {
        return STATUS_OK;
    }
    buffer_clear(&results->packed);
    enum status status = inputs_pack(results->inputs, &span, 1, &results->packed, err);
    if (status == STATUS_OK && results->packed.size > 0) {
        status = take_packed(&results->packed, arena, record_out, err);
    }
    return status;
}

const mf_value *trial_results_parameter(const struct parameter *parameter, const mf_value *record)
{
    const mf_value *value = record;
    for (size_t i = 0; i < parameter->path_count && value != NULL; i++) {
        value = mf_kind_of(value) == MF_MAP ? mf_field(value, parameter->path[i]) : NULL;
    }
    return value;
}

/* ---- Columns --------------------------------------------------------------------------------- */

enum { COLUMN_VALUE, COLUMN_STOP, COLUMN_MEAN, COLUMN_SPREAD };

static size_t metric_column_count(const struct trial_results *results)
{
    return results->metric.name == NULL ? 0 : results->metric.seeds > 1 ? 4 : 2;
}

static size_t parameter_column_count(const struct trial_results *results, bool is_csv)
{
    return is_csv ? results->file->space->count : 1;
}

size_t trial_results_column_count(const struct trial_results *results, bool is_csv)
{
    return parameter_column_count(results, is_csv) + metric_column_count(results);
}

static bool is_name_of(const struct row_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A parameter that is named as another column is: parameters.rank. */
static const char *apart(struct trial_results *results, const char *name)
{
    static const char before[] = "parameters.";
    const size_t size = strlen(name);
    char *text = arena_take(&results->arena, sizeof(before) + size);
    if (text != NULL) {
        memcpy(text, before, strlen(before));
        memcpy(text + strlen(before), name, size + 1);
    }
    return text;
}

enum status trial_results_name(struct trial_results *results, bool is_csv,
                               const struct row_field *others, size_t other_count,
                               struct row_field *fields_out)
{
    static const char *const names[] = {[COLUMN_VALUE] = "value",
                                        [COLUMN_STOP] = "stop",
                                        [COLUMN_MEAN] = "mean",
                                        [COLUMN_SPREAD] = "spread"};
    const size_t count = parameter_column_count(results, is_csv);
    const size_t metric_count = metric_column_count(results);
    for (size_t i = 0; i < metric_count; i++) {
        fields_out[count + i].name = names[i];
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = is_csv ? results->file->space->parameters[i].name : "parameters";
        fields_out[i].name = is_name_of(others, other_count, name) ||
                                     is_name_of(fields_out + count, metric_count, name)
                                 ? apart(results, name)
                                 : name;
        if (fields_out[i].name == NULL) {
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

mf_value trial_results_number(double value)
{
    const char *text = isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    return isfinite(value) ? value_float(value) : value_str(text);
}

static enum status stop_of(const struct trial_summary *trial, struct arena *arena,
                           mf_value *stop_out)
{
    *stop_out = value_null();
    if (!trial->is_stopped) {
        return STATUS_OK;
    }
    *stop_out = value_map_make(arena, 3);
    if (mf_is_null(stop_out)) {
        return STATUS_NO_MEMORY;
    }
    value_map_set(stop_out, 0, "bracket", value_int((int64_t)trial->stop.bracket));
    value_map_set(stop_out, 1, "value", trial_results_number(trial->stop.value));
    value_map_set(stop_out, 2, "threshold", trial_results_number(trial->stop.threshold));
    return STATUS_OK;
}

static enum status fill_metric(const struct trial_results *results, uint64_t index,
                               struct arena *arena, struct row_field *fields)
{
    const struct trial_summary trial = trial_metrics_trial(results->metrics, index);
    fields[COLUMN_VALUE].value = trial.has_value ? trial_results_number(trial.value) : value_null();
    if (results->metric.seeds > 1) {
        const struct configuration_summary all =
            trial_metrics_configuration(results->metrics, index / results->metric.seeds);
        fields[COLUMN_MEAN].value = all.has_value ? trial_results_number(all.value) : value_null();
        fields[COLUMN_SPREAD].value =
            all.has_value ? trial_results_number(all.spread) : value_null();
    }
    return stop_of(&trial, arena, &fields[COLUMN_STOP].value);
}

enum status trial_results_fill(struct trial_results *results, bool is_csv, uint64_t index,
                               struct arena *arena, struct row_field *fields_out, struct error *err)
{
    mf_value record;
    const struct space *space = results->file->space;
    const size_t count = parameter_column_count(results, is_csv);
    enum status status = trial_results_parameters(results, index, arena, &record, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (!is_csv) {
        fields_out[0].value = record;
    }
    for (size_t i = 0; is_csv && i < count; i++) {
        const mf_value *value = trial_results_parameter(&space->parameters[i], &record);
        fields_out[i].value = value != NULL ? *value : value_null();
    }
    if (results->metric.name != NULL) {
        status = fill_metric(results, index, arena, fields_out + count);
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "no memory for a row");
}

/* ---- Order ----------------------------------------------------------------------------------- */

enum rank_class { RANK_FINITE, RANK_OTHER, RANK_FAILED, RANK_NONE };

struct ranked {
    enum rank_class class;
    double badness;
    uint64_t index;
};

static struct ranked rank_of(const struct trial_results *results, uint64_t index)
{
    const struct configuration_summary all =
        trial_metrics_configuration(results->metrics, index / results->metric.seeds);
    const struct trial_summary trial = trial_metrics_trial(results->metrics, index);
    const bool is_one = results->metric.seeds == 1;
    const bool has_value = is_one ? trial.has_value : all.has_value;
    const double value = is_one ? trial.value : all.value;
    const bool is_good =
        is_one ? !trial.has_ended || instance_state_is_success(trial.state) : all.has_value;
    return (struct ranked){.class = !has_value        ? RANK_NONE
                                    : !is_good        ? RANK_FAILED
                                    : isfinite(value) ? RANK_FINITE
                                                      : RANK_OTHER,
                           .badness = !has_value || !isfinite(value) ? 0
                                      : results->metric.is_maximised ? -value
                                                                     : value,
                           .index = index};
}

static int by_rank(const void *a, const void *b)
{
    const struct ranked *left = a;
    const struct ranked *right = b;
    if (left->class != right->class) {
        return left->class < right->class ? -1 : 1;
    }
    if (left->badness != right->badness) {
        return left->badness < right->badness ? -1 : 1;
    }
    return left->index < right->index ? -1 : left->index > right->index ? 1 : 0;
}

enum status trial_results_sort(const struct trial_results *results, const char *metric,
                               uint64_t **indices_out, struct error *err)
{
    const char *name = results->metric.name;
    if (name == NULL || strcmp(metric, name) != 0) {
        return error_set(err, STATUS_INVALID, "--sort: found %s, expected %s%s", metric,
                         name != NULL ? "the metric of the sweep, which is " : "a sweep's metric",
                         name != NULL ? name : ", and this one has none");
    }
    struct ranked *ranked = memory_take((size_t)results->count + 1, sizeof(*ranked));
    uint64_t *indices = memory_take((size_t)results->count + 1, sizeof(*indices));
    for (uint64_t i = 0; i < results->count; i++) {
        ranked[i] = rank_of(results, i);
    }
    qsort(ranked, (size_t)results->count, sizeof(*ranked), by_rank);
    for (uint64_t i = 0; i < results->count; i++) {
        indices[i] = ranked[i].index;
    }
    free(ranked);
    *indices_out = indices;
    return STATUS_OK;
}
