#include "master/run_dir.h"

#include <dirent.h>
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

static int default_path(char path_out[PATH_MAX], const struct run_dir_choice *choice)
{
    char suffix[SUFFIX_SIZE + 1];
    char stamp[32];
    struct tm utc;
    const time_t now = time(NULL);
    if (choice->tail != NULL) {
        return snprintf(path_out, PATH_MAX, "%s/" RUN_DIR_PARENT "/%s-%s-%s", choice->launch_dir,
                        choice->job, choice->task, choice->tail);
    }
    random_suffix(suffix);
    (void)gmtime_r(&now, &utc);
    (void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc);
    return snprintf(path_out, PATH_MAX, "%s/" RUN_DIR_PARENT "/%s-%s-%s-%s", choice->launch_dir,
                    choice->job, choice->task, stamp, suffix);
}

static enum status refuse_file(const char *path, struct error *err)
{
    return error_set(err, STATUS_EXISTS, "run directory %s: this is a file, not a folder", path);
}

static enum status refuse_existing(const struct run_dir_choice *choice, const char *path,
                                   struct error *err)
{
    if (choice->given == NULL && choice->tail != NULL) {
        return error_set(err, STATUS_EXISTS,
                         "run directory %s exists already: a second run of the same line within "
                         "one Slurm job needs --run-dir (and --resume goes on with the first)",
                         path);
    }
    return error_set(err, STATUS_EXISTS,
                     "run directory %s exists already: choose another, or go on with --resume",
                     path);
}

enum status run_dir_choose(const struct run_dir_choice *choice, char **path_out, struct error *err)
{
    char path[PATH_MAX];
    struct stat about;
    int length;
    if (choice->given == NULL) {
        length = default_path(path, choice);
    } else if (choice->given[0] == '/') {
        length = snprintf(path, sizeof(path), "%s", choice->given);
    } else {
        length = snprintf(path, sizeof(path), "%s/%s", choice->launch_dir, choice->given);
    }
    if (choice->given != NULL && *choice->given == '\0') {
        return error_set(err, STATUS_INVALID, "--run-dir: expected a path, found nothing");
    }
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return error_set(err, STATUS_LIMIT, "run directory %s: the path is too long",
                         choice->given != NULL ? choice->given : choice->launch_dir);
    }
    while (length > 1 && path[length - 1] == '/') {
        path[--length] = '\0';
    }
    if (stat(path, &about) == 0 && !S_ISDIR(about.st_mode)) {
        return refuse_file(path, err);
    }
    if (!choice->may_exist && lstat(path, &about) == 0) {
        return refuse_existing(choice, path, err);
    }
    *path_out = memory_copy_text(path);
    return STATUS_OK;
}

/* Ours, and there before run.json is. */
static bool is_of_a_beginning(const char *name)
{
    static const char *const beginnings[] = {"lock", "inputs.lz4", "inputs.lz4.new", ".run.json."};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        const bool is_prefix = beginnings[i][0] == '.';
        if (is_prefix ? strncmp(name, beginnings[i], strlen(beginnings[i])) == 0
                      : strcmp(name, beginnings[i]) == 0) {
            return true;
        }
    }
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

enum status run_dir_look(const char *path, enum run_dir_content *content_out, struct error *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        *content_out = errno == ENOENT ? RUN_DIR_ABSENT : RUN_DIR_OTHER;
        return errno == ENOENT || errno == ENOTDIR
                   ? STATUS_OK
                   : error_set(err, STATUS_IO, "run directory %s: %s", path, strerror(errno));
    }
    *content_out = RUN_DIR_EMPTY;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, "run.json") == 0) {
            *content_out = RUN_DIR_RUN;
            break;
        }
        if (!is_of_a_beginning(entry->d_name)) {
            *content_out = RUN_DIR_OTHER;
        }
    }
    (void)closedir(dir);
    return STATUS_OK;
}

/* This folder and those above it, down to a path of that many bytes. What is not empty stays. */
static void remove_folders(char *path, size_t size_min)
{
    while (size_min > 0 && strlen(path) >= size_min) {
        char *slash = strrchr(path, '/');
        if (rmdir(path) != 0 || slash == NULL) {
            return;
        }
        *slash = '\0';
    }
}

/* The folders above it, as far as they are missing. */
static enum status make_parents(char *path, size_t *made_size, struct error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const bool is_made = mkdir(path, 0777) == 0;
        const int reason = errno;
        if (!is_made && reason != EEXIST) {
            return error_set(err, STATUS_IO, "%s: %s", path, strerror(reason));
        }
        *made_size = is_made && *made_size == 0 ? (size_t)(slash - path) : *made_size;
        *slash = '/';
    }
    return STATUS_OK;
}

/* Nothing was there when the path was chosen: whoever has made it since is starting a run. */
static enum status set_made_by_another(const char *path, struct error *err)
{
    return error_set(err, STATUS_EXISTS,
                     "run directory %s: another process is starting a run there just now", path);
}

enum status run_dir_make(const char *path, struct run_dir_made *made_out, struct error *err)
{
    char part[PATH_MAX];
    *made_out = (struct run_dir_made){.path_size = 0};
    if (strlen(path) >= sizeof(part)) {
        return error_set(err, STATUS_LIMIT, "run directory %s: the path is too long", path);
    }
    memcpy(part, path, strlen(path) + 1);
    enum status status = make_parents(part, &made_out->path_size, err);
    if (status != STATUS_OK) {
        error_prefix(err, "run directory %s: ", path);
    } else if (mkdir(part, 0700) != 0) {
        status = errno == EEXIST
                     ? set_made_by_another(path, err)
                     : error_set(err, STATUS_IO, "run directory %s: %s", path, strerror(errno));
    }
    if (status != STATUS_OK) {
        *strrchr(part, '/') = '\0'; /* what is there under the name itself is another's */
        remove_folders(part, made_out->path_size);
    } else if (made_out->path_size == 0) {
        made_out->path_size = strlen(path);
    }
    return status;
}

void run_dir_remove(const char *path, const struct run_dir_made *made)
{
    static const char *const names[] = {"inputs.lz4", "inputs.lz4.new", "run.json", "log.lz4",
                                        "lock"};
    char file[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (snprintf(file, sizeof(file), "%s/%s", path, names[i]) < (int)sizeof(file)) {
            (void)unlink(file);
        }
    }
    if (snprintf(file, sizeof(file), "%s", path) < (int)sizeof(file)) {
        remove_folders(file, made->path_size);
    }
}
