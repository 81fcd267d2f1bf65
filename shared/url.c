#include "shared/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define S3_SIZE_MAX (URL_SIZE_MAX / 4) /* each byte of a key may take three */

static const struct {
    const char *name;
    enum url_scheme scheme;
} schemes[] = {{"http", URL_HTTP}, {"https", URL_HTTPS}, {"s3", URL_S3}};

static size_t scheme_size(const char *text)
{
    const char *colon = strstr(text, "://");
    return colon != NULL ? (size_t)(colon - text) : 0;
}

/* The digits behind the last colon of HOST:PORT, which an address in brackets may have in itself.
 */
static bool has_port_of_digits(const char *host, size_t size)
{
    const char *bracket = memrchr(host, ']', size);
    const char *from = bracket != NULL ? bracket : host;
    const char *colon = memrchr(from, ':', (size_t)(host + size - from));
    return colon == NULL || strspn(colon + 1, DIGITS) >= (size_t)(host + size - colon - 1);
}

/* ---- For people -------------------------------------------------------------------------------
 */

const char *url_show(const char *text, char shown_out[URL_SIZE_MAX])
{
    const size_t start = scheme_size(text);
    const char *rest = start > 0 ? text + start + 3 : text;
    const bool is_s3 = start == 2 && strncasecmp(text, "s3", 2) == 0;
    const size_t host_size = strcspn(rest, "/?#");
    const char *at = is_s3 ? NULL : memrchr(rest, '@', host_size);
    if (!is_s3 && at == NULL && !has_port_of_digits(rest, host_size)) {
        at = strrchr(rest, '@'); /* a password may have a slash, which should be encoded */
    }
    const char *shown = at != NULL ? at + 1 : rest;
    /* A key of s3 may hold a question mark; elsewhere a query begins there. */
    const size_t shown_size = is_s3 ? strlen(shown) : strcspn(shown, "?#");
    (void)snprintf(shown_out, URL_SIZE_MAX, "%.*s%.*s%s", (int)(rest - text), text, (int)shown_size,
                   shown, shown[shown_size] == '?' ? "?..." : "");
    return shown_out;
}

/* ---- Parsing ----------------------------------------------------------------------------------
 */

static enum status refuse(const char *text, const char *what, struct error *err)
{
    char shown[URL_SIZE_MAX];
    return error_set(err, STATUS_INVALID, "%.512s: %s", url_show(text, shown), what);
}

static enum status find_scheme(const char *text, struct url *url_out, struct error *err)
{
    const size_t size = scheme_size(text);
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strlen(schemes[i].name) == size && strncasecmp(text, schemes[i].name, size) == 0) {
            url_out->scheme = schemes[i].scheme;
            return STATUS_OK;
        }
    }
    if (size == 4 && strncasecmp(text, "file", size) == 0) {
        return refuse(text, "the scheme \"file\" is not supported: give the path alone", err);
    }
    char what[160];
    (void)snprintf(what, sizeof(what),
                   "the scheme \"%.*s\" is not supported: expected http, https, s3 or a path",
                   size < 64 ? (int)size : 64, text);
    return refuse(text, what, err);
}

/* Bytes that end a line or a header would change the request. */
static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_bucket(const char *name, size_t size)
{
    return size > 0 && size < 256 && strspn(name, LETTERS DIGITS "._-") >= size && name[0] != '.' &&
           memmem(name, size, "..", 2) == NULL;
}

