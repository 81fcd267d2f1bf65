#include "cli/map_options_cli.h"

#include <string.h>

#include "master/criterion.h"
#include "shared/quantity.h"

typedef enum status parse_function(const char *text, uint64_t *value_out, struct error *err);

static enum status parse_unit_size(const char *text, uint64_t *size_out, struct error *err)
{
    if (strcmp(text, "auto") == 0) {
        *size_out = 0;
        return STATUS_OK;
    }
    const enum status status = quantity_parse_count(text, size_out, err);
    return status == STATUS_OK && *size_out == 0
               ? error_set(err, STATUS_INVALID, "\"0\": expected auto or a count above 0")
               : status;
}

static enum status apply_numbers(const struct options *options, struct map_options *merged,
                                 struct error *err)
{
    const struct {
        enum option_id id;
        parse_function *parse;
        uint64_t *to;
    } numbers[] = {
        {OPTION_RETRIES, quantity_parse_count, &merged->retries},
        {OPTION_RETRY_DELAY, quantity_parse_time, &merged->retry_delay_ns},
        {OPTION_SYSTEM_RETRIES, quantity_parse_count, &merged->system_retries},
        {OPTION_CONCURRENCY, quantity_parse_count, &merged->concurrency},
        {OPTION_MAX_OUTPUT, quantity_parse_size, &merged->output_size_max},
        {OPTION_SEED, quantity_parse_count, &merged->seed},
        {OPTION_UNIT_SIZE, parse_unit_size, &merged->unit_size},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const char *text = options->values[numbers[i].id];
        if (text == NULL) {
            continue;
        }
        const enum status status = numbers[i].parse(text, numbers[i].to, err);
        if (status != STATUS_OK) {
            error_prefix(err, "%s: ", option_name(numbers[i].id));
            return status;
        }
    }
    return STATUS_OK;
}

static enum status apply_policy(const struct options *options, struct map_options *merged,
                                struct error *err)
{
    static const char *const names[] = {
        [POLICY_STOP] = "stop", [POLICY_RUN_ALL] = "run-all", [POLICY_ENOUGH] = "enough"};
    const char *text = options->values[OPTION_POLICY];
    if (text == NULL) {
        return STATUS_OK;
    }
    for (int policy = POLICY_STOP; policy <= POLICY_ENOUGH; policy++) {
        if (strcmp(names[policy], text) == 0) {
            merged->policy = (enum map_policy)policy;
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID,
                     "--policy: \"%s\" is no policy: expected stop, run-all or enough", text);
}

static enum status apply_count(const char *text, enum criterion_kind kind,
                               struct criterion *criterion, struct error *err)
{
    *criterion = (struct criterion){.kind = kind};
    return quantity_parse_count(text, &criterion->count, err);
}

static enum status apply_criterion(const struct options *options, struct map_options *merged,
                                   struct error *err)
{
    static const enum option_id ids[] = {OPTION_MIN_SUCCESS_RATIO, OPTION_MIN_SUCCESSES,
                                         OPTION_MAX_FAILURES};
    const enum option_id *given = NULL;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (!options_has(options, ids[i])) {
            continue;
        }
        if (given != NULL) {
            return error_set(err, STATUS_INVALID, "%s and %s are two minimums: give one of them",
                             option_name(*given), option_name(ids[i]));
        }
        given = &ids[i];
    }
    if (given == NULL) {
        return STATUS_OK;
    }
    const char *text = options->values[*given];
    const enum status status =
        *given == OPTION_MIN_SUCCESS_RATIO
            ? criterion_parse_ratio(text, &merged->criterion, err)
            : apply_count(text,
                          *given == OPTION_MIN_SUCCESSES ? CRITERION_MIN_SUCCESSES
                                                         : CRITERION_MAX_FAILURES,
                          &merged->criterion, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", option_name(*given));
    }
    return status;
}

enum status map_options_apply(const struct options *options, struct map_options *merged,
                              struct error *err)
{
    enum status status = apply_numbers(options, merged, err);
    if (status == STATUS_OK) {
        status = apply_policy(options, merged, err);
    }
    return status == STATUS_OK ? apply_criterion(options, merged, err) : status;
}
