#include "cli/sweep_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/resume.h"
#include "cli/slurm.h"
#include "jobs/command/command.h"
#include "master/file.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/trials_form.h"

/* ---- The file ---------------------------------------------------------------------------------
 */

/* Is there a run to go on with? */
static enum status find_recorded(struct request *request, struct error *err)
{
    const enum status status = request->is_resume ? resume_find(request, err) : STATUS_OK;
    if (status != STATUS_OK || request->recorded == NULL || request->recorded->sweep.path != NULL) {
        return status;
    }
    return error_set(err, STATUS_INVALID,
                     "%s cannot be resumed as a sweep: it was started with mapfleet %s",
                     request->run_dir, request->recorded->verb);
}

static void warn_of_change(const struct request *request)
{
    struct buffer text = {0};
    struct error ignored;
    const char *recorded = request->recorded->sweep.text;
    if (file_read(request->sweep.path, &text, &ignored) == STATUS_OK &&
        (text.size != strlen(recorded) || memcmp(text.data, recorded, text.size) != 0)) {
        log_warning("%s has changed since %s was started: it goes on as it was recorded",
                    request->sweep.path, request->run_dir);
    }
    buffer_free(&text);
}

static enum status read_file(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    const enum status status =
        sweep_read(&request->options, run != NULL ? run->sweep.text : NULL, &request->sweep, err);
    if (status == STATUS_OK && run != NULL) {
        warn_of_change(request);
    }
    return status;
}

/* ---- The task ---------------------------------------------------------------------------------
 */

static enum status open_task(struct request *request, struct error *err)
{
    const char *words = request->sweep.file->task;
    if (words == NULL) {
        return request_open_task(request, COMMAND_JOB, COMMAND_TASK_RUN, err);
    }
    const char *colon = strrchr(words, ':');
    char *job = memory_copy_text(words);
    job[colon - words] = '\0';
    enum status status = colon[1] == '\0' ? error_set(err, STATUS_INVALID,
                                                      "task: found %s, expected JOB:TASK", words)
                                          : request_open_task(request, job, colon + 1, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", request->sweep.path);
    }
    free(job);
    return status;
}

/* ---- The trials -------------------------------------------------------------------------------
 */

enum status sweep_take_inputs(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    uint64_t given = 0;
    enum status status = sweep_trials_given(&request->options, &given, err);
    if (status != STATUS_OK || given == 0) {
        return status;
    }
    if (run->sweep.path == NULL || run->formula.kind != FORMULA_TRIALS) {
        return error_set(err, STATUS_INVALID, "--trials: %s is no sweep", request->run_dir);
    }
    status = inputs_grow(&run->formula, given, &request->inputs, err);
    if (status != STATUS_OK) {
        return status;
    }
    const uint64_t count = inputs_count(request->inputs);
    request->grows = count > run->input_count;
    if (count == run->input_count) { /* those that are recorded, whatever number was asked for */
        inputs_close(request->inputs);
        request->inputs = NULL;
    }
    return count >= run->input_count
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "--trials: %s has %" PRIu64 ", and %" PRIu64 " are fewer: a sweep may "
                           "only grow",
                           request->run_dir, run->input_count / request->sweep.file->seeds,
                           count / request->sweep.file->seeds);
}

enum status sweep_compare_seed(const struct request *request, struct error *err)
{
    struct trials_form form;
    const struct formula *formula = inputs_formula(request->inputs);
    if (request->verb != VERB_SWEEP || formula->kind != FORMULA_TRIALS) {
        return STATUS_OK;
    }
    enum status status = trials_form_read(formula->packed, formula->packed_size, &form, err);
    if (status == STATUS_OK && form.options.method != TRIALS_GRID &&
        form.options.seed != request->map.seed) {
        status = error_set(err, STATUS_INVALID,
                           "%s cannot be resumed with another --seed: its trials were drawn from "
                           "%" PRIu64 ", not from %" PRIu64,
                           request->run_dir, form.options.seed, request->map.seed);
    }
    trials_form_free(&form);
    return status;
}

static enum status open_trials(struct request *request, struct error *err)
{
    struct sweep *sweep = &request->sweep;
    enum status status = sweep_choose_trials(sweep, &request->options, request->map.seed, err);
    if (status != STATUS_OK) {
        return status;
    }
    const struct inputs_source source = {
        .kind = INPUTS_TRIALS, .launch_dir = request->launch_dir, .trials = &sweep->form};
    status = inputs_open(&source, request->task->input, &request->inputs, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%s: ", sweep->path);
        return status;
    }
    const struct sweep_inputs inputs = {
        .inputs = request->inputs, .type = request->task->input, .launch_dir = request->launch_dir};
    return sweep_check_lines(sweep, &inputs, err);
}

static enum status take_recorded_trials(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    enum status status = sweep_take_inputs(request, err);
    if (status == STATUS_OK && request->inputs == NULL) {
        status = inputs_load(request->run_dir, &run->formula, run->input_count, run->input_digest,
                             &request->inputs, err);
    }
    return status == STATUS_OK ? sweep_compare_seed(request, err) : status;
}

/* ---- The request ------------------------------------------------------------------------------
 */

static enum status check_file(struct request *request, struct error *err)
{
    const struct run_description *run = request->recorded;
    struct sweep *sweep = &request->sweep;
    enum status status = read_file(request, err);
    if (status == STATUS_OK) {
        status = sweep_lay_options(sweep, &request->options, err);
    }
    if (status == STATUS_OK) {
        status =
            sweep_choose_command(sweep, &request->options, run != NULL ? &run->sweep : NULL, err);
    }
    return status;
}

static enum status check_map(struct request *request, struct error *err)
{
    enum status status = open_task(request, err);
    if (status == STATUS_OK) {
        request->map = request->task->options;
        request->map.speculate = request->task->is_idempotent;
        request->map.policy = POLICY_RUN_ALL;
        status = request_check_options(request, err);
    }
    if (status == STATUS_OK) {
        status = request_fill_constant(request, err);
    }
    if (status == STATUS_OK) {
        status = request->recorded != NULL ? take_recorded_trials(request, err)
                                           : open_trials(request, err);
    }
    if (status == STATUS_OK) {
        status = request_check_cached_size(request, err);
    }
    return status == STATUS_OK ? request_check_minimum(request, err) : status;
}

enum status sweep_check(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    if (getcwd(request->launch_dir, sizeof(request->launch_dir)) == NULL) {
        return error_set(err, STATUS_IO, "the current folder cannot be told");
    }
    request->is_resume = options_has(options, OPTION_RESUME) || slurm_is_restarted();
    request->verb = VERB_SWEEP;
    enum status status = sweep_check_words(options, err);
    if (status == STATUS_OK) {
        status = request_choose_run_dir(request, err);
    }
    if (status == STATUS_OK) {
        status = find_recorded(request, err);
    }
    if (status == STATUS_OK) {
        status = check_file(request, err);
    }
    if (status == STATUS_OK) {
        status = check_map(request, err);
    }
    return status == STATUS_OK && request->is_resume ? request_join_run(request, err) : status;
}

enum status sweep_take_up(struct request *request, struct error *err)
{
    const struct run_sweep *recorded = &request->recorded->sweep;
    request->verb = VERB_SWEEP;
    enum status status =
        sweep_read(&request->recorded_options, recorded->text, &request->sweep, err);
    return status == STATUS_OK
               ? sweep_choose_command(&request->sweep, &request->options, recorded, err)
               : status;
}