enum status url_parse(const char *text, struct url *url_out, struct error *err)
{
    *url_out = (struct url){.host = "", .path = ""};
    const enum status status = find_scheme(text, url_out, err);
    if (status != STATUS_OK) {
        return status;
    }
    const char *rest = text + scheme_size(text) + 3;
    const bool is_s3 = url_out->scheme == URL_S3;
    if (strlen(text) >= (is_s3 ? S3_SIZE_MAX : URL_SIZE_MAX)) {
        return refuse(
            text, is_s3 ? "the URL is longer than 2047 bytes" : "the URL is longer than 8191 bytes",
            err);
    }
    if (has_control(text) || (!is_s3 && strpbrk(text, " \"<>\\^`{|}") != NULL)) {
        return refuse(text, "a character in it has to be encoded, as %20 is a blank", err);
    }
    url_out->host = rest;
    url_out->host_size = strcspn(rest, is_s3 ? "/" : "/?#");
    url_out->path = rest + url_out->host_size;
    url_out->path += *url_out->path == '/' ? 1 : 0;
    if (is_s3 && !is_bucket(rest, url_out->host_size)) {
        return refuse(text, "no bucket: expected s3://BUCKET/KEY", err);
    }
    const char *at = memrchr(rest, '@', url_out->host_size);
    const char *host = at != NULL ? at + 1 : rest;
    const size_t host_size = url_out->host_size - (size_t)(host - rest);
    if (host_size == 0 || *rest == '@') {
        return refuse(text, "no host: expected http://HOST/PATH", err);
    }
    if (!is_s3 && !has_port_of_digits(host, host_size)) {
        return refuse(
            text, "no port: expected http://HOST:PORT/PATH (in a password, / is %2F and ? is %3F)",
            err);
    }
    return STATUS_OK;
}

enum status url_check(const char *text, bool is_folder, struct error *err)
{
    struct url url = {.path = ""};
    const enum status status = url_parse(text, &url, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (is_folder && url.scheme != URL_S3) {
        return refuse(
            text, "a dir cannot be fetched by http: expected s3://BUCKET/PREFIX or a path", err);
    }
    if (!is_folder && url.scheme == URL_S3 &&
        (*url.path == '\0' || url.path[strlen(url.path) - 1] == '/')) {
        return refuse(text, "no key: expected s3://BUCKET/KEY for a file", err);
    }
    return STATUS_OK;
}

/* ---- Names ------------------------------------------------------------------------------------
 */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The byte at *at, decoded where it stands as %41. */
static char next_byte(const char **at, bool is_encoded)
{
    const char *c = *at;
    if (is_encoded && c[0] == '%' && hex_digit(c[1]) >= 0 && hex_digit(c[2]) >= 0) {
        *at += 3;
        return (char)(hex_digit(c[1]) * 16 + hex_digit(c[2]));
    }
    *at += 1;
    return *c;
}

void url_name(const char *text, char name_out[URL_NAME_SIZE_MAX])
{
    static const char safe[] = LETTERS DIGITS "._-";
    char decoded[URL_SIZE_MAX];
    struct url url = {.path = ""};
    size_t size = 0;
    const bool is_url = url_parse(text, &url, NULL) == STATUS_OK;
    const bool is_s3 = is_url && url.scheme == URL_S3;
    const char *at = is_url ? url.path : text;
    const char *end = at + (is_s3 ? strlen(at) : strcspn(at, "?#"));
    while (end > at && end[-1] == '/') {
        end--;
    }
    const char *slash = memrchr(at, '/', (size_t)(end - at));
    for (at = slash != NULL ? slash + 1 : at; at < end && size + 1 < sizeof(decoded);) {
        const char byte = next_byte(&at, !is_s3);
        decoded[size++] = byte != '\0' && strchr(safe, byte) != NULL ? byte : '_';
    }
    decoded[size] = '\0';
    /* Of a long name the end is what matters: the ending is there. */
    const char *name = size >= URL_NAME_SIZE_MAX ? decoded + size - URL_NAME_SIZE_MAX + 1 : decoded;
    (void)snprintf(name_out, URL_NAME_SIZE_MAX, "%.*s", URL_NAME_SIZE_MAX - 1,
                   *name != '\0' ? name : "file");
    if (name_out[0] == '.') {
        name_out[0] = '_'; /* neither hidden, nor a way up */
    }
}

bool url_encode_path(const char *path, char *out, size_t size)
{
    static const char plain[] = LETTERS DIGITS "-._~/";
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (; *path != '\0'; path++) {
        const unsigned char byte = (unsigned char)*path;
        if (used + 4 > size) {
            return false;
        }
        if (strchr(plain, byte) != NULL) {
            out[used++] = (char)byte;
        } else {
            out[used++] = '%';
            out[used++] = digits[byte >> 4];
            out[used++] = digits[byte & 15];
        }
    }
    out[used] = '\0';
    return true;
}
