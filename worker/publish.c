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

#include "shared/path.h"
#include "shared/remote.h"

#define COPY_SIZE_MAX ((size_t)1 << 30)
#define PIECE_SIZE 65536

static enum status set_reason(struct error *err, const char *what, const char *path)
{
    const int reason = errno;
    return error_set(err, status_of_write(reason), "%s%s: %s", what, path, strerror(reason));
}

/* Make the folders of `path` behind its first bytes; those that are there already are fine. */
static enum status make_folders(char *path, size_t base_size, mode_t mode, struct error *err)
{
    for (char *slash = strchr(path + base_size + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, mode) != 0 && errno != EEXIST) {
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

/* Where a local one goes. */
static enum status target_path(const char *run_dir, const char *published, char path_out[PATH_MAX],
                               struct error *err)
{
    const bool is_absolute = published[0] == '/';
    const int size = snprintf(path_out, PATH_MAX, "%s%s%s", is_absolute ? "" : run_dir,
                              is_absolute ? "" : "/", published);
    return size < PATH_MAX
               ? STATUS_OK
               : error_set(err, STATUS_LIMIT, "%s%s%s: the path is too long",
                           is_absolute ? "" : run_dir, is_absolute ? "" : "/", published);
}

static enum status publish_locally(const char *run_dir, const struct writer_file *file,
                                   struct error *err)
{
    char target[PATH_MAX];
    const bool is_ours = file->published[0] != '/';
    enum status status = target_path(run_dir, file->published, target, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (rename(file->source, target) == 0) {
        return STATUS_OK;
    }
    if (errno == ENOENT) {
        status = make_folders(target, is_ours ? strlen(run_dir) : 0, is_ours ? 0700 : 0777, err);
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
    status = set_reason(err, "", target);
    error_prefix(err, "publishing %s as ", file->source);
    return status;
}

static enum status publish_file(const struct publish_target *target, const struct writer_file *file,
                                struct error *err)
{
    struct remote *remote;
    if (!path_is_url(file->published)) {
        return publish_locally(target->run_dir, file, err);
    }
    enum status status = staging_remote(target->staging, &remote, err);
    if (status == STATUS_OK) {
        status = remote_put(remote, file->published, file->source, err);
    }
    return status;
}

/* As far as that is possible: a server that cannot be reached any more keeps it. */
static void take_back(const struct publish_target *target, const struct writer_file *file)
{
    char path[PATH_MAX];
    struct remote *remote;
    if (path_is_url(file->published)) {
        if (staging_remote(target->staging, &remote, NULL) == STATUS_OK) {
            (void)!remote_remove(remote, file->published, NULL);
        }
    } else if (target_path(target->run_dir, file->published, path, NULL) == STATUS_OK) {
        (void)unlink(path);
    }
}

enum status publish_files(const struct publish_target *target, const struct writer_file *files,
                          size_t file_count, struct error *err)
{
    for (size_t i = 0; i < file_count; i++) {
        const enum status status = publish_file(target, &files[i], err);
        if (status != STATUS_OK) {
            for (size_t k = 0; k < i; k++) {
                take_back(target, &files[k]);
            }
            return status;
        }
    }
    return STATUS_OK;
}
