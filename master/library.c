#include "master/library.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "shared/memory.h"

static enum status read_error(const char *path, struct error *err)
{
    return error_set(err, STATUS_IO, "--ship-job: job %s: %s", path, strerror(errno));
}

static enum status take_size(int file, const char *path, size_t *size_out, struct error *err)
{
    struct stat about;
    if (fstat(file, &about) != 0) {
        return read_error(path, err);
    }
    if (about.st_size < 0 || (uint64_t)about.st_size > LIBRARY_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT,
                         "--ship-job: job %s has %" PRIu64 " bytes; at most %zu can be sent", path,
                         (uint64_t)about.st_size, LIBRARY_SIZE_MAX);
    }
    *size_out = (size_t)about.st_size;
    return STATUS_OK;
}

static enum status read_all(int file, const char *path, uint8_t *bytes, size_t *size,
                            struct error *err)
{
    size_t at = 0;
    while (at < *size) {
        const ssize_t part = read(file, bytes + at, *size - at);
        if (part == 0) {
            break; /* it has become shorter, which its digest will tell */
        }
        if (part < 0 && errno != EINTR) {
            return read_error(path, err);
        }
        at += part > 0 ? (size_t)part : 0;
    }
    *size = at;
    return STATUS_OK;
}

static enum status check_digest(const struct library *library, const char *path,
                                const uint8_t *expected, struct error *err)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(library->bytes, library->size));
    return memcmp(canonical.digest, expected, JOB_DIGEST_SIZE) == 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "--ship-job: job %s has changed since it was loaded", path);
}

static enum status choose_token(char token_out[LIBRARY_TOKEN_SIZE], struct error *err)
{
    uint64_t random[2];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return error_set(err, STATUS_IO, "--ship-job: no random numbers: %s", strerror(errno));
    }
    (void)snprintf(token_out, LIBRARY_TOKEN_SIZE, "%016" PRIx64 "%016" PRIx64, random[0],
                   random[1]);
    return STATUS_OK;
}

enum status library_read(const char *path, const uint8_t digest[JOB_DIGEST_SIZE],
                         struct library *library_out, struct error *err)
{
    struct library library = {.size = 0};
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return read_error(path, err);
    }
    enum status status = take_size(file, path, &library.size, err);
    if (status == STATUS_OK) {
        library.bytes = memory_take(library.size + 1, 1);
        status = read_all(file, path, library.bytes, &library.size, err);
    }
    if (status == STATUS_OK) {
        status = check_digest(&library, path, digest, err);
    }
    if (status == STATUS_OK) {
        status = choose_token(library.token, err);
    }
    (void)close(file);
    if (status != STATUS_OK) {
        library_free(&library);
        return status;
    }
    *library_out = library;
    return STATUS_OK;
}

void library_free(struct library *library)
{
    free(library->bytes);
    *library = (struct library){.bytes = NULL};
}
