#include "cli/map.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/launch_note.h"
#include "cli/options.h"
#include "cli/printing.h"
#include "cli/ranks.h"
#include "cli/report.h"
#include "cli/request.h"
#include "cli/results.h"
#include "cli/resume.h"
#include "cli/run.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/sweep_check.h"
#include "cli/sweep_result.h"
#include "cli/sweep_sampler.h"
#include "cli/workflow_run.h"
#include "master/bottom_line.h"
#include "master/master.h"
#include "master/run_file.h"
#include "master/slurm_end.h"
#include "master/summary.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

#define EXIT_REFUSED 2
#define EXIT_INTERNAL 70
#define EXIT_RESUMABLE 75

/* As `mapfleet results` would. */
static int print_results(const struct request *request, int exit_status)
{
    const char *word = request->run_dir;
    const struct options options = {.verb = VERB_RESULTS, .words = &word, .word_count = 1};
    if (printing_of(&request->options, request->verb) != PRINTING_JSON ||
        (exit_status != 0 && exit_status != 1)) {
        return exit_status;
    }
    if (results_main(&options) != 0) {
        log_error(
            "the run %s, but its outputs could not be written: `mapfleet results %s` has them",
            exit_status == 0 ? "succeeded" : "failed", request->run_dir);
        return EXIT_INTERNAL;
    }
    return exit_status;
}

/* What rank 0 works with in a session. */
struct session_parts {
    struct master *master;
    struct worker *worker;         /* NULL: it does not work too */
    struct workflow_run *workflow; /* NULL: the run is one map */
};

static enum status create_parts(const struct ranks *ranks, const struct request *request,
                                const struct master_options *options, struct session_parts *parts,
                                struct error *err)
{
    if (master_create(options, &parts->master) != STATUS_OK) {
        run_lock_release(options->lock);
        failures_destroy(options->failures);
        return error_set(err, STATUS_NO_MEMORY, "no memory to start with");
    }
    if (options->rank_0_works &&
        worker_create(ranks->transport, ranks->zygote, &parts->worker) != STATUS_OK) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to start with");
    }
    return request->workflow == NULL ? STATUS_OK
                                     : workflow_run_create(parts->master, ranks->workflow, request,
                                                           &parts->workflow, err);
}

/* What sits in the loop beside the master; false: nobody. */
static bool choose_guest(const struct request *request, const struct session_parts *parts,
                         struct session_guest *guest_out)
{
    if (parts->workflow != NULL) {
        *guest_out = workflow_run_guest(parts->workflow);
    } else if (request->adaptive != NULL) {
        *guest_out = adaptive_run_guest(request->adaptive, parts->master);
    }
    return parts->workflow != NULL || request->adaptive != NULL;
}

static int run_session(const struct ranks *ranks, const struct request *request,
                       const struct master_options *options, bool *is_clean_out)
{
    struct session_parts parts = {.master = NULL};
    struct session_guest guest;
    struct error err;
    int exit_status = EXIT_INTERNAL;
    if (create_parts(ranks, request, options, &parts, &err) != STATUS_OK ||
        master_start(parts.master, clock_us(), &err) != STATUS_OK) {
        log_error("%s", err.text);
        goto done;
    }
    slurm_end_start();
    signals_listen(!options->is_isolated); /* what runs in the rank can be ended with it only */
    const bool is_guest = choose_guest(request, &parts, &guest);
    exit_status =
        session_run_with(ranks->transport, parts.master, parts.worker, is_guest ? &guest : NULL);
    signals_close();
    *is_clean_out = master_is_clean(parts.master);
    if (parts.workflow != NULL && workflow_run_has_departed(parts.workflow)) {
        exit_status = EXIT_REFUSED;
    }

done:
    worker_destroy(parts.worker);
    master_destroy(parts.master);
    workflow_run_destroy(parts.workflow); /* holds what the master's maps point at */
    return exit_status;
}

