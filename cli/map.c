#include "cli/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/ranks.h"
#include "cli/request.h"
#include "cli/results.h"
#include "cli/session.h"
#include "master/master.h"
#include "master/run_file.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/memory.h"

#define EXIT_REFUSED 2
#define EXIT_INTERNAL 70

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

/* What the cache of the run is made from, where it has one; `key_base` is to be freed. */
static bool fill_cache(const struct request *request, struct buffer *key_base,
                       struct cache_options *cache_out)
{
    if (request->cache.mode == CACHE_OFF) {
        return true;
    }
    if (cache_request_base(&request->cache, request->job, request->task, request->map.seed,
                           key_base) != STATUS_OK) {
        return false;
    }
    *cache_out = (struct cache_options){.mode = request->cache.mode,
                                        .dir = request->cache.dir,
                                        .base = key_base->data,
                                        .base_size = key_base->size,
                                        .ignore = request->task->cache_ignore,
                                        .input = request->task->input,
                                        .output = request->task->output,
                                        .task = request->task->name,
                                        .run_dir = request->run_dir,
                                        .inputs = request->inputs};
    return true;
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
        .cache_mode = request->cache.mode,
        .cache_version = (char *)(uintptr_t)request->cache.version,
        .cache_dir = request->cache.dir,
        .ranks = transport_size(transport),
    };
    inputs_digest(request->inputs, run.input_digest);
    struct buffer key_base = {0};
    struct cache_options cache;
    if (!fill_cache(request, &key_base, &cache)) {
        log_error("no memory to start with");
        return EXIT_INTERNAL;
    }
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
        .has_gpus_per_rank = request->has_gpus_per_rank,
        .gpus_per_rank = request->gpus_per_rank,
        .cache = request->cache.mode != CACHE_OFF ? &cache : NULL,
        .is_isolated = isolation == NULL || strcmp(isolation, "none") != 0,
        .keeps_workdirs = options_has(&request->options, OPTION_KEEP_WORKDIRS),
    };
    const int exit_status = run_session(transport, zygote, &options, is_clean_out);
    buffer_free(&key_base);
    free(run.input_type);
    free(run.output_type);
    return exit_status;
}

/* The words of the command line. */
struct words {
    int argc;
    char **argv;
};

static int run_master(void *context, struct transport *transport, struct zygote *zygote,
                      bool *is_clean_out)
{
    const struct words *words = context;
    struct request request = {.minimum = 0};
    struct error err;
    int exit_status = EXIT_REFUSED;
    enum status status = options_parse(VERB_MAP, words->argc, words->argv, &request.options, &err);
    if (status == STATUS_OK && options_has(&request.options, OPTION_HELP)) {
        options_print_help(VERB_MAP);
        session_dismiss(transport);
        exit_status = 0;
    } else if (status != STATUS_OK || request_check(&request, zygote, &err) != STATUS_OK) {
        log_error("%s", err.text);
        session_dismiss(transport);
    } else {
        *is_clean_out = false;
        exit_status =
            run_request(transport, zygote, &request, words->argc, words->argv, is_clean_out);
        exit_status = print_results(&request, exit_status);
    }
    request_free(&request);
    return exit_status;
}

int map_main(int argc, char **argv)
{
    struct words words = {.argc = argc, .argv = argv};
    return ranks_run(run_master, &words);
}
