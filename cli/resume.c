#include "cli/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/map_options_cli.h"
#include "cli/printing.h"
#include "cli/sweep_check.h"
#include "master/run_dir.h"
#include "shared/log.h"
#include "shared/memory.h"

/* ---- Options -------------------------------------------------------------------------------- */

char **resume_words(const struct options *options, size_t *count_out)
{
    char **words = memory_take(OPTION_COUNT, sizeof(*words));
    *count_out = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const enum option_id id = (enum option_id)i;
        if (options_has(options, id) && option_is_remembered(id)) {
            words[(*count_out)++] = option_word(id, options->values[id]);
        }
    }
    return words;
}

static bool says_criterion(const struct options *options)
{
    return options_has(options, OPTION_MIN_SUCCESS_RATIO) ||
           options_has(options, OPTION_MIN_SUCCESSES) || options_has(options, OPTION_MAX_FAILURES);
}

/* What was given now stays; what the run has recorded fills the gaps. A minimum of one kind
 * replaces that of another. */
static enum status overlay(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    struct options recorded = {.verb = VERB_RESUME};
    struct options *given = &request->options;
    request->word_count = run->given_count + 1;
    request->words = memory_take(request->word_count, sizeof(*request->words));
    request->words[0] = memory_copy_text(run->verb);
    for (size_t i = 0; i < run->given_count; i++) {
        request->words[i + 1] = memory_copy_text(run->given[i]);
    }
    const enum status status =
        options_parse(VERB_RESUME, (int)request->word_count, request->words, &recorded, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s/" RUN_FILE_NAME ": given: ", request->run_dir);
    } else if (says_criterion(given)) {
        recorded.values[OPTION_MIN_SUCCESS_RATIO] = NULL;
        recorded.values[OPTION_MIN_SUCCESSES] = NULL;
        recorded.values[OPTION_MAX_FAILURES] = NULL;
    }
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const bool is_taken = option_is_remembered((enum option_id)i) && given->values[i] == NULL;
        given->values[i] = is_taken ? recorded.values[i] : given->values[i];
    }
    options_free(&recorded);
    return status;
}

/* ---- Finding -------------------------------------------------------------------------------- */

static bool is_workflow(const struct run_description *run)
{
    return strcmp(run->verb, RUN_VERB_WORKFLOW) == 0;
}

enum status resume_find(struct request *request, struct error *err)
{
    enum run_dir_content content = RUN_DIR_ABSENT;
    const enum status status = run_dir_look(request->run_dir, &content, err);
    if (status != STATUS_OK) {
        return status;
    }
    switch (content) {
    case RUN_DIR_ABSENT:
        return STATUS_OK;
    case RUN_DIR_EMPTY:
        request->is_dir_there = true;
        return STATUS_OK;
    case RUN_DIR_OTHER:
        return error_set(err, STATUS_EXISTS,
                         "%s is not a run directory, and holds something else: nothing to resume",
                         request->run_dir);
    case RUN_DIR_RUN:
        request->is_dir_there = true;
        run_description_destroy(request->recorded);
        request->recorded = NULL;
        return run_file_read(request->run_dir, &request->recorded, err);
    }
    return STATUS_OK;
}

static enum status differ(const struct request *request, const char *what, const char *recorded,
                          const char *found, struct error *err)
{
    return error_set(err, STATUS_INVALID,
                     "%s cannot be resumed with another %s: it was started with %s, not with %s",
                     request->run_dir, what, recorded, found);
}

static enum status compare_parameters(const struct request *request, struct error *err)
{
    uint8_t digest[INPUTS_DIGEST_SIZE];
    inputs_digest(request->inputs, digest);
    return memcmp(digest, request->recorded->input_digest, sizeof(digest)) == 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "%s cannot be resumed with other parameters than it was started with",
                           request->run_dir);
}

static enum status compare_inputs(const struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    const uint64_t count = inputs_count(request->inputs);
    uint8_t digest[INPUTS_DIGEST_SIZE];
    if (request->grows) {
        return STATUS_OK;
    }
    if (count != run->input_count) {
        return error_set(err, STATUS_INVALID,
                         "%s cannot be resumed with other inputs: it has %" PRIu64 ", not %" PRIu64
                         "%s",
                         request->run_dir, run->input_count, count,
                         count > run->input_count ? "; for a list that has grown, start a new run "
                                                    "with --cache use"
                                                  : "");
    }
    inputs_digest(request->inputs, digest);
    return memcmp(digest, run->input_digest, sizeof(digest)) == 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "%s cannot be resumed with other inputs: of %" PRIu64
                           ", not all are what they were; --cache use in a new run keeps what is "
                           "the same",
                           request->run_dir, count);
}

