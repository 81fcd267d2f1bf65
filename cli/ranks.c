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

/* All zygotes are forked here, before MPI starts. */
static enum status fork_zygotes(struct ranks *ranks, const struct zygote_duties *workflow,
                                struct error *err)
{
    const struct zygote_duties duties = executor_duties();
    const enum status status = zygote_create(&duties, &ranks->zygote, err);
    return status == STATUS_OK && workflow != NULL && transport_rank_of_environment() == 0
               ? zygote_create(workflow, &ranks->workflow, err)
               : status;
}

static void destroy_zygotes(const struct ranks *ranks)
{
    zygote_destroy(ranks->workflow);
    zygote_destroy(ranks->zygote);
}

static int run_rank(ranks_master *run_master, const struct ranks *ranks, void *context,
                    bool *is_clean_out)
{
    if (transport_rank(ranks->transport) != 0) {
        return run_worker(ranks->transport, ranks->zygote, is_clean_out);
    }
    launch_note_up();
    return run_master(context, ranks, is_clean_out);
}

int ranks_run(ranks_master *run_master, const struct zygote_duties *workflow, void *context)
{
    struct ranks ranks = {.transport = NULL};
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
    if (fork_zygotes(&ranks, workflow, &err) != STATUS_OK || open_rank(&err) != STATUS_OK ||
        transport_open(is_parallel, &ranks.transport, &err) != STATUS_OK) {
        log_error("%s", err.text);
        slurm_end_close();
        destroy_zygotes(&ranks);
        return EXIT_INTERNAL;
    }
    raise_descriptors();
    log_set_rank((int)transport_rank(ranks.transport));
    const int exit_status = run_rank(run_master, &ranks, context, &is_clean);
    slurm_end_close();
    destroy_zygotes(&ranks);
    executor_remove_workdirs(); /* where the zygote was killed, or runs nothing */
    if (transport_rank(ranks.transport) == 0) {
        launch_note_over(exit_status);
    }
    if (!is_clean && transport_size(ranks.transport) > 1) {
        transport_leave(ranks.transport, exit_status);
    }
    transport_close(ranks.transport, true, exit_status);
    return exit_status;
}
