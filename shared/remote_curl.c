#include "shared/remote_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <expat.h>
#include <openssl/crypto.h>

#include "shared/buffer.h"
#include "shared/clock.h"
#include "shared/extremes.h"
#include "shared/quantity.h"
#include "shared/remote_face.h"
#include "shared/url.h"

#define REDIRECTS_MAX 8
#define CONNECT_MS_MAX 15000
#define PAUSE_NS_MIN 200000000
#define PAUSE_NS_MAX 5000000000
/* As long as a server may ask us to wait. */
#define RETRY_AFTER_S_MAX 60
#define AGENT "mapfleet/" MAPFLEET_VERSION

/* ---- Life -------------------------------------------------------------------------------------
 */

static enum status create(const struct remote_settings *settings, struct remote_client **client_out,
                          struct error *err)
{
    struct remote_client *client = calloc(1, sizeof(*client));
    if (client != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        client->curl = curl_easy_init();
    }
    if (client == NULL || client->curl == NULL) {
        free(client);
        return error_set(err, STATUS_NO_MEMORY, "no memory to fetch files");
    }
    client->settings = *settings;
    client->tries = remote_settings_tries(settings);
    client->stall_us = remote_settings_stall_us(settings);
    *client_out = client;
    return STATUS_OK;
}

static void destroy(struct remote_client *client)
{
    curl_easy_cleanup(client->curl);
    free(client);
}

static void describe(char *text_out, size_t text_size)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    const XML_Expat_Version expat = XML_ExpatVersionInfo();
    (void)snprintf(text_out, text_size, "libcurl %s (%s), expat %d.%d.%d, OpenSSL %s",
                   curl->version, curl->ssl_version != NULL ? curl->ssl_version : "no TLS",
                   expat.major, expat.minor, expat.micro, OpenSSL_version(OPENSSL_VERSION_STRING));
}

const struct remote_face *mapfleet_remote_face(void)
{
    static const struct remote_face face = {.version = MAPFLEET_VERSION,
                                            .describe = describe,
                                            .create = create,
                                            .destroy = destroy,
                                            .head = client_head,
                                            .get = client_get,
                                            .put = client_put,
                                            .remove = client_remove,
                                            .list = client_list};
    return &face;
}

/* ---- Where to ---------------------------------------------------------------------------------
 */

static const char *endpoint_of(const struct remote_client *client)
{
    const char *endpoint = remote_setting(&client->settings, "AWS_ENDPOINT_URL_S3");
    return endpoint != NULL ? endpoint : remote_setting(&client->settings, "AWS_ENDPOINT_URL");
}

static const char *region_of(const struct remote_client *client)
{
    const char *region = remote_setting(&client->settings, "AWS_REGION");
    region = region != NULL ? region : remote_setting(&client->settings, "AWS_DEFAULT_REGION");
    return region != NULL ? region : "us-east-1";
}

/* Another server than Amazon's has buckets in its path, and so has a bucket with dots, for which no
 * certificate would hold. A listing is of the bucket itself, with no slash behind it. */
static enum status s3_address(const struct remote_client *client, const struct request *request,
                              const struct url *url, struct buffer *out)
{
    char key[URL_SIZE_MAX];
    const char *endpoint = endpoint_of(client);
    const int bucket_size = (int)url->host_size;
    const bool has_key = !request->is_of_bucket;
    enum status status;
    if (!url_encode_path(has_key ? url->path : "", key, sizeof(key))) {
        return STATUS_LIMIT;
    }
    if (endpoint != NULL) {
        size_t size = strlen(endpoint);
        while (size > 0 && endpoint[size - 1] == '/') {
            size--;
        }
        status = buffer_printf(out, "%.*s/%.*s%s%s", (int)size, endpoint, bucket_size, url->host,
                               has_key ? "/" : "", key);
    } else if (memchr(url->host, '.', url->host_size) != NULL) {
        status = buffer_printf(out, "https://s3.%s.amazonaws.com/%.*s%s%s", region_of(client),
                               bucket_size, url->host, has_key ? "/" : "", key);
    } else {
        status = buffer_printf(out, "https://%.*s.s3.%s.amazonaws.com/%s", bucket_size, url->host,
                               region_of(client), key);
    }
    if (status == STATUS_OK && request->query != NULL) {
        status = buffer_printf(out, "?%s", request->query);
    }
    return status;
}

/* ---- One try ----------------------------------------------------------------------------------
 */

