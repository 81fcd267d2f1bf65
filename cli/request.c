#include "cli/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "cli/map_options_cli.h"
#include "cli/resume.h"
#include "cli/slurm.h"
#include "jobs/command/command.h"
#include "master/master.h"
#include "master/run_dir.h"
#include "shared/criterion.h"
#include "shared/memory.h"
#include "shared/quantity.h"
#include "shared/value.h"
#include "worker/describe.h"

#define SLOT_COUNT_MAX 4096
#define GPU_COUNT_MAX 4096
#define PATIENCE_VARIABLE "MAPFLEET_WRITE_PATIENCE"

static void free_words(char **words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(words[i]);
    }
    free(words);
}

void request_free(struct request *request)
{
    options_free(&request->options);
    options_free(&request->recorded_options);
    exec_destroy(&request->exec);
    sweep_free(&request->sweep);
    buffer_free(&request->constant);
    for (size_t i = 0; i < INPUT_LIST_COUNT; i++) {
        free(request->input_lists[i]);
    }
    adaptive_run_destroy(request->adaptive);
    inputs_close(request->inputs);
    library_free(&request->library);
    job_destroy(request->job);
    run_lock_release(request->lock);
    replay_free(&request->replay);
    failures_destroy(request->failures);
    run_description_destroy(request->recorded);
    free_words(request->words, request->word_count);
    free_words(request->arguments, request->argument_count);
    free(request->input_type);
    free(request->output_type);
    free(request->run_dir);
    cache_request_free(&request->cache);
    files_request_free(&request->files);
}

static enum status check_words(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    if (request->verb == VERB_EXEC) {
        const enum status status = exec_parse(options, &request->exec, err);
        return status == STATUS_OK ? exec_check_command(&request->exec, err) : status;
    }
    if (options->word_count == 0) {
        return error_set(err, STATUS_INVALID,
                         "mapfleet map: expected JOB:TASK (mapfleet map --help shows how)");
    }
    if (options->word_count > 1) {
        return error_set(err, STATUS_INVALID, "unexpected \"%s\"%s", options->words[1],
                         options_has(options, OPTION_FILES)
                             ? ": quote the glob of --files, or the shell expands it"
                             : "");
    }
    return STATUS_OK;
}

static bool is_isolated(const struct options *options)
{
    const char *isolation = options->values[OPTION_ISOLATION];
    return isolation == NULL || strcmp(isolation, "none") != 0;
}

static char *type_text(const struct type *type)
{
    struct buffer text = {0};
    if (type_format(type, &text) != STATUS_OK || buffer_append_byte(&text, '\0') != STATUS_OK) {
        buffer_free(&text);
        return memory_copy_text("any");
    }
    size_t size;
    return (char *)buffer_take(&text, &size);
}

const struct exec *request_command(const struct request *request)
{
    return request->verb == VERB_EXEC    ? &request->exec
           : request->verb == VERB_SWEEP ? sweep_exec(&request->sweep)
                                         : NULL;
}

const char *request_name(const struct request *request)
{
    return request->workflow != NULL ? request->workflow->name : request->task->name;
}

static enum status open_job(struct request *request, const char *job, struct error *err)
{
    uint64_t load_us_max = 0;
    enum status status = describe_patience(&load_us_max, err);
    if (status == STATUS_OK) {
        status = is_isolated(&request->options)
                     ? describe_job(request->zygote, job, load_us_max, &request->job, err)
                     : job_open(job, &request->job, err);
    }
    for (size_t i = 0; status == STATUS_OK && i < JOB_DIGEST_SIZE; i++) {
        (void)snprintf(&request->job_digest[2 * i], 3, "%02x", request->job->digest[i]);
    }
    return status;
}

enum status request_open_task(struct request *request, const char *job, const char *task,
                              struct error *err)
{
    const enum status status = open_job(request, job, err);
    if (status != STATUS_OK) {
        return status;
    }
    request->task = job_task(request->job, task, err);
    if (request->task == NULL) {
        return STATUS_NOT_FOUND;
    }
    request->input_type = type_text(request->task->input);
    request->output_type = type_text(request->task->output);
    return STATUS_OK;
}

