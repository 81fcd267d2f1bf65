/* A job that is not here, or not as rank 0 has it, and that rank 0 sends. One rank of each node
 * brings it to the node's place for it (job_place.h): it asks for the bytes from where it has them
 * all, and gets so many as rank 0 chooses, until it has the last. An answer that comes twice is
 * told by its offset. The others wait for it there; should that rank die, one of them takes its
 * part. */
#include "worker/worker_private.h"

#include <assert.h>
#include <inttypes.h>

#include "shared/log.h"

#define LOOK_EVERY_US 10000

/* The hint that every refusal of a job has that is not here. */
static enum status hint(struct error *reason)
{
    return error_set(reason, STATUS_NO_JOB, "%s (--ship-job sends the job of rank 0 along)",
                     reason->text);
}

bool worker_is_fetching(const struct worker *worker)
{
    return worker->fetch == FETCH_LOOKING || worker->fetch == FETCH_BRINGING;
}

enum status worker_fetch(struct worker *worker, uint64_t now_us, struct error *reason)
{
    const struct wire_start *start = &worker->start.as.start;
    if (*start->ship_token == '\0' || *start->job_path == '\0') {
        return *start->job_path == '\0' ? STATUS_NO_JOB : hint(reason);
    }
    if (worker->fetch != FETCH_NONE) {
        return STATUS_NO_JOB; /* it was sent, and is not there all the same */
    }
    const enum status status =
        job_place_create(start->ship_token, start->job_path, &worker->place, reason);
    if (status == STATUS_OK) {
        worker->fetch = FETCH_LOOKING;
        worker->fetch_us = now_us;
        worker->look_us = now_us;
    }
    return status;
}

static enum status ask(struct worker *worker, struct error *err)
{
    const struct wire_message message = {.kind = WIRE_FETCH,
                                         .as.fetch = {.offset = worker->fetched_size}};
    return worker_send(worker, &message, err);
}

enum status worker_fetch_again(struct worker *worker, struct error *err)
{
    return worker->fetch == FETCH_BRINGING ? ask(worker, err) : STATUS_OK;
}

/* Another rank of the node brings it: as long as more of it comes, there is time. */
static void see_it_come(struct worker *worker, uint64_t now_us)
{
    const uint64_t size = job_place_size(worker->place);
    worker->fetch_us = size != worker->fetched_size ? now_us : worker->fetch_us;
    worker->fetched_size = size;
    worker->look_us = now_us + LOOK_EVERY_US;
}

static enum status look(struct worker *worker, uint64_t now_us, bool *did_something,
                        struct error *reason)
{
    enum job_place_state state;
    const enum status status = job_place_look(worker->place, &state, reason);
    if (status != STATUS_OK) {
        return status;
    }
    switch (state) {
    case JOB_PLACE_BUSY:
        see_it_come(worker, now_us);
        return STATUS_OK;
    case JOB_PLACE_MINE:
        *did_something = true;
        worker->fetch = FETCH_BRINGING;
        worker->fetch_us = now_us;
        worker->fetched_size = 0;
        return ask(worker, reason);
    case JOB_PLACE_HERE:
        *did_something = true;
        worker->fetch = FETCH_DONE;
        return worker_load_job(worker, job_place_library(worker->place), now_us, reason);
    }
    return STATUS_OK;
}

enum status worker_fetch_turn(struct worker *worker, uint64_t now_us, bool *did_something,
                              struct error *reason)
{
    assert(worker_is_fetching(worker));
    if (now_us - worker->fetch_us >= worker->prepare_us_max) {
        return error_set(reason, STATUS_LIMIT, "job %s was not sent in time",
                         worker->start.as.start.job_path);
    }
    return worker->fetch == FETCH_LOOKING && now_us >= worker->look_us
               ? look(worker, now_us, did_something, reason)
               : STATUS_OK;
}

uint64_t worker_fetch_deadline_us(const struct worker *worker)
{
    const uint64_t end_us = worker->fetch_us + worker->prepare_us_max;
    return worker->fetch == FETCH_LOOKING ? smaller(worker->look_us, end_us) : end_us;
}

static enum status take(struct worker *worker, const struct wire_library *library, uint64_t now_us,
                        struct error *reason)
{
    enum status status = job_place_add(worker->place, library->bytes, library->size, reason);
    worker->fetched_size += library->size;
    worker->fetch_us = now_us;
    if (status == STATUS_OK && worker->fetched_size < library->total_size) {
        return ask(worker, reason);
    }
    if (status == STATUS_OK) {
        status = job_place_finish(worker->place, worker->start.as.start.job_digest, reason);
    }
    worker->fetch = FETCH_LOOKING;
    worker->look_us = now_us;
    return status;
}

enum status worker_on_library(struct worker *worker, const struct wire_library *library,
                              uint64_t now_us, struct error *err)
{
    struct error refusal;
    const char *ignored = worker->state != WORKER_PREPARING || worker->fetch != FETCH_BRINGING
                              ? "not_asked"
                          : library->offset != worker->fetched_size ? "other_offset"
                                                                    : NULL;
    if (ignored != NULL) {
        log_warning("library ignored reason=%s offset=%" PRIu64, ignored, library->offset);
        return STATUS_OK;
    }
    if (take(worker, library, now_us, &refusal) == STATUS_OK) {
        return STATUS_OK;
    }
    worker->state = WORKER_WAITING;
    worker->fetch = FETCH_DONE;
    return worker_send_ready(worker, refusal.text, false, err);
}