struct trial {
    const struct request *request;
    uint64_t stall_us;
    bool is_s3;
    struct answer *answer;
    uint64_t uploaded; /* bytes that libcurl has taken */
    curl_off_t moved;  /* bytes, either way, as seen last */
    uint64_t moved_us;
    bool is_stalled;
    enum status status; /* of what the caller did with the body */
    struct error error;
};

static bool is_good(const struct request *request, long code)
{
    return (code >= 200 && code < 300) ||
           (code != 0 && (code == request->accepted[0] || code == request->accepted[1]));
}

static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    struct trial *trial = context;
    long code;
    (void)one;
    if (size > 5 && strncmp(line, "HTTP/", 5) == 0) {
        const char *blank = memchr(line, ' ', size);
        code = blank != NULL ? strtol(blank, NULL, 10) : 0;
        answer_begin(trial->answer, code);
    } else {
        answer_take_header(trial->answer, trial->is_s3, line, size);
    }
    return size;
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    struct trial *trial = context;
    struct answer *answer = trial->answer;
    (void)one;
    if (!is_good(trial->request, answer->code)) {
        const size_t left = sizeof(answer->reason) - answer->reason_size;
        const size_t taken = size < left ? size : left;
        memcpy(answer->reason + answer->reason_size, data, taken);
        answer->reason_size += taken;
        return size;
    }
    if (trial->request->take == NULL || answer->code >= 300) {
        return size;
    }
    trial->status =
        trial->request->take(trial->request->context, answer, data, size, &trial->error);
    return trial->status == STATUS_OK ? size : 0;
}

static size_t on_upload(char *data, size_t one, size_t size, void *context)
{
    struct trial *trial = context;
    const struct piece *piece = &trial->request->upload;
    const size_t most = (size_t)smaller(one * size, piece->size - trial->uploaded);
    ssize_t count;
    do {
        count = pread(piece->file, data, most, (off_t)(piece->start + trial->uploaded));
    } while (count < 0 && errno == EINTR);
    if (count < 0 || (count == 0 && most > 0)) {
        return CURL_READFUNC_ABORT;
    }
    trial->uploaded += (uint64_t)count;
    return (size_t)count;
}

/* A redirect, or an answer that asks for a password, may want it again. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct trial *trial = context;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > trial->request->upload.size) {
        return CURL_SEEKFUNC_FAIL;
    }
    trial->uploaded = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* libcurl's own bound of slowness is of a mean, and comes late after a fast beginning. */
static int on_progress(void *context, curl_off_t total, curl_off_t come, curl_off_t upload_total,
                       curl_off_t gone)
{
    struct trial *trial = context;
    const uint64_t now_us = clock_us();
    (void)total;
    (void)upload_total;
    if (come + gone != trial->moved) {
        trial->moved = come + gone;
        trial->moved_us = now_us;
    }
    trial->is_stalled = now_us - trial->moved_us >= trial->stall_us;
    return trial->is_stalled ? 1 : 0;
}

static void set_s3(struct remote_client *client, char *signature, size_t signature_size)
{
    CURL *curl = client->curl;
    const char *id = remote_setting(&client->settings, "AWS_ACCESS_KEY_ID");
    const char *secret = remote_setting(&client->settings, "AWS_SECRET_ACCESS_KEY");
    (void)snprintf(signature, signature_size, "aws:amz:%s:s3", region_of(client));
    (void)curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, signature);
    (void)curl_easy_setopt(curl, CURLOPT_USERNAME, id != NULL ? id : "");
    (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, secret != NULL ? secret : "");
}

static void set_method(CURL *curl, struct trial *trial)
{
    const struct request *request = trial->request;
    if (strcmp(request->method, "HEAD") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "PUT") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->upload.size);
        (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
        (void)curl_easy_setopt(curl, CURLOPT_READDATA, trial);
        (void)curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
        (void)curl_easy_setopt(curl, CURLOPT_SEEKDATA, trial);
    } else if (strcmp(request->method, "POST") == 0) {
        const size_t size = request->body != NULL ? request->body->size : 0;
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                               size > 0 ? (const char *)request->body->data : "");
    } else if (strcmp(request->method, "GET") != 0) {
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

/* Slower than this for as long as a stall is one, too. */
#define BYTES_A_SECOND_MIN 100

static void set_options(struct remote_client *client, struct trial *trial)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_text);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, AGENT);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS_MAX);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)BYTES_A_SECOND_MIN);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(client->stall_us / 1000000));
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, trial);
    (void)curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, 200L);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, trial);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, trial);
    if (!trial->is_s3) {
        (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
        (void)curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    }
    const char *authorities = remote_setting(&client->settings, "AWS_CA_BUNDLE");
    if (authorities != NULL && trial->is_s3) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
    }
}

