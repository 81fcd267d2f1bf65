#include "cli/launch_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/launch_hosts.h"
#include "cli/launch_mpi.h"
#include "shared/memory.h"
#include "shared/quantity.h"
#include "shared/transport.h"

#define RANK_COUNT_MAX 1000000
#define RESTART_COUNT_MAX 1000000

/* ---- Checks -------------------------------------------------------------------------------------
 */

static bool starts_ranks(enum verb verb)
{
    switch (verb) {
    case VERB_MAP:
    case VERB_RUN:
    case VERB_EXEC:
    case VERB_SWEEP:
    case VERB_RESUME:
        return true;
    case VERB_TASKS:
    case VERB_RESULTS:
    case VERB_STATUS:
    case VERB_REPORT:
    case VERB_CACHE:
    case VERB_LAUNCH:
        break;
    }
    return false;
}

static enum status check_verb(struct launch_request *request, struct error *err)
{
    const struct options *options = request->options;
    enum verb verb;
    if (options->word_count == 0) {
        return error_set(err, STATUS_INVALID,
                         "mapfleet launch: expected a verb to start on the ranks (mapfleet launch "
                         "--help shows how)");
    }
    if (!verb_by_name(options->words[0], &verb)) {
        return error_set(err, STATUS_INVALID,
                         "mapfleet launch: \"%s\" is no verb; the options of launch stand before "
                         "the verb",
                         options->words[0]);
    }
    if (!starts_ranks(verb)) {
        return error_set(err, STATUS_INVALID, "mapfleet %s needs no ranks: use it without launch",
                         verb_name(verb));
    }
    request->word_count = options->word_count;
    request->words = memory_take(options->word_count + 1, sizeof(*request->words));
    for (size_t i = 0; i < options->word_count; i++) {
        request->words[i] = (char *)(uintptr_t)options->words[i];
    }
    return options_parse(verb, (int)request->word_count, request->words, &request->inner, err);
}

static enum status check_count(const struct options *options, enum option_id id, uint64_t min,
                               uint64_t max, uint64_t *count_out, struct error *err)
{
    const char *text = options->values[id];
    if (text == NULL || (quantity_parse_count(text, count_out, NULL) == STATUS_OK &&
                         *count_out >= min && *count_out <= max)) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID,
                     "%s: \"%s\": expected a whole number from %" PRIu64 " to %" PRIu64,
                     option_name(id), text, min, max);
}

static enum status check_hosts(struct launch_request *request, struct error *err)
{
    struct launch_plan *plan = &request->plan;
    struct launch_hosts hosts = {0};
    enum status status = STATUS_OK;
    if (plan->hosts != NULL && plan->hostfile != NULL) {
        return error_set(err, STATUS_INVALID, "--hosts and --hostfile: give one of them");
    }
    if (plan->is_srun && (plan->hosts != NULL || plan->hostfile != NULL)) {
        return error_set(
            err, STATUS_INVALID,
            "--srun takes the hosts from Slurm: expected no --hosts and no --hostfile");
    }
    if (plan->hosts != NULL) {
        status = launch_hosts_parse(plan->hosts, &hosts, err);
    } else if (plan->hostfile != NULL) {
        status = launch_hosts_read(plan->hostfile, &hosts, err);
    }
    if (status == STATUS_OK && hosts.has_slots && plan->ranks > hosts.slot_count) {
        return error_set(err, STATUS_INVALID,
                         "-n %" PRIu64 ": the hosts have %" PRIu64
                         " slots; a rank uses all cores of its share of a host, so that one slot a "
                         "host is enough",
                         plan->ranks, hosts.slot_count);
    }
    return status;
}

/* By a word that is `-`, or ends with it, as in --inputs=- and NAME=-. */
bool launch_reads_input(const struct launch_request *request)
{
    for (size_t i = 1; i < request->word_count && strcmp(request->words[i], "--") != 0; i++) {
        const char *equals = strrchr(request->words[i], '=');
        if (strcmp(equals != NULL ? equals + 1 : request->words[i], "-") == 0) {
            return true;
        }
    }
    return false;
}

/* Who is typed at is the process group in front, and that is this process, for the sake of Ctrl-C:
 * mpirun would read nothing, and srun be stopped. */
static enum status check_input(const struct launch_request *request, struct error *err)
{
    return launch_reads_input(request) && isatty(STDIN_FILENO) &&
                   !options_has(request->options, OPTION_DRY_RUN)
               ? error_set(err, STATUS_INVALID,
                           "-: what is typed at a terminal does not reach the ranks: give a file, "
                           "or a pipe (cat | mapfleet launch ...)")
               : STATUS_OK;
}

