#include "master/trial_metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/index_map.h"
#include "shared/memory.h"

/* The first so many reports of an attempt are recorded. */
#define RECORDED_COUNT 1024u

struct trial {
    uint64_t index;
    uint64_t lease;   /* of its last attempt, */
    uint64_t session; /* in this session */
    uint64_t token;   /* for early_stop.h */
    uint64_t number;  /* of its last report; 0: none */
    int64_t step;
    double value;
    bool is_recorded; /* the last report is */
    bool is_running;
    bool has_ended;
    bool is_stopped;
    enum instance_state state;
    struct early_stop_decision stop;
};

struct trial_metrics {
    struct metric_options options;
    struct early_stop *early_stop; /* NULL: none is stopped early */
    struct index_map places;       /* of trials, by their index */
    struct trial *trials;          /* as they were first heard of */
    size_t trial_count;
    size_t trial_capacity;
    uint64_t session;
    uint64_t token;
    uint64_t silent_count;
    bool has_target; /* reached */
    bool is_listened;
    struct trial_event *events;
    size_t event_first;
    size_t event_count; /* those before the first included */
    size_t event_capacity;
};

/* ---- Life ------------------------------------------------------------------------------------ */

enum status trial_metrics_create(const struct metric_options *options,
                                 struct trial_metrics **metrics_out, struct error *err)
{
    assert(options->seeds > 0);
    struct trial_metrics *metrics = memory_take(1, sizeof(*metrics));
    metrics->options = *options;
    if (options->has_early_stop) {
        const enum status status =
            early_stop_create(options->early_stop, &metrics->early_stop, err);
        if (status != STATUS_OK) {
            trial_metrics_destroy(metrics);
            return status;
        }
    }
    *metrics_out = metrics;
    return STATUS_OK;
}

void trial_metrics_destroy(struct trial_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    early_stop_destroy(metrics->early_stop);
    index_map_free(&metrics->places);
    free(metrics->trials);
    free(metrics->events);
    free(metrics);
}

static struct trial *find(const struct trial_metrics *metrics, uint64_t index)
{
    uint32_t place;
    return index_map_get(&metrics->places, index, &place) ? &metrics->trials[place] : NULL;
}

static struct trial *find_or_add(struct trial_metrics *metrics, uint64_t index)
{
    struct trial *trial = find(metrics, index);
    if (trial != NULL) {
        return trial;
    }
    assert(metrics->trial_count < UINT32_MAX);
    metrics->trials = memory_grow(metrics->trials, metrics->trial_count, &metrics->trial_capacity,
                                  sizeof(*metrics->trials));
    index_map_put(&metrics->places, index, (uint32_t)metrics->trial_count);
    trial = &metrics->trials[metrics->trial_count++];
    *trial = (struct trial){.index = index};
    return trial;
}

/* ---- Events ------------------------------------------------------------------------------------
 */

void trial_metrics_listen(struct trial_metrics *metrics)
{
    metrics->is_listened = true;
}

static void put_event(struct trial_metrics *metrics, struct trial_event event)
{
    if (!metrics->is_listened) {
        return;
    }
    metrics->events = memory_grow(metrics->events, metrics->event_count, &metrics->event_capacity,
                                  sizeof(*metrics->events));
    metrics->events[metrics->event_count++] = event;
}

bool trial_metrics_next_event(struct trial_metrics *metrics, struct trial_event *event_out)
{
    if (metrics->event_first == metrics->event_count) {
        return false;
    }
    *event_out = metrics->events[metrics->event_first++];
    if (metrics->event_first == metrics->event_count) {
        metrics->event_first = 0;
        metrics->event_count = 0;
    }
    return true;
}

/* ---- Configurations ----------------------------------------------------------------------------
 */

static enum instance_state worse_of(enum instance_state so_far, enum instance_state state)
{
    if (so_far == INSTANCE_FAILED || !instance_state_is_success(state)) {
        return INSTANCE_FAILED;
    }
    return state == INSTANCE_STOPPED_EARLY ? state : so_far;
}

