#include "cli/options.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"

#define HELP_COLUMN 28 /* where the texts start */

enum option_value { VALUE_NONE, VALUE_REQUIRED, VALUE_OPTIONAL };

enum option_group {
    GROUP_INPUTS,
    GROUP_SUCCESS,
    GROUP_ATTEMPTS,
    GROUP_CACHE,
    GROUP_RUN,
    GROUP_RESULTS,
    GROUP_HELP
};
enum { GROUP_COUNT = GROUP_HELP + 1 };

struct option {
    const char *name;  /* with its dashes */
    char letter;       /* `-x`; 0: none */
    bool is_forgotten; /* of one start of a run: a resume does not take it up */
    enum option_value value;
    enum option_group group;
    unsigned verbs;       /* bits: BIT(VERB_MAP), ... */
    const char *argument; /* its name in the help; NULL where there is no value */
    const char *choices;  /* the only values, between bars; NULL: any */
    const char *refused;  /* values known elsewhere, between bars ... */
    const char *reason;   /* ... and why they are not here */
    const char *help;     /* at most two lines */
};

#define BIT(verb) (1U << (verb))
#define EVERY_VERB (BIT(VERB_COUNT) - 1)

static const struct option table[OPTION_COUNT] = {
    [OPTION_HELP] = {.name = "--help",
                     .letter = 'h',
                     .group = GROUP_HELP,
                     .verbs = EVERY_VERB,
                     .help = "this text"},
    [OPTION_INPUTS] = {.name = "--inputs",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_INPUTS,
                       .verbs = BIT(VERB_MAP),
                       .argument = "FILE",
                       .help = "a list in .jsonl, .json, .csv, .tsv, .txt or .msgpack, also with "
                               ".lz4\n"
                               "behind it; - reads JSON Lines from standard input"},
    [OPTION_INPUT_FORMAT] = {.name = "--input-format",
                             .value = VALUE_REQUIRED,
                             .group = GROUP_INPUTS,
                             .verbs = BIT(VERB_MAP),
                             .argument = "FORM",
                             .choices = "jsonl|json|csv|tsv|txt|msgpack",
                             .help = "jsonl, json, csv, tsv, txt or msgpack; by default what the "
                                     "ending\nof the file's name says"},
    [OPTION_NO_HEADER] = {.name = "--no-header",
                          .group = GROUP_INPUTS,
                          .verbs = BIT(VERB_MAP),
                          .help = "of .csv and .tsv: the first line is data too, and rows are "
                                  "lists"},
    [OPTION_COLSEP] = {.name = "--colsep",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_INPUTS,
                       .verbs = BIT(VERB_MAP),
                       .argument = "EXPR",
                       .help = "of .txt: what separates columns (a POSIX extended expression); "
                               "lines\nare lists then. By default a line is one string"},
    [OPTION_RANGE] = {.name = "--range",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_INPUTS,
                      .verbs = BIT(VERB_MAP),
                      .argument = "A:B[:STEP]",
                      .help = "the integers from A, B excluded; by default in steps of 1"},
    [OPTION_FILES] = {.name = "--files",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_INPUTS,
                      .verbs = BIT(VERB_MAP),
                      .argument = "GLOB",
                      .help = "the paths that match, sorted, such as 'photos/*.jpg' (in quotes); "
                              "may\nbe given more than once"},
    [OPTION_MIN_SUCCESS_RATIO] = {.name = "--min-success-ratio",
                                  .value = VALUE_REQUIRED,
                                  .group = GROUP_SUCCESS,
                                  .verbs = BIT(VERB_MAP),
                                  .argument = "RATIO",
                                  .help = "how many instances must succeed, from 0 to 1; default: "
                                          "all of them"},
    [OPTION_MIN_SUCCESSES] = {.name = "--min-successes",
                              .value = VALUE_REQUIRED,
                              .group = GROUP_SUCCESS,
                              .verbs = BIT(VERB_MAP),
                              .argument = "COUNT",
                              .help = "the same as a count"},
    [OPTION_MAX_FAILURES] = {.name = "--max-failures",
                             .value = VALUE_REQUIRED,
                             .group = GROUP_SUCCESS,
                             .verbs = BIT(VERB_MAP),
                             .argument = "COUNT",
                             .help = "the same as the number that may fail"},
    [OPTION_POLICY] = {.name = "--policy",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_SUCCESS,
                       .verbs = BIT(VERB_MAP),
                       .argument = "POLICY",
                       .choices = "stop|run-all|enough",
                       .help = "stop: end once success is out of reach (default); run-all: run\n"
                               "every instance; enough: end once enough have succeeded"},
    [OPTION_RETRIES] = {.name = "--retries",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_ATTEMPTS,
                        .verbs = BIT(VERB_MAP),
                        .argument = "COUNT",
                        .help = "further attempts of an instance that failed; default: the task's, "
                                "or 0"},
    [OPTION_RETRY_DELAY] = {.name = "--retry-delay",
                            .value = VALUE_REQUIRED,
                            .group = GROUP_ATTEMPTS,
                            .verbs = BIT(VERB_MAP),
                            .argument = "TIME",
                            .help = "pause before a retry (500ms, 2s), doubled with each failure, "
                                    "at most\n64 times as long; default: the task's, or none"},
    [OPTION_SYSTEM_RETRIES] = {.name = "--system-retries",
                               .value = VALUE_REQUIRED,
                               .group = GROUP_ATTEMPTS,
                               .verbs = BIT(VERB_MAP),
                               .argument = "COUNT",
                               .help = "further attempts after lost ranks and killed processes; "
                                       "default:\nthe task's, or 3"},
    [OPTION_TIMEOUT] = {.name = "--timeout",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_ATTEMPTS,
                        .verbs = BIT(VERB_MAP),
                        .argument = "TIME",
                        .help = "bound of one attempt (90, 500ms, 15m), which is then ended; "
                                "0: none;\ndefault: the task's, or none"},
    [OPTION_MEM] = {.name = "--mem",
                    .value = VALUE_REQUIRED,
                    .group = GROUP_ATTEMPTS,
                    .verbs = BIT(VERB_MAP),
                    .argument = "SIZE",
                    .help = "memory that an attempt may hold (600Mi, 1G), past which it is\n"
                            "ended; 0: no bound; default: the task's, or none"},
    [OPTION_MEM_GROWTH] = {.name = "--mem-growth",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_ATTEMPTS,
                           .verbs = BIT(VERB_MAP),
                           .argument = "FACTOR",
                           .help = "grow an instance's --mem by it at each retry after a failure "
                                   "of\nmemory; default: the task's, or 1"},
    [OPTION_CPUS] = {.name = "--cpus",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_ATTEMPTS,
                     .verbs = BIT(VERB_MAP),
                     .argument = "COUNT",
                     .help = "cores that an attempt needs, and is bound to; default: the task's, "
                             "or 1"},
    [OPTION_GPUS] = {.name = "--gpus",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_ATTEMPTS,
                     .verbs = BIT(VERB_MAP),
                     .argument = "COUNT",
                     .help = "devices that an attempt needs; CUDA_VISIBLE_DEVICES and\n"
                             "ROCR_VISIBLE_DEVICES name its own; default: the task's, or 0"},
    [OPTION_CONCURRENCY] = {.name = "--concurrency",
                            .value = VALUE_REQUIRED,
                            .group = GROUP_ATTEMPTS,
                            .verbs = BIT(VERB_MAP),
                            .argument = "COUNT",
                            .help = "attempts that run at once, over all ranks; default: 0, no "
                                    "cap"},
    [OPTION_DELAY] = {.name = "--delay",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_ATTEMPTS,
                      .verbs = BIT(VERB_MAP),
                      .argument = "TIME",
                      .help = "least time between two starts, over all ranks; default: 0, none"},
    [OPTION_MAX_OUTPUT] = {.name = "--max-output",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_ATTEMPTS,
                           .verbs = BIT(VERB_MAP),
                           .argument = "SIZE",
                           .help = "a larger output fails its attempt (bytes, or 600Mi, 1G);\n"
                                   "default: 64Mi"},
    [OPTION_SEED] = {.name = "--seed",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_ATTEMPTS,
                     .verbs = BIT(VERB_MAP),
                     .argument = "NUMBER",
                     .help = "where the instances' random numbers start; default: 0"},
    [OPTION_SPECULATE] = {.name = "--speculate",
                          .group = GROUP_ATTEMPTS,
                          .verbs = BIT(VERB_MAP),
                          .help =
                              "at the end, run what takes far longer than most twice: the first "
                              "success\ncounts; without it, only tasks declared idempotent"},
    [OPTION_CACHE] = {.name = "--cache",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_CACHE,
                      .verbs = BIT(VERB_MAP),
                      .argument = "HOW",
                      .choices = "use|refresh|off",
                      .help = "use: take outputs that are kept, and keep new ones (default where "
                              "the\ntask has a cache_version); refresh: only keep; off: neither"},
    [OPTION_CACHE_VERSION] = {.name = "--cache-version",
                              .value = VALUE_REQUIRED,
                              .group = GROUP_CACHE,
                              .verbs = BIT(VERB_MAP),
                              .argument = "TEXT",
                              .help = "keep outputs under this version of the task; default: the "
                                      "task's"},
    [OPTION_CACHE_DIR] = {.name = "--cache-dir",
                          .value = VALUE_REQUIRED,
                          .group = GROUP_CACHE,
                          .verbs = BIT(VERB_MAP) | BIT(VERB_CACHE),
                          .argument = "PATH",
                          .help = "where outputs are kept; default: $XDG_CACHE_HOME/mapfleet, or\n"
                                  "~/.cache/mapfleet"},
    [OPTION_OLDER_THAN] = {.name = "--older-than",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_CACHE,
                           .verbs = BIT(VERB_CACHE),
                           .argument = "TIME",
                           .help = "prune what was not used for so long (30d, 12h), to the hour"},
    [OPTION_MAX_SIZE] = {.name = "--max-size",
                         .value = VALUE_REQUIRED,
                         .group = GROUP_CACHE,
                         .verbs = BIT(VERB_CACHE),
                         .argument = "SIZE",
                         .help = "prune what was not used for longest, until the rest takes so "
                                 "much\n(10G)"},
    [OPTION_SLOTS] = {.name = "--slots",
                      .letter = 'j',
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RUN,
                      .verbs = BIT(VERB_MAP),
                      .argument = "COUNT",
                      .help = "cores that each rank has for attempts; a rank runs as many at "
                              "once as\nfit into its cores, memory and devices; default: those "
                              "it may use"},
    [OPTION_GPUS_PER_RANK] = {.name = "--gpus-per-rank",
                              .value = VALUE_REQUIRED,
                              .group = GROUP_RUN,
                              .verbs = BIT(VERB_MAP),
                              .argument = "COUNT",
                              .help = "devices that each rank has; default: its share of those "
                                      "that the\nenvironment lists"},
    [OPTION_ISOLATION] = {.name = "--isolation",
                          .value = VALUE_REQUIRED,
                          .group = GROUP_RUN,
                          .verbs = BIT(VERB_MAP),
                          .argument = "HOW",
                          .choices = "process|none",
                          .help = "process (default): attempts run in processes of their own; "
                                  "none: in\nthe rank, for debuggers: no bounds, nothing is "
                                  "captured"},
    [OPTION_KEEP_WORKDIRS] = {.name = "--keep-workdirs",
                              .group = GROUP_RUN,
                              .verbs = BIT(VERB_MAP),
                              .help = "leave the attempts' working directories where they are, and "
                                      "say where"},
    [OPTION_UNIT_SIZE] = {.name = "--unit-size",
                          .value = VALUE_REQUIRED,
                          .group = GROUP_RUN,
                          .verbs = BIT(VERB_MAP),
                          .argument = "COUNT",
                          .help = "instances that a rank is given at a time; default: auto, by "
                                  "their speed"},
    [OPTION_TIME_LIMIT] = {.name = "--time-limit",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_RUN,
                           .verbs = BIT(VERB_MAP),
                           .argument = "TIME",
                           .help = "end in time, to be resumed (exit 75), so long after the start; "
                                   "0:\nno limit; default: none, but for the end of a Slurm job"},
    [OPTION_GRACE] = {.name = "--grace",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RUN,
                      .verbs = BIT(VERB_MAP),
                      .argument = "TIME",
                      .help = "time that attempts have to end: after an interruption, and between\n"
                              "SIGTERM and SIGKILL elsewhere; default: 10s"},
    [OPTION_RUN_DIR] = {.name = "--run-dir",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_RUN,
                        .verbs = BIT(VERB_MAP),
                        .argument = "DIR",
                        .is_forgotten = true,
                        .help = "the folder that keeps the run's record; it must not exist.\n"
                                "Default: a new one in mapfleet-runs/"},
    [OPTION_RESUME] = {.name = "--resume",
                       .value = VALUE_OPTIONAL,
                       .group = GROUP_RUN,
                       .verbs = BIT(VERB_MAP),
                       .argument = "failed",
                       .choices = "failed",
                       .is_forgotten = true,
                       .help = "go on with the run in --run-dir, if there is one; failed: and run\n"
                               "again what failed in one that has ended"},
    [OPTION_SYNC] = {.name = "--sync",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_RUN,
                     .verbs = BIT(VERB_MAP),
                     .argument = "WHEN",
                     .choices = "interval|always|none",
                     .help = "when results reach the disk: interval (default), so that a power\n"
                             "cut costs those of a second; always, before they count; none"},
    [OPTION_CAPTURE] = {.name = "--capture",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_RUN,
                        .verbs = BIT(VERB_MAP),
                        .argument = "WHOSE",
                        .choices = "failed|all|none|discard",
                        .help = "keep what attempts print, of failed (default) or all of them;\n"
                                "none: pass it to standard error; discard: drop it"},
    [OPTION_PRINT] = {.name = "--print",
                      .value = VALUE_OPTIONAL,
                      .group = GROUP_RUN,
                      .verbs = BIT(VERB_MAP),
                      .argument = "FORM",
                      .choices = "json|none",
                      .is_forgotten = true,
                      .refused = "live|ordered",
                      .reason = "is about what commands print, and a map runs none",
                      .help = "write the outputs to standard output at the end, in order: json\n"
                              "(--print alone; JSON Lines, null for a hole) or none (default)"},
    [OPTION_PROGRESS] = {.name = "--progress",
                         .value = VALUE_REQUIRED,
                         .group = GROUP_RUN,
                         .verbs = BIT(VERB_MAP),
                         .argument = "FORM",
                         .choices = "plain|none",
                         .is_forgotten = true,
                         .help = "plain: lines on standard error now and then (default); none"},
    [OPTION_FAILED] = {.name = "--failed",
                       .group = GROUP_RUN,
                       .verbs = BIT(VERB_RESUME),
                       .is_forgotten = true,
                       .help = "run again what failed or timed out, with fresh budgets"},
    [OPTION_TABLE] = {.name = "--table",
                      .group = GROUP_RESULTS,
                      .verbs = BIT(VERB_RESULTS),
                      .help = "one record an instance: index, state, attempts, error, output, "
                              "..."},
    [OPTION_STATE] = {.name = "--state",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RESULTS,
                      .verbs = BIT(VERB_RESULTS),
                      .argument = "STATE,...",
                      .help = "only instances in these states: succeeded, cached, "
                              "stopped-early,\nfailed, timed-out, aborted, not-started; "
                              "default: all"},
    [OPTION_FORMAT] = {.name = "--format",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_RESULTS,
                       .verbs = BIT(VERB_RESULTS),
                       .argument = "FORM",
                       .choices = "jsonl|json|csv|msgpack",
                       .help = "jsonl (default), json, csv or msgpack"},
    [OPTION_MAP] = {.name = "--map",
                    .value = VALUE_REQUIRED,
                    .group = GROUP_RESULTS,
                    .verbs = BIT(VERB_RESULTS),
                    .argument = "NUMBER",
                    .help = "the map to print, from 0 in the order started; default: the first"},
    [OPTION_STDIO] = {.name = "--stdio",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RESULTS,
                      .verbs = BIT(VERB_RESULTS),
                      .argument = "INDEX",
                      .help = "what the attempts of this instance printed, as far as it was kept:\n"
                              "standard output, then error, of each in order"},
    [OPTION_WATCH] = {.name = "--watch",
                      .group = GROUP_RESULTS,
                      .verbs = BIT(VERB_STATUS),
                      .help = "again every second, until the run ends: in place on a terminal, "
                              "else\na line whenever something has changed"},
    [OPTION_JSON] = {.name = "--json",
                     .group = GROUP_RESULTS,
                     .verbs = BIT(VERB_STATUS),
                     .help = "one JSON object on a line"},
};

