#include "master/cache_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <xxhash.h>

#include "master/cache_urls.h"
#include "shared/buffer.h"
#include "shared/clock.h"
#include "shared/pack.h"
#include "shared/path.h"
#include "shared/unpack.h"

/* A file that changed within this time may change again and look the same. */
#define SETTLED_NS INT64_C(2000000000)

/* What tells whether a file is the one that was read. */
struct identity {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t modified_ns;
    int64_t changed_ns;
};

/* One that was learned, in memory. */
struct learned {
    uint8_t key[CACHE_STORE_KEY_SIZE];
    struct identity identity;
    uint8_t digest[FILE_DIGEST_SIZE];
};

struct cache_files {
    struct cache_store *store;
    struct learned *learned; /* hash table by key; all zero: free */
    size_t capacity;         /* a power of two, or 0 */
    size_t count;
    uint64_t read_count;
    struct buffer bytes;
    struct cache_urls *urls; /* NULL: not yet */
};

enum status cache_files_create(struct cache_store *store, struct cache_files **files_out)
{
    struct cache_files *files = calloc(1, sizeof(*files));
    if (files == NULL) {
        return STATUS_NO_MEMORY;
    }
    files->store = store;
    *files_out = files;
    return STATUS_OK;
}

void cache_files_destroy(struct cache_files *files)
{
    if (files == NULL) {
        return;
    }
    free(files->learned);
    cache_urls_destroy(files->urls);
    buffer_free(&files->bytes);
    free(files);
}

void cache_files_use_store(struct cache_files *files, struct cache_store *store)
{
    files->store = store;
}

bool cache_files_has_learned(const struct cache_files *files)
{
    return files->store != NULL && files->count > 0;
}

uint64_t cache_files_read_count(const struct cache_files *files)
{
    return files->read_count;
}

/* ---- Identities -------------------------------------------------------------------------------
 */

static int64_t to_ns(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static enum status identify(const char *path, struct identity *identity_out, struct error *err)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return error_set(err, STATUS_IO, "%s is no regular file", path);
    }
    *identity_out = (struct identity){.device = (uint64_t)about.st_dev,
                                      .inode = (uint64_t)about.st_ino,
                                      .size = (uint64_t)about.st_size,
                                      .modified_ns = to_ns(about.st_mtim),
                                      .changed_ns = to_ns(about.st_ctim)};
    return STATUS_OK;
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static bool is_settled(const struct identity *identity)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const int64_t until_ns = to_ns(now) - SETTLED_NS;
    return identity->modified_ns < until_ns && identity->changed_ns < until_ns;
}

/* ---- What was learned -------------------------------------------------------------------------
 */

static bool is_free(const struct learned *learned)
{
    static const uint8_t none[CACHE_STORE_KEY_SIZE] = {0};
    return memcmp(learned->key, none, sizeof(none)) == 0;
}

static struct learned *find(struct learned *table, size_t capacity,
                            const uint8_t key[CACHE_STORE_KEY_SIZE])
{
    uint64_t at;
    memcpy(&at, key, sizeof(at));
    while (!is_free(&table[at & (capacity - 1)]) &&
           memcmp(table[at & (capacity - 1)].key, key, CACHE_STORE_KEY_SIZE) != 0) {
        at++;
    }
    return &table[at & (capacity - 1)];
}

/* What has no room is not remembered. */
static void learn(struct cache_files *files, const struct learned *learned)
{
    if (2 * files->count >= files->capacity) {
        const size_t capacity = files->capacity == 0 ? 256 : 2 * files->capacity;
        struct learned *table = calloc(capacity, sizeof(*table));
        if (table == NULL) {
            return;
        }
        for (size_t i = 0; i < files->capacity; i++) {
            if (!is_free(&files->learned[i])) {
                *find(table, capacity, files->learned[i].key) = files->learned[i];
            }
        }
        free(files->learned);
        files->learned = table;
        files->capacity = capacity;
    }
    struct learned *place = find(files->learned, files->capacity, learned->key);
    files->count += is_free(place) ? 1 : 0;
    *place = *learned;
}

/* ---- What the store remembers -----------------------------------------------------------------
 */

static enum status encode(struct cache_files *files, const struct learned *learned, uint32_t hour)
{
    struct pack out;
    buffer_clear(&files->bytes);
    pack_start(&out, &files->bytes);
    pack_array(&out, 7);
    pack_uint(&out, hour);
    pack_uint(&out, learned->identity.device);
    pack_uint(&out, learned->identity.inode);
    pack_uint(&out, learned->identity.size);
    pack_int(&out, learned->identity.modified_ns);
    pack_int(&out, learned->identity.changed_ns);
    pack_bytes(&out, learned->digest, FILE_DIGEST_SIZE);
    return pack_finish(&out);
}

