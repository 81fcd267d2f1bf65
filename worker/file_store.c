#include "worker/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "shared/extremes.h"
#include "shared/workdir.h"
#include "worker/file_store_private.h"

#define SIZE_MAX_DEFAULT ((uint64_t)10 << 30)
#define OPEN_TRIES_MAX 100

static enum status io_error(const char *path, struct error *err)
{
    return error_set(err, status_of_write(errno), "%s: %s", path, strerror(errno));
}

enum status store_path(const char *dir, const char *name, char path_out[PATH_MAX],
                       struct error *err)
{
    return snprintf(path_out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX
               ? STATUS_OK
               : error_set(err, STATUS_LIMIT, "%s: the path is too long", dir);
}

/* ---- Locks ------------------------------------------------------------------------------------
 */

static bool is_at(int file, const char *path)
{
    struct stat opened;
    struct stat found;
    return fstat(file, &opened) == 0 && stat(path, &found) == 0 && opened.st_dev == found.st_dev &&
           opened.st_ino == found.st_ino;
}

enum status store_lock_file(const char *path, int flags, int operation, bool waits, int *file_out,
                            struct error *err)
{
    for (;;) {
        const int file = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file < 0) {
            return errno == ENOENT
                       ? error_set(err, STATUS_NOT_FOUND, "%s: %s", path, strerror(errno))
                       : io_error(path, err);
        }
        int locked;
        do {
            locked = flock(file, waits ? operation : operation | LOCK_NB);
        } while (locked != 0 && errno == EINTR);
        if (locked != 0) {
            const bool is_held = errno == EWOULDBLOCK;
            const enum status status = io_error(path, err);
            (void)close(file);
            return is_held ? STATUS_EXISTS : status;
        }
        if (is_at(file, path)) {
            *file_out = file;
            return STATUS_OK;
        }
        (void)close(file); /* it was removed meanwhile */
    }
}

void store_discard(const char *dir, const char *path)
{
    static unsigned count;
    char away[PATH_MAX];
    if (snprintf(away, sizeof(away), "%s/trash/%d-%u", dir, (int)getpid(), count++) <
            (int)sizeof(away) &&
        rename(path, away) == 0) {
        workdir_remove(away);
    }
}

/* ---- The folder -------------------------------------------------------------------------------
 */

static enum status make_folder(const char *path, struct error *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? STATUS_OK : io_error(path, err);
}

/* Where all may write, anybody may have made a folder of that name before us. */
static enum status check_owner(const char *dir, struct error *err)
{
    struct stat found;
    if (lstat(dir, &found) != 0) {
        return error_set(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", dir,
                         strerror(errno));
    }
    if (!S_ISDIR(found.st_mode)) {
        return error_set(err, STATUS_INVALID, "%s is no folder", dir);
    }
    if (found.st_uid != geteuid() || (found.st_mode & 0022) != 0) {
        return error_set(err, STATUS_INVALID,
                         "%s is not this user's alone: MAPFLEET_FILES_DIR names another folder for "
                         "what is fetched",
                         dir);
    }
    return STATUS_OK;
}

/* NOT_FOUND: it was removed meanwhile. */
static enum status make_folders(struct file_store *store, struct error *err)
{
    static const char *const names[] = {"urls", "entries", "trash"};
    char path[PATH_MAX];
    enum status status = make_folder(store->dir, err);
    if (status == STATUS_OK) {
        status = check_owner(store->dir, err);
    }
    if (status == STATUS_OK) {
        status = store_path(store->dir, "lock", path, err);
    }
    if (status == STATUS_OK) {
        status = store_lock_file(path, O_RDWR | O_CREAT, LOCK_SH, true, &store->lock, err);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && status == STATUS_OK; i++) {
        status = store_path(store->dir, names[i], path, err);
        if (status == STATUS_OK) {
            status = make_folder(path, err);
        }
    }
    return status;
}

static uint64_t default_size_max(const char *dir)
{
    struct statvfs about;
    if (statvfs(dir, &about) != 0) {
        return SIZE_MAX_DEFAULT;
    }
    return smaller(SIZE_MAX_DEFAULT, (uint64_t)about.f_blocks * about.f_frsize / 4);
}

/* The folders above one that a user has named may be missing. */
static void make_parents(const char *dir)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path)) {
        return;
    }
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