enum status client_add_header(struct curl_slist **headers, const char *text, struct error *err)
{
    struct curl_slist *longer = curl_slist_append(*headers, text);
    if (longer == NULL) {
        return error_set(err, STATUS_NO_MEMORY, "no memory for a request");
    }
    *headers = longer;
    return STATUS_OK;
}

bool client_is_s3(const char *url)
{
    struct url parts;
    return url_parse(url, &parts, NULL) == STATUS_OK && parts.scheme == URL_S3;
}

/* 7.88 adds neither of these itself, and signs what stands here. */
static enum status add_s3_headers(const struct remote_client *client, struct curl_slist **headers,
                                  struct error *err)
{
    const char *token = remote_setting(&client->settings, "AWS_SESSION_TOKEN");
    struct buffer line = {0};
    enum status status = client_add_header(headers, "x-amz-content-sha256: UNSIGNED-PAYLOAD", err);
    if (status == STATUS_OK && token != NULL) {
        status = buffer_printf(&line, "x-amz-security-token: %s", token);
        status = status == STATUS_OK ? buffer_append_byte(&line, '\0') : status;
        status = status == STATUS_OK ? client_add_header(headers, (const char *)line.data, err)
                                     : error_set(err, status, "no memory for a request");
    }
    buffer_free(&line);
    return status;
}

/* Has it a part "." or ".."? libcurl would resolve it, to the key of something else; from 8 on it
 * signs no path as it is, and then such a key is refused. */
static bool has_dots(const char *address)
{
    for (const char *c = strchr(address, '/'); c != NULL; c = strchr(c + 1, '/')) {
        const size_t dots = strspn(c + 1, ".");
        const char end = c[1 + dots];
        if ((dots == 1 || dots == 2) && (end == '/' || end == '?' || end == '\0')) {
            return true;
        }
    }
    return false;
}

/* The address is in `address`; `code_out` tells what libcurl said. */
static enum status perform_once(struct remote_client *client, const char *address,
                                struct trial *trial, CURLcode *code_out, struct error *err)
{
    const struct request *request = trial->request;
    char signature[128];
    struct curl_slist *headers = NULL;
    enum status status = STATUS_OK;
    set_options(client, trial);
    set_method(client->curl, trial);
    (void)curl_easy_setopt(client->curl, CURLOPT_URL, address);
    if (trial->is_s3) {
        if (has_dots(address)) {
            (void)curl_easy_setopt(client->curl, CURLOPT_PATH_AS_IS, 1L);
        }
        set_s3(client, signature, sizeof(signature));
        status = add_s3_headers(client, &headers, err);
    }
    if (status == STATUS_OK && request->prepare != NULL) {
        status = request->prepare(request->context, &headers, err);
    }
    if (status == STATUS_OK) {
        (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
        answer_begin(trial->answer, 0);
        trial->uploaded = 0;
        trial->moved = 0;
        trial->moved_us = clock_us();
        trial->is_stalled = false;
        client->curl_text[0] = '\0';
        *code_out = curl_easy_perform(client->curl);
    }
    curl_slist_free_all(headers);
    return status;
}

/* ---- Tries ------------------------------------------------------------------------------------
 */

/* May the same request be answered later? A server that is full or busy says 5xx or 429. */
static bool may_pass_code(long code)
{
    return code == 408 || code == 425 || code == 429 || code >= 500;
}

static bool may_pass(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_BAD_CONTENT_ENCODING:
        return true;
    default:
        return false;
    }
}

/* libcurl's own words for these would tell of its options. */
static const char *text_of(const struct remote_client *client, const struct trial *trial,
                           CURLcode code, char text_out[CURL_ERROR_SIZE])
{
    char stall[QUANTITY_TEXT_SIZE];
    if (code == CURLE_TOO_MANY_REDIRECTS) {
        (void)snprintf(text_out, CURL_ERROR_SIZE, "more than %d redirects", REDIRECTS_MAX);
    } else if (trial->is_stalled) {
        (void)snprintf(text_out, CURL_ERROR_SIZE, "nothing came for %s",
                       quantity_time_text(client->stall_us * 1000, stall));
    } else {
        (void)snprintf(text_out, CURL_ERROR_SIZE, "%s",
                       client->curl_text[0] != '\0' ? client->curl_text : curl_easy_strerror(code));
    }
    return text_out;
}

enum outcome { DONE, AGAIN, FINAL };

