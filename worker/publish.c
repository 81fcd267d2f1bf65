#include "worker/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE_MAX ((size_t)1 << 30)
#define PIECE_SIZE 65536

static enum status set_reason(struct error *err, const char *what, const char *path)
{
    const int reason = errno;
    return error_set(err, status_of_write(reason), "%s%s: %s", what, path, strerror(reason));
}

/* Make the folders of `path` below the run directory; those that are there already are fine. */
static enum status make_folders(char *path, size_t run_dir_size, struct error *err)
{
    for (char *slash = strchr(path + run_dir_size + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            return set_reason(err, "", path);
        }
        *slash = '/';
    }
    return STATUS_OK;
}

/* As sendfile() does, for file systems that it cannot serve. */
static ssize_t copy_piece(int from, int to)
{
    char piece[PIECE_SIZE];
    const ssize_t size = read(from, piece, sizeof(piece));
    for (ssize_t done = 0; done < size;) {
        const ssize_t count = write(to, piece + done, (size_t)(size - done));
        if (count < 0 && errno != EINTR) {
            return -1;
        }
        done += count > 0 ? count : 0;
    }
    return size;
}

static enum status copy_bytes(int from, int to, const char *source, struct error *err)
{
    bool is_served = true;
    for (;;) {
        const ssize_t copied =
            is_served ? sendfile(to, from, NULL, COPY_SIZE_MAX) : copy_piece(from, to);
        if (copied == 0) {
            return STATUS_OK;
        }
        if (copied < 0 && is_served && (errno == EINVAL || errno == ENOSYS)) {
            is_served = false;
        } else if (copied < 0 && errno != EINTR) {
            return set_reason(err, "copying ", source);
        }
    }
}

static enum status copy(const char *source, const char *target, struct error *err)
{
    enum status status = STATUS_OK;
    int to = -1;
    const int from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0) {
        return error_set(err, STATUS_IO, "%s: %s", source, strerror(errno));
    }
    to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (to < 0) {
        status = set_reason(err, "", target);
        goto done;
    }
    status = copy_bytes(from, to, source, err);

done:
    (void)close(from);
    if (to >= 0 && close(to) != 0 && status == STATUS_OK) {
        status = set_reason(err, "", target);
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
        status = set_reason(err, "", target);
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
        const enum status status = make_folders(target, strlen(run_dir), err);
        if (status != STATUS_OK) {
            return status;
        }
        if (rename(file->source, target) == 0) {
            return STATUS_OK;
        }
    }
    if (errno == EXDEV) {
        return copy_and_rename(file->source, target, err);
    }
    const enum status status = set_reason(err, "", target);
    error_prefix(err, "publishing %s as ", file->source);
    return status;
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
