#include "worker/describe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/clock.h"
#include "shared/job_description.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/quantity.h"
#include "worker/relay.h"

#define PATIENCE_VARIABLE "MAPFLEET_LOAD_PATIENCE"
#define PATIENCE_US 60000000
/* After so long, say what is waited for. */
#define NOTICE_US 3000000

struct waiting {
    struct zygote *zygote;
    const char *path;
    uint64_t time_us_max;
    uint64_t started_us;
    bool is_noticed;
    int answer; /* memory that the zygote writes into */
    struct relay relay;
};

static const char *name_of(const char *path)
{
    return *path != '\0' ? path : "the program";
}

enum status describe_patience(uint64_t *time_us_out, struct error *err)
{
    const char *text = getenv(PATIENCE_VARIABLE);
    uint64_t patience_ns = 0;
    *time_us_out = PATIENCE_US;
    if (text == NULL) {
        return STATUS_OK;
    }
    const enum status status = quantity_parse_time(text, &patience_ns, err);
    if (status != STATUS_OK) {
        error_prefix(err, PATIENCE_VARIABLE ": ");
        return status;
    }
    *time_us_out = patience_ns / 1000;
    return STATUS_OK;
}

enum status describe_too_long(const char *path, uint64_t time_us_max, struct error *err)
{
    char time[QUANTITY_TEXT_SIZE];
    return error_set(err, STATUS_INVALID, "mf_job of %s did not return within %s", name_of(path),
                     quantity_time_text(time_us_max * 1000, time));
}

enum status describe_end(struct zygote *zygote, const char *path, struct error *err)
{
    const int wait_status = zygote_end_status(zygote);
    if (wait_status == -1) {
        return error_set(err, STATUS_INVALID, "mf_job of %s has cut its process off from mapfleet",
                         name_of(path));
    }
    if (WIFSIGNALED(wait_status)) {
        return error_set(err, STATUS_INVALID, "mf_job of %s ended with SIG%s (%s)", name_of(path),
                         sigabbrev_np(WTERMSIG(wait_status)), strsignal(WTERMSIG(wait_status)));
    }
    return error_set(err, STATUS_INVALID, "mf_job of %s ended its process with exit status %d",
                     name_of(path), WEXITSTATUS(wait_status));
}

/* ---- Waiting ----------------------------------------------------------------------------------
 */

/* Milliseconds until something has to be said or ended; -1: nothing has. */
static int poll_ms(const struct waiting *waiting, uint64_t waited_us)
{
    uint64_t until_us = waiting->is_noticed ? UINT64_MAX : NOTICE_US;
    if (waiting->time_us_max > 0 && waiting->time_us_max < until_us) {
        until_us = waiting->time_us_max;
    }
    if (until_us == UINT64_MAX) {
        return -1;
    }
    return until_us > waited_us ? (int)((until_us - waited_us) / 1000) + 1 : 0;
}

static enum status wait_once(struct waiting *waiting, struct error *err)
{
    const uint64_t waited_us = clock_us() - waiting->started_us;
    if (waiting->time_us_max > 0 && waited_us >= waiting->time_us_max) {
        return describe_too_long(waiting->path, waiting->time_us_max, err);
    }
    if (!waiting->is_noticed && waited_us >= NOTICE_US) {
        waiting->is_noticed = true;
        log_info("waiting for mf_job of %s to return", name_of(waiting->path));
    }
    struct pollfd fds[] = {{.fd = zygote_descriptor(waiting->zygote), .events = POLLIN},
                           relay_descriptor(&waiting->relay)};
    (void)poll(fds, 2, poll_ms(waiting, waited_us));
    relay_forward(&waiting->relay);
    return STATUS_OK;
}

static enum status wait_for_event(struct waiting *waiting, struct error *err)
{
    struct zygote_event event;
    bool is_event = false;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !is_event) {
        status = wait_once(waiting, err);
        if (status == STATUS_OK) {
            status = zygote_take_event(waiting->zygote, &event, &is_event, err);
        }
    }
    relay_drain(&waiting->relay);
    if (status == STATUS_IO) {
        return describe_end(waiting->zygote, waiting->path, err);
    }
    if (status != STATUS_OK) {
        if (status == STATUS_PROTOCOL) {
            error_prefix(err, "mf_job of %s: ", name_of(waiting->path));
        }
        return status;
    }
    return event.kind == ZYGOTE_DESCRIBED && event.status == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "%s", event.error.text);
}

/* ---- The answer -------------------------------------------------------------------------------
 */

/* It is read, not mapped: the other side may still change it. */
static enum status read_answer(const struct waiting *waiting, struct job **job_out,
                               struct error *err)
{
    struct stat about;
    if (fstat(waiting->answer, &about) != 0 || about.st_size < 0 ||
        (uint64_t)about.st_size > JOB_DESCRIPTION_SIZE_MAX) {
        return error_set(err, STATUS_PROTOCOL, "the description of a job has no possible size");
    }
    const size_t room = (size_t)about.st_size;
    uint8_t *bytes = memory_take(room + 1, 1);
    const ssize_t size = pread(waiting->answer, bytes, room, 0);
    const enum status status = job_of_description(bytes, size > 0 ? (size_t)size : 0, job_out, err);
    free(bytes);
    if (status == STATUS_OK && strcmp((*job_out)->path, waiting->path) != 0) {
        job_destroy(*job_out);
        *job_out = NULL;
        return error_set(err, STATUS_PROTOCOL, "the description is that of another job");
    }
    return status;
}

static enum status ask(struct waiting *waiting, struct job **job_out, struct error *err)
{
    enum status status = relay_open(&waiting->relay, false, err);
    if (status != STATUS_OK) {
        return status;
    }
    waiting->answer = memfd_create("mapfleet-description", MFD_CLOEXEC);
    if (waiting->answer < 0) {
        return error_set(err, STATUS_IO, "no memory for a job's description: %s", strerror(errno));
    }
    status = zygote_describe(waiting->zygote, waiting->path, strlen(waiting->path), waiting->answer,
                             waiting->relay.to, err);
    if (status == STATUS_OK) {
        status = wait_for_event(waiting, err);
    }
    return status == STATUS_OK ? read_answer(waiting, job_out, err) : status;
}

enum status describe_job(struct zygote *zygote, const char *job, uint64_t time_us_max,
                         struct job **job_out, struct error *err)
{
    char *path = NULL;
    enum status status = STATUS_OK;
    if (*job == '\0' || *job == ':') { /* built in */
        path = memory_copy_text(job);
    } else {
        status = job_find(job, &path, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct waiting waiting = {.zygote = zygote,
                              .path = path,
                              .time_us_max = time_us_max,
                              .started_us = clock_us(),
                              .answer = -1,
                              .relay = {.from = -1, .to = -1}};
    status = ask(&waiting, job_out, err);
    if (waiting.answer >= 0) {
        (void)close(waiting.answer);
    }
    relay_close(&waiting.relay);
    free(path);
    return status;
}
