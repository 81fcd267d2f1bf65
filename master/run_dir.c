#include "master/run_dir.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/memory.h"

#define SUFFIX_SIZE 6

/* Characters that no shell and no file system minds, and that are not mistaken for each other. */
static void random_suffix(char suffix_out[SUFFIX_SIZE + 1])
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
    uint8_t bytes[SUFFIX_SIZE] = {0};
    (void)!getrandom(bytes, sizeof(bytes), 0);
    for (size_t i = 0; i < SUFFIX_SIZE; i++) {
        suffix_out[i] = letters[bytes[i] % (sizeof(letters) - 1)];
    }
    suffix_out[SUFFIX_SIZE] = '\0';
}

static int default_path(char path_out[PATH_MAX], const char *launch_dir, const char *job,
                        const char *task)
{
    char suffix[SUFFIX_SIZE + 1];
    char stamp[32];
    struct tm utc;
    const time_t now = time(NULL);
    random_suffix(suffix);
    (void)gmtime_r(&now, &utc);
    (void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc);
    return snprintf(path_out, PATH_MAX, "%s/" RUN_DIR_PARENT "/%s-%s-%s-%s", launch_dir, job, task,
                    stamp, suffix);
}

enum status run_dir_choose(const char *given, const char *launch_dir, const char *job,
                           const char *task, char **path_out, struct error *err)
{
    char path[PATH_MAX];
    struct stat about;
    int length;
    if (given == NULL) {
        length = default_path(path, launch_dir, job, task);
    } else if (given[0] == '/') {
        length = snprintf(path, sizeof(path), "%s", given);
    } else {
        length = snprintf(path, sizeof(path), "%s/%s", launch_dir, given);
    }
    if (given != NULL && *given == '\0') {
        return error_set(err, STATUS_INVALID, "--run-dir: expected a path, found nothing");
    }
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return error_set(err, STATUS_LIMIT, "run directory %s: the path is too long",
                         given != NULL ? given : launch_dir);
    }
    while (length > 1 && path[length - 1] == '/') {
        path[--length] = '\0';
    }
    if (lstat(path, &about) == 0) {
        return error_set(err, STATUS_EXISTS, "run directory %s exists already: choose another",
                         path);
    }
    *path_out = memory_copy_text(path);
    return STATUS_OK;
}

enum status run_dir_make(const char *path, struct error *err)
{
    char part[PATH_MAX];
    if (strlen(path) >= sizeof(part)) {
        return error_set(err, STATUS_LIMIT, "run directory %s: the path is too long", path);
    }
    memcpy(part, path, strlen(path) + 1);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return error_set(err, STATUS_IO, "run directory %s: %s: %s", path, part,
                             strerror(errno));
        }
        *slash = '/';
    }
    if (mkdir(part, 0700) != 0) {
        return error_set(err, errno == EEXIST ? STATUS_EXISTS : STATUS_IO, "run directory %s: %s",
                         path, strerror(errno));
    }
    return STATUS_OK;
}

void run_dir_remove(const char *path)
{
    static const char *const names[] = {"inputs.lz4", "run.json", "log.lz4"};
    char file[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (snprintf(file, sizeof(file), "%s/%s", path, names[i]) < (int)sizeof(file)) {
            (void)unlink(file);
        }
    }
    (void)rmdir(path);
}