/* What came of a try; where it is not DONE, the text is set, without the URL. */
static enum outcome judge(const struct remote_client *client, const struct trial *trial,
                          CURLcode code, enum status *status_out, struct error *err)
{
    char text[CURL_ERROR_SIZE];
    char reason[REMOTE_REASON_SIZE];
    const struct request *request = trial->request;
    if (trial->status != STATUS_OK) {
        *status_out = error_set(err, trial->status, "%s", trial->error.text);
        return FINAL;
    }
    if (code != CURLE_OK) {
        *status_out = error_set(err, STATUS_IO, "%s", text_of(client, trial, code, text));
        return trial->is_stalled || may_pass(code) ? AGAIN : FINAL;
    }
    if (!is_good(request, trial->answer->code)) {
        const long answered = trial->answer->code;
        *status_out =
            error_set(err, answered == 404 || answered == 410 ? STATUS_NOT_FOUND : STATUS_IO, "%s",
                      answer_reason(trial->answer, reason));
        return may_pass_code(answered) ? AGAIN : FINAL;
    }
    *status_out =
        request->check != NULL ? request->check(request->context, trial->answer, err) : STATUS_OK;
    return *status_out == STATUS_OK ? DONE : *status_out == STATUS_IO ? AGAIN : FINAL;
}

/* Seconds for which a server that is busy wants not to be asked (Retry-After); 0: it does not say.
 */
static uint64_t asked_pause_s(const struct remote_client *client, long code)
{
    curl_off_t asked_s = 0;
    if ((code != 429 && code != 503) ||
        curl_easy_getinfo(client->curl, CURLINFO_RETRY_AFTER, &asked_s) != CURLE_OK ||
        asked_s < 0) {
        return 0;
    }
    return smaller((uint64_t)asked_s, RETRY_AFTER_S_MAX);
}

/* Others fail at the same time, and should not come again at the same time. */
static void pause_after(uint64_t tries_done, uint64_t asked_s)
{
    const unsigned doublings = tries_done < 10 ? (unsigned)tries_done - 1 : 9;
    const uint64_t most_ns = smaller((uint64_t)PAUSE_NS_MIN << doublings, PAUSE_NS_MAX);
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t pause_ns =
        asked_s * 1000000000 + most_ns / 2 + (uint64_t)now.tv_nsec * 7919 % (most_ns / 2);
    struct timespec pause = {.tv_sec = (time_t)(pause_ns / 1000000000),
                             .tv_nsec = (long)(pause_ns % 1000000000)};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
}

static enum status address_of(const struct remote_client *client, const struct request *request,
                              bool *is_s3_out, struct buffer *address, struct error *err)
{
    struct url url;
    enum status status = url_parse(request->url, &url, err);
    if (status != STATUS_OK) {
        return status;
    }
    *is_s3_out = url.scheme == URL_S3;
    if (*is_s3_out) {
        status = remote_settings_check_s3(&client->settings, err);
        if (status != STATUS_OK) {
            return status;
        }
        status = s3_address(client, request, &url, address);
    } else {
        status = buffer_printf(address, "%s", request->url);
    }
    if (status == STATUS_OK) {
        status = buffer_append_byte(address, '\0');
    }
    return status == STATUS_OK ? status : error_set(err, status, "no memory for a request");
}

enum status client_perform(struct remote_client *client, const struct request *request,
                           struct answer *answer_out, struct error *err)
{
    struct trial trial = {.request = request, .stall_us = client->stall_us, .answer = answer_out};
    struct buffer address = {0};
    struct error reason = {""};
    char shown[URL_SIZE_MAX];
    uint64_t done = 0;
    enum outcome outcome = AGAIN;
    enum status status = address_of(client, request, &trial.is_s3, &address, err);
    if (status != STATUS_OK) {
        buffer_free(&address);
        return status;
    }
    while (status == STATUS_OK && outcome == AGAIN) {
        CURLcode code = CURLE_OK;
        status = perform_once(client, (const char *)address.data, &trial, &code, &reason);
        if (status != STATUS_OK) {
            break;
        }
        outcome = judge(client, &trial, code, &status, &reason);
        if (outcome == AGAIN && ++done < client->tries) {
            pause_after(done, asked_pause_s(client, answer_out->code));
            status = STATUS_OK;
        }
    }
    buffer_free(&address);
    if (status != STATUS_OK) {
        char tries[48] = "";
        if (done > 1) {
            (void)snprintf(tries, sizeof(tries), " (%llu tries)", (unsigned long long)done);
        }
        (void)error_set(err, status, "%.512s: %.400s%s", url_show(request->url, shown), reason.text,
                        tries);
    }
    return status;
}
