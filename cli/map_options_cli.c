#include "cli/map_options_cli.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "master/criterion.h"
#include "shared/quantity.h"

/* No process is so small: a number below it was meant in other units. */
#define MEM_MIN (UINT64_C(1) << 20)

/* Ranks are heard of several times within it. */
#define LOST_AFTER_NS_MIN UINT64_C(1000000000)

typedef enum status quantity_parser(const char *text, uint64_t *value_out, struct error *err);

/* One quantity; `field` stays as it is where the option was not given. */
static enum status apply_quantity(const struct options *options, enum option_id id,
                                  quantity_parser *parse, uint64_t *field, struct error *err)
{
    if (!options_has(options, id)) {
        return STATUS_OK;
    }
    const enum status status = parse(options->values[id], field, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", option_name(id));
    }
    return status;
}

static enum status apply_quantities(const struct options *options, struct map_options *merged,
                                    struct error *err)
{
    const struct {
        enum option_id id;
        quantity_parser *parse;
        uint64_t *field;
    } rows[] = {
        {OPTION_RETRIES, quantity_parse_count, &merged->retries},
        {OPTION_RETRY_DELAY, quantity_parse_time, &merged->retry_delay_ns},
        {OPTION_SYSTEM_RETRIES, quantity_parse_count, &merged->system_retries},
        {OPTION_TIMEOUT, quantity_parse_time, &merged->timeout_ns},
        {OPTION_MEM, quantity_parse_size, &merged->mem},
        {OPTION_CPUS, quantity_parse_count, &merged->cpus},
        {OPTION_GPUS, quantity_parse_count, &merged->gpus},
        {OPTION_CONCURRENCY, quantity_parse_count, &merged->concurrency},
        {OPTION_DELAY, quantity_parse_time, &merged->delay_ns},
        {OPTION_GRACE, quantity_parse_time, &merged->grace_ns},
        {OPTION_TIME_LIMIT, quantity_parse_time, &merged->time_limit_ns},
        {OPTION_LOST_AFTER, quantity_parse_time, &merged->lost_after_ns},
        {OPTION_MAX_OUTPUT, quantity_parse_size, &merged->output_size_max},
        {OPTION_SEED, quantity_parse_count, &merged->seed},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const enum status status =
            apply_quantity(options, rows[i].id, rows[i].parse, rows[i].field, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (merged->lost_after_ns > 0 && merged->lost_after_ns < LOST_AFTER_NS_MIN) {
        return error_set(err, STATUS_INVALID, "%s: \"%s\": expected at least 1s, or 0: never",
                         option_name(OPTION_LOST_AFTER), options->values[OPTION_LOST_AFTER]);
    }
    if (options_has(options, OPTION_MEM) && merged->mem > 0 && merged->mem < MEM_MIN) {
        return error_set(err, STATUS_INVALID,
                         "%s: \"%s\" is %" PRIu64
                         " bytes: expected at least 1Mi (10M, 2Gi), or 0: no "
                         "bound",
                         option_name(OPTION_MEM), options->values[OPTION_MEM], merged->mem);
    }
    if (merged->cpus == 0 && options_has(options, OPTION_CPUS)) {
        return error_set(err, STATUS_INVALID, "%s: \"%s\" is none: expected a whole number above 0",
                         option_name(OPTION_CPUS), options->values[OPTION_CPUS]);
    }
    /* Every output takes at least a byte, so that no instance could succeed. */
    if (merged->output_size_max == 0 && options_has(options, OPTION_MAX_OUTPUT)) {
        return error_set(err, STATUS_INVALID,
                         "%s: \"%s\" leaves room for none: expected a size "
                         "above 0",
                         option_name(OPTION_MAX_OUTPUT), options->values[OPTION_MAX_OUTPUT]);
    }
    return STATUS_OK;
}

static enum status apply_criterion(const struct options *options, struct criterion *criterion,
                                   struct error *err)
{
    static const enum option_id ids[] = {OPTION_MIN_SUCCESS_RATIO, OPTION_MIN_SUCCESSES,
                                         OPTION_MAX_FAILURES};
    enum option_id given = OPTION_HELP; /* none of them */
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (!options_has(options, ids[i])) {
            continue;
        }
        if (given != OPTION_HELP) {
            return error_set(err, STATUS_INVALID,
                             "%s and %s both say what counts as success: expected one of them",
                             option_name(given), option_name(ids[i]));
        }
        given = ids[i];
    }
    if (given == OPTION_HELP) {
        return STATUS_OK;
    }
    if (given == OPTION_MIN_SUCCESS_RATIO) {
        const enum status status = criterion_parse_ratio(options->values[given], criterion, err);
        if (status != STATUS_OK) {
            error_prefix(err, "%s: ", option_name(given));
        }
        return status;
    }
    *criterion = (struct criterion){.kind = given == OPTION_MIN_SUCCESSES ? CRITERION_MIN_SUCCESSES
                                                                          : CRITERION_MAX_FAILURES};
    return apply_quantity(options, given, quantity_parse_count, &criterion->count, err);
}

static enum status apply_policy(const struct options *options, enum map_policy *policy,
                                struct error *err)
{
    static const struct {
        const char *name;
        enum map_policy policy;
    } rows[] = {{"stop", POLICY_STOP}, {"run-all", POLICY_RUN_ALL}, {"enough", POLICY_ENOUGH}};
    const char *name = options->values[OPTION_POLICY];
    if (name == NULL) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(name, rows[i].name) == 0) {
            *policy = rows[i].policy;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID, "%s: \"%s\" is unknown: expected stop, run-all or enough",
                     option_name(OPTION_POLICY), name);
}

