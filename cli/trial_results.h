/* trial_results.h - what the trials of a sweep came to, from its run directory alone: parameters,
 * values, stops, and which are the best.
 *
 *     trial_results_open --> trial_results_parameters, ... --> trial_results_close
 *
 * Ownership: the results own all that they give out, but for records, which lie in the caller's
 *            arena.
 * Threads:   one.
 * Failure:   of a run directory that cannot be read, with what is wrong.
 */
#ifndef CLI_TRIAL_RESULTS_H
#define CLI_TRIAL_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/rows.h"
#include "master/metric_options.h"
#include "master/run_file.h"
#include "master/trial_metrics.h"
#include "shared/arena.h"
#include "shared/error.h"
#include "shared/mapfleet.h"
#include "shared/space.h"

struct trial_results; /* fields: trial_results.c */

/* `run` is of a sweep (run->sweep.path), and outlives the results. */
MUST_CHECK enum status trial_results_open(const char *run_dir, const struct run_description *run,
                                          struct trial_results **results_out, struct error *err);
void trial_results_close(struct trial_results *results); /* NULL is allowed */

/* Its name is NULL where the sweep has none; then nothing has a value. */
const struct metric_options *trial_results_metric(const struct trial_results *results);
const struct trial_metrics *trial_results_metrics(const struct trial_results *results);
const struct space *trial_results_space(const struct trial_results *results);
uint64_t trial_results_count(const struct trial_results *results); /* of instances */

/* The parameters of an instance, a record. Null where it has none: its draws were in vain, or no
 * sampler proposed it. */
MUST_CHECK enum status trial_results_parameters(struct trial_results *results, uint64_t index,
                                                struct arena *arena, mf_value *record_out,
                                                struct error *err);
/* That of this name in such a record; NULL where it was left out. */
const mf_value *trial_results_parameter(const struct parameter *parameter, const mf_value *record);

/* ---- As columns of a table: parameters, and, where there is a metric, what was reported ---- */

/* In CSV each parameter has a column of its own. */
size_t trial_results_column_count(const struct trial_results *results, bool is_csv);
/* One that is named as one of the other columns is called parameters.NAME. NO_MEMORY. */
MUST_CHECK enum status trial_results_name(struct trial_results *results, bool is_csv,
                                          const struct row_field *others, size_t other_count,
                                          struct row_field *fields_out);
MUST_CHECK enum status trial_results_fill(struct trial_results *results, bool is_csv,
                                          uint64_t index, struct arena *arena,
                                          struct row_field *fields_out, struct error *err);

/* The indices of all instances in the order of this metric, the best first: then those whose value
 * is not finite, those that failed, and those without one. To be freed. INVALID where the sweep has
 * no such metric. */
MUST_CHECK enum status trial_results_sort(const struct trial_results *results, const char *metric,
                                          uint64_t **indices_out, struct error *err);

/* Of a number that may not be finite, which JSON cannot say: a text then. */
mf_value trial_results_number(double value);

#endif
