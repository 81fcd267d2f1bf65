/* Listings of an s3 prefix: pages of XML, read as they come. */
#include "shared/remote_client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <expat.h>

#include "shared/buffer.h"
#include "shared/memory.h"
#include "shared/url.h"

#define TEXT_SIZE_MAX ((size_t)16 << 10)

struct object {
    char *key; /* as it stands; NULL: not yet */
    struct remote_about about;
};

struct listing {
    struct remote_client *client;
    const char *prefix; /* of keys: "" or with a slash at its end */
    remote_visit *visit;
    void *visitor;
    /* of a page */
    XML_Parser parser;
    struct buffer text; /* of the element that is open */
    bool is_object;     /* within <Contents> */
    bool is_encoded;    /* keys are; some servers say so behind them */
    bool is_truncated;  /* there are more pages */
    struct object *objects;
    size_t object_count;
    size_t object_capacity;
    char *token; /* of the next page */
    enum status status;
    struct error error;
};

static void stop(struct listing *listing, enum status status, const char *text)
{
    if (listing->status == STATUS_OK) {
        listing->status = error_set(&listing->error, status, "%s", text);
        (void)XML_StopParser(listing->parser, XML_FALSE);
    }
}

static void XMLCALL on_start(void *context, const char *name, const char **attributes)
{
    struct listing *listing = context;
    (void)attributes;
    buffer_clear(&listing->text);
    if (strcmp(name, "Contents") == 0) {
        listing->is_object = true;
        listing->objects = memory_grow(listing->objects, listing->object_count,
                                       &listing->object_capacity, sizeof(*listing->objects));
        listing->objects[listing->object_count++] = (struct object){.about = {.size = -1}};
    }
}

static void XMLCALL on_text(void *context, const char *text, int size)
{
    struct listing *listing = context;
    if (listing->text.size + (size_t)size > TEXT_SIZE_MAX ||
        buffer_append(&listing->text, text, (size_t)size) != STATUS_OK) {
        stop(listing, STATUS_IO, "the listing is malformed: a text is too long");
    }
}

/* ---- Objects ----------------------------------------------------------------------------------
 */

/* As in a form, where a plus is a blank: one that is meant stands as %2B. NULL: no such key. */
static char *decode(const struct listing *listing, const char *text)
{
    int size = 0;
    char *form = memory_copy_text(text);
    if (!listing->is_encoded) {
        return form;
    }
    for (char *plus = strchr(form, '+'); plus != NULL; plus = strchr(plus, '+')) {
        *plus = ' ';
    }
    char *plain = curl_easy_unescape(listing->client->curl, form, 0, &size);
    char *key = plain != NULL && strlen(plain) == (size_t)size ? memory_copy_text(plain) : NULL;
    curl_free(plain);
    free(form);
    return key;
}

/* A name from outside becomes a path below a folder: none may lead out of it. */
static bool is_safe(const char *name)
{
    if (*name == '/' || *name == '\0') {
        return false;
    }
    for (const char *part = name; part != NULL; part = strchr(part, '/')) {
        part += *part == '/' ? 1 : 0;
        const size_t size = strcspn(part, "/");
        if (size == 0 || size > 255 || (size == 1 && *part == '.') ||
            (size == 2 && part[0] == '.' && part[1] == '.')) {
            return false;
        }
    }
    return true;
}

/* Programs that show folders put empty objects there whose keys end with a slash. */
static enum status visit_key(const struct listing *listing, const char *key,
                             const struct remote_about *about, struct error *err)
{
    const size_t prefix_size = strlen(listing->prefix);
    if (key == NULL || strncmp(key, listing->prefix, prefix_size) != 0) {
        return error_set(err, STATUS_IO, "the listing is malformed: a key that was not asked for");
    }
    const char *name = key + prefix_size;
    const size_t size = strlen(name);
    if (size == 0 || name[size - 1] == '/') {
        return STATUS_OK;
    }
    return is_safe(name) ? listing->visit(listing->visitor, name, about, err)
                         : error_set(err, STATUS_INVALID,
                                     "the key \"%.400s\" can be no path below a folder", key);
}

