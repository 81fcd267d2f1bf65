#include "master/cache_urls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "shared/arena.h"
#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/typed_paths.h"
#include "shared/value.h"

#define THREAD_COUNT_MAX 16u

struct asked {
    char *url;
    bool is_folder;
    uint8_t digest[REMOTE_DIGEST_SIZE];
    enum status status;
    char *text; /* of a failure */
};

struct cache_urls {
    struct buffer settings;
    struct remote *remotes[THREAD_COUNT_MAX]; /* one a thread; NULL: not yet */
    struct arena arena;                       /* of one value */
    struct asked *asked;                      /* sorted, once all are there */
    size_t count;
    size_t capacity;
    atomic_size_t next; /* the next one to be asked for */
};

/* ---- Life -------------------------------------------------------------------------------------
 */

static void forget(struct cache_urls *urls)
{
    for (size_t i = 0; i < urls->count; i++) {
        free(urls->asked[i].url);
        free(urls->asked[i].text);
    }
    urls->count = 0;
}

enum status cache_urls_create(struct cache_urls **urls_out)
{
    struct cache_urls *urls = calloc(1, sizeof(*urls));
    if (urls == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status = remote_settings_take(&urls->settings);
    if (status != STATUS_OK) {
        cache_urls_destroy(urls);
        return status;
    }
    *urls_out = urls;
    return STATUS_OK;
}

void cache_urls_destroy(struct cache_urls *urls)
{
    if (urls == NULL) {
        return;
    }
    forget(urls);
    free(urls->asked);
    for (size_t i = 0; i < THREAD_COUNT_MAX; i++) {
        remote_destroy(urls->remotes[i]);
    }
    arena_free(&urls->arena);
    buffer_free(&urls->settings);
    free(urls);
}

/* ---- Which ------------------------------------------------------------------------------------
 */

static int by_url(const void *left, const void *right)
{
    const struct asked *a = left;
    const struct asked *b = right;
    const int order = strcmp(a->url, b->url);
    return order != 0 ? order : (int)a->is_folder - (int)b->is_folder;
}

static enum status add_url(void *context, bool is_folder, mf_value *value, struct error *err)
{
    struct cache_urls *urls = context;
    (void)err;
    urls->asked = memory_grow(urls->asked, urls->count, &urls->capacity, sizeof(*urls->asked));
    urls->asked[urls->count++] =
        (struct asked){.url = memory_copy_text(mf_str(value)), .is_folder = is_folder};
    return STATUS_OK;
}

static void drop_doubled(struct cache_urls *urls)
{
    size_t kept = 0;
    if (urls->count == 0) {
        return;
    }
    qsort(urls->asked, urls->count, sizeof(*urls->asked), by_url);
    for (size_t i = 0; i < urls->count; i++) {
        if (kept > 0 && by_url(&urls->asked[kept - 1], &urls->asked[i]) == 0) {
            free(urls->asked[i].url);
        } else {
            urls->asked[kept++] = urls->asked[i];
        }
    }
    urls->count = kept;
}

/* What cannot be decoded has no key, either. */
static void gather(struct cache_urls *urls, const struct type *type, const uint8_t *values,
                   size_t size)
{
    if (size == 0 || memmem(values, size, "://", 3) == NULL) {
        return; /* paths alone, most often */
    }
    while (size > 0) {
        mf_value value;
        size_t used;
        arena_reset(&urls->arena);
        if (value_decode(&urls->arena, values, size, &used, &value, NULL) != STATUS_OK ||
            typed_paths_visit_urls(type, &urls->arena, add_url, urls, &value, NULL) != STATUS_OK) {
            return;
        }
        values += used;
        size -= used;
    }
}

/* ---- Asking -----------------------------------------------------------------------------------
 */

static enum status identify(struct cache_urls *urls, struct remote **remote, bool is_folder,
                            const char *url, uint8_t digest_out[REMOTE_DIGEST_SIZE],
                            struct error *err)
{
    const struct remote_settings settings = {.data = urls->settings.data,
                                             .size = urls->settings.size};
    enum status status = STATUS_OK;
    if (*remote == NULL) {
        status = remote_create(&settings, remote, err);
    }
    return status == STATUS_OK ? remote_identify(*remote, is_folder, url, digest_out, err) : status;
}

struct asker {
    struct cache_urls *urls;
    struct remote **remote;
    pthread_t thread;
    bool is_started;
};

static void *run_asker(void *context)
{
    const struct asker *asker = context;
    struct cache_urls *urls = asker->urls;
    for (;;) {
        const size_t at = atomic_fetch_add(&urls->next, 1);
        if (at >= urls->count) {
            return NULL;
        }
        struct asked *asked = &urls->asked[at];
        struct error err = {""};
        asked->status =
            identify(urls, asker->remote, asked->is_folder, asked->url, asked->digest, &err);
        asked->text = asked->status == STATUS_OK ? NULL : memory_copy_text(err.text);
    }
}

/* The caller's thread asks too: it does where no other can be started. */
void cache_urls_ask(struct cache_urls *urls, const struct type *type, const uint8_t *values,
                    size_t size)
{
    struct asker askers[THREAD_COUNT_MAX];
    forget(urls);
    gather(urls, type, values, size);
    drop_doubled(urls);
    const size_t count = urls->count < THREAD_COUNT_MAX ? urls->count : THREAD_COUNT_MAX;
    atomic_store(&urls->next, 0);
    for (size_t i = 1; i < count; i++) {
        askers[i] = (struct asker){.urls = urls, .remote = &urls->remotes[i]};
        askers[i].is_started = pthread_create(&askers[i].thread, NULL, run_asker, &askers[i]) == 0;
    }
    if (count > 0) {
        askers[0] = (struct asker){.urls = urls, .remote = &urls->remotes[0]};
        (void)run_asker(&askers[0]);
    }
    for (size_t i = 1; i < count; i++) {
        if (askers[i].is_started) {
            (void)pthread_join(askers[i].thread, NULL);
        }
    }
}

enum status cache_urls_identity(struct cache_urls *urls, bool is_folder, const char *url,
                                uint8_t digest_out[REMOTE_DIGEST_SIZE], struct error *err)
{
    const struct asked wanted = {.url = (char *)(uintptr_t)url, .is_folder = is_folder};
    const struct asked *asked =
        urls->count > 0 ? bsearch(&wanted, urls->asked, urls->count, sizeof(*urls->asked), by_url)
                        : NULL;
    if (asked == NULL) {
        return identify(urls, &urls->remotes[0], is_folder, url, digest_out, err);
    }
    memcpy(digest_out, asked->digest, REMOTE_DIGEST_SIZE);
    return asked->status == STATUS_OK ? STATUS_OK
                                      : error_set(err, asked->status, "%s", asked->text);
}
