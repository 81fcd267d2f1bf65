#include "worker/staging.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/quantity.h"
#include "shared/typed_paths.h"
#include "shared/url.h"
#include "shared/value.h"
#include "worker/staging_private.h"

#define PIN_TRIES_MAX 3

/* ---- The rank ---------------------------------------------------------------------------------
 */

static uint64_t since_ms;

void staging_begin(void)
{
    if (since_ms == 0) {
        since_ms = clock_day_ms();
    }
}

void staging_leave(void)
{
    char dir[PATH_MAX];
    file_store_default_dir(dir);
    file_store_leave(dir);
}

/* ---- Life -------------------------------------------------------------------------------------
 */

enum status staging_create(const struct remote_settings *settings, struct staging **staging_out)
{
    struct staging *staging = calloc(1, sizeof(*staging));
    if (staging == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status =
        buffer_append(&staging->settings_bytes, settings->data, settings->size);
    if (status != STATUS_OK) {
        staging_destroy(staging);
        return status;
    }
    staging->settings = (struct remote_settings){.data = staging->settings_bytes.data,
                                                 .size = staging->settings_bytes.size};
    *staging_out = staging;
    return STATUS_OK;
}

void staging_destroy(struct staging *staging)
{
    if (staging == NULL) {
        return;
    }
    staging_release(staging);
    free(staging->staged);
    remote_destroy(staging->remote);
    file_store_close(staging->store);
    buffer_free(&staging->settings_bytes);
    free(staging);
}

enum status staging_remote(struct staging *staging, struct remote **remote_out, struct error *err)
{
    enum status status = STATUS_OK;
    if (staging->remote == NULL) {
        status = remote_create(&staging->settings, &staging->remote, err);
    }
    *remote_out = staging->remote;
    return status;
}

static enum status open_store(struct staging *staging, struct error *err)
{
    const char *dir = remote_setting(&staging->settings, "MAPFLEET_FILES_DIR");
    const char *bound = remote_setting(&staging->settings, "MAPFLEET_FILES_SIZE");
    uint64_t size_max = 0;
    if (staging->store != NULL) {
        return STATUS_OK;
    }
    if (dir != NULL) {
        (void)snprintf(staging->dir, sizeof(staging->dir), "%s", dir);
    } else {
        file_store_default_dir(staging->dir);
    }
    if (bound != NULL && quantity_parse_size(bound, &size_max, err) != STATUS_OK) {
        return STATUS_INVALID;
    }
    return file_store_open(staging->dir, size_max, &staging->store, err);
}

/* ---- An attempt -------------------------------------------------------------------------------
 */

/* The place of a URL in the store: it says nothing of the content. */
static bool key_of(const struct staging *staging, bool is_folder, const char *url,
                   uint8_t key_out[FILE_STORE_KEY_SIZE])
{
    struct remote_about about = {.size = -1};
    (void)snprintf(about.etag, sizeof(about.etag), "%s", is_folder ? "dir" : "file");
    return remote_identity(&staging->settings, url, &about, key_out);
}

static void note_staged(struct staging *staging, const char *url, int pin,
                        const struct file_store_record *record)
{
    staging->staged = memory_grow(staging->staged, staging->staged_count, &staging->staged_capacity,
                                  sizeof(*staging->staged));
    struct staged *staged = &staging->staged[staging->staged_count++];
    *staged = (struct staged){
        .url = memory_copy_text(url), .pin = pin, .has_identity = record->has_identity};
    memcpy(staged->identity, record->identity, sizeof(staged->identity));
}

/* What is there may be thrown out before it is pinned, where others need room. */
static enum status fetch_and_pin(struct staging *staging, struct file_store_place *place,
                                 bool is_folder, const char *url, int *pin_out,
                                 char path_out[PATH_MAX], struct error *err)
{
    enum status status = STATUS_NOT_FOUND;
    for (int i = 0; i < PIN_TRIES_MAX && status == STATUS_NOT_FOUND; i++) {
        status = staging_fetch(staging, place, is_folder, url, since_ms, err);
        if (status != STATUS_OK) {
            return status;
        }
        status = file_store_pin(staging->store, place, pin_out, path_out, err);
    }
    return status;
}

static enum status take_once(struct staging *staging, bool is_folder, const char *url, bool is_last,
                             char path_out[PATH_MAX], struct error *err)
{
    uint8_t key[FILE_STORE_KEY_SIZE];
    struct file_store_place place = {.lock = -1};
    int pin;
    if (!key_of(staging, is_folder, url, key)) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for what is fetched");
    }
    enum status status = file_store_lock(staging->store, key, &place, err);
    if (status == STATUS_OK) {
        status = fetch_and_pin(staging, &place, is_folder, url, &pin, path_out, err);
    }
    if (status == STATUS_OK) {
        note_staged(staging, url, pin, &place.record);
    } else if (status == STATUS_UNWRITABLE && is_last) {
        file_store_drop(&place); /* for others, who may need less room */
    }
    file_store_unlock(&place);
    return status;
}

/* STATUS_UNWRITABLE is for the run's own disk. */
static enum status take_url(struct staging *staging, bool is_folder, const char *url,
                            char path_out[PATH_MAX], struct error *err)
{
    if (staging->staged_count == STAGING_PIN_COUNT_MAX) {
        return error_set(err, STATUS_LIMIT, "an input names more than %d URLs: a dir may hold more",
                         STAGING_PIN_COUNT_MAX);
    }
    enum status status = open_store(staging, err);
    if (status == STATUS_OK) {
        status = take_once(staging, is_folder, url, false, path_out, err);
    }
    if (status == STATUS_UNWRITABLE && staging->store != NULL) {
        (void)file_store_empty(staging->store);
        status = take_once(staging, is_folder, url, true, path_out, err);
    }
    if (status == STATUS_UNWRITABLE) {
        error_prefix(err, "no room in %s: ", staging->dir);
        status = STATUS_IO;
    }
    return status;
}

struct taking {
    struct staging *staging;
    struct arena *arena;
};

static enum status visit_url(void *context, bool is_folder, mf_value *value, struct error *err)
{
    const struct taking *taking = context;
    char path[PATH_MAX];
    const enum status status = take_url(taking->staging, is_folder, mf_str(value), path, err);
    if (status != STATUS_OK) {
        return status;
    }
    const size_t size = strlen(path);
    const char *copy = arena_copy(taking->arena, path, size);
    if (copy == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a value");
    }
    *value = value_text(MF_STR, copy, (uint32_t)size);
    return STATUS_OK;
}

enum status staging_take(struct staging *staging, const struct type *type, struct arena *arena,
                         mf_value *value, struct error *err)
{
    struct taking taking = {.staging = staging, .arena = arena};
    return typed_paths_visit_urls(type, arena, visit_url, &taking, value, err);
}

void staging_release(struct staging *staging)
{
    for (size_t i = 0; i < staging->staged_count; i++) {
        file_store_unpin(staging->staged[i].pin);
        free(staging->staged[i].url);
    }
    staging->staged_count = 0;
}

bool staging_identity(const struct staging *staging, const char *url,
                      uint8_t digest_out[REMOTE_DIGEST_SIZE])
{
    for (size_t i = 0; i < staging->staged_count; i++) {
        const struct staged *staged = &staging->staged[i];
        if (staged->has_identity && strcmp(staged->url, url) == 0) {
            memcpy(digest_out, staged->identity, REMOTE_DIGEST_SIZE);
            return true;
        }
    }
    return false;
}