/* Of `count` values, by their mean. */
static double spread_of(const struct trial_metrics *metrics, uint64_t first, double mean)
{
    double squares = 0;
    const uint64_t count = metrics->options.seeds;
    for (uint64_t i = 0; i < count; i++) {
        const double value = find(metrics, first + i)->value;
        squares += (value - mean) * (value - mean);
    }
    return count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
}

struct configuration_summary trial_metrics_configuration(const struct trial_metrics *metrics,
                                                         uint64_t configuration)
{
    struct configuration_summary summary = {
        .has_ended = true, .has_value = true, .state = INSTANCE_SUCCEEDED};
    const uint64_t first = configuration * metrics->options.seeds;
    for (uint64_t i = 0; i < metrics->options.seeds; i++) {
        const struct trial *trial = find(metrics, first + i);
        if (trial == NULL || !trial->has_ended) {
            return (struct configuration_summary){.has_ended = false};
        }
        summary.state = worse_of(summary.state, trial->state);
        summary.has_value = summary.has_value && trial->number > 0;
        summary.value += trial->value;
    }
    summary.has_value = summary.has_value && summary.state != INSTANCE_FAILED;
    summary.value = summary.has_value ? summary.value / (double)metrics->options.seeds : 0;
    summary.spread = summary.has_value ? spread_of(metrics, first, summary.value) : 0;
    return summary;
}

static bool reaches(const struct metric_options *options, double value)
{
    return options->has_target && isfinite(value) &&
           (options->is_maximised ? value >= options->target : value <= options->target);
}

static void mind_configuration(struct trial_metrics *metrics, uint64_t trial)
{
    const uint64_t number = trial / metrics->options.seeds;
    const struct configuration_summary summary = trial_metrics_configuration(metrics, number);
    if (!summary.has_ended) {
        return;
    }
    metrics->has_target =
        metrics->has_target || (summary.has_value && reaches(&metrics->options, summary.value));
    put_event(metrics, (struct trial_event){.kind = TRIAL_ENDED,
                                            .configuration = number,
                                            .has_value = summary.has_value,
                                            .value = summary.value,
                                            .state = summary.state});
}

/* ---- Reports -----------------------------------------------------------------------------------
 */

static bool is_kept(uint64_t number)
{
    uint64_t stride = 1;
    for (uint64_t rest = (number - 1) / RECORDED_COUNT; rest > 0; rest /= 2) {
        stride *= 2;
    }
    return number % stride == 0;
}

/* A new attempt's first report: what an earlier one has reported is forgotten. */
static enum status begin(struct trial_metrics *metrics, struct trial *trial, uint64_t lease)
{
    trial->lease = lease;
    trial->session = metrics->session;
    trial->token = ++metrics->token;
    trial->number = 0;
    trial->is_running = true;
    return metrics->early_stop != NULL
               ? early_stop_begin(metrics->early_stop, trial->index, trial->token)
               : STATUS_OK;
}

static bool is_new_attempt(const struct trial_metrics *metrics, const struct trial *trial,
                           uint64_t lease)
{
    return trial->token == 0 || trial->session != metrics->session || trial->lease != lease;
}

/* `number`: of the report within its attempt; 0: the next. */
static enum status take(struct trial_metrics *metrics, const struct trial_report *report,
                        uint64_t number, struct trial_heard *heard)
{
    enum status status = STATUS_OK;
    struct trial *trial = find_or_add(metrics, report->trial);
    *heard = (struct trial_heard){.is_late = trial->has_ended};
    if (!heard->is_late && is_new_attempt(metrics, trial, report->lease)) {
        status = begin(metrics, trial, report->lease);
    }
    heard->is_late = heard->is_late || !trial->is_running;
    if (status != STATUS_OK || heard->is_late) {
        return status;
    }
    if (metrics->early_stop != NULL) {
        const uint64_t skipped = number > trial->number + 1 ? number - trial->number - 1 : 0;
        early_stop_skip(metrics->early_stop, trial->index, trial->token, skipped);
        status = early_stop_report(metrics->early_stop, trial->index, trial->token, report->value,
                                   &heard->decision);
    }
    trial->number = number > trial->number ? number : trial->number + 1;
    trial->step = report->step;
    trial->value = report->value;
    heard->number = trial->number;
    return status;
}