/* What the cache of the run is made from, where it has one; `key_base` is to be freed. */
static bool fill_cache(const struct request *request, struct buffer *key_base,
                       struct cache_options *cache_out)
{
    struct buffer words = {0};
    size_t word_count;
    if (request->cache.mode == CACHE_OFF) {
        return true;
    }
    const struct exec *command = request_command(request);
    enum status status =
        command != NULL ? exec_key_texts(command, &words, &word_count)
        : *request->cache_digest != '\0'
            ? buffer_append(&words, request->cache_digest, sizeof(request->cache_digest))
            : STATUS_OK;
    if (status == STATUS_OK) {
        status = cache_request_base(&request->cache, request->job, request->task, request->map.seed,
                                    &words, key_base);
    }
    buffer_free(&words);
    if (status != STATUS_OK) {
        return false;
    }
    *cache_out = (struct cache_options){
        .mode = request->cache.mode,
        .dir = request->cache.dir,
        .base = key_base->data,
        .base_size = key_base->size,
        .ignore = request->task->cache_ignore,
        .input = request->task->input,
        .output = request->task->output,
        .task = request->task->name,
        .has_index = request->verb == VERB_EXEC    ? exec_has_place(&request->exec)
                     : request->verb == VERB_SWEEP ? sweep_has_place(&request->sweep)
                                                   : false,
        .paths_from = request->verb == VERB_EXEC && exec_has_paths(&request->exec)
                          ? request->launch_dir
                          : NULL,
        .run_dir = request->run_dir,
        .launch_dir = request->launch_dir,
        .inputs = request->inputs};
    return true;
}

/* What a session of this request writes into run.json. What was there first stays. */
static struct run_description describe(const struct request *request, struct transport *transport)
{
    const struct run_description *recorded = request->recorded;
    struct run_description run = {
        .version = (char *)(uintptr_t)MAPFLEET_VERSION,
        .verb = (char *)(uintptr_t)verb_name(request->verb),
        .state = RUN_RUNNING,
        .created_s = (int64_t)(clock_day_ms() / 1000),
        .launch_dir = (char *)(uintptr_t)request->launch_dir,
        .arguments = request->argv - 1, /* with the program's name, which stands before the verb */
        .argument_count = (size_t)request->argc + 1,
        .job = request->job->name,
        .job_path = request->job->path,
        .job_digest = (char *)(uintptr_t)request->job_digest,
        .task = (char *)(uintptr_t)request_name(request),
        .constant_digest =
            *request->constant_digest != '\0' ? (char *)(uintptr_t)request->constant_digest : NULL,
        .input_type = request->input_type,
        .output_type = request->output_type,
        .options = request->map,
        .formula = *inputs_formula(request->inputs),
        .input_count = inputs_count(request->inputs),
        .cache_mode = request->cache.mode,
        .cache_version = (char *)(uintptr_t)request->cache.version,
        .cache_dir = request->cache.dir,
        .ranks = transport_size(transport),
    };
    inputs_digest(request->inputs, run.input_digest);
    run.given = resume_words(&request->options, &run.given_count);
    if (recorded != NULL) {
        run.created_s = recorded->created_s;
        run.launch_dir = recorded->launch_dir;
        run.arguments = recorded->arguments;
        run.argument_count = recorded->argument_count;
    }
    return run;
}

static void free_words(char **words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(words[i]);
    }
    free(words);
}

static enum progress_form progress_form(const struct request *request)
{
    static const struct {
        const char *name;
        enum progress_form form;
    } forms[] = {{"auto", PROGRESS_AUTO},
                 {"bar", PROGRESS_BAR},
                 {"plain", PROGRESS_PLAIN},
                 {"json", PROGRESS_JSON},
                 {"none", PROGRESS_NONE}};
    const char *name = request->options.values[OPTION_PROGRESS];
    for (size_t i = 0; name != NULL && i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(name, forms[i].name) == 0) {
            return forms[i].form;
        }
    }
    return PROGRESS_AUTO;
}

/* A bar that was asked for by name is drawn, or refused. */
static enum status check_progress(const struct request *request, struct error *err)
{
    if (progress_form(request) != PROGRESS_BAR) {
        return STATUS_OK;
    }
    struct bottom_line *line = bottom_line_open();
    const bool has_terminal = line != NULL;
    bottom_line_close(line);
    return has_terminal ? STATUS_OK
                        : error_set(err, STATUS_INVALID,
                                    "--progress bar: standard error, or that of mpirun, is no "
                                    "terminal that can move its cursor; expected auto, plain, json "
                                    "or none");
}

