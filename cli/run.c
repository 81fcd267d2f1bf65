#include "cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/parameters.h"
#include "cli/slurm.h"
#include "master/cache_store.h"
#include "shared/memory.h"
#include "shared/workflow_port.h"

/* Of JOB[:WORKFLOW], JOB, to be freed. A colon in a path is followed by a slash somewhere. */
static char *split(const char *word, const char **workflow_out)
{
    const char *colon = strrchr(word, ':');
    char *job = memory_copy_text(word);
    *workflow_out = "";
    if (colon != NULL && strchr(colon, '/') == NULL) {
        job[colon - word] = '\0';
        *workflow_out = colon + 1;
    }
    return job;
}

static enum status open_workflow(struct request *request, struct error *err)
{
    const char *workflow;
    char *job = split(request->options.words[0], &workflow);
    const enum status status = request_open_workflow(request, job, workflow, err);
    free(job);
    return status;
}

/* A list of one record. */
static enum status keep_parameters(struct request *request, const struct buffer *packed,
                                   struct error *err)
{
    char path[64];
    int file = -1;
    enum status status = workflow_port_file(packed, &file, err);
    if (status != STATUS_OK) {
        return status;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    const struct inputs_source source = {.kind = INPUTS_FILE,
                                         .path = path,
                                         .format = INPUTS_FORMAT_MSGPACK,
                                         .launch_dir = request->launch_dir};
    status = inputs_open(&source, request->workflow->input, &request->inputs, err);
    (void)close(file);
    return status;
}

static enum status open_parameters(struct request *request, struct error *err)
{
    struct buffer packed = {0};
    enum status status =
        parameters_read(request->workflow, request->options.words + 1,
                        request->options.word_count - 1, request->launch_dir, &packed, err);
    if (status == STATUS_OK) {
        status = keep_parameters(request, &packed, err);
    }
    buffer_free(&packed);
    return status;
}

/* Where the store of memoised outputs is said to be, it can be. */
static enum status check_cache_dir(const struct request *request, struct error *err)
{
    const char *given = request->options.values[OPTION_CACHE_DIR];
    char *dir = NULL;
    const enum status status =
        given != NULL ? cache_store_choose(given, request->launch_dir, &dir, err) : STATUS_OK;
    free(dir);
    return status;
}

/* What holds for all maps, and their tasks say nothing of. */
static struct map_options options_of_runs(void)
{
    return (struct map_options){.cpus = 1,
                                .mem_growth = 1,
                                .system_retries = JOB_SYSTEM_RETRIES_DEFAULT,
                                .grace_ns = JOB_GRACE_NS_DEFAULT,
                                .lost_after_ns = JOB_LOST_AFTER_NS_DEFAULT,
                                .output_size_max = JOB_OUTPUT_SIZE_MAX_DEFAULT};
}

static enum status check_word(const struct request *request, struct error *err)
{
    return request->options.word_count > 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "mapfleet run: expected JOB[:WORKFLOW] (mapfleet run --help shows how)");
}

enum status run_check(struct request *request, struct error *err)
{
    if (getcwd(request->launch_dir, sizeof(request->launch_dir)) == NULL) {
        return error_set(err, STATUS_IO, "the current folder cannot be told");
    }
    request->is_resume = options_has(&request->options, OPTION_RESUME) || slurm_is_restarted();
    request->verb = VERB_RUN;
    enum status status = check_word(request, err);
    if (status == STATUS_OK) {
        status = open_workflow(request, err);
    }
    if (status == STATUS_OK) {
        request->map = options_of_runs();
        status = request_check_options(request, err);
    }
    if (status == STATUS_OK) {
        status = check_cache_dir(request, err);
    }
    if (status == STATUS_OK) {
        status = request_choose_run_dir(request, err);
    }
    if (status == STATUS_OK) {
        status = open_parameters(request, err);
    }
    return status == STATUS_OK && request->is_resume ? request_join_run(request, err) : status;
}

enum status run_print_help(struct request *request, struct error *err)
{
    const char *workflow;
    const enum status status = open_workflow(request, err);
    if (status == STATUS_OK) {
        char *job = split(request->options.words[0], &workflow);
        parameters_print_help(job, request->workflow);
        free(job);
    }
    return status;
}
