#include "cli/map_options_cli.h"

#include "shared/map_options_text.h"

enum status map_options_apply(const struct options *options, struct map_options *merged,
                              struct error *err)
{
    static const enum option_id ids[MAP_OPTION_COUNT] = {
        [MAP_OPTION_MIN_SUCCESS_RATIO] = OPTION_MIN_SUCCESS_RATIO,
        [MAP_OPTION_MIN_SUCCESSES] = OPTION_MIN_SUCCESSES,
        [MAP_OPTION_MAX_FAILURES] = OPTION_MAX_FAILURES,
        [MAP_OPTION_POLICY] = OPTION_POLICY,
        [MAP_OPTION_CAPTURE] = OPTION_CAPTURE,
        [MAP_OPTION_RETRIES] = OPTION_RETRIES,
        [MAP_OPTION_RETRY_DELAY] = OPTION_RETRY_DELAY,
        [MAP_OPTION_SYSTEM_RETRIES] = OPTION_SYSTEM_RETRIES,
        [MAP_OPTION_TIMEOUT] = OPTION_TIMEOUT,
        [MAP_OPTION_MEM] = OPTION_MEM,
        [MAP_OPTION_MEM_GROWTH] = OPTION_MEM_GROWTH,
        [MAP_OPTION_CPUS] = OPTION_CPUS,
        [MAP_OPTION_GPUS] = OPTION_GPUS,
        [MAP_OPTION_CONCURRENCY] = OPTION_CONCURRENCY,
        [MAP_OPTION_DELAY] = OPTION_DELAY,
        [MAP_OPTION_GRACE] = OPTION_GRACE,
        [MAP_OPTION_TIME_LIMIT] = OPTION_TIME_LIMIT,
        [MAP_OPTION_LOST_AFTER] = OPTION_LOST_AFTER,
        [MAP_OPTION_MAX_OUTPUT] = OPTION_MAX_OUTPUT,
        [MAP_OPTION_SEED] = OPTION_SEED,
        [MAP_OPTION_UNIT_SIZE] = OPTION_UNIT_SIZE,
    };
    struct map_option_texts given;
    for (size_t i = 0; i < MAP_OPTION_COUNT; i++) {
        given.names[i] = option_name(ids[i]);
        given.texts[i] = options->values[ids[i]];
    }
    const enum status status = map_options_lay(&given, merged, err);
    if (status == STATUS_OK && options_has(options, OPTION_SPECULATE)) {
        merged->speculate = true;
    }
    return status;
}
