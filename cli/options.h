/* options.h - the options of all verbs: one table, one parser, one source of help.
 *
 *     options_parse(VERB_MAP, argc, argv, &given, err)  -->  options_value(&given, OPTION_RETRIES)
 *
 * `--name value`, `--name=value`, and `-j 3`; `--` ends the options. An option given twice counts
 * the last time, unless it is repeatable; two different --inputs or --range are refused. Those of
 * `launch` end at its first word, a verb, whose own words the others are, and those of `exec` at
 * the command.
 *
 * Ownership: values point into argv.
 * Failure:   an unknown option is refused and the nearest one named; so is an option of another
 *            verb, saying whose it is, a value that is missing, and one where none belongs.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"

enum verb {
    VERB_MAP,
    VERB_RUN,
    VERB_EXEC,
    VERB_SWEEP,
    VERB_RESUME,
    VERB_LAUNCH,
    VERB_TASKS,
    VERB_RESULTS,
    VERB_STATUS,
    VERB_REPORT,
    VERB_CACHE
};
enum { VERB_COUNT = VERB_CACHE + 1 };

const char *verb_name(enum verb verb);
bool verb_by_name(const char *name, enum verb *verb_out);

/* In the order of the help. */
enum option_id {
    OPTION_HELP,
    /* inputs */
    OPTION_INPUTS,
    OPTION_INPUT_FORMAT,
    OPTION_NO_HEADER,
    OPTION_COLSEP,
    OPTION_RANGE,
    OPTION_GRID,
    OPTION_SAMPLE,
    OPTION_FILES,
    OPTION_ZIP,
    OPTION_BIND,
    /* what counts as success */
    OPTION_MIN_SUCCESS_RATIO,
    OPTION_MIN_SUCCESSES,
    OPTION_MAX_FAILURES,
    OPTION_POLICY,
    /* attempts */
    OPTION_RETRIES,
    OPTION_RETRY_DELAY,
    OPTION_SYSTEM_RETRIES,
    OPTION_TIMEOUT,
    OPTION_MEM,
    OPTION_MEM_GROWTH,
    OPTION_CPUS,
    OPTION_GPUS,
    OPTION_CONCURRENCY,
    OPTION_DELAY,
    OPTION_MAX_OUTPUT,
    OPTION_SEED,
    OPTION_SPECULATE,
    OPTION_CONSTANT,
    /* memoised outputs */
    OPTION_CACHE,
    OPTION_CACHE_VERSION,
    OPTION_CACHE_DIR,
    /* the run */
    OPTION_SLOTS,
    OPTION_GPUS_PER_RANK,
    OPTION_ISOLATION,
    OPTION_SHIP_JOB,
    OPTION_KEEP_WORKDIRS,
    OPTION_FILES_TO,
    OPTION_UNIT_SIZE,
    OPTION_TIME_LIMIT,
    OPTION_GRACE,
    OPTION_LOST_AFTER,
    OPTION_RUN_DIR,
    OPTION_RESUME,
    OPTION_SYNC,
    OPTION_CAPTURE,
    OPTION_PRINT,
    OPTION_PROGRESS,
    OPTION_TRACE,
    /* exec */
    OPTION_COMMANDS,
    OPTION_SHELL,
    OPTION_STDIN,
    OPTION_BY_ENV,
    OPTION_OUTPUT,
    OPTION_OUTPUT_FILE,
    OPTION_PERMANENT_EXIT,
    OPTION_KEEP_ORDER,
    /* sweep */
    OPTION_TRIALS,
    OPTION_SAMPLER,
    OPTION_PROGRAM,
    OPTION_WANDB,
    /* resume */
    OPTION_FAILED,
    /* launch */
    OPTION_RANKS,
    OPTION_HOSTS,
    OPTION_HOSTFILE,
    OPTION_RESTARTS,
    OPTION_SRUN,
    OPTION_DRY_RUN,
    /* results */
    OPTION_TABLE,
    OPTION_STATE,
    OPTION_SORT,
    OPTION_FORMAT,
    OPTION_MAP,
    OPTION_STDIO,
    /* status */
    OPTION_WATCH,
    OPTION_JSON,
    /* report */
    OPTION_REPORT_OUTPUT,
    /* the cache */
    OPTION_OLDER_THAN,
    OPTION_MAX_SIZE
};
enum { OPTION_COUNT = OPTION_MAX_SIZE + 1 };

struct option_use {
    enum option_id id;
    const char *value;
};

struct options {
    enum verb verb;
    const char
        *values[OPTION_COUNT]; /* the last one given; "" where it has none; NULL: not given */
    struct option_use *uses;   /* of those that may be given more than once, all of them */
    size_t use_count;
    const char **words; /* what is no option, in order */
    size_t word_count;
    size_t words_after; /* how many of them stand behind `--` */
};

/* argv[0] is the verb. */
MUST_CHECK enum status options_parse(enum verb verb, int argc, char **argv,
                                     struct options *options_out, struct error *err);
void options_free(struct options *options);

static inline bool options_has(const struct options *options, enum option_id id)
{
    return options->values[id] != NULL;
}

/* All values of one that may be given more than once, in order; the list is to be freed. */
const char **options_uses(const struct options *options, enum option_id id, size_t *count_out);

/* Is it one that a run keeps for when it is resumed? */
bool option_is_remembered(enum option_id id);
/* Does it say something of one map, that a workflow says of each of its maps? */
bool option_is_of_maps_only(enum option_id id);
/* The option as one word, "--name=value"; to be freed. */
char *option_word(enum option_id id, const char *value);

/* The name with its dashes, as in "--retries". */
const char *option_name(enum option_id id);

/* Help goes to standard output: an example first, then the options that the verb knows. */
void options_print_help(enum verb verb);
/* `mapfleet --help`: every verb in a line, within a screen of 24 lines of 80 columns. */
void options_print_overview(void);

#endif
