/* One URL, from its server into the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/path.h"
#include "shared/url.h"
#include "worker/staging_private.h"

/* ---- One content ------------------------------------------------------------------------------
 */

/* Room is made for so much more at a time, where a server does not say how much will come. */
#define GROW_SIZE ((uint64_t)8 << 20)

struct coming {
    struct file_store *store;
    struct file_store_place *place;
    const struct remote_get *get;
    uint64_t reserved;
};

static void release(struct coming *coming)
{
    if (coming->reserved > 0) {
        file_store_release(coming->store, coming->reserved);
        coming->reserved = 0;
    }
}

static enum status on_begin(void *context, const struct remote_about *about, struct error *err)
{
    struct coming *coming = context;
    const uint64_t size = about->size > 0 ? (uint64_t)about->size : 0;
    release(coming);
    const enum status status = file_store_reserve(coming->store, size, err);
    if (status != STATUS_OK) {
        return status;
    }
    coming->reserved = size;
    return file_store_note_part(coming->place, about, err);
}

/* What goes on where it was cut short has a known end; else it is bounded as it comes. */
static enum status on_grow(void *context, uint64_t size, struct error *err)
{
    struct coming *coming = context;
    const int64_t known = coming->get->about.size;
    if (size <= coming->reserved) {
        return STATUS_OK;
    }
    release(coming);
    uint64_t goal = known >= (int64_t)size ? (uint64_t)known : size + GROW_SIZE;
    enum status status = file_store_reserve(coming->store, goal, err);
    if (status == STATUS_LIMIT) {
        goal = size;
        status = file_store_reserve(coming->store, goal, err);
    }
    coming->reserved = status == STATUS_OK ? goal : 0;
    return status;
}

/* As much as has come counts from now on; of what is too large, nothing stays. */
static void settle(struct coming *coming, enum status status)
{
    const struct remote_get *get = coming->get;
    const uint64_t kept = status == STATUS_OK && !get->is_unchanged ? get->size : 0;
    if (status == STATUS_LIMIT) {
        (void)!ftruncate(get->file, 0);
    }
    if (coming->reserved > kept) {
        file_store_release(coming->store, coming->reserved - kept);
    }
}

/* Its last part is asked for, where a part is there; nothing, where all is there and unchanged. The
 * part of a disk that is full stays: there may be room for the rest once others are thrown out. */
