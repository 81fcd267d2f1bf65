/* lz4_input.h - reads a file of LZ4 frames, one after the other, piece by piece.
 *
 * Ownership: the file stays the caller's.
 * Failure:   safe on any bytes. A file that ends within a frame is INVALID; texts name the file.
 */
#ifndef MASTER_LZ4_INPUT_H
#define MASTER_LZ4_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

struct lz4_input; /* fields: lz4_input.c */

/* `name` is for error texts and must outlive the input. */
MUST_CHECK enum status lz4_input_create(int file, const char *name, struct lz4_input **input_out,
                                        struct error *err);
void lz4_input_destroy(struct lz4_input *input); /* NULL is allowed */

struct lz4_piece {
    size_t size;         /* bytes written; may be 0 where a frame ended */
    bool is_frame_end;   /* these were the last of their frame */
    bool is_end;         /* there is nothing more in the file */
    uint64_t packed_end; /* offset in the file of what was not read yet; exact at a frame's end */
};

/* Decode up to `size_max` (above 0) bytes of the present frame. */
MUST_CHECK enum status lz4_input_read(struct lz4_input *input, void *data, size_t size_max,
                                      struct lz4_piece *piece_out, struct error *err);

#endif