enum status request_open_workflow(struct request *request, const char *job, const char *workflow,
                                  struct error *err)
{
    const enum status status = open_job(request, job, err);
    if (status != STATUS_OK) {
        return status;
    }
    request->workflow = job_workflow(request->job, workflow, err);
    if (request->workflow == NULL) {
        return STATUS_NOT_FOUND;
    }
    request->input_type = type_text(request->workflow->input);
    request->output_type = type_text(request->workflow->output);
    return STATUS_OK;
}

static enum status open_task(struct request *request, struct error *err)
{
    if (request->verb == VERB_EXEC) {
        return request_open_task(request, COMMAND_JOB, exec_task(&request->exec), err);
    }
    const char *words = request->options.words[0];
    const char *colon = strrchr(words, ':');
    if (colon == NULL || colon[1] == '\0') {
        return error_set(err, STATUS_INVALID, "\"%s\": expected JOB:TASK", words);
    }
    char *job = memory_copy_text(words);
    job[colon - words] = '\0';
    const enum status status = request_open_task(request, job, colon + 1, err);
    free(job);
    return status;
}

static enum status take_sample(const struct request *request, struct inputs_source *source,
                               struct error *err)
{
    const char *text = request->options.values[OPTION_SAMPLE];
    source->sample_seed = request->map.seed;
    if (quantity_parse_count(text, &source->sample_count, NULL) != STATUS_OK ||
        source->sample_count == 0) {
        return error_set(err, STATUS_INVALID,
                         "--sample: \"%s\": expected a whole number above 0, at most 2^63 - 1",
                         text);
    }
    return STATUS_OK;
}

static enum status choose_source(const struct request *request, struct inputs_source *source,
                                 struct error *err)
{
    const struct options *options = &request->options;
    const enum option_id ids[] = {OPTION_INPUTS, OPTION_RANGE, OPTION_FILES,
                                  OPTION_ZIP,    OPTION_GRID,  OPTION_COMMANDS};
    const enum inputs_source_kind kinds[] = {INPUTS_FILE, INPUTS_RANGE, INPUTS_GLOBS,
                                             INPUTS_ZIP,  INPUTS_GRID,  INPUTS_FILE};
    const bool is_sample = options_has(options, OPTION_SAMPLE);
    const char *given = NULL;
    if (request->exec.argument_list_count > 0) {
        given = ":::";
        source->kind = INPUTS_ARGUMENTS;
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (!options_has(options, ids[i])) {
            continue;
        }
        if (given != NULL) {
            return error_set(err, STATUS_INVALID,
                             "%s and %s are two sources of inputs: give one of them", given,
                             option_name(ids[i]));
        }
        given = option_name(ids[i]);
        source->kind = kinds[i];
    }
    if (is_sample && given != NULL && source->kind != INPUTS_GRID) {
        return error_set(err, STATUS_INVALID,
                         "--sample draws from --grid NAME~uniform(0,1), not from %s", given);
    }
    if (is_sample) {
        source->kind = INPUTS_SAMPLE;
        return take_sample(request, source, err);
    }
    if (given != NULL) {
        return STATUS_OK;
    }
    if (options_has(options, OPTION_BIND)) {
        return error_set(err, STATUS_INVALID, "--bind adds a field to inputs, and there are none");
    }
    return error_set(
        err, STATUS_INVALID,
        request->verb == VERB_EXEC
            ? "no inputs: give ::: A B behind the command, --inputs FILE (- for "
              "lines of standard input), --range A:B, --grid NAME=V1,V2, --files GLOB or --zip "
              "NAME=FILE"
            : "no inputs: give --inputs FILE, --range A:B, --grid NAME=V1,V2, --files GLOB "
              "or --zip NAME=FILE");
}

static void fill_lists(struct request *request, struct inputs_source *source)
{
    const struct options *options = &request->options;
    const char ***lists = request->input_lists;
    lists[INPUT_LIST_FILES] = options_uses(options, OPTION_FILES, &source->glob_count);
    lists[INPUT_LIST_ZIP] = options_uses(options, OPTION_ZIP, &source->zip_count);
    lists[INPUT_LIST_BIND] = options_uses(options, OPTION_BIND, &source->bound_count);
    lists[INPUT_LIST_GRID] = options_uses(options, OPTION_GRID, &source->grid_count);
    source->globs = lists[INPUT_LIST_FILES];
    source->grids = lists[INPUT_LIST_GRID];
    source->zips = lists[INPUT_LIST_ZIP];
    source->bounds = lists[INPUT_LIST_BIND];
}