static enum status get_content(struct staging *staging, struct file_store_place *place,
                               const char *url, struct remote_get *get, struct error *err)
{
    struct remote *remote;
    struct coming coming = {.store = staging->store, .place = place, .get = get};
    enum status status = staging_remote(staging, &remote, err);
    if (status == STATUS_OK) {
        status = file_store_part(place, &get->file, &get->about, &get->offset, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    get->url = url;
    get->begin = on_begin;
    get->grow = on_grow;
    get->context = &coming;
    if (get->offset > 0) {
        get->has_all = false;
    } else if (get->has_all) {
        get->about = place->record.about;
    }
    status = remote_get(remote, get, err);
    settle(&coming, status);
    (void)close(get->file);
    return status;
}

static enum status fetch_file(struct staging *staging, struct file_store_place *place,
                              const char *url, struct error *err)
{
    struct file_store_record *record = &place->record;
    struct remote_get get = {.has_all = record->entry[0] != '\0'};
    char name[URL_NAME_SIZE_MAX];
    enum status status = get_content(staging, place, url, &get, err);
    if (status != STATUS_OK) {
        return status;
    }
    record->checked_ms = clock_day_ms();
    if (get.is_unchanged) {
        return file_store_note(place, err);
    }
    record->about = get.about;
    record->has_identity = remote_identity(&staging->settings, url, &get.about, record->identity);
    url_name(url, name);
    status = file_store_keep(staging->store, place, false, name, get.size, err);
    if (status != STATUS_OK) {
        file_store_release(staging->store, get.size);
    }
    return status;
}

/* ---- A folder ---------------------------------------------------------------------------------
 */

struct object {
    char *name;
    uint64_t size;
};

struct objects {
    struct object *list;
    size_t count;
    size_t capacity;
    uint64_t size;
};

static enum status add_object(void *context, const char *name, const struct remote_about *about,
                              struct error *err)
{
    struct objects *objects = context;
    (void)err;
    objects->list =
        memory_grow(objects->list, objects->count, &objects->capacity, sizeof(*objects->list));
    struct object *object = &objects->list[objects->count++];
    *object = (struct object){.name = memory_copy_text(name),
                              .size = about->size > 0 ? (uint64_t)about->size : 0};
    objects->size += object->size;
    return STATUS_OK;
}

static void free_objects(struct objects *objects)
{
    for (size_t i = 0; i < objects->count; i++) {
        free(objects->list[i].name);
    }
    free(objects->list);
}

/* The folders of `path` below the tree. */
static enum status make_folders(char *path, size_t tree_size, struct error *err)
{
    for (char *slash = strchr(path + tree_size + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            return error_set(err, status_of_write(errno), "%s: %s", path, strerror(errno));
        }
        *slash = '/';
    }
    return STATUS_OK;
}

/* What has come is moved into the tree: what is there under its name is whole. */
static enum status fetch_object(struct staging *staging, struct file_store_place *place,
                                const char *url, const char *tree, const struct object *object,
                                struct error *err)
{
    char path[PATH_MAX];
    char part[PATH_MAX + 8];
    char object_url[URL_SIZE_MAX];
    struct remote_get get = {.has_all = false};
    const size_t url_size = strlen(url);
    if (snprintf(path, sizeof(path), "%s/%s", tree, object->name) >= (int)sizeof(path) ||
        snprintf(object_url, sizeof(object_url), "%s%s%s", url, url[url_size - 1] == '/' ? "" : "/",
                 object->name) >= (int)sizeof(object_url)) {
        return error_set(err, STATUS_LIMIT, "%s: the path is too long", object->name);
    }
    if (access(path, F_OK) == 0) {
        return STATUS_OK;
    }
    enum status status = get_content(staging, place, object_url, &get, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = make_folders(path, strlen(tree), err);
    (void)snprintf(part, sizeof(part), "%s.part", place->path);
    if (status == STATUS_OK && (rename(part, path) != 0 || chmod(path, 0400) != 0)) {
        status = error_set(err, status_of_write(errno), "%s: %s", path, strerror(errno));
    }
    if (status != STATUS_OK) {
        file_store_release(staging->store, get.size);
    }
    return status;
}

static enum status fill_tree(struct staging *staging, struct file_store_place *place,
                             const char *url, const struct objects *objects, struct error *err)
{
    char tree[PATH_MAX];
    char name[URL_NAME_SIZE_MAX];
    /* Room for all of it, so that what comes first is not thrown out for the rest in vain. */
    enum status status = file_store_reserve(staging->store, objects->size, err);
    if (status != STATUS_OK) {
        return status;
    }
    file_store_release(staging->store, objects->size);
    status = file_store_tree(place, place->record.identity, tree, err);
    for (size_t i = 0; i < objects->count && status == STATUS_OK; i++) {
        status = fetch_object(staging, place, url, tree, &objects->list[i], err);
    }
    if (status == STATUS_OK) {
        url_name(url, name);
        status = file_store_keep(staging->store, place, true, name, objects->size, err);
    }
    return status;
}

static enum status fetch_folder(struct staging *staging, struct file_store_place *place,
                                const char *url, struct error *err)
{
    struct file_store_record *record = &place->record;
    struct objects objects = {0};
    struct remote *remote;
    char shown[URL_SIZE_MAX];
    uint8_t identity[REMOTE_DIGEST_SIZE];
    bool is_known;
    enum status status = staging_remote(staging, &remote, err);
    if (status == STATUS_OK) {
        status =
            remote_identify_folder(remote, url, add_object, &objects, identity, &is_known, err);
    }
    if (status == STATUS_OK && objects.count == 0) {
        status = error_set(err, STATUS_NOT_FOUND, "%.512s: there is nothing below it",
                           url_show(url, shown));
    }
    if (status == STATUS_OK) {
        record->checked_ms = clock_day_ms();
        const bool is_unchanged = record->entry[0] != '\0' && record->has_identity && is_known &&
                                  memcmp(record->identity, identity, sizeof(identity)) == 0;
        memcpy(record->identity, identity, sizeof(identity));
        record->has_identity = is_known;
        status = is_unchanged ? file_store_note(place, err)
                              : fill_tree(staging, place, url, &objects, err);
    }
    free_objects(&objects);
    return status;
}

/* ---- Is it needed? ----------------------------------------------------------------------------
 */

/* An entry that was thrown out is no entry. */
static void check_entry(struct staging *staging, struct file_store_place *place)
{
    char path[PATH_MAX];
    int pin;
    if (file_store_pin(staging->store, place, &pin, path, NULL) == STATUS_OK) {
        file_store_unpin(pin);
    } else {
        place->record.entry[0] = '\0';
    }
}

enum status staging_fetch(struct staging *staging, struct file_store_place *place, bool is_folder,
                          const char *url, uint64_t since_ms, struct error *err)
{
    check_entry(staging, place);
    if (place->record.entry[0] != '\0' && place->record.checked_ms >= since_ms) {
        return STATUS_OK;
    }
    return is_folder ? fetch_folder(staging, place, url, err)
                     : fetch_file(staging, place, url, err);
}
