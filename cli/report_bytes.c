#include "cli/report_bytes.h"

#include <string.h>

#include <zlib.h>

#include "shared/clean_text.h"

/* Level 6 takes twice as long for a tenth less. */
#define LEVEL 4
#define CHUNK_SIZE ((size_t)64 * 1024)
#define GROUP_BITS 7
#define MORE 0x80u

enum status report_put_number(struct buffer *out, uint64_t number)
{
    enum status status = STATUS_OK;
    for (; number >= MORE && status == STATUS_OK; number >>= GROUP_BITS) {
        status = buffer_append_byte(out, (uint8_t)(number | MORE));
    }
    return status == STATUS_OK ? buffer_append_byte(out, (uint8_t)number) : status;
}

/* ---- Deflate, base64 --------------------------------------------------------------------------
 */

static MUST_CHECK enum status deflate_all(z_stream *stream, const struct buffer *data,
                                          struct buffer *packed)
{
    size_t left = data->size;
    int result = Z_OK;
    stream->next_in = data->data;
    while (result == Z_OK) {
        if (stream->avail_in == 0 && left > 0) {
            stream->avail_in = (uInt)(left < CHUNK_SIZE ? left : CHUNK_SIZE);
            left -= stream->avail_in;
        }
        const enum status status = buffer_reserve(packed, CHUNK_SIZE);
        if (status != STATUS_OK) {
            return status;
        }
        stream->next_out = packed->data + packed->size;
        stream->avail_out = (uInt)CHUNK_SIZE;
        result = deflate(stream, left > 0 ? Z_NO_FLUSH : Z_FINISH);
        packed->size += CHUNK_SIZE - stream->avail_out;
    }
    return result == Z_STREAM_END ? STATUS_OK : STATUS_NO_MEMORY;
}

static MUST_CHECK enum status put_base64(struct buffer *out, const struct buffer *data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const enum status status = buffer_reserve(out, data->size / 3 * 4 + 4);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < data->size; i += 3) {
        const size_t left = data->size - i;
        const uint32_t bits = (uint32_t)data->data[i] << 16 |
                              (uint32_t)(left > 1 ? data->data[i + 1] : 0) << 8 |
                              (uint32_t)(left > 2 ? data->data[i + 2] : 0);
        uint8_t *at = out->data + out->size;
        at[0] = (uint8_t)digits[bits >> 18];
        at[1] = (uint8_t)digits[bits >> 12 & 63];
        at[2] = left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=';
        at[3] = left > 2 ? (uint8_t)digits[bits & 63] : '=';
        out->size += 4;
    }
    return STATUS_OK;
}

enum status report_put_deflated(struct buffer *out, const struct buffer *data)
{
    z_stream stream = {.zalloc = NULL};
    struct buffer packed = {0};
    if (deflateInit(&stream, LEVEL) != Z_OK) {
        return STATUS_NO_MEMORY;
    }
    enum status status = deflate_all(&stream, data, &packed);
    (void)deflateEnd(&stream);
    if (status == STATUS_OK) {
        status = put_base64(out, &packed);
    }
    buffer_free(&packed);
    return status;
}

/* ---- Text -------------------------------------------------------------------------------------
 */

static const char *escape_of(char character)
{
    switch (character) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

enum status report_put_escaped(struct buffer *out, const char *text, size_t size)
{
    struct buffer clean = {0};
    enum status status = clean_text(text, size, &clean);
    for (size_t i = 0; i < clean.size && status == STATUS_OK; i++) {
        const char *escape = escape_of((char)clean.data[i]);
        status = escape != NULL ? buffer_append(out, escape, strlen(escape))
                                : buffer_append_byte(out, clean.data[i]);
    }
    buffer_free(&clean);
    return status;
}

enum status report_put_json(struct buffer *out, const char *json)
{
    enum status status = STATUS_OK;
    while (*json != '\0' && status == STATUS_OK) {
        const size_t plain = strcspn(json, "<");
        status = buffer_append(out, json, plain);
        json += plain;
        if (*json == '<' && status == STATUS_OK) {
            static const char escape[] = "\\u003c";
            status = buffer_append(out, escape, sizeof(escape) - 1);
            json++;
        }
    }
    return status;
}
