#include "shared/lz4_frame.h"

#include <assert.h>
#include <lz4frame.h>
#include <pthread.h>
#include <string.h>
#include <xxhash.h>

#include "shared/lz4_records.h"

#define DATA_MAGIC 0x184D2204u
#define BLOCK_SIZE_MAX ((size_t)256 << 10)
#define DECODE_ROOM_MIN ((size_t)64 * 1024)

/* No LZ4 block holds more than this many bytes for each of its own. */
#define EXPANSION_MAX 255u

static void put_little_endian(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint32_t little_endian(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void lz4_frame_skippable_header(uint32_t payload_size,
                                uint8_t header_out[LZ4_FRAME_SKIPPABLE_HEADER_SIZE])
{
    put_little_endian(header_out, LZ4_FRAME_SKIPPABLE_MAGIC);
    put_little_endian(header_out + 4, payload_size);
}

bool lz4_frame_is_skippable(const uint8_t header[LZ4_FRAME_SKIPPABLE_HEADER_SIZE],
                            uint32_t *payload_size_out)
{
    *payload_size_out = little_endian(header + 4);
    return little_endian(header) == LZ4_FRAME_SKIPPABLE_MAGIC;
}

static LZ4F_preferences_t preferences_for(size_t size)
{
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max256KB,
                      .blockMode = LZ4F_blockIndependent,
                      .contentSize = size},
    };
}

/* LZ4F_compressFrame() keeps its state on the stack at fast levels, and takes the smallest block
 * size that holds everything, up to the one given. Gives 0 for the one failure that is left, where
 * LZ4 was built to allocate. */
static size_t compress(const void *data, size_t size, uint8_t *out, size_t room)
{
    const LZ4F_preferences_t preferences = preferences_for(size);
    const size_t written = LZ4F_compressFrame(out, room, data, size, &preferences);
    return LZ4F_isError(written) ? 0 : written;
}

enum status lz4_frame_compress(const void *data, size_t size, struct buffer *out)
{
    const LZ4F_preferences_t preferences = preferences_for(size);
    const size_t room = LZ4F_compressFrameBound(size, &preferences);
    const enum status status = buffer_reserve(out, room);
    if (status != STATUS_OK) {
        return status;
    }
    const size_t written = compress(data, size, out->data + out->size, room);
    out->size += written;
    return written > 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- Records ----------------------------------------------------------------------------------
 */

size_t lz4_frame_room(size_t size)
{
    const LZ4F_preferences_t preferences = preferences_for(size);
    return LZ4F_compressFrameBound(size, &preferences) + LZ4_RECORDS_ROOM(size) - size;
}

/* What lz4_frame_compress() writes too: blocks of at most 256 KiB, each for itself, no checksums,
 * and the size of the content. */
static uint8_t *put_frame_header(uint8_t *out, size_t size)
{
    uint8_t *const descriptor = out + 4;
    put_little_endian(out, DATA_MAGIC);
    descriptor[0] = 0x68;
    descriptor[1] = 0x50;
    put_little_endian(descriptor + 2, (uint32_t)size);
    put_little_endian(descriptor + 6, (uint32_t)((uint64_t)size >> 32));
    descriptor[10] = (uint8_t)(XXH32(descriptor, 10, 0) >> 8);
    return descriptor + 11;
}

size_t lz4_frame_compress_records(const uint8_t *data, size_t size, size_t width, uint8_t *out)
{
    const size_t block_size_max = width > 0 ? BLOCK_SIZE_MAX / width * width : 0;
    uint8_t *at = put_frame_header(out, size);
    for (size_t done = 0; width > 0 && done < size;) {
        const size_t left = size - done;
        const size_t block_size = left < block_size_max ? left : block_size_max;
        const size_t written = lz4_records_compress(data + done, block_size, width, at + 4);
        if (written == 0) {
            width = 0;
        }
        put_little_endian(at, (uint32_t)written);
        at += 4 + written;
        done += block_size;
    }
    if (width == 0) {
        return compress(data, size, out, lz4_frame_room(size));
    }
    put_little_endian(at, 0);
    return (size_t)(at + 4 - out);
}

/* The thread's decoding context. The key exists for its destructor; the pointer is what is read. */
static _Thread_local LZ4F_dctx *thread_context;
static pthread_key_t thread_context_key;
static pthread_once_t thread_context_once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
    (void)LZ4F_freeDecompressionContext(context);
}

