/* job.h - a job, its tasks and workflows: a shared library (or a function of the program) that
 * registered.
 *
 *     job_load / job_build --> job_task ... --> job_destroy
 *
 * Ownership: a job owns its tasks, workflows and reducers, their types and texts, and its library.
 * Failure:   a job that is not there, is no shared library, lacks mf_job, or registers what cannot
 *            be registered, is refused with the path and the reason; the first reason counts.
 *
 * Loading a job runs its code, so that it happens where its code may run. Elsewhere a job is what
 * such a process tells of it (job_description.h): all of it but the functions.
 */
#ifndef SHARED_JOB_H
#define SHARED_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/map_options.h"
#include "shared/mapfleet.h"
#include "shared/type.h"

#define JOB_DIGEST_SIZE 16 /* bytes of XXH3-128 */
#define JOB_SYSTEM_RETRIES_DEFAULT 3
#define JOB_GRACE_NS_DEFAULT UINT64_C(10000000000)
#define JOB_LOST_AFTER_NS_DEFAULT UINT64_C(10000000000)
#define JOB_OUTPUT_SIZE_MAX_DEFAULT ((uint64_t)64 << 20)

struct task {
    char *name;
    char *help;           /* NULL where there is none */
    mf_task_function *fn; /* NULL in a job that is only described */
    struct type *input;
    struct type *output;
    struct map_options options; /* the task's own metadata, defaults filled in */
    char *cache_version;        /* NULL: not cached */
    char *cache_ignore;         /* NULL: nothing */
    bool is_idempotent;
    struct type *constant; /* of what a map is given for all of its instances; NULL: nothing */
};

struct workflow {
    char *name;
    char *help;               /* NULL where there is none */
    mf_workflow_function *fn; /* NULL in a job that is only described */
    struct type *input;       /* a record */
    struct type *output;
};

struct reducer {
    char *name;
    char *help;                   /* NULL where there is none */
    mf_combine_function *combine; /* NULL in a job that is only described, as are the next */
    mf_task_function *lift;       /* NULL: inputs are partial values */
    mf_task_function *finish;     /* NULL: the last partial value is the result */
    struct type *input;
    struct type *type; /* of partial values */
    struct type *output;
    uint8_t *empty; /* packed: the result of nothing; NULL: null */
    size_t empty_size;
    bool is_ordered;
};

struct job {
    char *name; /* the library's base name without its ending, or the program's name */
    char *path; /* absolute; "" where the job is built into the program */
    uint8_t digest[JOB_DIGEST_SIZE]; /* of the library's bytes, or those of the program */
    struct task *tasks;
    size_t task_count;
    size_t task_capacity;
    struct workflow *workflows;
    size_t workflow_count;
    size_t workflow_capacity;
    struct reducer *reducers;
    size_t reducer_count;
    size_t reducer_capacity;
    bool has_setup;                 /* a setup or a teardown */
    mf_setup_function *setup;       /* NULL: none, or the job is only described */
    mf_teardown_function *teardown; /* NULL: none */
    void *library;                  /* of dlopen() */
};

/* Where `job` is: a path (it holds a slash or ends in .so) as it is, absolute; a bare name NAME is
 * NAME.so in one of the folders of $MAPFLEET_JOBS (between colons), or where mapfleet's own jobs
 * are. The text of an error lists where it looked. *path_out is to be freed. */
MUST_CHECK enum status job_find(const char *job, char **path_out, struct error *err);

/* Load the library at an absolute path. Where `digest` is given, nothing else is loaded: NO_JOB if
 * it is not there, cannot be read, or is another. */
MUST_CHECK enum status job_load(const char *path, const uint8_t *digest, struct job **job_out,
                                struct error *err);

/* The job that is built into the program. */
MUST_CHECK enum status job_build(mf_job_function *function, const char *name, struct job **job_out,
                                 struct error *err);

/* The function that mf_main() was given, for every place that builds the program's own job. */
void job_set_built_in(mf_job_function *function, const char *name);
const char *job_built_in_name(void); /* "" where there is none */

/* A job that every program has, under a name with a colon before it (":command"), which is its
 * path, too. The name outlives the process's use of jobs. */
void job_set_shipped(const char *name, mf_job_function *function);

/* By what a user typed, "" being the built-in job, and ":NAME" one that every program has. */
MUST_CHECK enum status job_open(const char *job, struct job **job_out, struct error *err);

void job_destroy(struct job *job); /* NULL is allowed */

/* NULL when there is none of that name; the error lists those that there are. */
const struct task *job_task(const struct job *job, const char *name, struct error *err);

/* The same for a workflow; `name` may be "" where the job has only one. */
const struct workflow *job_workflow(const struct job *job, const char *name, struct error *err);

#endif
