#include "cli/ranks.h"

#include <sys/resource.h>

#include "cli/launch_note.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "master/slurm_end.h"
#include "shared/log.h"
#include "worker/cores.h"
#include "worker/executor.h"
#include "worker/worker.h"

#define EXIT_REFUSED 2
#define EXIT_INTERNAL 70
#define EXIT_RESUMABLE 75

/* Who fails says no BYE, and rank 0 would wait for it as it would for rank 0 in MPI_Finalize(). */
static int run_worker(struct transport *transport, struct zygote *zygote, bool *is_clean_out)
{
    struct worker *worker = NULL;
    *is_clean_out = false;
    if (worker_create(transport, zygote, &worker) != STATUS_OK) {
        log_error("no memory to start with");
        return EXIT_INTERNAL;
    }
    signals_listen(false);
    const int exit_status = session_run(transport, NULL, worker);
    signals_close();
    /* Where a lost rank ends the job, rank 0 says when: until then it is waited for. */
    *is_clean_out =
        exit_status == 0 && (worker_may_finalize(worker) || !transport_outlives_losses());
    if (exit_status == EXIT_RESUMABLE) {
        launch_note_orphaned();
    }
    worker_destroy(worker);
    return exit_status;
}

/* What must be there before MPI starts, beside the zygote. */
static enum status open_rank(struct error *err)
{
    if (transport_rank_of_environment() == 0) {
        slurm_end_open();
    }
    return signals_open(err);
}

/* Each slot takes some descriptors. Executors keep the limit that the user has: the zygote was
 * forked before. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int ranks_run(ranks_master *run_master, void *context)
{
    struct transport *transport = NULL;
    struct zygote *zygote = NULL;
    struct error err;
    bool is_parallel = false;
    bool is_clean = true;
    if (transport_is_parallel(&is_parallel, &err) != STATUS_OK) {
        if (transport_rank_of_environment() == 0) {
            log_error("%s", err.text);
        }
        return EXIT_REFUSED;
    }
    cores_unbind();
    const struct zygote_duties duties = executor_duties();
    if (zygote_create(&duties, &zygote, &err) != STATUS_OK || open_rank(&err) != STATUS_OK ||
        transport_open(is_parallel, &transport, &err) != STATUS_OK) {
        log_error("%s", err.text);
        slurm_end_close();
        zygote_destroy(zygote);
        return EXIT_INTERNAL;
    }
    raise_descriptors();
    log_set_rank((int)transport_rank(transport));
    if (transport_rank(transport) == 0) {
        launch_note_up();
    }
    const int exit_status = transport_rank(transport) == 0
                                ? run_master(context, transport, zygote, &is_clean)
                                : run_worker(transport, zygote, &is_clean);
    slurm_end_close();
    zygote_destroy(zygote);
    executor_remove_workdirs(); /* where the zygote was killed, or runs nothing */
    if (transport_rank(transport) == 0) {
        launch_note_over(exit_status);
    }
    if (!is_clean && transport_size(transport) > 1) {
        transport_leave(transport, exit_status);
    }
    transport_close(transport, true, exit_status);
    return exit_status;
}
