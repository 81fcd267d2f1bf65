#include "master/trial_metrics.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "master/trial_metrics_load.h"

TestSuite(trial_metrics, .timeout = 20);

static struct trial_metrics *create(struct metric_options options)
{
    struct trial_metrics *metrics = NULL;
    struct error err = {""};
    options.name = "loss";
    options.seeds = options.seeds > 0 ? options.seeds : 1;
    cr_assert(eq(int, trial_metrics_create(&options, &metrics, &err), STATUS_OK), "%s", err.text);
    return metrics;
}

static struct trial_metrics *create_stopping(void)
{
    return create((struct metric_options){
        .has_early_stop = true, .early_stop = {.is_strict = true, .eta = 3, .min_iter = 3}});
}

static struct trial_heard report_of(struct trial_metrics *metrics, uint64_t trial, uint64_t lease,
                                    double value)
{
    struct trial_heard heard;
    const struct trial_report report = {.trial = trial, .lease = lease, .step = 7, .value = value};
    cr_assert(eq(int, trial_metrics_report(metrics, &report, &heard), STATUS_OK));
    return heard;
}

/* A trial's lease is 100 more than its number. */
static struct trial_heard report(struct trial_metrics *metrics, uint64_t trial, double value)
{
    return report_of(metrics, trial, trial + 100, value);
}

/* Three reports: the first bracket. Gives whether it is to be stopped. */
static bool reach(struct trial_metrics *metrics, uint64_t trial, double loss)
{
    (void)report(metrics, trial, loss);
    (void)report(metrics, trial, loss);
    const struct trial_heard heard = report(metrics, trial, loss);
    cr_expect(heard.is_recorded);
    if (heard.decision.is_stopped) {
        trial_metrics_stop(metrics, trial, &heard.decision);
    }
    return heard.decision.is_stopped;
}

Test(trial_metrics, of_ascending_losses_only_the_first_goes_on)
{
    struct trial_metrics *metrics = create_stopping();
    for (uint64_t trial = 0; trial < 9; trial++) {
        const bool is_stopped = reach(metrics, trial, (double)trial + 1);
        cr_expect(eq(int, is_stopped, trial > 0), "trial %d", (int)trial);
    }
    const struct trial_summary summary = trial_metrics_trial(metrics, 4);
    cr_expect(eq(int, summary.state, INSTANCE_STOPPED_EARLY));
    cr_expect(eq(dbl, summary.value, 5));
    cr_expect(eq(u64, summary.stop.bracket, 3));
    cr_expect(eq(dbl, summary.stop.value, 5));
    cr_expect(eq(dbl, summary.stop.threshold, 2), "the second best of five");
    trial_metrics_destroy(metrics);
}

/* In descending order each is the best so far. Once all have reported again, the best four are
 * left.
 */