enum status trial_metrics_report(struct trial_metrics *metrics, const struct trial_report *report,
                                 struct trial_heard *heard_out)
{
    const enum status status = take(metrics, report, 0, heard_out);
    if (status != STATUS_OK || heard_out->is_late) {
        return status;
    }
    const bool is_target = metrics->options.seeds == 1 && reaches(&metrics->options, report->value);
    struct trial *trial = find(metrics, report->trial);
    trial->is_recorded = is_kept(trial->number) || heard_out->decision.is_stopped ||
                         heard_out->decision.bracket == trial->number ||
                         (is_target && !metrics->has_target);
    heard_out->is_recorded = trial->is_recorded;
    metrics->has_target = metrics->has_target || is_target;
    if (metrics->options.seeds == 1) {
        put_event(metrics, (struct trial_event){.kind = TRIAL_REPORTED,
                                                .configuration = report->trial,
                                                .step = report->step,
                                                .has_value = true,
                                                .value = report->value});
    }
    return STATUS_OK;
}

enum status trial_metrics_restore(struct trial_metrics *metrics, const struct trial_report *report,
                                  uint64_t number)
{
    struct trial_heard heard;
    const enum status status = take(metrics, report, number, &heard);
    if (status == STATUS_OK && !heard.is_late) {
        find(metrics, report->trial)->is_recorded = true;
        metrics->has_target = metrics->has_target || (metrics->options.seeds == 1 &&
                                                      reaches(&metrics->options, report->value));
    }
    return status;
}

bool trial_metrics_unrecorded(struct trial_metrics *metrics, uint64_t index,
                              struct trial_report *report_out, uint64_t *number_out)
{
    struct trial *trial = find(metrics, index);
    if (trial == NULL || trial->number == 0 || trial->is_recorded || trial->has_ended) {
        return false;
    }
    trial->is_recorded = true;
    *report_out = (struct trial_report){
        .trial = index, .lease = trial->lease, .step = trial->step, .value = trial->value};
    *number_out = trial->number;
    return true;
}

/* ---- Ends --------------------------------------------------------------------------------------
 */

static void leave(struct trial_metrics *metrics, struct trial *trial)
{
    trial->is_running = false;
    if (metrics->early_stop != NULL) {
        early_stop_end(metrics->early_stop, trial->index);
    }
}

void trial_metrics_leave(struct trial_metrics *metrics, uint64_t index)
{
    struct trial *trial = find(metrics, index);
    if (trial != NULL) {
        leave(metrics, trial);
    }
}

/* Where its last attempt has not reported, what an earlier one has is no value of it. */
void trial_metrics_end(struct trial_metrics *metrics, uint64_t index, enum instance_state state)
{
    struct trial *trial = find_or_add(metrics, index);
    if (trial->has_ended) {
        return;
    }
    trial->number = state == INSTANCE_SUCCEEDED && !trial->is_running ? 0 : trial->number;
    leave(metrics, trial);
    trial->has_ended = true;
    trial->state = state;
    metrics->silent_count += state == INSTANCE_SUCCEEDED && trial->number == 0 ? 1 : 0;
    mind_configuration(metrics, index);
}

void trial_metrics_stop(struct trial_metrics *metrics, uint64_t index,
                        const struct early_stop_decision *decision)
{
    struct trial *trial = find_or_add(metrics, index);
    if (trial->has_ended) {
        return;
    }
    trial->is_stopped = true;
    trial->stop = *decision;
    trial_metrics_end(metrics, index, INSTANCE_STOPPED_EARLY);
}

void trial_metrics_begin_session(struct trial_metrics *metrics, bool revives_failed)
{
    metrics->session++;
    for (size_t i = 0; i < metrics->trial_count; i++) {
        struct trial *trial = &metrics->trials[i];
        leave(metrics, trial);
        if (revives_failed && !instance_state_is_success(trial->state)) {
            trial->has_ended = false;
        }
    }
}

