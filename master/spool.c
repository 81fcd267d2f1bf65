#include "master/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/file.h"

#define COPY_SIZE ((size_t)1024 * 1024)

static enum status fail_memory(const char *name, struct error *err)
{
    return error_set(err, STATUS_NO_MEMORY, "%s: %s", name, status_text(STATUS_NO_MEMORY));
}

static enum status fail_file(const char *name, struct error *err)
{
    return error_set(err, STATUS_IO, "%s: %s", name, strerror(errno));
}

/* NULL where memory ran out. */
static char *join(const char *dir, const char *name, const char *ending)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s%s", dir, name, ending) < 0 ? NULL : path;
}

enum status spool_open(const char *dir, const char *name, struct spool *spool_out,
                       struct error *err)
{
    struct spool spool = {.file = -1, .name = join(dir, name, "")};
    if (spool.name == NULL) {
        return fail_memory(name, err);
    }
    spool.file = open(spool.name, O_RDONLY | O_CLOEXEC);
    if (spool.file < 0) {
        const enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        (void)error_set(err, status, "%s: %s", spool.name, strerror(errno));
        spool_close(&spool);
        return status;
    }
    *spool_out = spool;
    return STATUS_OK;
}

void spool_close(struct spool *spool)
{
    if (spool->file >= 0) {
        (void)close(spool->file);
    }
    free(spool->name);
    *spool = SPOOL_NONE;
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

static int open_unnamed(const char *folder)
{
    const int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0) {
        return file;
    }
    char *path = NULL; /* some file systems have no O_TMPFILE */
    if (asprintf(&path, "%s/mapfleet-XXXXXX", folder) < 0) {
        errno = ENOMEM;
        return -1;
    }
    const int named = mkostemp(path, O_CLOEXEC);
    if (named >= 0) {
        (void)unlink(path);
    }
    free(path);
    return named;
}

static enum status open_temporary(struct spool *spool, struct error *err)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0') {
        folder = "/tmp";
    }
    struct spool opened = SPOOL_NONE;
    if (asprintf(&opened.name, "temporary file in %s (TMPDIR names another folder)", folder) < 0) {
        return fail_memory("temporary file", err);
    }
    opened.file = open_unnamed(folder);
    if (opened.file < 0) {
        const enum status status = fail_file(opened.name, err);
        spool_close(&opened);
        return status;
    }
    *spool = opened;
    return STATUS_OK;
}

static enum status write_at(int file, const char *name, const uint8_t *data, size_t size,
                            uint64_t offset, struct error *err)
{
    while (size > 0) {
        const ssize_t written = pwrite(file, data, size, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return fail_file(name, err);
        }
        data += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return STATUS_OK;
}

enum status spool_append(struct spool *spool, const uint8_t *data, size_t size, struct error *err)
{
    enum status status = spool->file < 0 ? open_temporary(spool, err) : STATUS_OK;
    if (status == STATUS_OK) {
        status = write_at(spool->file, spool->name, data, size, spool->size, err);
    }
    if (status == STATUS_OK) {
        spool->size += size;
    }
    return status;
}

enum status spool_read(const struct spool *spool, uint64_t offset, uint8_t *data, size_t size,
                       struct error *err)
{
    while (size > 0) {
        const ssize_t got = pread(spool->file, data, size, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail_file(spool->name, err);
        }
        if (got == 0) {
            return error_set(err, STATUS_IO, "%s: is shorter than it was", spool->name);
        }
        data += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return STATUS_OK;
}

/* ---- Saving --------------------------------------------------------------------------------- */

static enum status copy_to(const struct spool *spool, int file, const char *name, struct error *err)
{
    uint8_t *piece = malloc(COPY_SIZE);
    if (piece == NULL) {
        return fail_memory(name, err);
    }
    enum status status = STATUS_OK;
    for (uint64_t at = 0; at < spool->size && status == STATUS_OK; at += COPY_SIZE) {
        const uint64_t left = spool->size - at;
        const size_t size = left < COPY_SIZE ? (size_t)left : COPY_SIZE;
        status = spool_read(spool, at, piece, size, err);
        if (status == STATUS_OK) {
            status = write_at(file, name, piece, size, at, err);
        }
    }
    free(piece);
    if (status == STATUS_OK && fsync(file) != 0) {
        status = fail_file(name, err);
    }
    return status;
}

/* A file that is whole and on disk, under `unfinished`; then under `path`, and that on disk too. */
static enum status write_copy(const struct spool *spool, int file, const char *unfinished,
                              const char *path, const char *dir, struct error *err)
{
    enum status status = copy_to(spool, file, unfinished, err);
    if (status == STATUS_OK && rename(unfinished, path) != 0) {
        status = fail_file(path, err);
    }
    if (status != STATUS_OK) {
        (void)unlink(unfinished);
        return status;
    }
    status = file_sync_directory(dir, err);
    if (status != STATUS_OK) {
        (void)unlink(path);
    }
    return status;
}

enum status spool_save(struct spool *spool, const char *dir, const char *name, struct error *err)
{
    struct spool copy = {.file = -1, .name = join(dir, name, ""), .size = spool->size};
    char *unfinished = join(dir, name, ".new"); /* its name until it is whole */
    enum status status = STATUS_OK;
    if (copy.name == NULL || unfinished == NULL) {
        status = fail_memory(name, err);
        goto done;
    }
    copy.file = open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (copy.file < 0) {
        status = fail_file(unfinished, err);
        goto done;
    }
    status = write_copy(spool, copy.file, unfinished, copy.name, dir, err);
    if (status != STATUS_OK) {
        goto done;
    }
    const struct spool before = *spool;
    *spool = copy;
    copy = before;

done:
    spool_close(&copy);
    free(unfinished);
    return status;
}