static const char *const group_titles[GROUP_COUNT] = {
    [GROUP_INPUTS] = "Inputs, from one of --inputs, --range and --files:",
    [GROUP_SUCCESS] = "What counts as success (one of the first three at most):",
    [GROUP_ATTEMPTS] = "Attempts (times: 90, 90s, 15m, 2h; sizes: 600Mi, 1G):",
    [GROUP_CACHE] = "Memoised outputs:",
    [GROUP_RUN] = "The run:",
    [GROUP_RESULTS] = "Options:",
    [GROUP_HELP] = "Help:",
};

struct verb_text {
    const char *name;
    const char *arguments;
    const char *summary;
    const char *examples;
    const char *notes; /* behind the options; may be empty */
};

#define EXIT_STATUS_TEXT                                                                           \
    "Exit status:\n"                                                                               \
    "  0 succeeded; 1 failed by its own criterion; 2 refused, and nothing was started;\n"          \
    "  75 interrupted, and can be resumed; 70 an internal fault.\n"

static const struct verb_text verbs[VERB_COUNT] = {
    [VERB_MAP] = {.name = "map",
                  .arguments = "JOB:TASK INPUTS [OPTIONS]",
                  .summary = "Run a job's task once for each element of a list.",
                  .examples = "  mapfleet map basics:square --range 0:1000 --print\n"
                              "  mpirun -n 4 mapfleet map basics:square --range 0:1000 --print\n",
                  .notes = "JOB is a path to a .so, or the name of one in $MAPFLEET_JOBS or among "
                           "those installed.\n\n" EXIT_STATUS_TEXT},
    [VERB_RESUME] = {.name = "resume",
                     .arguments = "RUN [OPTIONS]",
                     .summary = "Go on with a run that did not finish.",
                     .examples = "  mapfleet resume mapfleet-runs/basics-square-...\n"
                                 "  mpirun -n 8 mapfleet resume RUN --retries 3\n",
                     .notes =
                         "RUN is the run's folder. What it was started with holds, but for the "
                         "options given now.\nWhat has succeeded is not run again; a run that has "
                         "ended exits as it did.\n\n" EXIT_STATUS_TEXT},
    [VERB_TASKS] = {.name = "tasks",
                    .arguments = "JOB",
                    .summary = "Show a job's tasks: names, types, defaults.",
                    .examples = "  mapfleet tasks basics\n",
                    .notes = "JOB is a path to a .so, or the name of one in $MAPFLEET_JOBS or "
                             "among those installed.\n"},
    [VERB_RESULTS] = {.name = "results",
                      .arguments = "RUN [OPTIONS]",
                      .summary = "Print a run's outputs, in input order.",
                      .examples = "  mapfleet results mapfleet-runs/basics-square-...\n"
                                  "  mapfleet results RUN --table --state failed,timed-out\n"
                                  "  mapfleet results RUN --stdio 17\n",
                      .notes = "RUN is the run's folder. A hole, where an instance has no output, "
                               "prints as null.\n"},
    [VERB_CACHE] = {.name = "cache",
                    .arguments = "stats|prune [OPTIONS]",
                    .summary = "Show, or make smaller, the store of memoised outputs.",
                    .examples = "  mapfleet cache stats\n"
                                "  mapfleet cache prune --older-than 30d --max-size 10G\n",
                    .notes = "An output was last used when it was made or last taken, to the hour. "
                             "Sizes count whole\n"
                             "pages of the store.\n"},
    [VERB_STATUS] = {.name = "status",
                     .arguments = "RUN [OPTIONS]",
                     .summary = "Show where a run stands, while it runs or after.",
                     .examples = "  mapfleet status mapfleet-runs/basics-square-...\n"
                                 "  mapfleet status RUN --watch\n"
                                 "  mapfleet status RUN --json | jq .counts\n",
                     .notes = "RUN is the run's folder, and all that is asked.\n\n"
                              "Exit status: as the run's, 0 or 1; 75 while it runs, where it was "
                              "interrupted\nand where it was cut off; 2 where RUN is no run.\n"},
};

