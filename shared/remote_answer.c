#include "shared/remote_client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_begin(struct answer *answer, long code)
{
    *answer = (struct answer){.code = code, .range_total = -1};
    answer->about.size = -1;
}

/* ---- Headers ----------------------------------------------------------------------------------
 */

/* The value of a header line of that name, without the blanks around it; NULL: another name. */
static const char *value_of(const char *line, size_t size, const char *name, size_t *value_size_out)
{
    const size_t name_size = strlen(name);
    if (size <= name_size || line[name_size] != ':' || strncasecmp(line, name, name_size) != 0) {
        return NULL;
    }
    const char *value = line + name_size + 1;
    const char *end = line + size;
    while (value < end && isspace((unsigned char)*value)) {
        value++;
    }
    while (end > value && isspace((unsigned char)end[-1])) {
        end--;
    }
    *value_size_out = (size_t)(end - value);
    return value;
}

/* What does not fit is none: half a validator would be a wrong one. */
static void take_text(const char *line, size_t size, const char *name, char *text_out,
                      size_t text_size)
{
    size_t value_size;
    const char *value = value_of(line, size, name, &value_size);
    if (value != NULL && value_size < text_size) {
        memcpy(text_out, value, value_size);
        text_out[value_size] = '\0';
    }
}

/* "bytes 10-19/20" */
static void take_range(struct answer *answer, const char *line, size_t size)
{
    char text[96] = "";
    long long total;
    unsigned long long start;
    take_text(line, size, "Content-Range", text, sizeof(text));
    const char *slash = strchr(text, '/');
    if (slash == NULL || sscanf(text, "bytes %llu-", &start) != 1) {
        return;
    }
    answer->has_range = true;
    answer->range_start = start;
    answer->range_total = sscanf(slash, "/%lld", &total) == 1 && total >= 0 ? total : -1;
}

static void set_hash(struct remote_about *about, const char *name, const uint8_t *hash)
{
    about->hash_name = name;
    memcpy(about->hash, hash, hash_size(name));
}

/* A header whose value is a hash in base64, after a prefix that names it. */
static void take_hash(struct answer *answer, const char *line, size_t size, const char *header,
                      const char *prefix, const char *name)
{
    uint8_t hash[REMOTE_HASH_SIZE_MAX];
    size_t value_size;
    const char *value = value_of(line, size, header, &value_size);
    const size_t prefix_size = strlen(prefix);
    if (value == NULL || value_size < prefix_size || strncasecmp(value, prefix, prefix_size) != 0) {
        return;
    }
    value += prefix_size;
    value_size -= prefix_size;
    if (prefix_size > 0 && prefix[prefix_size - 1] == ':') { /* "sha-256=:...:" */
        const char *colon = memchr(value, ':', value_size);
        value_size = colon != NULL ? (size_t)(colon - value) : 0;
    } else if (memchr(value, ',', value_size) != NULL) {
        value_size = (size_t)((const char *)memchr(value, ',', value_size) - value);
    }
    if (hash_from_base64(value, value_size, hash, hash_size(name))) {
        set_hash(&answer->about, name, hash);
    }
}

/* The ETag of an object that was put in one piece is its md5, unless it is encrypted by a key. That
 * of several pieces has a dash. Any other hash goes first. */
static void take_etag_hash(struct answer *answer)
{
    uint8_t hash[16];
    const char *etag = answer->about.etag;
    const size_t size = strlen(etag);
    if (answer->about.hash_name == NULL && !answer->is_encrypted && size == 34 && etag[0] == '"' &&
        hash_from_hex(etag + 1, 32, hash, sizeof(hash))) {
        set_hash(&answer->about, "md5", hash);
    }
}

static void take_encryption(struct answer *answer, const char *line, size_t size)
{
    char text[64] = "";
    size_t ignored;
    take_text(line, size, "x-amz-server-side-encryption", text, sizeof(text));
    if (strncmp(text, "aws:", 4) == 0 ||
        value_of(line, size, "x-amz-server-side-encryption-customer-algorithm", &ignored) != NULL) {
        answer->is_encrypted = true;
    }
}

/* Of a part, hashes in the headers are those of the part. */
static void take_hashes(struct answer *answer, const char *line, size_t size)
{
    if (answer->code == 206) {
        return;
    }
    take_hash(answer, line, size, "Content-MD5", "", "md5");
    take_hash(answer, line, size, "Digest", "md5=", "md5");
    take_hash(answer, line, size, "Digest", "sha-256=", "sha256");
    take_hash(answer, line, size, "Repr-Digest", "sha-256=:", "sha256");
    take_hash(answer, line, size, "Content-Digest", "sha-256=:", "sha256");
    take_hash(answer, line, size, "x-amz-checksum-sha1", "", "sha1");
    take_hash(answer, line, size, "x-amz-checksum-sha256", "", "sha256");
}

void answer_take_header(struct answer *answer, bool is_s3, const char *line, size_t size)
{
    char text[32] = "";
    take_text(line, size, "ETag", answer->about.etag, sizeof(answer->about.etag));
    take_text(line, size, "Last-Modified", answer->about.modified, sizeof(answer->about.modified));
    take_text(line, size, "x-amz-bucket-region", answer->region, sizeof(answer->region));
    take_text(line, size, "Content-Length", text, sizeof(text));
    if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
        answer->about.size = strtoll(text, NULL, 10);
    }
    take_range(answer, line, size);
    take_encryption(answer, line, size);
    take_hashes(answer, line, size);
    if (is_s3 && size <= 2) { /* the empty line that ends them */
        take_etag_hash(answer);
    }
}

/* ---- Refusals ---------------------------------------------------------------------------------
 */

void answer_find(const char *body, const char *name, char *text_out, size_t text_size)
{
    static const char safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    char tag[64];
    char end[64];
    (void)snprintf(tag, sizeof(tag), "<%s>", name);
    (void)snprintf(end, sizeof(end), "</%s>", name);
    const char *start = strstr(body, tag);
    const char *text = start != NULL ? start + strlen(tag) : "";
    const size_t size = strspn(text, safe);
    const bool is_whole = size < text_size && strncmp(text + size, end, strlen(end)) == 0;
    (void)snprintf(text_out, text_size, "%.*s", is_whole ? (int)size : 0, text);
}

const char *answer_reason(const struct answer *answer, char text_out[REMOTE_REASON_SIZE])
{
    char code[64];
    char body[REMOTE_REASON_SIZE + 1];
    memcpy(body, answer->reason, answer->reason_size);
    body[answer->reason_size] = '\0';
    answer_find(body, "Code", code, sizeof(code));
    const int used = snprintf(text_out, REMOTE_REASON_SIZE, "HTTP %ld%s%s%s", answer->code,
                              code[0] != '\0' ? " (" : "", code, code[0] != '\0' ? ")" : "");
    const bool is_elsewhere =
        answer->code == 301 || answer->code == 307 ||
        (answer->code == 400 && strcmp(code, "AuthorizationHeaderMalformed") == 0);
    if (answer->region[0] != '\0' && is_elsewhere) {
        (void)snprintf(text_out + used, REMOTE_REASON_SIZE - (size_t)used,
                       ": the bucket is in region %s: set AWS_REGION", answer->region);
    }
    return text_out;
}
