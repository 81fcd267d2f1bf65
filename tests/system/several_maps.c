/* Several maps in one run, as a plan says, without a workflow: for tests of the engine alone.
 *
 *     several_maps RUN_DIR JOB WORD...
 *
 *     slots=N none          of the run: slots a rank, attempts in the rank itself
 *     TASK:FIRST:END[,KEY=COUNT...]   begin the next map, over these integers, with the task's own
 *                           options but for cpus, mem, retries, min (successes), concurrency, delay
 * (ms) TASK@FILE[,...]       the same over a file of inputs wait=K                until map K has
 * ended; wait: until all have that were begun cancel=K exit=N                the run's exit status,
 * which ends it; 0 where there is none
 *
 * Each event is a line on standard output. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ranks.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "master/master_maps.h"
#include "shared/clock.h"
#include "shared/log.h"
#include "shared/lz4_frame.h"
#include "shared/memory.h"
#include "worker/describe.h"

#define MAP_COUNT_MAX 4096

struct plan {
    char **words;
    size_t word_count;
    size_t at;
    char cwd[4096];
    char run_dir[8192];
    struct job *job;
    struct master *master;
    struct inputs *inputs[MAP_COUNT_MAX];
    bool has_ended[MAP_COUNT_MAX];
    uint64_t begun_count;
    uint64_t ended_count;
    bool is_finished;
};

/* ---- One map ----------------------------------------------------------------------------------
 */

static void set_option(struct map_options *options, uint64_t *minimum, const char *word)
{
    char key[32];
    uint64_t count;
    if (sscanf(word, "%31[a-z]=%" SCNu64, key, &count) != 2) {
        log_error("%s: no option", word);
        exit(2);
    }
    if (strcmp(key, "min") == 0) {
        *minimum = count;
    } else if (strcmp(key, "delay") == 0) {
        options->delay_ns = count * 1000000;
    } else {
        uint64_t *field = strcmp(key, "cpus") == 0      ? &options->cpus
                          : strcmp(key, "mem") == 0     ? &options->mem
                          : strcmp(key, "retries") == 0 ? &options->retries
                                                        : &options->concurrency;
        *field = count;
    }
}

static struct inputs *open_inputs(const struct plan *plan, const struct task *task,
                                  const char *word)
{
    struct inputs *inputs = NULL;
    struct error err;
    char path[4096] = "";
    char range[128] = "";
    const bool is_file = sscanf(word, "%*[^@:,]@%4095[^,]", path) == 1;
    if (!is_file && sscanf(word, "%*[^@:,]:%127[^,]", range) != 1) {
        log_error("%s: no map", word);
        exit(2);
    }
    const struct inputs_source source = {.kind = is_file ? INPUTS_FILE : INPUTS_RANGE,
                                         .path = path,
                                         .range = range,
                                         .launch_dir = plan->cwd};
    if (inputs_open(&source, task->input, &inputs, &err) != STATUS_OK) {
        log_error("%s", err.text);
        exit(2);
    }
    return inputs;
}

static void begin(struct plan *plan, char *word)
{
    struct error err;
    char name[256];
    const uint64_t number = plan->begun_count++;
    (void)sscanf(word, "%255[^@:]", name);
    const struct task *task = job_task(plan->job, name, &err);
    if (task == NULL || number == MAP_COUNT_MAX) {
        log_error("%s: no task, or too many", word);
        exit(2);
    }
    struct map_options options = task->options;
    plan->inputs[number] = open_inputs(plan, task, word);
    uint64_t minimum = inputs_count(plan->inputs[number]);
    (void)strtok(word, ",");
    for (char *part = strtok(NULL, ","); part != NULL; part = strtok(NULL, ",")) {
        set_option(&options, &minimum, part);
    }
    struct buffer type = {0};
    if (type_format(task->output, &type) != STATUS_OK ||
        buffer_append_byte(&type, '\0') != STATUS_OK) {
        exit(2);
    }
    struct master_map_options map = {.number = number,
                                     .task = task->name,
                                     .output_type = (const char *)type.data,
                                     .options = &options,
                                     .inputs = plan->inputs[number],
                                     .minimum = minimum};
    inputs_digest(plan->inputs[number], map.inputs_digest);
    const enum status status = master_map_begin(plan->master, &map, clock_us(), &err);
    buffer_free(&type);
    if (status == STATUS_OK) {
        printf("begun %" PRIu64 "\n", number);
        return;
    }
    printf("refused %" PRIu64 ": %s\n", number, err.text);
    plan->has_ended[number] = true;
    plan->ended_count++;
}

