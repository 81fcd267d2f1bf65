#include "shared/map_options_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shared/criterion.h"
#include "shared/quantity.h"

/* No process is so small: a number below it was meant in other units. */
#define MEM_MIN (UINT64_C(1) << 20)

/* Ranks are heard of several times within it. */
#define LOST_AFTER_NS_MIN UINT64_C(1000000000)

typedef enum status quantity_parser(const char *text, uint64_t *value_out, struct error *err);

static bool is_given(const struct map_option_texts *given, enum map_option option)
{
    return given->texts[option] != NULL;
}

/* One quantity; `field` stays as it is where the option was not given. */
static enum status lay_quantity(const struct map_option_texts *given, enum map_option option,
                                quantity_parser *parse, uint64_t *field, struct error *err)
{
    if (!is_given(given, option)) {
        return STATUS_OK;
    }
    const enum status status = parse(given->texts[option], field, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", given->names[option]);
    }
    return status;
}

/* What the parsers take, and no map can have. */
static enum status check_quantities(const struct map_option_texts *given,
                                    const struct map_options *merged, struct error *err)
{
    if (merged->lost_after_ns > 0 && merged->lost_after_ns < LOST_AFTER_NS_MIN) {
        return error_set(err, STATUS_INVALID, "%s: \"%s\": expected at least 1s, or 0: never",
                         given->names[MAP_OPTION_LOST_AFTER], given->texts[MAP_OPTION_LOST_AFTER]);
    }
    if (is_given(given, MAP_OPTION_MEM) && merged->mem > 0 && merged->mem < MEM_MIN) {
        return error_set(err, STATUS_INVALID,
                         "%s: \"%s\" is %" PRIu64
                         " bytes: expected at least 1Mi (10M, 2Gi), or 0: no bound",
                         given->names[MAP_OPTION_MEM], given->texts[MAP_OPTION_MEM], merged->mem);
    }
    if (is_given(given, MAP_OPTION_CPUS) && merged->cpus == 0) {
        return error_set(err, STATUS_INVALID, "%s: \"%s\" is none: expected a whole number above 0",
                         given->names[MAP_OPTION_CPUS], given->texts[MAP_OPTION_CPUS]);
    }
    /* Every output takes at least a byte, so that no instance could succeed. */
    if (is_given(given, MAP_OPTION_MAX_OUTPUT) && merged->output_size_max == 0) {
        return error_set(err, STATUS_INVALID,
                         "%s: \"%s\" leaves room for none: expected a size above 0",
                         given->names[MAP_OPTION_MAX_OUTPUT], given->texts[MAP_OPTION_MAX_OUTPUT]);
    }
    return STATUS_OK;
}

static enum status lay_quantities(const struct map_option_texts *given, struct map_options *merged,
                                  struct error *err)
{
    const struct {
        enum map_option option;
        quantity_parser *parse;
        uint64_t *field;
    } rows[] = {
        {MAP_OPTION_RETRIES, quantity_parse_count, &merged->retries},
        {MAP_OPTION_RETRY_DELAY, quantity_parse_time, &merged->retry_delay_ns},
        {MAP_OPTION_SYSTEM_RETRIES, quantity_parse_count, &merged->system_retries},
        {MAP_OPTION_TIMEOUT, quantity_parse_time, &merged->timeout_ns},
        {MAP_OPTION_MEM, quantity_parse_size, &merged->mem},
        {MAP_OPTION_CPUS, quantity_parse_count, &merged->cpus},
        {MAP_OPTION_GPUS, quantity_parse_count, &merged->gpus},
        {MAP_OPTION_CONCURRENCY, quantity_parse_count, &merged->concurrency},
        {MAP_OPTION_DELAY, quantity_parse_time, &merged->delay_ns},
        {MAP_OPTION_GRACE, quantity_parse_time, &merged->grace_ns},
        {MAP_OPTION_TIME_LIMIT, quantity_parse_time, &merged->time_limit_ns},
        {MAP_OPTION_LOST_AFTER, quantity_parse_time, &merged->lost_after_ns},
        {MAP_OPTION_MAX_OUTPUT, quantity_parse_size, &merged->output_size_max},
        {MAP_OPTION_SEED, quantity_parse_count, &merged->seed},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const enum status status =
            lay_quantity(given, rows[i].option, rows[i].parse, rows[i].field, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return check_quantities(given, merged, err);
}

/* At most one of the three; MAP_OPTION_POLICY, which is none of them, where none is given. */
static enum status choose_criterion(const struct map_option_texts *given,
                                    enum map_option *option_out, struct error *err)
{
    static const enum map_option options[] = {MAP_OPTION_MIN_SUCCESS_RATIO,
                                              MAP_OPTION_MIN_SUCCESSES, MAP_OPTION_MAX_FAILURES};
    *option_out = MAP_OPTION_POLICY;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (!is_given(given, options[i])) {
            continue;
        }
        if (*option_out != MAP_OPTION_POLICY) {
            return error_set(err, STATUS_INVALID,
                             "%s and %s both say what counts as success: expected one of them",
                             given->names[*option_out], given->names[options[i]]);
        }
        *option_out = options[i];
    }
    return STATUS_OK;
}

static enum status lay_criterion(const struct map_option_texts *given, struct criterion *criterion,
                                 struct error *err)
{
    enum map_option option;
    enum status status = choose_criterion(given, &option, err);
    if (status != STATUS_OK || option == MAP_OPTION_POLICY) {
        return status;
    }
    if (option == MAP_OPTION_MIN_SUCCESS_RATIO) {
        status = criterion_parse_ratio(given->texts[option], criterion, err);
        if (status != STATUS_OK) {
            error_prefix(err, "%s: ", given->names[option]);
        }
        return status;
    }
    *criterion =
        (struct criterion){.kind = option == MAP_OPTION_MIN_SUCCESSES ? CRITERION_MIN_SUCCESSES
                                                                      : CRITERION_MAX_FAILURES};
    return lay_quantity(given, option, quantity_parse_count, &criterion->count, err);
}

static enum status lay_policy(const struct map_option_texts *given, enum map_policy *policy,
                              struct error *err)
{
    static const struct {
        const char *name;
        enum map_policy policy;
    } rows[] = {{"stop", POLICY_STOP}, {"run-all", POLICY_RUN_ALL}, {"enough", POLICY_ENOUGH}};
    const char *name = given->texts[MAP_OPTION_POLICY];
    for (size_t i = 0; name != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(name, rows[i].name) == 0) {
            *policy = rows[i].policy;
            return STATUS_OK;
        }
    }
    return name == NULL ? STATUS_OK
                        : error_set(err, STATUS_INVALID,
                                    "%s: \"%s\" is unknown: expected stop, run-all or enough",
                                    given->names[MAP_OPTION_POLICY], name);
}

