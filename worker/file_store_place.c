/* One URL in the store: what is known of it, and what of it is coming. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/buffer.h"
#include "shared/clock.h"
#include "shared/pack.h"
#include "shared/unpack.h"
#include "shared/workdir.h"
#include "worker/file_store_private.h"

#define RECORD_SIZE_MAX 4096

static enum status io_error(const char *path, struct error *err)
{
    return error_set(err, status_of_write(errno), "%s: %s", path, strerror(errno));
}

static enum status ending_path(const struct file_store_place *place, const char *ending,
                               char path_out[PATH_MAX], struct error *err)
{
    return snprintf(path_out, PATH_MAX, "%s%s", place->path, ending) < PATH_MAX
               ? STATUS_OK
               : error_set(err, STATUS_LIMIT, "%s: the path is too long", place->path);
}

/* ---- Records ----------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    size_t size;
} hashes[] = {{"", 0}, {"md5", 16}, {"sha1", 20}, {"sha256", 32}};

static size_t find_hash(const char *name)
{
    for (size_t i = 1; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        if (name != NULL && strcmp(hashes[i].name, name) == 0) {
            return i;
        }
    }
    return 0;
}

/* The hash too: who goes on with a part has to check the whole. */
static void pack_about(struct pack *out, const struct remote_about *about)
{
    const size_t hash = find_hash(about->hash_name);
    pack_array(out, 5);
    pack_int(out, about->size);
    pack_text(out, about->etag);
    pack_text(out, about->modified);
    pack_text(out, hashes[hash].name);
    pack_bytes(out, about->hash, hashes[hash].size);
}

static void unpack_text(struct unpack *in, char *text_out, size_t text_size)
{
    size_t size;
    const char *text = unpack_str(in, &size);
    if (size >= text_size) {
        unpack_fail(in);
        size = 0;
    }
    memcpy(text_out, text, size);
    text_out[size] = '\0';
}

static void unpack_about(struct unpack *in, struct remote_about *about_out)
{
    char name[16];
    size_t size;
    *about_out = (struct remote_about){.size = -1};
    unpack_array_of(in, 5);
    about_out->size = unpack_int(in);
    unpack_text(in, about_out->etag, sizeof(about_out->etag));
    unpack_text(in, about_out->modified, sizeof(about_out->modified));
    unpack_text(in, name, sizeof(name));
    const uint8_t *hash = unpack_bin(in, &size);
    const size_t found = find_hash(name);
    if (found > 0 && size == hashes[found].size) {
        about_out->hash_name = hashes[found].name;
        memcpy(about_out->hash, hash, size);
    }
}

static enum status encode_record(const struct file_store_record *record, struct buffer *out)
{
    struct pack pack;
    pack_start(&pack, out);
    pack_array(&pack, 4);
    pack_text(&pack, record->entry);
    pack_uint(&pack, record->checked_ms);
    pack_about(&pack, &record->about);
    pack_bytes(&pack, record->identity, record->has_identity ? REMOTE_DIGEST_SIZE : 0);
    return pack_finish(&pack);
}

/* What makes no sense, as after a crash, is no record. */
static void decode_record(const uint8_t *data, size_t size, struct file_store_record *record_out)
{
    struct unpack in = unpack_start(data, size);
    size_t identity_size;
    unpack_array_of(&in, 4);
    unpack_text(&in, record_out->entry, sizeof(record_out->entry));
    record_out->checked_ms = unpack_uint(&in);
    unpack_about(&in, &record_out->about);
    const uint8_t *identity = unpack_bin(&in, &identity_size);
    record_out->has_identity = identity_size == REMOTE_DIGEST_SIZE;
    if (record_out->has_identity) {
        memcpy(record_out->identity, identity, REMOTE_DIGEST_SIZE);
    }
    if (!unpack_is_done(&in) || strchr(record_out->entry, '/') != NULL ||
        record_out->entry[0] == '.') {
        *record_out = (struct file_store_record){.about = {.size = -1}};
    }
}

static enum status write_whole(int file, const char *path, const struct buffer *bytes,
                               struct error *err)
{
    errno = ENOSPC; /* where less is written */
    return pwrite(file, bytes->data, bytes->size, 0) == (ssize_t)bytes->size &&
                   ftruncate(file, (off_t)bytes->size) == 0
               ? STATUS_OK
               : io_error(path, err);
}

