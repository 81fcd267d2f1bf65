/* adaptive_run.h - an adaptive sweep on rank 0, beside the master: the sampler's process, what is
 * said to it, and what comes of that.
 *
 *     adaptive_run_start (it is ready) --> adaptive_run_guest, in the loop --> adaptive_run_destroy
 *
 * Ownership: what the options point at is the caller's, and outlives this.
 * Failure:   adaptive_run_start() says why no sampler is ready: nothing was started. While the run
 *            runs, a sampler that ends, or says what makes no sense, ends the run: it is told why,
 *            and can be resumed (exit 75).
 */
#ifndef CLI_ADAPTIVE_RUN_H
#define CLI_ADAPTIVE_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "cli/session.h"
#include "master/adaptive.h"
#include "master/inputs.h"
#include "master/master.h"
#include "master/trial_metrics.h"
#include "shared/error.h"

struct adaptive_run; /* fields: adaptive_run.c */

struct adaptive_run_options {
    struct adaptive_options adaptive;
    const char *command;              /* of a shell; NULL: the sampler that ships */
    struct inputs *inputs;            /* with those of earlier sessions */
    const struct trial_metrics *past; /* what came of them; NULL: the run is new */
};

/* Starts the sampler, tells it what there is to know, and waits until it is ready. */
MUST_CHECK enum status adaptive_run_start(const struct adaptive_run_options *options,
                                          struct adaptive_run **run_out, struct error *err);
void adaptive_run_destroy(struct adaptive_run *run); /* NULL is allowed */

/* From here on, for this master, which has the inputs. */
struct session_guest adaptive_run_guest(struct adaptive_run *run, struct master *master);

#endif