const char *verb_name(enum verb verb)
{
    return verbs[verb].name;
}

bool verb_by_name(const char *name, enum verb *verb_out)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            *verb_out = (enum verb)i;
            return true;
        }
    }
    return false;
}

const char *option_name(enum option_id id)
{
    return table[id].name;
}

/* `resume` takes what a map was asked for, but for its inputs and where it is. */
static bool is_option_of(const struct option *option, enum verb verb)
{
    const bool is_of_maps = (option->verbs & BIT(VERB_MAP)) != 0;
    const bool is_fixed = option->group == GROUP_INPUTS || option == &table[OPTION_RUN_DIR] ||
                          option == &table[OPTION_RESUME];
    return (option->verbs & BIT(verb)) != 0 || (verb == VERB_RESUME && is_of_maps && !is_fixed);
}

bool option_is_remembered(enum option_id id)
{
    return is_option_of(&table[id], VERB_RESUME) && !table[id].is_forgotten && id != OPTION_HELP;
}

char *option_word(enum option_id id, const char *value)
{
    const bool is_bare = *value == '\0' && table[id].value != VALUE_REQUIRED;
    const size_t size = strlen(table[id].name) + strlen(value) + 2;
    char *word = memory_take(size, 1);
    (void)snprintf(word, size, "%s%s%s", table[id].name, is_bare ? "" : "=", value);
    return word;
}

