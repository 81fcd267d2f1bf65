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

#endif
