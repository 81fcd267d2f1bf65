/* PUT and DELETE of files. An object of s3 that is larger than a part is put in parts: it appears
 * once all have come and it is completed, and if anything fails what has come is thrown away. */
#include "shared/remote_client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/extremes.h"
#include "shared/memory.h"
#include "shared/url.h"

#define PART_COUNT_MAX 10000
#define PART_SIZE_MAX ((uint64_t)5 << 30)
#define UPLOAD_ID_SIZE 1024
#define REPLY_SIZE_MAX ((size_t)64 << 10)

/* A server of s3 checks it; others may ignore it. */
static enum status add_md5(void *context, struct curl_slist **headers, struct error *err)
{
    const struct piece *piece = context;
    uint8_t hash[REMOTE_HASH_SIZE_MAX];
    char base64[32];
    char line[64];
    enum status status = hash_file("md5", *piece, hash, err);
    if (status == STATUS_OK) {
        hash_to_base64(hash, 16, base64);
        (void)snprintf(line, sizeof(line), "Content-MD5: %s", base64);
        status = client_add_header(headers, line, err);
    }
    return status;
}

static enum status put_piece(struct remote_client *client, const char *url, const char *query,
                             struct piece piece, struct answer *answer_out, struct error *err)
{
    const struct request request = {.url = url,
                                    .query = query,
                                    .method = "PUT",
                                    .upload = piece,
                                    .prepare = add_md5,
                                    .context = &piece};
    return client_perform(client, &request, answer_out, err);
}

/* ---- In parts ---------------------------------------------------------------------------------
 */

struct upload {
    struct remote_client *client;
    const char *url;
    struct piece file;
    uint64_t part_size;
    char *id; /* encoded */
    unsigned part_count;
    struct buffer list;  /* of parts, as it is completed */
    struct buffer reply; /* of a POST */
};

static enum status begin_reply(void *context, struct curl_slist **headers, struct error *err)
{
    struct upload *upload = context;
    buffer_clear(&upload->reply);
    return client_add_header(headers, "Content-Type: application/xml", err);
}

static enum status take_reply(void *context, const struct answer *answer, const void *data,
                              size_t size, struct error *err)
{
    struct upload *upload = context;
    (void)answer;
    if (upload->reply.size + size > REPLY_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT, "the server's answer is larger than 64 KiB");
    }
    const enum status status = buffer_append(&upload->reply, data, size);
    return status == STATUS_OK ? status : error_set(err, status, "no memory for an answer");
}

/* A server that is long in completing has answered 200 before it knows. */
static enum status check_reply(void *context, const struct answer *answer, struct error *err)
{
    struct upload *upload = context;
    char code[64];
    (void)answer;
    const enum status status = buffer_append_byte(&upload->reply, '\0');
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for an answer");
    }
    const char *reply = (const char *)upload->reply.data;
    answer_find(reply, "Code", code, sizeof(code));
    return strstr(reply, "<Error>") == NULL
               ? STATUS_OK
               : error_set(err, STATUS_IO, "HTTP 200, and then an error (%s)", code);
}

static enum status post(struct upload *upload, const char *query, const struct buffer *body,
                        struct error *err)
{
    struct answer answer = {0};
    const struct request request = {.url = upload->url,
                                    .query = query,
                                    .method = "POST",
                                    .body = body,
                                    .prepare = begin_reply,
                                    .take = take_reply,
                                    .check = check_reply,
                                    .context = upload};
    return client_perform(upload->client, &request, &answer, err);
}

static enum status begin(struct upload *upload, struct error *err)
{
    char id[UPLOAD_ID_SIZE];
    char shown[URL_SIZE_MAX];
    const enum status status = post(upload, "uploads=", NULL, err);
    if (status != STATUS_OK) {
        return status;
    }
    answer_find((const char *)upload->reply.data, "UploadId", id, sizeof(id));
    if (*id == '\0') {
        return error_set(err, STATUS_IO, "%.512s: the server gives no id for an upload in parts",
                         url_show(upload->url, shown));
    }
    upload->id = curl_easy_escape(upload->client->curl, id, 0);
    return upload->id != NULL ? STATUS_OK
                              : error_set(err, STATUS_NO_MEMORY, "no memory for a request");
}

