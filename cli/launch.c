#include "cli/launch.h"

#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/launch_agent.h"
#include "cli/launch_check.h"
#include "cli/launch_line.h"
#include "cli/launch_note.h"
#include "cli/launch_run.h"
#include "master/run_file.h"
#include "shared/log.h"

#define EXIT_REFUSED 2
#define EXIT_INTERNAL 70
#define EXIT_RESUMABLE 75
/* ---- Starts -------------------------------------------------------------------------------------
 */

/* Has the run's folder a record? The state and the verdict, where it has. */
static bool look_at_run(const char *run_dir, enum run_state *state_out, int *exit_status_out)
{
    struct run_description *run = NULL;
    if (*run_dir == '\0' || run_file_read(run_dir, &run, NULL) != STATUS_OK) {
        return false;
    }
    *state_out = run->state;
    *exit_status_out = run->verdict.exit_status;
    run_description_destroy(run);
    return true;
}

static const char *launcher_end_text(int ended, char text[64])
{
    if (WIFSIGNALED(ended)) {
        (void)snprintf(text, 64, "was ended by SIG%s", sigabbrev_np(WTERMSIG(ended)));
    } else {
        (void)snprintf(text, 64, "ended with %d", WEXITSTATUS(ended));
    }
    return text;
}

/* What a start came to. */
struct turnout {
    bool may_go_on; /* rank 0 was lost, and another start is of use */
    bool has_begun; /* ... from the record in the run's folder */
    int exit_status;
};

/* Without rank 0's last word. */
static struct turnout judge_lost(const struct launch_request *request,
                                 const struct launch_outcome *outcome)
{
    char text[64];
    enum run_state state = RUN_RUNNING;
    struct turnout turnout = {.exit_status = EXIT_RESUMABLE};
    const char *name = request->plan.is_srun ? "srun" : "mpirun";
    if (!outcome->was_up) {
        turnout.exit_status = outcome->is_interrupted ? EXIT_RESUMABLE : EXIT_REFUSED;
        log_error("%s %s before the ranks were there: nothing was started", name,
                  launcher_end_text(outcome->launcher_status, text));
        return turnout;
    }
    turnout.has_begun = look_at_run(outcome->run_dir, &state, &turnout.exit_status);
    if (turnout.has_begun && state != RUN_RUNNING) {
        log_warning(
            "%s did not pass on the end of what rank 0 said: the run has %s (mapfleet status "
            "and results show it: %s)",
            name, run_state_name(state), outcome->run_dir);
        return turnout;
    }
    turnout.exit_status = EXIT_RESUMABLE;
    turnout.may_go_on =
        !outcome->is_interrupted &&
        launch_can_go_on(request, &(struct launch_progress){.run_dir = outcome->run_dir,
                                                            .has_begun = turnout.has_begun});
    log_warning("rank 0 is lost: %s %s without a verdict", name,
                launcher_end_text(outcome->launcher_status, text));
    return turnout;
}

static struct turnout judge(const struct launch_request *request,
                            const struct launch_outcome *outcome)
{
    return outcome->is_over ? (struct turnout){.exit_status = outcome->exit_status}
                            : judge_lost(request, outcome);
}

/* A folder for what the agents look for; "" where there is none. */
static void make_folder(char folder_out[PATH_MAX], char up_path_out[PATH_MAX + 8])
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(folder_out, PATH_MAX, "%s/mapfleet-launch-XXXXXX",
                   parent != NULL && *parent == '/' ? parent : "/tmp");
    if (mkdtemp(folder_out) == NULL) {
        folder_out[0] = '\0';
    }
    (void)snprintf(up_path_out, PATH_MAX + 8, "%s/up", folder_out);
    (void)setenv(LAUNCH_AGENT_VARIABLE, up_path_out, 1);
}

static struct launch_line make_line(const struct launch_request *request,
                                    const struct launch_progress *progress)
{
    struct launch_line line;
    struct launch_words words = launch_words_make(request, progress);
    launch_line_make(&request->plan, words.words, words.count, &line);
    launch_words_free(&words);
    return line;
}

/* `progress` is NULL for the first start. */
static enum status start(const struct launch_request *request,
                         const struct launch_progress *progress, struct launch_outcome *outcome_out,
                         struct error *err)
{
    char word[LAUNCH_NOTE_WORD_SIZE];
    char folder[PATH_MAX] = "";
    char up_path[PATH_MAX + 8] = "";
    launch_note_make_word(word);
    (void)setenv(LAUNCH_NOTE_VARIABLE, word, 1); /* before the line names what goes along */
    if (request->plan.hosts != NULL || request->plan.hostfile != NULL) {
        make_folder(folder, up_path);
    }
    struct launch_line line = make_line(request, progress);
    const enum status status =
        launch_run(&line, word, *folder != '\0' ? up_path : NULL,
                   progress == NULL && launch_reads_input(request), outcome_out, err);
    launch_line_free(&line);
    if (*folder != '\0') {
        (void)unlink(up_path);
        (void)rmdir(folder);
    }
    return status;
}

static int run(const struct launch_request *request)
{
    static struct launch_outcome outcome;
    struct error err;
    char run_dir[PATH_MAX] = "";
    struct launch_progress progress = {.run_dir = run_dir};
    for (uint64_t restart = 0;; restart++) {
        if (start(request, restart == 0 ? NULL : &progress, &outcome, &err) != STATUS_OK) {
            log_error("%s", err.text);
            return EXIT_INTERNAL;
        }
        const struct turnout turnout = judge(request, &outcome);
        progress.has_begun = progress.has_begun || turnout.has_begun;
        if (outcome.run_dir[0] != '\0') {
            memcpy(run_dir, outcome.run_dir, sizeof(run_dir));
        }
        if (!turnout.may_go_on || restart >= request->restarts) {
            if (turnout.may_go_on && progress.has_begun) {
                log_info("go on with: mapfleet resume %s", run_dir);
            }
            return turnout.exit_status;
        }
        log_info("starting again with --resume (%" PRIu64 " of %" PRIu64 ")", restart + 1,
                 request->restarts);
    }
}

int launch_main(const struct options *options)
{
    struct launch_request request;
    struct error err;
    int exit_status = 0;
    if (launch_check(options, &request, &err) != STATUS_OK) {
        log_error("%s", err.text);
        exit_status = EXIT_REFUSED;
    } else if (options_has(&request.inner, OPTION_HELP)) {
        options_print_help(request.inner.verb);
    } else if (options_has(options, OPTION_DRY_RUN)) {
        struct launch_line line = make_line(&request, NULL);
        launch_line_print(&line, stdout);
        launch_line_free(&line);
    } else {
        exit_status = run(&request);
    }
    launch_request_free(&request);
    return exit_status;
}
