#include "worker/workflow_zygote.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/environment.h"
#include "shared/memory.h"
#include "shared/pack.h"
#include "shared/unpack.h"
#include "shared/workflow_port.h"
#include "worker/describe.h"
#include "worker/relay.h"

#define PROCESS_NUMBER 1

enum process_fd { PROCESS_SOCKET, PROCESS_PRINTS, PROCESS_FD_COUNT };

/* ---- In the zygote, and in the process --------------------------------------------------------
 */

/* What was loaded; the process that is forked finds it here. */
static struct {
    struct job *job;
    workflow_life *run;
} prepared;

static char *get_text(struct unpack *in)
{
    size_t size;
    const char *text = unpack_str(in, &size);
    char *copy = memory_take(size + 1, 1);
    memcpy(copy, text, size);
    return copy;
}

static enum status load(const char *path, const char *launch_dir, const uint8_t *digest,
                        struct error *err)
{
    if (chdir(launch_dir) != 0) {
        return error_set(err, STATUS_NOT_FOUND, "the folder %s, in which the run was started: %s",
                         launch_dir, strerror(errno));
    }
    return *path == '\0' ? job_open("", &prepared.job, err)
                         : job_load(path, digest, &prepared.job, err);
}

static enum status prepare(void *context, const void *request, size_t size, struct error *err)
{
    (void)context;
    struct unpack in = unpack_start(request, size);
    size_t digest_size = 0;
    char *path = get_text(&in);
    char *launch_dir = get_text(&in);
    const uint8_t *digest = unpack_bin(&in, &digest_size);
    environment_leave_mpi();
    const enum status status =
        unpack_is_done(&in) && digest_size == JOB_DIGEST_SIZE
            ? load(path, launch_dir, digest, err)
            : error_set(err, STATUS_PROTOCOL, "the workflow's zygote was asked for nonsense");
    free(path);
    free(launch_dir);
    return status;
}

static int run_process(void *context, uint32_t slot, const int *fds, size_t fd_count)
{
    (void)context;
    (void)slot;
    if (fd_count != PROCESS_FD_COUNT || prepared.job == NULL) {
        return EXIT_FAILURE;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (dup2(fds[PROCESS_PRINTS], STDOUT_FILENO) < 0 ||
        dup2(fds[PROCESS_PRINTS], STDERR_FILENO) < 0) {
        return EXIT_FAILURE;
    }
    (void)close(fds[PROCESS_PRINTS]);
    return prepared.run(prepared.job, fds[PROCESS_SOCKET]);
}

struct zygote_duties workflow_zygote_duties(workflow_life *run)
{
    prepared.run = run;
    return (struct zygote_duties){.prepare = prepare, .run = run_process};
}

/* ---- In rank 0 --------------------------------------------------------------------------------
 */

struct workflow_zygote {
    struct zygote *zygote;
    const struct job *job;
    struct relay relay;
    int its_socket; /* the process's end, until it is forked; -1 */
    bool has_ended;
};

static enum status ask_to_prepare(struct zygote *zygote, const struct job *job,
                                  const char *launch_dir, struct error *err)
{
    struct buffer request = {0};
    struct pack out;
    pack_start(&out, &request);
    pack_text(&out, job->path);
    pack_text(&out, launch_dir);
    pack_bytes(&out, job->digest, JOB_DIGEST_SIZE);
    enum status status = pack_finish(&out);
    status = status == STATUS_OK ? zygote_prepare(zygote, request.data, request.size, err)
                                 : error_set(err, status, "no memory to start a workflow with");
    buffer_free(&request);
    return status;
}

enum status workflow_zygote_start(struct zygote *zygote, const struct job *job,
                                  const char *launch_dir, struct workflow_zygote **process_out,
                                  int *socket_out, struct error *err)
{
    struct workflow_zygote *process = memory_take(1, sizeof(*process));
    int sockets[2] = {-1, -1};
    process->zygote = zygote;
    process->job = job;
    process->relay = (struct relay){.from = -1, .to = -1};
    process->its_socket = -1;
    enum status status = relay_open(&process->relay, false, err);
    if (status == STATUS_OK) {
        status = workflow_port_pair(sockets, err);
        process->its_socket = sockets[1];
    }
    if (status == STATUS_OK) {
        status = ask_to_prepare(zygote, job, launch_dir, err);
    }
    if (status != STATUS_OK) {
        if (sockets[0] >= 0) {
            (void)close(sockets[0]);
        }
        workflow_zygote_destroy(process);
        return status;
    }
    *process_out = process;
    *socket_out = sockets[0];
    return STATUS_OK;
}

static void close_its_socket(struct workflow_zygote *process)
{
    if (process->its_socket >= 0) {
        (void)close(process->its_socket);
    }
    process->its_socket = -1;
}

void workflow_zygote_destroy(struct workflow_zygote *process)
{
    struct error ignored; /* of a zygote that is gone */
    if (process == NULL) {
        return;
    }
    if (!process->has_ended) {
        (void)!zygote_signal(process->zygote, PROCESS_NUMBER, SIGKILL, &ignored);
    }
    relay_drain(&process->relay);
    relay_close(&process->relay);
    close_its_socket(process);
    free(process);
}

static enum status fork_process(struct workflow_zygote *process, struct error *err)
{
    const int fds[PROCESS_FD_COUNT] = {
        [PROCESS_SOCKET] = process->its_socket, [PROCESS_PRINTS] = process->relay.to};
    const enum status status =
        zygote_fork(process->zygote, PROCESS_NUMBER, 0, fds, PROCESS_FD_COUNT, err);
    close_its_socket(process); /* so that its end is the end of the socket */
    return status;
}

/* One event. On failure it cannot begin, or its zygote is gone. */
static enum status on_event(struct workflow_zygote *process, const struct zygote_event *event,
                            int *wait_status_out, struct error *err)
{
    switch (event->kind) {
    case ZYGOTE_PREPARED:
        return event->status == STATUS_OK ? fork_process(process, err)
                                          : error_set(err, event->status, "%s", event->error.text);
    case ZYGOTE_FORKED:
        return event->status == STATUS_OK ? STATUS_OK
                                          : error_set(err, event->status, "%s", event->error.text);
    case ZYGOTE_ENDED:
        process->has_ended = true;
        *wait_status_out = event->wait_status;
        return STATUS_OK;
    case ZYGOTE_DESCRIBED:
        break;
    }
    return STATUS_OK;
}

bool workflow_zygote_turn(struct workflow_zygote *process, int *wait_status_out, struct error *err)
{
    struct zygote_event event;
    bool is_event = true;
    enum status status = STATUS_OK;
    relay_forward(&process->relay);
    err->text[0] = '\0';
    while (status == STATUS_OK && is_event && !process->has_ended) {
        status = zygote_take_event(process->zygote, &event, &is_event, err);
        if (status == STATUS_IO) {
            (void)describe_end(process->zygote, process->job->path, err);
        } else if (status == STATUS_OK && is_event) {
            status = on_event(process, &event, wait_status_out, err);
        }
    }
    if (status != STATUS_OK) {
        process->has_ended = true;
        *wait_status_out = 0;
    }
    return process->has_ended;
}

void workflow_zygote_descriptors(const struct workflow_zygote *process,
                                 struct pollfd fds[WORKFLOW_ZYGOTE_FD_COUNT])
{
    fds[0] = (struct pollfd){.fd = process->has_ended ? -1 : zygote_descriptor(process->zygote),
                             .events = POLLIN};
    fds[1] = relay_descriptor(&process->relay);
}
