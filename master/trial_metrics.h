/* trial_metrics.h - what the trials of a sweep report, and what follows from it.
 *
 *     trial_metrics_create --> (trial_metrics_begin_session, trial_metrics_restore_..., from a log)
 *       --> trial_metrics_report   for each report of an attempt that runs: is it recorded, is the
 *                                  trial to be stopped?
 *           trial_metrics_leave    its attempt has ended, and the trial has not
 *           trial_metrics_end      the trial has ended
 *           trial_metrics_next_event ... what has come of that, for whoever listens
 *       --> trial_metrics_destroy
 *
 * A trial is an instance; the `seeds` instances of a configuration follow each other, and a
 * configuration is judged by their mean. A trial's reports are those of its last attempt, which is
 * known by its lease; its value is the last of them.
 *
 * Not every report is recorded, so that a log stays small however often trials report: the first
 * 1024 of an attempt are, every second one of the next 1024, every fourth of the next 2048, and so
 * on; and besides each at which a bracket is reached, the target is, or the trial is stopped, and
 * the last one of a trial that ends. From those alone, all that is decided here comes out again.
 *
 * Ownership: everything is copied.
 * Threads:   one. Nothing here reads a clock or does I/O.
 * Failure:   NO_MEMORY, else none; who holds what is for the caller to know.
 * Cost:      of a report, that of early_stop.h; memory of some hundred bytes for each trial that
 *            has reported or ended.
 */
#ifndef MASTER_TRIAL_METRICS_H
#define MASTER_TRIAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/metric_options.h"
#include "shared/attempt.h"
#include "shared/error.h"

struct trial_metrics; /* fields: trial_metrics.c */

/* INVALID where early_stop_create() says so. */
MUST_CHECK enum status trial_metrics_create(const struct metric_options *options,
                                            struct trial_metrics **metrics_out, struct error *err);
void trial_metrics_destroy(struct trial_metrics *metrics); /* NULL is allowed */

/* ---- While it runs ---- */

/* A report of an attempt that holds its trial. */
struct trial_report {
    uint64_t trial;
    uint64_t lease; /* under which its attempt runs */
    int64_t step;
    double value;
};

/* What it means. */
struct trial_heard {
    bool is_late;     /* the trial has ended: nothing */
    bool is_recorded; /* it belongs in the log, */
    uint64_t number;  /* as this report of its attempt, from 1 */
    struct early_stop_decision decision;
};

MUST_CHECK enum status trial_metrics_report(struct trial_metrics *metrics,
                                            const struct trial_report *report,
                                            struct trial_heard *heard_out);

/* Its attempt has failed, or was ended, and another may follow. */
void trial_metrics_leave(struct trial_metrics *metrics, uint64_t index);
/* The trial has ended: with its value, where it has reported. To be told once. */
void trial_metrics_end(struct trial_metrics *metrics, uint64_t index, enum instance_state state);
/* The same for one that trial_metrics_report() has said to stop. */
void trial_metrics_stop(struct trial_metrics *metrics, uint64_t index,
                        const struct early_stop_decision *decision);

/* The last report of a trial that is about to end, where it was not recorded yet. */
MUST_CHECK bool trial_metrics_unrecorded(struct trial_metrics *metrics, uint64_t index,
                                         struct trial_report *report_out, uint64_t *number_out);

/* Is the target reached: by any finite report, or by the mean of a configuration? */
bool trial_metrics_has_target(const struct trial_metrics *metrics);

/* ---- Events: what an adaptive sampler is told ---- */

enum trial_event_kind { TRIAL_REPORTED, TRIAL_ENDED };

struct trial_event {
    enum trial_event_kind kind;
    uint64_t configuration;    /* the trial itself, where there is one seed */
    int64_t step;              /* REPORTED; only where there is one seed */
    bool has_value;            /* ENDED; REPORTED always has */
    double value;              /* ENDED: the mean, where all of its trials have one */
    enum instance_state state; /* ENDED: SUCCEEDED, STOPPED_EARLY or FAILED */
};

/* From here on events are kept until they are taken. */
void trial_metrics_listen(struct trial_metrics *metrics);
/* The oldest event; false where there is none. */
MUST_CHECK bool trial_metrics_next_event(struct trial_metrics *metrics,
                                         struct trial_event *event_out);

/* ---- From a log, in its order ---- */

/* What ran in the session before does not run any more; where it revives_failed, failed trials
 * begin anew. */
void trial_metrics_begin_session(struct trial_metrics *metrics, bool revives_failed);
/* A report as it was recorded. */
MUST_CHECK enum status trial_metrics_restore(struct trial_metrics *metrics,
                                             const struct trial_report *report, uint64_t number);

/* ---- What is known ---- */

struct trial_summary {
    bool has_value;
    double value;
    int64_t step;
    uint64_t reports; /* of its last attempt */
    bool has_ended;
    enum instance_state state; /* where it has ended */
    bool is_stopped;
    struct early_stop_decision stop;
};
struct trial_summary trial_metrics_trial(const struct trial_metrics *metrics, uint64_t index);

struct configuration_summary {
    bool has_ended; /* all of its trials have */
    bool has_value;
    double value;              /* the mean of its trials' */
    double spread;             /* the standard deviation of the sample; 0 of one */
    enum instance_state state; /* FAILED where one did not succeed; STOPPED_EARLY where one was */
};
struct configuration_summary trial_metrics_configuration(const struct trial_metrics *metrics,
                                                         uint64_t configuration);

/* The best configurations that have ended with a finite value, the best first: among equal ones the
 * lowest. Those stopped early only where no other has one. Gives how many, at most `count_max`. */
size_t trial_metrics_best(const struct trial_metrics *metrics, uint64_t *configurations_out,
                          size_t count_max);

/* Of the trials that have reported or ended: how many failed, and how many were stopped early. */
struct trial_ends {
    uint64_t failed;
    uint64_t stopped;
};
struct trial_ends trial_metrics_ends(const struct trial_metrics *metrics);

/* Trials that have succeeded without a report. */
uint64_t trial_metrics_silent_count(const struct trial_metrics *metrics);

/* The first brackets, at most so many, as "3 9 27", in a text of at most `size` bytes with its NUL;
 * "" where nothing is stopped early. */
const char *trial_metrics_brackets(const struct trial_metrics *metrics, size_t count_max,
                                   char *text, size_t size);

#endif