Test(trial_metrics, of_descending_losses_all_go_on_until_they_report_again)
{
    struct trial_metrics *metrics = create_stopping();
    for (uint64_t trial = 0; trial < 9; trial++) {
        cr_expect(not(reach(metrics, trial, 9.0 - (double)trial)));
    }
    for (uint64_t trial = 0; trial < 9; trial++) {
        const struct trial_heard heard = report(metrics, trial, 9.0 - (double)trial);
        cr_expect(eq(int, heard.decision.is_stopped, trial < 5), "trial %d", (int)trial);
    }
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, a_report_after_the_end_is_late_and_changes_nothing)
{
    struct trial_metrics *metrics = create_stopping();
    (void)report(metrics, 3, 0.5);
    trial_metrics_end(metrics, 3, INSTANCE_SUCCEEDED);
    cr_expect(report(metrics, 3, 0.1).is_late);
    cr_expect(eq(dbl, trial_metrics_trial(metrics, 3).value, 0.5));
    (void)report(metrics, 4, 0.5);
    trial_metrics_leave(metrics, 4);
    cr_expect(report(metrics, 4, 0.1).is_late, "its attempt has failed");
    cr_expect(not(report_of(metrics, 4, 999, 0.2).is_late), "the next one is another lease");
    cr_expect(eq(u64, trial_metrics_trial(metrics, 4).reports, 1));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, what_an_attempt_before_the_last_has_reported_is_no_value)
{
    struct trial_metrics *metrics = create((struct metric_options){.seeds = 1});
    (void)report(metrics, 0, 0.5);
    trial_metrics_leave(metrics, 0);
    trial_metrics_end(metrics, 0, INSTANCE_SUCCEEDED);
    cr_expect(not(trial_metrics_trial(metrics, 0).has_value));
    cr_expect(eq(u64, trial_metrics_silent_count(metrics), 1));
    trial_metrics_end(metrics, 1, INSTANCE_CACHED);
    cr_expect(eq(u64, trial_metrics_silent_count(metrics), 1));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, the_log_grows_with_the_logarithm_of_the_reports)
{
    struct trial_metrics *metrics = create_stopping();
    uint64_t recorded = 0;
    for (uint64_t i = 1; i <= 1000000; i++) {
        const struct trial_heard heard = report(metrics, 0, 1.0 / (double)i);
        recorded += heard.is_recorded ? 1 : 0;
        cr_assert(heard.is_recorded || i > 1024);
        cr_assert(heard.is_recorded || heard.decision.bracket != i);
    }
    cr_expect(lt(u64, recorded, 1024 + 10 * 512 + 20), "%d are", (int)recorded);
    struct trial_report last;
    uint64_t number = 0;
    (void)report(metrics, 0, 0.25);
    cr_assert(trial_metrics_unrecorded(metrics, 0, &last, &number));
    cr_expect(eq(u64, number, 1000001));
    cr_expect(eq(dbl, last.value, 0.25));
    cr_expect(not(trial_metrics_unrecorded(metrics, 0, &last, &number)), "once");
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, the_target_is_reached_by_any_finite_report)
{
    struct trial_metrics *metrics =
        create((struct metric_options){.is_maximised = true, .has_target = true, .target = 0.9});
    (void)report(metrics, 0, 0.8);
    (void)report(metrics, 0, INFINITY);
    (void)report(metrics, 0, NAN);
    cr_expect(not(trial_metrics_has_target(metrics)));
    (void)report(metrics, 1, 0.9);
    cr_expect(trial_metrics_has_target(metrics));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, with_seeds_a_configuration_is_judged_by_its_mean)
{
    struct configuration_summary summary;
    struct trial_event event;
    struct trial_metrics *metrics =
        create((struct metric_options){.seeds = 2, .has_target = true, .target = 2});
    trial_metrics_listen(metrics);
    (void)report(metrics, 2, 1);
    trial_metrics_end(metrics, 2, INSTANCE_SUCCEEDED);
    cr_expect(not(trial_metrics_has_target(metrics)), "one report is not the mean");
    cr_expect(not(trial_metrics_configuration(metrics, 1).has_ended));
    (void)report(metrics, 3, 3);
    trial_metrics_end(metrics, 3, INSTANCE_SUCCEEDED);
    summary = trial_metrics_configuration(metrics, 1);
    cr_expect(summary.has_value);
    cr_expect(eq(dbl, summary.value, 2));
    cr_expect(epsilon_eq(dbl, summary.spread, 1.4142135623730951, 1e-12));
    cr_expect(trial_metrics_has_target(metrics));
    cr_assert(trial_metrics_next_event(metrics, &event));
    cr_expect(eq(int, event.kind, TRIAL_ENDED));
    cr_expect(eq(u64, event.configuration, 1));
    cr_expect(eq(dbl, event.value, 2));
    (void)report(metrics, 0, 1);
    trial_metrics_end(metrics, 0, INSTANCE_SUCCEEDED);
    trial_metrics_end(metrics, 1, INSTANCE_FAILED);
    summary = trial_metrics_configuration(metrics, 0);
    cr_expect(summary.has_ended && !summary.has_value);
    cr_expect(eq(int, summary.state, INSTANCE_FAILED));
    cr_assert(trial_metrics_next_event(metrics, &event));
    cr_expect(not(event.has_value));
    cr_expect(not(trial_metrics_next_event(metrics, &event)));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, who_listens_hears_of_reports_and_ends_in_their_order)
{
    struct trial_event event;
    struct trial_metrics *metrics = create((struct metric_options){.seeds = 1});
    (void)report(metrics, 5, 1.5);
    trial_metrics_listen(metrics);
    (void)report(metrics, 5, 2.5);
    trial_metrics_end(metrics, 5, INSTANCE_SUCCEEDED);
    cr_assert(trial_metrics_next_event(metrics, &event));
    cr_expect(eq(int, event.kind, TRIAL_REPORTED));
    cr_expect(eq(dbl, event.value, 2.5));
    cr_expect(eq(i64, event.step, 7));
    cr_assert(trial_metrics_next_event(metrics, &event));
    cr_expect(eq(int, event.kind, TRIAL_ENDED));
    cr_expect(eq(int, event.state, INSTANCE_SUCCEEDED));
    cr_expect(not(trial_metrics_next_event(metrics, &event)));
    trial_metrics_destroy(metrics);
}

/* ---- The best ----------------------------------------------------------------------------------
 */

static void end_with(struct trial_metrics *metrics, uint64_t trial, double value,
                     enum instance_state state)
{
    (void)report(metrics, trial, value);
    trial_metrics_end(metrics, trial, state);
}

