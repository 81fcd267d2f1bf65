/* program.c - mf_main(): picks the verb. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cache.h"
#include "cli/launch.h"
#include "cli/launch_agent.h"
#include "cli/launch_note.h"
#include "cli/map.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/results.h"
#include "cli/status.h"
#include "cli/tasks.h"
#include "cli/version.h"
#include "jobs/command/command.h"
#include "shared/job.h"
#include "shared/log.h"
#include "shared/mapfleet.h"
#include "shared/transport.h"

#define EXIT_REFUSED 2

static int run_parsed(const struct options *options)
{
    switch (options->verb) {
    case VERB_TASKS:
        return tasks_main(options);
    case VERB_RESULTS:
        return results_main(options);
    case VERB_STATUS:
        return status_main(options);
    case VERB_REPORT:
        return report_main(options);
    case VERB_CACHE:
        return cache_main(options);
    case VERB_LAUNCH:
        return launch_main(options);
    case VERB_MAP:
    case VERB_RUN:
    case VERB_EXEC:
    case VERB_SWEEP:
    case VERB_RESUME:
        break;
    }
    return EXIT_REFUSED;
}

/* Verbs that start no MPI, and so parse their words here. */
static int run_alone(enum verb verb, int argc, char **argv)
{
    struct options options = {0};
    struct error err;
    int exit_status;
    if (options_parse(verb, argc, argv, &options, &err) != STATUS_OK) {
        log_error("%s", err.text);
        exit_status = EXIT_REFUSED;
    } else if (options_has(&options, OPTION_HELP)) {
        options_print_help(verb);
        exit_status = 0;
    } else {
        exit_status = run_parsed(&options);
    }
    options_free(&options);
    return exit_status;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int refuse_verb(const char *name, bool is_speaker)
{
    if (is_speaker) {
        log_error(
            "unknown verb \"%s\": expected map, run, exec, sweep, resume, launch, tasks, results, "
            "status, report or cache (mapfleet --help)",
            name);
    }
    return EXIT_REFUSED;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* `mapfleet help [VERB]`: what stands behind the verb makes no difference, as with --help. */
static int help(int argc, char **argv, bool is_speaker)
{
    enum verb verb;
    if (argc > 2 && strcmp(argv[1], "help") == 0 && !is_help(argv[2])) {
        if (!verb_by_name(argv[2], &verb)) {
            return refuse_verb(argv[2], is_speaker);
        }
        if (is_speaker) {
            options_print_help(verb);
        }
        return 0;
    }
    if (is_speaker) {
        options_print_overview();
    }
    return argc < 2 ? EXIT_REFUSED : 0;
}

int mf_main(int argc, char **argv, mf_job_function *job)
{
    enum verb verb;
    if (argc > 1 && strcmp(argv[1], LAUNCH_AGENT_VERB) == 0) {
        return launch_agent_main(argc - 1, argv + 1);
    }
    launch_note_open();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on files is a failure to write, like a full disk */
    job_set_shipped(COMMAND_JOB, command_job);
    job_set_built_in(job, argc > 0 ? base_name(argv[0]) : "");
    const bool is_speaker =
        transport_rank_of_environment() == 0; /* of several copies, one prints */
    if (argc < 2 || is_help(argv[1])) {
        return help(argc, argv, is_speaker);
    }
    if (strcmp(argv[1], "--version") == 0) {
        if (is_speaker) {
            version_print();
        }
        return 0;
    }
    if (!verb_by_name(argv[1], &verb)) {
        return refuse_verb(argv[1], is_speaker);
    }
    if (verb == VERB_MAP || verb == VERB_RUN || verb == VERB_EXEC || verb == VERB_SWEEP ||
        verb == VERB_RESUME) {
        return map_main(verb, argc - 1, argv + 1);
    }
    return is_speaker ? run_alone(verb, argc - 1, argv + 1) : 0;
}