static enum status open_inputs(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    struct inputs_source source = {
        .path = options->values[OPTION_INPUTS],
        .no_header = options_has(options, OPTION_NO_HEADER),
        .column_separator = options->values[OPTION_COLSEP],
        .range = options->values[OPTION_RANGE],
        .launch_dir = request->launch_dir,
    };
    fill_lists(request, &source);
    if (request->verb == VERB_EXEC) {
        exec_fill_source(&request->exec, &source);
    }
    const enum status status = choose_source(request, &source, err);
    if (status != STATUS_OK) {
        return status;
    }
    const char *format = options->values[OPTION_INPUT_FORMAT];
    const bool is_text = source.kind == INPUTS_ARGUMENTS || source.kind == INPUTS_ZIP;
    const bool is_lines = options_has(options, OPTION_COMMANDS);
    const bool is_about_a_file =
        format != NULL || source.no_header || (source.column_separator != NULL && !is_text);
    if ((source.kind != INPUTS_FILE || is_lines) && is_about_a_file) {
        return error_set(err, STATUS_INVALID,
                         "--input-format, --no-header and --colsep are about a file of --inputs");
    }
    if (format != NULL && !inputs_format_by_name(format, &source.format)) {
        return error_set(err, STATUS_INVALID,
                         "--input-format: \"%s\" is no format: expected jsonl, json, csv, tsv, "
                         "txt or msgpack",
                         format);
    }
    return inputs_open(&source, request->task->input, &request->inputs, err);
}

static enum status check_slots(struct request *request, struct error *err)
{
    const char *text = request->options.values[OPTION_SLOTS];
    if (text == NULL) {
        return STATUS_OK;
    }
    if (quantity_parse_count(text, &request->slots, err) != STATUS_OK || request->slots == 0 ||
        request->slots > SLOT_COUNT_MAX) {
        return error_set(err, STATUS_INVALID,
                         "--slots: \"%s\": expected a whole number from 1 to %d (without it: one "
                         "slot a core)",
                         text, SLOT_COUNT_MAX);
    }
    return STATUS_OK;
}

static enum status check_gpus_per_rank(struct request *request, struct error *err)
{
    const char *text = request->options.values[OPTION_GPUS_PER_RANK];
    request->has_gpus_per_rank = text != NULL;
    if (text != NULL && (quantity_parse_count(text, &request->gpus_per_rank, NULL) != STATUS_OK ||
                         request->gpus_per_rank > GPU_COUNT_MAX)) {
        return error_set(err, STATUS_INVALID,
                         "--gpus-per-rank: \"%s\": expected a whole number from 0 to %d", text,
                         GPU_COUNT_MAX);
    }
    return STATUS_OK;
}

/* What bounds an attempt ends its process, and in the rank there is none; nor are the rank's own
 * streams captured. */
static enum status check_isolation(const struct options *options, struct map_options *map,
                                   struct error *err)
{
    static const enum option_id bounds[] = {OPTION_TIMEOUT, OPTION_MEM, OPTION_MEM_GROWTH,
                                            OPTION_SPECULATE, OPTION_LOST_AFTER};
    if (is_isolated(options)) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (options_has(options, bounds[i])) {
            return error_set(err, STATUS_INVALID,
                             "%s cannot be kept with --isolation none: attempts run in the rank",
                             option_name(bounds[i]));
        }
    }
    if (options_has(options, OPTION_CAPTURE) && map->capture != MAP_CAPTURE_NONE) {
        return error_set(err, STATUS_INVALID,
                         "--capture %s cannot be kept with --isolation none: attempts print to "
                         "the rank's own streams",
                         options->values[OPTION_CAPTURE]);
    }
    map->capture = MAP_CAPTURE_NONE;
    map->speculate = false; /* no attempt could be ended for another's sake */
    map->lost_after_ns = 0; /* a rank is silent for as long as its attempt takes */
    return STATUS_OK;
}

