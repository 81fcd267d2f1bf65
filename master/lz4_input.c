#include "master/lz4_input.h"

#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKED_SIZE ((size_t)64 * 1024)

struct lz4_input {
    int file;
    const char *name;
    LZ4F_dctx *context;
    bool is_in_frame;
    uint64_t offset; /* in the file, of packed[at] */
    size_t at;
    size_t end;
    uint8_t packed[PACKED_SIZE];
};

enum status lz4_input_create(int file, const char *name, struct lz4_input **input_out,
                             struct error *err)
{
    struct lz4_input *input = calloc(1, sizeof(*input));
    if (input == NULL ||
        LZ4F_isError(LZ4F_createDecompressionContext(&input->context, LZ4F_VERSION))) {
        lz4_input_destroy(input);
        return error_set(err, STATUS_NO_MEMORY, "%s: %s", name, status_text(STATUS_NO_MEMORY));
    }
    input->file = file;
    input->name = name;
    *input_out = input;
    return STATUS_OK;
}

void lz4_input_destroy(struct lz4_input *input)
{
    if (input != NULL) {
        (void)LZ4F_freeDecompressionContext(input->context);
        free(input);
    }
}

static enum status read_packed(struct lz4_input *input, bool *is_end_out, struct error *err)
{
    ssize_t size = 0;
    do {
        size = read(input->file, input->packed, sizeof(input->packed));
    } while (size < 0 && errno == EINTR);
    if (size < 0) {
        return error_set(err, STATUS_IO, "%s: %s", input->name, strerror(errno));
    }
    if (size == 0 && input->is_in_frame) {
        return error_set(err, STATUS_INVALID, "%s: ends in the middle of an LZ4 frame",
                         input->name);
    }
    input->at = 0;
    input->end = (size_t)size;
    *is_end_out = size == 0;
    return STATUS_OK;
}

enum status lz4_input_read(struct lz4_input *input, void *data, size_t size_max,
                           struct lz4_piece *piece_out, struct error *err)
{
    struct lz4_piece piece = {0};
    for (;;) {
        size_t produced = size_max;
        size_t consumed = input->end - input->at;
        const size_t hint = LZ4F_decompress(input->context, data, &produced,
                                            input->packed + input->at, &consumed, NULL);
        if (LZ4F_isError(hint)) {
            return error_set(err, STATUS_INVALID, "%s: not made of whole LZ4 frames (%s)",
                             input->name, LZ4F_getErrorName(hint));
        }
        input->at += consumed;
        input->offset += consumed;
        const bool was_in_frame = input->is_in_frame || consumed > 0;
        input->is_in_frame = was_in_frame && hint != 0;

        piece.size = produced;
        piece.is_frame_end = was_in_frame && hint == 0;
        piece.packed_end = input->offset;
        if (produced > 0 || piece.is_frame_end) {
            break;
        }
        if (input->at < input->end) {
            continue;
        }
        const enum status status = read_packed(input, &piece.is_end, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (piece.is_end) {
            break;
        }
    }
    *piece_out = piece;
    return STATUS_OK;
}