static void create_key(void)
{
    const int failure = pthread_key_create(&thread_context_key, free_context);
    assert(failure == 0); /* a process has 1024 keys */
    (void)failure;
}

static LZ4F_dctx *take_context(void)
{
    if (thread_context != NULL) {
        LZ4F_resetDecompressionContext(thread_context);
        return thread_context;
    }
    (void)pthread_once(&thread_context_once, create_key);
    LZ4F_dctx *context = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
        return NULL;
    }
    if (pthread_setspecific(thread_context_key, context) != 0) {
        free_context(context);
        return NULL;
    }
    thread_context = context;
    return context;
}

/* How much room to make before the next step: all of a size that can be true, else a growing share
 * of what is allowed. One byte more than that shows that there is more. */
static size_t room_for(uint64_t content_size, size_t decoded, size_t content_size_max)
{
    const size_t left = content_size_max - decoded;
    size_t room = decoded > DECODE_ROOM_MIN ? decoded : DECODE_ROOM_MIN;
    if (content_size > decoded) {
        room = (size_t)content_size - decoded;
    }
    return room <= left || left == SIZE_MAX ? room : left + 1;
}

/* The codes themselves are not part of LZ4's stable interface; their names are. */
static enum status error_status(size_t code)
{
    const char *name = LZ4F_getErrorName(code);
    return strcmp(name, "ERROR_allocation_failed") == 0 ? STATUS_NO_MEMORY : STATUS_INVALID;
}

/* Up to the end of the frame, from where *at_io is left. */
static enum status decode(LZ4F_dctx *context, const uint8_t **at_io, const uint8_t *end,
                          uint64_t content_size, size_t content_size_max, struct buffer *out)
{
    const uint8_t *at = *at_io;
    const size_t start = out->size;
    for (;;) {
        const size_t room = room_for(content_size, out->size - start, content_size_max);
        const enum status status = buffer_reserve(out, room);
        if (status != STATUS_OK) {
            return status;
        }
        size_t written = room;
        size_t used = (size_t)(end - at);
        const size_t hint =
            LZ4F_decompress(context, out->data + out->size, &written, at, &used, NULL);
        if (LZ4F_isError(hint)) {
            return error_status(hint);
        }
        at += used;
        out->size += written;
        if (out->size - start > content_size_max) {
            return STATUS_LIMIT;
        }
        if (hint == 0) {
            *at_io = at;
            return STATUS_OK;
        }
        if (used == 0 && written == 0) {
            return STATUS_INVALID; /* there was room, and nothing to fill it */
        }
    }
}

/* The frame that *at_io begins with. */
static enum status decompress_one(const uint8_t **at_io, const uint8_t *end,
                                  size_t content_size_max, struct buffer *out)
{
    const uint8_t *at = *at_io;
    const size_t size = (size_t)(end - at);
    if (size < 4 || little_endian(at) != DATA_MAGIC) {
        return STATUS_INVALID;
    }
    LZ4F_dctx *context = take_context();
    if (context == NULL) {
        return STATUS_NO_MEMORY;
    }
    LZ4F_frameInfo_t info;
    size_t header_size = size;
    if (LZ4F_isError(LZ4F_getFrameInfo(context, &info, at, &header_size))) {
        return STATUS_INVALID;
    }
    if (info.contentSize / EXPANSION_MAX > size) {
        return STATUS_INVALID;
    }
    if (info.contentSize > content_size_max) {
        return STATUS_LIMIT;
    }
    at += header_size;
    const enum status status = decode(context, &at, end, info.contentSize, content_size_max, out);
    *at_io = at;
    return status;
}

enum status lz4_frame_decompress_first(const void *data, size_t size, size_t content_size_max,
                                       struct buffer *out, size_t *used_out)
{
    const size_t start = out->size;
    const uint8_t *at = data;
    const enum status status = decompress_one(&at, at + size, content_size_max, out);
    if (status != STATUS_OK) {
        out->size = start;
        return status;
    }
    *used_out = (size_t)(at - (const uint8_t *)data);
    return STATUS_OK;
}

enum status lz4_frame_decompress(const void *data, size_t size, size_t content_size_max,
                                 struct buffer *out)
{
    const size_t start = out->size;
    size_t used = 0;
    enum status status = lz4_frame_decompress_first(data, size, content_size_max, out, &used);
    if (status == STATUS_OK && used < size) {
        out->size = start;
        status = STATUS_INVALID;
    }
    return status;
}
