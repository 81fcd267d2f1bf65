#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report_data.h"
#include "cli/report_page.h"
#include "cli/trace.h"
#include "shared/log.h"
#include "shared/path.h"

enum { EXIT_WRITTEN = 0, EXIT_NOT_WRITTEN = 1, EXIT_REFUSED = 2 };

/* ---- Writing ----------------------------------------------------------------------------------
 */

static MUST_CHECK enum status write_all(int file, const struct buffer *text)
{
    for (size_t at = 0; at < text->size;) {
        const ssize_t count = write(file, text->data + at, text->size - at);
        if (count < 0 && errno != EINTR) {
            return STATUS_IO;
        }
        at += count > 0 ? (size_t)count : 0;
    }
    return STATUS_OK;
}

/* Beside its place, and then into it: who looks at the page meanwhile has the old one or the new.
 * It can be made again from the log, so that nobody waits for the disk. */
static MUST_CHECK enum status write_page(const char *path, const struct buffer *text,
                                         struct error *err)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof(beside), "%s.%ld", path, (long)getpid()) >= (int)sizeof(beside)) {
        return error_set(err, STATUS_IO, "%s: %s", path, strerror(ENAMETOOLONG));
    }
    const int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) {
        return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    enum status status = write_all(file, text);
    int reason = errno;
    if (close(file) != 0 && status == STATUS_OK) {
        reason = errno;
        status = STATUS_IO;
    }
    if (status == STATUS_OK && rename(beside, path) != 0) {
        reason = errno;
        status = STATUS_IO;
    }
    if (status != STATUS_OK) {
        (void)unlink(beside);
        return error_set(err, status, "%s: %s", path, strerror(reason));
    }
    return STATUS_OK;
}

/* A pipe or a device is written as it is. */
static bool is_plain_path(const char *path)
{
    struct stat about;
    return stat(path, &about) != 0 || S_ISREG(about.st_mode);
}

static MUST_CHECK enum status write_to(const char *path, const struct buffer *text,
                                       struct error *err)
{
    if (strcmp(path, "-") == 0) {
        return write_all(STDOUT_FILENO, text) == STATUS_OK
                   ? STATUS_OK
                   : error_set(err, STATUS_IO, "standard output: %s", strerror(errno));
    }
    if (is_plain_path(path)) {
        return write_page(path, text, err);
    }
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    const enum status status = write_all(file, text);
    if (status != STATUS_OK) {
        (void)error_set(err, status, "%s: %s", path, strerror(errno));
    }
    (void)close(file);
    return status;
}

/* *is_run_out: the directory is one of a run. */
static MUST_CHECK enum status make(const char *run_dir, bool is_quick, const char *path,
                                   bool *is_run_out, struct error *err)
{
    struct report_data data;
    struct buffer text = {0};
    *is_run_out = false;
    enum status status = report_data_collect(run_dir, is_quick, &data, err);
    if (status != STATUS_OK) {
        return status;
    }
    *is_run_out = true;
    status = report_page(&data, &text);
    if (status != STATUS_OK) {
        (void)error_set(err, status, "%s", status_text(status));
    }
    report_data_free(&data);
    if (status == STATUS_OK) {
        status = write_to(path, &text, err);
    }
    buffer_free(&text);
    return status;
}

/* ---- The verb ---------------------------------------------------------------------------------
 */

int report_main(const struct options *options)
{
    char path[PATH_MAX];
    struct error err;
    bool is_run = false;
    const char *output = options->values[OPTION_REPORT_OUTPUT];
    const char *trace = options->values[OPTION_TRACE];
    if (options->word_count != 1) {
        log_error("report: expected one run directory, found %zu", options->word_count);
        return EXIT_REFUSED;
    }
    const char *run_dir = options->words[0];
    if (output == NULL) {
        if (snprintf(path, sizeof(path), "%s/" REPORT_FILE, run_dir) >= (int)sizeof(path)) {
            log_error("report: %s: %s", run_dir, strerror(ENAMETOOLONG));
            return EXIT_REFUSED;
        }
        output = path;
    }
    enum status status = make(run_dir, false, output, &is_run, &err);
    if (status == STATUS_OK && trace != NULL) {
        status = trace_write(run_dir, false, trace, &err);
    }
    if (status != STATUS_OK) {
        log_error("report: %s", err.text);
        return is_run ? EXIT_NOT_WRITTEN : EXIT_REFUSED;
    }
    if (strcmp(output, "-") != 0) {
        log_info("report: %s", output);
    }
    return EXIT_WRITTEN;
}

void report_leave(const char *run_dir, const char *trace)
{
    char path[PATH_MAX];
    struct error err;
    bool is_run = false;
    if (snprintf(path, sizeof(path), "%s/" REPORT_FILE, run_dir) >= (int)sizeof(path)) {
        return;
    }
    enum status status = make(run_dir, true, path, &is_run, &err);
    if (status == STATUS_NOT_FOUND) {
        return;
    }
    if (status != STATUS_OK) {
        log_warning("no page of the run was written: %s", err.text);
    }
    if (trace != NULL && trace_write(run_dir, true, trace, &err) != STATUS_OK) {
        log_warning("no trace of the run was written: %s", err.text);
    }
}