/* ---- Parsing -------------------------------------------------------------------------------- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

#define NAME_SIZE_MAX 32

/* Levenshtein's: how many letters to add, drop or replace. `b` is a name of the table. */
static size_t edit_distance(const char *a, size_t a_size, const char *b)
{
    const size_t b_size = strlen(b);
    size_t row[NAME_SIZE_MAX + 1]; /* from the letters of `a` so far to the first j of `b` */
    assert(b_size <= NAME_SIZE_MAX);
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smallest(row[j] + 1, row[j - 1] + 1, replaced);
        }
    }
    return row[b_size];
}

/* NULL where no option of the verb is so near that it is likely to be meant: two letters away, or
 * as many as a third of the name, or the rest of it is missing. */
static const char *nearest_option(enum verb verb, const char *name, size_t name_size)
{
    const char *nearest = NULL;
    size_t order_min = SIZE_MAX;
    for (size_t i = 0; i < OPTION_COUNT && name_size <= NAME_SIZE_MAX; i++) {
        const size_t distance = edit_distance(name, name_size, table[i].name);
        const size_t allowed = name_size / 3 > 2 ? name_size / 3 : 2;
        const bool is_beginning = name_size > 2 && strncmp(name, table[i].name, name_size) == 0;
        const size_t order = distance + (is_beginning ? 0 : NAME_SIZE_MAX); /* these come first */
        if (is_option_of(&table[i], verb) && order < order_min &&
            (distance <= allowed || is_beginning)) {
            nearest = table[i].name;
            order_min = order;
        }
    }
    return nearest;
}