/* ---- What is known -----------------------------------------------------------------------------
 */

bool trial_metrics_has_target(const struct trial_metrics *metrics)
{
    return metrics->has_target;
}

uint64_t trial_metrics_silent_count(const struct trial_metrics *metrics)
{
    return metrics->silent_count;
}

struct trial_ends trial_metrics_ends(const struct trial_metrics *metrics)
{
    struct trial_ends ends = {.failed = 0};
    for (size_t i = 0; i < metrics->trial_count; i++) {
        const struct trial *trial = &metrics->trials[i];
        ends.failed += trial->has_ended && !instance_state_is_success(trial->state) ? 1 : 0;
        ends.stopped += trial->is_stopped ? 1 : 0;
    }
    return ends;
}

struct trial_summary trial_metrics_trial(const struct trial_metrics *metrics, uint64_t index)
{
    const struct trial *trial = find(metrics, index);
    if (trial == NULL) {
        return (struct trial_summary){.has_value = false};
    }
    return (struct trial_summary){.has_value = trial->number > 0,
                                  .value = trial->value,
                                  .step = trial->step,
                                  .reports = trial->number,
                                  .has_ended = trial->has_ended,
                                  .state = trial->state,
                                  .is_stopped = trial->is_stopped,
                                  .stop = trial->stop};
}

struct candidate {
    double badness; /* small is good */
    uint64_t configuration;
    bool is_stopped;
};

static int by_badness(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;
    if (left->badness != right->badness) {
        return left->badness < right->badness ? -1 : 1;
    }
    return left->configuration < right->configuration   ? -1
           : left->configuration > right->configuration ? 1
                                                        : 0;
}

/* Those with a finite value; gives how many. *is_any_out: did one of them come to its end? */
static size_t gather(const struct trial_metrics *metrics, struct candidate *candidates,
                     bool *is_any_out)
{
    size_t count = 0;
    *is_any_out = false;
    for (size_t i = 0; i < metrics->trial_count; i++) {
        const uint64_t index = metrics->trials[i].index;
        if (index % metrics->options.seeds != 0) {
            continue; /* another instance stands for it */
        }
        const uint64_t configuration = index / metrics->options.seeds;
        const struct configuration_summary summary =
            trial_metrics_configuration(metrics, configuration);
        if (!summary.has_value || !isfinite(summary.value)) {
            continue;
        }
        const bool is_stopped = summary.state == INSTANCE_STOPPED_EARLY;
        *is_any_out = *is_any_out || !is_stopped;
        candidates[count++] = (struct candidate){
            .badness = metrics->options.is_maximised ? -summary.value : summary.value,
            .configuration = configuration,
            .is_stopped = is_stopped};
    }
    return count;
}

size_t trial_metrics_best(const struct trial_metrics *metrics, uint64_t *configurations_out,
                          size_t count_max)
{
    bool is_any = false;
    size_t found = 0;
    struct candidate *candidates = memory_take(metrics->trial_count + 1, sizeof(*candidates));
    const size_t count = gather(metrics, candidates, &is_any);
    qsort(candidates, count, sizeof(*candidates), by_badness);
    for (size_t i = 0; i < count && found < count_max; i++) {
        if (!candidates[i].is_stopped || !is_any) {
            configurations_out[found++] = candidates[i].configuration;
        }
    }
    free(candidates);
    return found;
}

const char *trial_metrics_brackets(const struct trial_metrics *metrics, size_t count_max,
                                   char *text, size_t size)
{
    size_t used = 0;
    const size_t count =
        metrics->early_stop != NULL ? early_stop_bracket_count(metrics->early_stop) : 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && i < count_max; i++) {
        const int more = snprintf(text + used, size - used, "%s%" PRIu64, i > 0 ? " " : "",
                                  early_stop_bracket(metrics->early_stop, i));
        if (more < 0 || (size_t)more >= size - used) {
            text[used] = '\0';
            break;
        }
        used += (size_t)more;
    }
    return text;
}