/* ---- Places -----------------------------------------------------------------------------------
 */

enum status file_store_lock(struct file_store *store, const uint8_t key[FILE_STORE_KEY_SIZE],
                            struct file_store_place *place_out, struct error *err)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    char name[sizeof("urls/") + (size_t)2 * FILE_STORE_KEY_SIZE] = "urls/";
    *place_out = (struct file_store_place){.lock = -1, .record = {.about = {.size = -1}}};
    for (size_t i = 0; i < FILE_STORE_KEY_SIZE; i++) {
        (void)snprintf(name + 5 + (size_t)2 * i, 3, "%02x", key[i]);
    }
    enum status status = store_path(store->dir, name, place_out->path, err);
    if (status == STATUS_OK) {
        status = store_lock_file(place_out->path, O_RDWR | O_CREAT, LOCK_EX, true, &place_out->lock,
                                 err);
    }
    if (status == STATUS_OK) {
        const ssize_t size = pread(place_out->lock, bytes, sizeof(bytes), 0);
        decode_record(bytes, size > 0 ? (size_t)size : 0, &place_out->record);
    }
    return status;
}

void file_store_unlock(struct file_store_place *place)
{
    if (place->lock >= 0) {
        (void)close(place->lock);
        place->lock = -1;
    }
}

enum status file_store_note(struct file_store_place *place, struct error *err)
{
    struct buffer bytes = {0};
    enum status status = encode_record(&place->record, &bytes);
    status = status == STATUS_OK ? write_whole(place->lock, place->path, &bytes, err)
                                 : error_set(err, status, "no memory for what is fetched");
    buffer_free(&bytes);
    return status;
}

/* ---- What is coming ---------------------------------------------------------------------------
 */

static bool read_about(const struct file_store_place *place, struct remote_about *about_out)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    char path[PATH_MAX];
    const int file = ending_path(place, ".about", path, NULL) == STATUS_OK
                         ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                         : -1;
    const ssize_t size = file >= 0 ? read(file, bytes, sizeof(bytes)) : -1;
    struct unpack in = unpack_start(bytes, size > 0 ? (size_t)size : 0);
    unpack_about(&in, about_out);
    if (file >= 0) {
        (void)close(file);
    }
    return unpack_is_done(&in);
}

enum status file_store_part(struct file_store_place *place, int *file_out,
                            struct remote_about *about_out, uint64_t *size_out, struct error *err)
{
    char path[PATH_MAX];
    struct stat found;
    const enum status status = ending_path(place, ".part", path, err);
    if (status != STATUS_OK) {
        return status;
    }
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return io_error(path, err);
    }
    *size_out = fstat(file, &found) == 0 ? (uint64_t)found.st_size : 0;
    if (!read_about(place, about_out)) {
        *about_out = (struct remote_about){.size = -1};
        *size_out = 0;
    }
    *file_out = file;
    return STATUS_OK;
}

enum status file_store_note_part(struct file_store_place *place, const struct remote_about *about,
                                 struct error *err)
{
    struct buffer bytes = {0};
    struct pack pack;
    char path[PATH_MAX];
    enum status status = ending_path(place, ".about", path, err);
    if (status != STATUS_OK) {
        return status;
    }
    pack_start(&pack, &bytes);
    pack_about(&pack, about);
    status = pack_finish(&pack);
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (status != STATUS_OK) {
        status = error_set(err, status, "no memory for what is fetched");
    } else {
        status = file >= 0 ? write_whole(file, path, &bytes, err) : io_error(path, err);
    }
    if (file >= 0) {
        (void)close(file);
    }
    buffer_free(&bytes);
    return status;
}

static void hex_text(const uint8_t *bytes, size_t size, char *text_out)
{
    for (size_t i = 0; i < size; i++) {
        (void)snprintf(text_out + 2 * i, 3, "%02x", bytes[i]);
    }
}