static enum status unknown_option(enum verb verb, const char *name, size_t name_size,
                                  struct error *err)
{
    const char *nearest = nearest_option(verb, name, name_size);
    if (nearest != NULL) {
        return error_set(err, STATUS_INVALID, "unknown option %.*s: did you mean %s?",
                         (int)name_size, name, nearest);
    }
    return error_set(err, STATUS_INVALID, "unknown option %.*s: mapfleet %s --help lists all",
                     (int)name_size, name, verbs[verb].name);
}

static enum status other_verbs_option(enum verb verb, const struct option *option,
                                      struct error *err)
{
    enum verb owner = VERB_MAP;
    while (!is_option_of(option, owner)) {
        owner++;
    }
    return error_set(err, STATUS_INVALID,
                     "%s is an option of mapfleet %s, and mapfleet %s has none "
                     "of that name",
                     option->name, verbs[owner].name, verbs[verb].name);
}

static const struct option *find_long(const char *name, size_t name_size)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(table[i].name) == name_size && memcmp(table[i].name, name, name_size) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static const struct option *find_short(char letter)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (table[i].letter == letter) {
            return &table[i];
        }
    }
    return NULL;
}

/* Is it one of the words of `list`, which stand between bars? */
static bool is_listed(const char *list, const char *word)
{
    const size_t size = strlen(word);
    while (list != NULL) {
        if (strncmp(list, word, size) == 0 && (list[size] == '|' || list[size] == '\0')) {
            return true;
        }
        list = strchr(list, '|');
        list = list == NULL ? NULL : list + 1;
    }
    return false;
}

