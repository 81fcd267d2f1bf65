#include "master/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE_MIN ((size_t)4096)

static enum status set_io_error(const char *path, struct error *err, const char *what)
{
    return error_set(err, STATUS_IO, "%s: %s: %s", path, what, strerror(errno));
}

static MUST_CHECK enum status read_all(int file, const char *path, struct buffer *out,
                                       struct error *err)
{
    for (;;) {
        const enum status status = buffer_reserve(out, READ_SIZE_MIN);
        if (status != STATUS_OK) {
            return error_set(err, status, "%s: %s", path, status_text(status));
        }
        const ssize_t count = read(file, out->data + out->size, out->capacity - out->size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return set_io_error(path, err, "read");
        }
        if (count == 0) {
            return STATUS_OK;
        }
        out->size += (size_t)count;
    }
}

enum status file_read(const char *path, struct buffer *out, struct error *err)
{
    const size_t start = out->size;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        const enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return error_set(err, status, "%s: %s", path, strerror(errno));
    }
    const enum status status = read_all(file, path, out, err);
    if (status != STATUS_OK) {
        out->size = start;
    }
    (void)close(file);
    return status;
}

static MUST_CHECK enum status write_all(int file, const char *path, const uint8_t *data,
                                        size_t size, struct error *err)
{
    while (size > 0) {
        const ssize_t count = write(file, data, size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return set_io_error(path, err, "write");
        }
        data += count;
        size -= (size_t)count;
    }
    return STATUS_OK;
}

enum status file_sync_directory(const char *dir, struct error *err)
{
    const int file = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) {
        return set_io_error(dir, err, "open");
    }
    const enum status status = fsync(file) == 0 ? STATUS_OK : set_io_error(dir, err, "sync");
    (void)close(file);
    return status;
}

/* The new file under a name of its own, with its bytes on disk. */
static MUST_CHECK enum status write_new(char *path, const void *data, size_t size,
                                        struct error *err)
{
    const int file = mkostemp(path, O_CLOEXEC);
    if (file < 0) {
        return set_io_error(path, err, "create");
    }
    enum status status = write_all(file, path, data, size, err);
    if (status == STATUS_OK && (fchmod(file, 0644) != 0 || fsync(file) != 0)) {
        status = set_io_error(path, err, "sync");
    }
    if (close(file) != 0 && status == STATUS_OK) {
        status = set_io_error(path, err, "close");
    }
    if (status != STATUS_OK) {
        (void)unlink(path);
    }
    return status;
}

enum status file_replace(const char *dir, const char *name, const void *data, size_t size,
                         struct error *err)
{
    enum status status = STATUS_OK;
    char *path = NULL;
    char *new_path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        path = NULL;
        status = error_set(err, STATUS_NO_MEMORY, "%s/%s: out of memory", dir, name);
        goto done;
    }
    if (asprintf(&new_path, "%s/.%s.XXXXXX", dir, name) < 0) {
        new_path = NULL;
        status = error_set(err, STATUS_NO_MEMORY, "%s/%s: out of memory", dir, name);
        goto done;
    }
    status = write_new(new_path, data, size, err);
    if (status != STATUS_OK) {
        goto done;
    }
    if (rename(new_path, path) != 0) {
        status = set_io_error(path, err, "rename");
        (void)unlink(new_path);
        goto done;
    }
    status = file_sync_directory(dir, err);

done:
    free(path);
    free(new_path);
    return status;
}
