#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/options_private.h"
#include "shared/memory.h"

#define BIT(verb) (1U << (verb))
#define LISTS (BIT(VERB_MAP) | BIT(VERB_EXEC)) /* maps over inputs that are given */
#define MAPS (LISTS | BIT(VERB_SWEEP))
#define RUNS (MAPS | BIT(VERB_RUN))
#define EVERY_VERB (BIT(VERB_COUNT) - 1)

const struct option options_table[OPTION_COUNT] = {
    [OPTION_HELP] = {.name = "--help",
                     .letter = 'h',
                     .group = GROUP_HELP,
                     .verbs = EVERY_VERB,
                     .help = "this text"},
    [OPTION_INPUTS] = {.name = "--inputs",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_INPUTS,
                       .verbs = LISTS,
                       .argument = "FILE",
                       .help = "a list in .jsonl, .json, .csv, .tsv, .txt or .msgpack, also with "
                               ".lz4\n"
                               "behind it; - is standard input: JSON Lines (exec: lines of text)"},
    [OPTION_INPUT_FORMAT] = {.name = "--input-format",
                             .value = VALUE_REQUIRED,
                             .group = GROUP_INPUTS,
                             .verbs = LISTS,
                             .argument = "FORM",
                             .choices = "jsonl|json|csv|tsv|txt|msgpack",
                             .help = "jsonl, json, csv, tsv, txt or msgpack; by default what the "
                                     "ending\nof the file's name says"},
    [OPTION_NO_HEADER] = {.name = "--no-header",
                          .group = GROUP_INPUTS,
                          .verbs = LISTS,
                          .help = "of .csv and .tsv: the first line is data too, and rows are "
                                  "lists"},
    [OPTION_COLSEP] = {.name = "--colsep",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_INPUTS,
                       .verbs = LISTS,
                       .argument = "EXPR",
                       .help = "of .txt: what separates columns (a POSIX extended expression); "
                               "lines\nare lists then. By default a line is one string"},
    [OPTION_RANGE] = {.name = "--range",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_INPUTS,
                      .verbs = LISTS,
                      .argument = "A:B[:STEP]",
                      .help = "the integers from A, B excluded; by default in steps of 1"},
    [OPTION_GRID] = {.name = "--grid",
                     .value = VALUE_REQUIRED,
                     .is_repeatable = true,
                     .group = GROUP_INPUTS,
                     .verbs = LISTS,
                     .argument = "NAME=V1,V2,...",
                     .help =
                         "records: every combination of the values (NAME:=1,2 of JSON values),\n"
                         "the last name fastest; given once for each name"},
    [OPTION_SAMPLE] = {.name = "--sample",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_INPUTS,
                       .verbs = LISTS,
                       .argument = "COUNT",
                       .help = "so many draws from --grid NAME~uniform(0,1), lists and --bind, by\n"
                               "--seed; distributions are those of sweeps (docs/sweeps.md)"},
    [OPTION_FILES] = {.name = "--files",
                      .value = VALUE_REQUIRED,
                      .is_repeatable = true,
                      .group = GROUP_INPUTS,
                      .verbs = LISTS,
                      .argument = "GLOB",
                      .help = "the paths that match, sorted, such as 'photos/*.jpg' (in quotes); "
                              "may\nbe given more than once"},
    [OPTION_ZIP] = {.name = "--zip",
                    .value = VALUE_REQUIRED,
                    .is_repeatable = true,
                    .group = GROUP_INPUTS,
                    .verbs = LISTS,
                    .argument = "NAME=FILE",
                    .help = "records: each file gives a field; given once for each, with as many\n"
                            "elements each. A form that the ending doesn't say is lines of text"},
    [OPTION_BIND] = {.name = "--bind",
                     .value = VALUE_REQUIRED,
                     .is_repeatable = true,
                     .group = GROUP_INPUTS,
                     .verbs = LISTS,
                     .argument = "NAME=JSON",
                     .help = "a field that every input has; inputs must be records; may be given\n"
                             "more than once"},
    [OPTION_COMMANDS] = {.name = "--commands",
                         .value = VALUE_REQUIRED,
                         .group = GROUP_INPUTS,
                         .verbs = BIT(VERB_EXEC),
                         .argument = "FILE",
                         .help = "each line is a command line for the shell; - reads standard "
                                 "input.\nBlank lines and lines that start with # do not count"},
    [OPTION_SHELL] = {.name = "--shell",
                      .group = GROUP_COMMAND,
                      .verbs = BIT(VERB_EXEC),
                      .help = "the command is a line for bash (sh where there is none); what is\n"
                              "put into it is quoted"},
    [OPTION_STDIN] = {.name = "--stdin",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_COMMAND,
                      .verbs = BIT(VERB_EXEC),
                      .argument = "FORM",
                      .choices = "json|value",
                      .help = "the command reads its input: as JSON, or as its text; without it,\n"
                              "standard input is empty"},
    [OPTION_BY_ENV] = {.name = "--by-env",
                       .group = GROUP_COMMAND,
                       .verbs = BIT(VERB_EXEC) | BIT(VERB_SWEEP),
                       .help = "the command takes its input from MAPFLEET_INPUT, or MF_name, so "
                               "that\nits line needs no placeholder"},
    [OPTION_OUTPUT] = {.name = "--output",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_COMMAND,
                       .verbs = BIT(VERB_EXEC),
                       .argument = "FORM",
                       .choices = "str|json|lines|none",
                       .help = "what standard output is: text, a JSON value, a list of lines, or\n"
                               "nothing; default: text, or bytes where it is not UTF-8"},
    [OPTION_OUTPUT_FILE] = {.name = "--output-file",
                            .value = VALUE_REQUIRED,
                            .is_repeatable = true,
                            .group = GROUP_COMMAND,
                            .verbs = BIT(VERB_EXEC),
                            .argument = "GLOB",
                            .help =
                                "the output is the files that match, which the command made in\n"
                                "MAPFLEET_WORKDIR; may be given more than once"},
    [OPTION_PERMANENT_EXIT] = {.name = "--permanent-exit",
                               .value = VALUE_REQUIRED,
                               .group = GROUP_COMMAND,
                               .verbs = BIT(VERB_EXEC) | BIT(VERB_SWEEP) | BIT(VERB_RESUME),
                               .argument = "LIST",
                               .help = "exit statuses after which an instance is not tried again "
                                       "(2,64)"},
    [OPTION_TRIALS] = {.name = "--trials",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_SWEEP,
                       .verbs = BIT(VERB_SWEEP) | BIT(VERB_RESUME),
                       .argument = "COUNT",
                       .is_forgotten = true,
                       .help = "how many configurations; default: the file's run_cap, or all of a "
                               "grid.\nA resume may ask for more, also of a sweep that has ended"},
    [OPTION_SAMPLER] = {.name = "--sampler",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_SWEEP,
                        .verbs = BIT(VERB_SWEEP) | BIT(VERB_RESUME),
                        .argument = "'COMMAND'",
                        .help = "what proposes the trials of method: bayes, for a shell;\ndefault: "
                                "the sampler on Optuna"},
    [OPTION_PROGRAM] = {.name = "--program",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_SWEEP,
                        .verbs = BIT(VERB_SWEEP),
                        .argument = "FILE",
                        .help = "the program that runs, whatever the file says"},
    [OPTION_WANDB] = {.name = "--wandb",
                      .group = GROUP_SWEEP,
                      .verbs = BIT(VERB_SWEEP),
                      .help = "scripts that import wandb run unchanged, with no service: a module "
                              "of\nthat name comes first on their PYTHONPATH"},
    [OPTION_MIN_SUCCESS_RATIO] = {.name = "--min-success-ratio",
                                  .value = VALUE_REQUIRED,
                                  .group = GROUP_SUCCESS,
                                  .verbs = MAPS,
                                  .argument = "RATIO",
                                  .help = "how many instances must succeed, from 0 to 1; default: "
                                          "all of them"},
    [OPTION_MIN_SUCCESSES] = {.name = "--min-successes",
                              .value = VALUE_REQUIRED,
                              .group = GROUP_SUCCESS,
                              .verbs = MAPS,
                              .argument = "COUNT",
                              .help = "the same as a count"},
    [OPTION_MAX_FAILURES] = {.name = "--max-failures",
                             .value = VALUE_REQUIRED,
                             .group = GROUP_SUCCESS,
                             .verbs = MAPS,
                             .argument = "COUNT",
                             .help = "the same as the number that may fail"},
    [OPTION_POLICY] = {.name = "--policy",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_SUCCESS,
                       .verbs = MAPS,
                       .argument = "POLICY",
                       .choices = "stop|run-all|enough",
                       .help = "stop: end once success is out of reach (default); run-all: run\n"
                               "every instance; enough: end once enough have succeeded"},
    [OPTION_RETRIES] = {.name = "--retries",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_ATTEMPTS,
                        .verbs = MAPS,
                        .argument = "COUNT",
                        .help = "further attempts of an instance that failed; default: the task's, "
                                "or 0"},
    [OPTION_RETRY_DELAY] = {.name = "--retry-delay",
                            .value = VALUE_REQUIRED,
                            .group = GROUP_ATTEMPTS,
                            .verbs = MAPS,
                            .argument = "TIME",
                            .help = "pause before a retry (500ms, 2s), doubled with each failure, "
                                    "at most\n64 times as long; default: the task's, or none"},
    [OPTION_SYSTEM_RETRIES] = {.name = "--system-retries",
                               .value = VALUE_REQUIRED,
                               .group = GROUP_ATTEMPTS,
                               .verbs = MAPS,
                               .argument = "COUNT",
                               .help =
                                   "further attempts after kills and lost ranks (those under "
                                   "mpirun\n--enable-recovery or mapfleet launch); default: the "
                                   "task's, or 3"},
    [OPTION_TIMEOUT] = {.name = "--timeout",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_ATTEMPTS,
                        .verbs = MAPS,
                        .argument = "TIME",
                        .help = "bound of one attempt (90, 500ms, 15m), which is then ended; "
                                "0: none;\ndefault: the task's, or none"},
    [OPTION_MEM] = {.name = "--mem",
                    .value = VALUE_REQUIRED,
                    .group = GROUP_ATTEMPTS,
                    .verbs = MAPS,
                    .argument = "SIZE",
                    .help = "memory that an attempt may hold (600Mi, 1G), past which it is\n"
                            "ended; 0: no bound; default: the task's, or none"},
    [OPTION_MEM_GROWTH] = {.name = "--mem-growth",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_ATTEMPTS,
                           .verbs = MAPS,
                           .argument = "FACTOR",
                           .help = "grow an instance's --mem by it at each retry after a failure "
                                   "of\nmemory; default: the task's, or 1"},
    [OPTION_CPUS] = {.name = "--cpus",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_ATTEMPTS,
                     .verbs = MAPS,
                     .argument = "COUNT",
                     .help = "cores that an attempt needs, and is bound to; default: the task's, "
                             "or 1"},
    [OPTION_GPUS] = {.name = "--gpus",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_ATTEMPTS,
                     .verbs = MAPS,
                     .argument = "COUNT",
                     .help = "devices that an attempt needs; CUDA_VISIBLE_DEVICES and\n"
                             "ROCR_VISIBLE_DEVICES name its own; default: the task's, or 0"},
    [OPTION_CONCURRENCY] = {.name = "--concurrency",
                            .value = VALUE_REQUIRED,
                            .group = GROUP_ATTEMPTS,
                            .verbs = MAPS,
                            .argument = "COUNT",
                            .help = "attempts that run at once, over all ranks; default: 0, no "
                                    "cap"},
    [OPTION_DELAY] = {.name = "--delay",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_ATTEMPTS,
                      .verbs = MAPS,
                      .argument = "TIME",
                      .help = "least time between two starts, over all ranks; default: 0, none"},
    [OPTION_MAX_OUTPUT] = {.name = "--max-output",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_ATTEMPTS,
                           .verbs = RUNS,
                           .argument = "SIZE",
                           .help = "a larger output fails its attempt (bytes, or 600Mi, 1G);\n"
                                   "default: 64Mi"},
    [OPTION_SEED] = {.name = "--seed",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_ATTEMPTS,
                     .verbs = RUNS,
                     .argument = "NUMBER",
                     .help = "where the instances' random numbers start; default: 0"},
    [OPTION_SPECULATE] = {.name = "--speculate",
                          .group = GROUP_ATTEMPTS,
                          .verbs = MAPS,
                          .help =
                              "at the end, run what takes far longer than most twice: the first "
                              "success\ncounts; without it, only tasks declared idempotent"},
    [OPTION_CONSTANT] = {.name = "--constant",
                         .value = VALUE_REQUIRED,
                         .group = GROUP_ATTEMPTS,
                         .verbs = BIT(VERB_MAP) | BIT(VERB_SWEEP),
                         .argument = "JSON",
                         .help = "what all instances are given beside their inputs, where the task "
                                 "takes\nsuch a value"},
    [OPTION_CACHE] = {.name = "--cache",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_CACHE,
                      .verbs = RUNS,
                      .argument = "HOW",
                      .choices = "use|refresh|off",
                      .help = "use: take outputs that are kept, and keep new ones (default where "
                              "the\ntask has a cache_version); refresh: only keep; off: neither"},
    [OPTION_CACHE_VERSION] = {.name = "--cache-version",
                              .value = VALUE_REQUIRED,
                              .group = GROUP_CACHE,
                              .verbs = MAPS,
                              .argument = "TEXT",
                              .help = "keep outputs under this version of the task; default: the "
                                      "task's"},
    [OPTION_CACHE_DIR] = {.name = "--cache-dir",
                          .value = VALUE_REQUIRED,
                          .group = GROUP_CACHE,
                          .verbs = RUNS | BIT(VERB_CACHE),
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
                      .verbs = RUNS,
                      .argument = "COUNT",
                      .help = "cores that each rank has for attempts; a rank runs as many at "
                              "once as\nfit into its cores, memory and devices; default: those "
                              "it may use"},
    [OPTION_GPUS_PER_RANK] = {.name = "--gpus-per-rank",
                              .value = VALUE_REQUIRED,
                              .group = GROUP_RUN,
                              .verbs = RUNS,
                              .argument = "COUNT",
                              .help = "devices that each rank has; default: its share of those "
                                      "that the\nenvironment lists"},
    [OPTION_ISOLATION] = {.name = "--isolation",
                          .value = VALUE_REQUIRED,
                          .group = GROUP_RUN,
                          .verbs = RUNS,
                          .argument = "HOW",
                          .choices = "process|none",
                          .help = "process (default): attempts run in processes of their own; "
                                  "none: in\nthe rank, for debuggers: no bounds, nothing is "
                                  "captured"},
    [OPTION_SHIP_JOB] = {.name = "--ship-job",
                         .group = GROUP_RUN,
                         .verbs = RUNS,
                         .help = "send the job's library to hosts that don't have it, or have "
                                 "another;\ndefault: these are refused"},
    [OPTION_KEEP_WORKDIRS] = {.name = "--keep-workdirs",
                              .group = GROUP_RUN,
                              .verbs = RUNS,
                              .help = "leave the attempts' working directories where they are, and "
                                      "say where"},
    [OPTION_FILES_TO] = {.name = "--files-to",
                         .value = VALUE_REQUIRED,
                         .group = GROUP_RUN,
                         .verbs = RUNS,
                         .argument = "WHERE",
                         .help = "where files that instances give back are put: a folder, or a URL "
                                 "under\nwhich they are (s3://BUCKET/PREFIX, http://HOST/PATH); "
                                 "default: files/\nin the run directory"},
    [OPTION_UNIT_SIZE] = {.name = "--unit-size",
                          .value = VALUE_REQUIRED,
                          .group = GROUP_RUN,
                          .verbs = MAPS,
                          .argument = "COUNT",
                          .help = "instances that a rank is given at a time; default: auto, by "
                                  "their speed"},
    [OPTION_TIME_LIMIT] = {.name = "--time-limit",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_RUN,
                           .verbs = RUNS,
                           .argument = "TIME",
                           .help = "end in time, to be resumed (exit 75), so long after the start; "
                                   "0:\nno limit; default: none, but for the end of a Slurm job"},
    [OPTION_GRACE] = {.name = "--grace",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RUN,
                      .verbs = RUNS,
                      .argument = "TIME",
                      .help = "time that attempts have to end: after an interruption, and between\n"
                              "SIGTERM and SIGKILL elsewhere; default: 10s"},
    [OPTION_LOST_AFTER] = {.name = "--lost-after",
                           .value = VALUE_REQUIRED,
                           .group = GROUP_RUN,
                           .verbs = RUNS,
                           .argument = "TIME",
                           .help = "a rank that is silent for so long is lost, and what it had "
                                   "runs\nelsewhere (under mpirun --enable-recovery); 0: never; "
                                   "default: 10s"},
    [OPTION_RUN_DIR] = {.name = "--run-dir",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_RUN,
                        .verbs = RUNS,
                        .argument = "DIR",
                        .is_forgotten = true,
                        .help =
                            "the folder that keeps the run's record, made with those above it; it\n"
                            "must not exist. Default: a new one in mapfleet-runs/"},
    [OPTION_RESUME] = {.name = "--resume",
                       .value = VALUE_OPTIONAL,
                       .group = GROUP_RUN,
                       .verbs = RUNS,
                       .argument = "failed",
                       .choices = "failed",
                       .is_forgotten = true,
                       .help = "go on with the run in --run-dir, if there is one; failed: and run\n"
                               "again what failed in one that has ended"},
    [OPTION_SYNC] = {.name = "--sync",
                     .value = VALUE_REQUIRED,
                     .group = GROUP_RUN,
                     .verbs = RUNS,
                     .argument = "WHEN",
                     .choices = "interval|always|none",
                     .help = "when results reach the disk: interval (default), so that a power\n"
                             "cut costs those of a second; always, before they count; none"},
    [OPTION_CAPTURE] = {.name = "--capture",
                        .value = VALUE_REQUIRED,
                        .group = GROUP_RUN,
                        .verbs = RUNS,
                        .argument = "WHOSE",
                        .choices = "failed|all|none|discard",
                        .help = "keep what attempts print, of failed (default) or all of them;\n"
                                "none: pass it to standard error; discard: drop it"},
    [OPTION_PRINT] = {.name = "--print",
                      .value = VALUE_OPTIONAL,
                      .group = GROUP_RUN,
                      .verbs = RUNS,
                      .argument = "FORM",
                      .choices = "live|ordered|json|none",
                      .is_forgotten = true,
                      .refused = "live|ordered",
                      .reason = "is about what commands print, and a map runs none",
                      .refusing = BIT(VERB_MAP) | BIT(VERB_RUN),
                      .help = "json (--print alone): write the outputs at the end, in order, as "
                              "JSON\nLines, null for a hole; none; of commands also live, ordered"},
    [OPTION_KEEP_ORDER] = {.name = "--keep-order",
                           .letter = 'k',
                           .group = GROUP_RUN,
                           .verbs = BIT(VERB_EXEC) | BIT(VERB_SWEEP) | BIT(VERB_RESUME),
                           .help = "print what commands print in the order of the inputs, as "
                                   "--print=ordered"},
    [OPTION_PROGRESS] =
        {.name = "--progress",
         .value = VALUE_REQUIRED,
         .group = GROUP_RUN,
         .verbs = RUNS,
         .argument = "FORM",
         .choices = "auto|bar|plain|json|none",
         .is_forgotten = true,
         .help = "on standard error: bar, a line at the bottom of the terminal;\nplain, lines "
                 "now and then; json, an object every second;\nnone; auto (default): "
                 "bar where there is a terminal, else plain"},
    [OPTION_FAILED] = {.name = "--failed",
                       .group = GROUP_RUN,
                       .verbs = BIT(VERB_RESUME),
                       .is_forgotten = true,
                       .help = "run again what failed or timed out, with fresh budgets"},
    [OPTION_RANKS] = {.name = "--ranks",
                      .letter = 'n',
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RESULTS,
                      .verbs = BIT(VERB_LAUNCH),
                      .argument = "COUNT",
                      .help = "ranks to start; default: the slots of the hosts, or of the batch "
                              "job,\nor one, which uses the whole machine"},
    [OPTION_HOSTS] = {.name = "--hosts",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RESULTS,
                      .verbs = BIT(VERB_LAUNCH),
                      .argument = "NAME:SLOTS,...",
                      .help = "where to start them, and how many on each at most (a:4,b:2; "
                              "default: 1);\nreached by ssh"},
    [OPTION_HOSTFILE] = {.name = "--hostfile",
                         .value = VALUE_REQUIRED,
                         .group = GROUP_RESULTS,
                         .verbs = BIT(VERB_LAUNCH),
                         .argument = "FILE",
                         .help = "the same from a file, a line a host: NAME slots=COUNT"},
    [OPTION_RESTARTS] = {.name = "--restarts",
                         .value = VALUE_REQUIRED,
                         .group = GROUP_RESULTS,
                         .verbs = BIT(VERB_LAUNCH),
                         .argument = "COUNT",
                         .help = "where rank 0 is lost, start again with --resume, at most so "
                                 "often;\ndefault: 0"},
    [OPTION_SRUN] = {.name = "--srun",
                     .group = GROUP_RESULTS,
                     .verbs = BIT(VERB_LAUNCH),
                     .help = "in a Slurm job: start with srun --mpi=pmix, not with mpirun"},
    [OPTION_DRY_RUN] = {.name = "--dry-run",
                        .group = GROUP_RESULTS,
                        .verbs = BIT(VERB_LAUNCH) | BIT(VERB_EXEC) | BIT(VERB_SWEEP),
                        .is_forgotten = true,
                        .help = "print what would be executed (of exec and sweep, the first ten "
                                "lines),\nand do nothing"},
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
    [OPTION_SORT] =
        {.name = "--sort",
         .value = VALUE_REQUIRED,
         .group = GROUP_RESULTS,
         .verbs = BIT(VERB_RESULTS),
         .argument = "METRIC",
         .help = "of a sweep: in the order of its metric, the best first; default:\nby index"},
    [OPTION_FORMAT] = {.name = "--format",
                       .value = VALUE_REQUIRED,
                       .group = GROUP_RESULTS,
                       .verbs = BIT(VERB_RESULTS),
                       .argument = "FORM",
                       .choices = "jsonl|json|csv|msgpack|npy",
                       .help = "jsonl (default), json, csv (records within records as columns "
                               "a.b),\nmsgpack, or npy: numbers, and lists of as many each, as a "
                               "NumPy array"},
    [OPTION_MAP] = {.name = "--map",
                    .value = VALUE_REQUIRED,
                    .group = GROUP_RESULTS,
                    .verbs = BIT(VERB_RESULTS),
                    .argument = "NUMBER",
                    .help = "the map or call of a workflow to print, from 0 in the order started;\n"
                            "default: the workflow's own output"},
    [OPTION_STDIO] = {.name = "--stdio",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RESULTS,
                      .verbs = BIT(VERB_RESULTS),
                      .argument = "INDEX",
                      .help = "what the attempts of this instance printed, as far as it was kept:\n"
                              "standard output, then error, of each in order"},
    [OPTION_TRACE] = {.name = "--trace",
                      .value = VALUE_REQUIRED,
                      .group = GROUP_RUN,
                      .verbs = RUNS | BIT(VERB_REPORT),
                      .argument = "FILE",
                      .is_forgotten = true,
                      .help = "at the end, write the run as trace events (JSON), which Perfetto\n"
                              "(ui.perfetto.dev) and chrome://tracing open"},
    [OPTION_REPORT_OUTPUT] = {.name = "--output",
                              .letter = 'o',
                              .value = VALUE_REQUIRED,
                              .group = GROUP_RESULTS,
                              .verbs = BIT(VERB_REPORT),
                              .argument = "FILE",
                              .help = "where the page goes; - is standard output; default: "
                                      "report.html in\nRUN"},
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

const char *const options_group_titles[GROUP_COUNT] = {
    [GROUP_INPUTS] = "Inputs, from one of these (exec: or ::: behind the command):",
    [GROUP_SWEEP] = "The sweep:",
    [GROUP_COMMAND] = "The command:",
    [GROUP_SUCCESS] = "What counts as success (one of the first three at most):",
    [GROUP_ATTEMPTS] = "Attempts (times: 90, 90s, 15m, 2h; sizes: 600Mi, 1G):",
    [GROUP_CACHE] = "Memoised outputs:",
    [GROUP_RUN] = "The run:",
    [GROUP_RESULTS] = "Options:",
    [GROUP_HELP] = "Help:",
};

#define EXIT_STATUS_TEXT                                                                           \
    "Exit status:\n"                                                                               \
    "  0 succeeded; 1 failed by its own criterion, or the job's setup failed on every rank;\n"     \
    "  2 refused, and nothing was started; 75 interrupted, and can be resumed; 70 an internal\n"   \
    "  fault.\n"

const struct verb_text options_verbs[VERB_COUNT] = {
    [VERB_MAP] = {.name = "map",
                  .arguments = "JOB:TASK INPUTS [OPTIONS]",
                  .summary = "Run a job's task once for each element of a list.",
                  .examples = "  mapfleet map basics:square --range 0:1000 --print\n"
                              "  mpirun -n 4 mapfleet map basics:square --range 0:1000 --print\n",
                  .notes = "JOB is a path to a .so, or the name of one in $MAPFLEET_JOBS or among "
                           "those installed.\n\n" EXIT_STATUS_TEXT},
    [VERB_RUN] = {.name = "run",
                  .arguments = "JOB[:WORKFLOW] [NAME=VALUE ...] [OPTIONS]",
                  .summary = "Run a job's workflow.",
                  .examples = "  mapfleet run augment query='*' photos=photos --print\n"
                              "  mpirun -n 4 mapfleet run augment query='*' photos=photos\n",
                  .notes =
                      "JOB is a path to a .so, or the name of one in $MAPFLEET_JOBS or among those "
                      "installed.\nWORKFLOW may be left out where the job has only one. `mapfleet "
                      "run JOB:WORKFLOW --help`\nlists its parameters. What a task says of itself "
                      "(retries, memory, cache) holds for its\ncalls and maps, but for what the "
                      "workflow says at each.\n\n" EXIT_STATUS_TEXT},
    [VERB_EXEC] = {.name = "exec",
                   .arguments = "[INPUTS] [OPTIONS] -- COMMAND ...",
                   .summary = "Run a command once for each element of a list.",
                   .examples =
                       "  mapfleet exec -- gzip -9 {} ::: *.log\n"
                       "  mapfleet exec --inputs words.txt --shell -- 'grep -c {} book | "
                       "sort'\n"
                       "  mpirun -n 4 mapfleet exec --zip lr=lr.txt --zip seed=seeds.txt -- "
                       "train --lr={lr} {seed}\n",
                   .notes =
                       "Inputs: {} is the input, {name} a field, {1} {2} columns; each also as "
                       "{.} (without its\nending), {/} (its last name), {//} (its folder), {/.} "
                       "({name/.}, {1//}); {#} counts from 1,\n{index} from 0, {%} is the slot. "
                       "{{name}} writes the braces as they are.\n"
                       "::: A B behind the command are literal inputs; several ::: make every "
                       "combination, :::+\ngoes along with the list before it. Files of inputs "
                       "are lines of text unless their ending\nsays otherwise.\n"
                       "What commands print appears as they end (--print=live, the default). All "
                       "inputs run, also\nafter a failure (--policy run-all, the default "
                       "here).\n\n" EXIT_STATUS_TEXT},
    [VERB_SWEEP] =
        {.name = "sweep",
         .arguments = "FILE.yaml [OPTIONS]",
         .summary = "Run a program with many settings.",
         .examples = "  mapfleet sweep sweep.yaml --dry-run\n"
                     "  mpirun -n 4 mapfleet sweep sweep.yaml --trials 100\n"
                     "  mapfleet sweep sweep.yaml -- python train.py --epochs 3\n"
                     "  mapfleet sweep bayes.yaml --sampler 'python my_sampler.py'\n",
         .notes =
             "FILE.yaml is a sweep file of Weights & Biases, or one like it:\n\n"
             "  program: train.py\n"
             "  method: random\n"
             "  run_cap: 100\n"
             "  parameters:\n"
             "    lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}\n"
             "    optimizer: {values: [adam, sgd]}\n\n"
             "A command behind -- gets --name=value of each parameter at its end, "
             "unless it has macros\n(${args}, ${args_json}, ...) or placeholders "
             "({lr}, {index}). What the file says of retries,\ntimeout, resources and "
             "min_success_ratio, an option says otherwise. All trials run, also after a\n"
             "failure (--policy run-all, the default here).\n"
             "With method: bayes a sampler proposes the trials, from what the ones before gave: "
             "Optuna's\n(python3-optuna), or --sampler.\n\n" EXIT_STATUS_TEXT},
    [VERB_RESUME] = {.name = "resume",
                     .arguments = "RUN [OPTIONS]",
                     .summary = "Go on with a run that did not finish.",
                     .examples = "  mapfleet resume mapfleet-runs/basics-square-...\n"
                                 "  mpirun -n 8 mapfleet resume RUN --retries 3\n",
                     .notes =
                         "RUN is the run's folder. What it was started with holds, but for the "
                         "options given now.\nWhat has succeeded is not run again; a run that has "
                         "ended exits as it did.\n\n" EXIT_STATUS_TEXT},
    [VERB_LAUNCH] = {.name = "launch",
                     .arguments = "[OPTIONS] VERB ...",
                     .summary = "Start a verb on ranks, and outlive lost hosts.",
                     .examples = "  mapfleet launch -n 4 map basics:square --range 0:1000 --print\n"
                                 "  mapfleet launch --hosts a:4,b:2 map basics:square --range "
                                 "0:1000\n"
                                 "  mapfleet launch --hostfile hosts --restarts 3 resume RUN\n",
                     .notes =
                         "What stands behind VERB is the verb's own. Open MPI is started so that "
                         "lost ranks and\nhosts do not end the run, and ended with it; the exit "
                         "status is the run's. SIGINT and\nSIGTERM end the run with its grace, a "
                         "second one at once.\n\n" EXIT_STATUS_TEXT},
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
                                  "  mapfleet results RUN --format csv >outputs.csv\n"
                                  "  mapfleet results RUN --stdio 17\n",
                      .notes = "RUN is the run's folder. A hole, where an instance has no output, "
                               "prints as null.\n\n"
                               "Exit status: 0 where all that is on record was printed, however "
                               "the run stands or\nended; 1 where some could not be: a damaged "
                               "log has lost it, or it could not be\nwritten; 2 where RUN is no "
                               "run, or its outputs have no such form.\n"},
    [VERB_CACHE] = {.name = "cache",
                    .arguments = "stats|prune [OPTIONS]",
                    .summary = "Show, or make smaller, the store of memoised outputs.",
                    .examples = "  mapfleet cache stats\n"
                                "  mapfleet cache prune --older-than 30d --max-size 10G\n",
                    .notes = "An output was last used when it was made or last taken, to the hour. "
                             "Sizes count whole\n"
                             "pages of the store.\n"},
    [VERB_REPORT] = {.name = "report",
                     .arguments = "RUN [OPTIONS]",
                     .summary = "Show a run as one page, for a browser.",
                     .examples = "  mapfleet report mapfleet-runs/basics-square-...\n"
                                 "  mapfleet report RUN -o run.html\n"
                                 "  mapfleet report RUN --trace run.trace.json\n",
                     .notes = "RUN is the run's folder; the page is one file that needs no other "
                              "and no network.\nEach run leaves one, as it ends: this makes it "
                              "again, or of a run that goes on.\n\n"
                              "Exit status: 0; 1 where it could not be written; 2 where RUN is no "
                              "run.\n"},
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

/* ---- Looking up ------------------------------------------------------------------------------ */

const char *verb_name(enum verb verb)
{
    return options_verbs[verb].name;
}

bool verb_by_name(const char *name, enum verb *verb_out)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(options_verbs[i].name, name) == 0) {
            *verb_out = (enum verb)i;
            return true;
        }
    }
    return false;
}

