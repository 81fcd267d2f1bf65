#include "shared/remote_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "shared/url.h"

/* ---- HEAD -------------------------------------------------------------------------------------
 */

enum status client_head(struct remote_client *client, const char *url,
                        struct remote_about *about_out, struct error *err)
{
    const struct request request = {.url = url, .method = "HEAD"};
    struct answer answer = {0};
    const enum status status = client_perform(client, &request, &answer, err);
    if (status == STATUS_OK) {
        *about_out = answer.about;
    }
    return status;
}

/* ---- GET --------------------------------------------------------------------------------------
 */

struct fetch {
    struct remote_get *get;
    bool is_s3;
    bool is_begun; /* of this try: pieces have come */
    uint64_t at;   /* where the next piece goes */
};

/* One that names a content for sure: a weak ETag does not. */
static const char *range_validator(const struct remote_about *about)
{
    if (about->etag[0] == '"') {
        return about->etag;
    }
    return about->etag[0] == '\0' && about->modified[0] != '\0' ? about->modified : NULL;
}

static enum status add_range(const struct fetch *fetch, struct curl_slist **headers,
                             struct error *err)
{
    char line[REMOTE_ETAG_SIZE + 32];
    (void)snprintf(line, sizeof(line), "Range: bytes=%" PRIu64 "-", fetch->get->offset);
    const enum status status = client_add_header(headers, line, err);
    if (status != STATUS_OK) {
        return status;
    }
    (void)snprintf(line, sizeof(line), "If-Range: %s", range_validator(&fetch->get->about));
    return client_add_header(headers, line, err);
}

static enum status add_condition(const struct remote_about *about, struct curl_slist **headers,
                                 struct error *err)
{
    char line[REMOTE_ETAG_SIZE + 32];
    if (about->etag[0] != '\0') {
        (void)snprintf(line, sizeof(line), "If-None-Match: %s", about->etag);
    } else {
        (void)snprintf(line, sizeof(line), "If-Modified-Since: %s", about->modified);
    }
    return client_add_header(headers, line, err);
}

static enum status prepare_get(void *context, struct curl_slist **headers, struct error *err)
{
    struct fetch *fetch = context;
    const struct remote_get *get = fetch->get;
    enum status status = STATUS_OK;
    fetch->is_begun = false;
    if (fetch->is_s3) {
        status = client_add_header(headers, "x-amz-checksum-mode: ENABLED", err);
    }
    if (status == STATUS_OK && get->offset > 0 && range_validator(&get->about) != NULL) {
        return add_range(fetch, headers, err);
    }
    fetch->get->offset = 0;
    if (status == STATUS_OK && get->has_all &&
        (get->about.etag[0] != '\0' || get->about.modified[0] != '\0')) {
        status = add_condition(&get->about, headers, err);
    }
    return status;
}

/* Is the body the content? Other answers that are no failures, as 202, tell of it at most. */
static bool has_content(long code)
{
    return code == 200 || code == 203 || code == 206;
}

/* Is the answer the rest of what is there? A server that is careless with If-Range still says how
 * long the whole is, and perhaps which. */
static bool is_rest(const struct fetch *fetch, const struct answer *answer)
{
    const struct remote_about *had = &fetch->get->about;
    return answer->code == 206 && answer->has_range && answer->range_start == fetch->get->offset &&
           (had->size < 0 || answer->range_total < 0 || had->size == answer->range_total) &&
           (answer->about.etag[0] == '\0' || strcmp(answer->about.etag, had->etag) == 0);
}

/* The first piece says whether it goes on, or begins anew. */
static enum status begin(struct fetch *fetch, const struct answer *answer, struct error *err)
{
    struct remote_get *get = fetch->get;
    fetch->is_begun = true;
    fetch->at = get->offset;
    if (get->offset > 0 && is_rest(fetch, answer)) {
        return STATUS_OK;
    }
    get->offset = 0;
    get->has_all = false;
    fetch->at = 0;
    if (answer->code == 206) {
        get->about = (struct remote_about){.size = -1}; /* the next try asks for all */
        return STATUS_OK;
    }
    get->about = answer->about;
    if (ftruncate(get->file, 0) != 0) {
        return error_set(err, STATUS_UNWRITABLE, "%s", strerror(errno));
    }
    return get->begin != NULL ? get->begin(get->context, &get->about, err) : STATUS_OK;
}