/* "jsonl|json|csv" as "jsonl, json or csv". */
#define CHOICES_TEXT_SIZE 96
static const char *choices_text(const char *choices, char text[CHOICES_TEXT_SIZE])
{
    size_t size = 0;
    for (const char *at = choices; *at != '\0' && size + 5 < CHOICES_TEXT_SIZE; at++) {
        if (*at != '|') {
            text[size++] = *at;
            continue;
        }
        const char *joint = strchr(at + 1, '|') == NULL ? " or " : ", ";
        memcpy(text + size, joint, strlen(joint));
        size += strlen(joint);
    }
    text[size] = '\0';
    return text;
}

static enum status check_choice(const struct option *option, const char *value, struct error *err)
{
    char text[CHOICES_TEXT_SIZE];
    if (option->choices == NULL || is_listed(option->choices, value)) {
        return STATUS_OK;
    }
    if (is_listed(option->refused, value)) {
        return error_set(err, STATUS_INVALID, "%s: \"%s\" %s: expected %s", option->name, value,
                         option->reason, choices_text(option->choices, text));
    }
    return error_set(err, STATUS_INVALID, "%s: \"%s\" is unknown: expected %s", option->name, value,
                     choices_text(option->choices, text));
}

/* Where the parser stands. */
struct cursor {
    int argc;
    char **argv;
    int at; /* the word that is read */
};

