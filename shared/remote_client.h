/* remote_client.h - what the files of the module with libcurl share.
 *
 *     remote_curl.c   life; one request, tried until it is answered
 *     remote_answer.c what a server answers: its headers, and the reason of a refusal
 *     remote_files.c  HEAD and GET of a file
 *     remote_put.c    PUT and DELETE of a file; of s3, in parts
 *     remote_list.c   an s3 prefix
 *     remote_hash.c   hashes of files
 */
#ifndef SHARED_REMOTE_CLIENT_H
#define SHARED_REMOTE_CLIENT_H

#include <curl/curl.h>

#include "shared/buffer.h"
#include "shared/remote.h"

#define REMOTE_REASON_SIZE 256

struct remote_client {
    CURL *curl;
    struct remote_settings settings; /* the caller's */
    uint64_t tries;
    uint64_t stall_us;
    char curl_text[CURL_ERROR_SIZE];
};

/* What a server has answered; headers of redirects do not count. */
struct answer {
    long code; /* 0: nothing yet */
    struct remote_about about;
    bool has_range; /* Content-Range: a part of a content */
    uint64_t range_start;
    int64_t range_total; /* bytes of the whole; -1: it does not say */
    bool is_encrypted;   /* its ETag is no md5 */
    char region[64];     /* of an s3 bucket that is elsewhere */
    size_t reason_size;
    char reason[REMOTE_REASON_SIZE]; /* the first bytes of what came with a refusal */
};

/* Bytes of a file. */
struct piece {
    int file;
    uint64_t start;
    uint64_t size;
};

struct request {
    const char *url;           /* the user's */
    const char *query;         /* of s3, encoded, and sorted by name; NULL: none */
    bool is_of_bucket;         /* of s3: no key stands in the address */
    const char *method;        /* "GET", "HEAD", "PUT", "POST", "DELETE" */
    struct piece upload;       /* of PUT */
    const struct buffer *body; /* of POST */
    long accepted[2]; /* codes beside 2xx that are no failures; 0: none. Their bodies are dropped */
    /* Before each try: add headers. NULL: none. */
    enum status (*prepare)(void *context, struct curl_slist **headers, struct error *err);
    /* A piece of the body of a 2xx. NULL: it is dropped. A failure ends the request. */
    enum status (*take)(void *context, const struct answer *answer, const void *data, size_t size,
                        struct error *err);
    /* After each try that was answered well: STATUS_IO is tried again. NULL: nothing. */
    enum status (*check)(void *context, const struct answer *answer, struct error *err);
    void *context;
};

MUST_CHECK enum status client_perform(struct remote_client *client, const struct request *request,
                                      struct answer *answer_out, struct error *err);

bool client_is_s3(const char *url);
MUST_CHECK enum status client_add_header(struct curl_slist **headers, const char *text,
                                         struct error *err);

/* ---- remote_answer.c ---- */

/* The next response begins. */
void answer_begin(struct answer *answer, long code);
void answer_take_header(struct answer *answer, bool is_s3, const char *line, size_t size);
/* Why the server refused, for people: "HTTP 404 (NoSuchKey)". */
const char *answer_reason(const struct answer *answer, char text_out[REMOTE_REASON_SIZE]);

/* <NAME>TEXT</NAME> of letters, digits and `-._~+/=`; "": there is none, or it does not fit. */
void answer_find(const char *body, const char *name, char *text_out, size_t text_size);

/* ---- remote_files.c, remote_list.c, remote_put.c ---- */

MUST_CHECK enum status client_head(struct remote_client *client, const char *url,
                                   struct remote_about *about_out, struct error *err);
MUST_CHECK enum status client_get(struct remote_client *client, struct remote_get *get,
                                  struct error *err);
MUST_CHECK enum status client_put(struct remote_client *client, const char *url, const char *path,
                                  struct error *err);
MUST_CHECK enum status client_remove(struct remote_client *client, const char *url,
                                     struct error *err);
MUST_CHECK enum status client_list(struct remote_client *client, const char *url,
                                   remote_visit *visit, void *context, struct error *err);

/* ---- remote_hash.c ---- */

/* Bytes of such a hash; 0: it is not known. */
size_t hash_size(const char *name);
MUST_CHECK enum status hash_file(const char *name, struct piece piece,
                                 uint8_t hash_out[REMOTE_HASH_SIZE_MAX], struct error *err);
/* Standard base64 and hexadecimal; false where it is not `size` bytes. */
bool hash_from_base64(const char *text, size_t text_size, uint8_t *hash_out, size_t size);
bool hash_from_hex(const char *text, size_t text_size, uint8_t *hash_out, size_t size);
void hash_to_base64(const uint8_t *hash, size_t size, char *text_out); /* 4 for each 3, and NUL */

#endif
