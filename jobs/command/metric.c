/* What a trial reports while its program runs: by lines that it prints, and by lines of a file.
 * Both are followed by inotify; where there is none, they are looked at now and then. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/command/command_private.h"

/* Hidden, so that no glob of --output-file takes it for one of the program's own. */
#define FILE_NAME ".mapfleet-metrics"
#define BLOCK_SIZE ((size_t)65536)

/* ---- Following ----------------------------------------------------------------------------------
 */

static void take_line(void *context, enum metric_line kind, double value)
{
    struct metric *metric = context;
    if (kind == METRIC_LINE_REPORT) {
        mf_report(metric->ctx, (int64_t)metric->count, value);
        metric->count++;
    } else if (metric->count == 0 && !metric->is_odd) {
        metric->is_odd = true;
        mf_report_hint(metric->ctx);
    }
}

static void pass_on(const char *text, size_t size)
{
    while (size > 0) {
        const ssize_t count = write(STDOUT_FILENO, text, size);
        if (count <= 0 && !(count < 0 && errno == EINTR)) {
            return;
        }
        text += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
}

/* What is new in the file since the last look. */
static void follow(struct metric *metric, int file, off_t *at, struct metric_stream *stream,
                   bool is_passed_on)
{
    static char block[BLOCK_SIZE];
    ssize_t count;
    do {
        count = pread(file, block, sizeof(block), *at);
        if (count > 0) {
            *at += count;
            metric_stream_put(stream, block, (size_t)count, take_line, metric);
            if (is_passed_on) {
                pass_on(block, (size_t)count);
            }
        }
    } while (count > 0 || (count < 0 && errno == EINTR));
}

static void watch(const struct metric *metric, const char *path)
{
    if (metric->events >= 0) {
        (void)inotify_add_watch(metric->events, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
    }
}

static void take_other_file(struct metric *metric)
{
    const int file = open(metric->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0) {
        (void)close(metric->file);
        metric->file = file;
        metric->file_at = 0;
        watch(metric, metric->path);
    }
}

/* The program may have put another file in its place, or have emptied it. */
static void mind_file(struct metric *metric)
{
    struct stat there;
    struct stat ours;
    if (fstat(metric->file, &ours) != 0) {
        return;
    }
    if (ours.st_size < metric->file_at) {
        metric->file_at = 0;
    }
    if (stat(metric->path, &there) == 0 &&
        (there.st_ino != ours.st_ino || there.st_dev != ours.st_dev)) {
        take_other_file(metric);
    }
}

void command_metric_look(const struct command *command, struct metric *metric)
{
    char events[4096];
    while (metric->events >= 0 && read(metric->events, events, sizeof(events)) > 0) {
    }
    follow(metric, command->out, &metric->out_at, &metric->out_stream, command->copies_on);
    if (metric->file >= 0) {
        follow(metric, metric->file, &metric->file_at, &metric->file_stream, false);
        mind_file(metric);
    }
}

/* ---- An attempt ---------------------------------------------------------------------------------
 */

const char *command_metric_path(mf_context *ctx, struct command *command)
{
    const char *workdir = mf_workdir(ctx);
    free(command->metric.path);
    command->metric.path = NULL;
    if (workdir != NULL && asprintf(&command->metric.path, "%s/" FILE_NAME, workdir) < 0) {
        command->metric.path = NULL;
    }
    if (command->metric.path == NULL) {
        (void)mf_fail(ctx, "no memory for a path");
    }
    return command->metric.path;
}

bool command_metric_begin(mf_context *ctx, struct command *command)
{
    char path[64];
    struct metric *metric = &command->metric;
    metric->ctx = ctx;
    metric->count = 0;
    metric->is_odd = false;
    metric->out_at = 0;
    metric->file_at = 0;
    metric->out_stream.name = command->metric_name;
    metric->file_stream.name = command->metric_name;
    metric->file =
        open(metric->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (metric->file < 0) {
        (void)mf_fail(ctx, "%s: %s", metric->path, strerror(errno));
        return false;
    }
    metric->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", command->out);
    watch(metric, path);
    watch(metric, metric->path);
    return true;
}

void command_metric_end(const struct command *command, struct metric *metric, bool is_whole)
{
    command_metric_look(command, metric);
    metric_stream_end(&metric->out_stream, is_whole, take_line, metric);
    metric_stream_end(&metric->file_stream, is_whole, take_line, metric);
    (void)close(metric->file);
    if (metric->events >= 0) {
        (void)close(metric->events);
    }
    metric->file = -1;
    metric->events = -1;
}

void command_metric_free(struct metric *metric)
{
    metric_stream_free(&metric->out_stream);
    metric_stream_free(&metric->file_stream);
    free(metric->path);
}
