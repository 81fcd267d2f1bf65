#include "worker/job_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/file_digest.h"
#include "shared/memory.h"
#include "shared/workdir.h"

#define LOCK_NAME ".lock"
#define PART_NAME ".part"
#define MODE_OWN 0700
#define TOKEN_SIZE_MAX 64

_Static_assert(JOB_DIGEST_SIZE == FILE_DIGEST_SIZE, "a job's digest is that of its file");

struct job_place {
    char folder[PATH_MAX];
    char library[PATH_MAX];
    const char *name; /* in it: the library's own */
    int directory;    /* the folder; -1: it was not looked for yet */
    int lock;
    int part; /* what is being written; -1: nothing is */
};

static enum status place_error(const struct job_place *place, struct error *err)
{
    return error_set(err, STATUS_IO, "no place for the job that rank 0 sends: %s: %s",
                     place->folder, strerror(errno));
}

/* It comes from elsewhere, and becomes a part of a path. */
static bool is_token(const char *token)
{
    const size_t size = strlen(token);
    return size > 0 && size <= TOKEN_SIZE_MAX &&
           strspn(token, "0123456789abcdefghijklmnopqrstuvwxyz") == size;
}

enum status job_place_create(const char *token, const char *job_path, struct job_place **place_out,
                             struct error *err)
{
    const char *slash = strrchr(job_path, '/');
    if (!is_token(token) || slash == NULL || slash[1] == '\0') {
        return error_set(err, STATUS_INVALID, "the place of a job that is sent has no name");
    }
    struct job_place *place = memory_take(1, sizeof(*place));
    place->directory = -1;
    place->lock = -1;
    place->part = -1;
    const int folder_size =
        snprintf(place->folder, sizeof(place->folder), "%s/mapfleet-job-%s", workdir_base(), token);
    const int size = snprintf(place->library, sizeof(place->library), "%s%s", place->folder, slash);
    if (folder_size < 0 || size < 0 || (size_t)size >= sizeof(place->library)) {
        free(place);
        return error_set(err, STATUS_LIMIT, "the path of the temporary folder is too long");
    }
    place->name = &place->library[folder_size + 1];
    *place_out = place;
    return STATUS_OK;
}

const char *job_place_library(const struct job_place *place)
{
    return place->library;
}