/* The value of the option at the cursor, which moves over it where it is a word of its own.
 * `attached` is what the option's own word holds, NULL where it holds nothing. What starts with
 * two dashes is an option that somebody forgot a value before, unless it is attached. */
static enum status take_value(const struct option *option, const char *attached,
                              struct cursor *cursor, const char **value_out, struct error *err)
{
    *value_out = attached == NULL ? "" : attached;
    switch (option->value) {
    case VALUE_NONE:
        if (attached != NULL) {
            return error_set(err, STATUS_INVALID, "%s takes no value, and \"%s\" was given",
                             option->name, attached);
        }
        return STATUS_OK;
    case VALUE_OPTIONAL:
        return attached == NULL ? STATUS_OK : check_choice(option, attached, err);
    case VALUE_REQUIRED:
        if (attached == NULL) {
            const char *next = cursor->at + 1 < cursor->argc ? cursor->argv[cursor->at + 1] : "--";
            if (strncmp(next, "--", 2) == 0) {
                return error_set(err, STATUS_INVALID, "%s needs a value: expected %s %s",
                                 option->name, option->name, option->argument);
            }
            *value_out = next;
            cursor->at++;
        }
        return check_choice(option, *value_out, err);
    }
    assert(false);
    return STATUS_INVALID;
}

