#include "worker/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE_MAX ((size_t)1 << 30)

/* Make the folders of `path` below the run directory; those that are there already are fine. */
static void make_folders(char *path, size_t run_dir_size)
{
    for (char *slash = strchr(path + run_dir_size + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

static enum status copy_bytes(int from, int to, const char *source, struct error *err)
{
    for (;;) {
        const ssize_t copied = sendfile(to, from, NULL, COPY_SIZE_MAX);
        if (copied == 0) {
            return STATUS_OK;
        }
        if (copied < 0 && errno != EINTR) {
            return error_set(err, STATUS_IO, "copying %s: %s", source, strerror(errno));
        }
    }
}

static enum status copy(const char *source, const char *target, struct error *err)
{
    enum status status = STATUS_OK;
    const int from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (from < 0 || to < 0) {
        status = error_set(err, STATUS_IO, "%s: %s", from < 0 ? source : target, strerror(errno));
        goto done;
    }
    status = copy_bytes(from, to, source, err);

done:
    if (from >= 0) {
        (void)close(from);
    }
    if (to >= 0 && close(to) != 0 && status == STATUS_OK) {
        status = error_set(err, STATUS_IO, "%s: %s", target, strerror(errno));
    }
    return status;
}

static enum status copy_and_rename(const char *source, const char *target, struct error *err)
{
    char partial[PATH_MAX];
    if (snprintf(partial, sizeof(partial), "%s.partial", target) >= (int)sizeof(partial)) {
        return error_set(err, STATUS_LIMIT, "%s: the path is too long", target);
    }
    enum status status = copy(source, partial, err);
    if (status == STATUS_OK && rename(partial, target) != 0) {
        status = error_set(err, STATUS_IO, "%s: %s", target, strerror(errno));
    }
    if (status != STATUS_OK) {
        (void)unlink(partial);
    }
    return status;
}

static enum status publish_file(const char *run_dir, const struct writer_file *file,
                                struct error *err)
{
    char target[PATH_MAX];
    if (snprintf(target, sizeof(target), "%s/%s", run_dir, file->published) >=
        (int)sizeof(target)) {
        return error_set(err, STATUS_LIMIT, "%s/%s: the path is too long", run_dir,
                         file->published);
    }
    if (rename(file->source, target) == 0) {
        return STATUS_OK;
    }
    if (errno == ENOENT) {
        make_folders(target, strlen(run_dir));
        if (rename(file->source, target) == 0) {
            return STATUS_OK;
        }
    }
    if (errno == EXDEV) {
        return copy_and_rename(file->source, target, err);
    }
    return error_set(err, STATUS_IO, "publishing %s as %s: %s", file->source, target,
                     strerror(errno));
}

enum status publish_files(const char *run_dir, const struct writer_file *files, size_t file_count,
                          struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < file_count && status == STATUS_OK; i++) {
        status = publish_file(run_dir, &files[i], err);
    }
    return status;
}
