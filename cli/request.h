/* request.h - what a command line asks for: parsed, checked, and nothing of it started.
 *
 *     options_parse --> request_check --> (the run) --> request_free
 *
 * Ownership: the request owns its job, inputs and texts; options point into argv.
 * Failure:   whatever is wrong with a command line is found here, and named.
 */
#ifndef CLI_REQUEST_H
#define CLI_REQUEST_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/adaptive_run.h"
#include "cli/cache_options.h"
#include "cli/exec.h"
#include "cli/files_options.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "master/failures.h"
#include "master/inputs.h"
#include "master/library.h"
#include "master/log_sync.h"
#include "master/replay.h"
#include "master/run_file.h"
#include "master/run_lock.h"
#include "shared/error.h"
#include "shared/job.h"
#include "shared/map_options.h"
#include "worker/zygote.h"

/* --files, --grid, --zip and --bind. */
enum { INPUT_LIST_FILES, INPUT_LIST_GRID, INPUT_LIST_ZIP, INPUT_LIST_BIND, INPUT_LIST_COUNT };

/* All that rank 0 has checked before anything starts. */
struct request {
    struct options options;
    enum verb verb;                  /* that starts such a run: of a resume the recorded one */
    struct exec exec;                /* of VERB_EXEC */
    struct sweep sweep;              /* of VERB_SWEEP */
    struct adaptive_run *adaptive;   /* of one that a sampler proposes the trials of; else NULL */
    struct options recorded_options; /* of a run that `resume` goes on with: its command line */
    struct buffer constant;          /* of the map, packed; empty: there is none */
    char constant_digest[2 * RUN_DIGEST_SIZE + 1]; /* of what may not change of it; "": none */
    char cache_digest[2 * RUN_DIGEST_SIZE + 1];    /* of a task's constant, for keys; "": none */
    struct zygote *zygote;                         /* the caller's */
    int argc; /* the words that were parsed; argv[0] is the verb */
    char **argv;
    uint64_t start_us; /* when they were given, by clock_us() */
    char launch_dir[PATH_MAX];
    struct job *job;
    const struct task *task;         /* NULL: of a workflow */
    const struct workflow *workflow; /* NULL: of one map; its parameters are one input */
    char *input_type;
    char *output_type;
    struct map_options map;
    struct inputs *inputs;
    uint64_t minimum;
    uint64_t slots;         /* of each rank; 0: by the machine */
    bool has_gpus_per_rank; /* --gpus-per-rank was given: */
    uint64_t gpus_per_rank;
    enum sync_mode sync;
    uint64_t patience_us; /* see master.h */
    char *run_dir;
    struct cache_request cache;
    struct library library; /* of the job, where it is sent to ranks that lack it */
    struct files_request files;
    char job_digest[2 * JOB_DIGEST_SIZE + 1];
    /* Of a run that is there already: */
    bool is_resume;    /* it was asked for */
    bool is_dir_there; /* the folder is */
    bool is_finished;  /* it has a verdict: nothing runs */
    bool is_blocked;   /* its disk is full, read-only or fails: refused for now */
    bool is_loss_told; /* that its log has lost what its verdict stood on */
    bool revives_failed;
    bool grows; /* a sweep, that more trials are asked of than it has recorded */
    struct run_description *recorded;           /* NULL: nothing has begun yet */
    const char **input_lists[INPUT_LIST_COUNT]; /* values of options that give inputs */
    char **words; /* that it has recorded, and `options` may point at */
    size_t word_count;
    char **arguments; /* its command line, at which `exec` and `recorded_options` point */
    size_t argument_count;
    struct run_lock *lock; /* NULL where the folder is not there, or the run is finished */
    struct replay replay;
    struct failures *failures;
};

/* `options` are parsed, `zygote` and the words are set; all the rest is filled in. The zygote loads
 * the job, and this process does not, unless attempts run in it too. */
MUST_CHECK enum status request_check(struct request *request, struct error *err);
/* Parts of it: the job at a path or by its name, and its task, or its workflow, which may be "" for
 * the only one; the options of attempts and of the run, where `map` holds those that they overlay;
 * a folder for the run; where the inputs are open, the minimum, and whether they are few enough to
 * keep outputs of; a run that is there already. */
MUST_CHECK enum status request_open_workflow(struct request *request, const char *job,
                                             const char *workflow, struct error *err);
MUST_CHECK enum status request_choose_run_dir(struct request *request, struct error *err);
MUST_CHECK enum status request_join_run(struct request *request, struct error *err);
MUST_CHECK enum status request_open_task(struct request *request, const char *job, const char *task,
                                         struct error *err);
MUST_CHECK enum status request_check_options(struct request *request, struct error *err);
MUST_CHECK enum status request_check_minimum(struct request *request, struct error *err);
/* The constant of a run of commands: `exec` and `map` are filled in. */
MUST_CHECK enum status request_fill_constant(struct request *request, struct error *err);
MUST_CHECK enum status request_check_cached_size(const struct request *request, struct error *err);
/* The command that its instances run; NULL: they run a task. */
const struct exec *request_command(const struct request *request);
/* Of its task or workflow. */
const char *request_name(const struct request *request);
void request_free(struct request *request);

#endif
