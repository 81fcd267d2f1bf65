/* buffer.h - bytes that grow.
 *
 *     struct buffer b = {0};  ->  append ...  ->  buffer_free, or buffer_take
 *
 * Ownership: the buffer owns `data`, until buffer_take moves it out. `data` may move at each call
 *            that adds bytes; it is NULL as long as nothing was reserved.
 * Threads:   one thread at a time.
 * Failure:   only growth can fail (NO_MEMORY; LIMIT where a size would not fit in size_t), and
 *            then the buffer is as it was.
 */
#ifndef SHARED_BUFFER_H
#define SHARED_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

/* Make room for `more` bytes past the present size. The capacity at least doubles when it grows. */
MUST_CHECK enum status buffer_reserve(struct buffer *buffer, size_t more);

/* `bytes` must not point into the buffer; it may be NULL where `size` is 0. */
MUST_CHECK enum status buffer_append(struct buffer *buffer, const void *bytes, size_t size);
MUST_CHECK enum status buffer_append_byte(struct buffer *buffer, uint8_t byte);

/* Append text without its terminating NUL. INVALID where printf itself refuses. */
MUST_CHECK enum status buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void buffer_clear(struct buffer *buffer); /* forgets the bytes, keeps the memory */
void buffer_free(struct buffer *buffer);  /* gives the memory back; the buffer is empty after */

/* Move the bytes out, to be released with free(); the buffer is empty after. NULL where nothing
 * was ever reserved. */
MUST_CHECK uint8_t *buffer_take(struct buffer *buffer, size_t *size_out);

/* A msgpack_packer_write: `buffer` is a struct buffer. Returns 0, or -1 where growth failed. */
int buffer_msgpack_write(void *buffer, const char *data, size_t size);

#endif
