#include "master/cache_store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "master/cache_check.h"
#include "master/cache_stamp.h"
#include "master/file.h"
#include "shared/memory.h"

/* Address space for the data file, which bounds how far it can grow; less where the system refuses
 * so much. */
#define MAP_SIZE_MAX ((size_t)1 << 40)
#define MAP_SIZE_MIN ((size_t)1 << 30)
#define NEW_DATA_NAME "data.mdb.new"
#define CHECK_TRIES 5
#define COPY_SIZE ((size_t)64 << 20) /* bytes that are copied in one transaction */

/* LMDB may be opened once in a process, and a run may have a cache for each of several maps: they
 * share what stands here, which is closed by the last. */
struct opened {
    char dir[PATH_MAX];
    MDB_env *env;
    MDB_dbi tables[CACHE_TABLE_COUNT];
    struct cache_stamp *stamp;
    unsigned user_count;
    struct opened *next;
};

static struct {
    pthread_mutex_t mutex;
    struct opened *first;
} all_opened = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct cache_store {
    struct opened *opened; /* NULL: not yet */
    char dir[PATH_MAX];
    char data_path[PATH_MAX + 16];
    char new_path[PATH_MAX + 16]; /* of a data file that is written anew */
    struct cache_stamp *stamp;
    MDB_env *env;
    MDB_dbi tables[CACHE_TABLE_COUNT];
    MDB_txn *read;  /* NULL outside of one */
    MDB_txn *write; /* NULL outside of one */
};

static const char *const table_names[CACHE_TABLE_COUNT] = {
    [CACHE_TABLE_ENTRIES] = "entries-1",
    [CACHE_TABLE_USES] = "uses-1",
    [CACHE_TABLE_DIGESTS] = "digests-1",
};

/* ---- Where it is ------------------------------------------------------------------------------
 */

static enum status default_dir(char path_out[PATH_MAX], struct error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int size;
    if (cache != NULL && cache[0] == '/') {
        size = snprintf(path_out, PATH_MAX, "%s/mapfleet", cache);
    } else {
        const struct passwd *user = home == NULL || home[0] != '/' ? getpwuid(getuid()) : NULL;
        home = user != NULL ? user->pw_dir : home;
        if (home == NULL || home[0] != '/') {
            return error_set(err, STATUS_IO,
                             "there is no home folder to keep a cache in: give --cache-dir");
        }
        size = snprintf(path_out, PATH_MAX, "%s/.cache/mapfleet", home);
    }
    return size < PATH_MAX ? STATUS_OK
                           : error_set(err, STATUS_LIMIT, "the cache's path is too long");
}

enum status cache_store_choose(const char *given, const char *launch_dir, char **path_out,
                               struct error *err)
{
    char path[PATH_MAX];
    int size = 0;
    if (given != NULL && *given == '\0') {
        return error_set(err, STATUS_INVALID, "--cache-dir: expected a path, found nothing");
    }
    if (given == NULL) {
        const enum status status = default_dir(path, err);
        if (status != STATUS_OK) {
            return status;
        }
    } else if (given[0] == '/') {
        size = snprintf(path, sizeof(path), "%s", given);
    } else {
        size = snprintf(path, sizeof(path), "%s/%s", launch_dir, given);
    }
    if (size >= PATH_MAX) {
        return error_set(err, STATUS_LIMIT, "--cache-dir %s: the path is too long", given);
    }
    *path_out = memory_copy_text(path);
    return STATUS_OK;
}

static enum status make_dir(const char *path, struct error *err)
{
    char part[PATH_MAX];
    (void)snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return error_set(err, STATUS_IO, "%s: %s: %s", path, part, strerror(errno));
        }
        *slash = '/';
    }
    return mkdir(part, 0700) == 0 || errno == EEXIST
               ? STATUS_OK
               : error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
}

