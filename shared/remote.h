/* remote.h - files on servers: http, https and s3, by URL.
 *
 *     remote_create --> remote_head, remote_get, remote_put, remote_remove, remote_list --> destroy
 *
 * What does the work is a module of its own (remote_curl.c and its neighbours), loaded at the first
 * remote_create() of a process: whoever has no URLs loads no libcurl.
 *
 * Each call tries again what may pass: connections that break, bodies that are cut short, answers
 * that a server gives when it is busy; as often as the settings say, with pauses that double. It
 * blocks meanwhile, and is never made in a rank's loop.
 *
 * Ownership: a remote copies its settings.
 * Threads:   one a remote.
 * Failure:   NOT_FOUND: the server has no such thing; INVALID: no such URL, or no credentials; IO:
 *            everything else. Texts name the URL (as url_show()), what the server said, and how
 *            often it was tried. They never hold credentials.
 */
#ifndef SHARED_REMOTE_H
#define SHARED_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/remote_settings.h"

#define REMOTE_ETAG_SIZE 256
#define REMOTE_DATE_SIZE 64
#define REMOTE_HASH_SIZE_MAX 32
#define REMOTE_DIGEST_SIZE 16

/* What a server says of a content beside the content. */
struct remote_about {
    int64_t size;                    /* bytes; -1: it does not say */
    char etag[REMOTE_ETAG_SIZE];     /* as it stands; "": none */
    char modified[REMOTE_DATE_SIZE]; /* Last-Modified as it stands; "": none */
    const char *hash_name;           /* of the whole content: "md5", "sha1", "sha256"; NULL: none */
    uint8_t hash[REMOTE_HASH_SIZE_MAX];
};

struct remote;

MUST_CHECK enum status remote_create(const struct remote_settings *settings,
                                     struct remote **remote_out, struct error *err);
void remote_destroy(struct remote *remote); /* NULL is allowed */

/* The libraries that the module is loaded with, and their versions: "libcurl 7.88.1, ...". */
MUST_CHECK enum status remote_describe(char *text_out, size_t text_size, struct error *err);

MUST_CHECK enum status remote_head(struct remote *remote, const char *url,
                                   struct remote_about *about_out, struct error *err);

/* A content begins to come, of which `about` is known: it shall be written from the file's start.
 * A failure ends the request with it. */
typedef enum status remote_begin(void *context, const struct remote_about *about,
                                 struct error *err);

/* So many bytes of it will have come with the next piece. A failure ends the request. */
typedef enum status remote_grow(void *context, uint64_t size, struct error *err);

struct remote_get {
    const char *url;
    int file; /* what comes is written here */
    /* Where `offset` is above 0, the file holds so many bytes of the content that `about` is of:
     * only the rest is asked for, if the server can. Where `has_all`, all of that content is
     * elsewhere: if it is what the server has, nothing comes. */
    struct remote_about about; /* in; and out, of what has come */
    uint64_t offset;
    bool has_all;
    bool is_unchanged; /* out: it is what the server has */
    uint64_t size;     /* out: bytes of the file */
    remote_begin *begin;
    remote_grow *grow;
    void *context; /* of both, each of which may be NULL */
};

/* On success the content is whole: as long as was said, and its hash is right where one was told.
 * On failure the file may hold a part of the content of which begin() told last. */
MUST_CHECK enum status remote_get(struct remote *remote, struct remote_get *get, struct error *err);

/* Put a local file there; what stands there is replaced. */
MUST_CHECK enum status remote_put(struct remote *remote, const char *url, const char *path,
                                  struct error *err);
/* Success also where there is none. */
MUST_CHECK enum status remote_remove(struct remote *remote, const char *url, struct error *err);

/* An object below a prefix: its key without the prefix, which is not empty. */
typedef enum status remote_visit(void *context, const char *name, const struct remote_about *about,
                                 struct error *err);
/* All below an s3 prefix, as a folder: in order of their keys. */
MUST_CHECK enum status remote_list(struct remote *remote, const char *url, remote_visit *visit,
                                   void *context, struct error *err);

/* What makes one content of this URL differ from another, for keys: of the URL, the endpoint, and
 * the ETag, else size and date. False: the server tells nothing that would. */
MUST_CHECK bool remote_identity(const struct remote_settings *settings, const char *url,
                                const struct remote_about *about,
                                uint8_t digest_out[REMOTE_DIGEST_SIZE]);
/* List a folder, and tell what makes one state of it differ from another; `visit` may be NULL. */
MUST_CHECK enum status remote_identify_folder(struct remote *remote, const char *url,
                                              remote_visit *visit, void *context,
                                              uint8_t digest_out[REMOTE_DIGEST_SIZE],
                                              bool *is_known_out, struct error *err);
/* The identity, asked of the server; of a folder, of all that is below it. NOT_FOUND also where the
 * server tells nothing. */
MUST_CHECK enum status remote_identify(struct remote *remote, bool is_folder, const char *url,
                                       uint8_t digest_out[REMOTE_DIGEST_SIZE], struct error *err);

#endif
