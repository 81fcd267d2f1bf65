/* registry.h - the private side of mf_registry: what mf_job() registers, checked and copied.
 *
 * Failure: the first thing that cannot be registered is remembered; the rest is passed over.
 */
#ifndef SHARED_REGISTRY_H
#define SHARED_REGISTRY_H

#include <stdbool.h>

#include "shared/error.h"
#include "shared/job.h"

struct mf_registry {
    struct job *job; /* that is filled */
    enum status status;
    struct error error;
};

/* [A-Za-z_][A-Za-z0-9_-]*: the name of a task or workflow. */
bool registry_is_name(const char *text);

void registry_free_task(struct task *task);
void registry_free_workflow(struct workflow *workflow);
void registry_free_reducer(struct reducer *reducer);

/* ---- For registry_reducer.c ---- */

/* May something of the job be named so? `what` it is, for the text: "a task". */
MUST_CHECK enum status registry_check_name(const struct job *job, const char *what,
                                           const char *name, struct error *err);
/* A bad one is named by its field: input type "itn": ... */
MUST_CHECK enum status registry_read_type(const char *field, const char *text,
                                          struct type **type_out, struct error *err);

#endif