static enum status visit_objects(const struct listing *listing, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->object_count && status == STATUS_OK; i++) {
        const struct object *object = &listing->objects[i];
        char *key = object->key != NULL ? decode(listing, object->key) : NULL;
        status = visit_key(listing, key, &object->about, err);
        free(key);
    }
    return status;
}

static void forget_objects(struct listing *listing)
{
    for (size_t i = 0; i < listing->object_count; i++) {
        free(listing->objects[i].key);
    }
    listing->object_count = 0;
}

static void take_field(struct object *object, const char *name, const char *text)
{
    struct remote_about *about = &object->about;
    if (strcmp(name, "Key") == 0) {
        free(object->key);
        object->key = memory_copy_text(text);
    } else if (strcmp(name, "ETag") == 0 && strlen(text) < sizeof(about->etag)) {
        (void)snprintf(about->etag, sizeof(about->etag), "%s", text);
    } else if (strcmp(name, "Size") == 0) {
        about->size = strtoll(text, NULL, 10);
    }
}

static void XMLCALL on_end(void *context, const char *name)
{
    struct listing *listing = context;
    if (buffer_append_byte(&listing->text, '\0') != STATUS_OK) {
        stop(listing, STATUS_NO_MEMORY, "no memory for a listing");
        return;
    }
    const char *text = (const char *)listing->text.data;
    if (strcmp(name, "Contents") == 0) {
        listing->is_object = false;
    } else if (listing->is_object) {
        take_field(&listing->objects[listing->object_count - 1], name, text);
    } else if (strcmp(name, "EncodingType") == 0) {
        listing->is_encoded = strcasecmp(text, "url") == 0;
    } else if (strcmp(name, "IsTruncated") == 0) {
        listing->is_truncated = strcmp(text, "true") == 0;
    } else if (strcmp(name, "NextContinuationToken") == 0) {
        free(listing->token);
        listing->token = memory_copy_text(text);
    }
    buffer_clear(&listing->text);
}

/* Entities that a document defines itself serve for nothing but attacks. */
static void XMLCALL on_entity(void *context, const char *name, int is_parameter, const char *value,
                              int value_size, const char *base, const char *system,
                              const char *public, const char *notation)
{
    (void)name;
    (void)is_parameter;
    (void)value;
    (void)value_size;
    (void)base;
    (void)system;
    (void)public;
    (void)notation;
    stop(context, STATUS_IO, "the listing is malformed: it defines entities");
}

/* ---- Pages ------------------------------------------------------------------------------------
 */

static enum status parse_page(struct listing *listing, const struct buffer *page, struct error *err)
{
    listing->parser = XML_ParserCreate("UTF-8");
    if (listing->parser == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a listing");
    }
    XML_SetUserData(listing->parser, listing);
    XML_SetElementHandler(listing->parser, on_start, on_end);
    XML_SetCharacterDataHandler(listing->parser, on_text);
    XML_SetEntityDeclHandler(listing->parser, on_entity);
    const enum XML_Status parsed =
        XML_Parse(listing->parser, (const char *)page->data, (int)page->size, XML_TRUE);
    if (parsed != XML_STATUS_OK && listing->status == STATUS_OK) {
        listing->status = error_set(&listing->error, STATUS_IO, "the listing is malformed: %s",
                                    XML_ErrorString(XML_GetErrorCode(listing->parser)));
    }
    XML_ParserFree(listing->parser);
    return listing->status == STATUS_OK
               ? STATUS_OK
               : error_set(err, listing->status, "%s", listing->error.text);
}

#define PAGE_SIZE_MAX ((size_t)64 << 20)

static enum status take_page(void *context, const struct answer *answer, const void *data,
                             size_t size, struct error *err)
{
    struct buffer *page = context;
    (void)answer;
    if (page->size + size > PAGE_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT, "a page of the listing is larger than 64 MiB");
    }
    const enum status status = buffer_append(page, data, size);
    return status == STATUS_OK ? status : error_set(err, status, "no memory for a listing");
}