const char *option_name(enum option_id id)
{
    return options_table[id].name;
}

bool options_is_of(const struct option *option, enum verb verb)
{
    const bool is_of_maps = (option->verbs & BIT(VERB_MAP)) != 0;
    const bool is_fixed = option->group == GROUP_INPUTS ||
                          option == &options_table[OPTION_RUN_DIR] ||
                          option == &options_table[OPTION_RESUME];
    return (option->verbs & BIT(verb)) != 0 || (verb == VERB_RESUME && is_of_maps && !is_fixed);
}

bool option_is_remembered(enum option_id id)
{
    return options_is_of(&options_table[id], VERB_RESUME) && !options_table[id].is_forgotten &&
           id != OPTION_HELP;
}

bool option_is_of_maps_only(enum option_id id)
{
    const unsigned verbs = options_table[id].verbs;
    return (verbs & BIT(VERB_MAP)) != 0 && (verbs & BIT(VERB_RUN)) == 0;
}

char *option_word(enum option_id id, const char *value)
{
    const bool is_bare = *value == '\0' && options_table[id].value != VALUE_REQUIRED;
    const size_t size = strlen(options_table[id].name) + strlen(value) + 2;
    char *word = memory_take(size, 1);
    (void)snprintf(word, size, "%s%s%s", options_table[id].name, is_bare ? "" : "=", value);
    return word;
}