enum status resume_compare(const struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    if (run == NULL) {
        return STATUS_OK;
    }
    if (strcmp(run->verb, verb_name(request->verb)) != 0) {
        return differ(request, "verb", run->verb, verb_name(request->verb), err);
    }
    if (strcmp(run->job, request->job->name) != 0) {
        return differ(request, "job", run->job, request->job->name, err);
    }
    if (strcmp(run->task, request_name(request)) != 0) {
        return differ(request, request->workflow != NULL ? "workflow" : "task", run->task,
                      request_name(request), err);
    }
    const char *constant = run->constant_digest != NULL ? run->constant_digest : "";
    if (strcmp(constant, request->constant_digest) != 0) {
        return error_set(err, STATUS_INVALID,
                         request->verb == VERB_EXEC
                             ? "%s cannot be resumed with another command: the command line, "
                               "--shell, --stdin, --output and --output-file may not change"
                         : request->verb == VERB_SWEEP
                             ? "%s cannot be resumed with another command: what stands behind --, "
                               "--program, --wandb, --by-env and --constant may not change"
                             : "%s cannot be resumed with another --constant",
                         request->run_dir);
    }
    if (strcmp(run->input_type, request->input_type) != 0) {
        return differ(request, "input type", run->input_type, request->input_type, err);
    }
    if (strcmp(run->output_type, request->output_type) != 0) {
        return differ(request, "output type", run->output_type, request->output_type, err);
    }
    if (strcmp(run->job_digest, request->job_digest) != 0) {
        log_warning("job %s has changed since %s was started: what is done is not run again",
                    run->job, request->run_dir);
    }
    return request->workflow != NULL ? compare_parameters(request, err)
                                     : compare_inputs(request, err);
}

/* ---- Taking --------------------------------------------------------------------------------- */

/* `resume --failed` revives at any time, `--resume=failed` only what has ended. */
static bool wants_revival(const struct request *request)
{
    const char *resume = request->options.values[OPTION_RESUME];
    const bool has_ended =
        request->recorded->state != RUN_RUNNING && request->recorded->state != RUN_INTERRUPTED;
    return options_has(&request->options, OPTION_FAILED) ||
           (resume != NULL && strcmp(resume, "failed") == 0 && has_ended);
}

static bool has_something_to_revive(const struct run_description *run)
{
    if (is_workflow(run)) {
        return run->verdict.exit_status != 0;
    }
    return run->input_count != run->verdict.counts[INSTANCE_SUCCEEDED] +
                                   run->verdict.counts[INSTANCE_CACHED] +
                                   run->verdict.counts[INSTANCE_STOPPED_EARLY];
}

static enum status read_log(struct request *request, struct error *err)
{
    replay_free(&request->replay);
    failures_destroy(request->failures);
    request->failures = NULL;
    enum status status = failures_create(&request->failures);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory to read the log with");
    }
    const uint64_t map = is_workflow(request->recorded) ? RECORD_RUN_MAP : 0;
    const uint64_t size =
        request->grows ? inputs_count(request->inputs) : request->recorded->input_count;
    return replay_log(request->run_dir, map, size, request->failures, &request->replay, err);
}

/* Is all that the verdict of run.json stands on in the log, which was just read? It may have lost
 * its last sessions and still end with the verdict of an earlier one. */
static bool holds_verdict(const struct request *request)
{
    const struct replay *replay = &request->replay;
    const struct run_verdict *verdict = &request->recorded->verdict;
    const uint64_t outputs = replay->history.succeeded.count + replay->history.cached.count;
    return replay->has_verdict && replay->torn == NULL &&
           replay->exit_status == verdict->exit_status &&
           (is_workflow(request->recorded) || run_verdict_lost_outputs(verdict, outputs) == 0);
}