static void close_one(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void leave(struct job_place *place)
{
    close_one(&place->part);
    close_one(&place->lock);
    close_one(&place->directory);
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

static enum status check_folder(const struct job_place *place, struct error *err)
{
    struct stat about;
    if (fstat(place->directory, &about) != 0) {
        return place_error(place, err);
    }
    return about.st_uid == geteuid() && (about.st_mode & (S_IRWXG | S_IRWXO)) == 0
               ? STATUS_OK
               : error_set(err, STATUS_INVALID,
                           "no place for the job that rank 0 sends: %s is not this user's alone",
                           place->folder);
}

/* The folder, and the lock in it. Another rank may remove both meanwhile: then `lock` stays -1. */
static enum status open_place(struct job_place *place, struct error *err)
{
    if (mkdir(place->folder, MODE_OWN) != 0 && errno != EEXIST) {
        return place_error(place, err);
    }
    place->directory = open(place->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place->directory < 0) {
        return errno == ENOENT ? STATUS_OK : place_error(place, err);
    }
    const enum status status = check_folder(place, err);
    if (status != STATUS_OK) {
        return status;
    }
    place->lock = openat(place->directory, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                         S_IRUSR | S_IWUSR);
    return place->lock >= 0 || errno == ENOENT ? STATUS_OK : place_error(place, err);
}

/* Is the lock that is held the one that others find? */
static bool is_current(const struct job_place *place)
{
    struct stat held;
    struct stat found;
    return fstat(place->lock, &held) == 0 &&
           fstatat(place->directory, LOCK_NAME, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           held.st_ino == found.st_ino && held.st_dev == found.st_dev;
}

static bool is_library_there(const struct job_place *place)
{
    return faccessat(place->directory, place->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum status open_part(struct job_place *place, struct error *err)
{
    place->part = openat(place->directory, PART_NAME,
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    return place->part >= 0 ? STATUS_OK : place_error(place, err);
}

/* The lock, together with others where the library is there, and else alone. */
static enum status take_lock(struct job_place *place, enum job_place_state *state_out,
                             struct error *err)
{
    const bool was_there = is_library_there(place);
    *state_out = JOB_PLACE_BUSY;
    if (flock(place->lock, (was_there ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK || errno == EINTR ? STATUS_OK : place_error(place, err);
    }
    if (!is_current(place)) {
        leave(place);
        return STATUS_OK;
    }
    const bool is_there = is_library_there(place);
    if (is_there && was_there) {
        *state_out = JOB_PLACE_HERE;
        return STATUS_OK;
    }
    if (is_there != was_there) { /* it came or went before the lock was ours */
        leave(place);
        return STATUS_OK;
    }
    *state_out = JOB_PLACE_MINE;
    return open_part(place, err);
}

enum status job_place_look(struct job_place *place, enum job_place_state *state_out,
                           struct error *err)
{
    enum status status = STATUS_OK;
    *state_out = JOB_PLACE_BUSY;
    if (place->lock < 0) {
        leave(place);
        status = open_place(place, err);
    }
    if (status == STATUS_OK && place->lock >= 0) {
        status = take_lock(place, state_out, err);
    }
    if (status != STATUS_OK) {
        leave(place);
    }
    return status;
}

uint64_t job_place_size(const struct job_place *place)
{
    struct stat about;
    return place->directory >= 0 &&
                   fstatat(place->directory, PART_NAME, &about, AT_SYMLINK_NOFOLLOW) == 0
               ? (uint64_t)about.st_size
               : 0;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

static enum status write_error(struct job_place *place, struct error *err)
{
    const int reason = errno;
    leave(place);
    return error_set(err, STATUS_IO, "the job that rank 0 sends cannot be written: %s: %s",
                     place->library, strerror(reason));
}

enum status job_place_add(struct job_place *place, const uint8_t *bytes, size_t size,
                          struct error *err)
{
    for (size_t at = 0; at < size;) {
        const ssize_t written = write(place->part, bytes + at, size - at);
        if (written < 0 && errno != EINTR) {
            return write_error(place, err);
        }
        at += written > 0 ? (size_t)written : 0;
    }
    return STATUS_OK;
}

static enum status check_part(const struct job_place *place, const uint8_t *expected,
                              struct error *err)
{
    char path[PATH_MAX];
    uint8_t digest[FILE_DIGEST_SIZE];
    const int size = snprintf(path, sizeof(path), "%s/" PART_NAME, place->folder);
    if (size < 0 || (size_t)size >= sizeof(path)) {
        return error_set(err, STATUS_LIMIT, "the path of the temporary folder is too long");
    }
    const enum status status = file_digest(path, digest, err);
    if (status == STATUS_OK && memcmp(digest, expected, sizeof(digest)) != 0) {
        return error_set(err, STATUS_INVALID, "the job that rank 0 has sent differs from its own");
    }
    return status;
}

enum status job_place_finish(struct job_place *place, const uint8_t digest[JOB_DIGEST_SIZE],
                             struct error *err)
{
    const enum status status = check_part(place, digest, err);
    if (status != STATUS_OK) {
        leave(place);
        return status;
    }
    if (close(place->part) != 0) {
        place->part = -1;
        return write_error(place, err);
    }
    place->part = -1;
    return renameat(place->directory, PART_NAME, place->directory, place->name) == 0
               ? STATUS_OK
               : write_error(place, err);
}

/* ---- The end ----------------------------------------------------------------------------------
 */

/* Also of a place that a rank which was killed has left. Without a lock in it, `directory` is open.
 */
static bool find_place(struct job_place *place)
{
    struct error ignored;
    if (place->lock >= 0) {
        return true;
    }
    leave(place);
    place->directory = open(place->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place->directory < 0 || check_folder(place, &ignored) != STATUS_OK) {
        leave(place);
        return false;
    }
    place->lock = openat(place->directory, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    return place->lock >= 0;
}

/* A lock that is held together with others is let go of before it is asked for alone: so of two
 * that leave at once, the later one gets it. */
void job_place_destroy(struct job_place *place)
{
    if (place == NULL) {
        return;
    }
    if (!find_place(place)) {
        if (place->directory >= 0) {
            (void)rmdir(place->folder); /* a rank was killed before it made the lock */
        }
    } else if (flock(place->lock, LOCK_EX | LOCK_NB) == 0 && is_current(place)) {
        (void)unlinkat(place->directory, place->name, 0);
        (void)unlinkat(place->directory, PART_NAME, 0);
        (void)unlinkat(place->directory, LOCK_NAME, 0);
        (void)rmdir(place->folder);
    }
    leave(place);
    free(place);
}