/* Each frame that the end names is where it says, and holds what its spans say. */
static uint64_t count_outputs(const struct plan *plan, const struct master_map_end *end)
{
    uint64_t count = 0;
    struct buffer frame = {0};
    struct buffer content = {0};
    char path[8300];
    (void)snprintf(path, sizeof(path), "%s/log.lz4", plan->run_dir);
    FILE *log = fopen(path, "rb");
    for (size_t i = 0; i < end->span_count && log != NULL; i++) {
        const struct log_index_frame *place = &end->frames[end->spans[i].frame];
        buffer_clear(&frame);
        buffer_clear(&content);
        if (buffer_reserve(&frame, (size_t)place->size) != STATUS_OK ||
            fseek(log, (long)place->offset, SEEK_SET) != 0 ||
            fread(frame.data, 1, (size_t)place->size, log) != place->size ||
            lz4_frame_decompress(frame.data, (size_t)place->size, SIZE_MAX / 2, &content) !=
                STATUS_OK) {
            printf("map %" PRIu64 ": no frame at %" PRIu64 "\n", end->number, place->offset);
        }
        count += end->spans[i].count;
    }
    if (log != NULL) {
        (void)fclose(log);
    }
    buffer_free(&frame);
    buffer_free(&content);
    return count;
}

static void take_ends(struct plan *plan, bool *did_something)
{
    static const char *const names[] = {
        [MAP_SUCCEEDED] = "succeeded", [MAP_FAILED] = "failed", [MAP_INTERRUPTED] = "interrupted"};
    struct master_map_end end;
    while (master_map_next_end(plan->master, &end)) {
        printf("end %" PRIu64 " %s succeeded=%" PRIu64 " failed=%" PRIu64 " outputs=%" PRIu64 "\n",
               end.number, names[end.verdict], end.counts.succeeded, end.counts.failed,
               count_outputs(plan, &end));
        (void)fflush(stdout);
        plan->has_ended[end.number] = true;
        plan->ended_count++;
        master_map_drop(plan->master, end.number);
        inputs_close(plan->inputs[end.number]);
        plan->inputs[end.number] = NULL;
        *did_something = true;
    }
}

/* ---- The plan ---------------------------------------------------------------------------------
 */

/* False where it has to wait. */
static bool step(struct plan *plan, char *word, enum status *status, struct error *err)
{
    uint64_t number;
    if (strcmp(word, "wait") == 0) {
        return plan->ended_count == plan->begun_count;
    }
    if (sscanf(word, "wait=%" SCNu64, &number) == 1) {
        return plan->has_ended[number];
    }
    if (sscanf(word, "cancel=%" SCNu64, &number) == 1) {
        *status = master_map_cancel(plan->master, number, MASTER_AT_ONCE, clock_us(), err);
    } else if (sscanf(word, "exit=%" SCNu64, &number) == 1) {
        plan->is_finished = true;
        *status =
            master_finish(plan->master, (int)number, (const uint8_t *)"\x2a", 1, clock_us(), err);
    } else {
        begin(plan, word);
    }
    (void)fflush(stdout);
    return true;
}

static enum status turn(void *context, uint64_t now_us, bool *did_something_out, struct error *err)
{
    struct plan *plan = context;
    enum status status = STATUS_OK;
    (void)now_us;
    take_ends(plan, did_something_out);
    while (status == STATUS_OK && !plan->is_finished && master_may_begin(plan->master) &&
           plan->at < plan->word_count && step(plan, plan->words[plan->at], &status, err)) {
        plan->at++;
        *did_something_out = true;
    }
    return status;
}

static size_t descriptors(void *context, struct pollfd fds_out[SESSION_GUEST_FD_COUNT_MAX])
{
    (void)context;
    (void)fds_out;
    return 0;
}

/* ---- The run ----------------------------------------------------------------------------------
 */

/* The options of the run stand before the first map. */
static void take_run_options(struct plan *plan, struct master_options *options)
{
    for (; plan->at < plan->word_count; plan->at++) {
        const char *word = plan->words[plan->at];
        if (sscanf(word, "slots=%" SCNu64, &options->slots) == 1) {
            continue;
        }
        if (strcmp(word, "none") != 0) {
            return;
        }
        options->is_isolated = false;
    }
}