bool cache_store_is_there(const char *dir)
{
    char path[PATH_MAX + 16];
    return snprintf(path, sizeof(path), "%s/" CACHE_STORE_DATA_NAME, dir) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static enum status failed(const struct cache_store *store, int code, struct error *err)
{
    enum status status = STATUS_IO;
    if (code == MDB_MAP_FULL || code == MDB_TXN_FULL || code == ENOSPC || code == EDQUOT ||
        code == MDB_MAP_RESIZED) {
        status = STATUS_LIMIT;
    } else if (code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ||
               code == MDB_VERSION_MISMATCH || code == MDB_PANIC || code == MDB_INCOMPATIBLE) {
        status = STATUS_INVALID;
    } else if (code == ENOMEM) {
        status = STATUS_NO_MEMORY;
    }
    return error_set(err, status, "%s: %s", store->dir, mdb_strerror(code));
}

static int open_mapped(struct cache_store *store, size_t map_size)
{
    int code = mdb_env_create(&store->env);
    if (code != 0) {
        store->env = NULL;
        return code;
    }
    code = mdb_env_set_mapsize(store->env, map_size);
    if (code == 0) {
        code = mdb_env_set_maxdbs(store->env, CACHE_TABLE_COUNT);
    }
    if (code == 0) {
        code = mdb_env_open(store->env, store->dir, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    }
    if (code != 0) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return code;
}

/* With as much address space as the system gives. */
static enum status open_env(struct cache_store *store, struct error *err)
{
    int code = ENOMEM;
    for (size_t size = MAP_SIZE_MAX; size >= MAP_SIZE_MIN; size /= 4) {
        code = open_mapped(store, size);
        if (code != ENOMEM && code != EINVAL && code != EFBIG) {
            break;
        }
    }
    return code == 0 ? STATUS_OK : failed(store, code, err);
}

/* A reader's snapshot stays as it is while it is looked at. Its first page may be replaced when two
 * commits come in between: then again, with a newer snapshot. */
static enum status check_pages(struct cache_store *store, struct error *err)
{
    enum status status = STATUS_LIMIT;
    for (int tries = 0; tries < CHECK_TRIES && status == STATUS_LIMIT; tries++) {
        status = cache_store_begin_read(store, err);
        if (status != STATUS_OK) {
            return status;
        }
        const uint64_t id = mdb_txn_id(store->read);
        status = cache_check_pages(store->data_path, id, CACHE_STORE_KEY_SIZE, err);
        cache_store_end_read(store);
    }
    return status;
}

static enum status open_tables(struct cache_store *store, struct error *err)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (code != 0) {
        return failed(store, code, err);
    }
    for (size_t i = 0; i < CACHE_TABLE_COUNT && code == 0; i++) {
        code = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &store->tables[i]);
    }
    if (code != 0) {
        mdb_txn_abort(txn);
        return failed(store, code, err);
    }
    code = mdb_txn_commit(txn);
    return code == 0 ? STATUS_OK : failed(store, code, err);
}

/* The tables are those that the environment was opened with, also after it was opened anew. */
static enum status open_checked(struct cache_store *store, struct error *err)
{
    int dead;
    enum status status = cache_check_head(store->data_path, err);
    if (status == STATUS_OK) {
        status = open_env(store, err);
    }
    if (status == STATUS_OK) {
        (void)mdb_reader_check(store->env, &dead); /* readers that were killed hold pages */
        status = check_pages(store, err);
    }
    return status == STATUS_OK ? open_tables(store, err) : status;
}

static struct opened *find_opened(const char *dir)
{
    struct opened *opened = all_opened.first;
    while (opened != NULL && strcmp(opened->dir, dir) != 0) {
        opened = opened->next;
    }
    return opened;
}

