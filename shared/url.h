/* url.h - the URLs that `file` and `dir` values may be: http, https, and s3.
 *
 *     http://HOST/PATH, https://HOST/PATH      a file
 *     s3://BUCKET/KEY                          a file; the key as it is, nothing of it encoded
 *     s3://BUCKET[/PREFIX]                     a dir: all below the prefix
 *
 * Failure: texts show a URL as url_show() does, so that none tells a secret.
 */
#ifndef SHARED_URL_H
#define SHARED_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/error.h"

#define URL_SIZE_MAX 8192 /* bytes, with its NUL */
#define URL_NAME_SIZE_MAX 128

enum url_scheme { URL_HTTP, URL_HTTPS, URL_S3 };

/* The parts point into the text of the URL. */
struct url {
    enum url_scheme scheme;
    const char *host; /* or bucket */
    size_t host_size;
    const char *path; /* behind the slash; "" where there is none. Of s3 the key */
};

/* INVALID: a scheme that is not supported, or no such URL; the text says what was expected. */
MUST_CHECK enum status url_parse(const char *text, struct url *url_out, struct error *err);
/* The same, and can it be a value of `file`, or of `dir`? A dir is an s3 prefix. */
MUST_CHECK enum status url_check(const char *text, bool is_folder, struct error *err);

/* For people: without user and password, and without the query, both of which may hold secrets. */
const char *url_show(const char *text, char shown_out[URL_SIZE_MAX]);

/* A name for a local file of its content: the last name of its path, in characters that are safe
 * everywhere, with its ending; "file" where there is none. */
void url_name(const char *text, char name_out[URL_NAME_SIZE_MAX]);

/* Encode the bytes as a path of a URL: letters, digits, `-._~/` stay. False: it does not fit. */
bool url_encode_path(const char *path, char *out, size_t size);

#endif
