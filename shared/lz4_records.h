/* lz4_records.h - LZ4 blocks (lz4_Block_format.md of the lz4 project) of records of equal width.
 *
 * The outputs of a scalar type are such records, and their first bytes are mostly those of the
 * record before. For those, looking one record back and nowhere else gives blocks that are some
 * percent larger than those of the LZ4 library, in a fraction of its time. What is written is a
 * standard block whatever the bytes are: a width that does not fit them only makes it not worth
 * while.
 *
 * Threads: any.
 */
#ifndef SHARED_LZ4_RECORDS_H
#define SHARED_LZ4_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define LZ4_RECORDS_WIDTH_MIN 8u
#define LZ4_RECORDS_WIDTH_MAX 65535u
#define LZ4_RECORDS_SIZE_MAX ((size_t)1 << 22)
/* The room that a block of `size` bytes may take while it is written. */
#define LZ4_RECORDS_ROOM(size) ((size) + (size) / 255 + 64)

/* Write one block that holds the first `size` bytes of `data`, and gives its size; 0 where it would
 * save less than an eighth. `out` has LZ4_RECORDS_ROOM(size) bytes. */
size_t lz4_records_compress(const uint8_t *data, size_t size, size_t width, uint8_t *out);

#endif