/* What the master takes over is no longer the request's. */
static int run_request(const struct ranks *ranks, struct request *request, bool *is_clean_out)
{
    const char *isolation = request->options.values[OPTION_ISOLATION];
    struct buffer key_base = {0};
    struct cache_options cache;
    struct run_sweep sweep = {.path = NULL};
    if (!fill_cache(request, &key_base, &cache) ||
        (request->verb == VERB_SWEEP && sweep_record(&request->sweep, &sweep) != STATUS_OK)) {
        log_error("no memory to start with");
        return EXIT_INTERNAL;
    }
    struct printer *printer = NULL;
    if (printing_start(request, &printer) != STATUS_OK) {
        buffer_free(&key_base);
        sweep_free_record(&sweep);
        return EXIT_INTERNAL;
    }
    struct run_description run = describe(request, ranks->transport);
    run.sweep = sweep;
    files_request_tag(&request->files, request->run_dir, &run);
    launch_note_run(request->run_dir);
    const struct master_options options = {
        .transport = ranks->transport,
        .run_dir = request->run_dir,
        .run = &run,
        .inputs = request->workflow == NULL ? request->inputs : NULL,
        .parameters = request->workflow != NULL ? request->inputs : NULL,
        .start_us = request->start_us,
        .minimum = request->minimum,
        .rank_0_works = transport_local_size(ranks->transport) == 1,
        .progress = progress_form(request),
        .lock = request->lock,
        .replay = request->recorded != NULL ? &request->replay : NULL,
        .failures = request->failures,
        .revives_failed = request->revives_failed,
        .sync = request->sync,
        .patience_us = request->patience_us,
        .report_interval_us = MASTER_REPORT_INTERVAL_US,
        .slots = request->slots,
        .has_gpus_per_rank = request->has_gpus_per_rank,
        .gpus_per_rank = request->gpus_per_rank,
        .cache = request->cache.mode != CACHE_OFF ? &cache : NULL,
        .is_isolated = isolation == NULL || strcmp(isolation, "none") != 0,
        .library = request->library.bytes != NULL ? &request->library : NULL,
        .printer = printer,
        .constant = request->constant.data,
        .constant_size = request->constant.size,
        .metric = request->verb == VERB_SWEEP && request->sweep.metric.name != NULL
                      ? &request->sweep.metric
                      : NULL,
        .keeps_workdirs = options_has(&request->options, OPTION_KEEP_WORKDIRS),
        .files_to = request->files.to,
        .files_tag = request->files.tag,
        .remote = {.data = request->files.remote.data, .size = request->files.remote.size},
    };
    request->lock = NULL;
    request->failures = NULL;
    int exit_status = run_session(ranks, request, &options, is_clean_out);
    exit_status = printing_finish(printer, request, exit_status);
    if (exit_status != EXIT_REFUSED && exit_status != EXIT_INTERNAL) {
        sweep_result_tell(request->run_dir, &run);
    }
    buffer_free(&key_base);
    free_words(run.given, run.given_count);
    sweep_free_record(&run.sweep);
    return exit_status;
}

/* A run that has its verdict answers with it. */
static int answer(const struct request *request)
{
    const struct run_description *run = request->recorded;
    log_info("run directory %s: %s already, nothing runs", request->run_dir,
             run_state_name(run->state));
    return run->verdict.exit_status;
}

static int dry_run(const struct request *request)
{
    struct error err;
    const struct type *type = request->task->input;
    const struct sweep_inputs trials = {
        .inputs = request->inputs, .type = type, .launch_dir = request->launch_dir};
    const enum status status =
        request->verb == VERB_SWEEP
            ? sweep_print_lines(&request->sweep, &trials, &err)
            : exec_print_lines(&request->exec, request->inputs, type, request->launch_dir, &err);
    if (status != STATUS_OK) {
        log_error("%s", err.text);
        return EXIT_REFUSED;
    }
    return 0;
}

/* The words of the command line. */
struct words {
    enum verb verb;
    int argc;
    char **argv;
    uint64_t start_us; /* when they were given */
};

