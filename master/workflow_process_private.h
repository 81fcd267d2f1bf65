/* workflow_process_private.h - what the files of a workflow's process share.
 *
 *     workflow_process.c  its life, and why it fails
 *     workflow_calls.c    mf_call, mf_map and their kin: check, ask, wait
 *     workflow_inputs.c   what they are asked for, checked against the task's type and packed
 *     workflow_values.c   values that the function makes, and those that come back
 *     workflow_reduce.c   mf_map_reduce, mf_reduce: the last fold
 *     workflow_apart.c    in a process of its own
 */
#ifndef MASTER_WORKFLOW_PROCESS_PRIVATE_H
#define MASTER_WORKFLOW_PROCESS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/error.h"
#include "shared/job.h"
#include "shared/mapfleet.h"
#include "shared/reduction.h"
#include "shared/type.h"
#include "shared/workflow_wire.h"
#include "shared/writer.h"

/* A value that is known by its address to have been declared with a type. */
struct workflow_known {
    const mf_value *value;
    const struct type *type;
};

struct mf_running {
    uint64_t number;
    const struct task *task;
    bool is_call;
    uint64_t size;
    struct type *type;           /* of what it gives; its own */
    struct reduction *reduction; /* of its outputs; NULL: they are not reduced */
    bool is_over;                /* rank 0 has said how it ended: */
    bool is_success;
    uint64_t missing;      /* instances without an output */
    struct buffer places;  /* of its outputs in the log, until they are read */
    bool is_read;          /* they have been looked for */
    const mf_value *value; /* NULL: it failed */
    char *text;            /* why; NULL where it did not */
};

struct mf_workflow {
    const struct job *job;
    const struct workflow *workflow;
    int socket;
    const char *run_dir;
    const char *launch_dir;
    int log;              /* of the run; -1: not opened yet */
    struct arena arena;   /* of every value, and of what BEGIN said */
    struct arena scratch; /* of one item */
    struct arena message; /* of the message in hand */
    struct workflow_known *known;
    size_t known_count;
    size_t known_capacity;
    mf_running **maps; /* by number */
    size_t map_count;
    size_t map_capacity;
    struct writer **made; /* that mf_made() has not seen yet */
    size_t made_count;
    size_t made_capacity;
    struct reduction **reductions; /* of mf_reduce() */
    size_t reduction_count;
    size_t reduction_capacity;
    struct type *input_type;             /* of parameters */
    char error[WORKFLOW_TEXT_SIZE_MAX];  /* of the latest call that failed */
    char reason[WORKFLOW_TEXT_SIZE_MAX]; /* that the function gave */
    bool has_reason;
};

/* What a call is about, for texts: mf_map "square". */
struct workflow_call {
    const char *function;
    const char *task;
    const char *reducer; /* NULL: outputs are not reduced */
};

/* ---- workflow_process.c ---- */

/* Remember why the call failed: 'mf_map "square": TEXT'. */
void workflow_note_failure(mf_workflow *wf, const struct workflow_call *call, const char *text);

/* ---- workflow_values.c ---- */

void workflow_know(mf_workflow *wf, const mf_value *value, const struct type *type);
/* NULL where nothing is known of it but what it is. */
const struct type *workflow_known_type(const mf_workflow *wf, const mf_value *value);
/* The outputs of a map that has ended well, or the one of a call. */
MUST_CHECK enum status workflow_read_outputs(mf_workflow *wf, mf_running *running,
                                             struct error *err);
void workflow_free_made(mf_workflow *wf);

/* Outputs from a frame of the log, one after the other. All zero has read none. */
struct workflow_reading {
    struct buffer frame;   /* as it stands in the log */
    struct buffer outputs; /* decompressed */
    uint64_t offset;       /* of the frame */
    uint64_t position;     /* of the next output */
    size_t at;             /* and where it begins */
    bool is_any;           /* a frame is read */
};
struct workflow_place;

/* To the first output of the place. */
MUST_CHECK enum status workflow_seek(mf_workflow *wf, struct workflow_reading *reading,
                                     const struct workflow_place *place, struct error *err);
void workflow_reading_free(struct workflow_reading *reading);

/* ---- workflow_reduce.c ---- */

/* What the outputs of a map that has ended well come to. */
MUST_CHECK enum status workflow_read_reduced(mf_workflow *wf, mf_running *running,
                                             struct error *err);

/* ---- workflow_apart.c ---- */

/* Append something to `out`, or say why not. */
typedef enum status workflow_work(void *context, struct buffer *out, struct error *err);

/* Do it in a child, so that a crash is a failure like any other. What it changes in memory is lost.
 */
MUST_CHECK enum status workflow_apart(workflow_work *work, void *context, struct buffer *out,
                                      struct error *err);

/* ---- workflow_inputs.c ---- */

/* What instances are made from. */
struct workflow_inputs {
    const mf_value *list; /* NULL: `zip` alone, or a call */
    const mf_value *one;  /* of a call; NULL: a map */
    const mf_named *zip;
    const mf_named *bind;
    const char *range; /* integers instead of all that; NULL: none */
};

/* Check them against the task's input type, by what is known of their types first, and append one
 * packed value an instance. *size_out is how many there are. */
MUST_CHECK enum status workflow_pack_inputs(mf_workflow *wf, const struct task *task,
                                            const struct workflow_inputs *inputs,
                                            struct buffer *out, uint64_t *size_out,
                                            struct error *err);

#endif