enum status request_check_cached_size(const struct request *request, struct error *err)
{
    const uint64_t size = inputs_count(request->inputs);
    if (request->verb == VERB_SWEEP) {
        const enum status status =
            sweep_metric_check(&request->sweep.metric, &request->options, request->cache.mode, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return request->cache.mode == CACHE_OFF || size <= CACHE_INPUT_COUNT_MAX
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "outputs are kept of maps of up to %" PRIu64
                           " inputs, and there are %" PRIu64 ": give --cache off",
                           CACHE_INPUT_COUNT_MAX, size);
}

enum status request_check_minimum(struct request *request, struct error *err)
{
    const uint64_t size = inputs_count(request->inputs);
    const enum status status =
        criterion_minimum(&request->map.criterion, size, &request->minimum, err);
    if (status == STATUS_OK && request->map.policy == POLICY_ENOUGH && request->minimum == 0 &&
        size > 0) {
        return error_set(err, STATUS_INVALID,
                         "--policy enough with a minimum of 0 would run nothing");
    }
    return status;
}

/* How long a run waits for a run directory that can't be written. */
static enum status check_patience(struct request *request, struct error *err)
{
    const char *text = getenv(PATIENCE_VARIABLE);
    uint64_t patience_ns = 0;
    request->patience_us = MASTER_PATIENCE_US;
    if (text == NULL) {
        return STATUS_OK;
    }
    const enum status status = quantity_parse_time(text, &patience_ns, err);
    if (status != STATUS_OK) {
        error_prefix(err, PATIENCE_VARIABLE ": ");
    }
    request->patience_us = patience_ns / 1000;
    return status;
}

/* A program with its job built in has nothing to send: where it runs, the job is. */
static enum status read_library(struct request *request, struct error *err)
{
    const struct job *job = request->job;
    return options_has(&request->options, OPTION_SHIP_JOB) && *job->path == '/'
               ? library_read(job->path, job->digest, &request->library, err)
               : STATUS_OK;
}

static enum sync_mode sync_mode(const struct options *options)
{
    const char *mode = options->values[OPTION_SYNC];
    return mode == NULL                  ? SYNC_INTERVAL
           : strcmp(mode, "always") == 0 ? SYNC_ALWAYS
           : strcmp(mode, "none") == 0   ? SYNC_NONE
                                         : SYNC_INTERVAL;
}

enum status request_check_options(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    enum status status = map_options_apply(options, &request->map, err);
    if (status == STATUS_OK) {
        status = check_slots(request, err);
    }
    if (status == STATUS_OK) {
        status = check_gpus_per_rank(request, err);
    }
    if (status == STATUS_OK && request->task != NULL) {
        status = cache_request_check(options, request->task, request_command(request) != NULL,
                                     request->launch_dir, &request->cache, err);
    }
    if (status == STATUS_OK) {
        status =
            files_request_check(options, request->task, request->launch_dir, &request->files, err);
    }
    if (status == STATUS_OK) {
        status = check_isolation(options, &request->map, err);
    }
    if (status == STATUS_OK) {
        status = check_patience(request, err);
    }
    if (status == STATUS_OK) {
        status = read_library(request, err);
    }
    request->sync = sync_mode(options);
    return status;
}

#define DIGEST_TEXT_SIZE (2 * RUN_DIGEST_SIZE + 1)

static void digest_bytes(const struct buffer *fixed, char text_out[DIGEST_TEXT_SIZE])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(fixed->data, fixed->size));
    for (size_t i = 0; i < sizeof(canonical.digest); i++) {
        (void)snprintf(&text_out[2 * i], 3, "%02x", canonical.digest[i]);
    }
}

/* --constant, as the type that the task declares. */
static enum status fill_given_constant(struct request *request, struct error *err)
{
    const char *text = request->options.values[OPTION_CONSTANT];
    const struct task *task = request->task;
    const struct type_conversion conversion = {.origin = TYPE_ORIGIN_DATA,
                                               .base_dir = request->launch_dir};
    struct arena arena = {0};
    mf_value value;
    mf_value constant;
    if (task == NULL || (task->constant == NULL && text == NULL)) {
        return STATUS_OK;
    }
    if (task->constant == NULL || text == NULL) {
        return error_set(err, STATUS_INVALID,
                         text != NULL ? "--constant: task %s takes none"
                                      : "task %s needs --constant JSON (mapfleet tasks shows of "
                                        "which type)",
                         task->name);
    }
    enum status status = value_from_json(&arena, text, strlen(text), &value, err);
    if (status == STATUS_OK) {
        status = type_convert(task->constant, &value, &conversion, &arena, &constant, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "--constant: ");
    } else if (value_encode(&constant, &request->constant) != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "no memory for --constant");
    } else {
        digest_bytes(&request->constant, request->cache_digest);
        memcpy(request->constant_digest, request->cache_digest, DIGEST_TEXT_SIZE);
    }
    arena_free(&arena);
    return status;
}

