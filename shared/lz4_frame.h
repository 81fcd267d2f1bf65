/* lz4_frame.h - standard LZ4 frames (lz4_Frame_format.md of the lz4 project), data and skippable.
 *
 * Threads: any; each thread keeps one decoding context, and gives it back when it ends.
 * Failure: readers here are safe on any bytes; what a frame says of its size is not believed. The
 *          buffer is as it was.
 */
#ifndef SHARED_LZ4_FRAME_H
#define SHARED_LZ4_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buffer.h"
#include "shared/error.h"

/* Append one frame (with its content size, without checksums) that holds `size` bytes. Memory is
 * taken for the buffer only. */
MUST_CHECK enum status lz4_frame_compress(const void *data, size_t size, struct buffer *out);

/* The same into memory that has lz4_frame_room(size) bytes, for records of `width` bytes one after
 * the other; 0 where they have no common width. Gives the frame's size; 0: no memory. */
size_t lz4_frame_room(size_t size);
size_t lz4_frame_compress_records(const uint8_t *data, size_t size, size_t width, uint8_t *out);

/* Append what the one data frame in `data` holds; it must fill `size` exactly (else INVALID) and
 * decode to at most `content_size_max` bytes (else LIMIT). */
MUST_CHECK enum status lz4_frame_decompress(const void *data, size_t size, size_t content_size_max,
                                            struct buffer *out);

/* The same of the data frame that `data` begins with: others may stand behind it. *used_out is its
 * size in bytes. */
MUST_CHECK enum status lz4_frame_decompress_first(const void *data, size_t size,
                                                  size_t content_size_max, struct buffer *out,
                                                  size_t *used_out);

/* A skippable frame: 4 bytes of magic 0x184D2A5x, 4 bytes of size (both little-endian), payload. */
#define LZ4_FRAME_SKIPPABLE_HEADER_SIZE 8
#define LZ4_FRAME_SKIPPABLE_MAGIC 0x184D2A50u
void lz4_frame_skippable_header(uint32_t payload_size,
                                uint8_t header_out[LZ4_FRAME_SKIPPABLE_HEADER_SIZE]);

/* Is this a header that lz4_frame_skippable_header() made? */
bool lz4_frame_is_skippable(const uint8_t header[LZ4_FRAME_SKIPPABLE_HEADER_SIZE],
                            uint32_t *payload_size_out);

#endif