static enum status forget_page(void *context, struct curl_slist **headers, struct error *err)
{
    (void)headers;
    (void)err;
    buffer_clear(context);
    return STATUS_OK;
}

/* Names sorted, each value encoded: else signatures do not hold. */
static enum status make_query(const struct listing *listing, struct buffer *out)
{
    CURL *curl = listing->client->curl;
    enum status status = STATUS_OK;
    buffer_clear(out);
    if (listing->token != NULL) {
        char *token = curl_easy_escape(curl, listing->token, 0);
        status =
            token != NULL ? buffer_printf(out, "continuation-token=%s&", token) : STATUS_NO_MEMORY;
        curl_free(token);
    }
    char *prefix = curl_easy_escape(curl, listing->prefix, 0);
    if (status == STATUS_OK) {
        status = prefix != NULL
                     ? buffer_printf(out, "encoding-type=url&list-type=2&prefix=%s", prefix)
                     : STATUS_NO_MEMORY;
    }
    curl_free(prefix);
    return status == STATUS_OK ? buffer_append_byte(out, '\0') : status;
}

/* What is cut short must not pass for the whole: a server of another protocol may know nothing of
 * tokens, and one that gives the same again would be asked for ever. */
static enum status check_token(const struct listing *listing, const char *former, struct error *err)
{
    const bool goes_on = listing->token != NULL && listing->token[0] != '\0' &&
                         (former == NULL || strcmp(listing->token, former) != 0);
    return !listing->is_truncated || goes_on
               ? STATUS_OK
               : error_set(err, STATUS_IO,
                           "the listing is malformed: it does not say how it goes on");
}

static enum status take_listing(struct listing *listing, const struct buffer *page,
                                struct error *err)
{
    char *former = listing->token;
    listing->token = NULL;
    listing->is_truncated = false;
    listing->is_encoded = false;
    forget_objects(listing);
    enum status status = parse_page(listing, page, err);
    if (status == STATUS_OK) {
        status = check_token(listing, former, err);
    }
    free(former);
    return status == STATUS_OK ? visit_objects(listing, err) : status;
}

static enum status list_page(struct listing *listing, const char *url, struct buffer *query,
                             struct buffer *page, struct error *err)
{
    struct answer answer = {0};
    char shown[URL_SIZE_MAX];
    enum status status = make_query(listing, query);
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for a listing");
    }
    const struct request request = {.url = url,
                                    .query = (const char *)query->data,
                                    .is_of_bucket = true,
                                    .method = "GET",
                                    .prepare = forget_page,
                                    .take = take_page,
                                    .context = page};
    status = client_perform(listing->client, &request, &answer, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = take_listing(listing, page, err);
    if (status != STATUS_OK) {
        error_prefix(err, "%.512s: ", url_show(url, shown));
    }
    return status;
}

static enum status list_pages(struct listing *listing, const char *url, struct error *err)
{
    struct buffer query = {0};
    struct buffer page = {0};
    enum status status;
    do {
        status = list_page(listing, url, &query, &page, err);
    } while (status == STATUS_OK && listing->is_truncated);
    buffer_free(&query);
    buffer_free(&page);
    return status;
}

enum status client_list(struct remote_client *client, const char *url, remote_visit *visit,
                        void *context, struct error *err)
{
    struct url parts;
    char prefix[URL_SIZE_MAX];
    enum status status = url_check(url, true, err);
    if (status == STATUS_OK) {
        status = url_parse(url, &parts, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    const size_t size = strlen(parts.path);
    (void)snprintf(prefix, sizeof(prefix), "%s%s", parts.path,
                   size == 0 || parts.path[size - 1] == '/' ? "" : "/");
    struct listing listing = {
        .client = client, .prefix = prefix, .visit = visit, .visitor = context};
    status = list_pages(&listing, url, err);
    forget_objects(&listing);
    free(listing.objects);
    free(listing.token);
    buffer_free(&listing.text);
    return status;
}