/* With the mutex: an other one that wants the same store waits until it is open. */
static enum status open_first(struct cache_store *store, const struct cache_stamp_options *stamp,
                              struct error *err)
{
    enum status status = cache_stamp_take(stamp, &store->stamp, err);
    if (status == STATUS_OK) {
        status = open_checked(store, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct opened *opened = memory_take(1, sizeof(*opened));
    (void)snprintf(opened->dir, sizeof(opened->dir), "%s", store->dir);
    opened->env = store->env;
    memcpy(opened->tables, store->tables, sizeof(opened->tables));
    opened->stamp = store->stamp;
    opened->next = all_opened.first;
    all_opened.first = opened;
    store->opened = opened;
    return STATUS_OK;
}

static enum status open_shared(struct cache_store *store, const struct cache_stamp_options *stamp,
                               struct error *err)
{
    (void)pthread_mutex_lock(&all_opened.mutex);
    enum status status = STATUS_OK;
    struct opened *opened = find_opened(store->dir);
    if (opened == NULL) {
        status = open_first(store, stamp, err);
    } else {
        store->env = opened->env;
        memcpy(store->tables, opened->tables, sizeof(store->tables));
        store->stamp = opened->stamp;
        store->opened = opened;
    }
    if (status == STATUS_OK) {
        store->opened->user_count++;
    }
    (void)pthread_mutex_unlock(&all_opened.mutex);
    return status;
}

/* Is it the last one's to close? */
static bool leave_shared(struct opened *opened)
{
    struct opened **at = &all_opened.first;
    if (--opened->user_count > 0) {
        return false;
    }
    while (*at != opened) {
        at = &(*at)->next;
    }
    *at = opened->next;
    free(opened);
    return true;
}

enum status cache_store_open(const char *dir, const atomic_bool *is_cancelled,
                             struct cache_store **store_out, struct error *err)
{
    const struct cache_stamp_options stamp = {.dir = dir,
                                              .renew_ms = CACHE_STAMP_RENEW_MS,
                                              .stale_ms = CACHE_STAMP_STALE_MS,
                                              .is_cancelled = is_cancelled};
    struct cache_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "%s: no memory", dir);
    }
    enum status status = STATUS_OK;
    if (snprintf(store->dir, sizeof(store->dir), "%s", dir) >= (int)sizeof(store->dir)) {
        status = error_set(err, STATUS_LIMIT, "%s: the path is too long", dir);
    }
    (void)snprintf(store->data_path, sizeof(store->data_path), "%s/" CACHE_STORE_DATA_NAME,
                   store->dir);
    (void)snprintf(store->new_path, sizeof(store->new_path), "%s/" NEW_DATA_NAME, store->dir);
    if (status == STATUS_OK) {
        status = make_dir(dir, err);
    }
    if (status == STATUS_OK) {
        status = open_shared(store, &stamp, err);
    }
    if (status != STATUS_OK) {
        cache_store_close(store);
        return status;
    }
    *store_out = store;
    return STATUS_OK;
}

static void end_transactions(struct cache_store *store)
{
    cache_store_end_read(store);
    if (store->write != NULL) {
        mdb_txn_abort(store->write);
        store->write = NULL;
    }
}