static enum status put_part(struct upload *upload, struct error *err)
{
    char query[3 * UPLOAD_ID_SIZE + 64];
    char shown[URL_SIZE_MAX];
    struct answer answer = {0};
    const uint64_t at = upload->part_count * upload->part_size;
    const struct piece piece = {.file = upload->file.file,
                                .start = at,
                                .size = smaller(upload->part_size, upload->file.size - at)};
    upload->part_count++;
    (void)snprintf(query, sizeof(query), "partNumber=%u&uploadId=%s", upload->part_count,
                   upload->id);
    const enum status status = put_piece(upload->client, upload->url, query, piece, &answer, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (answer.about.etag[0] == '\0' || strpbrk(answer.about.etag, "<&") != NULL) {
        return error_set(err, STATUS_IO, "%.512s: the server gives no ETag for a part",
                         url_show(upload->url, shown));
    }
    return buffer_printf(&upload->list, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>",
                         upload->part_count, answer.about.etag) == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_NO_MEMORY, "no memory for a list of parts");
}

/* An answer that was lost may have told that it is complete, and then there is no such upload when
 * it is asked again: what stands there is looked at. */
static bool is_complete(struct upload *upload)
{
    struct remote_about about;
    char ending[32];
    if (client_head(upload->client, upload->url, &about, NULL) != STATUS_OK) {
        return false;
    }
    const int size = snprintf(ending, sizeof(ending), "-%u\"", upload->part_count);
    const size_t etag_size = strlen(about.etag);
    return about.size == (int64_t)upload->file.size && etag_size > (size_t)size &&
           strcmp(about.etag + etag_size - (size_t)size, ending) == 0;
}

static enum status complete(struct upload *upload, struct error *err)
{
    char query[3 * UPLOAD_ID_SIZE + 64];
    enum status status = buffer_printf(&upload->list, "</CompleteMultipartUpload>");
    if (status != STATUS_OK) {
        return error_set(err, status, "no memory for a list of parts");
    }
    (void)snprintf(query, sizeof(query), "uploadId=%s", upload->id);
    status = post(upload, query, &upload->list, err);
    return status == STATUS_NOT_FOUND && is_complete(upload) ? STATUS_OK : status;
}

/* So that nobody pays for them. One that is killed before leaves them. */
static void drop_parts(const struct upload *upload)
{
    char query[3 * UPLOAD_ID_SIZE + 64];
    struct answer answer = {0};
    const struct request request = {
        .url = upload->url, .query = query, .method = "DELETE", .accepted = {404}};
    (void)snprintf(query, sizeof(query), "uploadId=%s", upload->id);
    (void)!client_perform(upload->client, &request, &answer, NULL);
}

static enum status put_parts(struct upload *upload, struct error *err)
{
    enum status status = begin(upload, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (buffer_printf(&upload->list, "<CompleteMultipartUpload>") != STATUS_OK) {
        status = error_set(err, STATUS_NO_MEMORY, "no memory for a list of parts");
    }
    while (status == STATUS_OK && upload->part_count * upload->part_size < upload->file.size) {
        status = put_part(upload, err);
    }
    if (status == STATUS_OK) {
        status = complete(upload, err);
    }
    if (status != STATUS_OK) {
        drop_parts(upload);
    }
    return status;
}

static enum status put_in_parts(struct remote_client *client, const char *url, struct piece file,
                                uint64_t part_size, struct error *err)
{
    char shown[URL_SIZE_MAX];
    struct upload upload = {.client = client, .url = url, .file = file, .part_size = part_size};
    if (file.size > PART_COUNT_MAX * PART_SIZE_MAX) {
        return error_set(err, STATUS_LIMIT, "%.512s: an s3 object has at most 48 TiB",
                         url_show(url, shown));
    }
    upload.part_size = larger(part_size, (file.size + PART_COUNT_MAX - 1) / PART_COUNT_MAX);
    const enum status status = put_parts(&upload, err);
    curl_free(upload.id);
    buffer_free(&upload.list);
    buffer_free(&upload.reply);
    return status;
}

/* ---- A file -----------------------------------------------------------------------------------
 */

enum status client_put(struct remote_client *client, const char *url, const char *path,
                       struct error *err)
{
    const uint64_t part_size = remote_settings_part_size(&client->settings);
    struct answer answer = {0};
    struct stat found;
    enum status status;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &found) != 0) {
        status = error_set(err, STATUS_IO, "%s: %s", path, strerror(errno));
    } else {
        const struct piece piece = {.file = file, .size = (uint64_t)found.st_size};
        status = client_is_s3(url) && piece.size > part_size
                     ? put_in_parts(client, url, piece, part_size, err)
                     : put_piece(client, url, NULL, piece, &answer, err);
    }
    if (file >= 0) {
        (void)close(file);
    }
    return status;
}

enum status client_remove(struct remote_client *client, const char *url, struct error *err)
{
    const struct request request = {.url = url, .method = "DELETE", .accepted = {404}};
    struct answer answer = {0};
    return client_perform(client, &request, &answer, err);
}