static enum status parse_option(struct options *options, struct cursor *cursor, struct error *err)
{
    const char *word = cursor->argv[cursor->at];
    const struct option *option;
    const char *attached = NULL;
    size_t name_size;
    if (word[1] == '-') {
        name_size = strcspn(word, "=");
        option = find_long(word, name_size);
        attached = word[name_size] == '=' ? word + name_size + 1 : NULL;
    } else {
        name_size = 2;
        option = find_short(word[1]);
        attached = word[2] != '\0' ? word + 2 : NULL;
    }
    if (option == NULL) {
        return unknown_option(options->verb, word, word[1] == '-' ? name_size : strlen(word), err);
    }
    if (!is_option_of(option, options->verb)) {
        return other_verbs_option(options->verb, option, err);
    }
    const char *value;
    const enum status status = take_value(option, attached, cursor, &value, err);
    if (status != STATUS_OK) {
        return status;
    }
    const enum option_id id = (enum option_id)(option - table);
    options->values[id] = value;
    if (id == OPTION_FILES) {
        options->repeated[options->repeated_count++] = value;
    }
    return STATUS_OK;
}

enum status options_parse(enum verb verb, int argc, char **argv, struct options *options_out,
                          struct error *err)
{
    struct options options = {.verb = verb};
    const size_t room = (size_t)(argc > 0 ? argc : 1);
    struct cursor cursor = {.argc = argc, .argv = argv, .at = 1};
    bool is_ended = false;
    options.repeated = memory_take(room, sizeof(*options.repeated));
    options.words = memory_take(room, sizeof(*options.words));

    for (; cursor.at < argc; cursor.at++) {
        const char *word = argv[cursor.at];
        if (is_ended || word[0] != '-' || word[1] == '\0') {
            options.words[options.word_count++] = word;
            options.words_after += is_ended ? 1 : 0;
        } else if (strcmp(word, "--") == 0) {
            is_ended = true;
        } else {
            const enum status status = parse_option(&options, &cursor, err);
            if (status != STATUS_OK) {
                options_free(&options);
                return status;
            }
        }
    }
    *options_out = options;
    return STATUS_OK;
}

void options_free(struct options *options)
{
    free(options->repeated);
    free(options->words);
    *options = (struct options){.verb = options->verb};
}

/* ---- Help ----------------------------------------------------------------------------------- */

/* "  --retries COUNT         ": up to HELP_COLUMN. A name that is longer has its text below. */
static void print_option(const struct option *option)
{
    char name[64];
    const char *argument = option->argument == NULL ? "" : option->argument;
    if (option->letter != '\0') {
        (void)snprintf(name, sizeof(name), "  -%c, %s %s", option->letter, option->name, argument);
    } else if (option->value == VALUE_OPTIONAL) {
        (void)snprintf(name, sizeof(name), "  %s[=%s]", option->name, argument);
    } else {
        (void)snprintf(name, sizeof(name), "  %s %s", option->name, argument);
    }
    const char *line = option->help;
    const char *end = strchr(line, '\n');
    (void)printf("%-*s %.*s\n", HELP_COLUMN - 1, name,
                 end == NULL ? (int)strlen(line) : (int)(end - line), line);
    if (end != NULL) {
        (void)printf("%*s%s\n", HELP_COLUMN, "", end + 1);
    }
}

static void print_group(enum verb verb, enum option_group group)
{
    bool is_first = true;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (table[i].group != group || !is_option_of(&table[i], verb)) {
            continue;
        }
        if (is_first) {
            (void)printf("\n%s\n", group_titles[group]);
        }
        is_first = false;
        print_option(&table[i]);
    }
}

void options_print_help(enum verb verb)
{
    const struct verb_text *text = &verbs[verb];
    (void)printf("Example:\n%s\n", text->examples);
    (void)printf("mapfleet %s %s\n  %s\n", text->name, text->arguments, text->summary);
    for (size_t group = 0; group < GROUP_COUNT; group++) {
        print_group(verb, (enum option_group)group);
    }
    (void)printf("\n%s", text->notes);
}

void options_print_overview(void)
{
    (void)printf("mapfleet " MAPFLEET_VERSION ": one task over many inputs, on MPI ranks\n\n"
                 "Example:\n%s\n",
                 verbs[VERB_MAP].examples);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char usage[64];
        (void)snprintf(usage, sizeof(usage), "mapfleet %s %s", verbs[i].name, verbs[i].arguments);
        (void)printf("  %-40s %s\n", usage, verbs[i].summary);
    }
    (void)printf("\nmapfleet VERB --help explains a verb.\n");
}