static enum status lay_capture(const struct map_option_texts *given, enum map_capture *capture,
                               struct error *err)
{
    static const struct {
        const char *name;
        enum map_capture capture;
    } rows[] = {{"failed", MAP_CAPTURE_FAILED},
                {"all", MAP_CAPTURE_ALL},
                {"none", MAP_CAPTURE_NONE},
                {"discard", MAP_CAPTURE_DISCARD}};
    const char *name = given->texts[MAP_OPTION_CAPTURE];
    for (size_t i = 0; name != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(name, rows[i].name) == 0) {
            *capture = rows[i].capture;
            return STATUS_OK;
        }
    }
    return name == NULL ? STATUS_OK
                        : error_set(err, STATUS_INVALID,
                                    "%s: \"%s\" is unknown: expected failed, all, none or discard",
                                    given->names[MAP_OPTION_CAPTURE], name);
}

static enum status lay_mem_growth(const struct map_option_texts *given, double *factor,
                                  struct error *err)
{
    const char *text = given->texts[MAP_OPTION_MEM_GROWTH];
    const enum status status = text == NULL ? STATUS_OK : quantity_parse_factor(text, factor, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", given->names[MAP_OPTION_MEM_GROWTH]);
    }
    return status;
}

/* "auto" is 0 to those who measure. */
static enum status lay_unit_size(const struct map_option_texts *given, uint64_t *unit_size,
                                 struct error *err)
{
    const char *text = given->texts[MAP_OPTION_UNIT_SIZE];
    if (text == NULL) {
        return STATUS_OK;
    }
    if (strcmp(text, "auto") == 0) {
        *unit_size = 0;
        return STATUS_OK;
    }
    if (quantity_parse_count(text, unit_size, NULL) != STATUS_OK || *unit_size == 0) {
        return error_set(err, STATUS_INVALID,
                         "%s: \"%s\" is no unit size: expected auto or a count above 0",
                         given->names[MAP_OPTION_UNIT_SIZE], text);
    }
    return STATUS_OK;
}

enum status map_options_lay(const struct map_option_texts *given, struct map_options *merged,
                            struct error *err)
{
    struct map_options copy = *merged;
    enum status status = lay_criterion(given, &copy.criterion, err);
    if (status == STATUS_OK) {
        status = lay_policy(given, &copy.policy, err);
    }
    if (status == STATUS_OK) {
        status = lay_capture(given, &copy.capture, err);
    }
    if (status == STATUS_OK) {
        status = lay_quantities(given, &copy, err);
    }
    if (status == STATUS_OK) {
        status = lay_mem_growth(given, &copy.mem_growth, err);
    }
    if (status == STATUS_OK) {
        status = lay_unit_size(given, &copy.unit_size, err);
    }
    if (status == STATUS_OK) {
        *merged = copy;
    }
    return status;
}