enum status file_store_tree(struct file_store_place *place, const uint8_t of[REMOTE_DIGEST_SIZE],
                            char path_out[PATH_MAX], struct error *err)
{
    char link[PATH_MAX];
    char state[2 * REMOTE_DIGEST_SIZE + 1];
    char found[2 * REMOTE_DIGEST_SIZE + 1] = "";
    enum status status = ending_path(place, ".tree", path_out, err);
    if (status == STATUS_OK) {
        status = ending_path(place, ".of", link, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    hex_text(of, REMOTE_DIGEST_SIZE, state);
    const ssize_t size = readlink(link, found, sizeof(found) - 1);
    found[size > 0 ? size : 0] = '\0';
    if (strcmp(found, state) != 0) {
        workdir_remove(path_out);
        (void)unlink(link);
        if (symlink(state, link) != 0) {
            return io_error(link, err);
        }
    }
    return mkdir(path_out, 0700) == 0 || errno == EEXIST ? STATUS_OK : io_error(path_out, err);
}

/* ---- It has come ------------------------------------------------------------------------------
 */

/* Nobody shall write into what others read: not even by mistake. A part stays one that may be
 * written to, for the next who comes if this process is killed. */
static enum status fill_entry(struct file_store_place *place, bool is_tree, const char *entry,
                              const char *name, struct error *err)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    char link[PATH_MAX];
    enum status status = ending_path(place, is_tree ? ".tree" : ".part", from, err);
    if (status == STATUS_OK) {
        status = store_path(entry, name, to, err);
    }
    if (status == STATUS_OK) {
        status = store_path(entry, ".name", link, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (symlink(name, link) != 0) {
        return io_error(link, err);
    }
    if (rename(from, to) != 0 || (!is_tree && chmod(to, 0400) != 0)) {
        return io_error(to, err);
    }
    return STATUS_OK;
}

/* It is filled elsewhere, and then appears under its name. */
static enum status make_entry(struct file_store *store, struct file_store_place *place,
                              bool is_tree, const char *name, const char *entry, struct error *err)
{
    char made[PATH_MAX];
    char final[PATH_MAX];
    char text[192];
    (void)snprintf(text, sizeof(text), "entries/.new-%s", entry);
    enum status status = store_path(store->dir, text, made, err);
    if (status == STATUS_OK) {
        (void)snprintf(text, sizeof(text), "entries/%s", entry);
        status = store_path(store->dir, text, final, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status =
        mkdir(made, 0700) == 0 ? fill_entry(place, is_tree, made, name, err) : io_error(made, err);
    store_note_use(made);
    if (status == STATUS_OK && rename(made, final) != 0) {
        status = io_error(final, err);
    }
    return status;
}

static void forget_coming(const struct file_store_place *place)
{
    static const char *const endings[] = {".about", ".of"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (ending_path(place, endings[i], path, NULL) == STATUS_OK) {
            (void)unlink(path);
        }
    }
}

void file_store_drop(struct file_store_place *place)
{
    static const char *const endings[] = {".part", ".tree"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]) && place->lock >= 0; i++) {
        if (ending_path(place, endings[i], path, NULL) == STATUS_OK) {
            workdir_remove(path);
        }
    }
    forget_coming(place);
}

/* What the place had before goes, if nobody uses it; else with the next that need room. */
static void discard_former(struct file_store *store, const char *entry)
{
    char name[192];
    char path[PATH_MAX];
    int lock = -1;
    (void)snprintf(name, sizeof(name), "entries/%s", entry);
    if (entry[0] == '\0' || store_path(store->dir, name, path, NULL) != STATUS_OK ||
        store_lock_file(path, O_RDONLY | O_DIRECTORY, LOCK_EX, false, &lock, NULL) != STATUS_OK) {
        return;
    }
    store_discard(store->dir, path);
    (void)close(lock);
    file_store_release(store, store_entry_size(entry));
}

enum status file_store_keep(struct file_store *store, struct file_store_place *place, bool is_tree,
                            const char *name, uint64_t size, struct error *err)
{
    char former[sizeof(place->record.entry)];
    uint64_t random = clock_us();
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    memcpy(former, place->record.entry, sizeof(former));
    (void)snprintf(place->record.entry, sizeof(place->record.entry),
                   "%.32s-%016" PRIx64 "-%" PRIu64, strrchr(place->path, '/') + 1, random, size);
    enum status status = make_entry(store, place, is_tree, name, place->record.entry, err);
    if (status == STATUS_OK) {
        status = file_store_note(place, err);
    }
    if (status != STATUS_OK) {
        memcpy(place->record.entry, former, sizeof(former));
        return status;
    }
    forget_coming(place);
    discard_former(store, former);
    return STATUS_OK;
}
