/* The bound of the store. The number of bytes in DIR/size is right but for what processes that were
 * killed had reserved; where it says that there is no room, all is counted anew. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/memory.h"
#include "shared/quantity.h"
#include "shared/workdir.h"
#include "worker/file_store_private.h"

/* Once there is no room, some more is made, so that not every content has to. */
#define ROOM_PART 10
/* A part that nobody has touched for so long will hardly be asked for again. */
#define STALE_S 3600

struct entry {
    char name[128];
    uint64_t size;
    struct timespec used;
};

struct scan {
    struct entry *entries;
    size_t count;
    size_t capacity;
    uint64_t size; /* of all */
};

/* ---- What is there ----------------------------------------------------------------------------
 */

static int by_use(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->used.tv_sec != b->used.tv_sec) {
        return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    }
    return a->used.tv_nsec < b->used.tv_nsec ? -1 : a->used.tv_nsec > b->used.tv_nsec;
}

static void scan_entries(const char *path, struct scan *scan)
{
    DIR *folder = opendir(path);
    for (struct dirent *found = folder != NULL ? readdir(folder) : NULL; found != NULL;
         found = readdir(folder)) {
        struct stat about;
        if (found->d_name[0] == '.' || strlen(found->d_name) >= sizeof(scan->entries->name) ||
            fstatat(dirfd(folder), found->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        scan->entries =
            memory_grow(scan->entries, scan->count, &scan->capacity, sizeof(*scan->entries));
        struct entry *entry = &scan->entries[scan->count++];
        *entry = (struct entry){.size = store_entry_size(found->d_name), .used = about.st_mtim};
        memcpy(entry->name, found->d_name, strlen(found->d_name) + 1);
        scan->size += entry->size;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    if (scan->count > 0) {
        qsort(scan->entries, scan->count, sizeof(*scan->entries), by_use);
    }
}

/* What processes that were killed have left half made, or half removed. */
static void remove_remains(const char *folder_path, const char *beginning, time_t age_s)
{
    char path[PATH_MAX];
    DIR *folder = opendir(folder_path);
    for (struct dirent *found = folder != NULL ? readdir(folder) : NULL; found != NULL;
         found = readdir(folder)) {
        struct stat about;
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0 &&
            strncmp(found->d_name, beginning, strlen(beginning)) == 0 &&
            store_path(folder_path, found->d_name, path, NULL) == STATUS_OK &&
            lstat(path, &about) == 0 && time(NULL) - about.st_mtim.tv_sec >= age_s) {
            workdir_remove(path);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

/* Of the files below a folder that is coming: its process may add to it meanwhile. */
static uint64_t tree_size(char *path)
{
    uint64_t size = 0;
    char *const paths[] = {path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *found = walk != NULL ? fts_read(walk) : NULL; found != NULL;
         found = fts_read(walk)) {
        size += found->fts_info == FTS_F ? (uint64_t)found->fts_statp->st_size : 0;
    }
    if (walk != NULL) {
        (void)fts_close(walk);
    }
    return size;
}

/* "KEY.part" and "KEY.tree", of a place at which nobody is, go where they are old or `all` do.
 * Gives the bytes of those that stay. */
static uint64_t mind_coming(const char *urls, const char *name, bool all, bool *did_any_out)
{
    char path[PATH_MAX];
    char place[PATH_MAX];
    struct stat about;
    int lock = -1;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || store_path(urls, name, path, NULL) != STATUS_OK ||
        lstat(path, &about) != 0) {
        return 0;
    }
    (void)snprintf(place, sizeof(place), "%.*s", (int)(strlen(path) - strlen(dot)), path);
    const bool is_stale = all || time(NULL) - about.st_mtim.tv_sec > STALE_S;
    if (is_stale && store_lock_file(place, O_RDWR, LOCK_EX, false, &lock, NULL) == STATUS_OK) {
        workdir_remove(path);
        (void)close(lock);
        *did_any_out = *did_any_out || about.st_size > 0;
        return 0;
    }
    return S_ISREG(about.st_mode)   ? (uint64_t)about.st_size
           : S_ISDIR(about.st_mode) ? tree_size(path)
                                    : 0;
}

static uint64_t mind_all_coming(const char *urls, bool all, bool *did_any_out)
{
    uint64_t size = 0;
    DIR *folder = opendir(urls);
    for (struct dirent *found = folder != NULL ? readdir(folder) : NULL; found != NULL;
         found = readdir(folder)) {
        if (found->d_name[0] != '.' && strchr(found->d_name, '.') != NULL) {
            size += mind_coming(urls, found->d_name, all, did_any_out);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return size;
}

/* ---- Throwing out -----------------------------------------------------------------------------
 */

static bool throw_out(struct file_store *store, const char *entries, const char *name)
{
    char path[PATH_MAX];
    int lock = -1;
    if (store_path(entries, name, path, NULL) != STATUS_OK ||
        store_lock_file(path, O_RDONLY | O_DIRECTORY, LOCK_EX, false, &lock, NULL) != STATUS_OK) {
        return false; /* it is in use */
    }
    store_discard(store->dir, path);
    (void)close(lock);
    return true;
}

/* Until at most `goal` bytes are left, or all is in use. Gives what is left. */
static uint64_t make_room(struct file_store *store, uint64_t goal, bool *did_any_out)
{
    struct scan scan = {0};
    char entries[PATH_MAX];
    char urls[PATH_MAX];
    char trash[PATH_MAX];
    *did_any_out = false;
    if (store_path(store->dir, "entries", entries, NULL) != STATUS_OK ||
        store_path(store->dir, "urls", urls, NULL) != STATUS_OK ||
        store_path(store->dir, "trash", trash, NULL) != STATUS_OK) {
        return 0;
    }
    remove_remains(trash, "", 0);
    remove_remains(entries, ".new-", STALE_S);
    scan_entries(entries, &scan);
    uint64_t left = scan.size + mind_all_coming(urls, goal == 0, did_any_out);
    for (size_t i = 0; i < scan.count && left > goal; i++) {
        if (throw_out(store, entries, scan.entries[i].name)) {
            left -= scan.entries[i].size < left ? scan.entries[i].size : left;
            *did_any_out = true;
        }
    }
    free(scan.entries);
    return left;
}

/* ---- The number -------------------------------------------------------------------------------
 */

static enum status open_size(struct file_store *store, int *file_out, uint64_t *size_out,
                             struct error *err)
{
    char path[PATH_MAX];
    char text[32] = "";
    enum status status = store_path(store->dir, "size", path, err);
    if (status == STATUS_OK) {
        status = store_lock_file(path, O_RDWR | O_CREAT, LOCK_EX, true, file_out, err);
    }
    if (status == STATUS_OK) {
        const ssize_t size = pread(*file_out, text, sizeof(text) - 1, 0);
        text[size > 0 ? size : 0] = '\0';
        *size_out = strtoull(text, NULL, 10);
    }
    return status;
}

/* Where it cannot be written, what it says is wrong, and is found out. */
static void close_size(int file, uint64_t size)
{
    char text[32];
    const int text_size = snprintf(text, sizeof(text), "%20" PRIu64 "\n", size);
    (void)!pwrite(file, text, (size_t)text_size, 0);
    (void)close(file);
}

enum status file_store_reserve(struct file_store *store, uint64_t size, struct error *err)
{
    char found[QUANTITY_TEXT_SIZE];
    char bound[QUANTITY_TEXT_SIZE];
    uint64_t used = 0;
    int file;
    bool ignored;
    if (size > store->size_max) {
        return error_set(err, STATUS_LIMIT,
                         "it has %s, and at most %s are kept in %s: MAPFLEET_FILES_SIZE sets "
                         "another bound, MAPFLEET_FILES_DIR another folder",
                         quantity_size_text(size, found),
                         quantity_size_text(store->size_max, bound), store->dir);
    }
    const enum status status = open_size(store, &file, &used, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (used > store->size_max - size) {
        const uint64_t goal = store->size_max - size;
        const uint64_t spare = store->size_max / ROOM_PART;
        used = make_room(store, goal > spare ? goal - spare : 0, &ignored);
    }
    close_size(file, used + size);
    return STATUS_OK;
}

void file_store_release(struct file_store *store, uint64_t size)
{
    uint64_t used = 0;
    int file;
    if (open_size(store, &file, &used, NULL) == STATUS_OK) {
        close_size(file, used > size ? used - size : 0);
    }
}

bool file_store_empty(struct file_store *store)
{
    uint64_t used = 0;
    int file;
    bool did_any = false;
    if (open_size(store, &file, &used, NULL) == STATUS_OK) {
        used = make_room(store, 0, &did_any);
        close_size(file, used);
    }
    return did_any;
}
