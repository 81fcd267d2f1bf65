#include "shared/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 64u

enum status buffer_reserve(struct buffer *buffer, size_t more)
{
    assert(buffer->size <= buffer->capacity);
    if (more <= buffer->capacity - buffer->size) {
        return STATUS_OK;
    }
    if (more > SIZE_MAX - buffer->size) {
        return STATUS_LIMIT;
    }
    const size_t needed = buffer->size + more;
    size_t capacity = buffer->capacity <= SIZE_MAX / 2 ? buffer->capacity * 2 : needed;
    if (capacity < CAPACITY_MIN) {
        capacity = CAPACITY_MIN;
    }
    if (capacity < needed) {
        capacity = needed;
    }
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        return STATUS_NO_MEMORY;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return STATUS_OK;
}

enum status buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0) {
        return STATUS_OK;
    }
    const enum status status = buffer_reserve(buffer, size);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    return STATUS_OK;
}

enum status buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    return buffer_append(buffer, &byte, 1);
}

/* Most texts fit in what is there already; only where they do not, the text is written twice. */
enum status buffer_printf(struct buffer *buffer, const char *format, ...)
{
    enum status status = buffer_reserve(buffer, CAPACITY_MIN);
    if (status != STATUS_OK) {
        return status;
    }
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);

    size_t room = buffer->capacity - buffer->size;
    const int length = vsnprintf((char *)buffer->data + buffer->size, room, format, args);
    if (length < 0) {
        status = STATUS_INVALID;
        goto done;
    }
    if ((size_t)length >= room) {
        status = buffer_reserve(buffer, (size_t)length + 1);
        if (status != STATUS_OK) {
            goto done;
        }
        room = buffer->capacity - buffer->size;
        (void)vsnprintf((char *)buffer->data + buffer->size, room, format, again);
    }
    buffer->size += (size_t)length;

done:
    va_end(again);
    va_end(args);
    return status;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

uint8_t *buffer_take(struct buffer *buffer, size_t *size_out)
{
    uint8_t *data = buffer->data;
    *size_out = buffer->size;
    *buffer = (struct buffer){0};
    return data;
}

int buffer_msgpack_write(void *buffer, const char *data, size_t size)
{
    return buffer_append(buffer, data, size) == STATUS_OK ? 0 : -1;
}