static void close_env(struct cache_store *store)
{
    if (store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
}

void cache_store_close(struct cache_store *store)
{
    if (store == NULL) {
        return;
    }
    end_transactions(store);
    (void)pthread_mutex_lock(&all_opened.mutex);
    if (store->opened == NULL || leave_shared(store->opened)) {
        close_env(store);
        cache_stamp_release(store->stamp);
    }
    (void)pthread_mutex_unlock(&all_opened.mutex);
    free(store);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

enum status cache_store_begin_read(struct cache_store *store, struct error *err)
{
    assert(store->read == NULL);
    const int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->read);
    if (code != 0) {
        store->read = NULL;
        return failed(store, code, err);
    }
    return STATUS_OK;
}

void cache_store_end_read(struct cache_store *store)
{
    if (store->read != NULL) {
        mdb_txn_abort(store->read);
        store->read = NULL;
    }
}

enum status cache_store_get(struct cache_store *store, enum cache_table table,
                            const uint8_t key[CACHE_STORE_KEY_SIZE], const uint8_t **data_out,
                            size_t *size_out, struct error *err)
{
    MDB_val name = {.mv_size = CACHE_STORE_KEY_SIZE, .mv_data = (void *)(uintptr_t)key};
    MDB_val data;
    MDB_txn *txn = store->write != NULL ? store->write : store->read;
    assert(txn != NULL);
    const int code = mdb_get(txn, store->tables[table], &name, &data);
    if (code == MDB_NOTFOUND) {
        return STATUS_NOT_FOUND;
    }
    if (code != 0) {
        return failed(store, code, err);
    }
    *data_out = data.mv_data;
    *size_out = data.mv_size;
    return STATUS_OK;
}

enum status cache_store_each(struct cache_store *store, enum cache_table table,
                             const uint8_t *after, cache_store_visit *visit, void *context,
                             struct error *err)
{
    MDB_cursor *cursor;
    MDB_val key = {.mv_size = CACHE_STORE_KEY_SIZE, .mv_data = (void *)(uintptr_t)after};
    MDB_val data;
    MDB_txn *txn = store->write != NULL ? store->write : store->read;
    assert(txn != NULL);
    int code = mdb_cursor_open(txn, store->tables[table], &cursor);
    if (code != 0) {
        return failed(store, code, err);
    }
    code = mdb_cursor_get(cursor, &key, &data, after != NULL ? MDB_SET_RANGE : MDB_FIRST);
    if (code == 0 && after != NULL && memcmp(key.mv_data, after, CACHE_STORE_KEY_SIZE) == 0) {
        code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    while (code == 0 && key.mv_size == CACHE_STORE_KEY_SIZE &&
           visit(context, key.mv_data, data.mv_data, data.mv_size)) {
        code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code == 0 || code == MDB_NOTFOUND ? STATUS_OK : failed(store, code, err);
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

static enum status begin_write(struct cache_store *store, struct error *err)
{
    if (store->write != NULL) {
        return STATUS_OK;
    }
    if (!cache_stamp_is_held(store->stamp)) {
        return error_set(err, STATUS_EXISTS, "%s was taken by another host", store->dir);
    }
    const int code = mdb_txn_begin(store->env, NULL, 0, &store->write);
    if (code != 0) {
        store->write = NULL;
        return failed(store, code, err);
    }
    return STATUS_OK;
}

static enum status end_change(struct cache_store *store, int code, struct error *err)
{
    if (code == 0 || code == MDB_NOTFOUND) {
        return STATUS_OK;
    }
    mdb_txn_abort(store->write);
    store->write = NULL;
    return failed(store, code, err);
}

enum status cache_store_put(struct cache_store *store, enum cache_table table,
                            const uint8_t key[CACHE_STORE_KEY_SIZE], const void *data, size_t size,
                            struct error *err)
{
    MDB_val name = {.mv_size = CACHE_STORE_KEY_SIZE, .mv_data = (void *)(uintptr_t)key};
    MDB_val value = {.mv_size = size, .mv_data = (void *)(uintptr_t)data};
    const enum status status = begin_write(store, err);
    return status == STATUS_OK
               ? end_change(store, mdb_put(store->write, store->tables[table], &name, &value, 0),
                            err)
               : status;
}

enum status cache_store_remove(struct cache_store *store, enum cache_table table,
                               const uint8_t key[CACHE_STORE_KEY_SIZE], struct error *err)
{
    MDB_val name = {.mv_size = CACHE_STORE_KEY_SIZE, .mv_data = (void *)(uintptr_t)key};
    const enum status status = begin_write(store, err);
    return status == STATUS_OK
               ? end_change(store, mdb_del(store->write, store->tables[table], &name, NULL), err)
               : status;
}

enum status cache_store_commit(struct cache_store *store, struct error *err)
{
    if (store->write == NULL) {
        return STATUS_OK;
    }
    if (!cache_stamp_is_held(store->stamp)) {
        mdb_txn_abort(store->write);
        store->write = NULL;
        return error_set(err, STATUS_EXISTS, "%s was taken by another host", store->dir);
    }
    const int code = mdb_txn_commit(store->write);
    store->write = NULL;
    return code == 0 ? STATUS_OK : failed(store, code, err);
}

/* ---- As a whole -------------------------------------------------------------------------------
 */

enum status cache_store_measure(struct cache_store *store, struct cache_store_sizes *sizes_out,
                                struct error *err)
{
    struct stat about;
    struct cache_store_sizes sizes = {0};
    MDB_stat table;
    MDB_txn *txn = store->write != NULL ? store->write : store->read;
    assert(txn != NULL);
    for (size_t i = 0; i < CACHE_TABLE_COUNT; i++) {
        const int code = mdb_stat(txn, store->tables[i], &table);
        if (code != 0) {
            return failed(store, code, err);
        }
        sizes.counts[i] = table.ms_entries;
        sizes.page_size = table.ms_psize;
        sizes.used += (table.ms_branch_pages + table.ms_leaf_pages + table.ms_overflow_pages) *
                      table.ms_psize;
    }
    if (stat(store->data_path, &about) != 0) {
        return error_set(err, STATUS_IO, "%s: %s", store->data_path, strerror(errno));
    }
    sizes.file = (uint64_t)about.st_size;
    *sizes_out = sizes;
    return STATUS_OK;
}

/* Copy one table in the order of its keys, so that its pages are full. */
static int copy_table(MDB_txn *from, MDB_dbi from_table, MDB_env *to_env, const char *name)
{
    MDB_cursor *cursor = NULL;
    MDB_txn *to = NULL;
    MDB_dbi to_table = 0;
    MDB_val key;
    MDB_val data;
    size_t gathered = 0;
    int code = mdb_cursor_open(from, from_table, &cursor);
    if (code != 0) {
        return code;
    }
    code = mdb_txn_begin(to_env, NULL, 0, &to);
    if (code == 0) {
        code = mdb_dbi_open(to, name, MDB_CREATE, &to_table);
    }
    while (code == 0) {
        code = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        if (code == 0 && gathered > COPY_SIZE) {
            code = mdb_txn_commit(to);
            to = NULL;
            gathered = 0;
            code = code == 0 ? mdb_txn_begin(to_env, NULL, 0, &to) : code;
        }
        if (code == 0) {
            gathered += key.mv_size + data.mv_size;
            code = mdb_put(to, to_table, &key, &data, MDB_APPEND);
        }
    }
    code = code == MDB_NOTFOUND ? 0 : code;
    mdb_cursor_close(cursor);
    if (code == 0) {
        return mdb_txn_commit(to);
    }
    if (to != NULL) {
        mdb_txn_abort(to);
    }
    return code;
}

static int copy_all(struct cache_store *store, MDB_env *to)
{
    MDB_envinfo about;
    int code = mdb_env_info(store->env, &about);
    if (code == 0) {
        code = mdb_env_set_mapsize(to, about.me_mapsize);
    }
    if (code == 0) {
        code = mdb_env_set_maxdbs(to, CACHE_TABLE_COUNT);
    }
    if (code == 0) {
        code = mdb_env_open(to, store->new_path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
    }
    for (size_t i = 0; i < CACHE_TABLE_COUNT && code == 0; i++) {
        code = copy_table(store->read, store->tables[i], to, table_names[i]);
    }
    return code == 0 ? mdb_env_sync(to, 1) : code;
}

static enum status write_new(struct cache_store *store, struct error *err)
{
    MDB_env *to;
    (void)unlink(store->new_path);
    enum status status = cache_store_begin_read(store, err);
    if (status != STATUS_OK) {
        return status;
    }
    int code = mdb_env_create(&to);
    if (code == 0) {
        code = copy_all(store, to);
        mdb_env_close(to);
    }
    cache_store_end_read(store);
    return code == 0 ? STATUS_OK : failed(store, code, err);
}

enum status cache_store_compact(struct cache_store *store, bool *is_done_out, struct error *err)
{
    assert(store->read == NULL && store->write == NULL);
    *is_done_out = false;
    if (store->opened->user_count > 1 || !cache_stamp_make_exclusive(store->stamp)) {
        return STATUS_OK;
    }
    enum status status = write_new(store, err);
    if (status != STATUS_OK) {
        (void)unlink(store->new_path);
        return status;
    }
    close_env(store);
    store->opened->env = NULL;
    if (rename(store->new_path, store->data_path) != 0) {
        return error_set(err, STATUS_IO, "%s: %s", store->data_path, strerror(errno));
    }
    status = file_sync_directory(store->dir, err);
    if (status != STATUS_OK) {
        return status;
    }
    *is_done_out = true;
    status = open_checked(store, err);
    store->opened->env = store->env;
    return status;
}