Test(trial_metrics, the_best_are_finite_and_ties_go_to_the_lowest)
{
    uint64_t best[5];
    struct trial_metrics *metrics = create((struct metric_options){.is_maximised = true});
    end_with(metrics, 4, 0.5, INSTANCE_SUCCEEDED);
    end_with(metrics, 3, 0.7, INSTANCE_SUCCEEDED);
    end_with(metrics, 1, 0.7, INSTANCE_SUCCEEDED);
    end_with(metrics, 0, NAN, INSTANCE_SUCCEEDED);
    end_with(metrics, 2, 0.9, INSTANCE_FAILED);
    (void)report(metrics, 6, 0.99);
    cr_assert(eq(sz, trial_metrics_best(metrics, best, 5), 3));
    cr_expect(eq(u64, best[0], 1));
    cr_expect(eq(u64, best[1], 3));
    cr_expect(eq(u64, best[2], 4));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, those_stopped_early_count_only_where_none_succeeded)
{
    uint64_t best[5];
    const struct early_stop_decision decision = {.is_stopped = true};
    struct trial_metrics *metrics = create((struct metric_options){.seeds = 1});
    (void)report(metrics, 0, 0.1);
    trial_metrics_stop(metrics, 0, &decision);
    cr_assert(eq(sz, trial_metrics_best(metrics, best, 5), 1));
    end_with(metrics, 1, 0.2, INSTANCE_SUCCEEDED);
    cr_assert(eq(sz, trial_metrics_best(metrics, best, 5), 1));
    cr_expect(eq(u64, best[0], 1));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, brackets_are_named)
{
    char text[64];
    struct trial_metrics *metrics = create_stopping();
    cr_expect(eq(str, (char *)(uintptr_t)trial_metrics_brackets(metrics, 4, text, sizeof(text)),
                 "3 9 27 81"));
    trial_metrics_destroy(metrics);
}

/* ---- From a log --------------------------------------------------------------------------------
 */

static void restore(struct trial_metrics *metrics, uint64_t trial, uint64_t number, double value)
{
    const struct record_metric metric = {
        .lease = trial + 100, .index = trial, .number = number, .step = 7, .value = value};
    const struct record record = {.kind = RECORD_METRICS, .metrics = &metric, .metric_count = 1};
    cr_assert(eq(int, trial_metrics_take_record(metrics, &record, 0, 100), STATUS_OK));
}

static void begin_session(struct trial_metrics *metrics)
{
    const struct record start = {.kind = RECORD_START};
    cr_assert(eq(int, trial_metrics_take_record(metrics, &start, 0, 100), STATUS_OK));
}

/* Of ended trials the values at brackets are there, though reports between them are not; what ran
 * begins again. */
Test(trial_metrics, a_log_gives_back_values_stops_and_the_rule)
{
    const struct record_stop stop = {.index = 1, .bracket = 3, .value = 2, .threshold = 1};
    const struct record stopped = {.kind = RECORD_METRICS, .stops = &stop, .stop_count = 1};
    struct trial_metrics *metrics = create_stopping();
    begin_session(metrics);
    restore(metrics, 0, 3, 1);
    restore(metrics, 0, 9, 1);
    restore(metrics, 0, 20, 0.5);
    trial_metrics_end(metrics, 0, INSTANCE_SUCCEEDED);
    restore(metrics, 1, 3, 2);
    cr_assert(eq(int, trial_metrics_take_record(metrics, &stopped, 0, 100), STATUS_OK));
    restore(metrics, 2, 1, 5);
    begin_session(metrics);
    cr_expect(eq(dbl, trial_metrics_trial(metrics, 0).value, 0.5));
    cr_expect(eq(u64, trial_metrics_trial(metrics, 0).reports, 20));
    cr_expect(trial_metrics_trial(metrics, 1).is_stopped);
    cr_expect(reach(metrics, 2, 3), "of three, the second best had 2");
    cr_expect(not(reach(metrics, 3, 0.9)));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, an_attempt_of_a_new_session_begins_anew_under_the_same_lease)
{
    struct trial_metrics *metrics = create_stopping();
    begin_session(metrics);
    restore(metrics, 0, 1, 9);
    restore(metrics, 0, 2, 9);
    begin_session(metrics);
    const struct trial_heard heard = report(metrics, 0, 1);
    cr_expect(eq(u64, heard.number, 1));
    trial_metrics_destroy(metrics);
}

Test(trial_metrics, a_record_of_a_trial_that_there_is_not_is_refused)
{
    const struct record_metric metric = {.index = 100, .number = 1};
    const struct record_stop stop = {.index = 100};
    const struct record records[] = {
        {.kind = RECORD_METRICS, .metrics = &metric, .metric_count = 1},
        {.kind = RECORD_METRICS, .stops = &stop, .stop_count = 1}};
    struct trial_metrics *metrics = create_stopping();
    for (size_t i = 0; i < 2; i++) {
        cr_expect(eq(int, trial_metrics_take_record(metrics, &records[i], 0, 100), STATUS_INVALID));
    }
    trial_metrics_destroy(metrics);
}