static enum status write_all(int file, const uint8_t *data, size_t size, uint64_t at,
                             struct error *err)
{
    for (size_t done = 0; done < size;) {
        const ssize_t count = pwrite(file, data + done, size - done, (off_t)(at + done));
        if (count < 0 && errno != EINTR) {
            return error_set(err, status_of_write(errno), "%s", strerror(errno));
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return STATUS_OK;
}

static enum status take_piece(void *context, const struct answer *answer, const void *data,
                              size_t size, struct error *err)
{
    struct fetch *fetch = context;
    struct remote_get *get = fetch->get;
    if (!has_content(answer->code)) {
        return STATUS_OK;
    }
    enum status status = fetch->is_begun ? STATUS_OK : begin(fetch, answer, err);
    if (status != STATUS_OK || (answer->code == 206 && get->offset == 0)) {
        return status; /* of another part than was asked for, nothing is of use */
    }
    if (get->grow != NULL) {
        status = get->grow(get->context, fetch->at + size, err);
    }
    if (status == STATUS_OK) {
        status = write_all(get->file, data, size, fetch->at, err);
    }
    if (status == STATUS_OK) {
        fetch->at += size;
        get->offset += size;
    }
    return status;
}

/* What is wrong is thrown away: the next try begins anew. */
static enum status refuse_content(struct fetch *fetch, struct error *err, const char *what)
{
    fetch->get->offset = 0;
    fetch->get->about = (struct remote_about){.size = -1};
    return error_set(err, STATUS_IO, "%s", what);
}

static enum status check_hash(struct fetch *fetch, struct error *err)
{
    const struct remote_about *about = &fetch->get->about;
    uint8_t hash[REMOTE_HASH_SIZE_MAX];
    char what[96];
    if (about->hash_name == NULL) {
        return STATUS_OK;
    }
    const enum status status = hash_file(
        about->hash_name, (struct piece){.file = fetch->get->file, .size = fetch->at}, hash, err);
    if (status != STATUS_OK) {
        return status;
    }
    (void)snprintf(what, sizeof(what), "what came has another %s than the server says",
                   about->hash_name);
    return memcmp(hash, about->hash, hash_size(about->hash_name)) == 0
               ? STATUS_OK
               : refuse_content(fetch, err, what);
}

static enum status check_get(void *context, const struct answer *answer, struct error *err)
{
    struct fetch *fetch = context;
    struct remote_get *get = fetch->get;
    if (answer->code == 304) {
        get->is_unchanged = get->has_all;
        return get->has_all ? STATUS_OK
                            : refuse_content(fetch, err, "HTTP 304, and nothing is here");
    }
    if (answer->code == 416) {
        return refuse_content(fetch, err, "HTTP 416");
    }
    if (!has_content(answer->code)) {
        char what[64];
        (void)snprintf(what, sizeof(what), "HTTP %ld, and no content", answer->code);
        return refuse_content(fetch, err, what);
    }
    if (!fetch->is_begun) { /* it is empty */
        const enum status status = begin(fetch, answer, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (answer->code == 206 && get->offset == 0) {
        return refuse_content(fetch, err, "the server sent another part than was asked for");
    }
    if (get->about.size >= 0 && (uint64_t)get->about.size != fetch->at) {
        return refuse_content(fetch, err, "what came is not as long as the server says");
    }
    get->size = fetch->at;
    return check_hash(fetch, err);
}

enum status client_get(struct remote_client *client, struct remote_get *get, struct error *err)
{
    struct fetch fetch = {.get = get, .is_s3 = client_is_s3(get->url)};
    struct answer answer = {0};
    const struct request request = {.url = get->url,
                                    .method = "GET",
                                    .accepted = {304, 416},
                                    .prepare = prepare_get,
                                    .take = take_piece,
                                    .check = check_get,
                                    .context = &fetch};
    get->is_unchanged = false;
    return client_perform(client, &request, &answer, err);
}
