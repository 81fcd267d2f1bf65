#include "shared/remote.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "shared/path.h"
#include "shared/remote_face.h"
#include "shared/url.h"

struct remote {
    const struct remote_face *face;
    struct remote_client *client;
    struct buffer settings;
};

/* ---- The module -------------------------------------------------------------------------------
 */

/* It stays loaded for good: threads of libcurl's resolver may still be on their way. */
static enum status load_face(const struct remote_face **face_out, struct error *err)
{
    char path[PATH_MAX + 64];
    path_of_module("remote_curl.so", path, sizeof(path));
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        const char *text = dlerror();
        return error_set(err, STATUS_IO, "the module for URLs was not loaded: %s",
                         text == NULL ? path : text);
    }
    const struct remote_face *(*get_face)(void) = NULL;
    *(void **)&get_face = dlsym(module, REMOTE_FACE_NAME);
    const struct remote_face *face = get_face == NULL ? NULL : get_face();
    if (face == NULL || strcmp(face->version, MAPFLEET_VERSION) != 0) {
        return error_set(err, STATUS_IO, "%s: not the module for URLs of mapfleet %s", path,
                         MAPFLEET_VERSION);
    }
    *face_out = face;
    return STATUS_OK;
}

enum status remote_create(const struct remote_settings *settings, struct remote **remote_out,
                          struct error *err)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    enum status status = remote != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        status = buffer_append(&remote->settings, settings->data, settings->size);
    }
    if (status == STATUS_OK) {
        status = load_face(&remote->face, err);
    } else {
        (void)error_set(err, status, "no memory to fetch files");
    }
    if (status == STATUS_OK) {
        const struct remote_settings copy = {.data = remote->settings.data,
                                             .size = remote->settings.size};
        status = remote->face->create(&copy, &remote->client, err);
    }
    if (status != STATUS_OK) {
        remote_destroy(remote);
        return status;
    }
    *remote_out = remote;
    return STATUS_OK;
}

enum status remote_describe(char *text_out, size_t text_size, struct error *err)
{
    const struct remote_face *face = NULL;
    const enum status status = load_face(&face, err);
    if (face != NULL) {
        face->describe(text_out, text_size);
    }
    return status;
}

void remote_destroy(struct remote *remote)
{
    if (remote == NULL) {
        return;
    }
    if (remote->client != NULL) {
        remote->face->destroy(remote->client);
    }
    buffer_free(&remote->settings);
    free(remote);
}

enum status remote_head(struct remote *remote, const char *url, struct remote_about *about_out,
                        struct error *err)
{
    return remote->face->head(remote->client, url, about_out, err);
}

enum status remote_get(struct remote *remote, struct remote_get *get, struct error *err)
{
    return remote->face->get(remote->client, get, err);
}

enum status remote_put(struct remote *remote, const char *url, const char *path, struct error *err)
{
    return remote->face->put(remote->client, url, path, err);
}

enum status remote_remove(struct remote *remote, const char *url, struct error *err)
{
    return remote->face->remove(remote->client, url, err);
}

enum status remote_list(struct remote *remote, const char *url, remote_visit *visit, void *context,
                        struct error *err)
{
    return remote->face->list(remote->client, url, visit, context, err);
}

/* ---- Identity ---------------------------------------------------------------------------------
 */

/* With the NUL that ends it, so that no two lists of texts give the same bytes. */
static void put_text(XXH3_state_t *state, const char *text)
{
    (void)XXH3_128bits_update(state, text, strlen(text) + 1);
}

static bool put_about(XXH3_state_t *state, const struct remote_about *about)
{
    char size[32];
    if (about->etag[0] != '\0') {
        put_text(state, about->etag);
        return true;
    }
    (void)snprintf(size, sizeof(size), "%lld", (long long)about->size);
    put_text(state, size);
    put_text(state, about->modified);
    return about->size >= 0 && about->modified[0] != '\0';
}

/* An s3 URL says nothing of the server. */
static void put_url(XXH3_state_t *state, const struct remote_settings *settings, const char *url)
{
    struct url parts;
    const char *endpoint = remote_setting(settings, "AWS_ENDPOINT_URL_S3");
    endpoint = endpoint != NULL ? endpoint : remote_setting(settings, "AWS_ENDPOINT_URL");
    put_text(state, url);
    if (endpoint != NULL && url_parse(url, &parts, NULL) == STATUS_OK && parts.scheme == URL_S3) {
        put_text(state, endpoint);
    }
}

static void finish(XXH3_state_t *state, uint8_t digest_out[REMOTE_DIGEST_SIZE])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(digest_out, canonical.digest, REMOTE_DIGEST_SIZE);
}

bool remote_identity(const struct remote_settings *settings, const char *url,
                     const struct remote_about *about, uint8_t digest_out[REMOTE_DIGEST_SIZE])
{
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL) {
        return false;
    }
    (void)XXH3_128bits_reset(state);
    put_url(state, settings, url);
    const bool is_known = put_about(state, about);
    finish(state, digest_out);
    (void)XXH3_freeState(state);
    return is_known;
}

struct listing {
    XXH3_state_t *state;
    bool is_known;
    remote_visit *visit;
    void *context;
};

static enum status put_listed(void *context, const char *name, const struct remote_about *about,
                              struct error *err)
{
    struct listing *listing = context;
    put_text(listing->state, name);
    listing->is_known = put_about(listing->state, about) && listing->is_known;
    return listing->visit != NULL ? listing->visit(listing->context, name, about, err) : STATUS_OK;
}

static struct remote_settings settings_of(const struct remote *remote)
{
    return (struct remote_settings){.data = remote->settings.data, .size = remote->settings.size};
}

enum status remote_identify_folder(struct remote *remote, const char *url, remote_visit *visit,
                                   void *context, uint8_t digest_out[REMOTE_DIGEST_SIZE],
                                   bool *is_known_out, struct error *err)
{
    const struct remote_settings settings = settings_of(remote);
    struct listing listing = {
        .state = XXH3_createState(), .is_known = true, .visit = visit, .context = context};
    if (listing.state == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory to list a folder");
    }
    (void)XXH3_128bits_reset(listing.state);
    put_url(listing.state, &settings, url);
    const enum status status = remote_list(remote, url, put_listed, &listing, err);
    finish(listing.state, digest_out);
    (void)XXH3_freeState(listing.state);
    *is_known_out = listing.is_known;
    return status;
}

enum status remote_identify(struct remote *remote, bool is_folder, const char *url,
                            uint8_t digest_out[REMOTE_DIGEST_SIZE], struct error *err)
{
    const struct remote_settings settings = settings_of(remote);
    struct remote_about about;
    char shown[URL_SIZE_MAX];
    bool is_known = false;
    enum status status;
    if (is_folder) {
        status = remote_identify_folder(remote, url, NULL, NULL, digest_out, &is_known, err);
    } else {
        status = remote_head(remote, url, &about, err);
        is_known = status == STATUS_OK && remote_identity(&settings, url, &about, digest_out);
    }
    if (status == STATUS_OK && !is_known) {
        return error_set(err, STATUS_NOT_FOUND,
                         "%s: the server gives neither ETag nor size and Last-Modified",
                         url_show(url, shown));
    }
    return status;
}