static struct run_description describe(const struct plan *plan, struct transport *transport)
{
    static char digest[2 * JOB_DIGEST_SIZE + 1];
    static char text[] = "any";
    static char verb[] = "map";
    static char version[] = MAPFLEET_VERSION;
    struct run_description run = {.version = version,
                                  .verb = verb,
                                  .state = RUN_RUNNING,
                                  .created_s = (int64_t)(clock_day_ms() / 1000),
                                  .launch_dir = (char *)(uintptr_t)plan->cwd,
                                  .job = plan->job->name,
                                  .job_path = plan->job->path,
                                  .job_digest = digest,
                                  .task = text,
                                  .input_type = text,
                                  .output_type = text,
                                  .options = plan->job->tasks[0].options,
                                  .formula = {.kind = FORMULA_RANGE, .step = 1},
                                  .ranks = transport_size(transport)};
    for (size_t i = 0; i < JOB_DIGEST_SIZE; i++) {
        (void)snprintf(&digest[2 * i], 3, "%02x", plan->job->digest[i]);
    }
    run.options.grace_ns = 1000000000;
    return run;
}

static int run_plan(struct plan *plan, struct transport *transport, struct zygote *zygote,
                    bool *is_clean_out)
{
    struct error err;
    struct worker *worker = NULL;
    struct type *type = NULL;
    struct inputs *parameters = NULL;
    const struct inputs_source none = {
        .kind = INPUTS_RANGE, .range = "0:1", .launch_dir = plan->cwd};
    struct run_description run = describe(plan, transport);
    struct master_options options = {.transport = transport,
                                     .run_dir = plan->run_dir,
                                     .run = &run,
                                     .start_us = clock_us(),
                                     .rank_0_works = transport_local_size(transport) == 1,
                                     .sync = SYNC_NONE,
                                     .patience_us = MASTER_PATIENCE_US,
                                     .report_interval_us = MASTER_REPORT_INTERVAL_US,
                                     .is_isolated = true};
    take_run_options(plan, &options);
    enum status status = type_parse("int", &type, &err);
    if (status == STATUS_OK) {
        status = inputs_open(&none, type, &parameters, &err);
    }
    options.parameters = parameters;
    if (status == STATUS_OK) {
        status = master_create(&options, &plan->master);
    }
    if (status == STATUS_OK && options.rank_0_works) {
        status = worker_create(transport, zygote, &worker);
    }
    if (status == STATUS_OK) {
        status = master_start(plan->master, clock_us(), &err);
    }
    const struct session_guest guest = {.turn = turn, .descriptors = descriptors, .context = plan};
    signals_listen(!options.is_isolated);
    const int exit_status =
        status == STATUS_OK ? session_run_with(transport, plan->master, worker, &guest) : 70;
    signals_close();
    *is_clean_out = status == STATUS_OK && master_is_clean(plan->master);
    master_destroy(plan->master);
    worker_destroy(worker);
    inputs_close(parameters);
    type_destroy(type);
    return exit_status;
}

static int run_master(void *context, const struct ranks *ranks, bool *is_clean_out)
{
    struct plan *plan = context;
    struct error err;
    const char *job = plan->words[1];
    (void)snprintf(plan->run_dir, sizeof(plan->run_dir), "%s/%s", plan->cwd, plan->words[0]);
    plan->at = 2;
    if (describe_job(ranks->zygote, job, 0, &plan->job, &err) != STATUS_OK) {
        log_error("%s", err.text);
        session_dismiss(ranks->transport);
        return 2;
    }
    *is_clean_out = false;
    const int exit_status = run_plan(plan, ranks->transport, ranks->zygote, is_clean_out);
    for (size_t i = 0; i < MAP_COUNT_MAX; i++) {
        inputs_close(plan->inputs[i]);
    }
    job_destroy(plan->job);
    return exit_status;
}

int main(int argc, char **argv)
{
    static struct plan plan;
    if (argc < 4 || getcwd(plan.cwd, sizeof(plan.cwd)) == NULL) {
        (void)fprintf(stderr, "usage: several_maps RUN_DIR JOB WORD...\n");
        return 2;
    }
    plan.words = argv + 1;
    plan.word_count = (size_t)argc - 1;
    return ranks_run(run_master, NULL, &plan);
}
