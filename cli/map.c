#include "cli/map.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/map_options_cli.h"
#include "cli/options.h"
#include "cli/results.h"
#include "cli/session.h"
#include "master/criterion.h"
#include "master/inputs.h"
#include "master/master.h"
#include "master/run_dir.h"
#include "master/run_file.h"
#include "shared/clock.h"
#include "shared/job.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/quantity.h"
#include "worker/executor.h"
#include "worker/zygote.h"

#define EXIT_REFUSED 2
#define EXIT_INTERNAL 70
#define SLOT_COUNT_MAX 4096

/* All that rank 0 has checked before anything starts. */
struct request {
    struct options options;
    char launch_dir[PATH_MAX];
    struct job *job;
    const struct task *task;
    struct map_options map;
    struct inputs *inputs;
    uint64_t minimum;
    uint64_t slots; /* of each rank; 0: by the machine */
    char *run_dir;
    char job_digest[2 * JOB_DIGEST_SIZE + 1];
};

static void request_free(struct request *request)
{
    options_free(&request->options);
    inputs_close(request->inputs);
    job_destroy(request->job);
    free(request->run_dir);
}

/* ---- Checking ---------------------------------------------------------------------------------
 */

static enum status check_words(const struct options *options, struct error *err)
{
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

static enum status open_task(struct request *request, struct error *err)
{
    const char *words = request->options.words[0];
    const char *colon = strrchr(words, ':');
    if (colon == NULL || colon[1] == '\0') {
        return error_set(err, STATUS_INVALID, "\"%s\": expected JOB:TASK", words);
    }
    char *job = memory_copy_text(words);
    job[colon - words] = '\0';
    enum status status = job_open(job, &request->job, err);
    free(job);
    if (status != STATUS_OK) {
        return status;
    }
    request->task = job_task(request->job, colon + 1, err);
    for (size_t i = 0; i < JOB_DIGEST_SIZE; i++) {
        (void)snprintf(&request->job_digest[2 * i], 3, "%02x", request->job->digest[i]);
    }
    return request->task != NULL ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status choose_source(const struct request *request, struct inputs_source *source,
                                 struct error *err)
{
    const struct options *options = &request->options;
    const enum option_id ids[] = {OPTION_INPUTS, OPTION_RANGE, OPTION_FILES};
    const enum inputs_source_kind kinds[] = {INPUTS_FILE, INPUTS_RANGE, INPUTS_GLOBS};
    const char *given = NULL;
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
    return given != NULL ? STATUS_OK
                         : error_set(err, STATUS_INVALID,
                                     "no inputs: give --inputs FILE, --range A:B or --files GLOB");
}

static enum status open_inputs(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    struct inputs_source source = {
        .path = options->values[OPTION_INPUTS],
        .no_header = options_has(options, OPTION_NO_HEADER),
        .column_separator = options->values[OPTION_COLSEP],
        .range = options->values[OPTION_RANGE],
        .globs = options->repeated,
        .glob_count = options->repeated_count,
        .launch_dir = request->launch_dir,
    };
    const enum status status = choose_source(request, &source, err);
    if (status != STATUS_OK) {
        return status;
    }
    const char *format = options->values[OPTION_INPUT_FORMAT];
    const bool is_about_a_file = format != NULL || source.no_header || source.column_separator;
    if (source.kind != INPUTS_FILE && is_about_a_file) {
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

/* What bounds an attempt ends its process, and in the rank there is none. */
static enum status check_isolation(const struct options *options, struct error *err)
{
    static const enum option_id bounds[] = {OPTION_TIMEOUT, OPTION_MEM};
    const char *isolation = options->values[OPTION_ISOLATION];
    if (isolation == NULL || strcmp(isolation, "none") != 0) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (options_has(options, bounds[i])) {
            return error_set(err, STATUS_INVALID,
                             "%s cannot be kept with --isolation none: attempts run in the rank",
                             option_name(bounds[i]));
        }
    }
    return STATUS_OK;
}

static enum status check_minimum(struct request *request, struct error *err)
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

static enum status check_request(struct request *request, struct error *err)
{
    const struct options *options = &request->options;
    if (getcwd(request->launch_dir, sizeof(request->launch_dir)) == NULL) {
        return error_set(err, STATUS_IO, "the current folder cannot be told");
    }
    enum status status = check_words(options, err);
    if (status == STATUS_OK) {
        status = open_task(request, err);
    }
    if (status == STATUS_OK) {
        request->map = request->task->options;
        status = map_options_apply(options, &request->map, err);
    }
    if (status == STATUS_OK) {
        status = check_slots(request, err);
    }
    if (status == STATUS_OK) {
        status = check_isolation(options, err);
    }
    if (status == STATUS_OK) {
        status = run_dir_choose(options->values[OPTION_RUN_DIR], request->launch_dir,
                                request->job->name, request->task->name, &request->run_dir, err);
    }
    if (status == STATUS_OK) {
        status = open_inputs(request, err);
    }
    return status == STATUS_OK ? check_minimum(request, err) : status;
}

/* ---- Running ----------------------------------------------------------------------------------
 */

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

static bool is_printing(const struct options *options)
{
    const char *value = options->values[OPTION_PRINT];
    return value != NULL && strcmp(value, "none") != 0;
}

/* As `mapfleet results` would. */
static int print_results(const struct request *request, int exit_status)
{
    const char *word = request->run_dir;
    const struct options options = {.verb = VERB_RESULTS, .words = &word, .word_count = 1};
    if (!is_printing(&request->options) || (exit_status != 0 && exit_status != 1)) {
        return exit_status;
    }
    return results_main(&options) == 0 ? exit_status : EXIT_INTERNAL;
}

static int run_session(struct transport *transport, struct zygote *zygote,
                       const struct master_options *options, bool *is_clean_out)
{
    struct master *master = NULL;
    struct worker *worker = NULL;
    struct error err;
    int exit_status = EXIT_INTERNAL;
    if (master_create(options, &master) != STATUS_OK ||
        (options->rank_0_works && worker_create(transport, zygote, &worker) != STATUS_OK)) {
        log_error("no memory to start with");
        goto done;
    }
    if (master_start(master, clock_us(), &err) != STATUS_OK) {
        log_error("%s", err.text);
        goto done;
    }
    exit_status = session_run(transport, master, worker);
    *is_clean_out = master_is_clean(master);

done:
    worker_destroy(worker);
    master_destroy(master);
    return exit_status;
}

static int run_request(struct transport *transport, struct zygote *zygote, struct request *request,
                       int argc, char **argv, bool *is_clean_out)
{
    const char *isolation = request->options.values[OPTION_ISOLATION];
    const char *progress = request->options.values[OPTION_PROGRESS];
    struct run_description run = {
        .version = (char *)(uintptr_t)MAPFLEET_VERSION,
        .verb = (char *)(uintptr_t)verb_name(VERB_MAP),
        .state = RUN_RUNNING,
        .created_s = (int64_t)(clock_day_ms() / 1000),
        .launch_dir = request->launch_dir,
        .arguments = argv - 1, /* with the program's name, which stands before the verb */
        .argument_count = (size_t)argc + 1,
        .job = request->job->name,
        .job_path = request->job->path,
        .job_digest = request->job_digest,
        .task = request->task->name,
        .input_type = type_text(request->task->input),
        .output_type = type_text(request->task->output),
        .options = request->map,
        .formula = *inputs_formula(request->inputs),
        .input_count = inputs_count(request->inputs),
        .ranks = transport_size(transport),
    };
    inputs_digest(request->inputs, run.input_digest);
    const struct master_options options = {
        .transport = transport,
        .run_dir = request->run_dir,
        .run = &run,
        .inputs = request->inputs,
        .minimum = request->minimum,
        .rank_0_works = transport_local_size(transport) == 1,
        .is_progress_plain = progress == NULL || strcmp(progress, "none") != 0,
        .report_interval_us = MASTER_REPORT_INTERVAL_US,
        .slots = request->slots,
        .is_isolated = isolation == NULL || strcmp(isolation, "none") != 0,
    };
    const int exit_status = run_session(transport, zygote, &options, is_clean_out);
    free(run.input_type);
    free(run.output_type);
    return exit_status;
}

static int run_master(struct transport *transport, struct zygote *zygote, int argc, char **argv,
                      bool *is_clean_out)
{
    struct request request = {.minimum = 0};
    struct error err;
    int exit_status = EXIT_REFUSED;
    enum status status = options_parse(VERB_MAP, argc, argv, &request.options, &err);
    if (status == STATUS_OK && options_has(&request.options, OPTION_HELP)) {
        options_print_help(VERB_MAP);
        session_dismiss(transport);
        exit_status = 0;
    } else if (status != STATUS_OK || check_request(&request, &err) != STATUS_OK) {
        log_error("%s", err.text);
        session_dismiss(transport);
    } else {
        *is_clean_out = false;
        exit_status = run_request(transport, zygote, &request, argc, argv, is_clean_out);
        exit_status = print_results(&request, exit_status);
    }
    request_free(&request);
    return exit_status;
}

/* Who fails says no BYE, and rank 0 would wait for it as it would for rank 0 in MPI_Finalize(). */
static int run_worker(struct transport *transport, struct zygote *zygote, bool *is_clean_out)
{
    struct worker *worker = NULL;
    *is_clean_out = false;
    if (worker_create(transport, zygote, &worker) != STATUS_OK) {
        log_error("no memory to start with");
        return EXIT_INTERNAL;
    }
    const int exit_status = session_run(transport, NULL, worker);
    *is_clean_out = exit_status == 0;
    worker_destroy(worker);
    return exit_status;
}

int map_main(int argc, char **argv)
{
    struct transport *transport = NULL;
    struct zygote *zygote = NULL;
    struct error err;
    bool is_parallel = false;
    bool is_clean = true;
    if (transport_is_parallel(&is_parallel, &err) != STATUS_OK) {
        if (transport_rank_of_environment() == 0) {
            log_error("%s", err.text);
        }
        return EXIT_REFUSED;
    }
    const struct zygote_duties duties = executor_duties();
    if (zygote_create(&duties, &zygote, &err) != STATUS_OK ||
        transport_open(is_parallel, &transport, &err) != STATUS_OK) {
        log_error("%s", err.text);
        zygote_destroy(zygote);
        return EXIT_INTERNAL;
    }
    log_set_rank((int)transport_rank(transport));
    const int exit_status = transport_rank(transport) == 0
                                ? run_master(transport, zygote, argc, argv, &is_clean)
                                : run_worker(transport, zygote, &is_clean);
    zygote_destroy(zygote);
    if (!is_clean && transport_size(transport) > 1) {
        transport_abort(transport, exit_status);
    }
    transport_close(transport, true);
    return exit_status;
}