static enum status apply_mem_growth(const struct options *options, double *factor,
                                    struct error *err)
{
    const char *text = options->values[OPTION_MEM_GROWTH];
    const enum status status = text == NULL ? STATUS_OK : quantity_parse_factor(text, factor, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", option_name(OPTION_MEM_GROWTH));
    }
    return status;
}

static enum status apply_capture(const struct options *options, enum map_capture *capture,
                                 struct error *err)
{
    static const struct {
        const char *name;
        enum map_capture capture;
    } rows[] = {{"failed", MAP_CAPTURE_FAILED},
                {"all", MAP_CAPTURE_ALL},
                {"none", MAP_CAPTURE_NONE},
                {"discard", MAP_CAPTURE_DISCARD}};
    const char *name = options->values[OPTION_CAPTURE];
    for (size_t i = 0; name != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(name, rows[i].name) == 0) {
            *capture = rows[i].capture;
            return STATUS_OK;
        }
    }
    return name == NULL ? STATUS_OK
                        : error_set(err, STATUS_INVALID,
                                    "%s: \"%s\" is unknown: expected failed, all, none or discard",
                                    option_name(OPTION_CAPTURE), name);
}

/* "auto" is 0 to those who measure. */
static enum status apply_unit_size(const struct options *options, uint64_t *unit_size,
                                   struct error *err)
{
    const char *text = options->values[OPTION_UNIT_SIZE];
    if (text == NULL) {
        return STATUS_OK;
    }
    if (strcmp(text, "auto") == 0) {
        *unit_size = 0;
        return STATUS_OK;
    }
    if (quantity_parse_count(text, unit_size, NULL) != STATUS_OK || *unit_size == 0) {
        return error_set(err, STATUS_INVALID,
                         "%s: \"%s\" is no unit size: expected auto or a count "
                         "above 0",
                         option_name(OPTION_UNIT_SIZE), text);
    }
    return STATUS_OK;
}

enum status map_options_apply(const struct options *options, struct map_options *merged,
                              struct error *err)
{
    struct map_options copy = *merged;
    enum status status = apply_criterion(options, &copy.criterion, err);
    if (status == STATUS_OK) {
        status = apply_policy(options, &copy.policy, err);
    }
    if (status == STATUS_OK) {
        status = apply_capture(options, &copy.capture, err);
    }
    if (status == STATUS_OK) {
        status = apply_quantities(options, &copy, err);
    }
    if (status == STATUS_OK) {
        status = apply_mem_growth(options, &copy.mem_growth, err);
    }
    if (status == STATUS_OK) {
        status = apply_unit_size(options, &copy.unit_size, err);
    }
    copy.speculate = copy.speculate || options_has(options, OPTION_SPECULATE);
    if (status == STATUS_OK) {
        *merged = copy;
    }
    return status;
}
