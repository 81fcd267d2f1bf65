/* registry.h - the private side of mf_registry: what mf_job() registers, checked and copied.
 *
 * Failure: the first thing that cannot be registered is remembered; the rest is passed over.
 */
#ifndef SHARED_REGISTRY_H
#define SHARED_REGISTRY_H

#include "shared/error.h"
#include "shared/job.h"

struct mf_registry {
    struct job *job; /* that is filled */
    enum status status;
    struct error error;
};

void registry_free_task(struct task *task);

#endif