static bool decode(const uint8_t *data, size_t size, struct learned *learned_out,
                   uint32_t *hour_out)
{
    size_t digest_size;
    struct unpack in = unpack_start(data, size);
    unpack_array_of(&in, 7);
    *hour_out = (uint32_t)unpack_uint_max(&in, UINT32_MAX);
    learned_out->identity.device = unpack_uint(&in);
    learned_out->identity.inode = unpack_uint(&in);
    learned_out->identity.size = unpack_uint(&in);
    learned_out->identity.modified_ns = unpack_int(&in);
    learned_out->identity.changed_ns = unpack_int(&in);
    const uint8_t *digest = unpack_bin(&in, &digest_size);
    if (!unpack_is_done(&in) || digest_size != FILE_DIGEST_SIZE) {
        return false;
    }
    memcpy(learned_out->digest, digest, FILE_DIGEST_SIZE);
    return true;
}

bool cache_files_hour(const uint8_t *data, size_t size, uint32_t *hour_out)
{
    struct learned learned;
    return decode(data, size, &learned, hour_out);
}

static bool remember(struct cache_files *files, const uint8_t key[CACHE_STORE_KEY_SIZE],
                     struct learned *learned_out)
{
    const uint8_t *data;
    size_t size;
    uint32_t hour;
    struct error err;
    if (files->capacity > 0) {
        *learned_out = *find(files->learned, files->capacity, key);
        if (!is_free(learned_out)) {
            return true;
        }
    }
    return files->store != NULL &&
           cache_store_get(files->store, CACHE_TABLE_DIGESTS, key, &data, &size, &err) ==
               STATUS_OK &&
           decode(data, size, learned_out, &hour);
}

enum status cache_files_save(struct cache_files *files, struct error *err)
{
    const uint32_t hour = (uint32_t)(clock_day_ms() / 3600000);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < files->capacity && status == STATUS_OK && files->store != NULL; i++) {
        const struct learned *learned = &files->learned[i];
        if (!is_free(learned)) {
            status = encode(files, learned, hour);
            if (status == STATUS_OK) {
                status = cache_store_put(files->store, CACHE_TABLE_DIGESTS, learned->key,
                                         files->bytes.data, files->bytes.size, err);
            }
        }
    }
    if (status == STATUS_OK && files->store != NULL) {
        free(files->learned);
        files->learned = NULL;
        files->capacity = 0;
        files->count = 0;
    }
    return status;
}

/* ---- Digests ----------------------------------------------------------------------------------
 */

static enum status digest_file(void *context, const char *path,
                               uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    struct cache_files *files = context;
    struct identity now = {0};
    struct identity after = {0};
    struct learned learned = {0};
    XXH128_canonical_t key;
    enum status status = identify(path, &now, err);
    if (status != STATUS_OK) {
        return status;
    }
    XXH128_canonicalFromHash(&key, XXH3_128bits(path, strlen(path)));
    if (remember(files, key.digest, &learned) && is_same(&learned.identity, &now)) {
        memcpy(digest_out, learned.digest, FILE_DIGEST_SIZE);
        return STATUS_OK;
    }
    files->read_count++;
    status = file_digest(path, digest_out, err);
    if (status == STATUS_OK && is_settled(&now) && identify(path, &after, err) == STATUS_OK &&
        is_same(&now, &after)) {
        memcpy(learned.key, key.digest, sizeof(learned.key));
        memcpy(learned.digest, digest_out, FILE_DIGEST_SIZE);
        learned.identity = now;
        learn(files, &learned);
    }
    return status;
}

/* ---- URLs -------------------------------------------------------------------------------------
 */

static enum status open_urls(struct cache_files *files, struct error *err)
{
    const enum status status = files->urls != NULL ? STATUS_OK : cache_urls_create(&files->urls);
    return status == STATUS_OK ? status : error_set(err, status, "no memory to ask servers");
}

void cache_files_ask(struct cache_files *files, const struct type *type, const uint8_t *values,
                     size_t size)
{
    if (open_urls(files, NULL) == STATUS_OK) {
        cache_urls_ask(files->urls, type, values, size);
    }
}

static enum status digest_url(struct cache_files *files, bool is_folder, const char *url,
                              uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    const enum status status = open_urls(files, err);
    return status == STATUS_OK ? cache_urls_identity(files->urls, is_folder, url, digest_out, err)
                               : status;
}

enum status cache_files_digest(void *files, bool is_folder, const char *path,
                               uint8_t digest_out[FILE_DIGEST_SIZE], struct error *err)
{
    if (path_is_url(path)) {
        return digest_url(files, is_folder, path, digest_out, err);
    }
    return is_folder ? file_digest_folder(path, digest_file, files, digest_out, err)
                     : digest_file(files, path, digest_out, err);
}