/* A batch system gives Open MPI the hosts. */
static bool is_in_batch_system(void)
{
    static const char *const names[] = {"SLURM_JOB_ID", "SLURM_JOBID", "PBS_JOBID", "LSB_JOBID",
                                        "PE_HOSTFILE"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (getenv(names[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static enum status check_place(struct error *err)
{
    bool is_parallel = false;
    if (getenv("OMPI_COMM_WORLD_SIZE") != NULL || getenv("PMIX_RANK") != NULL) {
        return error_set(err, STATUS_INVALID,
                         "mapfleet launch starts the ranks itself: expected no mpirun and no srun "
                         "around it");
    }
    return transport_is_parallel(&is_parallel, err);
}

static enum status find_program(struct launch_request *request, struct error *err)
{
    const ssize_t size = readlink("/proc/self/exe", request->program, sizeof(request->program) - 1);
    if (size < 0) {
        return error_set(err, STATUS_IO, "/proc/self/exe: %s", strerror(errno));
    }
    request->program[size] = '\0';
    request->plan.program = request->program;
    return STATUS_OK;
}

enum status launch_check(const struct options *options, struct launch_request *request_out,
                         struct error *err)
{
    struct launch_request *request = request_out;
    *request = (struct launch_request){.options = options};
    struct launch_plan *plan = &request->plan;
    *plan = (struct launch_plan){.is_srun = options_has(options, OPTION_SRUN),
                                 .hosts = options->values[OPTION_HOSTS],
                                 .hostfile = options->values[OPTION_HOSTFILE],
                                 .is_batch = is_in_batch_system(),
                                 .is_root = geteuid() == 0};
    enum status status = check_place(err);
    if (status == STATUS_OK) {
        status = check_count(options, OPTION_RANKS, 1, RANK_COUNT_MAX, &plan->ranks, err);
    }
    if (status == STATUS_OK) {
        status =
            check_count(options, OPTION_RESTARTS, 0, RESTART_COUNT_MAX, &request->restarts, err);
    }
    if (status == STATUS_OK) {
        status = check_verb(request, err);
    }
    if (status == STATUS_OK) {
        status = check_hosts(request, err);
    }
    if (status == STATUS_OK) {
        status = check_input(request, err);
    }
    if (status == STATUS_OK) {
        status = find_program(request, err);
    }
    if (status == STATUS_OK) {
        status =
            plan->is_srun ? launch_mpi_look("srun", err) : launch_mpi_find(&plan->mpi_major, err);
    }
    if (status == STATUS_OK && plan->ranks == 0 && plan->hosts == NULL && plan->hostfile == NULL &&
        !plan->is_batch) {
        plan->ranks = 1; /* of one machine: it uses all of its cores */
    }
    return status;
}

void launch_request_free(struct launch_request *request)
{
    options_free(&request->inner);
    free(request->words);
}

/* ---- Words ------------------------------------------------------------------------------------
 */

bool launch_can_go_on(const struct launch_request *request, const struct launch_progress *progress)
{
    return progress->has_begun || !launch_reads_input(request);
}

static void add(struct launch_words *words, const char *word)
{
    words->words = memory_resize(words->words, words->count + 1, sizeof(*words->words));
    words->words[words->count++] = memory_copy_text(word);
}

static void add_option(struct launch_words *words, enum option_id id, const char *value)
{
    char *word = option_word(id, value);
    add(words, word);
    free(word);
}

/* From the folder alone, with what no run remembers. */
static void add_resume(const struct launch_request *request, const char *run_dir,
                       struct launch_words *words)
{
    static const enum option_id kept[] = {OPTION_PRINT, OPTION_PROGRESS};
    add(words, verb_name(VERB_RESUME));
    add(words, run_dir);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (options_has(&request->inner, kept[i])) {
            add_option(words, kept[i], request->inner.values[kept[i]]);
        }
    }
}

/* The same line again, that goes on. What stands behind is the user's, and counts where it is
 * given twice; what has failed was revived by the first start. */
static void add_line(const struct launch_request *request, const struct launch_progress *progress,
                     struct launch_words *words)
{
    const bool is_resume = request->inner.verb == VERB_RESUME;
    const bool is_again = progress != NULL && !is_resume;
    const bool has_run_dir = options_has(&request->inner, OPTION_RUN_DIR);
    bool is_ended = false;
    add(words, request->words[0]);
    if (is_again && *progress->run_dir != '\0') {
        add_option(words, OPTION_RUN_DIR, progress->run_dir);
    }
    if (is_again && (*progress->run_dir != '\0' || has_run_dir)) {
        add_option(words, OPTION_RESUME, "");
    }
    for (size_t i = 1; i < request->word_count; i++) {
        const char *word = request->words[i];
        const bool is_revival = progress != NULL && is_resume && !is_ended &&
                                strcmp(word, option_name(OPTION_FAILED)) == 0;
        is_ended = is_ended || strcmp(word, "--") == 0;
        if (!is_revival) {
            add(words, word);
        }
    }
}

struct launch_words launch_words_make(const struct launch_request *request,
                                      const struct launch_progress *progress)
{
    struct launch_words words = {0};
    if (progress != NULL && progress->has_begun && launch_reads_input(request)) {
        add_resume(request, progress->run_dir, &words);
    } else {
        add_line(request, progress, &words);
    }
    return words;
}

void launch_words_free(struct launch_words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        free(words->words[i]);
    }
    free(words->words);
    *words = (struct launch_words){0};
}
