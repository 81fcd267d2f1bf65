/* run_file.h - run.json: what a run was asked to do and, once it ended, what became of it.
 *
 *     run_file_write (state RUN_RUNNING) --> ... --> run_file_write (with the verdict)
 *     run_file_read (resume, results, status, report) --> run_description_destroy
 *
 * A run resumes from its directory alone, so that all it takes stands here: the launch directory,
 * the job's absolute path, every option, and the inputs where they are a formula.
 *
 * Ownership: a description that was read owns its texts. One that is written may point anywhere.
 * Failure:   texts name the file and the field, what was found and what was expected.
 */
#ifndef MASTER_RUN_FILE_H
#define MASTER_RUN_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "master/cache_mode.h"
#include "shared/attempt.h"
#include "shared/error.h"
#include "shared/formula.h"
#include "shared/map_options.h"

#define RUN_FILE_NAME "run.json"
#define RUN_FILE_FORMAT 1
#define RUN_DIGEST_SIZE 16 /* bytes of XXH3-128 */

/* How runs stand: the names that users read. */
#define RUN_STATE_LIST(X)                                                                          \
    X(RUNNING, "running") /* or cut off without a verdict */                                       \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(FAILED, "failed")                                                                            \
    X(INTERRUPTED, "interrupted")

enum run_state {
#define RUN_STATE_ENUM(name, text) RUN_##name,
    RUN_STATE_LIST(RUN_STATE_ENUM)
#undef RUN_STATE_ENUM
};
enum { RUN_STATE_COUNT = RUN_INTERRUPTED + 1 };

/* The verb of a run of a workflow, which has several maps; of every other, the run is one map. */
#define RUN_VERB_WORKFLOW "run"

struct run_verdict {
    int exit_status;
    int64_t ended_s;                       /* since 1970, UTC */
    double wall_seconds;                   /* of all sessions together */
    uint64_t counts[INSTANCE_STATE_COUNT]; /* of instances */
    uint64_t attempts;                     /* that ended, over all instances */
    uint64_t retries;                      /* those of them that were not an instance's first */
};

/* Of a sweep: its file, as it was when the sweep began. */
struct run_sweep {
    char *path; /* as it was given; NULL: the run is no sweep */
    char *text;
    char *labels;   /* JSON: an object of project, name, ... */
    char **command; /* with macros of parameters; none where a task runs */
    size_t command_count;
};

struct run_description {
    char *version; /* of the mapfleet that wrote it */
    char *verb;
    enum run_state state;
    int64_t created_s; /* since 1970, UTC */
    char *launch_dir;  /* absolute */
    char **arguments;  /* the command line, program included */
    size_t argument_count;
    char **given; /* the options in force, as words: those that a resume takes up */
    size_t given_count;
    char *job;             /* name */
    char *job_path;        /* absolute */
    char *job_digest;      /* hexadecimal */
    char *task;            /* or the workflow, whose parameters are one input */
    char *constant_digest; /* hexadecimal; NULL where the map has no constant */
    char *input_type;
    char *output_type;
    struct map_options options;
    struct formula formula; /* kind FORMULA_NONE: the inputs are in inputs.lz4 */
    uint64_t input_count;   /* equal to formula.count where there is one */
    uint8_t input_digest[RUN_DIGEST_SIZE];
    struct run_sweep sweep;
    enum cache_mode cache_mode;
    char *cache_version;        /* NULL where it is off */
    char *cache_dir;            /* absolute; NULL where it is off */
    uint32_t ranks;             /* of the session that began last */
    struct run_verdict verdict; /* where state is not RUN_RUNNING */
};

const char *run_state_name(enum run_state state);

/* How many of the outputs, and how many of all final results that the verdict counts are lost,
 * where the log has so many left. */
uint64_t run_verdict_lost_outputs(const struct run_verdict *verdict, uint64_t outputs_left);
uint64_t run_verdict_lost(const struct run_verdict *verdict, uint64_t outputs_left,
                          uint64_t failures_left);

/* Replace run.json, atomically and on disk. Numbers above 2^63 - 1 are refused. */
MUST_CHECK enum status run_file_write(const char *run_dir, const struct run_description *run,
                                      struct error *err);

/* STATUS_NOT_FOUND where the directory has no run.json, and so is no run directory; STATUS_INVALID
 * where a field is missing, of another type or out of its range. Fields that are not known here are
 * passed over. */
MUST_CHECK enum status run_file_read(const char *run_dir, struct run_description **run_out,
                                     struct error *err);
void run_description_destroy(struct run_description *run); /* NULL is allowed */

#endif