/* Has it a verdict, and is the log that it stands on still there, and as it was written? */
static enum status look_for_verdict(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    const bool has_verdict = run->state == RUN_SUCCEEDED || run->state == RUN_FAILED;
    request->revives_failed = wants_revival(request);
    if (!has_verdict || request->grows ||
        (request->revives_failed && has_something_to_revive(run))) {
        return STATUS_OK;
    }
    const enum status status = read_log(request, err);
    request->is_finished = status == STATUS_OK && holds_verdict(request);
    if (status == STATUS_OK && !request->is_finished && !request->is_loss_told) {
        request->is_loss_told = true;
        log_warning("%s had ended, but its log has lost what it stood on: the run goes on",
                    request->run_dir);
    }
    return status;
}

/* A session that asked a sweep for more may have died before the log says that it began: what the
 * verdict there is of, is fewer trials. */
static bool is_verdict_of_fewer(const struct request *request)
{
    const struct history *history = &request->replay.history;
    const uint64_t ended = history->succeeded.count + history->cached.count +
                           history->stopped_early.count + history->failed.count +
                           history->timed_out.count;
    return request->grows || (request->verb == VERB_SWEEP && ended < inputs_count(request->inputs));
}

/* What stands in the log and not in run.json: the session died between the two. It is finished,
 * under the options that it had; the new session only says so. */
static enum status finish_as_it_was(struct request *request, struct error *err)
{
    if (!request->replay.has_verdict || request->revives_failed || is_verdict_of_fewer(request)) {
        return STATUS_OK;
    }
    request->map = request->recorded->options;
    return request_check_minimum(request, err);
}

/* What had come stands in the log. */
static enum status take_later_inputs(struct request *request, struct error *err)
{
    const struct replay *replay = &request->replay;
    if (!inputs_come_later(request->inputs)) {
        return STATUS_OK;
    }
    if (replay->input_count == 0) {
        return replay->tally.attempts == 0
                   ? STATUS_OK
                   : error_set(err, STATUS_INVALID, "%s: its log has lost its trials",
                               request->run_dir);
    }
    return inputs_add(request->inputs, replay->inputs.data, replay->inputs.size,
                      replay->input_count, err);
}

enum status resume_take(struct request *request, struct error *err)
{
    enum status status = STATUS_OK;
    if (!request->is_dir_there) {
        return STATUS_OK;
    }
    if (request->recorded != NULL) {
        status = look_for_verdict(request, err);
        if (status != STATUS_OK || request->is_finished) {
            return status;
        }
    }
    status = run_lock_take(request->run_dir, &request->lock, err);
    request->is_blocked = status == STATUS_UNWRITABLE && request->recorded != NULL;
    if (status == STATUS_OK) {
        status = resume_find(request, err); /* again: now nobody else changes it */
    }
    if (status == STATUS_OK && request->recorded != NULL) {
        status = look_for_verdict(request, err);
    }
    if (status == STATUS_OK && request->recorded != NULL && !request->is_finished) {
        status = read_log(request, err);
        if (status == STATUS_OK) {
            status = finish_as_it_was(request, err);
        }
        if (status == STATUS_OK) {
            status = take_later_inputs(request, err);
        }
    }
    return status;
}

/* ---- mapfleet resume ------------------------------------------------------------------------ */

static enum status find_recorded(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    if (options->word_count != 1) {
        return error_set(err, STATUS_INVALID,
                         "mapfleet resume: expected one run directory, found %zu (mapfleet resume "
                         "--help shows how)",
                         options->word_count);
    }
    request->run_dir = realpath(options->words[0], NULL);
    if (request->run_dir == NULL) {
        return error_set(err, STATUS_IO, "%s: %s", options->words[0], strerror(errno));
    }
    const enum status status = resume_find(request, err);
    if (status != STATUS_OK || request->recorded != NULL) {
        return status;
    }
    return error_set(err, STATUS_NOT_FOUND,
                     "%s is not a run directory, or of a run that ended before it began: start it "
                     "by its command line",
                     request->run_dir);
}

static enum status open_recorded_task(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    if (strlen(run->launch_dir) >= sizeof(request->launch_dir)) {
        return error_set(err, STATUS_LIMIT, "%s/" RUN_FILE_NAME ": launch_dir is too long",
                         request->run_dir);
    }
    memcpy(request->launch_dir, run->launch_dir, strlen(run->launch_dir) + 1);
    if (*run->job_path == '\0' && strcmp(job_built_in_name(), run->job) != 0) {
        return error_set(err, STATUS_INVALID,
                         "%s was started by a program with its job built in: resume it with %s",
                         request->run_dir, run->argument_count > 0 ? run->arguments[0] : run->job);
    }
    return is_workflow(run) ? request_open_workflow(request, run->job_path, run->task, err)
                            : request_open_task(request, run->job_path, run->task, err);
}