static enum status check(const struct words *words, struct request *request, struct error *err)
{
    request->start_us = words->start_us;
    request->argc = words->argc;
    request->argv = words->argv;
    enum status status = check_progress(request, err);
    if (status == STATUS_OK) {
        status = words->verb == VERB_RESUME  ? resume_check(request, err)
                 : words->verb == VERB_RUN   ? run_check(request, err)
                 : words->verb == VERB_SWEEP ? sweep_check(request, err)
                                             : request_check(request, err);
    }
    return status == STATUS_OK ? sweep_start_sampler(request, err) : status;
}

/* A run that is there already can still be resumed, once its disk lets it. */
static int refuse(const struct request *request, const struct error *err)
{
    if (!request->is_blocked) {
        log_error("%s", err->text);
        return EXIT_REFUSED;
    }
    log_error("%s; nothing was started, and the run can be resumed", err->text);
    summary_print_how_to_go_on(request->run_dir);
    return EXIT_RESUMABLE;
}

/* A check that runs beside the loop. */
struct checking {
    const struct words *words;
    struct request *request;
    struct error *err;
    int done; /* an eventfd */
    enum status status;
};

static void *check_in_thread(void *context)
{
    struct checking *checking = context;
    const uint64_t one = 1;
    checking->status = check(checking->words, checking->request, checking->err);
    (void)!write(checking->done, &one, sizeof(one));
    return NULL;
}

/* Inputs may be large, and disks slow: meanwhile the other ranks are told that rank 0 lives. */
static enum status check_beside(struct transport *transport, const struct words *words,
                                struct request *request, struct error *err)
{
    struct checking checking = {.words = words, .request = request, .err = err, .done = -1};
    pthread_t thread;
    const bool is_alone =
        transport_size(transport) == 1 || (checking.done = eventfd(0, EFD_CLOEXEC)) < 0;
    if (is_alone || pthread_create(&thread, NULL, check_in_thread, &checking) != 0) {
        checking.status = check(words, request, err);
    } else {
        session_wait(transport, checking.done);
        (void)pthread_join(thread, NULL);
    }
    if (checking.done >= 0) {
        (void)close(checking.done);
    }
    return checking.status;
}

/* That of the verb, or of the workflow that is named. */
static int print_help(enum verb verb, struct request *request, struct error *err)
{
    if (verb != VERB_RUN || request->options.word_count == 0) {
        options_print_help(verb);
        return 0;
    }
    if (run_print_help(request, err) != STATUS_OK) {
        log_error("%s", err->text);
        return EXIT_REFUSED;
    }
    return 0;
}

static int run_master(void *context, const struct ranks *ranks, bool *is_clean_out)
{
    const struct words *words = context;
    struct transport *transport = ranks->transport;
    struct request request = {.zygote = ranks->zygote};
    struct error err;
    int exit_status = EXIT_REFUSED;
    enum status status =
        options_parse(words->verb, words->argc, words->argv, &request.options, &err);
    const bool is_help = status == STATUS_OK && options_has(&request.options, OPTION_HELP);
    if (status == STATUS_OK && !is_help) {
        status = check_beside(transport, words, &request, &err);
    }
    if (is_help) {
        exit_status = print_help(words->verb, &request, &err);
        session_dismiss(transport);
    } else if (status != STATUS_OK) {
        exit_status = refuse(&request, &err);
        session_dismiss(transport);
    } else if (options_has(&request.options, OPTION_DRY_RUN)) {
        session_dismiss(transport);
        exit_status = dry_run(&request);
    } else if (request.is_finished) {
        session_dismiss(transport);
        exit_status = printing_of_finished(&request, answer(&request));
        sweep_result_tell(request.run_dir, request.recorded);
        exit_status = print_results(&request, exit_status);
    } else {
        *is_clean_out = false;
        exit_status = run_request(ranks, &request, is_clean_out);
        exit_status = print_results(&request, exit_status);
        report_leave(request.run_dir, request.options.values[OPTION_TRACE]);
    }
    request_free(&request);
    return exit_status;
}

int map_main(enum verb verb, int argc, char **argv)
{
    struct words words = {.verb = verb, .argc = argc, .argv = argv, .start_us = clock_us()};
    const struct zygote_duties workflow = workflow_run_duties();
    return ranks_run(run_master, verb == VERB_MAP || verb == VERB_SWEEP ? NULL : &workflow, &words);
}