enum status file_store_open(const char *dir, uint64_t size_max, struct file_store **store_out,
                            struct error *err)
{
    struct file_store *store = calloc(1, sizeof(*store));
    enum status status = STATUS_NOT_FOUND;
    if (store == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for what is fetched");
    }
    store->lock = -1;
    if (snprintf(store->dir, sizeof(store->dir), "%s", dir) >= (int)sizeof(store->dir)) {
        free(store);
        return error_set(err, STATUS_LIMIT, "%s: the path is too long", dir);
    }
    make_parents(dir);
    for (int i = 0; i < OPEN_TRIES_MAX && status == STATUS_NOT_FOUND; i++) {
        if (store->lock >= 0) {
            (void)close(store->lock);
            store->lock = -1;
        }
        status = make_folders(store, err);
    }
    if (status != STATUS_OK) {
        file_store_close(store);
        return status;
    }
    store->size_max = size_max > 0 ? size_max : default_size_max(dir);
    *store_out = store;
    return STATUS_OK;
}

void file_store_close(struct file_store *store)
{
    if (store != NULL) {
        if (store->lock >= 0) {
            (void)close(store->lock);
        }
        free(store);
    }
}

void file_store_default_dir(char dir_out[PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    const char *above = base != NULL && base[0] == '/' ? base : "/tmp";
    if (snprintf(dir_out, PATH_MAX, "%s/mapfleet-files-%u", above, (unsigned)geteuid()) >=
        PATH_MAX) {
        dir_out[0] = '\0';
    }
}

/* Who holds its lock alone is the last. Whoever waits for it meanwhile finds the folder gone, and
 * makes it anew. */
void file_store_leave(const char *dir)
{
    char path[PATH_MAX];
    char away[PATH_MAX];
    struct error ignored;
    int lock = -1;
    uint64_t random = 0;
    if (store_path(dir, "lock", path, &ignored) != STATUS_OK ||
        check_owner(dir, &ignored) != STATUS_OK ||
        store_lock_file(path, O_RDWR, LOCK_EX, false, &lock, &ignored) != STATUS_OK) {
        return;
    }
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    if (snprintf(away, sizeof(away), "%s-%d-%016" PRIx64, dir, (int)getpid(), random) <
            (int)sizeof(away) &&
        rename(dir, away) == 0) {
        workdir_remove(away);
    }
    (void)close(lock);
}

void store_note_use(const char *entry)
{
    struct timespec now[2];
    (void)clock_gettime(CLOCK_REALTIME, &now[0]);
    now[1] = now[0];
    (void)utimensat(AT_FDCWD, entry, now, AT_SYMLINK_NOFOLLOW);
}

/* ---- Entries ----------------------------------------------------------------------------------
 */

uint64_t store_entry_size(const char *name)
{
    const char *dash = strrchr(name, '-');
    return dash != NULL ? strtoull(dash + 1, NULL, 10) : 0;
}

/* The one file or folder that an entry's folder holds is named beside its record. */
static enum status content_of(const char *entry, char path_out[PATH_MAX], struct error *err)
{
    char link[PATH_MAX];
    char name[256];
    const enum status status = store_path(entry, ".name", link, err);
    if (status != STATUS_OK) {
        return status;
    }
    const ssize_t size = readlink(link, name, sizeof(name) - 1);
    if (size < 0) {
        return error_set(err, STATUS_NOT_FOUND, "%s: %s", link, strerror(errno));
    }
    name[size] = '\0';
    return store_path(entry, name, path_out, err);
}

/* After a crash of the host, of what was written last not all may be there. */
static enum status check_whole(const char *path, const char *entry, struct error *err)
{
    struct stat found;
    if (stat(path, &found) != 0 ||
        (S_ISREG(found.st_mode) && (uint64_t)found.st_size != store_entry_size(entry))) {
        return error_set(err, STATUS_NOT_FOUND, "%s is not whole", path);
    }
    return STATUS_OK;
}

enum status file_store_pin(struct file_store *store, const struct file_store_place *place,
                           int *pin_out, char path_out[PATH_MAX], struct error *err)
{
    char name[160];
    char path[PATH_MAX];
    int pin = -1;
    if (place->record.entry[0] == '\0') {
        return error_set(err, STATUS_NOT_FOUND, "nothing is kept of it");
    }
    (void)snprintf(name, sizeof(name), "entries/%s", place->record.entry);
    enum status status = store_path(store->dir, name, path, err);
    if (status == STATUS_OK) {
        status = store_lock_file(path, O_RDONLY | O_DIRECTORY, LOCK_SH, true, &pin, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    store_note_use(path);
    status = content_of(path, path_out, err);
    if (status == STATUS_OK) {
        status = check_whole(path_out, place->record.entry, err);
    }
    if (status != STATUS_OK) {
        (void)close(pin);
        return status;
    }
    *pin_out = pin;
    return STATUS_OK;
}

void file_store_unpin(int pin)
{
    (void)close(pin);
}