/* What is recorded is read again once the run is ours, and these are needed after that. */
static void copy_arguments(struct request *request)
{
    const struct run_description *run = request->recorded;
    request->argument_count = run->argument_count - 1; /* without the program's name */
    request->arguments = memory_take(run->argument_count, sizeof(*request->arguments));
    for (size_t i = 0; i < request->argument_count; i++) {
        request->arguments[i] = memory_copy_text(run->arguments[i + 1]);
    }
}

/* The verb that started it, and of an exec or a sweep the command, from its command line. */
static enum status take_up_command(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    request->verb = is_workflow(run)                               ? VERB_RUN
                    : strcmp(run->verb, verb_name(VERB_EXEC)) == 0 ? VERB_EXEC
                    : run->sweep.path != NULL                      ? VERB_SWEEP
                                                                   : VERB_MAP;
    if (request->verb != VERB_EXEC && request->verb != VERB_SWEEP) {
        return STATUS_OK;
    }
    if (run->argument_count < 2) {
        return error_set(err, STATUS_INVALID, "%s/" RUN_FILE_NAME ": arguments: no command line",
                         request->run_dir);
    }
    copy_arguments(request);
    enum status status = options_parse(request->verb, (int)request->argument_count,
                                       request->arguments, &request->recorded_options, err);
    if (status == STATUS_OK) {
        status = request->verb == VERB_SWEEP
                     ? sweep_take_up(request, err)
                     : exec_parse(&request->recorded_options, &request->exec, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "%s/" RUN_FILE_NAME ": arguments: ", request->run_dir);
    }
    return status;
}

static enum status load_recorded_inputs(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    if (request->inputs != NULL) {
        return STATUS_OK;
    }
    return inputs_load(request->run_dir, &run->formula, run->input_count, run->input_digest,
                       &request->inputs, err);
}

/* A workflow says them at each of its maps. */
static enum status check_no_map_options(const struct request *request, struct error *err)
{
    for (size_t i = 0; is_workflow(request->recorded) && i < OPTION_COUNT; i++) {
        const enum option_id id = (enum option_id)i;
        if (options_has(&request->options, id) && option_is_of_maps_only(id)) {
            return error_set(err, STATUS_INVALID,
                             "%s is an option of one map, and %s is of a workflow, which says it "
                             "at each of its maps",
                             option_name(id), request->run_dir);
        }
    }
    return STATUS_OK;
}

enum status resume_check(struct request *request, struct error *err)
{
    request->is_resume = true;
    enum status status = find_recorded(request, err);
    if (status == STATUS_OK) {
        status = overlay(request, err);
    }
    if (status == STATUS_OK) {
        status = check_no_map_options(request, err);
    }
    if (status == STATUS_OK) {
        status = take_up_command(request, err);
    }
    if (status == STATUS_OK) {
        status = printing_check(&request->options, request->verb, err);
    }
    if (status == STATUS_OK) {
        status = sweep_take_inputs(request, err);
    }
    if (status == STATUS_OK) {
        status = look_for_verdict(request, err);
    }
    if (status != STATUS_OK || request->is_finished) {
        return status;
    }
    if (status == STATUS_OK) {
        status = open_recorded_task(request, err);
    }
    if (status == STATUS_OK) {
        status = load_recorded_inputs(request, err);
    }
    if (status == STATUS_OK) {
        request->map = request->recorded->options;
        status = request_check_options(request, err);
    }
    if (status == STATUS_OK) {
        status = sweep_compare_seed(request, err);
    }
    if (status == STATUS_OK) {
        status = request_fill_constant(request, err);
    }
    if (status == STATUS_OK) {
        status = resume_compare(request, err);
    }
    if (status == STATUS_OK) {
        status = request_check_cached_size(request, err);
    }
    if (status == STATUS_OK) {
        status = request_check_minimum(request, err);
    }
    return status == STATUS_OK ? resume_take(request, err) : status;
}
