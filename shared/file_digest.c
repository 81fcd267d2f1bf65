#include "shared/file_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#define READ_SIZE ((size_t)1 << 20)

static enum status io_error(const char *path, struct error *err)
{
    return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
}

static void finish(const XXH3_state_t *state, uint8_t digest_out[FILE_DIGEST_SIZE])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(digest_out, canonical.digest, FILE_DIGEST_SIZE);
}

static enum status read_all(int file, const char *path, uint8_t *bytes, XXH3_state_t *state,
                            struct error *err)
{
    for (;;) {
        const ssize_t size = read(file, bytes, READ_SIZE);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return io_error(path, err);
        }
        if (size == 0) {
            return STATUS_OK;
        }
        (void)XXH3_128bits_update(state, bytes, (size_t)size);
    }
}

enum status file_digest(const char *path, uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    enum status status;
    uint8_t *bytes = NULL;
    XXH3_state_t *state = NULL;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0) {
        return io_error(path, err);
    }
    bytes = malloc(READ_SIZE);
    state = XXH3_createState();
    if (bytes == NULL || state == NULL) {
        status = error_set(err, STATUS_NO_MEMORY, "%s: no memory to read it", path);
        goto done;
    }
    (void)XXH3_128bits_reset(state);
    status = read_all(file, path, bytes, state, err);
    if (status == STATUS_OK) {
        finish(state, digest_out);
    }

done:
    free(bytes);
    (void)XXH3_freeState(state);
    (void)close(file);
    return status;
}

/* ---- Folders ----------------------------------------------------------------------------------
 */

struct folder {
    file_digest_function *digest_file;
    void *context;
    size_t root_size; /* of the folder's own path */
    XXH3_state_t *state;
};

static enum status digest_plainly(void *context, const char *path,
                                  uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    (void)context;
    return file_digest(path, digest_out, err);
}

/* Kind and name, with the NUL that ends it: so that no two trees give the same bytes. */
static void put_name(struct folder *folder, char kind, const FTSENT *entry)
{
    const char *name = entry->fts_path + folder->root_size;
    (void)XXH3_128bits_update(folder->state, &kind, 1);
    (void)XXH3_128bits_update(folder->state, name, strlen(name) + 1);
}

static enum status put_link(struct folder *folder, const FTSENT *entry, struct error *err)
{
    char target[PATH_MAX];
    const ssize_t size = readlink(entry->fts_accpath, target, sizeof(target) - 1);
    if (size < 0) {
        return io_error(entry->fts_path, err);
    }
    target[size] = '\0';
    put_name(folder, 'l', entry);
    (void)XXH3_128bits_update(folder->state, target, (size_t)size + 1);
    return STATUS_OK;
}

static enum status put_file(struct folder *folder, const FTSENT *entry, struct error *err)
{
    uint8_t digest[FILE_DIGEST_SIZE];
    const enum status status = folder->digest_file(folder->context, entry->fts_path, digest, err);
    if (status == STATUS_OK) {
        put_name(folder, 'f', entry);
        (void)XXH3_128bits_update(folder->state, digest, sizeof(digest));
    }
    return status;
}

static enum status put_entry(struct folder *folder, const FTSENT *entry, struct error *err)
{
    switch (entry->fts_info) {
    case FTS_D:
        put_name(folder, 'd', entry);
        return STATUS_OK;
    case FTS_F:
        return put_file(folder, entry, err);
    case FTS_SL:
    case FTS_SLNONE:
        return put_link(folder, entry, err);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return error_set(err, STATUS_IO, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    case FTS_DP:
        return STATUS_OK;
    default:
        put_name(folder, 'o', entry); /* a socket, a device */
        return STATUS_OK;
    }
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static enum status walk(struct folder *folder, const char *path, struct error *err)
{
    char *copy = strdup(path);
    char *const roots[] = {copy, NULL};
    enum status status = STATUS_OK;
    if (copy == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "%s: no memory to read it", path);
    }
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (tree == NULL) {
        status = io_error(path, err);
        free(copy);
        return status;
    }
    errno = 0;
    for (FTSENT *entry = fts_read(tree); entry != NULL && status == STATUS_OK;
         entry = fts_read(tree)) {
        status = put_entry(folder, entry, err);
        errno = 0;
    }
    if (status == STATUS_OK && errno != 0) {
        status = io_error(path, err);
    }
    (void)fts_close(tree);
    free(copy);
    return status;
}

enum status file_digest_folder(const char *path, file_digest_function *digest_file, void *context,
                               uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    struct folder folder = {.digest_file = digest_file != NULL ? digest_file : digest_plainly,
                            .context = context,
                            .root_size = strlen(path),
                            .state = XXH3_createState()};
    if (folder.state == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "%s: no memory to read it", path);
    }
    (void)XXH3_128bits_reset(folder.state);
    const enum status status = walk(&folder, path, err);
    if (status == STATUS_OK) {
        finish(folder.state, digest_out);
    }
    (void)XXH3_freeState(folder.state);
    return status;
}
