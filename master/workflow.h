/* workflow.h - rank 0's side of a workflow: what its process asks for, checked, and what it is
 * told.
 *
 *     workflow_start --BEGIN--> the process
 *       its MAP  --> engine.begin(), which may refuse it --> ... --> workflow_map_succeeded() -->
 * OVER its END, or its end without one, or nonsense     --> workflow_outcome()
 *
 * It knows nothing of ranks and schedulers: whoever runs maps is behind `engine`.
 *
 * Ownership: the socket is the workflow's; job, launch directory and engine are the caller's.
 * Threads:   one, the loop of rank 0. Nothing here waits for the process.
 * Failure:   user code ran in the process. What it sends is checked, and what makes no sense ends
 *            the workflow, and not the run's other parts.
 */
#ifndef MASTER_WORKFLOW_H
#define MASTER_WORKFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/inputs.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"
#include "shared/map_options.h"

struct workflow_host; /* fields: workflow.c */

/* A map that is asked for. Valid during the call, but for its inputs, which are moved. */
struct workflow_request {
    uint64_t number; /* from 0, in the order in which they come */
    bool is_call;
    const struct task *task;
    struct map_options options; /* of the task, the run and the map */
    const char *cache;          /* "use", "refresh", "off"; NULL: the map does not say */
    const char *cache_version;  /* NULL: the map does not say */
    const char *reducer;        /* of its outputs; NULL: they are not reduced */
    const char *reduced_by;     /* the same with all that a resume must find again (reduction.h) */
    bool is_ordered;            /* of the reducer */
    struct inputs *inputs;
    uint64_t minimum; /* successes that it needs */
};

/* Whoever runs maps. */
struct workflow_engine {
    void *context;
    /* Begin the map, and say later how it ended; inputs are its own then. Where it fails the map is
     * over, for the reason that the text has; but EXISTS ends the workflow: what is recorded under
     * this number is another map. */
    enum status (*begin)(void *context, const struct workflow_request *request, struct error *err);
};

struct workflow_options {
    const struct job *job;
    const struct workflow *workflow;
    const char *run_dir;    /* absolute */
    const char *launch_dir; /* absolute */
    /* Of the run: where each field that belongs to a run as a whole comes from. */
    struct map_options run;
    const uint8_t *parameters; /* packed */
    size_t parameters_size;
    struct workflow_engine engine;
    int socket; /* to the process */
};

/* How it ended. */
enum workflow_end_kind {
    WORKFLOW_GOES_ON,
    WORKFLOW_SUCCEEDED, /* `output` is packed */
    WORKFLOW_FAILED,    /* `text` says why, also where its process crashed */
    WORKFLOW_KILLED,    /* its process was, by somebody else: it may run again */
    WORKFLOW_DEPARTED   /* from what is recorded of it; `text` says where */
};

struct workflow_outcome {
    enum workflow_end_kind kind;
    const char *text;
    const struct buffer *output;
    uint64_t map_count; /* calls and maps that it has asked for */
};

/* Tell the process to begin. On failure the socket stays the caller's. */
MUST_CHECK enum status workflow_start(const struct workflow_options *options,
                                      struct workflow_host **host_out, struct error *err);
void workflow_destroy(struct workflow_host *host); /* NULL is allowed */

/* Take what the process has sent, and send what it can take. */
void workflow_turn(struct workflow_host *host, bool *did_something);
/* What to wait for; *wants_to_send_out: also until it can be written to. -1: nothing. */
int workflow_descriptor(const struct workflow_host *host, bool *wants_to_send_out);

/* A map that was begun has ended: well, with its outputs at these places (workflow_places.h; they
 * are moved) and so many instances without one, or for the reason that the text has. */
void workflow_map_succeeded(struct workflow_host *host, uint64_t number, uint64_t missing,
                            struct buffer *places);
void workflow_map_failed(struct workflow_host *host, uint64_t number, const char *text);
/* The process has ended, with this status of waitpid(). What it sent before counts. */
void workflow_process_ended(struct workflow_host *host, int wait_status);
/* It could not begin, for this reason. */
void workflow_process_failed(struct workflow_host *host, const char *reason);

/* Texts and output are the workflow's. */
struct workflow_outcome workflow_outcome(const struct workflow_host *host);

#endif