/* What may not change of a run of commands, or of a sweep. */
static enum status put_fixed(const struct request *request, struct buffer *fixed, struct error *err)
{
    const struct map_options none = {.capture = MAP_CAPTURE_FAILED};
    if (request->verb == VERB_EXEC) {
        return exec_constant(&request->exec, NULL, &none, fixed, err);
    }
    enum status status = sweep_put_identity(&request->sweep, fixed);
    if (status == STATUS_OK && request_command(request) == NULL) {
        status = buffer_append(fixed, request->constant.data, request->constant.size);
    }
    return status == STATUS_OK ? STATUS_OK : error_set(err, status, "no memory for a sweep");
}

enum status request_fill_constant(struct request *request, struct error *err)
{
    const char *statuses = request->options.values[OPTION_PERMANENT_EXIT];
    const struct exec *command = request_command(request);
    struct buffer fixed = {0};
    enum status status =
        command == NULL ? fill_given_constant(request, err)
                        : exec_constant(command, statuses, &request->map, &request->constant, err);
    if (status != STATUS_OK || (request->verb != VERB_EXEC && request->verb != VERB_SWEEP)) {
        return status;
    }
    status = put_fixed(request, &fixed, err);
    if (status == STATUS_OK) {
        digest_bytes(&fixed, request->constant_digest);
    }
    buffer_free(&fixed);
    return status;
}

enum status request_choose_run_dir(struct request *request, struct error *err)
{
    char *base_name = request->verb == VERB_EXEC    ? exec_base_name(&request->exec)
                      : request->verb == VERB_SWEEP ? sweep_base_name(request->options.words[0])
                                                    : NULL;
    const bool is_slurm = slurm_is_batch();
    char *tail = is_slurm ? slurm_run_dir_tail(request->argc, request->argv) : NULL;
    const struct run_dir_choice choice = {
        .given = request->options.values[OPTION_RUN_DIR],
        .launch_dir = request->launch_dir,
        .job = base_name != NULL ? verb_name(request->verb) : request->job->name,
        .task = base_name != NULL ? base_name : request_name(request),
        .tail = tail,
        .may_exist = request->is_resume,
    };
    enum status status = STATUS_OK;
    if (request->is_resume && choice.given == NULL && !is_slurm) {
        status =
            error_set(err, STATUS_INVALID, "--resume needs --run-dir DIR: which run is to go on?");
    }
    if (status == STATUS_OK) {
        status = run_dir_choose(&choice, &request->run_dir, err);
    }
    free(base_name);
    free(tail);
    return status;
}

enum status request_join_run(struct request *request, struct error *err)
{
    enum status status = resume_find(request, err);
    if (status == STATUS_OK) {
        status = resume_compare(request, err);
    }
    return status == STATUS_OK ? resume_take(request, err) : status;
}

enum status request_check(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    if (getcwd(request->launch_dir, sizeof(request->launch_dir)) == NULL) {
        return error_set(err, STATUS_IO, "the current folder cannot be told");
    }
    request->is_resume = options_has(options, OPTION_RESUME) || slurm_is_restarted();
    request->verb = options->verb;
    enum status status = check_words(request, err);
    if (status == STATUS_OK) {
        status = open_task(request, err);
    }
    if (status == STATUS_OK) {
        request->map = request->task->options;
        request->map.speculate = request->task->is_idempotent;
        request->map.policy = request->verb == VERB_EXEC ? POLICY_RUN_ALL : request->map.policy;
        status = request_check_options(request, err);
    }
    if (status == STATUS_OK) {
        status = request_fill_constant(request, err);
    }
    if (status == STATUS_OK) {
        status = request_choose_run_dir(request, err);
    }
    if (status == STATUS_OK) {
        status = open_inputs(request, err);
    }
    if (status == STATUS_OK) {
        status = request_check_cached_size(request, err);
    }
    if (status == STATUS_OK) {
        status = request_check_minimum(request, err);
    }
    return status == STATUS_OK && request->is_resume ? request_join_run(request, err) : status;
}
